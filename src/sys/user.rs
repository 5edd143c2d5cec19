//! Users: our own, and those that a name or a number means.
#![allow(unsafe_code)] // what a child does between fork and exec

use std::ffi::CString;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Command;

use nix::errno::Errno;
use nix::unistd::{
    Gid, Group, Uid, User, geteuid, getgrouplist, initgroups, setgroups, setresgid, setresuid,
};

/// A user as the system's database has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// The user's number.
    pub uid: u32,
    /// The number of the user's first group.
    pub gid: u32,
    /// The user's name.
    pub name: String,
    /// The user's home directory.
    pub home: PathBuf,
}

impl Account {
    /// HOME, USER and LOGNAME, as a login gives them (environ(7)).
    #[must_use]
    pub fn variables(&self) -> [(String, String); 3] {
        let (home, name) = (self.home.display().to_string(), &self.name);
        [("HOME", &home), ("USER", name), ("LOGNAME", name)]
            .map(|(key, value)| (key.to_owned(), value.clone()))
    }
}

/// The account that `user` names; digits only are a number, anything else a name. `None`: there is none.
///
/// # Errors
/// Where the database cannot be asked.
pub fn lookup(user: &str) -> io::Result<Option<Account>> {
    let found = match number(user) {
        Some(uid) => User::from_uid(Uid::from_raw(uid))?,
        // A number beyond all users is no user.
        None if is_number(user) => None,
        None => User::from_name(user)?,
    };
    Ok(found.map(|user| Account {
        uid: user.uid.as_raw(),
        gid: user.gid.as_raw(),
        name: user.name,
        home: user.dir,
    }))
}

/// The name of the user with this number; the number, where it has none or the database cannot be asked.
#[must_use]
pub fn name(uid: u32) -> String {
    User::from_uid(Uid::from_raw(uid)).ok().flatten().map_or_else(|| uid.to_string(), |user| user.name)
}

/// The name of the group with this number; `None`: it has none, or the database cannot be asked.
#[must_use]
pub fn group_name(gid: u32) -> Option<String> {
    Group::from_gid(Gid::from_raw(gid)).ok().flatten().map(|group| group.name)
}

/// Whether `user` is a user's number and not a name.
#[must_use]
pub fn is_number(user: &str) -> bool {
    !user.is_empty() && user.bytes().all(|b| b.is_ascii_digit())
}

/// `u32::MAX` stands for "no user" (chown(2)).
fn number(user: &str) -> Option<u32> {
    is_number(user).then(|| user.parse().ok())?.filter(|uid| *uid != u32::MAX)
}

/// Becomes that user for good: supplementary groups first, then group, then user, each impossible after the next.
/// A process that is that user already stays as it is.
///
/// # Errors
/// `EPERM` where this process is neither root nor that user.
pub fn become_account(account: &Account) -> io::Result<()> {
    let (uid, gid) = (Uid::from_raw(account.uid), Gid::from_raw(account.gid));
    if geteuid() == uid && !uid.is_root() {
        return Ok(());
    }
    let name = CString::new(account.name.as_str()).map_err(|_| io::Error::from(Errno::EINVAL))?;
    initgroups(&name, gid)?;
    setresgid(gid, gid, gid)?;
    setresuid(uid, uid, uid)?;
    Ok(())
}

/// Has the program run as that user, with all of the user's groups; where this process is that user already, as it is.
///
/// # Errors
/// Where the user's groups cannot be found out. That this process is neither root nor that user (`EPERM`) comes back
/// from the start of the program.
pub fn run_as(command: &mut Command, account: &Account) -> io::Result<()> {
    let (uid, gid) = (Uid::from_raw(account.uid), Gid::from_raw(account.gid));
    if geteuid() == uid && !uid.is_root() {
        return Ok(());
    }
    let name = CString::new(account.name.as_str()).map_err(|_| io::Error::from(Errno::EINVAL))?;
    // Looked up before the fork, after which nothing may be allocated.
    let groups = getgrouplist(&name, gid)?;
    let become_user = move || {
        setgroups(&groups)?;
        setresgid(gid, gid, gid)?;
        Ok(setresuid(uid, uid, uid)?)
    };
    // SAFETY: the closure makes three system calls on values that it owns; it allocates nothing and takes no lock.
    unsafe { command.pre_exec(become_user) };
    Ok(())
}

/// The number of the user that this process acts as.
#[must_use]
pub fn own_uid() -> u32 {
    geteuid().as_raw()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_is_found_by_name_and_by_number() {
        let root = lookup("root").unwrap().expect("every system has root");
        assert_eq!((root.uid, root.gid, root.name.as_str()), (0, 0, "root"));
        assert_eq!(lookup("0").unwrap(), Some(root.clone()));
        assert_eq!(lookup("000").unwrap(), Some(root));
    }

    #[test]
    fn group_is_found_by_number() {
        assert_eq!(group_name(0).as_deref(), Some("root"));
        assert_eq!(group_name(4_000_000_000), None);
    }

    #[test]
    fn nobody_is_found_where_there_is_nobody() {
        for user in ["no-such-user", "4000000000", "4294967295", "99999999999999", "-1", "+0", ""] {
            assert_eq!(lookup(user).unwrap(), None, "{user}");
        }
    }
}
