//! Messages cut out of a stream: a length of 4 bytes, big-endian, and as many bytes (ZEO-PROTOCOL section 1).

use std::ops::Range;

/// Length of the length.
pub const HEADER: usize = 4;
/// Bounds of what is read at once: of a stream that delivers little, and of one that delivers more each time.
const MIN_READ_BYTES: usize = 4 << 10;
const MAX_READ_BYTES: usize = 64 << 10;

/// A message that is longer than it may be, by its announcement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooLong(pub u32);

/// The bytes of a stream that have arrived and are not handled yet.
#[derive(Debug, Default)]
pub struct Frames {
    /// Its length is what can be held; initialised once, read into many times.
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    /// What is read at once.
    read_size: usize,
    /// What the first message lacks, as far as that is known.
    missing: usize,
    /// How many of the next bytes belong to a message that is not wanted.
    skipping: usize,
}

impl Frames {
    /// Where the next bytes of the stream go. It grows with what arrives, never with what is announced.
    pub fn spare_mut(&mut self) -> &mut [u8] {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
            if self.buffer.len() > self.read_size.max(MIN_READ_BYTES) {
                self.buffer = Vec::new();
            }
        }
        self.read_size = self.read_size.clamp(MIN_READ_BYTES, MAX_READ_BYTES);
        if self.buffer.len() - self.end < self.read_size {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
            if self.buffer.len() - self.end < self.read_size {
                // A long message: as many bytes have arrived as are copied, and no more are needed than it lacks.
                let spare = self.end.min(self.missing).max(self.read_size);
                self.buffer.resize(self.end + spare, 0);
            }
        }
        &mut self.buffer[self.end..]
    }

    /// So many bytes were put there.
    pub fn filled(&mut self, count: usize) {
        let spare = self.buffer.len() - self.end;
        if count == spare {
            self.read_size *= 2;
        } else if count < spare / 8 {
            self.read_size /= 2;
        }
        self.end += count;
        self.drop_skipped();
    }

    fn drop_skipped(&mut self) {
        let count = self.skipping.min(self.end - self.start);
        self.start += count;
        self.skipping -= count;
    }

    /// Drops the first message, of `length` bytes, now and as it arrives.
    pub fn skip(&mut self, TooLong(length): TooLong) {
        self.skipping = HEADER.saturating_add(usize::try_from(length).unwrap_or(usize::MAX));
        self.drop_skipped();
    }

    /// The length of the first message, if it has not arrived whole, and what there is of it.
    #[must_use]
    pub fn arriving(&self) -> Option<(usize, &[u8])> {
        let begin = self.start + HEADER;
        (self.missing > 0).then(|| (self.end - begin + self.missing, &self.buffer[begin..self.end]))
    }

    /// Takes as many of the bytes as fit, as if they had been read; gives the others.
    pub fn feed<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let spare = self.spare_mut();
        let (now, later) = bytes.split_at(spare.len().min(bytes.len()));
        spare[..now.len()].copy_from_slice(now);
        self.filled(now.len());
        later
    }

    /// Takes the next whole message out, as a place in [`Frames::bytes`]; `None`: more must be read.
    ///
    /// # Errors
    /// It is longer than `limit`, which is known as soon as its length has arrived.
    pub fn next(&mut self, limit: usize) -> Result<Option<Range<usize>>, TooLong> {
        self.missing = 0;
        let Some((header, body)) = self.buffer[self.start..self.end].split_first_chunk::<HEADER>() else {
            return Ok(None);
        };
        let announced = u32::from_be_bytes(*header);
        let length = usize::try_from(announced).unwrap_or(usize::MAX);
        if length > limit {
            return Err(TooLong(announced));
        }
        if body.len() < length {
            self.missing = length - body.len();
            return Ok(None);
        }
        let begin = self.start + HEADER;
        self.start = begin + length;
        Ok(Some(begin..begin + length))
    }

    /// The bytes of a message, until the next call of [`Frames::spare_mut`].
    #[must_use]
    pub fn bytes(&self, place: Range<usize>) -> &[u8] {
        &self.buffer[place]
    }
}

/// Appends a message that `fill` writes; nothing is left of one that it gives up or that is too long for its header.
///
/// # Errors
/// Those of `fill`, as they are; `None`: too long.
pub fn append<E>(
    out: &mut Vec<u8>,
    fill: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
) -> Result<(), Option<E>> {
    let begin = out.len();
    out.extend_from_slice(&[0; HEADER]);
    let filled = fill(out).map_err(Some).and_then(|()| close(out, begin).ok_or(None));
    if filled.is_err() {
        out.truncate(begin);
    }
    filled
}

/// Writes the length of the message that began at `begin`; `None`: it is too long.
pub fn close(out: &mut [u8], begin: usize) -> Option<()> {
    let length = u32::try_from(out.len().checked_sub(begin + HEADER)?).ok()?;
    out.get_mut(begin..begin + HEADER)?.copy_from_slice(&length.to_be_bytes());
    Some(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn feed(frames: &mut Frames, mut bytes: &[u8], limit: usize) -> Vec<Vec<u8>> {
        let mut found = Vec::new();
        while !bytes.is_empty() {
            bytes = frames.feed(bytes);
            while let Some(place) = frames.next(limit).unwrap() {
                found.push(frames.bytes(place).to_vec());
            }
        }
        found
    }

    proptest! {
        #[test]
        fn messages_come_out_as_they_went_in_however_they_are_cut(
            lengths in prop::collection::vec(prop_oneof![0_usize..40, 0_usize..300_000], 1..12),
            cuts in prop::collection::vec(1_usize..70_000, 1..40),
        ) {
            let messages: Vec<Vec<u8>> =
                lengths.iter().enumerate().map(|(n, length)| vec![u8::try_from(n).unwrap(); *length]).collect();
            let mut stream = Vec::new();
            for message in &messages {
                append(&mut stream, |out| { out.extend(message); Ok::<(), ()>(()) }).unwrap();
            }
            let (mut frames, mut found, mut rest) = (Frames::default(), Vec::new(), stream.as_slice());
            for cut in cuts.iter().cycle() {
                if rest.is_empty() { break; }
                let (now, later) = rest.split_at((*cut).min(rest.len()));
                found.extend(feed(&mut frames, now, 300_000));
                rest = later;
            }
            prop_assert!(found == messages);
        }
    }

    #[test]
    fn announced_length_is_refused_at_once_and_takes_no_memory() {
        let mut frames = Frames::default();
        frames.feed(&[0xff; 4]);
        assert_eq!(frames.next(256 << 20), Err(TooLong(u32::MAX)));
        let mut frames = Frames::default();
        frames.feed(&(200_u32 << 20).to_be_bytes());
        assert_eq!(frames.next(256 << 20), Ok(None));
        assert!(frames.spare_mut().len() < 1 << 20);
    }

    #[test]
    fn message_that_is_skipped_takes_no_memory_and_the_next_one_comes_out() {
        let mut stream = (5_u32 << 20).to_be_bytes().to_vec();
        stream.resize(HEADER + (5 << 20), 7);
        stream.extend(b"\0\0\0\x04next");
        for first in [HEADER, HEADER + 100, 100_000] {
            let mut frames = Frames::default();
            let mut rest = &stream[..];
            while rest.len() > stream.len() - first {
                let wanted = first - (stream.len() - rest.len());
                let left = frames.feed(&rest[..wanted]);
                rest = &rest[wanted - left.len()..];
            }
            let Err(announced) = frames.next(1 << 20) else { panic!() };
            frames.skip(announced);
            let mut found = None;
            while found.is_none() {
                rest = frames.feed(rest);
                assert!(frames.buffer.len() <= 3 * MAX_READ_BYTES, "{}", frames.buffer.len());
                found = frames.next(1 << 20).unwrap().map(|place| frames.bytes(place).to_vec());
            }
            assert_eq!(found.as_deref(), Some(&b"next"[..]));
        }
    }

    #[test]
    fn memory_of_a_long_message_is_given_back() {
        let mut frames = Frames::default();
        let mut stream = Vec::new();
        append(&mut stream, |out| {
            out.resize(HEADER + (5 << 20), 7);
            Ok::<(), ()>(())
        })
        .unwrap();
        assert_eq!(feed(&mut frames, &stream, 10 << 20).len(), 1);
        frames.spare_mut();
        assert!(frames.buffer.len() <= MAX_READ_BYTES, "{}", frames.buffer.len());
    }

    #[test]
    fn long_message_takes_little_more_memory_than_its_length() {
        let (mut frames, mut largest) = (Frames::default(), 0);
        let length = (33 << 20) + 5;
        let stream = [&(33_u32 << 20).to_be_bytes()[..], &vec![7; 33 << 20], b"next!"].concat();
        let mut bytes = &stream[..];
        while !bytes.is_empty() {
            bytes = frames.feed(bytes);
            largest = largest.max(frames.buffer.len());
            if frames.next(64 << 20).unwrap().is_some() {
                break;
            }
        }
        assert!(largest <= length + 2 * MAX_READ_BYTES, "{largest}");
    }
}
