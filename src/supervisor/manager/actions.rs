//! Carrying out what the state machine asks for.

use std::ffi::OsString;
use std::io;
use std::path::Path;

use super::super::Error;
use super::super::announce;
use super::super::output::Output;
use super::super::program::Command;
use super::super::resume::RESUME;
use super::super::state::{Action, Event};
use super::Manager;
use super::record::wall_clock;
use crate::control::{READY_FD, Reply, with_last_words};
use crate::eventlog::Level;
use crate::sys::memory;
use crate::sys::process::{self, Receiver};
use crate::sys::reason::reason;
use crate::sys::remains::{Numbers, Remains};
use crate::sys::signals::number;
use crate::sys::spawn::{self, Note};

impl Manager<'_> {
    /// Steps the state machine and carries out what it asks for, and what follows from that.
    pub(super) fn happen(&mut self, event: Event) {
        let mut next = Some(event);
        while let Some(event) = next.take() {
            let now = self.now();
            let had_any = self.has_any();
            let actions = self.state.step(event, now);
            if had_any && !self.has_any() {
                self.forget_program();
            }
            for action in actions {
                next = self.carry_out(action).or(next);
            }
        }
        if let Some(output) = self.output.as_mut().filter(|_| self.state.up().is_some()) {
            output.stop_listening();
        }
    }

    /// Does one thing; gives the event that says how it went, for those actions that ask for one.
    fn carry_out(&mut self, action: Action) -> Option<Event> {
        match action {
            Action::Spawn => return Some(self.spawn()),
            Action::StartTest => return Some(self.start_test()),
            Action::KillTest(pid) => {
                self.test = None;
                let _ = process::send_signal(Receiver::Group(pid), number::KILL);
            }
            Action::Terminate(group) => self.terminate(group),
            Action::TerminateRest(group) => self.terminate_rest(group),
            Action::Kill(group) => self.kill(group),
            Action::Relay { client, pid, signal } => {
                let reply = match process::send_signal(Receiver::Process(pid), signal) {
                    Ok(()) => Reply::SignalSent(signal),
                    Err(error) => {
                        let errno = error.raw_os_error().unwrap_or_default();
                        Reply::KillFailed { signal, errno, reason: reason(&error) }
                    }
                };
                self.clients.reply(client, &reply);
            }
            Action::Reply(client, reply) => self.clients.reply(client, &reply),
            Action::Log(level, message) => self.say(level, &message),
            Action::Report(Ok(pid)) => {
                self.failure = None;
                self.report.started(pid);
                // It may be for years that nothing happens from here on.
                memory::release_unused();
            }
            Action::Refuse(_) => {
                let left = self.remains.as_mut().map(Remains::look).unwrap_or_default();
                let error = Error::LeftBehind(Numbers::of(&left.sure));
                self.say(Level::ERROR, &error.to_string());
                self.failure = Some(error);
            }
            Action::Report(Err(why)) => {
                let logs = self.runner.logfile.iter().chain(&self.runner.transcript);
                let error = Error::NotStarted(with_last_words(why, self.last_output.as_deref(), logs));
                // A manager that ends tells it last.
                if self.runner.forever {
                    self.report.failed(&error);
                }
                self.failure = Some(error);
            }
        }
        None
    }

    /// Whether there is a program, or anybody whom it left behind and who is to be ended.
    fn has_any(&self) -> bool {
        self.state.pid().or(self.state.awaited_group()).is_some()
    }

    /// Nobody is left who is noted; but those who could not be ended stay noted for the next manager.
    fn forget_program(&mut self) {
        if self.remains.as_mut().is_some_and(|remains| !remains.look().sure.is_empty()) {
            return;
        }
        if let Err(error) = self.claim.ledger().forget_program() {
            self.say(Level::WARNING, &format!("cannot write lock file: {}", reason(&error)));
        }
    }

    fn spawn(&mut self) -> Event {
        if let Some(output) = &mut self.output {
            output.listen();
        }
        self.adopted_words = None;
        self.remains = None;
        self.claim.note_words(&self.command.words);
        let note = Some(self.claim.ledger().note());
        let started = self.start(&self.command.file, &self.command.words, self.own_session, note);
        match started {
            Ok(pid) => {
                self.started = Some(wall_clock());
                self.start_error = None;
                Event::Spawned(pid)
            }
            Err(error) => {
                // The process has noted itself before it failed.
                self.forget_program();
                let reason = not_executed(&self.command.file, &error);
                self.start_error = Some(reason.clone());
                Event::SpawnFailed { reason, lasting: !spawn::is_shortage(&error) }
            }
        }
    }

    fn start_test(&mut self) -> Event {
        let found = Command::find(&self.runner.start_test_program).map_err(|error| error.to_string());
        let started = found.and_then(|test| {
            self.start(&test.file, &test.words, true, None).map_err(|error| not_executed(&test.file, &error))
        });
        match started {
            Ok(pid) => {
                self.test = Some(pid);
                Event::TestStarted(pid)
            }
            Err(why) => Event::TestNotStarted(why),
        }
    }

    fn start(
        &self,
        file: &Path,
        words: &[OsString],
        own_session: bool,
        note: Option<Note<'_>>,
    ) -> io::Result<i32> {
        spawn::start(&spawn::Program {
            file,
            words,
            environment: &self.environment,
            hidden: &[READY_FD, RESUME, announce::LINE_FD, announce::WATCHDOG_USEC, announce::WATCHDOG_PID],
            output: self.output.as_ref().map(Output::input),
            own_session,
            note,
        })
    }
}

fn not_executed(file: &Path, error: &io::Error) -> String {
    // The system's word for it, "no such file", would send a person looking for a file that is there.
    let missing = error.kind() == io::ErrorKind::NotFound && file.exists();
    let why = if missing { "its interpreter is missing".to_owned() } else { reason(error) };
    format!("can't exec '{}': {why}", file.display())
}
