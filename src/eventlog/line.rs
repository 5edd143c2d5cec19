//! A record as a line, written whole or ended before the next.

use std::io;

use super::encoding::Encoding;
use super::level::Level;

/// A record's text, without a newline at its end.
#[derive(Debug, Clone, Copy)]
pub(super) struct Text<'a> {
    pub(super) level: Level,
    pub(super) record: &'a str,
    /// A record to go before it, a warning: how many were lost.
    pub(super) lost: Option<&'a str>,
}

/// A record's text as bytes, between two newlines; the first is written only after a line that was cut short.
#[derive(Debug, Default)]
pub(super) struct Line {
    bytes: Vec<u8>,
}

/// Memory for a longer line is given back before the next one. Bytes.
pub(super) const KEPT: usize = 16 * 1024;

impl Line {
    /// Makes this the line of a text, with the line of the notice before it.
    pub(super) fn set(&mut self, text: &Text<'_>, encoding: Encoding) {
        self.bytes.clear();
        self.bytes.shrink_to(KEPT);
        self.bytes.push(b'\n');
        for text in text.lost.into_iter().chain([text.record]) {
            encoding.encode(text, &mut self.bytes);
            self.bytes.push(b'\n');
        }
    }

    /// How many bytes it adds to a file.
    pub(super) fn len(&self) -> u64 {
        self.bytes.len() as u64 - 1
    }
}

/// Whether the last line written was cut short.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Torn(pub(super) bool);

impl Torn {
    /// Writes a line, in one write if the destination takes it.
    ///
    /// # Errors
    /// Those of `write`; what was written before stays, and the next line will begin with a newline.
    pub(super) fn write(
        &mut self,
        line: &Line,
        mut write: impl FnMut(&[u8]) -> io::Result<usize>,
    ) -> io::Result<()> {
        let mut rest = line.bytes.get(usize::from(!self.0)..).unwrap_or_default();
        while !rest.is_empty() {
            match write(rest) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => {
                    let (done, left) = rest.split_at(written.min(rest.len()));
                    self.0 = done.last() != Some(&b'\n');
                    rest = left;
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
