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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::interrupt::readable;
    use std::time::Duration;

    #[test]
    fn file_that_is_removed_or_renamed_while_it_is_open_is_reported_of() {
        let place = tempfile::tempdir().unwrap();
        let [one, two] = ["one", "two"].map(|name| place.path().join(name));
        let open = [&one, &two].map(|path| std::fs::File::create(path).unwrap());
        let watch = FileWatch::of(&[&one, &two]).unwrap();
        let is_reported = || readable(&watch, Duration::ZERO).unwrap();
        std::fs::File::create(place.path().join("three")).unwrap();
        std::io::Write::write_all(&mut &open[0], b"text").unwrap();
        assert!(!is_reported());
        std::fs::remove_file(&one).unwrap();
        assert!(is_reported() && watch.take() && !is_reported());
        std::fs::rename(&two, &one).unwrap();
        assert!(is_reported() && watch.take());
        assert!(FileWatch::of(&[&two]).is_err());
    }
}
