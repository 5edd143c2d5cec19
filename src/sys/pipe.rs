//! Pipes: enlarged, opened at both ends, found again in another process.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, AsRawFd};

use nix::fcntl::{FcntlArg, OFlag, fcntl};

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
