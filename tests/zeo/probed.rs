//! A storage that does something else first, wherever a test wants it: panics, or waits.

use std::sync::Arc;

use zeo_server::storage::{
    Audience, Current, Errand, Error, Finished, HistoryEntry, MemoryStorage, Meta, Oid, Revision, Storage,
    Ticket, Tid, Traits, Transaction, TransactionIterator, Vote,
};

/// What is about to be done.
pub(crate) enum About<'a> {
    Load(Oid),
    History(Oid),
    Vote(&'a Transaction),
    Finish,
    Abort,
}

type Probe = dyn Fn(About<'_>) + Send + Sync;

/// A storage in memory, and what comes before each call of it.
pub(crate) struct Probed {
    whole: MemoryStorage,
    probe: Box<Probe>,
}

impl Probed {
    pub(crate) fn new(probe: impl Fn(About<'_>) + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self { whole: MemoryStorage::new("probed"), probe: Box::new(probe) })
    }
}

impl Storage for Probed {
    fn traits(&self) -> Traits {
        self.whole.traits()
    }

    fn attach(&self, audience: Arc<dyn Audience>) {
        self.whole.attach(audience);
    }

    fn last_tid(&self) -> Tid {
        self.whole.last_tid()
    }

    fn length(&self) -> u64 {
        self.whole.length()
    }

    fn size(&self) -> u64 {
        self.whole.size()
    }

    fn load_before(&self, oid: Oid, before: Tid, data: &mut Vec<u8>) -> Result<Option<Revision>, Error> {
        (self.probe)(About::Load(oid));
        self.whole.load_before(oid, before, data)
    }

    fn load_serial(&self, oid: Oid, tid: Tid) -> Result<Vec<u8>, Error> {
        self.whole.load_serial(oid, tid)
    }

    fn current_tid(&self, oid: Oid) -> Result<Tid, Error> {
        self.whole.current_tid(oid)
    }

    fn history(&self, oid: Oid, size: usize) -> Result<Vec<HistoryEntry>, Error> {
        (self.probe)(About::History(oid));
        self.whole.history(oid, size)
    }

    fn new_oids(&self, count: u32) -> Result<Oid, Error> {
        self.whole.new_oids(count)
    }

    fn next_record(&self, from: Oid) -> Result<Option<Current>, Error> {
        self.whole.next_record(from)
    }

    fn last_transactions(&self, count: usize) -> Result<Vec<(Tid, Vec<Oid>)>, Error> {
        self.whole.last_transactions(count)
    }

    fn iterate(&self, start: Option<Tid>, stop: Option<Tid>) -> Result<Box<dyn TransactionIterator>, Error> {
        self.whole.iterate(start, stop)
    }

    fn begin(&self, meta: Meta) -> Transaction {
        self.whole.begin(meta)
    }

    fn vote(&self, transaction: &mut Transaction) -> Result<Vote, Error> {
        (self.probe)(About::Vote(transaction));
        self.whole.vote(transaction)
    }

    fn finish(&self, ticket: Ticket, finished: Finished) -> Option<Errand> {
        (self.probe)(About::Finish);
        self.whole.finish(ticket, finished)
    }

    fn abort(&self, ticket: Ticket) {
        (self.probe)(About::Abort);
        self.whole.abort(ticket);
    }

    fn close(&self) -> Result<(), Error> {
        self.whole.close()
    }
}
