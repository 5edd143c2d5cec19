//! Syslog, with a daemon that the test plays.

use std::fs;
use std::io::Read;
use std::net::UdpSocket;
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::path::Path;

use super::super::*;
use super::{directory, layout};

fn log_to(facility: &str, address: SyslogAddress) -> Result<EventLog, Error> {
    let target = Target::Syslog(Syslog { facility: facility.into(), address });
    let layout = layout("%(name)s %(message)s");
    let handlers = vec![Handler { level: Level::NOTSET, layout, target }];
    EventLog::open(&Settings { level: Level::ALL, handlers })
}

fn local(path: &Path) -> EventLog {
    log_to("daemon", SyslogAddress::Unix(path.to_owned())).unwrap()
}

fn received(socket: &UnixDatagram) -> String {
    let mut buffer = [0; 1000];
    let length = socket.recv(&mut buffer).unwrap();
    String::from_utf8(buffer[..length].to_vec()).unwrap()
}

/// Facility times eight and severity, as Python's `SysLogHandler` makes them; a NUL ends the record.
#[test]
fn udp_daemon_gets_the_priority_and_the_text() {
    let daemon = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = daemon.local_addr().unwrap().port();
    let log = log_to("local7", SyslogAddress::Udp { host: "127.0.0.1".into(), port }).unwrap();
    let levels = [(Level::DEBUG, 191), (Level::INFO, 190), (Level::WARNING, 188), (Level::ERROR, 187)];
    let levels = levels.into_iter().chain([(Level::CRITICAL, 186), (Level::BLATHER, 188), (Level(17), 188)]);
    for (level, priority) in levels {
        log.log(level, "root", format_args!("text é"));
        let mut buffer = [0; 100];
        let length = daemon.recv(&mut buffer).unwrap();
        let expected = format!("<{priority}>root text é\0");
        assert_eq!(String::from_utf8_lossy(&buffer[..length]), expected);
    }
}

#[test]
fn local_daemon_may_come_late_and_come_back() {
    let directory = directory();
    let path = directory.path().join("log");
    let log = local(&path);
    log.info("root", format_args!("nobody there"));
    let daemon = UnixDatagram::bind(&path).unwrap();
    log.info("root", format_args!("one"));
    assert_eq!(received(&daemon), "<28>root lost 1 record: No such file or directory\0");
    assert_eq!(received(&daemon), "<30>root one\0");
    drop(daemon);
    fs::remove_file(&path).unwrap();
    let daemon = UnixDatagram::bind(&path).unwrap();
    log.info("root", format_args!("two"));
    assert_eq!(received(&daemon), "<30>root two\0");
}

#[test]
fn local_daemon_may_listen_for_streams() {
    let directory = directory();
    let path = directory.path().join("log");
    let listener = UnixListener::bind(&path).unwrap();
    let log = local(&path);
    log.info("root", format_args!("one"));
    log.error("root", format_args!("two"));
    drop(log);
    let mut text = String::new();
    listener.accept().unwrap().0.read_to_string(&mut text).unwrap();
    assert_eq!(text, "<30>root one\0<27>root two\0");
}

#[test]
fn daemon_that_does_not_read_does_not_block() {
    let directory = directory();
    let path = directory.path().join("log");
    let daemon = UnixDatagram::bind(&path).unwrap();
    let log = local(&path);
    for number in 0..2000 {
        log.info("root", format_args!("{number}"));
    }
    daemon.set_nonblocking(true).unwrap();
    let mut buffer = [0; 1000];
    let mut kept = 0;
    while daemon.recv(&mut buffer).is_ok() {
        kept += 1;
    }
    assert!((1..2000).contains(&kept), "{kept}");
    log.info("root", format_args!("room again"));
    let notice = format!("<28>root lost {} records: its reader is too slow\0", 2000 - kept);
    assert_eq!(received(&daemon), notice);
    assert_eq!(received(&daemon), "<30>root room again\0");
}

#[test]
fn unknown_facility_and_host_are_refused() {
    let refused = |facility, host: &str| {
        let address = SyslogAddress::Udp { host: host.into(), port: 514 };
        log_to(facility, address).unwrap_err().to_string()
    };
    assert_eq!(refused("nobody", "127.0.0.1"), "unknown syslog facility 'nobody'");
    let error = refused("user", "no host has blanks");
    assert!(error.starts_with("cannot reach syslog at 'no host has blanks:514': "), "{error}");
}
