//! What a manager is made of, and what it begins with.

use std::time::Instant;

use super::super::Error;
use super::super::command::Command;
use super::super::control_socket::ControlSocket;
use super::super::lock_file::Leftover;
use super::super::output::{self, Output};
use super::super::reexec_state::{HandoffState, Invocation, RestoredParts};
use super::super::start_report::StartReporter;
use super::super::state::{Policy, State};
use crate::config::{Runner, Settings};
use crate::eventlog::EventLog;
use crate::sys::notify::NotifySocket;
use crate::sys::orphans::Pids;
use crate::sys::process::is_init;
use crate::sys::signals::Signals;

/// What a manager is given.
pub struct Parts<'a> {
    /// The plain settings.
    pub settings: &'a Settings,
    /// The program, found.
    pub command: Command,
    /// The variables that the program has besides the manager's.
    pub environment: Vec<(String, String)>,
    /// The signals, blocked.
    pub signals: Signals,
    /// The event log, open.
    pub log: EventLog,
    /// The control socket, listening.
    pub socket: ControlSocket,
    /// Where the outcome of the start is reported.
    pub report: &'a mut StartReporter,
    /// How this process was started, for its next image.
    pub invocation: &'a Invocation,
    /// What there is to begin with.
    pub beginning: Beginning,
}

/// What a manager begins with.
pub enum Beginning {
    /// What an earlier manager left running.
    After(Leftover),
    /// The same, which is ended, and nothing is started.
    EndOnly(Leftover),
    /// What an earlier image of this process left to go on with.
    Resumed(HandoffState),
}

impl Beginning {
    /// The parts, new or as the earlier image left them.
    ///
    /// # Errors
    /// The notification socket cannot be made, the transcript cannot be opened, or what was left is not what it was.
    pub fn parts(&self, runner: &Runner) -> Result<RestoredParts, Error> {
        match self {
            Self::Resumed(state) => state.take_parts(runner, policy(runner)),
            Self::After(leftover) | Self::EndOnly(leftover) => Ok(RestoredParts {
                state: State::new(policy(runner)),
                notify: NotifySocket::open().map_err(Error::Notify)?,
                output: open_output(runner, leftover)?,
                warning: None,
                clock: Instant::now(),
            }),
        }
    }
}

fn policy(runner: &Runner) -> Policy {
    Policy {
        backoff_limit: runner.backoff_limit,
        forever: runner.forever,
        exit_codes: runner.exit_codes.clone(),
        stop_timeout: runner.stop_timeout,
        hang_around: runner.hang_around,
        start_test: !runner.start_test_program.is_empty(),
        start_grace: runner.start_grace,
        notify: runner.notify,
        pass_status: is_init(),
    }
}

/// In daemon mode the output passes through us, even where it is not kept: a program that does not come up is quoted.
fn open_output(runner: &Runner, leftover: &Leftover) -> Result<Option<Output>, Error> {
    if !runner.daemon {
        return Ok(None);
    }
    let path = output::transcript(runner);
    let output = match leftover {
        Leftover::Program(program) => Output::adopt(path, &[program.process.pid])?,
        Leftover::Orphans(_, orphans) => Output::adopt(path, &Pids::of(&orphans.clone().scan()).0)?,
        Leftover::Nothing => Output::open(path)?,
    };
    Ok(Some(output))
}
