//! One server for a data file, by whatever name; and the server's end when the file can no longer be written, or is no longer
//! the one that the next start would find.

use std::fs;
use std::os::unix::fs::symlink;

use super::Server;
use crate::sandbox::{SOON, Sandbox, can_trace};

/// What `runzeo` says on stderr when it cannot open the storage; it ends with status 1.
fn refused(sandbox: &Sandbox, options: &[&str]) -> String {
    let address = format!("127.0.0.1:{}", sandbox.port());
    let outcome = sandbox.runzeo().args(["-a", &address]).args(options).spawn().wait(SOON);
    assert_eq!((outcome.status, outcome.stdout.as_str()), (1, ""), "{}", outcome.stderr);
    outcome.stderr
}

#[test]
fn second_server_of_a_file_is_refused_by_every_name() {
    let sandbox = Sandbox::new();
    let server = Server::start(&sandbox, sandbox.port());
    let mut client = server.client();
    let first = client.commit(&[(1, 0, b"a")]).unwrap().unwrap();
    let reason = "another program has it open, under this name or another one";
    symlink("Data.fs", sandbox.path("linked.fs")).unwrap();
    fs::hard_link(sandbox.path("Data.fs"), sandbox.path("hard.fs")).unwrap();
    for name in ["linked.fs", "hard.fs"] {
        assert!(
            refused(&sandbox, &["-f", name])
                .contains(&format!("storage '1': cannot open {name}: {reason}\n")),
        );
    }
    let holder = refused(&sandbox, &["-f", "Data.fs"]);
    assert!(
        holder.contains(&format!("another program has it open (process {})", server.running.pid())),
        "{holder}"
    );
    fs::remove_file(sandbox.path("Data.fs.lock")).unwrap();
    assert!(refused(&sandbox, &["-f", "Data.fs"]).contains(reason));
    // A new file is not made in its place either.
    sandbox.write(
        "new.conf",
        format!(
            "<zeo>\naddress 127.0.0.1:{}\n</zeo>\n<filestorage>\npath Data.fs\ncreate true\n</filestorage>\n",
            sandbox.port()
        ),
    );
    fs::remove_file(sandbox.path("Data.fs.lock")).unwrap();
    let outcome = sandbox.runzeo().args(["-C", "new.conf"]).spawn().wait(SOON);
    assert!(outcome.status == 1 && outcome.stderr.contains(reason), "{}", outcome.stderr);
    client.commit(&[(1, first, b"b")]).unwrap().unwrap();
    assert_eq!(server.client().load(1).unwrap().unwrap().0, b"b");
    server.stop();
}

#[test]
fn file_that_is_named_twice_in_a_configuration_is_refused() {
    let sandbox = Sandbox::new();
    symlink("Data.fs", sandbox.path("linked.fs")).unwrap();
    sandbox.write(
        "zeo.conf",
        format!(
            "<zeo>\naddress 127.0.0.1:{}\n</zeo>\n<filestorage a>\npath Data.fs\n</filestorage>\n\
         <filestorage b>\npath linked.fs\n</filestorage>\n",
            sandbox.port()
        ),
    );
    let outcome = sandbox.runzeo().args(["-C", "zeo.conf"]).spawn().wait(SOON);
    assert_eq!(outcome.status, 1, "{}", outcome.stderr);
    assert!(outcome.stderr.contains("storage 'b': cannot open "), "{}", outcome.stderr);
}

#[test]
fn commit_into_a_file_that_was_removed_or_replaced_is_refused_and_ends_the_server() {
    for replaced in [false, true] {
        let sandbox = Sandbox::new();
        let server = Server::start(&sandbox, sandbox.port());
        let mut client = server.client();
        let first = client.commit(&[(1, 0, b"a")]).unwrap().unwrap();
        let index = fs::read(sandbox.path("Data.fs.index")).unwrap();
        let path = sandbox.path("Data.fs");
        let why = if replaced {
            fs::copy(&path, sandbox.path("copy")).unwrap();
            fs::rename(sandbox.path("copy"), &path).unwrap();
            "another file has taken its place since it was opened"
        } else {
            fs::remove_file(&path).unwrap();
            "it was removed or renamed since it was opened"
        };
        let (exception, _) = client.commit(&[(1, first, b"b")]).unwrap().unwrap_err();
        assert_eq!(exception, "ZODB.POSException.StorageSystemError");
        let outcome = server.running.wait(SOON);
        assert_eq!((outcome.status, outcome.stdout.as_str()), (1, ""), "{}", outcome.stderr);
        let path = "Data.fs";
        let line = format!(
            "CRITICAL ZODB.FileStorage cannot commit to {path}: {why}; nothing more is written to {path}: mend it, then restart\n"
        );
        assert_eq!(outcome.stderr.matches(&line).count(), 1, "{}", outcome.stderr);
        assert!(outcome.stderr.contains("storage '1' has failed: the server ends\n"), "{}", outcome.stderr);
        // Not beside what may be another file.
        assert_eq!(fs::read(sandbox.path("Data.fs.index")).unwrap(), index);
    }
}

#[test]
fn file_that_was_removed_is_noticed_at_the_end() {
    let sandbox = Sandbox::new();
    let server = Server::start(&sandbox, sandbox.port());
    server.client().commit(&[(1, 0, b"a")]).unwrap().unwrap();
    fs::remove_file(sandbox.path("Data.fs")).unwrap();
    server.running.signal(nix::sys::signal::Signal::SIGTERM);
    let pid = server.running.pid();
    let outcome = server.running.wait(SOON);
    let line = format!(
        "CRITICAL ZEO.runzeo ({pid}) storage '1': cannot close Data.fs: it was removed or renamed since it was opened\n"
    );
    assert!(outcome.status == 1 && outcome.stderr.contains(&line), "{}", outcome.stderr);
}

#[test]
fn disk_that_fails_to_sync_ends_the_server() {
    if !can_trace() {
        return;
    }
    let sandbox = Sandbox::new();
    let port = sandbox.port();
    let address = format!("127.0.0.1:{port}");
    let fault = "inject=fdatasync:error=EIO:when=3";
    let tracer = ["-f", "-qq", "-o", "trace", "-e", "trace=fdatasync", "-e", fault];
    let run = sandbox.command("strace").args(tracer).arg(env!("CARGO_BIN_EXE_runzeo"));
    let server = Server { running: run.args(["-a", &address, "-f", "Data.fs"]).spawn(), port };
    server.await_listening();
    let mut client = server.client();
    let mut serial = 0;
    let exception = loop {
        match client.commit(&[(1, serial, b"a")]).unwrap() {
            Ok(tid) => serial = tid,
            Err((exception, _)) => break exception,
        }
    };
    assert!(serial > 0);
    assert_eq!(exception, "ZODB.POSException.StorageSystemError");
    let outcome = server.running.wait(SOON);
    assert_eq!(outcome.status, 1, "{}", outcome.stderr);
    assert_eq!(outcome.stderr.matches("CRITICAL").count(), 1, "{}", outcome.stderr);
    assert!(outcome.stderr.contains("cannot sync "), "{}", outcome.stderr);
    // What was acknowledged is there.
    let server = Server::start(&sandbox, port);
    assert_eq!(server.client().load(1).unwrap().unwrap().1, serial);
    server.stop();
}

#[test]
fn path_that_is_no_data_file_is_refused_without_a_lock_file() {
    let sandbox = Sandbox::new();
    fs::create_dir(sandbox.path("directory")).unwrap();
    nix::unistd::mkfifo(&sandbox.path("fifo"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    symlink("directory", sandbox.path("link")).unwrap();
    symlink("/dev/null", sandbox.path("null")).unwrap();
    sandbox.write("text", "neither");
    let names = ["directory", "fifo", "link", "null", "text", "./."];
    for name in names {
        for more in [&[][..], &["--check"], &["--check-config"], &["--test"]] {
            if name == "text" && more == ["--check-config"] {
                continue;
            }
            let why = refused(&sandbox, &[&["-f", name], more].concat());
            let reason =
                if name == "text" { "it is no data file of a FileStorage" } else { "not a regular file" };
            assert!(why.contains(reason), "{name} {more:?}: {why}");
        }
    }
    let left = fs::read_dir(sandbox.path("."))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let left: Vec<_> = left.filter(|name| name.contains(".lock") || name.contains(".index")).collect();
    assert_eq!(left, Vec::<String>::new());
}
