//! A conflict is answered behind the invalidation of the transaction that won, when its revision can be loaded.

use std::path::PathBuf;
use std::sync::Arc;

use zeo_server::eventlog::EventLog;
use zeo_server::filestorage::{FileStorage, Options};
use zeo_server::pickle::Value;
use zeo_server::zeo::Settings;

use super::client::{BOTH, Client, Encoding, eight, number};
use super::server::Server;
use crate::filestorage::simulated::{Call, Simulated};
use crate::sandbox::{SOON, eventually};

const ONE: Value = Value::Int(1);

/// A server over files whose fsync takes as long as a test likes.
fn server() -> (Server, Simulated) {
    let files = Simulated::default();
    let log = Arc::new(EventLog::disabled());
    let storage =
        FileStorage::open_at(Box::new(files.clone()), PathBuf::from("Data.fs"), &Options::default(), log);
    let place = tempfile::tempdir().unwrap();
    (Server::with(place, Arc::new(storage.unwrap()), Settings::default()), files)
}

/// Lets the winner change object 1, whose fsync is held, and the loser vote on a step that builds on what was before.
fn race(
    encoding: Encoding,
    step: impl Fn(&mut Client, u64),
    check: impl Fn(&mut Client, Result<Value, (String, Value)>, u64),
) {
    let (server, files) = server();
    let [mut winner, mut loser, mut other] = [(); 3].map(|()| Client::new(server.port, encoding));
    let first = winner.commit(1, &[(1, 0, b"first")]);
    assert_eq!(number(&loser.told().body.items().unwrap()[0]), first);
    let gate = files.gate.lock().unwrap();
    files.fail_after(Call::Sync, 1);
    winner.begin(2, &[(1, first, b"won")]);
    winner.call("vote", vec![Value::Int(2)]).unwrap();
    let finish = winner.ask("tpc_finish", vec![Value::Int(2)]);
    eventually(SOON, || files.calls_left(Call::Sync) == Some(0));
    loser.begin(1, &[]);
    step(&mut loser, first);
    let vote = loser.ask("vote", vec![ONE]);
    // Others are served meanwhile: more often than there are threads.
    for _ in 0..20 {
        assert_eq!(other.call("ping", vec![]), Ok(Value::None));
        assert_eq!(other.load(1).0, b"first");
    }
    files.heal();
    drop(gate);
    let second = number(&winner.answer(&finish).unwrap());
    let outcome = loser.answer(&vote);
    let invalidation = loser.calls.pop_back().expect("before the answer");
    assert_eq!(
        (invalidation.name.as_str(), number(&invalidation.body.items().unwrap()[0])),
        ("invalidateTransaction", second)
    );
    check(&mut loser, outcome, second);
    assert_eq!(loser.call("loadSerial", vec![eight(1), eight(second)]), Ok(Value::Bytes(b"won".to_vec())));
    assert_eq!(loser.load(1), (b"won".to_vec(), second));
}

#[test]
fn conflict_is_answered_behind_the_invalidation_of_the_winner() {
    for encoding in BOTH {
        race(
            encoding,
            |loser, first| loser.store(1, 1, first, b"lost"),
            |loser, outcome, second| {
                let conflicts = outcome.unwrap();
                let conflict = &conflicts.items().unwrap()[0];
                let serials = conflict.get("serials").and_then(Value::items).unwrap();
                assert_eq!(number(&serials[0]), second);
                // Resolved, it is taken.
                loser.store(1, 1, second, b"resolved");
                assert_eq!(loser.call("vote", vec![ONE]), Ok(loser.list(vec![])));
                loser.call("tpc_abort", vec![ONE]).unwrap();
            },
        );
    }
}

#[test]
fn conflict_of_a_dependency_and_of_a_delete_are_too() {
    for (method, exception) in [
        ("checkCurrentSerialInTransaction", "ZODB.POSException.ReadConflictError"),
        ("deleteObject", "ZODB.POSException.ConflictError"),
    ] {
        race(
            Encoding::Pickle,
            |loser, first| loser.tell(method, vec![eight(1), eight(first), ONE]),
            |_, outcome, second| {
                let (name, arguments) = outcome.unwrap_err();
                assert_eq!(name, exception);
                let serials = arguments.get("serials").and_then(Value::items).unwrap();
                assert_eq!(number(&serials[0]), second);
            },
        );
    }
}

#[test]
fn undo_is_judged_when_all_before_it_can_be_seen() {
    race(
        Encoding::Pickle,
        |loser, first| {
            let digits: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
            let digit = |at: u32| digits[(u128::from(first) << 2 >> (60 - 6 * at)) as usize & 63];
            let name = (0..11).map(digit).chain([b'=']).collect();
            loser.tell("undoa", vec![Value::Bytes(name), ONE]);
        },
        |_, outcome, _| {
            let (name, arguments) = outcome.unwrap_err();
            assert_eq!(name, "ZODB.POSException.MultipleUndoErrors");
            assert_eq!(arguments.get("_errs").and_then(Value::items).map(<[Value]>::len), Some(1));
        },
    );
}
