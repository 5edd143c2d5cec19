//! The loop: readiness becomes events, actions become system calls. What is done about an event is decided in
//! [`super::state`] only.

mod actions;

use std::io;
use std::os::fd::AsFd;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::Error;
use super::claim::Claim;
use super::clients::{Clients, Wants};
use super::program::Command;
use super::report::Report;
use super::state::{Client, Event, Policy, State};
use super::transcript::Transcript;
use crate::config::{Runner, Settings};
use crate::control::{Reply, Request, StatusRecord};
use crate::eventlog::{EventLog, Level};
use crate::exit::Exit;
use crate::sys::poll::{self, Interest};
use crate::sys::process::{self, Ended};
use crate::sys::reason::reason;
use crate::sys::signal_names;
use crate::sys::signals::{Signals, number};

/// Our name in the event log.
const LOGGER: &str = "zdrun";
/// How long accepting rests when the system has no descriptor left.
const ACCEPT_AGAIN: Duration = Duration::from_secs(1);

/// A manager at work.
pub struct Manager<'a> {
    runner: &'a Runner,
    environment: &'a [(String, String)],
    command: Command,
    state: State,
    signals: Signals,
    log: EventLog,
    /// An event log is configured; without one, warnings and errors are on stderr.
    log_elsewhere: bool,
    claim: Claim,
    clients: Clients,
    report: &'a mut Report,
    transcript: Option<Transcript>,
    /// The program leads a session of its own, so that a signal can be meant for it and its children alone.
    own_session: bool,
    /// The start test that runs.
    test: Option<i32>,
    /// When the program was last started, by the wall clock, in seconds; for the record only.
    started: Option<f64>,
    /// What the state machine's time counts from.
    origin: Instant,
    /// Accepting rests until then.
    deaf_until: Option<Duration>,
    /// Why the manager gave up.
    failure: Option<Error>,
}

/// Which descriptors are ready.
struct Ready {
    signals: bool,
    callers: bool,
    output: bool,
    clients: Vec<Client>,
}

impl<'a> Manager<'a> {
    /// Puts the parts together and opens the transcript.
    pub fn new(
        settings: &'a Settings,
        command: Command,
        signals: Signals,
        log: EventLog,
        claim: Claim,
        report: &'a mut Report,
    ) -> Result<Self, Error> {
        let runner = &settings.runner;
        // Without a transcript the program's output needs no hand that moves it.
        let path = runner.transcript.as_ref().filter(|path| runner.daemon && path.as_os_str() != "/dev/null");
        Ok(Self {
            transcript: path.map(|path| Transcript::open(path)).transpose()?,
            runner,
            environment: &settings.environment,
            command,
            state: State::new(policy(runner)),
            signals,
            log,
            log_elsewhere: settings.event_log.is_some(),
            claim,
            clients: Clients::default(),
            report,
            // A program at a terminal must stay in the terminal's foreground group to be able to read from it.
            own_session: runner.daemon || !process::holds_terminal(io::stdin()),
            test: None,
            started: None,
            origin: Instant::now(),
            deaf_until: None,
            failure: None,
        })
    }

    /// Works until the state machine says that it is over; gives the status to end with.
    ///
    /// # Errors
    /// The program cannot be started, or does not stay up; or, with the program left running, the system cannot wait
    /// for events any more.
    pub fn run(mut self) -> Result<Exit, Error> {
        self.log_start();
        self.happen(Event::Begin);
        loop {
            if let Some(status) = self.state.ended() {
                return self.end(status);
            }
            let ready = self.wait().map_err(Error::Wait)?;
            if ready.signals {
                self.take_signals();
            }
            if ready.output {
                self.move_output();
            }
            for client in ready.clients {
                if let Some(request) = self.clients.progress(client) {
                    self.serve(client, request);
                }
            }
            if ready.callers {
                self.accept();
            }
            let now = self.now();
            self.clients.expire(now);
            if self.state.deadline().is_some_and(|due| due <= now) {
                self.happen(Event::Due);
            }
            self.watch_group();
        }
    }

    fn end(mut self, status: u8) -> Result<Exit, Error> {
        if let Some(transcript) = &mut self.transcript {
            transcript.drain();
        }
        match self.failure {
            // A log that is on stderr for want of another has said it already.
            Some(error) if self.log_elsewhere => Err(error),
            _ if status == 0 => Ok(Exit::Success),
            _ => Ok(Exit::Program(status)),
        }
    }

    fn log_start(&self) {
        if self.runner.daemon {
            self.say(Level::INFO, "daemonizing the process");
            if let Some(directory) = &self.runner.directory {
                self.say(Level::INFO, &format!("set current directory: '{}'", directory.display()));
            }
        }
        self.say(Level::INFO, "daemon manager started");
    }

    fn say(&self, level: Level, message: &str) {
        self.log.log(level, LOGGER, format_args!("{message}"));
    }

    fn now(&self) -> Duration {
        self.origin.elapsed()
    }

    fn wait(&mut self) -> io::Result<Ready> {
        let now = self.now();
        let deaf = self.deaf_until.is_some_and(|until| until > now);
        let dues = [self.state.deadline(), self.clients.deadline(), self.deaf_until.filter(|_| deaf)];
        let limit = dues.into_iter().flatten().min().map(|due| due.saturating_sub(now));
        let mut watched = vec![(self.signals.as_fd(), Interest::Read)];
        let callers = (!deaf).then(|| {
            watched.push((self.claim.listener().as_fd(), Interest::Read));
            watched.len() - 1
        });
        let output = self.transcript.as_ref().map(|transcript| {
            watched.push((transcript.output(), Interest::Read));
            watched.len() - 1
        });
        let first_client = watched.len();
        let mut waiting = Vec::new();
        for (client, descriptor, wants) in self.clients.watched() {
            waiting.push(client);
            let interest = if wants == Wants::Read { Interest::Read } else { Interest::Write };
            watched.push((descriptor, interest));
        }
        let ready = poll::wait(&watched, limit)?;
        let is_ready = |index: usize| ready.get(index).copied().unwrap_or(false);
        Ok(Ready {
            signals: is_ready(0),
            callers: callers.is_some_and(is_ready),
            output: output.is_some_and(is_ready),
            clients: waiting
                .into_iter()
                .zip(first_client..)
                .filter(|(_, at)| is_ready(*at))
                .map(|(c, _)| c)
                .collect(),
        })
    }

    fn take_signals(&mut self) {
        while let Ok(Some(signal)) = self.signals.next() {
            match signal {
                number::CHLD => self.reap(),
                number::TERM | number::INT => {
                    let name = signal_names::name(signal).unwrap_or_default();
                    self.say(Level::INFO, &format!("received {name}; stopping the program, then exiting"));
                    self.happen(Event::Terminate);
                }
                number::HUP | number::USR2 => {
                    if let Err(why) = self.reopen_logs() {
                        self.say(Level::ERROR, &why);
                    }
                }
                _ => {}
            }
        }
    }

    /// Takes note of every child that has ended: several ends may come as one signal.
    fn reap(&mut self) {
        while let Ok(Some((pid, end))) = process::reap() {
            if self.state.pid() == Some(pid) {
                self.happen(Event::Died(end));
            } else if self.test == Some(pid) {
                self.test = None;
                self.happen(Event::TestEnded { passed: end == Ended::Exited(0) });
            } else {
                self.say(Level::DEBUG, &format!("unknown process {pid} exited"));
            }
        }
    }

    fn watch_group(&mut self) {
        if self.state.awaited_group().is_some_and(|group| !self.own_session || !process::group_lives(group)) {
            self.happen(Event::GroupGone);
        }
    }

    fn move_output(&mut self) {
        let told = self.transcript.as_mut().and_then(Transcript::pump);
        if let Some(message) = told {
            self.say(Level::WARNING, &message);
        }
    }

    fn accept(&mut self) {
        let now = self.now();
        self.deaf_until = None;
        if let Err(error) = self.clients.accept(self.claim.listener(), now) {
            self.say(Level::WARNING, &format!("cannot accept a connection: {}", reason(&error)));
            self.deaf_until = Some(now.saturating_add(ACCEPT_AGAIN));
        }
    }

    fn serve(&mut self, client: Client, request: Request) {
        let event = match request {
            Request::Start => Event::Start(client),
            Request::Stop => Event::Stop(client),
            Request::Restart => Event::Restart(client),
            Request::Exit => Event::Exit(client),
            Request::Kill(signal) => Event::Kill(client, signal),
            Request::Status => return self.clients.reply(client, &Reply::Status(self.record())),
            Request::Help => return self.clients.reply(client, &Reply::Help),
            Request::ReopenTranscript => {
                let outcome = self.reopen_logs();
                let reply = outcome.map_or_else(Reply::TranscriptNotReopened, |()| Reply::TranscriptReopened);
                return self.clients.reply(client, &reply);
            }
        };
        self.happen(event);
    }

    fn reopen_logs(&mut self) -> Result<(), String> {
        let mut failed: Vec<String> = self.log.reopen().err().iter().map(ToString::to_string).collect();
        failed.extend(self.transcript.as_mut().and_then(|transcript| transcript.reopen().err()));
        if failed.is_empty() { Ok(()) } else { Err(failed.join("; ")) }
    }

    fn record(&self) -> StatusRecord {
        let now = wall_clock();
        let remaining = self.state.deadline().map(|due| due.saturating_sub(self.now()).as_secs_f64());
        StatusRecord {
            now,
            mood: self.state.mood(),
            delay: remaining.map(|seconds| now + seconds),
            backoff: self.state.backoff().as_secs(),
            lasttime: self.started,
            application: self.state.pid().and_then(|pid| u32::try_from(pid).ok()),
            testing: self.state.testing(),
            manager: std::process::id(),
            backoff_limit: self.runner.backoff_limit.as_secs(),
            filename: self.command.file.clone().into_os_string(),
            args: Some(self.command.words.clone()),
            version: Some(env!("CARGO_PKG_VERSION").to_owned()),
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
    }
}

/// Seconds since the epoch. For the record only: every interval is measured on the monotonic clock.
fn wall_clock() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}
