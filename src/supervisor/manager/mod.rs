//! The loop: readiness becomes events, actions become system calls. What is done about an event is decided in
//! [`super::state`] only.

mod actions;
mod beginning;
mod journal;
mod publisher;
mod reexec;
mod sources;
mod spawner;

use std::io;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use super::Error;
use super::clients::Clients;
use super::command::Command;
use super::control_socket::ControlSocket;
use super::kill_targets::KillTargets;
use super::lock_file::{Leftover, OrphanedProgram};
use super::output::Output;
use super::pid_files::PidFiles;
use super::recreate_socket::Recreation;
use super::reexec_state::{Invocation, RestoredParts};
use super::service_notify::ServiceNotifier;
use super::start_report::StartReporter;
use super::state::{Client, Event, State, describe};
use super::status::{ProgramStatus, wall_clock};
use crate::config::Runner;
use crate::control::lock_record::{LOCK, RecordedProcess};
use crate::control::{Reply, Request, StatusRecord, slow_start};
use crate::eventlog::Level;
use crate::exit::Exit;
use crate::sys::notify::NotifySocket;
use crate::sys::orphans::OrphanScan;
use crate::sys::pidfd::PidFd;
use crate::sys::proc;
use crate::sys::process::{self, Ended, Receiver, is_init};
use crate::sys::signal_names;
use crate::sys::signals::{Signals, number};

pub use beginning::{Beginning, Parts};
use journal::Journal;
use publisher::Publisher;
use sources::Source;
use spawner::Spawner;

/// How often a group is looked at whose processes are not our children, so that no signal reports their end.
const POLL_INTERVAL: Duration = Duration::from_millis(50);
/// How many chunks of a dying program's output are taken in before its end is reported: all that a pipe can hold.
const LAST_CHUNKS: usize = 16;

/// A manager at work.
pub struct Manager<'a> {
    runner: &'a Runner,
    spawner: Spawner,
    command: Command,
    state: State,
    status: ProgramStatus,
    targets: KillTargets,
    pid_files: PidFiles,
    /// In daemon mode: what becomes of the program's output.
    output: Option<Output>,
    /// Where the program says that it is ready.
    notify: NotifySocket,
    signals: Signals,
    journal: Journal,
    socket: ControlSocket,
    recreation: Recreation,
    clients: Clients,
    report: &'a mut StartReporter,
    publisher: Publisher,
    invocation: &'a Invocation,
    /// What the state machine's time counts from.
    clock: Instant,
    /// Why the manager gave up.
    failure: Option<Error>,
}

impl<'a> Manager<'a> {
    /// Puts the parts together, opens the transcript and the notification socket, and runs the manager until the state
    /// machine says that it is over; gives the status to end with.
    ///
    /// # Errors
    /// The program cannot be started, or does not stay up; or, with the program left running, the system cannot wait
    /// for events any more.
    pub fn run(parts: Parts<'a>) -> Result<Exit, Error> {
        let Parts { settings, command, mut environment, signals, log, socket, report, invocation, beginning } =
            parts;
        let runner = &settings.runner;
        let mut status = ProgramStatus { configured: wall_clock(), ..ProgramStatus::default() };
        if let Beginning::Resumed(state) = &beginning {
            (status.started, status.replaced) = (state.started, state.replaced + 1);
            status.start_error.clone_from(&state.start_error);
            status.last_output.clone_from(&state.last_output);
        }
        let RestoredParts { state, notify, output, warning, clock } = beginning.parts(runner)?;
        let journal = Journal::new(log, settings.event_log.is_some());
        journal.warn(warning);
        environment.push(("NOTIFY_SOCKET".to_owned(), notify.address().to_owned()));
        environment.extend(socket.lock().variable(runner.daemon));
        // A program at a terminal must stay in the terminal's foreground group to be able to read from it.
        let own_session = runner.daemon || !process::holds_terminal(io::stdin());
        // A daemon has left the process that started it.
        let service = if runner.daemon { None } else { ServiceNotifier::of_this_process() };
        let mut pid_files = PidFiles::of(runner);
        match pid_files.begin() {
            Err(error) if matches!(beginning, Beginning::Resumed(_)) => {
                journal.write(Level::ERROR, &error.to_string());
            }
            begun => begun?,
        }
        let manager = Self {
            runner,
            pid_files,
            spawner: Spawner::new(environment),
            command,
            state,
            status,
            targets: KillTargets::new(
                runner.stop_group,
                runner.stop_signal,
                own_session,
                socket.lock().mark(),
            ),
            output,
            notify,
            signals,
            journal,
            socket,
            recreation: Recreation::default(),
            clients: Clients::default(),
            report,
            publisher: Publisher::new(service),
            invocation,
            clock,
            failure: None,
        };
        manager.work(beginning)
    }

    fn work(mut self, beginning: Beginning) -> Result<Exit, Error> {
        match beginning {
            Beginning::After(leftover) => self.begin(leftover)?,
            Beginning::EndOnly(Leftover::Nothing) => self.handle_event(Event::Terminate),
            Beginning::EndOnly(leftover) => {
                self.begin(leftover)?;
                self.handle_event(Event::Terminate);
            }
            Beginning::Resumed(state) => {
                self.write_pid();
                self.pid_files.remove_others(&state.pid_files);
                self.go_on(state.adopted)?;
            }
        }
        self.socket.watch();
        self.publish_state();
        loop {
            if let Some(status) = self.state.ended() {
                return self.end(status);
            }
            let ready = self.wait().map_err(Error::Wait)?;
            let now = self.now();
            self.serve_ready(ready);
            self.clients.expire(now);
            if self.state.deadline().is_some_and(|due| due <= now) {
                self.handle_event(Event::Due);
            }
            if self.state.awaited_group().is_some_and(|group| !self.targets.has_left_others(group)) {
                self.handle_event(Event::GroupGone);
            }
            if self.report.due_in().is_some_and(|time| time.is_zero()) {
                let known = slow_start(self.status.test_error.as_deref());
                self.report.failed(&Error::TooLong(known));
            }
            self.recreate_socket(now);
            self.publish_state();
        }
    }

    fn begin(&mut self, leftover: Leftover) -> Result<(), Error> {
        if self.runner.daemon {
            self.journal.write(Level::INFO, "daemonizing the process");
            if let Some(directory) = &self.runner.directory {
                self.journal.write(Level::INFO, &format!("set current directory: '{}'", directory.display()));
            }
        }
        self.journal.write(Level::INFO, "daemon manager started");
        match leftover {
            Leftover::Nothing => self.handle_event(Event::Begin),
            Leftover::Program(program) => return self.adopt(program),
            Leftover::Orphans(pid, orphans) => self.begin_after(pid, orphans),
        }
        Ok(())
    }

    /// Takes over a program that an earlier manager left running. It is not our child: its end is seen, not its status.
    fn adopt(&mut self, program: OrphanedProgram) -> Result<(), Error> {
        let OrphanedProgram { process: RecordedProcess { pid, start_time }, words } = program;
        let mut orphans = self.socket.lock().orphans_of(program.process);
        let pidfd = match PidFd::open(pid) {
            Err(source) if !proc::is_gone(&source) => return Err(Error::Survivor { pid, source }),
            pidfd => pidfd.ok().filter(|_| proc::start_time(pid) == Some(start_time)),
        };
        if pidfd.is_some() {
            self.targets.adopt(pidfd, orphans);
            self.status.running_words = Some(words.unwrap_or_else(|| self.command.words.clone()));
            self.handle_event(Event::Adopt(pid));
        } else if self.runner.stop_group && !orphans.scan().is_empty() {
            // It has ended since.
            self.begin_after(pid, orphans);
        } else {
            self.handle_event(Event::Begin);
        }
        Ok(())
    }

    /// Begins when those have ended that an earlier manager's program left running.
    fn begin_after(&mut self, pid: i32, orphans: OrphanScan) {
        self.targets.adopt(None, orphans);
        self.handle_event(Event::BeginAfter(pid));
    }

    /// Goes on where this process's earlier image left off.
    fn go_on(&mut self, adopted: bool) -> Result<(), Error> {
        self.journal.write(Level::INFO, "daemon manager replaced");
        // What ended in between has left its signal, or not.
        self.reap();
        let program =
            self.socket.lock().program().filter(|found| self.state.pid() == Some(found.process.pid));
        // The file may have another program by now.
        self.status.running_words = program.as_ref().and_then(|found| found.words.clone());
        if !adopted {
            return Ok(());
        }
        let program =
            program.ok_or_else(|| Error::Resume("the adopted program is not recorded".to_owned()))?;
        let pidfd = PidFd::same(program.process.pid, program.process.start_time);
        let has_ended = pidfd.is_none();
        self.targets.adopt(pidfd, self.socket.lock().orphans_of(program.process));
        if has_ended {
            self.program_ended(Ended::Unseen);
        }
        Ok(())
    }

    fn end(mut self, status: u8) -> Result<Exit, Error> {
        if let Some(output) = &mut self.output {
            output.drain();
        }
        self.publish_state();
        // A client that learns of the end may try again at once, and should not meet us.
        drop(self.socket);
        let is_news = self.failure.as_ref().is_some_and(|error| self.report.failed(error));
        match self.failure {
            _ if status == 0 => Ok(Exit::Success),
            // A log that is on stderr for want of another has said it already.
            Some(error) if self.journal.is_configured() && !is_news => {
                Err(Error::GaveUp { why: error.to_string(), status })
            }
            _ => Ok(Exit::Program(status)),
        }
    }

    fn now(&self) -> Duration {
        self.clock.elapsed()
    }

    /// How long nothing is due.
    fn limit(&self, now: Duration) -> Option<Duration> {
        let polled = self.state.awaited_group().is_some() && self.targets.are_polled();
        let dues = [
            self.state.deadline(),
            self.clients.deadline(),
            self.recreation.due(),
            self.publisher.due(),
            self.report.due_in().map(|time| now.saturating_add(time)),
            polled.then(|| now.saturating_add(POLL_INTERVAL)),
        ];
        dues.into_iter().flatten().min().map(|due| due.saturating_sub(now))
    }

    /// Waits until something is ready or due.
    fn wait(&mut self) -> io::Result<Vec<Source>> {
        let now = self.now();
        let accepts = self.clients.accepts(now);
        let limit = self.limit(now);
        let always = [
            (Source::Notify, Some(self.notify.as_fd())),
            (Source::Signals, Some(self.signals.as_fd())),
            (Source::Adopted, self.targets.adopted()),
            (Source::Output, self.output.as_ref().map(Output::output)),
            (Source::TestOutput, self.output.as_ref().and_then(Output::test_output)),
            (Source::Removal, self.socket.removal()),
        ];
        let listener = accepts.then(|| (Source::Listener, self.socket.listener().as_fd()));
        sources::wait(always, self.clients.watched(), listener, limit)
    }

    fn serve_ready(&mut self, ready: Vec<Source>) {
        for source in ready {
            match source {
                Source::Notify => self.take_notifications(),
                Source::Signals => self.take_signals(),
                Source::Adopted => {
                    self.targets.adopted_ended();
                    self.program_ended(Ended::Unseen);
                }
                Source::Output => self.move_output(),
                Source::TestOutput => {
                    let message = self.output.as_mut().and_then(Output::pump_test);
                    self.journal.warn(message);
                }
                Source::Removal => {
                    let message = self.recreation.files_changed(&mut self.socket, self.clock.elapsed());
                    self.journal.warn(message);
                }
                Source::Client(client) => {
                    if let Some(request) = self.clients.progress(client) {
                        self.serve(client, request);
                    }
                }
                Source::Listener => {
                    let message = self.clients.accept(self.socket.listener(), self.clock.elapsed());
                    self.journal.warn(message);
                }
            }
        }
    }

    fn take_signals(&mut self) {
        while let Ok(Some(signal)) = self.signals.next() {
            match signal {
                number::CHLD => self.reap(),
                number::TERM | number::INT => {
                    let name = signal_names::name(signal).unwrap_or_default();
                    self.journal
                        .write(Level::INFO, &format!("received {name}; stopping the program, then exiting"));
                    self.handle_event(Event::Terminate);
                }
                number::HUP | number::USR2 => {
                    let is_reload = signal == number::HUP;
                    self.publisher.reload_begins(is_reload);
                    if let Err(why) = self.reopen_logs() {
                        self.journal.write(Level::ERROR, &why);
                    }
                    self.publisher.reload_ends(is_reload);
                    self.pass_on(signal);
                }
                _ => self.pass_on(signal),
            }
        }
    }

    /// In a container, a signal to the first process is meant for the program.
    fn pass_on(&self, signal: i32) {
        if let Some(pid) = self.state.pid().filter(|_| is_init()) {
            let _ = process::send_signal(Receiver::Process(pid), signal);
        }
    }

    /// Reaps every child that has ended: several ends may come as one signal. The program's end is handled last, when no
    /// zombie is left that could be taken for a process that it left running.
    fn reap(&mut self) {
        let mut program = None;
        while let Ok(Some((pid, end))) = process::reap() {
            if self.state.pid() == Some(pid) {
                program = Some(end);
            } else if self.targets.test() == Some(pid) {
                self.targets.set_test(None);
                let passed = end == Ended::Exited(0);
                let last_line = self.end_test_output().map(|line| format!(": {line}")).unwrap_or_default();
                self.status.test_error = (!passed).then(|| describe(end) + &last_line);
                self.handle_event(Event::TestEnded { passed });
            } else {
                self.journal.write(Level::DEBUG, &format!("unknown process {pid} exited"));
            }
        }
        if let Some(end) = program {
            self.program_ended(end);
        }
    }

    fn program_ended(&mut self, end: Ended) {
        // What it said last may still be on its way.
        self.take_notifications();
        if self.state.up().is_none() {
            (0..LAST_CHUNKS).for_each(|_| self.move_output());
        }
        self.publish_state();
        self.status.last_output = self.output.as_ref().and_then(Output::last_lines);
        self.status.note = None;
        let leaves = self.state.pid().is_some_and(|group| self.targets.has_left_others(group));
        self.handle_event(if leaves { Event::DiedLeaving(end) } else { Event::Died(end) });
    }

    /// What the program says of its state (`sd_notify(3)`).
    fn take_notifications(&mut self) {
        let Some(pid) = self.state.pid() else { return };
        while let Some(message) = self.notify.next_from(pid) {
            for line in message.lines() {
                match line.split_once('=') {
                    Some(("READY", "1")) => self.handle_event(Event::Ready),
                    Some(("STATUS", note)) => self.status.note = Some(note.to_owned()),
                    Some(("EXTEND_TIMEOUT_USEC", time)) => {
                        // What is no number asks for nothing.
                        let time = Duration::from_micros(time.parse().unwrap_or_default());
                        self.publisher.needs_time(time);
                        self.handle_event(Event::NeedsTime(time));
                    }
                    _ => {}
                }
            }
        }
    }

    fn move_output(&mut self) {
        let message = self.output.as_mut().and_then(Output::pump);
        self.journal.warn(message);
    }

    fn serve(&mut self, client: Client, request: Request) {
        self.publish_state();
        let event = match request {
            Request::Start => Event::Start(client),
            Request::Stop => Event::Stop(client),
            Request::Restart => Event::Restart(client),
            Request::Exit => Event::Exit(client),
            Request::Kill(signal) => Event::Kill(client, signal),
            Request::Status => {
                let record = self.record();
                return self.clients.reply(client, &Reply::Status(Box::new(record)));
            }
            Request::Help => return self.clients.reply(client, &Reply::Help),
            Request::Watch => {
                let record = self.record();
                self.clients.watch(client, &record);
                // The others that watch know this by now.
                self.publisher.is_news(Some(self.status.watched(&self.state)));
                return;
            }
            Request::Reexec => return self.reexec(client),
            Request::ReopenTranscript => {
                let outcome = self.reopen_logs();
                let reply = outcome.map_or_else(Reply::TranscriptNotReopened, |()| Reply::TranscriptReopened);
                return self.clients.reply(client, &reply);
            }
        };
        self.handle_event(event);
    }

    fn reopen_logs(&mut self) -> Result<(), String> {
        let mut failed: Vec<String> = self.journal.reopen().err().iter().map(ToString::to_string).collect();
        let output = self.output.as_mut().and_then(|output| output.reopen().err());
        failed.extend(output.iter().map(ToString::to_string));
        if failed.is_empty() { Ok(()) } else { Err(failed.join("; ")) }
    }

    /// The whole state, at this moment.
    fn record(&self) -> StatusRecord {
        self.status.record(&self.state, self.runner, &self.command, self.now())
    }

    fn recreate_socket(&mut self, now: Duration) {
        if let Some((level, message)) = self.recreation.run(&mut self.socket, self.journal.event_log(), now) {
            self.journal.write(level, &message);
            self.spawner.replace(LOCK, self.socket.lock().variable(self.runner.daemon));
        }
    }

    /// Sends the state to the clients that watch and to the service manager, if it has changed. Of several events that
    /// have come, each that may change again what the one before it changed waits for this.
    fn publish_state(&mut self) {
        let now = self.now();
        self.publisher.notify_service(|| self.status.for_service_manager(&self.state), now);
        let watched = self.clients.are_watching().then(|| self.status.watched(&self.state));
        if self.publisher.is_news(watched) {
            let record = self.record();
            self.clients.send_to_watchers(&record);
        }
    }
}
