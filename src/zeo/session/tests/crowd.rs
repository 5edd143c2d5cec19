//! Several clients who begin, vote, finish, abort and go as they like, in the middle of each other's commits: whatever they
//! do, each call has one answer, each transaction is announced to all others once, and nothing is held when they are gone.

use std::mem;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use proptest::prelude::*;

use super::{eight, heard, text};
use crate::eventlog::EventLog;
use crate::pickle::{self, Value};
use crate::storage::{MemoryStorage, Oid, Tid, Wait};
use crate::zeo::chunks::Chunks;
use crate::zeo::commit_lock::Standing;
use crate::zeo::message::Encoding;
use crate::zeo::peer::Peer;
use crate::zeo::session::{Session, Shared};
use crate::zeo::settings::Settings;
use crate::zeo::storage_service::StorageService;

/// What one of them does; first the client's name for a transaction. There are few, so that wrong ones occur.
#[derive(Debug, Clone, Copy)]
enum Deed {
    Begin(i64),
    /// Of this object, perhaps on a revision that is not the current one.
    Store(i64, u64, bool),
    /// What takes long to be voted on.
    StoreLarge(i64),
    Check(i64, u64),
    Vote(i64),
    Finish(i64),
    Abort(i64),
    /// Goes; another comes.
    Go,
}

fn deed() -> impl Strategy<Value = Deed> {
    let id = || 0_i64..2;
    let oid = || 1_u64..4;
    prop_oneof![
        4 => id().prop_map(Deed::Begin),
        5 => (id(), oid(), prop::bool::weighted(0.8)).prop_map(|(id, oid, current)| Deed::Store(id, oid, current)),
        1 => id().prop_map(Deed::StoreLarge),
        1 => (id(), oid()).prop_map(|(id, oid)| Deed::Check(id, oid)),
        5 => id().prop_map(Deed::Vote),
        4 => id().prop_map(Deed::Finish),
        1 => id().prop_map(Deed::Abort),
        1 => Just(Deed::Go),
    ]
}

struct Member {
    session: Session,
    peer: Arc<Peer>,
    sent: Chunks,
    /// Calls without an answer, and the last one.
    asked: Vec<i64>,
    last: i64,
    /// The transactions that were announced to it; and how many cannot have been, as they were before it came.
    announced: Vec<Tid>,
    before: usize,
}

struct Crowd {
    shared: Arc<Shared>,
    service: Arc<StorageService>,
    storage: Arc<MemoryStorage>,
    clients: Vec<Member>,
    /// Each transaction that was finished, and whose.
    finished: Vec<(Tid, u64)>,
    came: u64,
}

impl Crowd {
    fn new(size: usize) -> Self {
        let (storage, settings) = (Arc::new(MemoryStorage::new("m")), Settings::default());
        let log = Arc::new(EventLog::disabled());
        let service = StorageService::new("1".to_owned(), storage.clone(), &settings, log).unwrap();
        let shared = Arc::new(Shared {
            log: service.log.clone(),
            storages: [("1".to_owned(), service.clone())].into(),
            settings,
        });
        let mut crowd = Self { shared, service, storage, clients: Vec::new(), finished: Vec::new(), came: 0 };
        for _ in 0..size {
            let client = crowd.newcomer();
            crowd.clients.push(client);
        }
        crowd
    }

    fn newcomer(&mut self) -> Member {
        self.came += 1;
        let peer = Peer::new(self.came, "test".to_owned(), 1 << 20);
        let mut session = Session::new(self.shared.clone(), peer.clone());
        session.receive(b"Z5", Wait::Allowed, &mut Vec::new()).unwrap();
        let before = self.finished.len();
        let sent = Chunks::default();
        let mut client =
            Member { session, peer, sent, asked: Vec::new(), last: 0, announced: Vec::new(), before };
        assert!(client.say("register", vec![text("1"), Value::Bool(false)]));
        client
    }

    /// One of them does something; one whose connection that ends goes.
    fn act(&mut self, who: usize, deed: Deed) {
        let serial = |oid, current| {
            let tid = crate::storage::Storage::current_tid(&*self.storage, Oid(oid));
            eight(if current { tid.map_or(0, |tid| tid.0) } else { 5 })
        };
        let client = &mut self.clients[who];
        let stays = match deed {
            Deed::Begin(id) => {
                let empty = || Value::Bytes(Vec::new());
                let dict = Value::Dict(Vec::new());
                client.say("tpc_begin", vec![Value::Int(id), empty(), empty(), dict, Value::None, text(" ")])
            }
            Deed::Store(id, oid, current) => {
                client.say("storea", vec![eight(oid), serial(oid, current), eight(0), Value::Int(id)])
            }
            Deed::StoreLarge(id) => {
                let data = Value::Bytes(vec![7; 300 << 10]);
                client.say("storea", vec![eight(9), serial(9, true), data, Value::Int(id)])
            }
            Deed::Check(id, oid) => {
                let arguments = vec![eight(oid), serial(oid, true), Value::Int(id)];
                client.say("checkCurrentSerialInTransaction", arguments)
            }
            Deed::Vote(id) => client.say("vote", vec![Value::Int(id)]),
            Deed::Finish(id) => client.say("tpc_finish", vec![Value::Int(id)]),
            Deed::Abort(id) => client.say("tpc_abort", vec![Value::Int(id)]),
            Deed::Go => false,
        };
        self.listen();
        if !stays {
            let newcomer = self.newcomer();
            let gone = mem::replace(&mut self.clients[who], newcomer);
            self.end(gone);
        }
        self.listen();
    }

    /// All read what there is.
    fn listen(&mut self) {
        for client in &mut self.clients {
            client.hear(&mut self.finished);
        }
    }

    /// One goes. All transactions of others that were finished while it was there were announced to it, in their order.
    fn end(&mut self, mut client: Member) {
        client.hear(&mut self.finished);
        client.session.end();
        let since = self.finished[client.before..].iter();
        let others: Vec<Tid> =
            since.filter(|(_, whose)| *whose != client.peer.number()).map(|(tid, _)| *tid).collect();
        assert_eq!(client.announced, others);
    }
}

impl Member {
    /// Calls, and wants an answer; false: that is the end of the connection.
    fn say(&mut self, method: &str, arguments: Vec<Value>) -> bool {
        self.last += 1;
        self.asked.push(self.last);
        let call = vec![Value::Int(self.last), Value::Bool(false), text(method), Value::Tuple(arguments)];
        let (mut frame, mut replies) = (Vec::new(), Vec::new());
        pickle::encode(&Value::Tuple(call), &mut frame).unwrap();
        self.peer.outbox.begin_batch(&mut self.sent);
        let received = self.session.receive(&frame, Wait::Allowed, &mut replies);
        self.sent.push_buffer(&mut replies);
        received.is_ok()
    }

    fn hear(&mut self, finished: &mut Vec<(Tid, u64)>) {
        let tid = |value: &Value| {
            let bytes = value.as_bytes().and_then(|bytes| bytes.try_into().ok());
            bytes.map(Tid::from_bytes)
        };
        let mut sent = Vec::new();
        self.peer.outbox.take(&mut self.sent);
        self.sent.drain_into(&mut sent);
        for message in heard(Encoding::Pickle, &sent) {
            match (message.name.as_str(), &message.arguments[0]) {
                ("invalidateTransaction", announced) => {
                    self.announced.push(tid(&announced.items().unwrap()[0]).unwrap());
                }
                (".reply", result) => {
                    let id = message.id.as_int().unwrap();
                    let at = self.asked.iter().position(|asked| *asked == id);
                    self.asked.remove(at.expect("asked, and not yet answered"));
                    // The only other tid is that of the first call, the registration.
                    if let Some(tid) = tid(result).filter(|_| id > 1) {
                        finished.push((tid, self.peer.number()));
                    }
                }
                _ => {}
            }
        }
    }
}

proptest! {
    #[test]
    fn nothing_is_left_of_clients_who_come_and_go_in_the_middle_of_commits(
        deeds in prop::collection::vec((0_usize..3, deed()), 0..60),
    ) {
        let mut crowd = Crowd::new(3);
        for (who, deed) in deeds {
            crowd.act(who, deed);
        }
        // Those in line come to their turn when those before them are gone.
        while crowd.clients.len() > 1 {
            let gone = crowd.clients.remove(0);
            crowd.end(gone);
            crowd.listen();
        }
        let last = &crowd.clients[0];
        prop_assert!(last.asked.is_empty(), "{:?} has no answer", last.asked);
        prop_assert!(crowd.service.commits.standing(&last.peer) != Standing::Waiting);
        let last = crowd.clients.remove(0);
        crowd.end(last);
        prop_assert!(crowd.finished.is_sorted());
        prop_assert_eq!(crowd.service.stats.active.load(Ordering::Relaxed), 0);
        prop_assert_eq!(crowd.service.commits.load(), (None, 0));
        let before = crowd.finished.len();
        let newcomer = crowd.newcomer();
        crowd.clients.push(newcomer);
        for deed in [Deed::Begin(1), Deed::Store(1, 1, true), Deed::Vote(1), Deed::Finish(1)] {
            crowd.act(0, deed);
        }
        prop_assert_eq!(crowd.finished.len(), before + 1);
    }
}
