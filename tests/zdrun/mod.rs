//! `zdrun` as a process: what its starter, its clients, its program and the system see of it.

mod announce;
mod clients;
mod clock;
mod counting;
mod daemon;
mod hostile_programs;
mod init;
mod injected;
mod kill_points;
mod left_behind;
mod life;
mod nested;
mod output;
mod pid_files;
mod readiness;
mod removal;
mod socket;
mod stop_signal;
mod storms;
mod takeover;

use std::collections::HashMap;
use std::fs;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use crate::sandbox::{SOON, Sandbox, eventually_some};

/// A program that runs until it is signalled.
const SLEEP: &[&str] = &["sleep", "1000"];

/// A daemon manager in a sandbox.
struct Manager<'a> {
    sandbox: &'a Sandbox,
    socket: PathBuf,
}

impl<'a> Manager<'a> {
    /// Starts a daemon whose start counts at once: `zdrun -d -s SOCKET -C CONF OPTIONS PROGRAM`.
    fn start(sandbox: &'a Sandbox, options: &[&str], program: &[&str]) -> Self {
        Self::start_with(sandbox, "start-grace 0", options, program)
    }

    /// Starts a daemon with these lines in its `<runner>`.
    fn start_with(sandbox: &'a Sandbox, runner: &str, options: &[&str], program: &[&str]) -> Self {
        let conf = conf(sandbox, runner);
        Self::start_from(sandbox, &conf, options, program)
    }

    /// Starts a daemon with this configuration file.
    fn start_from(sandbox: &'a Sandbox, conf: &Path, options: &[&str], program: &[&str]) -> Self {
        let socket = sandbox.path("sock");
        sandbox
            .zdrun()
            .arg("-d")
            .arg("-s")
            .arg(&socket)
            .arg("-C")
            .arg(conf)
            .args(options)
            .args(program)
            .run();
        Self { sandbox, socket }
    }

    fn connect(&self) -> UnixStream {
        let stream = UnixStream::connect(&self.socket).expect("the manager listens");
        stream.set_read_timeout(Some(SOON)).expect("a time-out can be set");
        stream
    }

    /// Sends bytes as they are, says that no more come, and reads the reply to its end.
    fn send(&self, bytes: &[u8]) -> String {
        let mut stream = self.connect();
        // A manager that has heard enough may close before all is sent.
        let _ = stream.write_all(bytes);
        let _ = stream.shutdown(Shutdown::Write);
        rest(stream)
    }

    fn ask(&self, request: &str) -> String {
        self.send(format!("{request}\n").as_bytes())
    }

    fn status(&self) -> HashMap<String, String> {
        let reply = self.ask("status");
        reply.lines().filter_map(|l| l.split_once('=')).map(|(k, v)| (k.to_owned(), v.to_owned())).collect()
    }

    /// The program's process number; 0: none runs.
    fn pid(&self) -> i32 {
        self.status()["application"].parse().expect("a number")
    }

    /// The number of a program that runs and is not `old`.
    fn next_pid(&self, old: i32) -> i32 {
        eventually_some(SOON, || Some(self.pid()).filter(|pid| *pid != 0 && *pid != old))
    }

    /// Waits until the manager has gone, with its socket and lock, and all that ran under it.
    fn gone(&self) {
        self.sandbox.assert_no_process_left();
        assert!(!self.socket.exists(), "the socket is left");
        assert!(!self.lock_file().exists(), "the lock file is left");
    }

    /// Waits until the manager has gone, with its socket and lock; other processes may run.
    fn gone_alone(&self) {
        eventually_some(SOON, || (!self.socket.exists() && !self.lock_file().exists()).then_some(()));
    }

    fn lock_file(&self) -> PathBuf {
        let mut name = self.socket.clone().into_os_string();
        name.push(".lock");
        PathBuf::from(name)
    }

    fn manager_pid(&self) -> i32 {
        self.status()["manager"].parse().expect("a number")
    }
}

/// A configuration file with these lines in its `<runner>`; the program is named on the command line.
fn conf(sandbox: &Sandbox, runner: &str) -> PathBuf {
    sandbox.write("runner.conf", format!("<runner>\n{runner}\n</runner>\n"))
}

fn rest(mut stream: UnixStream) -> String {
    let mut reply = Vec::new();
    // What came before a reset counts: the manager closes without reading on when it has heard enough.
    let _ = stream.read_to_end(&mut reply);
    String::from_utf8(reply).expect("replies are text")
}

fn signal(pid: i32, signal: nix::sys::signal::Signal) {
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), signal).expect("the process is there");
}

fn is_alive(pid: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // A zombie whose new parent has not yet looked is dead.
    stat.rsplit(')').next().is_some_and(|rest| !rest.is_empty() && !rest.trim_start().starts_with('Z'))
}

/// The number that a program wrote to a file as its last act of starting.
fn pid_in(file: &Path) -> i32 {
    eventually_some(SOON, || fs::read_to_string(file).ok()?.strip_suffix('\n')?.parse().ok())
}
