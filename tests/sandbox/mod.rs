//! What a test runs in: a private directory and every process that comes to be in it.
//!
//! A [`Sandbox`] promises that nothing outlives it. Each command started through it carries the sandbox's mark in its
//! environment, which children inherit and daemons keep; when the sandbox is dropped, every process on the machine that
//! bears the mark is killed, with its process group. What a command prints is asserted whole, and must be empty unless
//! the test says otherwise ([`Run`]). It knows nothing of what the programs do.

pub(crate) mod chance;
pub(crate) mod forks;
mod pattern;
mod port;
mod process;
pub(crate) mod run;
pub(crate) mod terminal;
mod tools;
mod wait;

use std::cell::RefCell;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

pub(crate) use pattern::matches;
use run::Run;
pub(crate) use tools::{can_trace, can_unshare, have, search_path};
pub(crate) use wait::{eventually, eventually_some, poll};

/// How long a test waits for what should come soon; generous, since tests share loaded machines.
pub(crate) const SOON: Duration = Duration::from_secs(60);

/// Whether the long forms of the tests are wanted (docs/testing.md).
pub(crate) fn is_long() -> bool {
    std::env::var_os("ZEO_LONG").is_some_and(|value| value == "1")
}

/// A private directory, private ports, and the owner of every process started in it.
pub(crate) struct Sandbox {
    root: PathBuf,
    mark: String,
    ports: RefCell<Vec<port::Port>>,
    _directory: TempDir,
}

impl Sandbox {
    /// A new, empty sandbox. Its path is short, because the path of a Unix socket may have 107 bytes (unix(7)).
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let directory = tempfile::Builder::new().prefix("zeo-").tempdir().expect("a temporary directory");
        let root = directory.path().canonicalize().expect("the temporary directory is there");
        let name = root.file_name().expect("it has a name").to_string_lossy();
        let mark = format!("{name}-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        Self { root, mark, ports: RefCell::default(), _directory: directory }
    }

    /// The directory, absolute and without symlinks; also the working directory and HOME of the commands.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// A path below the directory.
    pub(crate) fn path(&self, relative: impl AsRef<Path>) -> PathBuf {
        self.root.join(relative)
    }

    /// Writes a file, with the directories above it; returns its path.
    pub(crate) fn write(&self, relative: impl AsRef<Path>, contents: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(relative);
        fs::create_dir_all(path.parent().expect("a file has a parent")).expect("directories can be made");
        forks::apart(|| fs::write(&path, contents)).expect("the file can be written");
        path
    }

    /// The text of a file.
    pub(crate) fn read(&self, relative: impl AsRef<Path>) -> String {
        let path = self.path(relative);
        fs::read_to_string(&path).unwrap_or_else(|e| panic!("cannot read {}: {e}", path.display()))
    }

    /// A TCP port of 127.0.0.1 on which nobody listens and that no other test gets while this sandbox lives.
    pub(crate) fn port(&self) -> u16 {
        let port = port::Port::reserve();
        let number = port.number();
        self.ports.borrow_mut().push(port);
        number
    }

    /// A command to run here: with this directory as working directory and HOME, and with nothing of the test's
    /// environment; what is on its search path stands in [`tools`].
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Run {
        Run::new(program.as_ref(), &self.root, &self.mark)
    }

    /// Our `mkzeoinst`.
    pub(crate) fn mkzeoinst(&self) -> Run {
        self.command(env!("CARGO_BIN_EXE_mkzeoinst"))
    }

    /// Our `runzeo`.
    pub(crate) fn runzeo(&self) -> Run {
        self.command(env!("CARGO_BIN_EXE_runzeo"))
    }

    /// Our `zdctl`.
    pub(crate) fn zdctl(&self) -> Run {
        self.command(env!("CARGO_BIN_EXE_zdctl"))
    }

    /// Our `zdrun`.
    pub(crate) fn zdrun(&self) -> Run {
        self.command(env!("CARGO_BIN_EXE_zdrun"))
    }

    /// The living processes that came to be in this sandbox, as `PID COMMAND LINE`, by pid.
    pub(crate) fn leftovers(&self) -> Vec<String> {
        process::marked(&self.mark).iter().map(ToString::to_string).collect()
    }

    /// Kills the manager that is noted beside the socket `sock`, and waits for its end; gives its program's number.
    #[track_caller]
    pub(crate) fn kill_manager(&self) -> String {
        let (manager, program) = (self.locked_by("manager"), self.locked_by("program"));
        self.signal_manager(Signal::SIGKILL);
        let ours = format!("{manager} ");
        wait::eventually(SOON, || !self.leftovers().iter().any(|process| process.starts_with(&ours)));
        program
    }

    /// Sends that manager a signal.
    #[track_caller]
    pub(crate) fn signal_manager(&self, signal: Signal) {
        let manager = self.locked_by("manager").parse().expect("a number");
        kill(Pid::from_raw(manager), signal).expect("the manager lives");
    }

    /// The process number in this line of the lock file beside the socket `sock`.
    fn locked_by(&self, word: &str) -> String {
        let lock = self.read("sock.lock");
        let mut words = lock.split_whitespace().skip_while(|other| *other != word);
        words.nth(1).expect("manager PID BOOT MARK program PID BIRTH").to_owned()
    }

    /// Kills that manager and then its program, and waits until nothing is left of the two.
    #[track_caller]
    pub(crate) fn leave_behind(&self) {
        let program = self.kill_manager();
        kill(Pid::from_raw(program.parse().expect("a number")), Signal::SIGKILL).expect("it lives");
        wait::eventually(SOON, || !Path::new("/proc").join(&program).exists());
    }

    /// Asserts that every process of this sandbox ends soon.
    #[track_caller]
    pub(crate) fn assert_no_process_left(&self) {
        let mut left = self.leftovers();
        wait::poll(SOON, || {
            left = self.leftovers();
            left.is_empty().then_some(())
        });
        assert!(left.is_empty(), "processes left behind:\n{}", left.join("\n"));
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        let ended = wait::poll(SOON, || {
            let left = process::marked(&self.mark);
            left.iter().for_each(process::Process::kill_with_group);
            left.is_empty().then_some(())
        });
        // A second panic would hide the first.
        assert!(
            ended.is_some() || std::thread::panicking(),
            "processes survived SIGKILL:\n{}",
            self.leftovers().join("\n")
        );
    }
}

#[cfg(test)]
mod tests;

/// Memory in use by a process, in bytes.
pub(crate) fn resident(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("it lives");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("the kernel says it");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") * 1024
}
