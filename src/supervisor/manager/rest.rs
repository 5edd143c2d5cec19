//! Who a stop, or what follows a crash, is meant for: the program, its group, and those below it that have left the group.
//!
//! Orphans below a manager become its children ([`process::adopt_orphans`]), so that of its own program somebody is
//! left exactly as long as it has any child. The orphans of an earlier manager's program go to somebody else; they are
//! looked for ([`crate::sys::remains`]).

use super::Manager;
use crate::sys::kin::{self, Living};
use crate::sys::process::{self, Receiver};
use crate::sys::remains::Remains;
use crate::sys::signals::number;

impl Manager<'_> {
    /// Whether a stop is meant for more than the program.
    pub(super) fn signals_group(&self) -> bool {
        self.runner.stop_group && (self.own_session || self.remains.is_some())
    }

    /// Asks the program and its group to end.
    pub(super) fn terminate(&mut self, group: i32) {
        self.remember_rest();
        self.signal_group(group, number::TERM);
        // One that was stopped (SIGSTOP, ^Z) cannot end before it goes on.
        self.signal_group(group, number::CONT);
    }

    /// Asks those to end who left the group.
    pub(super) fn terminate_rest(&mut self, group: i32) {
        let rest = self.rest(group);
        Remains::signal(&rest, number::TERM);
        Remains::signal(&rest, number::CONT);
    }

    /// Ends the program, its group and those who left it.
    pub(super) fn kill(&mut self, group: i32) {
        self.remember_rest();
        self.signal_group(group, number::KILL);
        Remains::signal(&self.rest(group), number::KILL);
    }

    /// Whether nobody is left for whom a stop is meant, the program itself apart.
    pub(super) fn is_cleared(&mut self, group: i32) -> bool {
        if !self.signals_group() {
            return true;
        }
        match &mut self.remains {
            Some(remains) => remains.look().sure.is_empty(),
            None => !process::group_lives(group) && !kin::has_children(),
        }
    }

    /// Whether the program, which has ended, has left anybody behind. A start test is not from it.
    pub(super) fn has_left_others(&mut self, group: i32) -> bool {
        let Some(test) = self.test.filter(|_| self.signals_group()) else { return !self.is_cleared(group) };
        let not_of_test = |process: &Living| process.pid != test && process.group != test;
        process::group_lives(group) || kin::below(process::own_pid(), &kin::living()).iter().any(not_of_test)
    }

    /// Notes who is below an adopted program that lives.
    fn remember_rest(&mut self) {
        if let Some(remains) = self.remains.as_mut().filter(|_| self.adopted.is_some()) {
            remains.remember();
        }
    }

    fn signal_group(&mut self, group: i32, signal: i32) {
        let meant = self.signals_group();
        let receiver = match &mut self.remains {
            // The number may be somebody else's by now.
            Some(remains) if self.adopted.is_none() => {
                let mut found = remains.look().sure;
                found.retain(|process| process.group == group);
                return Remains::signal(&found, signal);
            }
            // One that was started at a terminal leads no group.
            Some(_) if meant && kin::find(group).is_some_and(|found| found.group == group) => {
                Receiver::Group(group)
            }
            None if meant => Receiver::Group(group),
            _ => Receiver::Process(group),
        };
        // Nobody there any more is what was wanted.
        let _ = process::send_signal(receiver, signal);
    }

    /// Those who left the group.
    fn rest(&mut self, group: i32) -> Vec<Living> {
        if !self.signals_group() {
            return Vec::new();
        }
        let mut found = match &mut self.remains {
            Some(remains) => remains.look().sure,
            None => kin::below(process::own_pid(), &kin::living()),
        };
        found.retain(|process| process.group != group);
        found
    }
}
