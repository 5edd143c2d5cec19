//! Carrying out what the state machine asks for.

use super::super::Error;
use super::super::output::Output;
use super::super::state::{Action, Event};
use super::super::status::wall_clock;
use super::Manager;
use super::spawner::not_executed;
use crate::control::{FailedStart, NextTry, Reply};
use crate::eventlog::Level;
use crate::sys::process::{self, Receiver};
use crate::sys::signals::number;
use crate::sys::spawn;
use crate::sys::system_error::os_error_text;

impl Manager<'_> {
    /// Steps the state machine and executes what it asks for, and what follows from that.
    pub(super) fn handle_event(&mut self, event: Event) {
        let mut next = Some(event);
        while let Some(event) = next.take() {
            let now = self.now();
            let had_any = self.has_any();
            let actions = self.state.step(event, now);
            self.write_pid();
            if had_any && !self.has_any() {
                self.forget_program();
            }
            for action in actions {
                next = self.execute(action).or(next);
            }
        }
        if let Some(output) = self.output.as_mut().filter(|_| self.state.up().is_some()) {
            output.stop_listening();
        }
    }

    /// Does one thing; gives the event that says how it went, for those actions that ask for one.
    fn execute(&mut self, action: Action) -> Option<Event> {
        match action {
            Action::Spawn => return Some(self.spawn()),
            Action::StartTest => return Some(self.start_test()),
            Action::KillTest(pid) => {
                self.targets.set_test(None);
                self.end_test_output();
                let _ = process::send_signal(Receiver::Group(pid), number::KILL);
            }
            Action::Terminate(group) => self.targets.terminate(group),
            Action::TerminateStragglers(group) => self.targets.terminate_stragglers(group),
            Action::Kill(group) => self.targets.kill(group),
            Action::Relay { client, pid, signal } => {
                let reply = match process::send_signal(Receiver::Process(pid), signal) {
                    Ok(()) => Reply::SignalSent(signal),
                    Err(error) => {
                        let errno = error.raw_os_error().unwrap_or_default();
                        Reply::KillFailed { signal, errno, reason: os_error_text(&error) }
                    }
                };
                self.clients.reply(client, &reply);
            }
            Action::Reply(client, reply) => self.clients.reply(client, &reply),
            Action::Log(level, message) => self.journal.write(level, &message),
            Action::Report(Ok(pid)) => {
                self.failure = None;
                self.report.started(pid);
            }
            Action::Refuse(_) => {
                let error = Error::LeftBehind(self.targets.orphans());
                self.journal.write(Level::ERROR, &error.to_string());
                self.failure = Some(error);
            }
            Action::Report(Err(why)) => self.report_failure(&why),
            Action::ReportStopped(by) => {
                let stopped = Error::NotStarted(format!("it was stopped by {by}"));
                self.report.failed(&stopped);
            }
        }
        None
    }

    fn report_failure(&mut self, why: &str) {
        let last_output = self.status.last_output.as_deref();
        let failed =
            FailedStart { why, last_output, logs: &self.runner.logs(), next: self.next_try() }.to_string();
        let error = Error::NotStarted(failed);
        // A manager that ends reports it last.
        if self.state.ended().is_some() {
            self.failure = Some(error);
        } else {
            self.report.failed(&error);
        }
    }

    /// What follows on a start that has failed.
    fn next_try(&self) -> Option<NextTry> {
        if self.state.ended().is_some() {
            return None;
        }
        if self.state.pid().is_some() {
            return Some(NextTry::LeftRunning);
        }
        if self.state.awaited_group().is_some() {
            return Some(NextTry::WhenAllEnded);
        }
        self.state.delay().map(|due| NextTry::After(due.saturating_sub(self.now())))
    }

    /// Before anything is reported: a reader of the report then finds the program in the file.
    pub(super) fn write_pid(&mut self) {
        if let Err(error) = self.pid_files.set_program(self.state.pid()) {
            self.journal.write(Level::ERROR, &error.to_string());
        }
    }

    /// Whether there is a program, or something that it left running and that is to be ended.
    fn has_any(&self) -> bool {
        self.state.pid().or(self.state.awaited_group()).is_some()
    }

    /// Clears the record of a program that has ended; but what could not be ended stays recorded for the next manager.
    fn forget_program(&mut self) {
        if !self.targets.orphans().0.is_empty() {
            return;
        }
        if let Err(error) = self.socket.lock().forget_program() {
            self.journal.write(Level::WARNING, &format!("cannot write lock file: {}", os_error_text(&error)));
        }
    }

    fn spawn(&mut self) -> Event {
        if let Some(output) = &mut self.output {
            output.listen();
        }
        self.status.running_words = None;
        self.targets.begin_program(self.socket.lock().mark());
        self.socket.lock_mut().write_words(&self.command.words);
        let note = Some(self.socket.lock().note());
        let output = self.output.as_ref().map(Output::input);
        let started = self.spawner.start(&self.command, output, self.targets.own_session(), note);
        match started {
            Ok(pid) => {
                self.status.started = Some(wall_clock());
                self.status.start_error = None;
                self.status.test_error = None;
                Event::Spawned(pid)
            }
            Err(error) => {
                // The process has recorded itself before it failed.
                self.forget_program();
                let reason = not_executed(&self.command.file, &error);
                self.status.start_error = Some(reason.clone());
                Event::SpawnFailed { reason, lasting: !spawn::is_shortage(&error) }
            }
        }
    }

    fn start_test(&mut self) -> Event {
        let found = self.spawner.find(&self.runner.start_test_program);
        let found = found.map_err(|error| (error.to_string(), true));
        let output = self.output.as_mut().map(Output::begin_test);
        let started = found.and_then(|test| {
            let started = self.spawner.start(&test, output, true, None);
            started.map_err(|error| (not_executed(&test.file, &error), !spawn::is_shortage(&error)))
        });
        match started {
            Ok(pid) => {
                self.status.start_error = None;
                self.targets.set_test(Some(pid));
                Event::TestStarted(pid)
            }
            Err((why, lasting)) => {
                let reason = format!("the start test cannot be run: {why}");
                self.status.start_error = Some(reason.clone()).filter(|_| lasting);
                Event::TestNotStarted { reason, lasting }
            }
        }
    }

    /// Takes in what the start test, which has ended, wrote; gives its last line.
    pub(super) fn end_test_output(&mut self) -> Option<String> {
        let (last_line, message) = self.output.as_mut()?.end_test();
        self.journal.warn(message);
        last_line
    }
}
