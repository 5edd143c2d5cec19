//! A storage with its clients: who is told of its transactions, and what is remembered of them.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, OnceLock, Weak};
use std::time::{Duration, SystemTime};

use tokio::runtime::Handle;

use super::commit::Queue;
use super::exception::{Exception, dict, oid, tid};
use super::memory::Memory;
use super::message::Encoding;
use super::outbox::InvalidationBus;
use super::peer::Peer;
use super::relief::Relief;
use super::stats::{Moment, Stats, number};
use super::sync::{Mutex, lock};
use super::votes::{Ballot, Voted};
use super::{Error, Settings};
use crate::eventlog::EventLog;
use crate::pickle::Value;
use crate::storage::{self, Audience, Errand, Oid, Published, Storage, Tid};

/// Under this name the log has what happens to storages and clients.
pub const LOGGER: &str = "ZEO.StorageServer";

/// A time-out that is never: what is longer cannot be added to a moment.
const CENTURY: Duration = Duration::from_secs(100 * 365 * 86_400);

/// A storage that is served.
pub struct Served {
    /// What clients ask for.
    pub name: String,
    /// It.
    pub storage: Arc<dyn Storage>,
    /// Nobody may write.
    pub read_only: bool,
    /// Its counters.
    pub stats: Stats,
    pub(super) log: Arc<EventLog>,
    pub(super) queue: Mutex<Queue<Arc<Peer>, Ballot, Voted>>,
    pub(super) timeout: Option<Duration>,
    age: Option<Duration>,
    announcements: InvalidationBus<Members>,
    /// Whose commits are answered, but the answer not sent.
    answered: Mutex<Vec<Arc<Peer>>>,
    relief: OnceLock<Option<Relief>>,
    /// What a task of the network is about to do for the storage, until it begins or is gone.
    pub(super) errand: Mutex<Weak<Mutex<Option<Errand>>>>,
}

/// Who is told.
struct Members {
    peers: BTreeMap<u64, Arc<Peer>>,
    memory: Memory,
    /// Who made the transactions that are on their way to the disk: it is not told of its own.
    committing: HashMap<Tid, Arc<Peer>>,
}

impl Served {
    /// A storage to serve, under a name.
    ///
    /// # Errors
    /// It cannot name its last transactions.
    pub fn new(
        name: String,
        storage: Arc<dyn Storage>,
        settings: &Settings,
        log: Arc<EventLog>,
    ) -> Result<Arc<Self>, Error> {
        let size = settings.invalidation_queue_size.max(1);
        let failed = |source| Error::Storage { name: name.clone(), source };
        let last = storage.last_transactions(size).map_err(failed)?;
        let members = Members {
            peers: BTreeMap::new(),
            memory: Memory::new(size, last, storage.last_tid()),
            committing: HashMap::new(),
        };
        let served = Arc::new(Self {
            read_only: settings.read_only || storage.traits().read_only,
            stats: Stats::new(SystemTime::now()),
            log,
            queue: Mutex::new(Queue::default()),
            timeout: settings.transaction_timeout.map(|timeout| timeout.min(CENTURY)),
            age: settings.invalidation_age,
            announcements: InvalidationBus::new(members),
            answered: Mutex::default(),
            relief: OnceLock::new(),
            errand: Mutex::default(),
            name,
            storage,
        });
        served.storage.attach(Arc::new(Ear(Arc::downgrade(&served))));
        Ok(served)
    }

    /// A client is told of transactions from now on; `reply` states the last one before.
    pub fn join(&self, peer: &Arc<Peer>, replies: &mut Vec<u8>, reply: impl FnOnce(Tid, &mut Vec<u8>)) {
        self.announcements.state(&peer.outbox, replies, |members, replies| {
            members.peers.insert(peer.number(), peer.clone());
            reply(self.storage.last_tid(), replies);
        });
    }

    /// It is not any more.
    pub fn part(&self, peer: &Peer) {
        self.announcements.with(|members| members.peers.remove(&peer.number()));
    }

    /// `reply` states the last transaction.
    pub fn last(&self, peer: &Peer, replies: &mut Vec<u8>, reply: impl FnOnce(Tid, &mut Vec<u8>)) {
        self.announcements.state(&peer.outbox, replies, |_, replies| reply(self.storage.last_tid(), replies));
    }

    /// `reply` states the last transaction and what has changed since `since`, if that can be told.
    ///
    /// # Errors
    /// The storage cannot be walked.
    pub fn changes(
        &self,
        since: Tid,
        peer: &Peer,
        replies: &mut Vec<u8>,
        reply: impl FnOnce(Option<(Tid, BTreeSet<Oid>)>, &mut Vec<u8>),
    ) -> Result<(), storage::Error> {
        let old = if self.announcements.with(|members| members.memory.since(since).is_some()) {
            None
        } else {
            self.walk(since)?
        };
        self.announcements.state(&peer.outbox, replies, |members, replies| {
            // Since the walk there may have been more; the memory has it.
            let known = members.memory.since(old.as_ref().map_or(since, |(last, _)| *last));
            let changes = match (known, old) {
                (Some((last, mut oids)), Some((_, walked))) => {
                    oids.extend(walked);
                    Some((last, oids))
                }
                (known, _) => known,
            };
            reply(changes, replies);
        });
        Ok(())
    }

    /// The last transaction and what has changed since `since`, from the storage, if that is not too long ago.
    fn walk(&self, since: Tid) -> Result<Option<(Tid, BTreeSet<Oid>)>, storage::Error> {
        let oldest = self.age.and_then(|age| SystemTime::now().checked_sub(age)).map(Tid::at);
        if oldest.is_none_or(|oldest| since < oldest) {
            return Ok(None);
        }
        let mut found = (since, BTreeSet::new());
        let mut transactions = self.storage.iterate(Some(Tid(since.0.saturating_add(1))), None)?;
        while let Some((tid, _)) = transactions.next()? {
            found.0 = tid;
            let mut records = transactions.records()?;
            while let Some(record) = records.next()? {
                found.1.insert(record.oid);
            }
        }
        Ok(Some(found))
    }

    /// Whether there is one client at most.
    pub(super) fn is_alone(&self) -> bool {
        self.announcements.with(|members| members.peers.len() <= 1)
    }

    /// The watch for what blocks a thread; `None`: there is no thread for it.
    pub(super) fn relief(&self, runtime: &Handle) -> Option<&Relief> {
        self.relief.get_or_init(|| Relief::start(runtime.clone(), self.log.clone()).ok()).as_ref()
    }

    /// Who makes a transaction that will soon be published.
    pub(super) fn expect(&self, tid: Tid, committer: &Arc<Peer>) {
        self.announcements.with(|members| members.committing.insert(tid, committer.clone()));
    }

    /// It will not be.
    pub(super) fn forget(&self, tid: Tid) {
        self.announcements.with(|members| members.committing.remove(&tid));
    }

    /// The status, as a dict.
    pub fn status(&self) -> Value {
        let connections = self.announcements.with(|members| members.peers.len());
        let (locked, waiting) = {
            let queue = lock(&self.queue);
            (queue.since(), queue.waiting())
        };
        let last = self.storage.last_tid();
        self.stats.status(&Moment { connections, last, locked, waiting, timeout: self.timeout.is_some() })
    }

    /// `get_info`.
    pub fn info(&self) -> Value {
        let traits = self.storage.traits();
        let interface = |(module, name): (&str, &str)| {
            Value::Tuple(vec![Value::Text(module.to_owned()), Value::Text(name.to_owned())])
        };
        let own = traits.interfaces.iter().map(|name| ("ZODB.interfaces", *name));
        let interfaces = own.chain([("zope.interface", "Interface")]).map(interface).collect();
        dict([
            ("length", number(self.storage.length())),
            ("size", number(self.storage.size())),
            ("name", Value::Text(traits.name)),
            ("supportsUndo", Value::Bool(traits.undo)),
            ("supports_record_iternext", Value::Bool(traits.record_iteration)),
            ("interfaces", Value::Tuple(interfaces)),
        ])
    }

    /// A line about a client.
    pub fn tell(&self, level: crate::eventlog::Level, peer: &Peer, what: std::fmt::Arguments<'_>) {
        self.log.log(level, LOGGER, format_args!("({peer}) {what}"));
    }

    /// The line about an exception that a client is sent and that somebody should look at.
    pub fn tell_exception(&self, peer: &Peer, method: &str, exception: &Exception) {
        if !exception.expected {
            self.tell(
                crate::eventlog::Level::ERROR,
                peer,
                format_args!("{method}: {}", exception.describe()),
            );
        }
    }

    /// The reply to a commit, for when all of its group are published.
    pub(super) fn answer(&self, committer: &Arc<Peer>, reply: &[u8]) {
        committer.outbox.push_after(reply);
        lock(&self.answered).push(committer.clone());
    }

    /// Sends what [`Served::publish`] and [`Served::answer`] have put down: to committers first, who wait for it.
    fn send(&self) {
        for committer in std::mem::take(&mut *lock(&self.answered)) {
            committer.outbox.notify();
        }
        self.announcements.with(|members| members.peers.values().for_each(|peer| peer.outbox.notify()));
    }

    fn publish(&self, transaction: &Published<'_>, make_visible: &mut dyn FnMut()) {
        self.announcements.publish(make_visible, |members| {
            members.memory.add(transaction.tid, transaction.oids);
            let committer = members.committing.remove(&transaction.tid);
            let mut encoded = Invalidation::default();
            for peer in members.peers.values() {
                if committer.as_ref() == Some(peer) {
                    peer.outbox.push_after(&info(peer.encoding(), transaction));
                } else {
                    peer.outbox.push(encoded.message(peer.encoding(), transaction));
                }
            }
        });
    }
}

/// A storage and what serves it know each other; only one may keep the other alive.
struct Ear(Weak<Served>);

impl Audience for Ear {
    fn publish(&self, transaction: &Published<'_>, make_visible: &mut dyn FnMut()) {
        match self.0.upgrade() {
            Some(served) => served.publish(transaction, make_visible),
            None => make_visible(),
        }
    }

    fn send(&self) {
        if let Some(served) = self.0.upgrade() {
            served.send();
        }
    }
}

/// What a committer is told before its reply.
fn info(encoding: Encoding, transaction: &Published<'_>) -> Vec<u8> {
    let told = dict([("length", number(transaction.length)), ("size", number(transaction.size))]);
    let mut message = Vec::new();
    encoding.call("info", vec![told], &mut message);
    message
}

/// The message about a transaction, made once for each encoding that is wanted.
#[derive(Default)]
struct Invalidation {
    pickle: Option<Arc<Vec<u8>>>,
    msgpack: Option<Arc<Vec<u8>>>,
}

impl Invalidation {
    fn message(&mut self, encoding: Encoding, transaction: &Published<'_>) -> &Arc<Vec<u8>> {
        let made = match encoding {
            Encoding::Pickle => &mut self.pickle,
            Encoding::Msgpack => &mut self.msgpack,
        };
        made.get_or_insert_with(|| {
            let oids = transaction.oids.iter().map(|changed| oid(*changed)).collect();
            let mut message = Vec::new();
            let arguments = vec![tid(transaction.tid), Value::List(oids)];
            encoding.call("invalidateTransaction", arguments, &mut message);
            Arc::new(message)
        })
    }
}
