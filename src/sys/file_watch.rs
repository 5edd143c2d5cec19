//! Notices that a file has lost its name (inotify(7)).
//!
//! The files are watched, not their directory, in which a server may be busy. A file that is removed while a process has it
//! open is not deleted yet; the number of its names is an attribute that changes.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};

/// Some files; readable when one of them may have lost its name.
#[derive(Debug)]
pub struct FileWatch(Inotify);

impl FileWatch {
    /// Watches these files, which are there.
    ///
    /// # Errors
    /// One of them is not; the user has as many watches as the system allows (128 by default).
    pub fn of(files: &[&Path]) -> io::Result<Self> {
        let inotify = Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC)?;
        let events = AddWatchFlags::IN_ATTRIB | AddWatchFlags::IN_MOVE_SELF | AddWatchFlags::IN_DELETE_SELF;
        for file in files {
            inotify.add_watch(*file, events)?;
        }
        Ok(Self(inotify))
    }

    /// Consumes the events. False: there will be no more.
    #[must_use]
    pub fn take(&self) -> bool {
        loop {
            match self.0.read_events() {
                Ok(_) | Err(Errno::EINTR) => {}
                Err(error) => return error == Errno::EAGAIN,
            }
        }
    }
}

impl AsFd for FileWatch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
