//! The bytes of a pickle, read from the front.

use super::Error;

/// What is left to read.
pub(super) struct Input<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Input<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// How many bytes were read.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// The fault "what is wrong here".
    pub(super) fn invalid(&self, what: &'static str) -> Error {
        Error::Invalid { what, at: self.at }
    }

    /// So many bytes.
    pub(super) fn take(&mut self, count: usize) -> Result<&'a [u8], Error> {
        let taken = self.bytes.get(self.at..).and_then(|rest| rest.get(..count)).ok_or(Error::Short)?;
        self.at += count;
        Ok(taken)
    }

    /// So many bytes, as an array.
    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let taken = self.take(N)?;
        taken.try_into().map_err(|_| Error::Short)
    }

    pub(super) fn byte(&mut self) -> Result<u8, Error> {
        let [byte] = self.array()?;
        Ok(byte)
    }

    /// A length of four bytes, and so many bytes.
    pub(super) fn counted(&mut self) -> Result<&'a [u8], Error> {
        let count = u32::from_le_bytes(self.array()?);
        self.take(usize::try_from(count).map_err(|_| Error::Short)?)
    }

    /// A length of one byte, and so many bytes.
    pub(super) fn short_counted(&mut self) -> Result<&'a [u8], Error> {
        let count = self.byte()?;
        self.take(usize::from(count))
    }

    /// A line, without its end.
    pub(super) fn line(&mut self) -> Result<&'a [u8], Error> {
        let rest = self.bytes.get(self.at..).ok_or(Error::Short)?;
        let length = rest.iter().position(|byte| *byte == b'\n').ok_or(Error::Short)?;
        self.at += length + 1;
        rest.get(..length).ok_or(Error::Short)
    }

    /// A line that is text.
    pub(super) fn text_line(&mut self) -> Result<&'a str, Error> {
        let line = self.line()?;
        std::str::from_utf8(line).map_err(|_| self.invalid("a name that is not UTF-8"))
    }
}
