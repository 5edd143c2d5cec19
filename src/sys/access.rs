//! What a user may do with files, found out without doing it.
#![allow(unsafe_code)] // the credentials of one thread

use std::ffi::CString;
use std::io;
use std::path::Path;
use std::thread;

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags};
use nix::libc;
use nix::unistd::{AccessFlags, Gid, Uid, faccessat, geteuid, getgrouplist};

use super::user::Account;

/// Whether a file that is there could be appended to (access(2), by the effective user).
///
/// # Errors
/// Why not: `EACCES`, `EROFS`, `EISDIR`, or that nothing is there.
pub fn may_append(file: &Path) -> io::Result<()> {
    if file.is_dir() {
        return Err(Errno::EISDIR.into());
    }
    check(file, AccessFlags::W_OK)
}

/// Whether files could be made in the directory.
///
/// # Errors
/// Why not, as above.
pub fn may_create_in(directory: &Path) -> io::Result<()> {
    check(directory, AccessFlags::W_OK | AccessFlags::X_OK)
}

fn check(path: &Path, wanted: AccessFlags) -> io::Result<()> {
    faccessat(AT_FDCWD, path, wanted, AtFlags::AT_EACCESS).map_err(io::Error::from)
}

/// Does some work as that user, and comes back. Only root can become another; for itself a process stays as it is.
///
/// The work has a thread of its own, which alone takes on the user's credentials (credentials(7): on Linux they belong to
/// a thread) and ends with them. It must start no process and leave nothing that outlives it.
///
/// # Errors
/// `EPERM` where this process is neither root nor that user; a thread cannot be had.
pub fn as_account<T: Send>(account: &Account, work: impl FnOnce() -> T + Send) -> io::Result<T> {
    let (own, wanted) = (geteuid(), Uid::from_raw(account.uid));
    if own == wanted {
        return Ok(work());
    }
    if !own.is_root() {
        return Err(Errno::EPERM.into());
    }
    let name = CString::new(account.name.as_str()).map_err(|_| io::Error::from(Errno::EINVAL))?;
    let groups = getgrouplist(&name, Gid::from_raw(account.gid))?;
    thread::scope(|scope| {
        let worker = thread::Builder::new().spawn_scoped(scope, || {
            take_credentials(account, &groups)?;
            Ok(work())
        })?;
        worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// Gives the calling thread, and no other, a user, a group and further groups. The system calls are made directly, since
/// the C library's functions change all threads of a process (nptl(7)).
fn take_credentials(account: &Account, groups: &[Gid]) -> io::Result<()> {
    let groups: Vec<libc::gid_t> = groups.iter().map(|group| group.as_raw()).collect();
    // SAFETY: `groups` is valid for its length; the other two calls have no pointers.
    let done = unsafe {
        libc::syscall(libc::SYS_setgroups, groups.len(), groups.as_ptr()) == 0
            && libc::syscall(libc::SYS_setresgid, account.gid, account.gid, account.gid) == 0
            && libc::syscall(libc::SYS_setresuid, account.uid, account.uid, account.uid) == 0
    };
    if done { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::sys::user;

    fn mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn what_may_be_done_is_told_with_the_reason() {
        let place = tempfile::tempdir().unwrap();
        assert!(may_create_in(place.path()).is_ok());
        let missing = may_append(&place.path().join("x")).unwrap_err();
        assert_eq!(missing.kind(), io::ErrorKind::NotFound);
        assert_eq!(may_append(place.path()).unwrap_err().kind(), io::ErrorKind::IsADirectory);
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0);
        assert_eq!(
            may_create_in(Path::new("/proc/self")).unwrap_err().kind(),
            io::ErrorKind::PermissionDenied
        );
    }

    #[test]
    fn root_looks_with_the_eyes_of_another_and_stays_root() {
        let Some(nobody) = user::lookup("nobody").unwrap() else { return };
        let place = tempfile::tempdir().unwrap();
        let (shared, private) = (place.path().join("shared"), place.path().join("private"));
        fs::create_dir(&shared).unwrap();
        fs::create_dir(&private).unwrap();
        mode(place.path(), 0o755);
        mode(&shared, 0o777);
        mode(&private, 0o700);
        let seen = as_account(&nobody, || (may_create_in(&shared).is_ok(), may_create_in(&private).is_ok()));
        if user::own_uid() == 0 {
            assert_eq!(seen.unwrap(), (true, false));
            assert_eq!(user::own_uid(), 0);
            assert!(may_create_in(&private).is_ok());
        } else {
            assert_eq!(seen.unwrap_err().kind(), io::ErrorKind::PermissionDenied);
        }
    }

    #[test]
    fn own_account_needs_no_right() {
        let Some(own) = user::lookup(&user::own_uid().to_string()).unwrap() else { return };
        assert_eq!(as_account(&own, || 7).unwrap(), 7);
    }
}
