//! Who a stop, or what follows a crash, is meant for: the program, its group, and those below it that have left the group.
//!
//! Orphans below a manager become its children ([`process::adopt_orphans`]), so that of its own program somebody is
//! left exactly as long as it has any child. The orphans of an adopted program go to somebody else; who is below it is
//! noted while it lives.

use super::Manager;
use crate::sys::kin::{self, Living};
use crate::sys::process::{self, Receiver};
use crate::sys::signals::number;

impl Manager<'_> {
    /// Whether a stop is meant for more than the program.
    pub(super) fn signals_group(&self) -> bool {
        self.own_session && self.runner.stop_group
    }

    /// Asks the program and its group to end.
    pub(super) fn terminate(&mut self, group: i32) {
        self.note_rest(group);
        self.signal_group(group, number::TERM);
        // One that was stopped (SIGSTOP, ^Z) cannot end before it goes on.
        self.signal_group(group, number::CONT);
    }

    /// Asks those to end who left the group.
    pub(super) fn terminate_rest(&self, group: i32) {
        for pid in self.rest(group) {
            let _ = process::send_signal(Receiver::Process(pid), number::TERM);
            let _ = process::send_signal(Receiver::Process(pid), number::CONT);
        }
    }

    /// Ends the program, its group and those who left it.
    pub(super) fn kill(&mut self, group: i32) {
        self.note_rest(group);
        self.signal_group(group, number::KILL);
        for pid in self.rest(group) {
            let _ = process::send_signal(Receiver::Process(pid), number::KILL);
        }
    }

    /// Whether nobody is left for whom a stop is meant, the program itself apart.
    pub(super) fn is_cleared(&self, group: i32) -> bool {
        if !self.signals_group() {
            return true;
        }
        if self.adopted_words.is_none() {
            return !process::group_lives(group) && !kin::has_children();
        }
        // A zombie stays in its group for as long as its parent likes, and the parent is not us.
        let in_group = || kin::living().iter().any(|process| process.group == group);
        !(process::group_lives(group) && in_group()) && self.rest(group).is_empty()
    }

    /// Whether the program, which has ended, has left anybody behind. A start test is not from it.
    pub(super) fn has_left_others(&self, group: i32) -> bool {
        let Some(test) = self.test.filter(|_| self.signals_group()) else { return !self.is_cleared(group) };
        let not_of_test = |process: &Living| process.pid != test && process.group != test;
        process::group_lives(group) || kin::below(process::own_pid(), &kin::living()).iter().any(not_of_test)
    }

    /// Notes who is below an adopted program that lives.
    fn note_rest(&mut self, group: i32) {
        if self.adopted.is_some() {
            self.adopted_rest = kin::below(group, &kin::living());
        }
    }

    fn signal_group(&self, group: i32, signal: i32) {
        let receiver = if self.signals_group() { Receiver::Group(group) } else { Receiver::Process(group) };
        // Nobody there any more is what was wanted.
        let _ = process::send_signal(receiver, signal);
    }

    /// Those who left the group.
    fn rest(&self, group: i32) -> Vec<i32> {
        if !self.signals_group() {
            return Vec::new();
        }
        let found = if self.adopted_words.is_some() {
            let lives =
                |noted: &&Living| kin::find(noted.pid).is_some_and(|found| found.birth == noted.birth);
            self.adopted_rest.iter().filter(lives).copied().collect()
        } else {
            kin::below(process::own_pid(), &kin::living())
        };
        found.iter().filter(|process| process.group != group).map(|process| process.pid).collect()
    }
}
