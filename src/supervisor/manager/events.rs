//! What is ready becomes events.

use std::time::Duration;

use super::super::output::Output;
use super::super::state::{Client, Event};
use super::{Manager, Ready, is_init};
use crate::control::{Reply, Request};
use crate::eventlog::Level;
use crate::sys::process::{self, Ended, Receiver};
use crate::sys::reason::reason;
use crate::sys::signal_names;
use crate::sys::signals::number;

/// How long accepting rests when the system has no descriptor left.
const ACCEPT_AGAIN: Duration = Duration::from_secs(1);
/// How many chunks of a dying program's output are taken in before its end is told of: all that a pipe can hold.
const LAST_CHUNKS: usize = 16;

impl Manager<'_> {
    pub(super) fn serve_ready(&mut self, ready: Ready) {
        if ready.notify {
            self.take_notes();
        }
        if ready.signals {
            self.take_signals();
        }
        if ready.adopted {
            self.adopted = None;
            self.program_ended(Ended::Unseen);
        }
        if ready.output {
            self.move_output();
        }
        if ready.removal {
            self.files_touched();
        }
        for client in ready.clients {
            if let Some(request) = self.clients.progress(client) {
                self.serve(client, request);
            }
        }
        if ready.callers {
            self.accept();
        }
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
                    let announcer = self.announcer.as_ref().filter(|_| signal == number::HUP);
                    if let Some(announcer) = announcer {
                        announcer.reloading();
                    }
                    if let Err(why) = self.reopen_logs() {
                        self.say(Level::ERROR, &why);
                    }
                    if let Some(announcer) = self.announcer.as_ref().filter(|_| signal == number::HUP) {
                        announcer.reloaded();
                    }
                    self.hand_on(signal);
                }
                _ => self.hand_on(signal),
            }
        }
    }

    /// In a container, whoever signals the first process means the program.
    fn hand_on(&self, signal: i32) {
        if let Some(pid) = self.state.pid().filter(|_| is_init()) {
            let _ = process::send_signal(Receiver::Process(pid), signal);
        }
    }

    /// Takes note of every child that has ended: several ends may come as one signal. The program's is told last, when no
    /// zombie is left that could be taken for somebody it left behind.
    pub(super) fn reap(&mut self) {
        let mut program = None;
        while let Ok(Some((pid, end))) = process::reap() {
            if self.state.pid() == Some(pid) {
                program = Some(end);
            } else if self.test == Some(pid) {
                self.test = None;
                self.happen(Event::TestEnded { passed: end == Ended::Exited(0) });
            } else {
                self.say(Level::DEBUG, &format!("unknown process {pid} exited"));
            }
        }
        if let Some(end) = program {
            self.program_ended(end);
        }
    }

    pub(super) fn program_ended(&mut self, end: Ended) {
        // What it said last may still be on its way.
        self.take_notes();
        if self.state.up().is_none() {
            (0..LAST_CHUNKS).for_each(|_| self.move_output());
        }
        self.tell();
        self.last_output = self.output.as_ref().and_then(Output::last_words);
        self.note = None;
        let leaves = self.state.pid().is_some_and(|group| self.has_left_others(group));
        self.happen(if leaves { Event::DiedLeaving(end) } else { Event::Died(end) });
    }

    /// The program's own word on its state (`sd_notify(3)`).
    fn take_notes(&mut self) {
        let Some(pid) = self.state.pid() else { return };
        while let Some(message) = self.notify.next_from(pid) {
            for line in message.lines() {
                match line.split_once('=') {
                    Some(("READY", "1")) => self.happen(Event::Ready),
                    Some(("STATUS", note)) => self.note = Some(note.to_owned()),
                    Some(("EXTEND_TIMEOUT_USEC", time)) => {
                        // What is no number asks for nothing.
                        let time = Duration::from_micros(time.parse().unwrap_or_default());
                        self.happen(Event::NeedsTime(time));
                    }
                    _ => {}
                }
            }
        }
    }

    pub(super) fn watch_group(&mut self) {
        if self.state.awaited_group().is_some_and(|group| self.is_cleared(group)) {
            self.happen(Event::GroupGone);
        }
    }

    fn move_output(&mut self) {
        if let Some(message) = self.output.as_mut().and_then(Output::pump) {
            self.say(Level::WARNING, &message);
        }
    }

    fn accept(&mut self) {
        let now = self.now();
        if let Err(error) = self.clients.accept(self.claim.listener(), now) {
            self.say(Level::WARNING, &format!("cannot accept a connection: {}", reason(&error)));
            self.deaf_until = Some(now.saturating_add(ACCEPT_AGAIN));
        }
    }

    fn serve(&mut self, client: Client, request: Request) {
        self.tell();
        let event = match request {
            Request::Start => Event::Start(client),
            Request::Stop => Event::Stop(client),
            Request::Restart => Event::Restart(client),
            Request::Exit => Event::Exit(client),
            Request::Kill(signal) => Event::Kill(client, signal),
            Request::Status => return self.clients.reply(client, &Reply::Status(Box::new(self.record()))),
            Request::Help => return self.clients.reply(client, &Reply::Help),
            Request::Watch => return self.watch(client),
            Request::Reexec => return self.reexec(client),
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
        let output = self.output.as_mut().and_then(|output| output.reopen().err());
        failed.extend(output.iter().map(ToString::to_string));
        if failed.is_empty() { Ok(()) } else { Err(failed.join("; ")) }
    }
}
