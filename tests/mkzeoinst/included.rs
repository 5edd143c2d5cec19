//! Root reads the configuration of a home that another user owns, and what it includes: nothing that they write there has
//! root open what they may not, wait, or read for ever; what an administrator wrote is read wherever it lies.

use std::fs::{self, File};
use std::os::unix::fs::{PermissionsExt as _, chown, lchown, symlink};
use std::path::{Path, PathBuf};

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use super::{install, mkzeoinst};
use crate::sandbox::Sandbox;
use crate::sandbox::run::Outcome;

/// Whoever owns the home: `nobody`.
const OTHER: u32 = 65534;

/// A home of theirs with `etc/zeo.conf`, theirs too, that has this text for its addresses.
fn scene(addresses: &str) -> Option<(Sandbox, PathBuf)> {
    if !nix::unistd::geteuid().is_root() {
        return None;
    }
    let sandbox = Sandbox::new();
    install(&sandbox, "");
    let text = addresses.replace("[TOP]", sandbox.root().to_str().unwrap());
    let conf = sandbox.write("zeo/etc/zeo.conf", format!("<zeo>\n{text}\n</zeo>\n<mappingstorage 1/>\n"));
    let etc = conf.parent().unwrap().to_owned();
    for path in [etc.parent().unwrap(), &etc, &conf] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
        chown(path, Some(OTHER), Some(OTHER)).unwrap();
    }
    Some((sandbox, etc))
}

/// What a run warns of is at which addresses it has looked.
fn dry_run(sandbox: &Sandbox) -> Outcome {
    mkzeoinst(sandbox).args(["--dry-run", "zeo"]).output()
}

/// A dry run that finds the address of a socket that cannot be one: that is told.
fn finds(sandbox: &Sandbox) -> bool {
    let outcome = dry_run(sandbox);
    assert_eq!(outcome.status, 0, "{outcome:?}");
    let socket = sandbox.path("taken");
    let why = format!("cannot check that {} is free: it is not a socket", socket.display());
    outcome.stderr == format!("mkzeoinst: warning: {why}\n")
}

/// An included file that has the address.
fn write_address(sandbox: &Sandbox, name: &str) -> PathBuf {
    sandbox.write("taken", "");
    let path = sandbox.write(name, format!("address {}\n", sandbox.path("taken").display()));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    path
}

fn give(path: &Path) {
    lchown(path, Some(OTHER), Some(OTHER)).unwrap();
}

fn refusal(conf: &Path) -> String {
    let why = "it includes a file outside the home, and another user can write in it";
    format!("mkzeoinst: cannot use '{}': {why}\n", conf.display())
}

#[test]
fn file_beside_the_configuration_is_read() {
    let Some((sandbox, etc)) = scene("%include more.conf") else { return };
    let more = write_address(&sandbox, "zeo/etc/more.conf");
    give(&more);
    assert!(finds(&sandbox));
    // From there as well, by its absolute path.
    fs::rename(&more, etc.join("most.conf")).unwrap();
    give(&sandbox.write("zeo/etc/more.conf", format!("%include {}/most.conf\n", etc.display())));
    assert!(finds(&sandbox));
    fs::remove_file(etc.join("most.conf")).unwrap();
    assert!(!finds(&sandbox), "what is not there tells nothing");
}

#[test]
fn file_outside_is_read_for_those_alone_who_could_read_it_anyway() {
    for reference in ["[TOP]/more.conf", "../../more.conf", "%2E%2E/%2E%2E/more.conf"] {
        let Some((sandbox, etc)) = scene(&format!("%include {reference}")) else { return };
        let conf = etc.join("zeo.conf");
        write_address(&sandbox, "more.conf");
        for options in [&["--dry-run"][..], &["--diff"], &["--update"], &[]] {
            mkzeoinst(&sandbox).args(options).args(["zeo"]).status(1).stderr(refusal(&conf)).run();
        }
        mkzeoinst(&sandbox).args(["--check", "zeo"]).status(2).stderr(refusal(&conf)).run();
        // Written by root, and nobody else can change it.
        chown(&conf, Some(0), Some(0)).unwrap();
        if reference.starts_with('%') {
            let path = etc.join("../../more.conf");
            let error = format!("mkzeoinst: cannot read '{}': its path has '..' in it\n", path.display());
            assert_eq!(dry_run(&sandbox).stderr, error);
            continue;
        }
        assert!(finds(&sandbox), "{reference}");
        fs::set_permissions(&conf, fs::Permissions::from_mode(0o646)).unwrap();
        assert_eq!(dry_run(&sandbox).stderr, refusal(&conf));
    }
}

#[test]
fn file_of_theirs_that_root_includes_leads_no_further() {
    let Some((sandbox, etc)) = scene("%include [TOP]/theirs.conf") else { return };
    chown(etc.join("zeo.conf"), Some(0), Some(0)).unwrap();
    write_address(&sandbox, "more.conf");
    let theirs = sandbox.write("theirs.conf", "%include more.conf\n");
    give(&theirs);
    assert_eq!(dry_run(&sandbox).stderr, refusal(&theirs));
    chown(&theirs, Some(0), Some(0)).unwrap();
    assert!(finds(&sandbox));
}

#[test]
fn planted_link_is_not_followed_and_an_administrators_is() {
    let Some((sandbox, etc)) = scene("%include more.conf") else { return };
    let target = write_address(&sandbox, "secret.conf");
    let link = etc.join("more.conf");
    symlink(&target, &link).unwrap();
    give(&link);
    let outcome = dry_run(&sandbox);
    let why = "another user may have put that symbolic link there";
    let error = format!("mkzeoinst: cannot follow '{}': {why}\n", link.display());
    assert_eq!((outcome.status, outcome.stderr), (1, error));
    lchown(&link, Some(0), Some(0)).unwrap();
    chown(&etc, Some(0), Some(0)).unwrap();
    assert!(finds(&sandbox));
}

#[test]
fn fifo_device_and_endless_file_hold_nobody_up() {
    let Some((sandbox, etc)) = scene("%include more.conf\naddress [TOP]/taken") else { return };
    sandbox.write("taken", "");
    let more = etc.join("more.conf");
    mkfifo(&more, Mode::from_bits_truncate(0o666)).unwrap();
    assert!(finds(&sandbox), "a FIFO");
    fs::remove_file(&more).unwrap();
    // Root's link to a device that never ends.
    symlink("/dev/zero", &more).unwrap();
    chown(&etc, Some(0), Some(0)).unwrap();
    assert!(finds(&sandbox), "a device");
    fs::remove_file(&more).unwrap();
    let file = File::create(&more).unwrap();
    file.set_len(1 << 40).unwrap();
    let outcome = dry_run(&sandbox);
    assert_eq!(outcome.status, 0, "{outcome:?}");
    fs::write(&more, "%include more.conf\n").unwrap();
    assert!(finds(&sandbox), "one that includes itself");
}

#[test]
fn what_a_value_names_is_not_opened() {
    let ssl =
        "address [TOP]/taken\n<ssl>\ncertificate [TOP]/fifo\nkey [TOP]/fifo\nauthenticate [TOP]/fifo\n</ssl>";
    let Some((sandbox, _)) = scene(ssl) else { return };
    sandbox.write("taken", "");
    mkfifo(&sandbox.path("fifo"), Mode::from_bits_truncate(0o666)).unwrap();
    assert!(finds(&sandbox));
}

#[test]
fn record_that_another_can_write_names_no_templates() {
    let Some((sandbox, etc)) = scene("address [TOP]/taken") else { return };
    sandbox.write("taken", "");
    sandbox.write("secret", "secret\n");
    let templates = sandbox.path("zeo/templates/etc");
    fs::create_dir_all(&templates).unwrap();
    symlink(sandbox.path("secret"), templates.join("copy")).unwrap();
    let record = sandbox.write("zeo/etc/mkzeoinst.toml", "templates = '../templates'\n");
    give(&record);
    let why = "it names a directory of templates, and another user can write in it";
    let error = format!("mkzeoinst: cannot use '{}': {why}\n", record.display());
    mkzeoinst(&sandbox).args(["zeo"]).status(1).stderr(error).run();
    assert!(!etc.join("copy").exists());
    chown(&record, Some(0), Some(0)).unwrap();
    fs::set_permissions(&record, fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(mkzeoinst(&sandbox).args(["zeo"]).output().status, 0);
    assert!(etc.join("copy").exists(), "root's own record may");
}
