//! A storage with its clients: which of them hear of its transactions, and what is remembered of those.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Weak};
use std::time::{Duration, SystemTime};

use tokio::sync::Notify;

use super::client_log::ClientLog;
use super::coordinator::CommitCoordinator;
use super::exception::{dict, oid, tid};
use super::invalidation_log::InvalidationLog;
use super::lanes::Lanes;
use super::message::Encoding;
use super::outbox::InvalidationBus;
use super::pack_progress::Packs;
use super::peer::Peer;
use super::stats::{Moment, Stats, number};
use super::{Error, Settings};
use crate::eventlog::EventLog;
use crate::pickle::Value;
use crate::record;
use crate::storage::{self, CommitListener, Oid, Published, Storage, Tid, Wait};

/// A timeout that is never: what is longer cannot be added to a moment.
const MAX_TIMEOUT: Duration = Duration::from_secs(100 * 365 * 86_400);
/// Changed objects that one reply lists; a client that missed more drops its cache.
const MAX_CHANGES: usize = 1_000_000;

/// A storage and its clients.
pub struct StorageService {
    /// What clients ask for.
    pub name: String,
    /// The storage.
    pub storage: Arc<dyn Storage>,
    /// Its counters.
    pub stats: Arc<Stats>,
    /// Its commits.
    pub commits: Arc<CommitCoordinator>,
    /// Where its calls run that have to wait.
    pub lanes: Lanes,
    /// The log of what its clients do.
    pub log: ClientLog,
    read_only: bool,
    /// How old a cache may be that is brought up to date from the storage.
    age: Option<Duration>,
    bus: InvalidationBus<Clients>,
    /// Nothing can be written any more.
    pub failed: Notify,
    /// Its packs.
    pub packs: Packs,
}

/// The clients, and the transactions that they may have missed.
struct Clients {
    peers: BTreeMap<u64, Arc<Peer>>,
    log: InvalidationLog,
}

impl StorageService {
    /// A storage to serve, under a name.
    ///
    /// # Errors
    /// Its last transactions cannot be read.
    pub fn new(
        name: String,
        storage: Arc<dyn Storage>,
        settings: &Settings,
        log: Arc<EventLog>,
    ) -> Result<Arc<Self>, Error> {
        let size = settings.invalidation_queue_size.max(1);
        let failed = |source| Error::Storage { name: name.clone(), source };
        let last = storage.last_transactions(size).map_err(failed)?;
        let clients = Clients {
            peers: BTreeMap::new(),
            log: InvalidationLog::new(size, last, storage.stats().last_tid),
        };
        let (log, stats) = (ClientLog::new(log), Arc::new(Stats::new(SystemTime::now())));
        let timeout = settings.transaction_timeout.map(|timeout| timeout.min(MAX_TIMEOUT));
        let service = Arc::new(Self {
            commits: CommitCoordinator::new(name.clone(), log.clone(), stats.clone(), timeout),
            stats,
            lanes: Lanes::default(),
            log,
            read_only: settings.read_only,
            age: settings.invalidation_age,
            bus: InvalidationBus::new(clients),
            failed: Notify::new(),
            packs: Packs::default(),
            name,
            storage,
        });
        if let Some(undo) = service.storage.undo() {
            undo.merge_with(|diverged| record::merge(diverged.base, diverged.current, diverged.before));
        }
        service.storage.subscribe(Arc::new(ListenerHandle(Arc::downgrade(&service))));
        Ok(service)
    }

    /// Whether nothing may be written, by configuration or since the disk failed.
    pub fn is_read_only(&self) -> bool {
        self.read_only || self.storage.info().read_only
    }

    /// A client hears of transactions from now on; `reply` states the last one before.
    pub fn add_client(&self, peer: &Arc<Peer>, replies: &mut Vec<u8>, reply: impl FnOnce(Tid, &mut Vec<u8>)) {
        self.bus.state(&peer.outbox, replies, |clients, replies| {
            clients.peers.insert(peer.number(), peer.clone());
            reply(self.storage.stats().last_tid, replies);
        });
    }

    /// It does not any more.
    pub fn remove_client(&self, peer: &Peer) {
        self.bus.with(|clients| clients.peers.remove(&peer.number()));
    }

    /// `reply` states the last transaction.
    pub fn last(&self, peer: &Peer, replies: &mut Vec<u8>, reply: impl FnOnce(Tid, &mut Vec<u8>)) {
        self.bus.state(&peer.outbox, replies, |_, replies| reply(self.storage.stats().last_tid, replies));
    }

    /// `reply` states the last transaction and what has changed since `since`, if that is known.
    ///
    /// # Errors
    /// The storage cannot be walked; [`storage::Error::WouldWait`], if `wait` says so.
    pub fn changes(
        &self,
        since: Tid,
        wait: Wait,
        peer: &Peer,
        replies: &mut Vec<u8>,
        reply: impl FnOnce(Option<(Tid, BTreeSet<Oid>)>, &mut Vec<u8>),
    ) -> Result<(), storage::Error> {
        let old = if self.bus.with(|clients| clients.log.since(since).is_some()) {
            None
        } else {
            self.walk(since, wait)?
        };
        self.bus.state(&peer.outbox, replies, |clients, replies| {
            // Since the walk there may have been more; the log has it.
            let known = clients.log.since(old.as_ref().map_or(since, |(last, _)| *last));
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
    fn walk(&self, since: Tid, wait: Wait) -> Result<Option<(Tid, BTreeSet<Oid>)>, storage::Error> {
        let oldest = self.age.and_then(|age| SystemTime::now().checked_sub(age)).map(Tid::at);
        if oldest.is_none_or(|oldest| since < oldest) {
            return Ok(None);
        }
        self.storage.changes_since(since, MAX_CHANGES, wait)
    }

    /// The status, as a dict.
    pub fn status(&self) -> Value {
        let connections = self.bus.with(|clients| clients.peers.len());
        let (locked, waiting) = self.commits.load();
        let (last, timeout) = (self.storage.stats().last_tid, self.commits.has_timeout());
        let status = self.stats.status(&Moment { connections, last, locked, waiting, timeout });
        match (status, self.packs.status()) {
            (Value::Dict(mut items), Some(pack)) => {
                items.push((Value::Text("pack".to_owned()), pack));
                Value::Dict(items)
            }
            (status, _) => status,
        }
    }

    /// `get_info`.
    pub fn info(&self) -> Value {
        let (info, stats) = (self.storage.info(), self.storage.stats());
        dict([
            ("length", number(stats.objects)),
            ("size", number(stats.bytes)),
            ("name", Value::Text(info.name)),
            ("supportsUndo", Value::Bool(self.storage.undo().is_some())),
            ("supports_record_iternext", Value::Bool(self.storage.current_records().is_some())),
            ("interfaces", interfaces(&*self.storage)),
        ])
    }

    /// Tells all clients how large it is.
    pub fn send_info(&self) {
        let stats = self.storage.stats();
        let peers: Vec<_> = self.bus.with(|clients| clients.peers.values().cloned().collect());
        for peer in peers {
            peer.outbox.push_async(&info(peer.encoding(), stats.objects, stats.bytes));
        }
    }

    /// A line when the server starts to serve it.
    pub fn describe(&self) -> String {
        let info = self.storage.info();
        // As in Python's log, whatever the server lets clients do with it.
        let mode = if info.read_only { "RO" } else { "RW" };
        format!("{}:{mode}:{}", self.name, info.name)
    }

    /// Announces a group of transactions, in their order, and answers their committers; what there is for a client leaves as
    /// one.
    fn committed(&self, group: &mut [Published], make_visible: &mut dyn FnMut()) {
        let mut committers = Vec::with_capacity(group.len());
        let mut peers = Vec::new();
        self.bus.publish(make_visible, |clients| {
            for transaction in group {
                clients.log.add(transaction.tid, &transaction.oids);
                let completion = transaction.completion.take();
                let committer = completion.as_ref().map(|completion| completion.committer);
                let mut encoded = Invalidation::default();
                for peer in clients.peers.values() {
                    if committer == Some(peer.number()) {
                        let Published { objects, bytes, .. } = *transaction;
                        peer.outbox.push_after(&info(peer.encoding(), objects, bytes));
                    } else {
                        peer.outbox.push(encoded.message(peer.encoding(), transaction));
                    }
                }
                if let Some(completion) = completion {
                    committers.push(completion.committer);
                    completion.call(Ok(transaction.tid));
                }
            }
            peers.extend(clients.peers.values().cloned());
        });
        // Committers first, which wait for it.
        let (first, others): (Vec<_>, Vec<_>) =
            peers.iter().partition(|peer: &&Arc<Peer>| committers.contains(&peer.number()));
        for peer in first.into_iter().chain(others) {
            peer.outbox.notify();
        }
    }
}

/// The interfaces of Python that a storage offers, in resolution order: clients look for those that they know.
fn interfaces(storage: &dyn Storage) -> Value {
    let info = storage.info();
    let named = [
        ("IStorageRestoreable", info.restore),
        ("IStorageIteration", storage.history().is_some()),
        ("IStorageUndoable", storage.undo().is_some()),
        ("IStorageCurrentRecordIteration", storage.current_records().is_some()),
        ("IExternalGC", info.delete),
        ("IStorage", true),
    ];
    let offered = named.into_iter().filter(|(_, offered)| *offered);
    let own = offered.map(|(name, _)| ("ZODB.interfaces", name));
    let interface = |(module, name): (&str, &str)| {
        Value::Tuple(vec![Value::Text(module.to_owned()), Value::Text(name.to_owned())])
    };
    let mut all: Vec<_> = own.collect();
    if !info.restore {
        // MappingStorage declares them in this order.
        all.reverse();
    }
    Value::Tuple(all.into_iter().chain([("zope.interface", "Interface")]).map(interface).collect())
}

/// The storage knows its service, which keeps it alive; this way does not.
struct ListenerHandle(Weak<StorageService>);

impl CommitListener for ListenerHandle {
    fn committed(&self, group: &mut [Published], make_visible: &mut dyn FnMut()) {
        match self.0.upgrade() {
            Some(service) => service.committed(group, make_visible),
            None => make_visible(),
        }
    }

    fn failed(&self) {
        if let Some(service) = self.0.upgrade() {
            service.failed.notify_one();
        }
    }
}

/// What a committer is sent before its reply.
fn info(encoding: Encoding, objects: u64, bytes: u64) -> Vec<u8> {
    let info = dict([("length", number(objects)), ("size", number(bytes))]);
    let mut message = Vec::new();
    encoding.call("info", vec![info], &mut message);
    message
}

/// The message about a transaction, made once for each encoding that is wanted.
#[derive(Default)]
struct Invalidation {
    pickle: Option<Arc<Vec<u8>>>,
    msgpack: Option<Arc<Vec<u8>>>,
}

impl Invalidation {
    fn message(&mut self, encoding: Encoding, transaction: &Published) -> &Arc<Vec<u8>> {
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
