//! The user that an instance's files belong to, for what has to run or rotate it as that user.

use std::fs;
use std::os::unix::fs::MetadataExt as _;

use super::Request;
use crate::sys::user;

/// A user other than root, and the user's first group, by their names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Owner {
    /// The user; empty: root, or one without a name.
    pub user: String,
    /// The group; empty: one without a name.
    pub group: String,
}

/// The user that the server shall run as; where none was named, the one that owns the home, or is about to make it. One
/// that this system does not know is taken by the name: a package's files may be made before its user is.
#[must_use]
pub fn of(request: &Request) -> Owner {
    let named = request.set.get("user").filter(|user| !user.is_empty());
    let asked = named.cloned().unwrap_or_else(|| {
        fs::metadata(request.home.path()).map_or_else(|_| user::own_uid(), |home| home.uid()).to_string()
    });
    // As ever; and to ask the system about it takes longer than to write the files.
    if asked == "0" {
        return Owner::default();
    }
    let Ok(Some(account)) = user::lookup(&asked) else {
        let known = named.filter(|name| is_plain(name) && !user::is_number(name));
        return Owner { user: known.cloned().unwrap_or_default(), group: String::new() };
    };
    if account.uid == 0 || !is_plain(&account.name) {
        return Owner::default();
    }
    let group = user::group_name(account.gid).filter(|name| is_plain(name)).unwrap_or_default();
    Owner { user: account.name, group }
}

/// Whether a name needs no quoting in any of the languages that it comes to stand in.
fn is_plain(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with('-')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::Path;

    use super::super::home::Home;
    use super::super::locate_programs::Programs;
    use super::*;

    fn owner(home: &Path, user: Option<&str>) -> (String, String) {
        let program = "/bin/true".to_owned();
        let request = Request {
            home: Home::new(home, Path::new("/")).unwrap(),
            addresses: Vec::new(),
            programs: Programs { server: program.clone(), zdctl: program.clone(), zdrun: program },
            set: user.map(|user| BTreeMap::from([("user".to_owned(), user.to_owned())])).unwrap_or_default(),
            with: Vec::new(),
            templates: None,
            adopted: BTreeMap::new(),
            self_signed: false,
            record: None,
        };
        let Owner { user, group } = of(&request);
        (user, group)
    }

    #[test]
    fn user_that_is_named_owns_by_name_or_number() {
        let home = Path::new("/nowhere");
        // Debian, and every other system that has it, gives it this number (base-passwd).
        let daemon = ("daemon".to_owned(), "daemon".to_owned());
        assert_eq!(owner(home, Some("daemon")), daemon);
        assert_eq!(owner(home, Some("1")), daemon);
        assert_eq!(owner(home, Some("root")), Default::default());
        assert_eq!(owner(home, Some("no-such-user")), ("no-such-user".to_owned(), String::new()));
        for strange in ["4000000000", "a b", "-x", "x\ty"] {
            assert_eq!(owner(home, Some(strange)), Default::default(), "{strange}");
        }
    }

    #[test]
    fn home_that_is_there_tells_its_owner() {
        let directory = tempfile::tempdir().unwrap();
        if user::own_uid() != 0 {
            assert_ne!(owner(directory.path(), None).0, "");
            return;
        }
        assert_eq!(owner(directory.path(), None), Default::default());
        std::os::unix::fs::chown(directory.path(), Some(1), Some(0)).unwrap();
        assert_eq!(owner(directory.path(), None), ("daemon".to_owned(), "daemon".to_owned()));
    }
}
