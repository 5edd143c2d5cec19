//! Writing without waiting, to descriptors that others share and that therefore stay in blocking mode.

use std::io;
use std::os::fd::BorrowedFd;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::stat::{SFlag, fstat};

/// How much a pipe that is ready for writing takes without blocking, whatever else is in it: its readiness means a free
/// page (pipe(7): `PIPE_BUF` on Linux).
const AT_ONCE: usize = 4096;

/// Writes as much of `bytes` as the descriptor takes now, and returns how much: to a file all of it, to anything else at
/// most 4096 bytes.
///
/// # Errors
/// `WouldBlock` when it takes nothing now, else those of write(2). A second writer that fills the same pipe between the
/// question and the write can still make the caller wait: the descriptor's mode is not ours to change.
pub fn write(descriptor: BorrowedFd<'_>, bytes: &[u8]) -> io::Result<usize> {
    if SFlag::from_bits_truncate(fstat(descriptor)?.st_mode) & SFlag::S_IFMT == SFlag::S_IFREG {
        return Ok(nix::unistd::write(descriptor, bytes)?);
    }
    let mut ready = [PollFd::new(descriptor, PollFlags::POLLOUT)];
    poll(&mut ready, PollTimeout::ZERO)?;
    let events = ready[0].revents().unwrap_or(PollFlags::empty());
    if events.is_empty() {
        return Err(io::ErrorKind::WouldBlock.into());
    }
    Ok(nix::unistd::write(descriptor, bytes.get(..AT_ONCE).unwrap_or(bytes))?)
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn full_pipe_refuses_instead_of_blocking() {
        let (mut reader, writer) = io::pipe().unwrap();
        let mut sent = 0;
        let error = loop {
            match write(writer.as_fd(), &[b'x'; 5000]) {
                Ok(written) => sent += written,
                Err(error) => break error,
            }
        };
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        drop(writer);
        let mut got = Vec::new();
        assert_eq!(reader.read_to_end(&mut got).unwrap(), sent);
        assert!(sent >= 4096, "{sent}");
    }

    #[test]
    fn file_takes_everything_at_once() {
        let file = tempfile::tempfile().unwrap();
        assert_eq!(write(file.as_fd(), &b"x".repeat(100_000)).unwrap(), 100_000);
    }

    #[test]
    fn reader_that_has_gone_is_an_error() {
        // Not a pipe, whose reader could be held open for a moment by what another test is just starting.
        let (reader, writer) = std::os::unix::net::UnixStream::pair().unwrap();
        reader.shutdown(std::net::Shutdown::Both).unwrap();
        assert_eq!(write(writer.as_fd(), b"x").unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    }
}
