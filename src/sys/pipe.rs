//! Pipes: made, enlarged, found again in another process.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use nix::fcntl::{FcntlArg, OFlag, fcntl};
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

/// A second opening of a pipe, for reading and writing at once (fifo(7)). A process that writes through it is a reader too, so
/// that the end of the other readers is no SIGPIPE for it.
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
/// Those of opening it: the process is gone, or another user's.
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

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::*;

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
