//! What is wrong with a command line, a configuration or the data is told in a line, with the right status.

use std::net::TcpListener;

use nix::sys::signal::Signal;

use super::Server;
use crate::sandbox::{SOON, Sandbox, eventually};

const HELP: &str = "; for help, use runzeo -h\n";

#[test]
fn wrong_command_lines_end_with_status_2() {
    let sandbox = Sandbox::new();
    for (arguments, stderr) in [
        (&["-q"][..], format!("runzeo: option -q not recognized{HELP}")),
        (&["-a"], format!("runzeo: option -a requires argument{HELP}")),
        (
            &["-a", "65536", "-f", "Data.fs"],
            format!("runzeo: invalid value for -a: '65536' is no port; 0 to 65535 are{HELP}"),
        ),
        (
            &["-a", "1", "-f", "Data.fs", "-t", "soon"],
            format!(
                "runzeo: invalid value for -t: 'soon' is not a number; decimal digits with a point are, such as \
                 1.5{HELP}"
            ),
        ),
        (&["-X", "zeo/read-only=true"], {
            format!("runzeo: configuration overrides (-X) cannot be used without a configuration file{HELP}")
        }),
        (
            &[],
            "runzeo: no server address specified; use -a or -C\nrunzeo: no storages specified; use -f or -C\n"
                .to_owned(),
        ),
        (&["-C", "zeo.conf"], "runzeo: cannot read 'zeo.conf': No such file or directory\n".to_owned()),
    ] {
        sandbox.runzeo().args(arguments).status(2).stderr(stderr).run();
    }
}

#[test]
fn configuration_that_is_not_served_ends_with_status_2_and_a_line_for_each_fault() {
    let sandbox = Sandbox::new();
    let text = "<zeo>\naddress 1\n</zeo>\n<filestorage>\npath Data.fs\nblob-dir blobs\n</filestorage>\n<demostorage 2>\n</demostorage>\n";
    sandbox.write("zeo.conf", text);
    let stderr = "zeo.conf:6: blobs (blob-dir) is not served yet; serve this file with Python's runzeo, or leave blob-dir out \
                  where no object has blobs\n\
                  zeo.conf:8: a storage of type '<demostorage>' is not served yet; '<filestorage>' and '<mappingstorage>' \
                  are; serve this file with Python's runzeo\n";
    sandbox.runzeo().args(["-C", "zeo.conf"]).status(2).stderr(stderr).run();
    sandbox.runzeo().args(["-C", "zeo.conf", "--check"]).status(2).stderr(stderr).run();
    assert!(!sandbox.path("Data.fs").exists());
}

#[test]
fn taken_address_ends_with_status_1_before_the_data_file_is_touched() {
    let sandbox = Sandbox::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let address = format!("127.0.0.1:{port}");
    let log = "------\n[..] INFO ZEO.runzeo ([..]) runzeo [..] starts\n";
    let stderr =
        format!("{log}runzeo: cannot listen on ('127.0.0.1', {port}): another process listens there\n");
    sandbox.runzeo().args(["-a", &address, "-f", "Data.fs"]).status(1).stderr(stderr).run();
    assert!(!sandbox.path("Data.fs").exists());
}

#[test]
fn file_that_is_no_data_file_ends_with_status_1_and_is_left_alone() {
    let sandbox = Sandbox::new();
    sandbox.write("Data.fs", "not a data file");
    let address = format!("127.0.0.1:{}", sandbox.port());
    let line = "runzeo: storage '1': Data.fs: it is no data file of a FileStorage: neither FS30 nor FS21 at byte 0\n";
    let log = "------\n[..] INFO ZEO.runzeo ([..]) runzeo [..] starts\n\
               ------\n[..] INFO ZEO.runzeo ([..]) opening storage '1' using FileStorage\n";
    sandbox.runzeo().args(["-a", &address, "-f", "Data.fs"]).status(1).stderr(format!("{log}{line}")).run();
    sandbox.runzeo().args(["-a", &address, "-f", "Data.fs", "--check"]).status(1).stderr(line).run();
    assert_eq!(sandbox.read("Data.fs"), "not a data file");
}

#[test]
fn check_says_that_all_is_well_and_changes_nothing() {
    let sandbox = Sandbox::new();
    let made = "storage '1': Data.fs is not there; a start makes it\nconfiguration OK\n";
    for word in ["--check", "--check-config"] {
        sandbox.runzeo().args(["-a", "1", "-f", "Data.fs", word]).stdout(made).run();
    }
    assert_eq!(std::fs::read_dir(sandbox.root()).unwrap().count(), 0);
}

#[test]
fn check_names_what_a_start_would_cut_off() {
    let sandbox = Sandbox::new();
    let server = Server::start(&sandbox, sandbox.port());
    server.client().commit(&[(1, 0, b"data")]).unwrap().unwrap();
    let check = |word: &str| sandbox.runzeo().args(["-a", "1", "-f", "Data.fs", word]);
    check("--check").stdout("configuration OK\n").run();
    let whole = std::fs::read(sandbox.path("Data.fs")).unwrap();
    // A server that has the file open may be in the middle of a commit.
    let scraps = [&whole[..], &[b'x'; 9]].concat();
    std::fs::write(sandbox.path("Data.fs"), &scraps).unwrap();
    check("--check").stdout("configuration OK\n").run();
    std::fs::write(sandbox.path("Data.fs"), &whole).unwrap();
    server.stop();
    check("--check").stdout("configuration OK\n").run();
    let whole = std::fs::read(sandbox.path("Data.fs")).unwrap();
    let end = whole.len();
    let at = format!("runzeo: storage '1': Data.fs: the last whole transaction ends at byte {end}: ");
    for (behind, found) in [
        (9, "a few bytes follow the last transaction; a start cuts off these 9 bytes\n"),
        (99, "what follows [..]; a start cuts off these 99 bytes and keeps them as Data.fs.trN\n"),
    ] {
        std::fs::write(sandbox.path("Data.fs"), [&whole[..], &vec![b'x'; behind]].concat()).unwrap();
        check("--check").status(1).stderr(format!("{at}{found}")).run();
        check("--check-config").stdout("configuration OK\n").run();
    }
    // The last commit lacks its last byte.
    std::fs::write(sandbox.path("Data.fs"), &whole[..end - 1]).unwrap();
    let found = "runzeo: storage '1': Data.fs: the last whole transaction ends at byte [..]: what follows was not finished, or is \
                 damaged; a start cuts off these [..] bytes and keeps them as Data.fs.trN\n";
    check("--check").status(1).stderr(found).run();
    assert!(std::fs::read(sandbox.path("Data.fs")).unwrap() == whole[..end - 1], "nothing is changed");
}

#[test]
fn errors_of_the_system_have_no_number_and_a_local_socket_is_logged_without_quotes() {
    let sandbox = Sandbox::new();
    for (address, reason) in [
        ("192.0.2.1:1", "('192.0.2.1', 1): Cannot assign requested address"),
        ("./none/s", "'./none/s': No such file or directory"),
    ] {
        let stderr = format!("...\nrunzeo: cannot listen on {reason}\n");
        sandbox.runzeo().args(["-a", address, "-f", "Data.fs"]).status(1).stderr(stderr).run();
    }
    sandbox.write(
        "zeo.conf",
        "<zeo>\naddress ./zeo.sock\nread-only true\n</zeo>\n<filestorage>\npath Data.fs\n</filestorage>\n",
    );
    let running = sandbox.runzeo().args(["-C", "zeo.conf"]).spawn();
    eventually(SOON, || running.stderr().contains("INFO ZEO.asyncio.server listening on ./zeo.sock\n"));
    assert!(
        running.stderr().contains("StorageServer created RO with storages: 1:RW:Data.fs\n"),
        "{}",
        running.stderr()
    );
    running.signal(Signal::SIGTERM);
    running.wait(SOON);
}

#[test]
fn check_of_the_configuration_names_each_file_that_cannot_be_used_and_reads_no_data() {
    let sandbox = Sandbox::new();
    sandbox.write("Data.fs", "not a data file");
    let mut text =
        "<zeo>\naddress 1\npid-filename pid\n</zeo>\n<filestorage>\npath Data.fs\n</filestorage>\n\
                <eventlog>\n<logfile>\npath log\n</logfile>\n</eventlog>\n"
            .to_owned();
    let quick = |text: &str| {
        sandbox.write("zeo.conf", text);
        sandbox.runzeo().args(["-C", "zeo.conf", "--check-config"])
    };
    quick(&text).stdout("configuration OK\n").run();
    assert!(!sandbox.path("log").exists());
    for name in ["pid", "log", "dir"] {
        std::fs::create_dir(sandbox.path(name)).unwrap();
    }
    text.push_str("<filestorage b>\npath dir\n</filestorage>\n");
    let faults = "runzeo: cannot write 'log': Is a directory\nrunzeo: cannot write 'pid': Is a directory\n\
                  runzeo: storage 'b': cannot open dir: not a regular file\n";
    quick(&text).status(1).stderr(faults).run();
    text.push_str("<eventlog>\n</eventlog>\n");
    let fault = "zeo.conf:17: a second '<eventlog>' section; only one belongs here\n";
    quick(&text).status(2).stderr(fault).run();
}

#[test]
fn test_does_all_but_serve() {
    let sandbox = Sandbox::new();
    let address = format!("127.0.0.1:{}", sandbox.port());
    let log = "------\n[..] INFO ZEO.runzeo ([..]) runzeo [..] starts\n\
               ------\n[..] INFO ZEO.runzeo ([..]) opening storage '1' using FileStorage\n\
               ------\n[..] INFO ZEO.runzeo ([..]) closing storage '1'\n";
    let run = sandbox.runzeo().args(["-a", &address, "-f", "Data.fs", "--test"]);
    run.stdout("testing exit immediately\n").stderr(log).run();
    assert!(sandbox.path("Data.fs.index").exists());
}

#[test]
fn help_is_success() {
    let sandbox = Sandbox::new();
    let help = sandbox.runzeo().arg("-h").output();
    assert_eq!((help.status, help.stderr.as_str()), (0, ""));
    assert!(help.stdout.starts_with("Serve ZODB's data files to the clients of ZEO\n"), "{}", help.stdout);
}

#[test]
fn local_socket_that_cannot_be_made_is_refused_before_anything_is_opened() {
    let sandbox = Sandbox::new();
    sandbox.write("file", "");
    let long = format!("./{}", "s".repeat(120));
    for (address, why) in [
        (
            long.as_str(),
            format!(
                "cannot listen on '{long}': the path of a local socket has at most 107 bytes, and this one 122; use a \
                 shorter one\n"
            ),
        ),
        ("./file", "cannot listen on './file': the file is there and is no socket\n".to_owned()),
        ("./no/s", "cannot listen on './no/s': No such file or directory\n".to_owned()),
    ] {
        for more in [&[][..], &["--test"], &["--check-config"], &["--check"]] {
            let outcome =
                sandbox.runzeo().args(["-a", address, "-f", "Data.fs"]).args(more).spawn().wait(SOON);
            assert_eq!((outcome.status, outcome.stdout.as_str()), (1, ""), "{more:?} {}", outcome.stderr);
            assert!(outcome.stderr.ends_with(&format!("runzeo: {why}")), "{more:?} {}", outcome.stderr);
            assert!(!sandbox.path("Data.fs").exists() && !sandbox.path("Data.fs.lock").exists());
        }
    }
}

/// Python's server drops every client.
#[test]
fn transaction_timeout_of_0_is_none() {
    let sandbox = Sandbox::new();
    let port = sandbox.port();
    let address = format!("127.0.0.1:{port}");
    let running = sandbox.runzeo().args(["-a", &address, "-f", "Data.fs", "-t", "0"]).spawn();
    let server = Server { running, port };
    server.await_listening();
    let mut client = server.client();
    for oid in 1..50 {
        client.commit(&[(oid, 0, b"x")]).unwrap().unwrap();
    }
    drop(client);
    server.stop();
}
