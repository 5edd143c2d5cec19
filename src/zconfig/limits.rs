//! The limits of a load.

/// Bounds of the time and memory of a load, for any files.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes of all files together, each counted as often as it is read.
    pub bytes: usize,
    /// Bytes that substitution may make, all together.
    pub substituted: usize,
    /// Files that are read, each counted as often.
    pub files: usize,
    /// Sections inside of each other.
    pub depth: usize,
    /// Keys and definitions that are kept; a section counts as ten.
    pub items: usize,
    /// Faults after which a file is not read on.
    pub faults: usize,
}

impl Default for Limits {
    /// 256 MiB of files, 64 MiB of substituted text, 10,000 files, 100,000 levels, 2,000,000 items, 1,000 faults.
    fn default() -> Self {
        Self {
            bytes: 256 << 20,
            substituted: 64 << 20,
            files: 10_000,
            depth: 100_000,
            items: 2_000_000,
            faults: 1000,
        }
    }
}
