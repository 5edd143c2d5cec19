//! From the start to the end of a server, and the signals between.

use std::fs;
use std::net::TcpStream;
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::time::Duration;

use nix::sys::signal::Signal;
use nix::sys::stat::Mode;

use super::Server;
use crate::sandbox::{SOON, Sandbox, eventually, matches};

/// What the founding document shows, with the names of ZEO 6.
fn said(port: u16, end: &str) -> String {
    format!(
        "------\n[..] INFO ZEO.runzeo ([..]) runzeo [..] starts\n\
         ------\n[..] INFO ZEO.runzeo ([..]) opening storage '1' using FileStorage\n\
         ------\n[..] INFO ZEO.StorageServer StorageServer created RW with storages: 1:RW:Data.fs\n\
         ------\n[..] INFO ZEO.asyncio.server listening on ('127.0.0.1', {port})\n\
         ...\n------\n[..] INFO ZEO.runzeo ([..]) {end}\n\
         ...\n------\n[..] INFO ZEO.runzeo ([..]) closing storage '1'\n"
    )
}

#[test]
fn signals_end_it_in_order_with_the_index_saved() {
    for (signal, words, status) in [
        (Signal::SIGTERM, "terminated by SIGTERM", 0),
        (Signal::SIGINT, "terminated by SIGINT", 0),
        (Signal::SIGHUP, "restarted by SIGHUP", 1),
    ] {
        let sandbox = Sandbox::new();
        let port = sandbox.port();
        let server = Server::start(&sandbox, port);
        let mut client = server.client();
        client.commit(&[(1, 0, b"data")]).unwrap().unwrap();
        server.running.signal(signal);
        let outcome = server.running.wait(SOON);
        assert_eq!((outcome.status, outcome.stdout.as_str()), (status, ""));
        assert!(matches(&said(port, words), &outcome.stderr), "{}", outcome.stderr);
        // Eight bytes for the object, and what stands around it.
        assert!(fs::metadata(sandbox.path("Data.fs.index")).unwrap().len() > 20);
        assert!(client.load(1).is_err(), "the connection is closed");
        let next = Server::start(&sandbox, port);
        assert_eq!(next.client().load(1).unwrap().unwrap().0, b"data");
        next.stop();
    }
}

/// An index that never comes holds up the opening for as long as the test likes.
#[test]
fn server_that_is_told_to_end_while_it_opens_its_file_ends_at_once() {
    let sandbox = Sandbox::new();
    let port = sandbox.port();
    let first = Server::start(&sandbox, port);
    first.client().commit(&[(1, 0, b"data")]).unwrap().unwrap();
    first.stop();
    let data = fs::read(sandbox.path("Data.fs")).unwrap();
    let index = sandbox.path("Data.fs.index");
    fs::remove_file(&index).unwrap();
    nix::unistd::mkfifo(&index, Mode::S_IRWXU).unwrap();
    let address = format!("127.0.0.1:{port}");
    let opening = sandbox.runzeo().args(["-a", &address, "-f", "Data.fs"]).spawn();
    let locked = format!(" {}\n", opening.pid());
    eventually(SOON, || sandbox.read("Data.fs.lock") == locked);
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err(), "nobody serves yet");
    opening.signal(Signal::SIGTERM);
    let outcome = opening.wait(SOON);
    let said = "------\n[..] INFO ZEO.runzeo ([..]) runzeo [..] starts\n\
                ------\n[..] INFO ZEO.runzeo ([..]) opening storage '1' using FileStorage\n\
                ------\n[..] INFO ZEO.runzeo ([..]) terminated by SIGTERM\n";
    assert_eq!((outcome.status, outcome.stdout.as_str()), (0, ""));
    assert!(matches(said, &outcome.stderr), "{}", outcome.stderr);
    assert!(fs::read(sandbox.path("Data.fs")).unwrap() == data);
    assert!(fs::metadata(&index).unwrap().file_type().is_fifo(), "no index is written");
    assert!(!sandbox.path("Data.fs.index.index_tmp").exists());
}

#[test]
fn sigusr2_reopens_the_log() {
    let sandbox = Sandbox::new();
    let port = sandbox.port();
    sandbox.write(
        "zeo.conf",
        format!(
            "<zeo>\naddress 127.0.0.1:{port}\npid-filename zeo.pid\n</zeo>\n<filestorage>\npath Data.fs\n\
             </filestorage>\n<eventlog>\n<logfile>\npath zeo.log\n</logfile>\n</eventlog>\n"
        ),
    );
    let running = sandbox.runzeo().args(["-C", "zeo.conf"]).spawn();
    let server = Server { running, port };
    server.await_listening();
    let pid = format!("{}\n", server.running.pid());
    eventually(SOON, || sandbox.path("zeo.pid").exists() && sandbox.read("zeo.pid") == pid);
    fs::rename(sandbox.path("zeo.log"), sandbox.path("zeo.log.1")).unwrap();
    server.running.signal(Signal::SIGUSR2);
    let name = format!("INFO ZEO.runzeo ({})", server.running.pid());
    let reopened = format!("{name} Log files reopened successfully\n");
    eventually(SOON, || sandbox.path("zeo.log").exists() && sandbox.read("zeo.log").contains(&reopened));
    let version = env!("CARGO_PKG_VERSION");
    let first = format!("{name} runzeo {version} starts\n");
    assert!(
        sandbox
            .read("zeo.log.1")
            .lines()
            .nth(1)
            .is_some_and(|line| first.trim_end().ends_with(line.split_once(' ').unwrap().1))
    );
    assert!(sandbox.read("zeo.log.1").contains(&format!("{name} created PID file 'zeo.pid'\n")));
    assert_eq!(server.stop(), "");
    assert!(sandbox.read("zeo.log").ends_with(&format!(" {name} removed PID file 'zeo.pid'\n")));
    assert!(!sandbox.path("zeo.pid").exists());
}

#[test]
fn several_addresses_are_served_and_a_local_socket_goes_at_the_end() {
    let sandbox = Sandbox::new();
    let (one, two) = (sandbox.port(), sandbox.port());
    let addresses = [format!("127.0.0.1:{one}"), format!("127.0.0.1:{two}"), "./zeo.sock".to_owned()];
    let arguments = addresses.iter().flat_map(|address| ["-a", address]);
    let running = sandbox.runzeo().args(arguments).args(["-f", "Data.fs"]).spawn();
    let server = Server { running, port: one };
    server.await_listening();
    for port in [one, two] {
        super::Client::connect(port).unwrap();
    }
    let mut local = UnixStream::connect(sandbox.path("zeo.sock")).unwrap();
    let mut greeting = [0; 6];
    std::io::Read::read_exact(&mut local, &mut greeting).unwrap();
    assert_eq!(&greeting, b"\0\0\0\x02Z5");
    server.stop();
    assert!(!sandbox.path("zeo.sock").exists());
}

#[test]
fn service_manager_is_told_when_it_serves_and_when_it_ends() {
    let sandbox = Sandbox::new();
    let socket = UnixDatagram::bind(sandbox.path("notify")).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let receive = || {
        let mut buffer = [0; 1000];
        let count = socket.recv(&mut buffer).unwrap();
        String::from_utf8(buffer[..count].to_vec()).unwrap()
    };
    let port = sandbox.port();
    let run = sandbox.runzeo().args(["-a", &format!("127.0.0.1:{port}"), "-f", "Data.fs"]);
    let running = run.env("NOTIFY_SOCKET", sandbox.path("notify")).spawn();
    assert_eq!(receive(), "STATUS=opening storages\nEXTEND_TIMEOUT_USEC=900000000");
    assert_eq!(receive(), format!("READY=1\nSTATUS=listening on ('127.0.0.1', {port})"));
    let server = Server { running, port };
    server.client();
    server.stop();
    assert_eq!(receive(), "STOPPING=1\nSTATUS=closing connections and storages");
}

#[test]
fn second_server_of_a_file_is_refused() {
    let sandbox = Sandbox::new();
    let server = Server::start(&sandbox, sandbox.port());
    let address = format!("127.0.0.1:{}", sandbox.port());
    let log = "------\n[..] INFO ZEO.runzeo ([..]) runzeo [..] starts\n\
               ------\n[..] INFO ZEO.runzeo ([..]) opening storage '1' using FileStorage\n";
    let second = sandbox.runzeo().args(["-a", &address, "-f", "Data.fs"]).status(1);
    second.stderr(format!("{log}runzeo: storage '1': cannot lock Data.fs: [..]\n")).run();
    server.stop();
}
