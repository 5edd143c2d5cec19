//! The messages of `mkzeoinst`.

use std::fs;
use std::os::unix::net::UnixListener;

use super::Row;
use crate::sandbox::run::Outcome;
use crate::sandbox::{Sandbox, have};

/// A home with a server's configuration that somebody has added to.
fn edited(s: &Sandbox, words: &[&str]) -> Option<Outcome> {
    make(s, &["zeo"]);
    let text = s.read("zeo/etc/zeo.conf");
    s.write("zeo/etc/zeo.conf", format!("{text}# ours\n"));
    make(s, words)
}

/// A home that had another name, after which one of its files is named.
fn moved(s: &Sandbox) {
    make(s, &["--with", "systemd", "old"]);
    fs::rename(s.path("old"), s.path("zeo")).expect("it can be moved");
}

pub(super) fn make(s: &Sandbox, words: &[&str]) -> Option<Outcome> {
    Some(s.mkzeoinst().args(["--server", "/bin/sleep"]).args(words).output())
}

fn instance(s: &Sandbox, server: &str, words: &[&str]) -> Option<Outcome> {
    let port = s.port().to_string();
    let server = s.write("server", server.replace("PORT", &port));
    s.command("chmod").arg("755").arg(&server).run();
    Some(s.mkzeoinst().arg("--server").arg(server).args(["zeo", &port]).args(words).output())
}

/// A server as far as it goes.
const LISTENS: &str = "#!/usr/bin/env python3
import socket
listener = socket.create_server(('127.0.0.1', PORT))
while True:
    listener.accept()[0].sendall(bytes([0, 0, 0, 2]) + b'Z5')
";

#[rustfmt::skip] // one row, one line
pub(super) const ROWS: &[Row] = &[
    ("mkzeoinst", "Created directory PATH", |s| make(s, &["zeo"])),
    ("mkzeoinst", "Wrote file PATH", |s| make(s, &["zeo"])),
    ("mkzeoinst", "The first client needs PATH, PATH (secret) and PATH; on another machine, copy them there. In its zope.conf:", |s| {
        make(s, &["--tls", "self-signed", "zeo"])
    }),
    ("mkzeoinst", "Warning: not overwriting existing file PATH; REASON", |s| { s.write("zeo/etc/zeo.conf", "ours\n"); make(s, &["zeo"]) }),
    ("mkzeoinst", "Changed mode for PATH to MODE", |s| {
        make(s, &["zeo"]);
        s.command("chmod").args(["644", "zeo/bin/zeoctl"]).run();
        make(s, &["zeo"])
    }),
    ("mkzeoinst", "All done.", |s| make(s, &["zeo"])),
    ("mkzeoinst", "ZEO server is listening on ADDRESS", |s| have("python3").then(|| instance(s, LISTENS, &["--start"])).flatten()),
    ("mkzeoinst", "It can be reached REASON", |s| have("python3").then(|| instance(s, LISTENS, &["--start"])).flatten()),
    ("mkzeoinst", "cannot use ROLE PATH: REASON", |s| make(s, &[""])),
    ("mkzeoinst", "cannot find ROLE: REASON", |s| Some(s.mkzeoinst().args(["--server", "none", "zeo"]).output())),
    ("mkzeoinst", "cannot VERB PATH: REASON", |s| make(s, &["/proc/zeo"])),
    ("mkzeoinst", "Updated file PATH", |s| { make(s, &["zeo"]); make(s, &["--update", "--umask", "027", "zeo"]) }),
    ("mkzeoinst", "Merged file PATH", |s| edited(s, &["--update", "--set", "level=error", "zeo"])),
    ("mkzeoinst", "Overwrote file PATH", |s| edited(s, &["--on-conflict", "overwrite", "zeo"])),
    ("mkzeoinst", "Kept file PATH as PATH", |s| edited(s, &["--on-conflict", "backup", "zeo"])),
    ("mkzeoinst", "Removed file PATH", |s| { moved(s); make(s, &["--update", "zeo"]) }),
    ("mkzeoinst", "Warning: not removing file PATH, which is named after another home; bring its edits into the new one, and remove it", |s| { moved(s); make(s, &["zeo"]) }),
    ("mkzeoinst", "existing file PATH differs; nothing was done", |s| edited(s, &["--on-conflict", "fail", "zeo"])),
    ("mkzeoinst", "Nothing was done: this was a dry run.", |s| make(s, &["--dry-run", "zeo"])),
    ("mkzeoinst", "template NAME:LINE:COLUMN: REASON", |s| {
        s.write("site/etc/zeo.conf", "{{ hoem }}");
        make(s, &["--templates", "site", "zeo"])
    }),
    ("mkzeoinst", "settings PATH: REASON", |s| { s.write("s.toml", "umask = "); make(s, &["--config", "s.toml", "zeo"]) }),
    ("mkzeoinst", "cannot set NAME: REASON", |s| make(s, &["--set", "hoem=x", "zeo"])),
    ("mkzeoinst", "cannot make the instance for user USER: REASON", |s| {
        fs::create_dir_all(s.path("zeo/var")).expect("a directory");
        nix::unistd::geteuid().is_root().then(|| make(s, &["--user", "nobody", "zeo"])).flatten()
    }),
    ("mkzeoinst", "cannot follow PATH: another user may have put that symbolic link there", |s| {
        fs::create_dir_all(s.path("zeo/elsewhere")).expect("a directory");
        std::os::unix::fs::symlink("elsewhere", s.path("zeo/etc")).expect("a link");
        let planted = || s.command("chown").args(["-h", "65534", "zeo", "zeo/etc"]).run();
        nix::unistd::geteuid().is_root().then(|| { planted(); make(s, &["zeo"]) }).flatten()
    }),
    ("mkzeoinst", "Accepted file PATH", |s| { s.write("zeo/etc/zeo.conf", "ours\n"); make(s, &["--accept", "etc/zeo.conf", "zeo"]) }),
    ("mkzeoinst", "Would VERB PATH", |s| make(s, &["--dry-run", "zeo"])),
    ("mkzeoinst", "warning: the instance keeps ADDRESS, and does not get ADDRESS; to change it: REASON", |s| {
        make(s, &["zeo", "19999"]);
        make(s, &["zeo", "19998"])
    }),
    ("mkzeoinst", "warning: PROGRAM does not serve REASON", |s| Some(s.mkzeoinst().args(["zeo", "-b"]).output())),
    ("mkzeoinst", "warning: etc/zeo.conf has a section <runner>, whose keys etc/zeoctl.conf has too; to take the instance over: REASON", |s| {
        s.write("zeo/etc/zeo.conf", "<zeo>\n address 19999\n</zeo>\n<mappingstorage/>\n<runner>\n program x\n</runner>\n");
        make(s, &["zeo"])
    }),
    ("mkzeoinst", "cannot adopt the instance: REASON; to keep its own server, add --server PATH", |s| {
        s.write("zeo/etc/zeo.conf", "<zeo>\n address 19999\n</zeo>\n<runner>\n program x\n</runner>\n");
        Some(s.mkzeoinst().args(["--adopt", "zeo"]).output())
    }),
    ("mkzeoinst", "cannot replace PATH: its data are in PATH, and those of the new one would be in PATH; REASON", |s| {
        s.write("zeo/etc/zeo.conf", "<zeo>\n address 19999\n</zeo>\n<filestorage>\n path /srv/Data.fs\n</filestorage>\n");
        make(s, &["--on-conflict", "backup", "zeo"])
    }),
    ("mkzeoinst", "--adopt keeps the address that the instance has", |s| {
        s.write("zeo/etc/zeo.conf", "<zeo>\n address 19999\n</zeo>\n<mappingstorage/>\n");
        make(s, &["--adopt", "zeo", "8100"])
    }),
    ("mkzeoinst", "not starting the instance: REASON", |s| {
        let port = s.port();
        let _taken = std::net::TcpListener::bind(("127.0.0.1", port)).expect("a free port");
        make(s, &["--start", "zeo", &port.to_string()])
    }),
    ("mkzeoinst", "cannot start the instance: REASON; see PATH and PATH", |s| instance(s, "#!/bin/sh\nexit 1\n", &["--start"])),
    ("mkzeoinst", "warning: a process is already listening on ADDRESS", |s| {
        let _taken = UnixListener::bind(s.path("sock")).expect("a new socket");
        make(s, &["zeo", "../sock"])
    }),
    ("mkzeoinst", "warning: the instance in HOME has ADDRESS too; only one of them can run", |s| {
        make(s, &["zeo"]);
        s.command("cp").args(["-a", "zeo", "copy"]).run();
        make(s, &["--update", "copy"])
    }),
    ("mkzeoinst", "warning: cannot check that ADDRESS is free: REASON", |s| make(s, &["zeo", "/no/such/sock"])),
    ("mkzeoinst", "warning: only root can listen on a port below 1024, such as PORT", |s| {
        nix::unistd::geteuid().is_root().then(|| make(s, &["zeo", "1023"])).flatten()
    }),
    ("mkzeoinst", "warning: PATH is a Python program; Python's ZEO server takes no second address", |s| {
        have("python3").then(|| instance(s, LISTENS, &["-a", "var/sock"])).flatten()
    }),
    ("mkzeoinst", "warning: not waiting for the server: REASON", |s| {
        s.write("zeo/etc/zeo.conf", "<zeo>\naddress localhost:\n</zeo>\n<mappingstorage/>\n");
        instance(s, "#!/bin/sh\nexec sleep 1000\n", &["--start"])
    }),
    ("mkzeoinst", "bad port PORT: REASON", |s| make(s, &["zeo", "x"])),
    ("mkzeoinst", "bad host HOST: REASON", |s| make(s, &["zeo", "a b:1025"])),
    ("mkzeoinst", "bad socket PATH: REASON", |s| make(s, &["zeo", "/"])),
    ("mkzeoinst", "the address has a host, and --host names another", |s| make(s, &["zeo", "a:1025", "--host", "b"])),
    ("mkzeoinst", "--host is for a port, and the address is a path", |s| make(s, &["zeo", "/s", "--host", "b"])),
];
