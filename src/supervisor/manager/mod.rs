//! The loop: readiness becomes events, actions become system calls. What is done about an event is decided in
//! [`super::state`] only.

mod actions;
mod events;
mod inherited;
mod mending;
mod record;
mod replace;
mod rest;

use std::ffi::OsString;
use std::io;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use super::Error;
use super::announce::Announcer;
use super::claim::Claim;
use super::clients::{Clients, Wants};
use super::ledger::Left;
use super::output::{self, Output};
use super::program::Command;
use super::report::Report;
use super::resume::{Origin, ResumedParts, Taken};
use super::state::{Client, Event, Policy, State};
use crate::config::{Runner, Settings};
use crate::eventlog::{EventLog, Level};
use crate::exit::Exit;
use crate::sys::memory;
use crate::sys::notify::NotifySocket;
use crate::sys::pidfd::Watched;
use crate::sys::poll::{self, Interest};
use crate::sys::process;
use crate::sys::remains::{Numbers, Remains};
use crate::sys::signals::Signals;

use record::Shown;

/// Our name in the event log.
const LOGGER: &str = "zdrun";
/// How often a group is looked at whose processes are not our children, so that no signal tells of their end.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// What a manager is given.
pub struct Parts<'a> {
    /// The plain settings.
    pub settings: &'a Settings,
    /// The program, found.
    pub command: Command,
    /// The signals, blocked.
    pub signals: Signals,
    /// The event log, open.
    pub log: EventLog,
    /// The socket, claimed.
    pub claim: Claim,
    /// Where the outcome of the start is told.
    pub report: &'a mut Report,
    /// How this process was started, for its next image.
    pub origin: &'a Origin,
    /// What an earlier image of this process left to go on with.
    pub resumed: Option<ResumedParts>,
}

/// A manager at work.
pub struct Manager<'a> {
    runner: &'a Runner,
    environment: Vec<(String, String)>,
    command: Command,
    /// The words of the program that runs, where they are not those of `command`: an adopted one's.
    adopted_words: Option<Vec<OsString>>,
    state: State,
    signals: Signals,
    log: EventLog,
    /// An event log is configured; without one, warnings and errors are on stderr.
    log_elsewhere: bool,
    claim: Claim,
    clients: Clients,
    report: &'a mut Report,
    /// Who manages this manager.
    announcer: Option<Announcer>,
    /// In daemon mode: what becomes of the program's output.
    output: Option<Output>,
    notify: NotifySocket,
    /// The program, where it is not our child.
    adopted: Option<Watched>,
    /// That was so for this process's earlier image.
    adopted_before: bool,
    /// Who comes from an earlier manager's program, as long as none of our own runs.
    remains: Option<Remains>,
    /// The program leads a session of its own, so that a signal can be meant for it and its children alone.
    own_session: bool,
    /// The start test that runs.
    test: Option<i32>,
    /// When the program was last started, by the wall clock, in seconds; for the record only.
    started: Option<f64>,
    /// Why the program could not be started when that was last tried.
    start_error: Option<String>,
    /// What the program that last ended had said, if it was not up.
    last_output: Option<String>,
    /// What the program says of itself.
    note: Option<String>,
    /// How many times this process was replaced by the binary on the disk.
    replaced: u64,
    /// What those who watch know.
    shown: Option<Shown>,
    /// What the state machine's time counts from.
    origin: Instant,
    /// How this process was started.
    origin_of_process: &'a Origin,
    /// Accepting rests until then.
    deaf_until: Option<Duration>,
    /// The socket or its lock file was removed: then they are made again.
    mends_at: Option<Duration>,
    /// Why that did not work, as it was said.
    told_of_removal: Option<String>,
    /// Why the manager gave up.
    failure: Option<Error>,
}

/// Which descriptors are ready.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is the answer to one question; there is no state in them"
)]
struct Ready {
    signals: bool,
    callers: bool,
    output: bool,
    notify: bool,
    adopted: bool,
    removal: bool,
    clients: Vec<Client>,
}

impl<'a> Manager<'a> {
    /// Puts the parts together, opens the transcript and the socket for the program's own word.
    pub fn new(parts: Parts<'a>) -> Result<Self, Error> {
        let Parts { settings, command, signals, log, claim, report, origin: origin_of_process, resumed } =
            parts;
        let runner = &settings.runner;
        let Taken { state, notify, output, warning, adopted: adopted_before, started, replaced, origin } =
            match resumed {
                Some(resumed) => resumed.take_over(runner, policy(runner))?,
                None => Taken {
                    state: State::new(policy(runner)),
                    notify: NotifySocket::open().map_err(Error::Notify)?,
                    output: open_output(runner, claim.left())?,
                    warning: None,
                    adopted: false,
                    started: None,
                    replaced: 0,
                    origin: Instant::now(),
                },
            };
        if let Some(warning) = warning {
            log.warning(LOGGER, format_args!("{warning}"));
        }
        let mut environment = settings.environment.clone();
        environment.push(("NOTIFY_SOCKET".to_owned(), notify.address().to_owned()));
        environment.extend(claim.ledger().variable());
        Ok(Self {
            runner,
            environment,
            command,
            adopted_words: None,
            state,
            signals,
            log,
            log_elsewhere: settings.event_log.is_some(),
            claim,
            clients: Clients::default(),
            report,
            // A daemon has left whoever started it.
            announcer: if runner.daemon { None } else { Announcer::of_this_process() },
            output,
            notify,
            adopted: None,
            adopted_before,
            remains: None,
            // A program at a terminal must stay in the terminal's foreground group to be able to read from it.
            own_session: runner.daemon || !process::holds_terminal(io::stdin()),
            test: None,
            started,
            start_error: None,
            last_output: None,
            note: None,
            replaced,
            shown: None,
            origin,
            origin_of_process,
            deaf_until: None,
            mends_at: None,
            told_of_removal: None,
            failure: None,
        })
    }

    /// Works until the state machine says that it is over; gives the status to end with.
    ///
    /// # Errors
    /// The program cannot be started, or does not stay up; or, with the program left running, the system cannot wait
    /// for events any more.
    pub fn run(mut self) -> Result<Exit, Error> {
        self.begin()?;
        self.claim.watch();
        self.announce();
        loop {
            if let Some(status) = self.state.ended() {
                return self.end(status);
            }
            let ready = self.wait().map_err(Error::Wait)?;
            let now = self.now();
            self.serve_ready(ready);
            self.clients.expire(now);
            if self.state.deadline().is_some_and(|due| due <= now) {
                self.happen(Event::Due);
            }
            self.watch_group();
            self.mend(now);
            self.tell();
        }
    }

    fn begin(&mut self) -> Result<(), Error> {
        if self.replaced > 0 {
            self.say(Level::INFO, "daemon manager replaced");
            memory::release_unused();
            // What ended in between has left its signal, or not.
            self.reap();
            return if self.adopted_before { self.adopt_again() } else { Ok(()) };
        }
        if self.runner.daemon {
            self.say(Level::INFO, "daemonizing the process");
            if let Some(directory) = &self.runner.directory {
                self.say(Level::INFO, &format!("set current directory: '{}'", directory.display()));
            }
        }
        self.say(Level::INFO, "daemon manager started");
        self.begin_with(self.claim.left().clone())
    }

    fn end(mut self, status: u8) -> Result<Exit, Error> {
        if let Some(output) = &mut self.output {
            output.drain();
        }
        self.tell();
        // Whoever is told may try again at once, and should not meet us.
        drop(self.claim);
        if let Some(error) = &self.failure {
            self.report.failed(error);
        }
        match self.failure {
            // A log that is on stderr for want of another has said it already.
            Some(error) if self.log_elsewhere => Err(error),
            _ if status == 0 => Ok(Exit::Success),
            _ => Ok(Exit::Program(status)),
        }
    }

    fn say(&self, level: Level, message: &str) {
        self.log.log(level, LOGGER, format_args!("{message}"));
    }

    fn now(&self) -> Duration {
        self.origin.elapsed()
    }

    /// How long nothing is due.
    fn limit(&self, now: Duration) -> Option<Duration> {
        let looks = self.state.awaited_group().is_some() && self.remains.is_some();
        let look = looks.then(|| now.saturating_add(LOOK_AGAIN));
        let announcement = self.announcer.as_ref().and_then(Announcer::due);
        let dues = [
            self.state.deadline(),
            self.clients.deadline(),
            self.deaf_until,
            look,
            announcement,
            self.mends_at,
        ];
        dues.into_iter().flatten().min().map(|due| due.saturating_sub(now))
    }

    fn wait(&mut self) -> io::Result<Ready> {
        let now = self.now();
        self.deaf_until = self.deaf_until.filter(|until| *until > now);
        let always = [
            Some(self.signals.as_fd()),
            self.deaf_until.is_none().then(|| self.claim.listener().as_fd()),
            self.output.as_ref().map(Output::output),
            Some(self.notify.as_fd()),
            self.adopted.as_ref().map(AsFd::as_fd),
            self.claim.removal(),
        ];
        let mut watched: Vec<_> = always.iter().flatten().map(|fd| (*fd, Interest::Read)).collect();
        let mut clients = Vec::new();
        for (client, descriptor, wants) in self.clients.watched() {
            clients.push(client);
            let interest = if wants == Wants::Read { Interest::Read } else { Interest::Write };
            watched.push((descriptor, interest));
        }
        let mut ready = poll::wait(&watched, self.limit(now))?.into_iter();
        let [signals, callers, output, notify, adopted, removal] =
            always.map(|watched| watched.is_some() && ready.next() == Some(true));
        let clients = clients.into_iter().zip(ready).filter(|(_, ready)| *ready);
        let clients = clients.map(|(client, _)| client).collect();
        Ok(Ready { signals, callers, output, notify, adopted, removal, clients })
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

/// Whether this is the first process of a container: then there is nobody else to hand signals and statuses on.
fn is_init() -> bool {
    process::own_pid() == 1
}

/// In daemon mode the output passes through us, even where it is not kept: a program that does not come up is quoted.
fn open_output(runner: &Runner, left: &Left) -> Result<Option<Output>, Error> {
    if !runner.daemon {
        return Ok(None);
    }
    let path = output::transcript(runner);
    let output = match left {
        Left::Program(survivor) => Output::adopt(path, &[survivor.pid])?,
        Left::Others(_, remains) => Output::adopt(path, &Numbers::of(&remains.clone().look().sure).0)?,
        Left::Nothing => Output::open(path)?,
    };
    Ok(Some(output))
}
