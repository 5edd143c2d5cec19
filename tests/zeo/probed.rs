//! A storage with faults: it panics where a test has it.

use std::sync::Arc;

use zeo_server::storage::{
    Audience, Current, Errand, Error, Finished, HistoryEntry, MemoryStorage, Meta, Oid, Revision, Step,
    Storage, Ticket, Tid, Traits, Transaction, TransactionIterator, Vote,
};

/// The object that it is about.
pub(crate) const ILL: Oid = Oid(0xbad);

/// Where it panics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// In reads of [`ILL`].
    Load,
    /// In votes on transactions that store [`ILL`].
    Vote,
    /// In each abort.
    Abort,
    /// In each finish.
    Finish,
}

pub(crate) struct Faulty {
    whole: MemoryStorage,
    fault: Fault,
}

impl Faulty {
    pub(crate) fn new(fault: Fault) -> Arc<Self> {
        Arc::new(Self { whole: MemoryStorage::new("faulty"), fault })
    }

    fn fail(&self, fault: Fault) {
        assert!(self.fault != fault, "injected: {fault:?}");
    }
}

impl Storage for Faulty {
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
        if oid == ILL {
            self.fail(Fault::Load);
        }
        self.whole.load_before(oid, before, data)
    }

    fn load_serial(&self, oid: Oid, tid: Tid) -> Result<Vec<u8>, Error> {
        self.whole.load_serial(oid, tid)
    }

    fn current_tid(&self, oid: Oid) -> Result<Tid, Error> {
        self.whole.current_tid(oid)
    }

    fn history(&self, oid: Oid, size: usize) -> Result<Vec<HistoryEntry>, Error> {
        if oid == ILL {
            self.fail(Fault::Load);
        }
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
        let is_ill = |step: &Step| matches!(step, Step::Store { oid: ILL, .. });
        if transaction.steps()?.iter().any(is_ill) {
            self.fail(Fault::Vote);
        }
        self.whole.vote(transaction)
    }

    fn finish(&self, ticket: Ticket, finished: Finished) -> Option<Errand> {
        self.fail(Fault::Finish);
        self.whole.finish(ticket, finished)
    }

    fn abort(&self, ticket: Ticket) {
        self.fail(Fault::Abort);
        self.whole.abort(ticket);
    }

    fn close(&self) -> Result<(), Error> {
        self.whole.close()
    }
}
