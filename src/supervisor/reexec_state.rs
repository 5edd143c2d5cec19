//! What one image of the manager leaves to the next, when the binary on the disk takes over a running manager.
//!
//! The process stays the same, so its children stay its own; what must not be lost are descriptors (the lock, the
//! socket, the program's pipe, its notification socket) and what the state machine knows. An image that cannot read it
//! fails, and then the next `start` finds the program by the lock file, as after any other end of a manager.

use std::env;
use std::ffi::OsString;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::Error;
use super::output::{self, Output};
use super::service_notify::LINE_FD;
use super::state::{Policy, Snapshot, State};
use crate::config::Runner;
use crate::control::END_ONLY;
use crate::sys::inherit;
use crate::sys::notify::NotifySocket;

/// The environment variable that carries a [`HandoffState`].
pub const RESUME: &str = "ZDRUN_RESUME";
/// Its value for a run that only finds out whether a take-over would work.
const TRIAL: &str = "trial";
/// The environment variable that carries an [`InForce`] for such a run.
pub const IN_FORCE: &str = "ZDRUN_IN_FORCE";
/// The version of [`HandoffState`]: another one is refused.
pub const VERSION: u32 = 2;

/// Where this process was started, and how: what the next image needs to be started in the same way.
#[derive(Debug, Clone)]
pub struct Invocation {
    /// The program file of the manager.
    pub executable: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// The working directory, from which names in the arguments and the configuration are meant.
    pub directory: PathBuf,
}

/// How this image was started.
#[derive(Debug)]
pub enum StartMode {
    /// With nothing to go on with.
    Fresh,
    /// By `zdctl`, to end what an earlier manager left running ([`END_ONLY`]).
    EndOnly,
    /// By a manager that wants to know whether a take-over would work.
    Trial(InForce),
    /// By a manager that this image replaces.
    Resumed(HandoffState),
}

/// What a running manager cannot change: it listens, has left the terminal and is the user already.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InForce {
    /// The version of its [`HandoffState`]; 0: it does not say.
    #[serde(default)]
    version: u32,
    socket_name: String,
    daemon: bool,
    user: Option<String>,
}

/// What an image leaves: numbers of descriptors that stay open, and values.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HandoffState {
    /// Which form this has.
    pub version: u32,
    /// The lock file, locked.
    pub lock: i32,
    /// The socket, listening.
    pub listener: i32,
    /// The notification socket.
    pub notify: i32,
    /// The pipe's two ends.
    pub output: Option<[i32; 2]>,
    /// The program is not our child.
    pub adopted: bool,
    /// The pid files that are there.
    #[serde(default)]
    pub pid_files: Vec<String>,
    /// When the program was started, by the wall clock.
    pub started: Option<f64>,
    /// How many images there were before.
    pub replaced: u64,
    /// Why the program could not be started when that was last tried.
    pub start_error: Option<String>,
    /// What the program, which is not up yet, has written so far.
    pub heard: Option<String>,
    /// What the program that last ended had written, if it was not up.
    pub last_output: Option<String>,
    /// What the state machine knew.
    pub snapshot: Snapshot,
}

/// A manager's parts as they were.
pub struct RestoredParts {
    /// What the state machine knew.
    pub state: State,
    /// The notification socket.
    pub notify: NotifySocket,
    /// The program's output.
    pub output: Option<Output>,
    /// What is wrong with it, for the log.
    pub warning: Option<String>,
    /// Where the state machine's time begins.
    pub clock: Instant,
}

impl Invocation {
    /// That of this process, before it changes anything.
    ///
    /// # Errors
    /// Where the working directory is gone.
    pub fn of_this_process() -> Result<Self, Error> {
        let directory =
            env::current_dir().map_err(|source| Error::Directory { path: PathBuf::from("."), source })?;
        Ok(Self {
            executable: env::current_exe().unwrap_or_else(|_| PathBuf::from("zdrun")),
            arguments: env::args_os().skip(1).collect(),
            directory,
        })
    }

    /// What to become: the same program file with the same arguments, in the same directory.
    ///
    /// # Errors
    /// Why the state cannot be written, which is not expected.
    pub fn successor(&self, state: &HandoffState) -> Result<std::process::Command, String> {
        Ok(self.command(&toml::to_string(state).map_err(|error| error.to_string())?))
    }

    /// What to start to find out whether a take-over would work.
    #[must_use]
    pub fn trial(&self, running: &InForce) -> std::process::Command {
        let mut command = self.command(TRIAL);
        // Plain text and a truth value can be written.
        command.env(IN_FORCE, toml::to_string(running).unwrap_or_default());
        command
    }

    fn command(&self, resume: &str) -> std::process::Command {
        let mut command = std::process::Command::new(&self.executable);
        command.args(&self.arguments).current_dir(&self.directory).env(RESUME, resume);
        // The descriptor of that number is another by then.
        command.env_remove(LINE_FD).env_remove(IN_FORCE);
        command
    }
}

impl StartMode {
    /// Reads the environment.
    ///
    /// # Errors
    /// What an earlier image left cannot be read.
    pub fn of_this_process() -> Result<Self, Error> {
        match env::var_os(RESUME) {
            None if env::var_os(END_ONLY).is_some() => Ok(Self::EndOnly),
            None => Ok(Self::Fresh),
            Some(text) if text == TRIAL => InForce::of_trial().map(Self::Trial),
            Some(text) => HandoffState::parse(&text.to_string_lossy()).map(Self::Resumed),
        }
    }
}

impl InForce {
    /// What is in force with these settings.
    #[must_use]
    pub fn of(runner: &Runner) -> Self {
        let socket_name = runner.socket_name.display().to_string();
        Self { version: VERSION, socket_name, daemon: runner.daemon, user: runner.user.clone() }
    }

    /// What the manager that makes the trial says of itself. One of an older version says nothing.
    fn of_trial() -> Result<Self, Error> {
        let text = env::var(IN_FORCE).unwrap_or_default();
        if text.is_empty() {
            return Ok(Self::default());
        }
        toml::from_str(&text).map_err(|error| unclear(error.message()))
    }

    /// Whether the manager could go on with these settings.
    ///
    /// # Errors
    /// A key has another value.
    pub fn check(&self, next: &Self) -> Result<(), Error> {
        if self.version != 0 && self.version != next.version {
            return Err(unclear(&format!("its version is {}", self.version)));
        }
        let changed = [
            ("socket-name", self.socket_name != next.socket_name),
            ("daemon", self.daemon != next.daemon),
            ("user", self.user != next.user),
        ];
        match changed.into_iter().find(|(_, changed)| *changed) {
            Some((key, _)) if *self != Self::default() => Err(Error::Unchangeable { key }),
            _ => Ok(()),
        }
    }
}

impl HandoffState {
    fn parse(text: &str) -> Result<Self, Error> {
        let state: Self = toml::from_str(text).map_err(|error| unclear(error.message()))?;
        if state.version != VERSION {
            return Err(unclear(&format!("its version is {}", state.version)));
        }
        Ok(state)
    }

    /// Takes the lock file and the listening socket over.
    ///
    /// # Errors
    /// One of them is not open.
    pub fn take_socket(&self) -> Result<(OwnedFd, OwnedFd), Error> {
        Ok((take(self.lock)?, take(self.listener)?))
    }

    /// Puts the other parts together again.
    ///
    /// # Errors
    /// One of them is not what it was.
    pub fn take_parts(&self, runner: &Runner, policy: Policy) -> Result<RestoredParts, Error> {
        let ran = self.snapshot.ran.unwrap_or_default();
        let clock = Instant::now().checked_sub(ran).ok_or_else(|| unclear("a time before all times"))?;
        let path = output::transcript(runner);
        let output = self
            .output
            .map(|[pipe, input]| Output::resume(path, File::from(take(pipe)?), File::from(take(input)?)));
        let (mut output, warning) = output.transpose()?.unzip();
        if let Some(output) = &mut output {
            output.go_on_listening(self.heard.clone());
        }
        Ok(RestoredParts {
            state: State::resume(policy, self.snapshot, ran),
            notify: NotifySocket::from_open(take(self.notify)?).map_err(Error::Notify)?,
            output,
            warning: warning.flatten(),
            clock,
        })
    }
}

fn take(descriptor: i32) -> Result<OwnedFd, Error> {
    inherit::take_inherited(descriptor).map_err(|_| unclear(&format!("descriptor {descriptor} is not open")))
}

fn unclear(what: &str) -> Error {
    Error::Resume(what.to_owned())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn state() -> HandoffState {
        let snapshot = Snapshot {
            program: Some(77),
            proven: true,
            waits: None,
            ran: Some(Duration::from_millis(1500)),
            backoff: Duration::from_secs(2),
            restarts: 5,
            last_status: None,
            last_signal: Some((11, true)),
        };
        HandoffState {
            version: VERSION,
            lock: 3,
            listener: 4,
            notify: 5,
            output: Some([6, 7]),
            adopted: true,
            pid_files: Vec::new(),
            started: Some(1_795_335_900.25),
            replaced: 2,
            start_error: None,
            heard: None,
            last_output: Some("cannot open Data.fs\n\u{1b}[0m".to_owned()),
            snapshot,
        }
    }

    #[test]
    fn what_a_running_manager_cannot_change_is_an_error() {
        let (socket_name, user) = ("/s".to_owned(), Some("zeo".to_owned()));
        let running = InForce { version: VERSION, socket_name, daemon: true, user };
        let key = |next: &InForce| running.check(next).err().map(|error| error.to_string());
        assert_eq!(key(&running), None);
        assert_eq!(InForce::default().check(&running).ok(), Some(()), "of an older version");
        let other = key(&InForce { version: VERSION + 1, ..running.clone() });
        let said = format!("cannot take over from the earlier daemon manager: its version is {VERSION}");
        assert_eq!(other, Some(said));
        for (next, name) in [
            (InForce { socket_name: "/t".to_owned(), ..running.clone() }, "socket-name"),
            (InForce { daemon: false, ..running.clone() }, "daemon"),
            (InForce { user: None, ..running.clone() }, "user"),
        ] {
            let said = format!("'{name}' has changed, which takes a stop and a start");
            assert_eq!(key(&next), Some(said));
        }
    }

    #[test]
    fn what_was_written_is_read() {
        let text = toml::to_string(&state()).unwrap();
        assert_eq!(HandoffState::parse(&text).unwrap(), state());
    }

    #[test]
    fn what_cannot_be_read_is_an_error() {
        let future = HandoffState { version: VERSION + 1, ..state() };
        let released = "lock=3 listener=4 notify=5 replaced=0 restarts=0 backoff=0";
        for text in ["", "x", "lock = 3", released, &toml::to_string(&future).unwrap()] {
            assert!(matches!(HandoffState::parse(text), Err(Error::Resume(_))), "{text}");
        }
        let closed = HandoffState { lock: 900, ..state() };
        assert!(closed.take_socket().unwrap_err().to_string().ends_with("descriptor 900 is not open"));
    }
}
