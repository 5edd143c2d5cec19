//! Clients of the control socket, the well-behaved and the others.

use std::io::Write;

use super::*;
use crate::sandbox::matches;

#[test]
fn status_record_has_the_keys_of_zdaemon_in_its_order() {
    let sandbox = Sandbox::new();
    let manager = Manager::start(&sandbox, &["-b", "7"], &["sh", "-c", "exec sleep 1000", "it's"]);
    let expected = "status=running\nnow=[..].[..]\nshould_be_up=1\ndelay=0\nbackoff=0\nlasttime=[..].[..]\n\
        application=[..]\ntesting=0\nmanager=[..]\nbackofflimit=7\nfilename='[..]/sh'\n\
        args=['sh', '-c', 'exec sleep 1000', \"it's\"]\nmood=1\nversion=0.1.0\nready=1\nrestarts=0\nreplaced=0\n\
        usr2=0\nconfigured=[..].[..]\n";
    let reply = manager.ask("status");
    assert!(matches(expected, &reply), "{reply}");
}

#[test]
fn odd_requests_get_the_reply_of_the_protocol() {
    let sandbox = Sandbox::new();
    let manager = Manager::start(&sandbox, &[], SLEEP);
    for (bytes, reply) in [
        (&b""[..], "Command not terminated by newline\n"),
        (b"status", "Command not terminated by newline\n"),
        (b"\n", "Empty command\n"),
        (b"  \t\r\n", "Empty command\n"),
        (b"START\n", "Unknown command 'START'; 'help' for a list\n"),
        (b"it's\n", "Unknown command \"it's\"; 'help' for a list\n"),
        (b"\xff\x00\n", "Unknown command '\\xff\\x00'; 'help' for a list\n"),
        (b"kill x\n", "Bad signal 'x'\n"),
        (b"kill \xff\n", "Bad signal '\\xff'\n"),
        (b"kill 99\n", "Kill 99 failed: [Errno 22] Invalid argument\n"),
        (b"kill 99999999999999999999\n", "Kill 99999999999999999999 failed: [Errno 22] Invalid argument\n"),
        (b"kill 0\n", "Signal 0 sent\n"),
        (b"start\nstop\n", "Application already started\n"),
    ] {
        assert_eq!(manager.send(bytes), reply, "{}", String::from_utf8_lossy(bytes));
    }
    assert!(manager.send(&b"x".repeat(10_001)).starts_with("Command exceeds 10 KB\n"));
    assert!(manager.send(&b"x".repeat(10 << 20)).starts_with("Command exceeds 10 KB\n"));
    assert_ne!(manager.pid(), 0, "none of this ended the program");
}

#[test]
fn silent_and_deaf_clients_delay_nobody() {
    let sandbox = Sandbox::new();
    let manager = Manager::start(&sandbox, &[], SLEEP);
    let silent: Vec<_> = (0..20).map(|_| manager.connect()).collect();
    let deaf: Vec<_> = (0..20)
        .map(|_| {
            let mut stream = manager.connect();
            stream.write_all(b"help\n").expect("it is taken");
            stream
        })
        .collect();
    let mut half = manager.connect();
    half.write_all(b"stat").expect("it is taken");
    assert_ne!(manager.pid(), 0);
    half.write_all(b"us\n").expect("it is taken");
    assert!(rest(half).starts_with("status=running\n"));
    drop((silent, deaf));
}

#[test]
fn one_client_too_many_makes_the_oldest_try_again() {
    let sandbox = Sandbox::new();
    let manager = Manager::start(&sandbox, &[], SLEEP);
    let mut waiting: Vec<_> = (0..64).map(|_| manager.connect()).collect();
    assert_ne!(manager.pid(), 0);
    let oldest = waiting.remove(0);
    assert_eq!(rest(oldest), "Command superseded by new command\n");
}

#[test]
fn requests_are_carried_out_and_answered() {
    let sandbox = Sandbox::new();
    let manager = Manager::start(&sandbox, &[], SLEEP);
    let first = manager.pid();
    assert_eq!(manager.ask("start"), "Application already started\n");
    assert_eq!(manager.ask("restart"), "Sent SIGTERM; will restart later\n");
    let second = manager.next_pid(first);
    assert_eq!(manager.ask("kill 9"), "Signal 9 sent\n");
    let third = manager.next_pid(second);
    assert_eq!(manager.status()["backoff"], "1", "a kill counts as a crash");
    assert!(!is_alive(second) && is_alive(third));
    assert!(manager.ask("help").starts_with("Available commands:\n  help -- "));
    assert_eq!(manager.ask("reopen_transcript"), "");
    assert_eq!(manager.ask("stop"), "Sent SIGTERM\n");
    manager.gone();
}

#[test]
fn exit_ends_the_manager_and_its_program() {
    let sandbox = Sandbox::new();
    let manager = Manager::start(&sandbox, &[], SLEEP);
    assert_eq!(manager.ask("exit"), "Sent SIGTERM; will exit later\n");
    manager.gone();
}

#[test]
fn stop_ends_a_back_off() {
    let sandbox = Sandbox::new();
    let manager = Manager::start(&sandbox, &["-b", "1000"], &["sh", "-c", "exit 1"]);
    eventually_some(SOON, || (manager.status()["backoff"] != "0").then_some(()));
    assert_ne!(manager.status()["delay"], "0");
    // Between two starts, or in the instant of one: both end it.
    let reply = manager.ask("stop");
    assert!(["Application already stopped\n", "Sent SIGTERM\n"].contains(&reply.as_str()), "{reply}");
    manager.gone();
}
