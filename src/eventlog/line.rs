//! A record as a line of bytes, and writing it in one piece.

use std::io;

use super::encoding::Encoding;
use super::level::Level;

/// A record's text, without a final newline.
#[derive(Debug, Clone, Copy)]
pub(super) struct Text<'a> {
    pub(super) level: Level,
    pub(super) record: &'a str,
    /// A warning to be written first: how many records were lost.
    pub(super) lost: Option<&'a str>,
}

/// A record's text as bytes between two newlines; the first newline is written only after a truncated line.
#[derive(Debug, Default)]
pub(super) struct Line {
    bytes: Vec<u8>,
}

/// A buffer is shrunk to this size in bytes before it is reused.
pub(super) const MAX_KEPT_BYTES: usize = 16 * 1024;

impl Line {
    /// Sets the line to a text, preceded by the notice of lost records.
    pub(super) fn set(&mut self, text: &Text<'_>, encoding: Encoding) {
        self.bytes.clear();
        self.bytes.shrink_to(MAX_KEPT_BYTES);
        self.bytes.push(b'\n');
        for text in text.lost.into_iter().chain([text.record]) {
            encoding.encode(text, &mut self.bytes);
            self.bytes.push(b'\n');
        }
    }

    /// Number of bytes that it adds to a file.
    pub(super) fn len(&self) -> u64 {
        self.bytes.len() as u64 - 1
    }
}

/// Whether the last line was truncated.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Torn(pub(super) bool);

impl Torn {
    /// Writes a line, with one call if the destination accepts it all.
    ///
    /// # Errors
    /// Those of `write`. After a partial write the next line begins with a newline.
    pub(super) fn write(
        &mut self,
        line: &Line,
        mut write: impl FnMut(&[u8]) -> io::Result<usize>,
    ) -> io::Result<()> {
        let mut unwritten = line.bytes.get(usize::from(!self.0)..).unwrap_or_default();
        while !unwritten.is_empty() {
            match write(unwritten) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => {
                    let (done, left) = unwritten.split_at(written.min(unwritten.len()));
                    self.0 = done.last() != Some(&b'\n');
                    unwritten = left;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_that_was_cut_short_is_ended_before_the_next() {
        let mut line = Line::default();
        let mut torn = Torn::default();
        let mut written = Vec::new();
        for (record, room) in [("one", 4), ("two", 2), ("three", 0), ("four", 100), ("five", 100)] {
            line.set(&Text { level: Level::INFO, record, lost: None }, Encoding::Utf8);
            let mut room: usize = room;
            let result = torn.write(&line, |bytes| {
                let some = bytes.len().min(room).min(3);
                room -= some;
                written.extend_from_slice(&bytes[..some]);
                if some == 0 { Err(io::ErrorKind::StorageFull.into()) } else { Ok(some) }
            });
            assert_eq!(result.is_ok(), !["two", "three"].contains(&record), "{record}");
        }
        assert_eq!(String::from_utf8(written).unwrap(), "one\ntw\nfour\nfive\n");
    }

    #[test]
    fn interrupted_write_is_made_again() {
        let mut line = Line::default();
        line.set(&Text { level: Level::INFO, record: "x", lost: Some("lost 1 record") }, Encoding::Utf8);
        assert_eq!(line.len(), 16);
        let mut calls = 0;
        let result = Torn::default().write(&line, |bytes| {
            calls += 1;
            if calls == 1 { Err(io::ErrorKind::Interrupted.into()) } else { Ok(bytes.len()) }
        });
        assert!(result.is_ok());
        assert_eq!(calls, 2);
    }
}
