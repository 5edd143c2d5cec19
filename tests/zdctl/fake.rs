//! Managers that are none, ill, or hostile.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use super::*;
use crate::sandbox::forks;

/// Serves the socket `sock` in a thread of its own: to each connection in turn one of these, to all further ones the last.
/// The thread ends with the test process.
fn serve(sandbox: &Sandbox, turns: Vec<fn(UnixStream)>) {
    let listener = UnixListener::bind(sandbox.path("sock")).expect("the socket can be made");
    std::thread::spawn(move || {
        let last = *turns.last().expect("there is a turn");
        for (turn, stream) in turns.into_iter().chain(std::iter::repeat(last)).zip(listener.incoming()) {
            turn(stream.expect("a connection"));
        }
    });
}

/// The line that was sent; a client that watches does not end its side.
fn request(stream: &mut UnixStream) -> String {
    let mut request = String::new();
    BufReader::new(stream).read_line(&mut request).expect("a request");
    request
}

fn answer(mut stream: UnixStream, text: &str) {
    request(&mut stream);
    let _ = stream.write_all(text.as_bytes());
}

const RECORD: &str = "status=running\napplication=4242\nargs=['sleep', '1000']\n";

#[test]
fn stale_socket_is_no_manager() {
    let sandbox = Sandbox::new();
    forks::apart(|| drop(UnixListener::bind(sandbox.path("sock")).expect("the socket can be made")));
    zdctl(&sandbox, SLEEP).arg("status").stdout("daemon manager not running\n").status(3).run();
    sandbox.write("sock2", "");
    let file = || sandbox.zdctl().args(["-s", "sock2", "-p", SLEEP]);
    file().arg("status").stdout("daemon manager not running\n").status(3).run();
}

#[test]
fn unreachable_socket_is_an_unknown_status() {
    let sandbox = Sandbox::new();
    sandbox.write("file", "");
    let link = sandbox.path("link");
    std::os::unix::fs::symlink(&link, &link).expect("a link");
    let why =
        "zdctl: cannot connect to daemon manager at socket 'link': Too many symbolic links encountered\n";
    let zdctl = || sandbox.zdctl().args(["-s", "link", "-p", SLEEP]);
    zdctl().arg("status").stderr(why).status(4).run();
    zdctl().arg("stop").stderr(why).status(1).run();
}

#[test]
fn record_of_any_generation_is_understood() {
    let sandbox = Sandbox::new();
    serve(&sandbox, vec![|stream| answer(stream, RECORD)]);
    zdctl(&sandbox, SLEEP).arg("status").stdout("program running; pid=4242\n").run();
    let raw = format!("program running; pid=4242\n{RECORD}\n");
    zdctl(&sandbox, SLEEP).args(["status", "-l"]).stdout(raw).run();
}

#[test]
fn arguments_that_are_code_are_not_run() {
    let sandbox = Sandbox::new();
    serve(
        &sandbox,
        vec![|stream| {
            answer(stream, "application=4242\nargs=__import__('os').system('touch evil')\n");
        }],
    );
    zdctl(&sandbox, SLEEP).arg("status").stdout("program running; pid=4242\n").run();
    assert!(!sandbox.path("evil").exists());
}

#[test]
fn superseded_and_broken_requests_are_made_again() {
    let sandbox = Sandbox::new();
    let superseded: fn(UnixStream) = |stream| answer(stream, "Command superseded by new command\n");
    serve(
        &sandbox,
        vec![superseded, superseded, |stream| answer(stream, ""), drop, |stream| {
            answer(stream, RECORD);
        }],
    );
    zdctl(&sandbox, SLEEP).arg("status").stdout("program running; pid=4242\n").run();
}

#[test]
fn nonsense_is_named_so() {
    for turn in [
        (|stream| answer(stream, "garbage\n")) as fn(UnixStream),
        |stream| answer(stream, "\u{0}\u{1}application=x\n"),
        |stream| answer(stream, ""),
        |stream| answer(stream, "application=99999999999999999999\n"),
        |mut stream| {
            request(&mut stream);
            while stream.write_all(&[b'x'; 1 << 12]).is_ok() {}
        },
    ] {
        let sandbox = Sandbox::new();
        serve(&sandbox, vec![turn]);
        let why = "zdctl: daemon manager at socket 'sock' gives no sensible answer\n";
        zdctl(&sandbox, SLEEP).arg("status").stderr(why).status(4).run();
        zdctl(&sandbox, SLEEP).arg("restart").stderr(why).status(1).run();
    }
}

#[test]
fn silent_manager_does_not_hold_anybody_up() {
    let sandbox = Sandbox::new();
    // The streams are kept, unanswered.
    serve(
        &sandbox,
        vec![|mut stream| {
            request(&mut stream);
            std::mem::forget(stream);
        }],
    );
    let begun = Instant::now();
    let why = "zdctl: daemon manager does not answer; waited 8 seconds\n";
    let start = zdctl(&sandbox, SLEEP).arg("start").spawn();
    zdctl(&sandbox, SLEEP).arg("status").stderr(why).status(150).run();
    let started = start.wait(SOON);
    assert_eq!((started.status, started.stdout.as_str(), started.stderr.as_str()), (1, "", why));
    assert!(begun.elapsed() < SOON);
}

#[test]
fn refused_signal_is_told() {
    let sandbox = Sandbox::new();
    serve(
        &sandbox,
        vec![|stream| answer(stream, RECORD), |stream| {
            answer(stream, "Kill 15 failed: [Errno 1] Operation not permitted\n");
        }],
    );
    let told = "kill(4242, 15)\nError: [Errno 1] Operation not permitted\n";
    zdctl(&sandbox, SLEEP).arg("kill").stdout(told).status(1).run();
}

#[test]
fn manager_that_vanishes_while_it_is_waited_for_is_told() {
    let sandbox = Sandbox::new();
    let listener = UnixListener::bind(sandbox.path("sock")).expect("the socket can be made");
    let path = sandbox.path("sock");
    let thread = std::thread::spawn(move || {
        let (stream, _) = listener.accept().expect("a connection");
        answer(stream, "Application started\n");
        std::fs::remove_file(path).expect("the socket is there");
    });
    zdctl(&sandbox, SLEEP).arg("start").stderr("zdctl: daemon manager not running\n").status(1).run();
    thread.join().expect("it has answered");
}

#[test]
fn start_of_what_a_newer_manager_runs_is_none_of_its_own() {
    let sandbox = Sandbox::new();
    let asked = Arc::new(Mutex::new(0));
    let (nothing, exiting) =
        ("application=0\nmood=-1\n", "Application not started: the daemon manager is exiting\n");
    // One that ends, as long as it is asked for the program; the next has started it by the time that it is asked.
    serve_requests(&sandbox, move |request, mut stream| {
        let mut asked = asked.lock().expect("nobody panicked");
        *asked += usize::from(request == "start");
        let _ = stream.write_all(
            match (request, *asked) {
                ("start", 1) => exiting,
                ("start", _) => "Application already started\n",
                ("status", 0 | 1) => nothing,
                ("status", _) => "application=4242\nready=1\nargs=['sleep', '1000']\n",
                _ => "",
            }
            .as_bytes(),
        );
    });
    zdctl(&sandbox, SLEEP).arg("start").stdout("daemon process already running; pid=4242\n").run();
}

/// Serves the socket `sock` in a thread of its own, each request in a thread of its own.
fn serve_requests(sandbox: &Sandbox, reply: impl Fn(&str, UnixStream) + Clone + Send + 'static) {
    let listener = UnixListener::bind(sandbox.path("sock")).expect("the socket can be made");
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (reply, mut stream) = (reply.clone(), stream.expect("a connection"));
            std::thread::spawn(move || reply(request(&mut stream).trim_end(), stream));
        }
    });
}

#[test]
fn request_that_may_have_been_carried_out_is_not_made_twice() {
    for (action, told, line) in [("kill", "kill(4242, 15)\n", "kill 15"), ("restart", "", "restart")] {
        let sandbox = Sandbox::new();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        serve_requests(&sandbox, move |request, mut stream| {
            seen.lock().expect("nobody panicked").push(request.to_owned());
            if request == "status" {
                let _ = stream.write_all(RECORD.as_bytes());
            }
        });
        let why = format!(
            "zdctl: daemon manager gives no answer to '{line}'; whether it was carried out is not known\n"
        );
        zdctl(&sandbox, SLEEP).arg(action).stdout(told).stderr(why).status(1).run();
        let requests = requests.lock().expect("nobody panicked");
        assert_eq!(requests.iter().filter(|request| *request == line).count(), 1, "{requests:?}");
    }
}

#[test]
fn manager_that_never_stops_telling_does_not_hold_anybody_up() {
    const GONE: &str = "application=0\nshould_be_up=0\n\n";
    let again_and_again: fn(UnixStream) = |mut stream| while stream.write_all(GONE.as_bytes()).is_ok() {};
    let once: fn(UnixStream) = |mut stream| drop(stream.write_all(GONE.as_bytes()));
    for watch in [again_and_again, once] {
        let sandbox = Sandbox::new();
        serve_requests(&sandbox, move |request, mut stream| match request {
            "watch" => watch(stream),
            "status" => drop(stream.write_all(RECORD.as_bytes())),
            _ => drop(stream.write_all(b"Sent SIGTERM\n")),
        });
        // The manager does not end, which is its affair.
        zdctl(&sandbox, SLEEP).arg("stop").stdout("[..]daemon process stopped\n").run();
    }
}

#[test]
fn watched_manager_that_talks_nonsense_is_named_so() {
    for text in ["nonsense\n\n", "", "half a record"] {
        let sandbox = Sandbox::new();
        serve_requests(&sandbox, move |request, mut stream| {
            let _ = stream.write_all(if request == "watch" { text } else { RECORD }.as_bytes());
        });
        let why = "zdctl: daemon manager at socket 'sock' gives no sensible answer\n";
        zdctl(&sandbox, SLEEP).arg("wait").stderr(why).status(1).run();
    }
}

#[test]
fn superseded_watcher_watches_again() {
    let sandbox = Sandbox::new();
    let turn = Arc::new(Mutex::new(0));
    serve_requests(&sandbox, move |request, mut stream| {
        let mut turn = turn.lock().expect("nobody panicked");
        *turn += usize::from(request == "watch");
        let _ = stream.write_all(match (request, *turn) {
            ("watch", 1) => b"Command superseded by new command\n".as_slice(),
            ("watch", 2) => b"application=4242\n\nCommand superseded by new command\n",
            ("watch", _) => b"application=0\nshould_be_up=0\n\n",
            _ => b"application=0\nshould_be_up=0\n",
        });
    });
    let stopped = "daemon process stopped\ndaemon manager running; daemon process not running\n";
    let zdctl = configured(&sandbox, "  program sleep 1000\n  hang-around true");
    zdctl.arg("wait").stdout(stopped).run();
}
