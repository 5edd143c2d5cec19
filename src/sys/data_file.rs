//! What a data file needs beyond the standard library: files without a name, space set aside, no time of access.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{FallocateFlags, FcntlArg, OFlag, fallocate, fcntl};
use nix::libc;
use nix::sys::statvfs::statvfs;

/// Has reads leave the time of the last access alone (`O_NOATIME` of open(2)): looking whether it must be set is a good part
/// of a short read.
///
/// # Errors
/// The file is another user's.
pub fn keep_access_time(file: &File) -> io::Result<()> {
    let flags = OFlag::from_bits_retain(fcntl(file, FcntlArg::F_GETFL)?);
    fcntl(file, FcntlArg::F_SETFL(flags | OFlag::O_NOATIME))?;
    Ok(())
}

/// Reads what is in the page cache, without waiting for the disk (preadv2(2) with `RWF_NOWAIT`); how many bytes it were, 0
/// at the end of the file.
///
/// # Errors
/// Those of preadv2(2); [`io::ErrorKind::WouldBlock`]: the first byte is not in memory, or the file system cannot tell.
pub fn read_cached(file: &File, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
    let offset = i64::try_from(offset).map_err(|_| io::Error::from(Errno::EFBIG))?;
    let part = libc::iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: bytes.len() };
    #[allow(unsafe_code)] // preadv2 has no safe form
    // SAFETY: the one part that is passed lies in `bytes`, which is ours to write to during the call.
    let count = unsafe { libc::preadv2(file.as_raw_fd(), &raw const part, 1, offset, libc::RWF_NOWAIT) };
    match Errno::result(count) {
        Ok(count) => Ok(usize::try_from(count).unwrap_or(0)),
        Err(Errno::EOPNOTSUPP | Errno::ENOSYS) => Err(io::ErrorKind::WouldBlock.into()),
        Err(error) => Err(error.into()),
    }
}

/// Sets space on the disk aside for a part of a file, also beyond its end; its length stays (fallocate(2)). False: the file
/// system knows no such thing.
///
/// # Errors
/// Those of fallocate(2): there is no space.
pub fn reserve(file: &File, offset: u64, length: u64) -> io::Result<bool> {
    let number = |number: u64| i64::try_from(number).map_err(|_| io::Error::from(Errno::EFBIG));
    let (offset, length) = (number(offset)?, number(length)?);
    loop {
        match fallocate(file, FallocateFlags::FALLOC_FL_KEEP_SIZE, offset, length) {
            Ok(()) => return Ok(true),
            Err(Errno::EOPNOTSUPP | Errno::ENOSYS) => return Ok(false),
            Err(Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Bytes that an ordinary user may still write to the file system of a directory (statvfs(3)).
///
/// # Errors
/// Those of statvfs(3).
pub fn free_space(directory: &Path) -> io::Result<u64> {
    let found = statvfs(directory)?;
    #[allow(clippy::useless_conversion)] // their width depends on the platform
    let (blocks, size) = (u64::from(found.blocks_available()), u64::from(found.fragment_size()));
    Ok(blocks.saturating_mul(size))
}

/// A file for this process only, without a name, on the file system of `directory`: its space is free again when it is
/// closed, whatever becomes of the process.
///
/// # Errors
/// Those of open(2).
pub fn unnamed(directory: &Path) -> io::Result<File> {
    tempfile::tempfile_in(directory)
}

#[cfg(test)]
mod tests {
    use std::fs::FileTimes;
    use std::os::unix::fs::{FileExt, MetadataExt};
    use std::time::{Duration, SystemTime};

    use super::*;

    #[test]
    fn reading_leaves_the_time_of_access() {
        let directory = tempfile::tempdir().unwrap();
        let file = unnamed(directory.path()).unwrap();
        file.write_all_at(b"0123", 0).unwrap();
        // So old that also a file system that seldom sets the time would.
        let old = SystemTime::now() - Duration::from_secs(3 * 86_400);
        file.set_times(FileTimes::new().set_accessed(old)).unwrap();
        let before = file.metadata().unwrap().accessed().unwrap();
        keep_access_time(&file).unwrap();
        file.read_exact_at(&mut [0; 4], 0).unwrap();
        assert_eq!(file.metadata().unwrap().accessed().unwrap(), before);
        file.write_all_at(b"4", 4).unwrap();
    }

    #[test]
    fn cached_bytes_are_read_and_others_are_not_waited_for() {
        let directory = tempfile::tempdir().unwrap();
        let file = unnamed(directory.path()).unwrap();
        file.write_all_at(b"0123", 0).unwrap();
        let mut bytes = [0; 9];
        match read_cached(&file, &mut bytes, 1) {
            Ok(count) => assert_eq!(&bytes[..count], b"123"),
            // This file system cannot tell.
            Err(error) => assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
        }
    }

    #[test]
    fn reserved_space_is_not_seen() {
        let directory = tempfile::tempdir().unwrap();
        let file = unnamed(directory.path()).unwrap();
        file.write_all_at(b"0123", 0).unwrap();
        if reserve(&file, 4, 1 << 20).unwrap() {
            let metadata = file.metadata().unwrap();
            assert!(metadata.blocks() * 512 >= 1 << 20, "nothing is reserved");
        }
        assert_eq!(file.metadata().unwrap().len(), 4);
        reserve(&file, 0, u64::MAX).unwrap_err();
    }
}
