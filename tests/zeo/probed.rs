//! A storage that does something else first, wherever a test wants it: panics, or waits.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::sync::Arc;

use zeo_server::storage::{
    CommitListener, Completion, Error, History, HistoryEntry, Info, MemoryStorage, Meta, Oid, Operation,
    Pack, PackOutcome, PackProgress, ReadReferences, Revision, Stats, Storage, Tid, Transaction,
    TransactionIterator, Vote, Wait,
};

/// What is about to be done.
pub(crate) enum About<'a> {
    Load(Oid),
    /// On a thread that may wait or may not.
    History(Oid, Wait),
    /// Of these objects, on a thread that may wait or may not.
    Vote(&'a [Oid], Wait),
    Finish,
    Abort,
    Pack(&'a PackProgress),
}

type Probe = dyn Fn(About<'_>) + Send + Sync;

/// A storage in memory, and what comes before each call of it. Votes are slow: they want to wait.
pub(crate) struct Probed {
    whole: MemoryStorage,
    probe: Arc<Probe>,
}

impl Probed {
    pub(crate) fn new(probe: impl Fn(About<'_>) + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self { whole: MemoryStorage::new("probed"), probe: Arc::new(probe) })
    }
}

impl Storage for Probed {
    fn info(&self) -> Info {
        self.whole.info()
    }

    fn stats(&self) -> Stats {
        self.whole.stats()
    }

    fn subscribe(&self, listener: Arc<dyn CommitListener>) {
        self.whole.subscribe(listener);
    }

    fn load_before(
        &self,
        oid: Oid,
        before: Tid,
        wait: Wait,
        data: &mut Vec<u8>,
    ) -> Result<Option<Revision>, Error> {
        (self.probe)(About::Load(oid));
        self.whole.load_before(oid, before, wait, data)
    }

    fn load_serial(&self, oid: Oid, tid: Tid, wait: Wait) -> Result<Vec<u8>, Error> {
        self.whole.load_serial(oid, tid, wait)
    }

    fn current_tid(&self, oid: Oid) -> Result<Tid, Error> {
        self.whole.current_tid(oid)
    }

    fn new_oids(&self, count: u32) -> Result<RangeInclusive<u64>, Error> {
        self.whole.new_oids(count)
    }

    fn last_transactions(&self, count: usize) -> Result<Vec<(Tid, Vec<Oid>)>, Error> {
        self.whole.last_transactions(count)
    }

    fn changes_since(
        &self,
        since: Tid,
        limit: usize,
        wait: Wait,
    ) -> Result<Option<(Tid, BTreeSet<Oid>)>, Error> {
        self.whole.changes_since(since, limit, wait)
    }

    fn begin(&self, meta: Meta) -> Result<Box<dyn Transaction>, Error> {
        let whole = Some(self.whole.begin(meta)?);
        Ok(Box::new(ProbedTransaction { whole, probe: self.probe.clone(), oids: Vec::new(), voted: false }))
    }

    fn close(&self) -> Result<(), Error> {
        self.whole.close()
    }

    fn history(&self) -> Option<&dyn History> {
        Some(self)
    }

    fn pack(&self) -> Option<&dyn Pack> {
        Some(self)
    }
}

impl Pack for Probed {
    fn pack(
        &self,
        _until: Tid,
        _references: &mut ReadReferences<'_>,
        progress: &Arc<PackProgress>,
    ) -> Result<PackOutcome, Error> {
        (self.probe)(About::Pack(progress));
        Ok(PackOutcome::Unchanged)
    }
}

impl History for Probed {
    fn revisions(&self, oid: Oid, size: usize, wait: Wait) -> Result<Vec<HistoryEntry>, Error> {
        (self.probe)(About::History(oid, wait));
        // All of them are long.
        if wait != Wait::Allowed {
            return Err(Error::WouldWait);
        }
        self.whole.history().expect("it has one").revisions(oid, size, wait)
    }

    fn iterate(
        &self,
        start: Option<Tid>,
        stop: Option<Tid>,
        wait: Wait,
    ) -> Result<Box<dyn TransactionIterator>, Error> {
        self.whole.history().expect("it has one").iterate(start, stop, wait)
    }
}

struct ProbedTransaction {
    whole: Option<Box<dyn Transaction>>,
    probe: Arc<Probe>,
    oids: Vec<Oid>,
    voted: bool,
}

impl Transaction for ProbedTransaction {
    fn push(&mut self, operation: Operation) -> Result<(), Error> {
        if let Operation::Store { oid, .. } = &operation {
            self.oids.push(*oid);
        }
        self.whole.as_mut().expect("not finished").push(operation)
    }

    fn vote(&mut self, wait: Wait) -> Result<Vote, Error> {
        (self.probe)(About::Vote(&self.oids, wait));
        if wait == Wait::Refused {
            return Err(Error::WouldWait);
        }
        let outcome = self.whole.as_mut().expect("not finished").vote(wait);
        self.voted = matches!(outcome, Ok(Vote::Accepted { .. }));
        outcome
    }

    fn finish(mut self: Box<Self>, completion: Completion) {
        (self.probe)(About::Finish);
        self.whole.take().expect("not finished").finish(completion);
    }
}

impl Drop for ProbedTransaction {
    fn drop(&mut self) {
        if self.voted && self.whole.is_some() && !std::thread::panicking() {
            (self.probe)(About::Abort);
        }
    }
}
