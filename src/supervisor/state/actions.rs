//! The vocabulary of the state machine: what it is told and what it asks for.

use std::time::Duration;

use crate::control::Reply;
use crate::eventlog::Level;
use crate::sys::process::Ended;

/// Which connection awaits a reply.
pub type Client = u64;

/// The settings that the state machine acts by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// The longest delay between restarts; a run of this length or more clears the back-off. Zero: restart at once,
    /// for ever.
    pub backoff_limit: Duration,
    /// At the limit go on instead of giving up.
    pub forever: bool,
    /// Exit statuses of the program that end the manager; -1 stands for death by a signal.
    pub exit_codes: Vec<i32>,
    /// From SIGTERM to SIGKILL; zero: never.
    pub stop_timeout: Duration,
    /// Stay when the program was stopped.
    pub hang_around: bool,
    /// There is a start test to run after each start.
    pub start_test: bool,
}

/// What happens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The manager is ready to work.
    Begin,
    /// A client asks for the program to run.
    Start(Client),
    /// A client asks for it not to run.
    Stop(Client),
    /// A client asks for it to be stopped and started.
    Restart(Client),
    /// A client asks the manager to end.
    Exit(Client),
    /// A client asks for a signal to be sent to the program.
    Kill(Client, i32),
    /// The manager was told by a signal to end.
    Terminate,
    /// [`Action::Spawn`] was done: this process.
    Spawned(i32),
    /// [`Action::Spawn`] was not done.
    SpawnFailed {
        /// Why, for a person.
        reason: String,
        /// Trying again is useless as long as nobody mends it (no such file), unlike a full process table.
        lasting: bool,
    },
    /// The program has ended.
    Died(Ended),
    /// Of the program's group nobody is left.
    GroupGone,
    /// The time of [`super::State::deadline`] has come.
    Due,
    /// [`Action::StartTest`] was done: this process.
    TestStarted(i32),
    /// [`Action::StartTest`] was not done, for this reason.
    TestNotStarted(String),
    /// The start test has ended.
    TestEnded {
        /// With exit status 0.
        passed: bool,
    },
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Start the program; say [`Event::Spawned`] or [`Event::SpawnFailed`] before any other event.
    Spawn,
    /// Send SIGTERM to this program and its group.
    Terminate(i32),
    /// Send SIGKILL to this program and its group.
    Kill(i32),
    /// Send a client's signal to the program alone and reply with the outcome.
    Relay {
        /// Who asked.
        client: Client,
        /// The program.
        pid: i32,
        /// The signal's number.
        signal: i32,
    },
    /// Answer a client.
    Reply(Client, Reply),
    /// Write a record to the event log.
    Log(Level, String),
    /// Tell whoever started the manager that the program runs, or why it does not and the manager ends.
    Report(Result<i32, String>),
    /// Start the start test; say [`Event::TestStarted`] or [`Event::TestNotStarted`].
    StartTest,
    /// End the start test, which is this process.
    KillTest(i32),
}
