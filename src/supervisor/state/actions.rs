//! The vocabulary of the state machine: what happens and what it asks for.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::control::Reply;
use crate::eventlog::Level;
use crate::sys::process::Ended;

/// Which connection awaits a reply.
pub type Client = u64;

/// The settings that the state machine acts by.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "settings as the person gives them")]
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
    /// The manager's own exit status says how the program ended, as that of the first process of a container should.
    pub pass_status: bool,
    /// How long a program must live before its start counts.
    pub start_grace: Duration,
    /// The start counts when the program says that it is ready, however long that takes (`sd_notify(3)`).
    pub notify: bool,
}

/// What one state machine leaves to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// The program that runs.
    pub program: Option<i32>,
    /// It has proven itself.
    pub proven: bool,
    /// How long until the next start, in a back-off.
    pub waits: Option<Duration>,
    /// How long ago the program was last started.
    pub ran: Option<Duration>,
    /// The back-off.
    pub backoff: Duration,
    /// How many times the program was started again without a request.
    pub restarts: u64,
    /// With which status the program last ended.
    pub last_status: Option<u8>,
    /// By which signal, and whether that left a core file.
    pub last_signal: Option<(i32, bool)>,
}

/// What happens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The manager is ready to work.
    Begin,
    /// The manager is ready to work, and its program runs already, as this process.
    Adopt(i32),
    /// The manager is ready to work, and processes run that its program, which had this process id and has ended without
    /// a manager, left behind.
    BeginAfter(i32),
    /// The program says that it is ready.
    Ready,
    /// The program, not yet ready, asks for so much time from now on.
    NeedsTime(Duration),
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
    /// A signal asks the manager to end.
    Terminate,
    /// [`Action::Spawn`] was done: this process.
    Spawned(i32),
    /// [`Action::Spawn`] was not done.
    SpawnFailed {
        /// Why, for a person.
        reason: String,
        /// Trying again is useless until it is corrected (no such file), unlike with a full process table.
        lasting: bool,
    },
    /// The program has ended, and no descendant of it is left that is to be ended too.
    Died(Ended),
    /// The program has ended, and processes of its group are left, or descendants that have left the group.
    DiedLeaving(Ended),
    /// None of the program's group, nor of its descendants that have left the group, is left.
    GroupGone,
    /// The time of [`super::State::deadline`] has come.
    Due,
    /// [`Action::StartTest`] was done: this process.
    TestStarted(i32),
    /// [`Action::StartTest`] was not done.
    TestNotStarted {
        /// Why, for a person.
        reason: String,
        /// As of [`Event::SpawnFailed`].
        lasting: bool,
    },
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
    /// This program has ended: send SIGTERM to its descendants that have left its group.
    TerminateStragglers(i32),
    /// Send SIGKILL to this program, its group and its descendants that have left that.
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
    /// Report to the process that started the manager that the program is up, or why it is not; or, at the end, why the
    /// manager gives up.
    Report(Result<i32, String>),
    /// Report, as the outcome of the first start, that this has stopped it.
    ReportStopped(&'static str),
    /// Report that the program is not started, as what this one left behind does not end.
    Refuse(i32),
    /// Start the start test; say [`Event::TestStarted`] or [`Event::TestNotStarted`].
    StartTest,
    /// End the start test, which is this process.
    KillTest(i32),
}
