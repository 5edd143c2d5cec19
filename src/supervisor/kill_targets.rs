//! Which processes a stop or the cleanup after a crash signals: the program, its group, and those of its descendants that
//! have left the group.
//!
//! Orphans below a manager become its children ([`process::adopt_orphans`]), so that a descendant of its own program is
//! left exactly as long as it has any child. The orphans of an earlier manager's program have another parent; they are
//! looked for ([`crate::sys::orphans`]). What has a manager of its own is never signalled.

use std::os::fd::{AsFd, BorrowedFd};

use crate::sys::orphans::{self, OrphanScan, Pids, has_other_manager};
use crate::sys::pidfd::PidFd;
use crate::sys::proc::{self, ProcessInfo};
use crate::sys::process::{self, Receiver};
use crate::sys::signals::number;

/// The processes that come from the program.
#[derive(Debug)]
pub struct KillTargets {
    /// More than the program is signalled.
    stop_group: bool,
    /// What asks the program and its group to end; others get SIGTERM.
    stop_signal: i32,
    /// The program leads a session of its own, so that a signal can reach it and its descendants alone.
    own_session: bool,
    /// The program, where it is not our child.
    adopted: Option<PidFd>,
    /// What an earlier manager's program has left running, as long as no program of our own runs.
    orphans: Option<OrphanScan>,
    /// The start test that runs; it does not come from the program.
    test: Option<i32>,
    /// The variable, `NAME=VALUE`, that the program was given and that all that comes from it has inherited.
    mark: String,
}

impl KillTargets {
    /// Those of a program that is not started yet. `stop_group`: more than the program is signalled, where it leads a
    /// session of its own. `mark`: that of a program which runs already.
    pub fn new(stop_group: bool, stop_signal: i32, own_session: bool, mark: String) -> Self {
        Self { stop_group, stop_signal, own_session, adopted: None, orphans: None, test: None, mark }
    }

    /// Whether the program is to lead a session of its own.
    pub fn own_session(&self) -> bool {
        self.own_session
    }

    /// A program of our own is about to be started, with this mark.
    pub fn begin_program(&mut self, mark: String) {
        self.orphans = None;
        self.mark = mark;
    }

    /// An earlier manager's program is ours now; or, where it has ended, what it left running.
    pub fn adopt(&mut self, program: Option<PidFd>, orphans: OrphanScan) {
        self.adopted = program;
        self.orphans = Some(orphans);
    }

    /// The adopted program; readable when it has ended.
    pub fn adopted(&self) -> Option<BorrowedFd<'_>> {
        self.adopted.as_ref().map(AsFd::as_fd)
    }

    /// The adopted program has ended.
    pub fn adopted_ended(&mut self) {
        self.adopted = None;
    }

    /// The start test runs as this process; `None`: it does not run any more.
    pub fn set_test(&mut self, test: Option<i32>) {
        self.test = test;
    }

    /// The start test that runs.
    pub fn test(&self) -> Option<i32> {
        self.test
    }

    /// Whether what is waited for is not our child, so that no signal reports its end.
    pub fn are_polled(&self) -> bool {
        self.orphans.is_some()
    }

    /// What an earlier manager's program has left running.
    pub fn orphans(&mut self) -> Pids {
        Pids::of(&self.orphans.as_mut().map(OrphanScan::scan).unwrap_or_default())
    }

    /// Asks the program and its group to end.
    pub fn terminate(&mut self, group: i32) {
        self.remember_descendants();
        self.signal_group(group, self.stop_signal);
        // One that was stopped (SIGSTOP, ^Z) cannot end before it goes on.
        self.signal_group(group, number::CONT);
    }

    /// Asks those to end that left the group; and those of the group once more, if another signal than SIGTERM was for the
    /// program: a shell's children in the background ignore SIGINT and SIGQUIT.
    pub fn terminate_stragglers(&mut self, group: i32) {
        if self.stop_signal != number::TERM && self.signals_group() {
            self.signal_group(group, number::TERM);
        }
        let stragglers = self.stragglers(group);
        orphans::signal(&stragglers, number::TERM);
        orphans::signal(&stragglers, number::CONT);
    }

    /// Ends the program, its group and those that left it.
    pub fn kill(&mut self, group: i32) {
        self.remember_descendants();
        self.signal_group(group, number::KILL);
        orphans::signal(&self.stragglers(group), number::KILL);
    }

    /// Whether the program, which has ended, has left any process running that is to be ended too.
    pub fn has_left_others(&mut self, group: i32) -> bool {
        let test = self.test;
        if !self.signals_group() {
            return false;
        }
        if let Some(orphans) = &mut self.orphans {
            return !orphans.scan().is_empty();
        }
        let of_test =
            |process: &ProcessInfo| test.is_some_and(|test| [process.pid, process.group].contains(&test));
        process::group_lives(group) || proc::has_children() && !self.descendants().iter().all(of_test)
    }

    fn signals_group(&self) -> bool {
        self.stop_group && (self.own_session || self.orphans.is_some())
    }

    /// Remembers what is below an adopted program that lives.
    fn remember_descendants(&mut self) {
        if let Some(orphans) = self.orphans.as_mut().filter(|_| self.adopted.is_some()) {
            orphans.remember();
        }
    }

    fn signal_group(&mut self, group: i32, signal: i32) {
        let whole = self.signals_group();
        let receiver = match &mut self.orphans {
            // The number may be another group's by now.
            Some(found) if self.adopted.is_none() => {
                let mut found = found.scan();
                found.retain(|process| process.group == group);
                return orphans::signal(&found, signal);
            }
            // One that was started at a terminal leads no group.
            Some(_) if whole && proc::find(group).is_some_and(|found| found.group == group) => {
                Receiver::Group(group)
            }
            None if whole => Receiver::Group(group),
            _ => Receiver::Process(group),
        };
        // A receiver that has ended is what was wanted.
        let _ = process::send_signal(receiver, signal);
    }

    /// Those that left the group.
    fn stragglers(&mut self, group: i32) -> Vec<ProcessInfo> {
        if !self.signals_group() {
            return Vec::new();
        }
        let mut found = match &mut self.orphans {
            Some(orphans) => orphans.scan(),
            None => self.descendants(),
        };
        found.retain(|process| process.group != group);
        found
    }

    fn descendants(&self) -> Vec<ProcessInfo> {
        let is_apart = |process: &ProcessInfo| has_other_manager(process, &self.mark);
        proc::descendants([process::own_pid()], &proc::all(), is_apart)
    }
}
