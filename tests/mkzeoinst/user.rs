//! Instances that root makes for another user.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use super::{install, mkzeoinst};
use crate::sandbox::Sandbox;

/// A user that every system has, and that owns nothing.
const USER: &str = "nobody";

/// A sandbox that the other user can get into, if we are root.
fn open_sandbox() -> Option<(Sandbox, u32)> {
    let nobody = nix::unistd::User::from_name(USER).ok().flatten()?;
    if !nix::unistd::geteuid().is_root() {
        return None;
    }
    let sandbox = Sandbox::new();
    install(&sandbox, "");
    fs::set_permissions(sandbox.root(), fs::Permissions::from_mode(0o755)).unwrap();
    Some((sandbox, nobody.uid.as_raw()))
}

fn owner(path: impl AsRef<Path>) -> u32 {
    fs::symlink_metadata(path).unwrap().uid()
}

#[test]
fn directories_that_the_server_writes_in_become_the_users_and_nothing_else() {
    let Some((sandbox, nobody)) = open_sandbox() else { return };
    assert_eq!(mkzeoinst(&sandbox).args(["--user", USER, "zeo", "19999", "-b"]).output().status, 0);
    for (name, uid) in [
        ("", 0),
        ("bin", 0),
        ("etc", 0),
        ("log", nobody),
        ("var", nobody),
        ("var/blobs", nobody),
        ("bin/zeoctl", 0),
        ("etc/zeo.conf", 0),
        ("etc/zeoctl.conf", 0),
    ] {
        assert_eq!(owner(sandbox.path("zeo").join(name)), uid, "{name}");
    }
    let manager = sandbox.read("zeo/etc/zeoctl.conf");
    assert!(manager.contains("\n  user nobody\n") && manager.contains("/zeo/var/zeo.zdsock\n"), "{manager}");
    let again = mkzeoinst(&sandbox).args(["zeo", "19999"]).output();
    assert_eq!((again.status, again.stdout.as_str()), (0, "All done.\n"));
}

#[test]
fn directory_that_was_there_is_not_given_away_and_has_to_do() {
    let Some((sandbox, _)) = open_sandbox() else { return };
    fs::create_dir_all(sandbox.path("zeo/var")).unwrap();
    let var = sandbox.path("zeo/var");
    let error = format!(
        "mkzeoinst: cannot make the instance for user 'nobody': they cannot write in '{}': Permission denied\n",
        var.display()
    );
    mkzeoinst(&sandbox).args(["--user", USER, "zeo", "19999"]).status(1).stderr(&error).run();
    assert!(!sandbox.path("zeo/etc").exists());
    fs::set_permissions(&var, fs::Permissions::from_mode(0o777)).unwrap();
    assert_eq!(mkzeoinst(&sandbox).args(["--user", USER, "zeo", "19999"]).output().status, 0);
    assert_eq!(owner(&var), 0);
}

#[test]
fn home_that_the_user_cannot_enter_is_told() {
    let Some((sandbox, _)) = open_sandbox() else { return };
    fs::create_dir(sandbox.path("zeo")).unwrap();
    fs::set_permissions(sandbox.path("zeo"), fs::Permissions::from_mode(0o700)).unwrap();
    let outcome = mkzeoinst(&sandbox).args(["--user", USER, "zeo", "19999"]).output();
    let conf = sandbox.path("zeo/etc/zeo.conf");
    let error = format!(
        "mkzeoinst: cannot make the instance for user 'nobody': they cannot read '{}': Permission denied\n",
        conf.display()
    );
    assert_eq!((outcome.status, outcome.stderr), (1, error));
}
