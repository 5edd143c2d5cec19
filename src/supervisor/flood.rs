//! A program that floods its output: moved by way of a second pipe.
//!
//! Whoever writes a pipe to a file holds the pipe meanwhile, so that the program stands still. So what is in the
//! program's pipe is put into ours too, which costs no copy; it is written from there, while the program goes on filling
//! the rest of its own; and only then it is taken out of the program's. A manager that is killed in between has lost
//! nothing: the next one writes those bytes again.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use crate::sys::pipe::{self, Moved};

/// How much in one move makes a flood.
const FLOOD: usize = 128 * 1024;

/// The second pipe, there while a flood lasts.
#[derive(Debug)]
pub struct Detour {
    read: OwnedFd,
    write: OwnedFd,
    nowhere: File,
}

/// Moves up to `most` bytes from `pipe` to where the target's position is, or half of that at a time in a flood.
///
/// # Errors
/// Those of the target; the bytes are still in the pipe then.
pub fn move_bytes(
    detour: &mut Option<Detour>,
    pipe: BorrowedFd<'_>,
    target: BorrowedFd<'_>,
    most: usize,
) -> io::Result<Moved> {
    let (moved, next) = match detour.take() {
        Some(detour) => detour.move_bytes(pipe, target, most / 2)?,
        None => (pipe::move_bytes(pipe, target, most)?, None),
    };
    if matches!(moved, Moved::Bytes(length) if length >= FLOOD) {
        // Without one, for want of descriptors, it goes on as it did.
        *detour = next.or_else(|| Detour::open(most).ok());
    }
    Ok(moved)
}

impl Detour {
    fn open(size: usize) -> io::Result<Self> {
        let (read, write) = pipe::pipe()?;
        pipe::enlarge(&write, size);
        Ok(Self { read, write, nowhere: OpenOptions::new().write(true).open("/dev/null")? })
    }

    /// Gives itself back if it is empty again.
    fn move_bytes(
        self,
        pipe: BorrowedFd<'_>,
        target: BorrowedFd<'_>,
        most: usize,
    ) -> io::Result<(Moved, Option<Self>)> {
        let shared = match pipe::share_bytes(pipe, self.write.as_fd(), most)? {
            Moved::Bytes(length) => length,
            other => return Ok((other, None)),
        };
        let (written, last) = exhaust(self.read.as_fd(), target, shared);
        if written == 0 {
            return last.map(|moved| (moved, None));
        }
        // What stopped it, if anything did, does so again where it can be told.
        let _ = exhaust(pipe, self.nowhere.as_fd(), written);
        Ok((Moved::Bytes(written), (written == shared).then_some(self)))
    }
}

/// Moves so many bytes; gives how many it came to, and what the last attempt did.
fn exhaust(pipe: BorrowedFd<'_>, target: BorrowedFd<'_>, length: usize) -> (usize, io::Result<Moved>) {
    let mut done = 0;
    loop {
        let last = pipe::move_bytes(pipe, target, length - done);
        match last {
            Ok(Moved::Bytes(moved)) if moved > 0 => done += moved,
            _ => return (done, last),
        }
        if done >= length {
            return (done, last);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read as _, Seek as _, Write as _};

    const MOST: usize = 1 << 20;

    fn source() -> (File, File) {
        let (read, write) = pipe::pipe().unwrap();
        pipe::enlarge(&write, MOST);
        pipe::never_block(&read).unwrap();
        (read.into(), write.into())
    }

    #[test]
    fn flood_arrives_whole_and_in_order_and_ends() {
        let (read, mut write) = source();
        let mut file = tempfile::tempfile().unwrap();
        let mut detour = None;
        let mut sent = Vec::new();
        for round in 0..20_u8 {
            let bytes: Vec<u8> = (0..700_000_u32).map(|n| (n % 251) as u8 ^ round).collect();
            write.write_all(&bytes).unwrap();
            sent.extend_from_slice(&bytes);
            while let Moved::Bytes(length) =
                move_bytes(&mut detour, read.as_fd(), file.as_fd(), MOST).unwrap()
            {
                assert_eq!(detour.is_some(), length >= FLOOD);
            }
        }
        assert!(detour.is_none(), "it is over");
        let mut got = Vec::new();
        file.rewind().unwrap();
        file.read_to_end(&mut got).unwrap();
        assert!(got == sent);
    }

    #[test]
    fn target_that_fails_leaves_the_bytes_in_the_pipe() {
        let (read, mut write) = source();
        let target = File::open("/dev/null").unwrap();
        let mut detour = Some(Detour::open(MOST).unwrap());
        write.write_all(&b"7".repeat(300_000)).unwrap();
        let error = move_bytes(&mut detour, read.as_fd(), target.as_fd(), MOST).unwrap_err();
        // EBADF: it is open for reading only.
        assert_eq!(error.raw_os_error(), Some(9), "{error}");
        assert!(detour.is_none());
        let mut there = vec![0; 300_001];
        assert_eq!((&read).read(&mut there).unwrap(), 300_000);
    }
}
