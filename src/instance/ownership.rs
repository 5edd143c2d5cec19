//! An instance that root makes for a server that runs as another user: the directories that the server writes in become
//! that user's, and nothing else does, so that the server cannot change what root will run or read.
//!
//! Only directories that this run has made are given away. Those that are there already have to do as they are.

use std::path::{Path, PathBuf};

use super::quote::shown;
use super::{Error, Request};
use crate::sys::access::{as_account, may_create_in};
use crate::sys::files::open_to_read;
use crate::sys::system_error::os_error_text;
use crate::sys::tree::SafeTree;
use crate::sys::user::{self, Account};

/// The user that directories have to be given to: the one that was asked for, if we are not that user.
///
/// # Errors
/// [`Error::User`] where there is no such user, and where we are neither root nor that user.
pub fn new_owner(request: &Request) -> Result<Option<Account>, Error> {
    let Some(name) = request.set.get("user").filter(|name| !name.is_empty()) else { return Ok(None) };
    let account = user::lookup(name).map_err(|error| refused(name, &os_error_text(&error)))?;
    match account {
        None if user::is_number(name) => Err(refused(name, "no user of this system has that number")),
        None => Err(refused(name, "there is no user of that name on this system")),
        Some(account) if account.uid == user::own_uid() => Ok(None),
        Some(_) if user::own_uid() != 0 => Err(refused(name, "only root can make it for another user")),
        Some(account) => Ok(Some(account)),
    }
}

/// The directories that the server writes in.
#[must_use]
pub fn written(request: &Request) -> Vec<PathBuf> {
    let set = |name: &str| request.set.get(name).filter(|set| !set.is_empty());
    let place = |name: &str| request.home.path().join(set(name).map_or(name, String::as_str));
    let blobs = set("blobs").map(|set| request.home.path().join(set));
    [place("log"), place("var")].into_iter().chain(blobs).collect()
}

/// Whether the user can write in those of the directories that are there.
///
/// # Errors
/// [`Error::User`] names the first where not.
pub fn check(account: &Account, directories: &[PathBuf]) -> Result<(), Error> {
    let error = as_account(account, || {
        let present = directories.iter().filter(|directory| directory.is_dir());
        present.map(|directory| (directory, may_create_in(directory))).find(|(_, may)| may.is_err())
    });
    match error {
        Ok(None) => Ok(()),
        Ok(Some((directory, may))) => {
            let why = may.err().map_or_else(String::new, |error| os_error_text(&error));
            Err(refused(&account.name, &format!("they cannot write in {}: {why}", shown(directory))))
        }
        Err(error) => Err(refused(&account.name, &os_error_text(&error))),
    }
}

/// Gives a directory that we have just made to the user.
///
/// # Errors
/// [`Error::System`].
pub fn give(tree: &SafeTree, account: &Account, directory: &Path) -> Result<(), Error> {
    tree.give_directory(directory, account.uid, account.gid)
        .map_err(|error| Error::system("change the owner of", directory, error))
}

/// Gives a file that we have just made, with these contents, to the user.
///
/// # Errors
/// [`Error::System`].
pub fn give_file(tree: &SafeTree, account: &Account, path: &Path, contents: &[u8]) -> Result<(), Error> {
    tree.give_file(path, contents, account.uid, account.gid)
        .map_err(|error| Error::system("change the owner of", path, error))
}

/// Whether the user can use what was made: read the configuration, and write where the server will.
///
/// # Errors
/// [`Error::User`] with what is in the way, such as an ancestor that others may not enter.
pub fn verify(account: &Account, configuration: &Path, directories: &[PathBuf]) -> Result<(), Error> {
    let read = as_account(account, || open_to_read(configuration).map(drop));
    if let Err(error) = read.and_then(|read| read) {
        let why = format!("they cannot read {}: {}", shown(configuration), os_error_text(&error));
        return Err(refused(&account.name, &why));
    }
    let usable =
        |directory: &Path| as_account(account, || may_create_in(directory)).is_ok_and(|may| may.is_ok());
    match directories.iter().find(|directory| !usable(directory)) {
        None => Ok(()),
        Some(directory) => Err(refused(&account.name, &format!("they cannot write in {}", shown(directory)))),
    }
}

fn refused(user: &str, why: &str) -> Error {
    Error::User { user: user.to_owned(), why: why.to_owned() }
}
