//! Locks on whole files (flock(2)).

use std::fs::File;
use std::io;

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

/// A file that this process has locked against others (flock(2)) for as long as the value lives.
#[derive(Debug)]
pub struct Locked(Flock<File>);

impl Locked {
    /// Locks a file if that is possible at once; `None` when another open file description has the lock.
    ///
    /// # Errors
    /// Those of flock(2): a file system that knows no locks.
    pub fn new(file: File) -> io::Result<Option<Self>> {
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => Ok(Some(Self(lock))),
            Err((_, Errno::EWOULDBLOCK)) => Ok(None),
            Err((_, error)) => Err(error.into()),
        }
    }

    /// The file.
    #[must_use]
    pub fn file(&self) -> &File {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use std::fs::OpenOptions;

    use super::*;

    #[test]
    fn locked_file_is_locked_for_others_until_dropped() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("lock");
        let open = || OpenOptions::new().append(true).create(true).open(&path).unwrap();
        let held = Locked::new(open()).unwrap().unwrap();
        assert_eq!(held.file().metadata().unwrap().len(), 0);
        assert!(Locked::new(open()).unwrap().is_none());
        drop(held);
        assert!(Locked::new(open()).unwrap().is_some());
    }
}
