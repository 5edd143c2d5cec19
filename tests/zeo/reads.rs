//! What is read.

use zeo_server::pickle::Value;
use zeo_server::zeo::{Limits, Settings};

use super::client::{BOTH, Client, Encoding, MAX, eight, number, text};
use super::server::{Over, Server};

#[test]
fn revisions_are_loaded_as_they_were() {
    for (over, encoding) in [Over::Memory, Over::File].into_iter().flat_map(|o| BOTH.map(|e| (o, e))) {
        let server = Server::over(over, Settings::default());
        let mut client = Client::new(server.port, encoding);
        let big = vec![7; 3 << 20];
        let first = client.commit(1, &[(1, 0, b"one"), (2, 0, b"t")]);
        let second = client.commit(2, &[(1, first, &big)]);
        let mut load = |oid, before| client.call("loadBefore", vec![eight(oid), eight(before)]);
        let tuple = |data: &[u8], start, end: Option<u64>| {
            let end = end.map_or(Value::None, eight);
            Ok(Value::Tuple(vec![Value::Bytes(data.to_vec()), eight(start), end]))
        };
        assert_eq!(load(1, MAX), tuple(&big, second, None));
        assert_eq!(load(1, second), tuple(b"one", first, Some(second)));
        assert_eq!(load(1, first), Ok(Value::None));
        assert_eq!(load(2, MAX), tuple(b"t", first, None));
        let missing = || ("ZODB.POSException.POSKeyError".to_owned(), Value::Tuple(vec![eight(9)]));
        assert_eq!(load(9, MAX), Err(missing()));
        assert_eq!(
            client.call("loadSerial", vec![eight(1), eight(first)]),
            Ok(Value::Bytes(b"one".to_vec()))
        );
        assert_eq!(client.call("getTid", vec![eight(1)]), Ok(eight(second)));
        assert_eq!(client.call("getTid", vec![eight(9)]), Err(missing()));
        // Both ways to a load give the same, whatever the id is.
        for id in [Value::Int(5), Value::Int(70_000), text("id"), Value::Tuple(vec![eight(1), eight(second)])]
        {
            client.send(id.clone(), false, "loadBefore", vec![eight(1), eight(second)]);
            assert_eq!(client.answer(&id), tuple(b"one", first, Some(second)), "{id:?}");
            client.send(id.clone(), false, "loadBefore", vec![eight(9), eight(second)]);
            assert_eq!(client.answer(&id), Err(missing()), "{id:?}");
        }
        assert!(!server.log().contains("POSKeyError"));
    }
}

#[test]
fn loads_by_the_thousand_are_answered_in_their_order() {
    for encoding in BOTH {
        let server = Server::over(Over::File, Settings::default());
        let mut client = Client::new(server.port, encoding);
        let data = vec![3; 2000];
        let stores: Vec<_> = (0..500).map(|oid| (oid, 0, data.as_slice())).collect();
        let tid = client.commit(1, &stores);
        let mut bytes = Vec::new();
        for n in 0..5000_u64 {
            let id = Value::Tuple(vec![eight(n), eight(MAX)]);
            let call = vec![
                id,
                Value::Bool(false),
                text("loadBefore"),
                Value::Tuple(vec![eight(n % 500), eight(MAX)]),
            ];
            let frame = client.encoded(&Value::Tuple(call));
            bytes.extend(u32::try_from(frame.len()).unwrap().to_be_bytes());
            bytes.extend(frame);
        }
        // All are sent before one is read, as a prefetching client may do: 10 MB of replies wait then.
        let mut writer = client.stream.try_clone().unwrap();
        let sent = std::thread::spawn(move || std::io::Write::write_all(&mut writer, &bytes).unwrap());
        let loaded = Value::Tuple(vec![Value::Bytes(data), eight(tid), Value::None]);
        for n in 0..5000 {
            assert_eq!(client.answer(&Value::Tuple(vec![eight(n), eight(MAX)])).as_ref(), Ok(&loaded));
        }
        sent.join().unwrap();
        let status = client.call("server_status", vec![]).unwrap();
        assert_eq!(status.get("loads"), Some(&Value::Int(5000)));
    }
}

#[test]
fn info_tells_what_the_storage_can_do() {
    for (over, undo_free) in [
        (Over::Memory, &["IStorage", "IStorageIteration", "Interface"][..]),
        (
            Over::File,
            &[
                "IStorageRestoreable",
                "IStorageIteration",
                "IStorageUndoable",
                "IStorageCurrentRecordIteration",
                "IExternalGC",
                "IStorage",
                "Interface",
            ],
        ),
    ] {
        let server = Server::over(over, Settings::default());
        let mut client = Client::new(server.port, Encoding::Pickle);
        client.commit(1, &[(1, 0, b"x"), (2, 0, b"y")]);
        let info = client.call("get_info", vec![]).unwrap();
        assert_eq!(info.get("length"), Some(&Value::Int(2)));
        assert!(info.get("size").and_then(Value::as_int).unwrap() > 1);
        let interfaces = undo_free.iter().map(|name| {
            let module = if *name == "Interface" { "zope.interface" } else { "ZODB.interfaces" };
            Value::Tuple(vec![text(module), text(name)])
        });
        assert_eq!(info.get("interfaces"), Some(&Value::Tuple(interfaces.collect())));
        assert_eq!(info.get("supportsUndo"), Some(&Value::Bool(over == Over::File)));
        assert_eq!(info.get("supports_record_iternext"), Some(&Value::Bool(over == Over::File)));
    }
}

#[test]
fn fresh_ids_are_given_once() {
    let server = Server::start(Settings::default());
    let (mut one, mut two) =
        (Client::new(server.port, Encoding::Pickle), Client::new(server.port, Encoding::Msgpack));
    one.commit(1, &[(1000, 0, b"x")]);
    let mut all = Vec::new();
    for count in [100, 1, 0, 1000] {
        for client in [&mut one, &mut two] {
            let given = client.call("new_oids", vec![Value::Int(count)]).unwrap();
            let given: Vec<u64> = given.items().unwrap().iter().map(number).collect();
            assert_eq!(given.len(), usize::try_from(count.clamp(1, 100)).unwrap());
            all.extend(given);
        }
    }
    let count = all.len();
    all.sort_unstable();
    all.dedup();
    assert_eq!((all.len(), all[0]), (count, 1001));
}

#[test]
fn iteration_and_history_show_the_transactions() {
    for (over, encoding) in [Over::Memory, Over::File].into_iter().flat_map(|o| BOTH.map(|e| (o, e))) {
        let server = Server::over(over, Settings::default());
        let mut client = Client::new(server.port, encoding);
        let first = client.commit(1, &[(1, 0, b"one")]);
        let extension = Value::Dict(vec![(text("k"), Value::Int(5)), (text("size"), Value::Int(-1))]);
        let bytes = |text: &str| Value::Bytes(text.as_bytes().to_vec());
        client.tell(
            "tpc_begin",
            vec![Value::Int(2), bytes("user"), bytes("what"), extension.clone(), Value::None, text(" ")],
        );
        client.store(2, 1, first, b"two");
        client.call("vote", vec![Value::Int(2)]).unwrap();
        let second = number(&client.call("tpc_finish", vec![Value::Int(2)]).unwrap());

        let history = client.call("history", vec![eight(1), Value::Int(5)]).unwrap();
        let history = history.items().unwrap();
        assert_eq!(history.len(), 2);
        for (key, value) in [
            ("tid", eight(second)),
            ("user_name", bytes("user")),
            ("description", bytes("what")),
            ("size", Value::Int(3)),
            ("k", Value::Int(5)),
        ] {
            assert_eq!(history[0].get(key), Some(&value), "{key}");
        }
        assert_eq!(client.call("history", vec![eight(9)]).unwrap_err().0, "ZODB.POSException.POSKeyError");

        let walk = client.call("iterator_start", vec![eight(second), Value::None]).unwrap();
        let transaction = client.call("iterator_next", vec![walk.clone()]).unwrap();
        let expected = vec![eight(second), text(" "), bytes("user"), bytes("what"), extension];
        assert_eq!(transaction, Value::Tuple(expected));
        let wrong = client.call("iterator_record_start", vec![walk.clone(), eight(first)]).unwrap_err();
        assert_eq!(wrong.0, "builtins.Exception");
        let records = client.call("iterator_record_start", vec![walk.clone(), eight(second)]).unwrap();
        let record = client.call("iterator_record_next", vec![records.clone()]).unwrap();
        assert_eq!(record, Value::Tuple(vec![eight(1), eight(second), bytes("two"), Value::None]));
        assert_eq!(client.call("iterator_record_next", vec![records]), Ok(Value::None));
        assert_eq!(client.call("iterator_next", vec![walk.clone()]), Ok(Value::None));
        let gone = client.call("iterator_next", vec![walk.clone()]).unwrap_err();
        assert_eq!(gone, ("builtins.KeyError".into(), Value::Tuple(vec![walk.clone()])));
        let ids = client.list(vec![walk, Value::Int(99)]);
        client.tell("iterator_gc", vec![ids]);
        assert_eq!(client.call("ping", vec![]), Ok(Value::None));
    }
}

#[test]
fn client_that_comes_back_learns_what_it_missed() {
    let server = Server::start(Settings { invalidation_queue_size: 3, ..Settings::default() });
    let mut client = Client::new(server.port, Encoding::Pickle);
    let tids: Vec<u64> = (1..=5_i64).map(|n| client.commit(n, &[(n.unsigned_abs(), 0, b"x")])).collect();
    let mut since = |tid| client.call("getInvalidations", vec![eight(tid)]).unwrap();
    assert_eq!(since(tids[1]), Value::None);
    let changes = |oids: &[u64]| {
        Value::Tuple(vec![eight(tids[4]), Value::List(oids.iter().map(|oid| eight(*oid)).collect())])
    };
    assert_eq!(since(tids[2]), changes(&[4, 5]));
    assert_eq!(since(tids[4]), changes(&[]));
}

#[test]
fn young_cache_is_brought_up_to_date_beyond_the_queue() {
    let age = Some(std::time::Duration::from_secs(1000));
    let server = Server::over(
        Over::File,
        Settings { invalidation_queue_size: 2, invalidation_age: age, ..Settings::default() },
    );
    let mut client = Client::new(server.port, Encoding::Pickle);
    let tids: Vec<u64> = (1..=5_i64).map(|n| client.commit(n, &[(n.unsigned_abs(), 0, b"x")])).collect();
    let mut since = |tid| client.call("getInvalidations", vec![eight(tid)]).unwrap();
    let all = Value::List((2..=5).map(eight).collect());
    assert_eq!(since(tids[0]), Value::Tuple(vec![eight(tids[4]), all]));
    assert_eq!(since(1), Value::None);
}

/// ZEO's client gives up both kinds of iterators by one call, and only when it commits.
#[test]
fn iterators_that_are_given_up_or_left_make_room_for_others() {
    let limits = Limits { iterators: 3, ..Limits::default() };
    let server = Server::start(Settings { limits, ..Settings::default() });
    let mut client = Client::new(server.port, Encoding::Pickle);
    let tid = client.commit(1, &[(1, 0, b"a"), (2, 0, b"b")]);
    let gone = |client: &mut Client, method: &str, iterator: &Value| {
        let (name, _) = client.call(method, vec![iterator.clone()]).unwrap_err();
        assert_eq!(name, "builtins.KeyError");
    };
    let walk = |client: &mut Client| {
        let walk = client.call("iterator_start", vec![Value::None, Value::None]).unwrap();
        client.call("iterator_next", vec![walk.clone()]).unwrap();
        walk
    };
    let first = walk(&mut client);
    let start = |client: &mut Client| client.call("iterator_record_start", vec![first.clone(), eight(tid)]);
    let mut records = start(&mut client).unwrap();
    // "Who changed this last": one record of each transaction is looked at.
    for _ in 0..5 {
        client.call("iterator_record_next", vec![records.clone()]).unwrap();
        let earlier = std::mem::replace(&mut records, start(&mut client).unwrap());
        gone(&mut client, "iterator_record_next", &earlier);
    }
    client.tell("iterator_gc", vec![Value::List(vec![first.clone(), records.clone()])]);
    gone(&mut client, "iterator_record_next", &records);
    gone(&mut client, "iterator_next", &first);
    // Walks that are left in the middle: the one that was not used for longest makes way.
    let walks: Vec<_> = (0..3).map(|_| walk(&mut client)).collect();
    client.call("iterator_record_start", vec![walks[0].clone(), eight(tid)]).unwrap();
    gone(&mut client, "iterator_next", &walks[1]);
    for left in [&walks[0], &walks[2]] {
        assert_eq!(client.call("iterator_next", vec![left.clone()]), Ok(Value::None));
    }
    // As many as a reader may leave in its life.
    for _ in 0..3000 {
        walk(&mut client);
    }
}
