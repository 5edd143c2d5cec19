//! The names of objects and transactions: 8 bytes, big-endian, in files and messages.

use std::fmt;

/// An object's id. The root object is 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Oid(pub u64);

/// A transaction's id: a time stamp (FILESTORAGE section 3) that only grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Tid(pub u64);

impl Oid {
    /// The object that all others are reached from.
    pub const ROOT: Self = Self(0);
    /// The largest id of a new object that the storage has not given out. Those that it gives out follow the largest one: a client
    /// that makes its own up could leave none.
    pub const MAX_CHOSEN: Self = Self(0x7fff_ffff_ffff_ffff);
    /// The largest id that others are given out after: one beyond, from an older server, would leave none.
    pub const MAX_FOLLOWED: Self = Self(0xffff_ffff_0000_ffff);

    /// From its bytes.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 8]) -> Self {
        Self(u64::from_be_bytes(bytes))
    }

    /// As its bytes.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 8] {
        self.0.to_be_bytes()
    }
}

impl Tid {
    /// "No transaction": the last one of an empty storage, the serial of a new object.
    pub const ZERO: Self = Self(0);
    /// Later than every transaction (`maxtid`).
    pub const MAX: Self = Self(0x7fff_ffff_ffff_ffff);

    /// From its bytes.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 8]) -> Self {
        Self(u64::from_be_bytes(bytes))
    }

    /// As its bytes.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 8] {
        self.0.to_be_bytes()
    }
}

impl fmt::Display for Oid {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:#x}", self.0)
    }
}

impl fmt::Display for Tid {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:016x}", self.0)
    }
}
