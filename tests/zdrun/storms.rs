//! Many clients at once, and very many one after the other: nobody waits for anybody, and nothing grows.

use std::io::ErrorKind;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use nix::sys::signal::Signal;

use super::*;
use crate::sandbox::{eventually, is_long};

/// Asks as a client that behaves well, and gives the reply. One that is slow to ask, because the machine is busy, may have
/// to do so again.
fn ask(socket: &Path, request: &[u8]) -> String {
    eventually_some(SOON, || {
        let mut stream = UnixStream::connect(socket).expect("the manager listens");
        stream.set_read_timeout(Some(SOON)).expect("a time-out can be set");
        // Refused, it is not read.
        let _ = stream.write_all(request);
        Some(rest(stream)).filter(|reply| reply != "Command superseded by new command\n")
    })
}

/// Says that it is over when it goes, by a panic too.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Stays until it is sent away, or until `over`.
fn stay(mut stream: &UnixStream, over: &AtomicBool) {
    stream.set_read_timeout(Some(Duration::from_millis(100))).expect("a time-out can be set");
    while !over.load(Ordering::Relaxed)
        && stream.read(&mut [0; 1]).is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
    {}
}

/// Clients that behave badly, again and again until `over`.
fn misbehave(socket: &Path, how: usize, over: &AtomicBool) {
    let much = vec![b'x'; 10 << 20];
    while !over.load(Ordering::Relaxed) {
        let Ok(mut stream) = UnixStream::connect(socket) else { continue };
        stream.set_write_timeout(Some(Duration::from_millis(100))).expect("a time-out can be set");
        match how {
            // Says nothing, or half a line.
            0 => stay(&stream, over),
            1 => {
                let _ = stream.write(b"stat");
                stay(&stream, over);
            }
            2 => drop(stream.write(b"\xff\x00 garbage\n\n\n")),
            3 => drop(stream.write_all(&much)),
            // Asks and never reads.
            _ => drop((stream.write(b"help\n"), stream.shutdown(Shutdown::Read))),
        }
    }
}

#[test]
fn everybody_is_answered_whatever_others_do() {
    let sandbox = Sandbox::new();
    let manager = Manager::start_with(&sandbox, "start-grace 0\n hang-around true", &[], SLEEP);
    let (socket, over) = (&manager.socket, &AtomicBool::new(false));
    thread::scope(|scope| {
        let ending = Over(over);
        for how in 0..5 {
            scope.spawn(move || misbehave(socket, how, over));
        }
        let askers: Vec<_> = (0..200)
            .map(|_| {
                scope.spawn(move || {
                    for _ in 0..3 {
                        let reply = ask(socket, b"status\n");
                        assert!(reply.starts_with("status="), "{reply}");
                    }
                })
            })
            .collect();
        let known = ["Application started\n", "Application already started\n"];
        let changes =
            ["Sent SIGTERM\n", "Sent SIGTERM; will restart later\n", "Application already stopped\n"];
        for request in ["stop\n", "start\n", "restart\n", "restart\n"].repeat(5) {
            let reply = ask(socket, request.as_bytes());
            assert!(known.contains(&reply.as_str()) || changes.contains(&reply.as_str()), "{request}{reply}");
        }
        let outcomes: Vec<_> = askers.into_iter().map(thread::ScopedJoinHandle::join).collect();
        drop(ending);
        assert!(outcomes.iter().all(Result::is_ok), "somebody was not answered");
    });
    manager.next_pid(0);
    // The program, and the manager that has it among its arguments.
    let programs = || sandbox.leftovers().iter().filter(|line| line.ends_with(" sleep 1000")).count();
    eventually(SOON, || programs() == 2);
    manager.ask("exit");
    manager.gone();
}

/// What of a manager could grow.
#[derive(Debug)]
struct Size {
    descriptors: usize,
    kilobytes: u64,
    zombies: usize,
}

fn size(pid: i32) -> Size {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).expect("it lives");
    let line = rollup.lines().find_map(|line| line.strip_prefix("Private_Dirty:")).expect("it is listed");
    let kilobytes = line.trim().trim_end_matches(" kB").parse().expect("a number");
    let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).expect("it lives").count();
    let stats = fs::read_dir("/proc").expect("it is there").filter_map(Result::ok);
    let stats = stats.filter_map(|entry| fs::read_to_string(entry.path().join("stat")).ok());
    let zombie = format!(") Z {pid} ");
    Size { descriptors, kilobytes, zombies: stats.filter(|stat| stat.contains(&zombie)).count() }
}

/// By how many kilobytes one look may differ from another, on a busy machine. What leaks as much as a hundred bytes each
/// time is found in the short forms, what leaks one byte in the long form of the requests.
const NOISE: u64 = 192;

/// Nothing has grown.
fn assert_same(before: &Size, after: &Size) {
    assert_eq!((after.descriptors, after.zombies), (before.descriptors, 0), "{before:?} {after:?}");
    assert!(after.kilobytes <= before.kilobytes + NOISE, "{before:?} {after:?}");
}

#[test]
fn nothing_grows_by_restarts_of_a_program_that_keeps_dying() {
    let sandbox = Sandbox::new();
    let manager = Manager::start_with(&sandbox, "start-grace 0\n backoff-limit 0", &[], SLEEP);
    let own = manager.manager_pid();
    let mut program = manager.pid();
    let mut again = |times: u32| {
        for _ in 0..times {
            signal(program, Signal::SIGKILL);
            program = manager.next_pid(program);
        }
    };
    // Each 100 ms, for so long must a start last here.
    again(20);
    let before = size(own);
    again(if is_long() { 1000 } else { 60 });
    assert_same(&before, &size(own));
}

#[test]
fn nothing_grows_by_restarts_that_are_asked_for() {
    let sandbox = Sandbox::new();
    let manager = Manager::start_with(&sandbox, "start-grace 0\n transcript out", &[], SLEEP);
    let own = manager.manager_pid();
    let mut program = manager.pid();
    let mut again = |times: u32| {
        for _ in 0..times {
            assert_eq!(manager.ask("restart"), "Sent SIGTERM; will restart later\n");
            program = manager.next_pid(program);
        }
    };
    again(200);
    let before = size(own);
    again(if is_long() { 100_000 } else { 1800 });
    assert_same(&before, &size(own));
    assert_eq!(manager.manager_pid(), own);
}

#[test]
fn nothing_grows_by_requests() {
    let sandbox = Sandbox::new();
    let manager = Manager::start(&sandbox, &[], SLEEP);
    let (own, program) = (manager.manager_pid(), manager.pid());
    let again = |times: u32| {
        for n in 0..times {
            assert!(manager.ask("status").starts_with("status=running\n"));
            if n % 100 == 0 {
                assert_eq!(manager.ask("no such"), "Unknown command 'no'; 'help' for a list\n");
                drop(manager.connect());
            }
        }
    };
    again(500);
    let before = size(own);
    again(if is_long() { 604_800 } else { 4500 });
    eventually(SOON, || size(own).descriptors <= before.descriptors);
    assert_same(&before, &size(own));
    assert_eq!(manager.pid(), program);
}
