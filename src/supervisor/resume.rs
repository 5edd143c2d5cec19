//! What one image of the manager leaves to the next, when the binary on the disk takes over a running manager.
//!
//! The process stays the same, so its children stay its own; what must not be lost are descriptors (the lock, the
//! socket, the program's pipe, its word) and what the state machine knows. Both go through one environment variable,
//! as `key=value` words. An image that cannot read it fails, and then the next `start` finds the program by the lock
//! file, as after any other end of a manager.

use std::collections::HashMap;
use std::env;
use std::ffi::OsString;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::Error;
use super::announce::LINE_FD;
use super::output::{self, Output};
use super::state::{Policy, Snapshot, State};
use crate::config::Runner;
use crate::sys::daemon;
use crate::sys::notify::NotifySocket;

/// The environment variable.
pub const RESUME: &str = "ZDRUN_RESUME";
/// Its value for a run that only finds out whether a take-over would work.
const TRIAL: &str = "trial";

/// Where this process was started, and how: what the next image needs to be started in the same way.
#[derive(Debug, Clone)]
pub struct Origin {
    /// The program file of the manager.
    pub executable: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// The working directory, from which names in the arguments and the configuration are meant.
    pub directory: PathBuf,
}

/// How this image was started.
#[derive(Debug)]
pub enum Beginning {
    /// By somebody, with nothing to go on with.
    Fresh,
    /// By a manager that wants to know whether a take-over would work.
    Trial,
    /// By a manager that this image replaces.
    Resumed(Resumed),
}

/// What the earlier image left.
#[derive(Debug)]
pub struct Resumed {
    /// The lock file, locked.
    pub lock: OwnedFd,
    /// The socket, listening.
    pub listener: OwnedFd,
    /// The rest, which is the manager's.
    pub parts: ResumedParts,
}

/// A manager's parts as they were.
pub struct Taken {
    /// What the state machine knew.
    pub state: State,
    /// The program's word.
    pub notify: NotifySocket,
    /// The program's output.
    pub output: Option<Output>,
    /// What is wrong with it, for the log.
    pub warning: Option<String>,
    /// The program is not our child.
    pub adopted: bool,
    /// When the program was started, by the wall clock.
    pub started: Option<f64>,
    /// How many images there were before.
    pub replaced: u64,
    /// Where the state machine's time begins.
    pub origin: Instant,
}

impl Origin {
    /// That of this process, before it changes anything.
    ///
    /// # Errors
    /// Where the working directory is gone.
    pub fn here() -> Result<Self, Error> {
        let directory =
            env::current_dir().map_err(|source| Error::Directory { path: PathBuf::from("."), source })?;
        Ok(Self {
            executable: env::current_exe().unwrap_or_else(|_| PathBuf::from("zdrun")),
            arguments: env::args_os().skip(1).collect(),
            directory,
        })
    }

    /// What to start for a trial, or to become: the same program file with the same arguments, in the same directory.
    #[must_use]
    pub fn command(&self, resume: &str) -> std::process::Command {
        let mut command = std::process::Command::new(&self.executable);
        command.args(&self.arguments).current_dir(&self.directory).env(RESUME, resume);
        // The descriptor of that number is another by then.
        command.env_remove(LINE_FD);
        command
    }

    /// What to start to find out whether a take-over would work.
    #[must_use]
    pub fn trial(&self) -> std::process::Command {
        self.command(TRIAL)
    }
}

impl Beginning {
    /// Reads the environment.
    ///
    /// # Errors
    /// What an earlier image left is not to be understood.
    pub fn of_this_process() -> Result<Self, Error> {
        match env::var_os(RESUME) {
            None => Ok(Self::Fresh),
            Some(text) if text == TRIAL => Ok(Self::Trial),
            Some(text) => {
                let text = String::from_utf8(text.into_vec()).map_err(|_| unclear("not text"))?;
                Resumed::parse(&text).map(Self::Resumed)
            }
        }
    }
}

/// What an image leaves, as descriptors' numbers and values.
#[derive(Debug, Clone, PartialEq)]
pub struct Legacy {
    /// The numbers of the lock, the listener and the notification socket.
    pub descriptors: [i32; 3],
    /// The numbers of the pipe's two ends.
    pub output: Option<[i32; 2]>,
    /// What the state machine knew.
    pub snapshot: Snapshot,
    /// The program is not our child.
    pub adopted: bool,
    /// When the program was started, by the wall clock.
    pub started: Option<f64>,
    /// How many images there were before.
    pub replaced: u64,
}

impl Legacy {
    /// The variable's value.
    #[must_use]
    pub fn encode(&self) -> String {
        let Snapshot { program, proven, waits, ran, backoff, restarts } = self.snapshot;
        let [lock, listener, notify] = self.descriptors;
        let mut words =
            vec![format!("lock={lock}"), format!("listener={listener}"), format!("notify={notify}")];
        words.push(format!("replaced={}", self.replaced));
        words.push(format!("restarts={restarts}"));
        if let Some([pipe, input]) = self.output {
            words.extend([format!("pipe={pipe}"), format!("input={input}")]);
        }
        words.extend(self.started.map(|started| format!("started={started:?}")));
        words.extend(program.map(|program| format!("program={program}")));
        words.extend(proven.then(|| "proven=1".to_owned()));
        words.extend(self.adopted.then(|| "adopted=1".to_owned()));
        for (key, time) in [("waits", waits), ("ran", ran), ("backoff", Some(backoff))] {
            words.extend(time.map(|time| format!("{key}={}", time.as_nanos())));
        }
        words.join(" ")
    }

    fn parse(text: &str) -> Option<Self> {
        let words: HashMap<&str, &str> = text.split(' ').filter_map(|word| word.split_once('=')).collect();
        let descriptor = |key: &str| words.get(key)?.parse::<i32>().ok();
        let nanoseconds = |key: &str| words.get(key)?.parse().ok().map(Duration::from_nanos);
        Some(Self {
            descriptors: [descriptor("lock")?, descriptor("listener")?, descriptor("notify")?],
            output: descriptor("pipe").zip(descriptor("input")).map(|(pipe, input)| [pipe, input]),
            snapshot: Snapshot {
                program: descriptor("program"),
                proven: words.get("proven") == Some(&"1"),
                waits: nanoseconds("waits"),
                ran: nanoseconds("ran"),
                backoff: nanoseconds("backoff")?,
                restarts: words.get("restarts")?.parse().ok()?,
            },
            adopted: words.get("adopted") == Some(&"1"),
            started: words.get("started").and_then(|seconds| seconds.parse().ok()),
            replaced: words.get("replaced")?.parse().ok()?,
        })
    }
}

impl Resumed {
    fn parse(text: &str) -> Result<Self, Error> {
        let legacy = Legacy::parse(text).ok_or_else(|| unclear(text))?;
        let take = |number: i32| {
            daemon::take_inherited(number).map_err(|_| unclear(&format!("descriptor {number} is not open")))
        };
        let [lock, listener, notify] = legacy.descriptors;
        Ok(Self {
            lock: take(lock)?,
            listener: take(listener)?,
            parts: ResumedParts {
                notify: take(notify)?,
                output: legacy.output.map(|[pipe, input]| Ok((take(pipe)?, take(input)?))).transpose()?,
                snapshot: legacy.snapshot,
                adopted: legacy.adopted,
                started: legacy.started,
                replaced: legacy.replaced,
            },
        })
    }
}

/// What of a legacy does not concern the claim.
#[derive(Debug)]
pub struct ResumedParts {
    notify: OwnedFd,
    output: Option<(OwnedFd, OwnedFd)>,
    snapshot: Snapshot,
    adopted: bool,
    started: Option<f64>,
    replaced: u64,
}

impl ResumedParts {
    /// Puts the parts together again.
    ///
    /// # Errors
    /// One of them is not what it was.
    pub fn take_over(self, runner: &Runner, policy: Policy) -> Result<Taken, Error> {
        let ResumedParts { notify, output, snapshot, adopted, started, replaced } = self;
        let ran = snapshot.ran.unwrap_or_default();
        let origin = Instant::now().checked_sub(ran).ok_or_else(|| unclear("a time before all times"))?;
        let path = output::transcript(runner);
        let output = output.map(|(pipe, input)| Output::resume(path, File::from(pipe), File::from(input)));
        let (output, warning) = output.transpose()?.unzip();
        Ok(Taken {
            state: State::resume(policy, snapshot, ran),
            notify: NotifySocket::from_open(notify).map_err(Error::Notify)?,
            output,
            warning: warning.flatten(),
            adopted,
            started,
            replaced: replaced + 1,
            origin,
        })
    }
}

fn unclear(what: &str) -> Error {
    Error::Resume(what.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_left_is_found() {
        let snapshot = Snapshot {
            program: Some(77),
            proven: true,
            waits: None,
            ran: Some(Duration::from_millis(1500)),
            backoff: Duration::from_secs(2),
            restarts: 5,
        };
        let mut legacy = Legacy {
            descriptors: [3, 4, 5],
            output: Some([6, 7]),
            snapshot,
            adopted: true,
            started: Some(1_795_335_900.25),
            replaced: 2,
        };
        assert_eq!(Legacy::parse(&legacy.encode()), Some(legacy.clone()));
        legacy.output = None;
        legacy.adopted = false;
        legacy.started = None;
        legacy.snapshot =
            Snapshot { program: None, proven: false, waits: Some(Duration::ZERO), ran: None, ..snapshot };
        assert_eq!(Legacy::parse(&legacy.encode()), Some(legacy));
    }

    #[test]
    fn nonsense_is_an_error() {
        for text in ["", "x", "lock=3", "lock=a listener=4 notify=5 backoff=0 restarts=0 replaced=0"] {
            assert!(matches!(Resumed::parse(text), Err(Error::Resume(_))), "{text}");
        }
        let closed = "lock=900 listener=901 notify=902 backoff=0 restarts=0 replaced=0";
        assert!(Resumed::parse(closed).unwrap_err().to_string().ends_with("descriptor 900 is not open"));
    }
}
