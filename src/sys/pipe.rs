//! Pipes: made, enlarged, drained without copying.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, SpliceFFlags, fcntl, splice, tee};
use nix::unistd;

/// A pipe for bytes from one process to another: (read end, write end), both close-on-exec.
///
/// # Errors
/// Where the system is out of descriptors.
pub fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    unistd::pipe2(OFlag::O_CLOEXEC).map_err(io::Error::from)
}

/// Makes reads and writes of this descriptor fail with `WouldBlock` instead of waiting.
///
/// # Errors
/// None is expected.
pub fn never_block(descriptor: impl AsFd) -> io::Result<()> {
    let flags = fcntl(descriptor.as_fd(), FcntlArg::F_GETFL)?;
    fcntl(descriptor.as_fd(), FcntlArg::F_SETFL(OFlag::from_bits_retain(flags) | OFlag::O_NONBLOCK))?;
    Ok(())
}

/// Lets a pipe hold more, as far as the system allows (pipe(7), `/proc/sys/fs/pipe-max-size`).
pub fn enlarge(pipe: impl AsFd, bytes: usize) {
    let Ok(bytes) = i32::try_from(bytes) else { return };
    let _ = fcntl(pipe.as_fd(), FcntlArg::F_SETPIPE_SZ(bytes));
}

/// A second opening of a pipe, for reading and writing at once (fifo(7)). Whoever writes through it is a reader too, so
/// that the other readers' end is no SIGPIPE for him.
///
/// # Errors
/// Where `/proc` is not there.
pub fn both_ends(pipe: impl AsFd) -> io::Result<File> {
    let path = format!("/proc/self/fd/{}", pipe.as_fd().as_raw_fd());
    OpenOptions::new().read(true).write(true).open(path)
}

/// The pipe of which another process has both ends ([`both_ends`]) as its descriptor `number`, opened for reading; `None`
/// where that is something else. A pipe with one end there has its other end, and its reader, elsewhere.
///
/// # Errors
/// Those of opening it: the process is gone, or somebody else's.
pub fn shared_pipe_of(pid: i32, number: i32) -> io::Result<Option<File>> {
    use std::os::unix::fs::OpenOptionsExt;
    let path = format!("/proc/{pid}/fd/{number}");
    if !std::fs::read_link(&path)?.to_string_lossy().starts_with("pipe:[") {
        return Ok(None);
    }
    // In octal (proc_pid_fdinfo(5)).
    let about = std::fs::read_to_string(format!("/proc/{pid}/fdinfo/{number}"))?;
    let flags = about.lines().find_map(|line| line.strip_prefix("flags:"));
    let flags = flags.and_then(|flags| i32::from_str_radix(flags.trim(), 8).ok()).unwrap_or_default();
    if flags & nix::libc::O_ACCMODE != nix::libc::O_RDWR {
        return Ok(None);
    }
    OpenOptions::new().read(true).custom_flags(nix::libc::O_NONBLOCK).open(path).map(Some)
}

/// What a move of bytes came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moved {
    /// So many bytes; 0: the end.
    Bytes(usize),
    /// Nothing is in the pipe.
    Nothing,
    /// The target takes no bytes in this way (splice(2), `EINVAL`).
    Unsupported,
}

/// Moves up to `most` bytes from a pipe to where the target's position is, inside the kernel.
///
/// # Errors
/// Those of the target; the bytes are still in the pipe then.
pub fn move_bytes(pipe: BorrowedFd<'_>, target: BorrowedFd<'_>, most: usize) -> io::Result<Moved> {
    moved(|| splice(pipe, None, target, None, most, SpliceFFlags::SPLICE_F_NONBLOCK))
}

/// Puts up to `most` bytes that are in one pipe into another too, without a copy (tee(2)).
///
/// # Errors
/// None is expected.
pub fn share_bytes(pipe: BorrowedFd<'_>, other: BorrowedFd<'_>, most: usize) -> io::Result<Moved> {
    moved(|| tee(pipe, other, most, SpliceFFlags::SPLICE_F_NONBLOCK))
}

fn moved(attempt: impl Fn() -> nix::Result<usize>) -> io::Result<Moved> {
    loop {
        match attempt() {
            Ok(length) => return Ok(Moved::Bytes(length)),
            Err(Errno::EINTR) => {}
            Err(Errno::EAGAIN) => return Ok(Moved::Nothing),
            Err(Errno::EINVAL) => return Ok(Moved::Unsupported),
            Err(error) => return Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::*;

    #[test]
    fn bytes_move_from_a_pipe_to_a_file() {
        let (read, write) = pipe().unwrap();
        let mut file = tempfile::tempfile().unwrap();
        File::from(write).write_all(b"hello").unwrap();
        assert_eq!(move_bytes(read.as_fd(), file.as_fd(), 1 << 20).unwrap(), Moved::Bytes(5));
        // What another test is just starting may hold the other end open for a moment.
        let begun = std::time::Instant::now();
        let end = || move_bytes(read.as_fd(), file.as_fd(), 1 << 20).unwrap();
        while end() == Moved::Nothing {
            assert!(begun.elapsed() < std::time::Duration::from_secs(60), "no end of the pipe is seen");
        }
        assert_eq!(end(), Moved::Bytes(0));
        std::io::Seek::rewind(&mut file).unwrap();
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        assert_eq!(text, "hello");
    }

    #[test]
    fn shared_bytes_are_in_both_pipes() {
        let ((first, first_end), (second, second_end)) = (pipe().unwrap(), pipe().unwrap());
        assert_eq!(share_bytes(first.as_fd(), second_end.as_fd(), 9).unwrap(), Moved::Nothing);
        File::from(first_end).write_all(b"hello").unwrap();
        assert_eq!(share_bytes(first.as_fd(), second_end.as_fd(), 4).unwrap(), Moved::Bytes(4));
        drop(second_end);
        for (pipe, expected) in [(first, "hello"), (second, "hell")] {
            let mut text = String::new();
            File::from(pipe).read_to_string(&mut text).unwrap();
            assert_eq!(text, expected);
        }
    }

    #[test]
    fn empty_pipe_and_appended_file_are_told_apart() {
        let (read, write) = pipe().unwrap();
        let file = tempfile::NamedTempFile::new().unwrap();
        assert_eq!(move_bytes(read.as_fd(), file.as_fd(), 1).unwrap(), Moved::Nothing);
        let appended = OpenOptions::new().append(true).open(file.path()).unwrap();
        File::from(write).write_all(b"x").unwrap();
        assert_eq!(move_bytes(read.as_fd(), appended.as_fd(), 1).unwrap(), Moved::Unsupported);
    }

    #[test]
    fn writer_that_is_a_reader_too_survives_the_other_reader() {
        let (read, write) = pipe().unwrap();
        let mut both = both_ends(&write).unwrap();
        drop((read, write));
        both.write_all(b"nobody else").unwrap();
        let pipe_of =
            |fd: &dyn AsRawFd| shared_pipe_of(std::process::id().cast_signed(), fd.as_raw_fd()).unwrap();
        let again = pipe_of(&both);
        let mut text = [0; 11];
        again.expect("it is a pipe").read_exact(&mut text).unwrap();
        assert_eq!(&text, b"nobody else");
        let (read, write) = pipe().unwrap();
        assert!(pipe_of(&read).is_none() && pipe_of(&write).is_none(), "somebody else reads it");
    }
}
