//! The begin of a manager that is not the first: what an earlier one left running becomes its own, or is ended.

use super::super::Error;
use super::super::ledger::{Left, Survivor};
use super::super::state::Event;
use super::Manager;
use crate::control::ledger::{Noted, lock_file};
use crate::sys::kin;
use crate::sys::pidfd::{self, Watched};
use crate::sys::process::Ended;
use crate::sys::remains::{Found, Numbers, Remains};

impl Manager<'_> {
    pub(super) fn begin_with(&mut self, left: Left) -> Result<(), Error> {
        match left {
            Left::Program(survivor) => self.adopt(survivor),
            Left::Others(pid, remains) => self.begin_after(pid, remains),
            Left::Nothing => {
                self.happen(Event::Begin);
                Ok(())
            }
        }
    }

    /// Takes over a program that an earlier manager left running. It is not our child: its end is seen, not its status.
    fn adopt(&mut self, survivor: Survivor) -> Result<(), Error> {
        let Survivor { pid, birth, words } = survivor;
        let remains = self.claim.ledger().remains(Noted { pid, birth });
        match Watched::open(pid) {
            Err(source) if !kin::is_gone(&source) => return Err(Error::Survivor { pid, source }),
            watched => self.adopted = watched.ok().filter(|_| pidfd::birth(pid) == Some(birth)),
        }
        if self.adopted.is_none() {
            // It has ended since.
            return self.begin_after(pid, remains);
        }
        self.remains = Some(remains);
        self.adopted_words = Some(words.unwrap_or_else(|| self.command.words.clone()));
        self.happen(Event::Adopt(pid));
        Ok(())
    }

    /// Begins when those are gone whom an earlier manager's program left behind.
    fn begin_after(&mut self, pid: i32, mut remains: Remains) -> Result<(), Error> {
        let concerned = self.runner.stop_group;
        let Found { sure, doubtful } = if concerned { remains.look() } else { Found::default() };
        if !doubtful.is_empty() {
            return Err(Error::Doubtful {
                pids: Numbers::of(&doubtful),
                lock: lock_file(&self.runner.socket_name),
            });
        }
        if sure.is_empty() {
            self.happen(Event::Begin);
        } else {
            self.remains = Some(remains);
            self.happen(Event::BeginAfter(pid));
        }
        Ok(())
    }

    /// Goes on with a program that this process's earlier image adopted.
    pub(super) fn adopt_again(&mut self) -> Result<(), Error> {
        let ledger = self.claim.ledger();
        let unknown = || Error::Resume("the adopted program is not noted".to_owned());
        let (noted, words) = ledger.noted().ok_or_else(unknown)?;
        if self.state.pid() != Some(noted.pid) {
            return Err(unknown());
        }
        self.remains = Some(ledger.remains(noted));
        self.adopted = Watched::same(noted.pid, noted.birth);
        self.adopted_words = Some(words.unwrap_or_else(|| self.command.words.clone()));
        if self.adopted.is_none() {
            self.program_ended(Ended::Unseen);
        }
        Ok(())
    }
}
