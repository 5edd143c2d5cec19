//! Two-phase commits of several clients, and what becomes of the lock.

use std::time::Duration;

use zeo_server::pickle::Value;
use zeo_server::zeo::{Limits, Settings};

use super::client::{BOTH, Client, Encoding, eight, number, text};
use super::server::{Over, Server};
use crate::sandbox::{SOON, eventually};

const ONE: Value = Value::Int(1);

fn vote(client: &mut Client) -> Value {
    client.ask("vote", vec![ONE])
}

/// Waits until so many are in line for the lock.
fn await_line(client: &mut Client, count: i64) {
    eventually(SOON, || {
        let status = client.call("server_status", vec![]).expect("a status");
        status.get("waiting").and_then(Value::as_int) == Some(count)
    });
}

#[test]
fn votes_are_answered_in_their_order_one_at_a_time() {
    for (over, encoding) in [Over::Memory, Over::File].into_iter().flat_map(|o| BOTH.map(|e| (o, e))) {
        let server = Server::over(over, Settings::default());
        let mut watcher = Client::new(server.port, encoding);
        let mut clients: Vec<_> = (0..5).map(|_| Client::new(server.port, encoding)).collect();
        let mut answers = Vec::new();
        for (n, client) in clients.iter_mut().enumerate() {
            client.begin(1, &[(n as u64, 0, b"x")]);
            let asked = vote(client);
            // The first one has the lock when it has its answer, the others are in line.
            answers.push(if n == 0 { Err(client.answer(&asked)) } else { Ok(asked) });
            await_line(&mut watcher, i64::try_from(n).unwrap());
        }
        let mut before = 0;
        for (client, answer) in clients.iter_mut().zip(answers) {
            let answer = answer.map_or_else(|given| given, |asked| client.answer(&asked));
            assert_eq!(answer, Ok(client.list(vec![])));
            let tid = number(&client.call("tpc_finish", vec![ONE]).unwrap());
            assert!(tid > before);
            before = tid;
            // It is told of all before, and not of its own.
            let told = client.calls.iter().filter(|call| call.name == "invalidateTransaction");
            assert!(told.clone().all(|call| number(&call.body.items().unwrap()[0]) < tid));
        }
        for n in 0..5 {
            let told = watcher.told();
            assert_eq!(told.body.items().unwrap()[1], watcher.list(vec![eight(n)]), "{told:?}");
        }
    }
}

#[test]
fn lock_becomes_free_however_its_holder_goes() {
    let server = Server::start(Settings::default());
    let mut watcher = Client::new(server.port, Encoding::Pickle);
    let ways: [fn(Client) -> Option<Client>; 5] = [
        |client| {
            client.vanish();
            None
        },
        |mut client| {
            client.call("tpc_abort", vec![ONE]).expect("an answer");
            Some(client)
        },
        // What is no message.
        |mut client| {
            client.put(b"\x80\x03garbage");
            client.assert_closed();
            None
        },
        // An error where no answer is wanted.
        |mut client| {
            client.store(99, 1, 0, b"");
            client.assert_closed();
            None
        },
        |mut client| {
            client.ask("no_such_method", vec![]);
            client.assert_closed();
            None
        },
    ];
    for (n, go) in ways.into_iter().enumerate() {
        let oid = n as u64 + 1;
        let mut holder = Client::new(server.port, Encoding::Pickle);
        holder.begin(1, &[(oid, 0, b"lost")]);
        let voted = vote(&mut holder);
        holder.answer(&voted).unwrap();
        // One that waits and goes, one that waits and stays.
        let mut impatient = Client::new(server.port, Encoding::Msgpack);
        impatient.begin(1, &[(oid, 0, b"lost too")]);
        vote(&mut impatient);
        await_line(&mut watcher, 1);
        let mut patient = Client::new(server.port, Encoding::Pickle);
        patient.begin(1, &[(oid, 0, b"kept")]);
        let asked = vote(&mut patient);
        await_line(&mut watcher, 2);
        impatient.vanish();
        await_line(&mut watcher, 1);
        let left = go(holder);
        assert_eq!(patient.answer(&asked), Ok(Value::List(vec![])), "{n}");
        patient.call("tpc_finish", vec![ONE]).unwrap();
        assert_eq!(watcher.load(oid).0, b"kept");
        drop(left);
    }
    eventually(SOON, || {
        let status = watcher.call("server_status", vec![]).unwrap();
        let counts = [("commits", 5), ("aborts", 10), ("active_txns", 0)];
        counts.iter().all(|(key, value)| status.get(key) == Some(&Value::Int(*value)))
    });
}

#[test]
fn holder_that_takes_too_long_loses_the_lock_and_its_connection() {
    let timeout = Some(Duration::from_secs(1));
    let server = Server::start(Settings { transaction_timeout: timeout, ..Settings::default() });
    let mut holder = Client::new(server.port, Encoding::Pickle);
    holder.begin(1, &[(1, 0, b"lost")]);
    let voted = vote(&mut holder);
    holder.answer(&voted).unwrap();
    let mut next = Client::new(server.port, Encoding::Pickle);
    next.begin(1, &[(1, 0, b"kept")]);
    let asked = vote(&mut next);
    assert_eq!(next.answer(&asked), Ok(Value::List(vec![])));
    holder.assert_closed();
    next.call("tpc_finish", vec![ONE]).unwrap();
    assert_eq!(next.load(1).0, b"kept");
    let address = holder.stream.local_addr().unwrap();
    server
        .assert_logs(&format!("CRITICAL ZEO.StorageServer ({address}) Transaction timeout after 1 seconds"));
    eventually(SOON, || {
        let status = next.call("server_status", vec![]).unwrap();
        status.get("connections") == Some(&Value::Int(1))
    });
    let status = next.call("server_status", vec![]).unwrap();
    assert_eq!(status.get("timeout-thread-is-alive"), Some(&Value::Bool(true)));
}

#[test]
fn conflicts_are_all_shown_to_the_client_and_its_resolution_is_taken() {
    for (over, encoding) in [Over::Memory, Over::File].into_iter().flat_map(|o| BOTH.map(|e| (o, e))) {
        let server = Server::over(over, Settings::default());
        let mut client = Client::new(server.port, encoding);
        let first = client.commit(1, &[(1, 0, b"a"), (2, 0, b"a"), (3, 0, b"a")]);
        let second = client.commit(1, &[(1, first, b"b"), (2, first, b"b")]);
        client.begin(1, &[(1, first, b"c1"), (2, first, b"c2"), (3, first, b"c3")]);
        let conflicts = client.call("vote", vec![ONE]).unwrap();
        let conflicts = conflicts.items().unwrap();
        assert_eq!(conflicts.len(), 2);
        for (conflict, (oid, data)) in conflicts.iter().zip([(1, b"c1"), (2, b"c2")]) {
            assert_eq!(conflict.get("oid"), Some(&eight(oid)));
            assert_eq!(conflict.get("serials"), Some(&Value::Tuple(vec![eight(second), eight(first)])));
            assert_eq!(conflict.get("data"), Some(&Value::Bytes(data.to_vec())));
        }
        // Nothing is held meanwhile.
        let mut other = Client::new(server.port, encoding);
        other.commit(7, &[(9, 0, b"x")]);
        client.store(1, 1, second, b"d1");
        client.store(1, 2, second, b"d2");
        assert_eq!(client.call("vote", vec![ONE]), Ok(client.list(vec![])));
        client.call("tpc_finish", vec![ONE]).unwrap();
        let loaded: Vec<_> = (1..=3).map(|oid| client.load(oid).0).collect();
        assert_eq!(loaded, [b"d1", b"d2", b"c3"]);
    }
}

/// Others come in between as often as they can; nine votes are what a client tries.
#[test]
fn client_that_meets_conflicts_again_and_again_gets_through() {
    let server = Server::start(Settings::default());
    let mut other = Client::new(server.port, Encoding::Pickle);
    let mut serial = other.commit(1, &[(1, 0, b"a")]);
    let mut client = Client::new(server.port, Encoding::Pickle);
    client.begin(1, &[(1, 0, b"mine")]);
    let mut asked = None;
    for votes in 1.. {
        assert!(votes <= 9, "starved");
        let conflicts = client.call("vote", vec![ONE]).unwrap();
        let Some(conflict) = conflicts.items().unwrap().first() else { break };
        let committed =
            conflict.get("serials").and_then(Value::items).map(|serials| number(&serials[0])).unwrap();
        assert_eq!(committed, serial);
        other.begin(2, &[(1, serial, b"theirs")]);
        let vote = other.ask("vote", vec![Value::Int(2)]);
        // It goes ahead, until it is kept waiting.
        if votes < 3 {
            other.answer(&vote).unwrap();
            serial = number(&other.call("tpc_finish", vec![Value::Int(2)]).unwrap());
        } else {
            asked = Some(vote);
        }
        client.store(1, 1, committed, b"mine");
    }
    client.call("tpc_finish", vec![ONE]).unwrap();
    assert_eq!(client.load(1).0, b"mine");
    let conflict = other.answer(&asked.expect("kept waiting")).unwrap();
    assert_eq!(conflict.items().map(<[_]>::len), Some(1));
}

#[test]
fn lock_kept_for_a_client_that_goes_away_is_free_again() {
    let server = Server::start(Settings::default());
    let mut other = Client::new(server.port, Encoding::Pickle);
    other.commit(1, &[(1, 0, b"a")]);
    let ways: [fn(&mut Client); 3] = [
        |client| {
            client.call("tpc_abort", vec![ONE]).unwrap();
        },
        |client| client.stream.shutdown(std::net::Shutdown::Both).unwrap(),
        |_| (),
    ];
    for go in ways {
        let mut client = Client::new(server.port, Encoding::Pickle);
        client.begin(1, &[(1, 7, b"mine")]);
        for _ in 0..3 {
            assert_eq!(client.call("vote", vec![ONE]).unwrap().items().map(<[_]>::len), Some(1));
        }
        other.begin(2, &[(2, 0, b"x")]);
        other.call("tpc_abort", vec![Value::Int(2)]).unwrap();
        go(&mut client);
        other.begin(3, &[]);
        other.call("vote", vec![Value::Int(3)]).unwrap();
        other.call("tpc_finish", vec![Value::Int(3)]).unwrap();
    }
}

#[test]
fn what_cannot_be_resolved_is_an_error_and_frees_the_lock() {
    let server = Server::over(Over::File, Settings::default());
    let mut client = Client::new(server.port, Encoding::Pickle);
    let first = client.commit(1, &[(1, 0, b"a")]);
    let second = client.commit(1, &[(1, first, b"b")]);
    for (method, exception, message) in [
        (
            "checkCurrentSerialInTransaction",
            "ZODB.POSException.ReadConflictError",
            "database read conflict error",
        ),
        ("deleteObject", "ZODB.POSException.ConflictError", "database conflict error"),
    ] {
        client.begin(1, &[]);
        client.tell(method, vec![eight(1), eight(first), ONE]);
        let (name, arguments) = client.call("vote", vec![ONE]).unwrap_err();
        assert_eq!(name, exception);
        assert_eq!(arguments.get("message"), Some(&Value::Text(message.into())));
        assert_eq!(arguments.get("oid"), Some(&eight(1)));
        assert_eq!(arguments.get("serials"), Some(&Value::Tuple(vec![eight(second), eight(first)])));
        assert_eq!(client.call("tpc_abort", vec![ONE]), Ok(Value::None));
    }
    client.begin(1, &[]);
    client.tell("deleteObject", vec![eight(8), eight(first), ONE]);
    assert_eq!(client.call("vote", vec![ONE]).unwrap_err().0, "ZODB.POSException.POSKeyError");
    client.commit(1, &[(1, second, b"c")]);
    let status = client.call("server_status", vec![]).unwrap();
    assert_eq!(
        (status.get("conflicts"), status.get("active_txns")),
        (Some(&Value::Int(2)), Some(&Value::Int(0)))
    );
}

#[test]
fn calls_out_of_turn_are_told() {
    let server = Server::start(Settings::default());
    let mut client = Client::new(server.port, Encoding::Pickle);
    let wrong =
        ("ZODB.POSException.StorageTransactionError".to_owned(), Value::Tuple(vec![Value::None, ONE]));
    assert_eq!(client.call("vote", vec![ONE]), Err(wrong));
    assert_eq!(client.call("tpc_finish", vec![ONE]), Ok(Value::None));
    assert_eq!(client.call("tpc_abort", vec![ONE]), Ok(Value::None));
    client.begin(1, &[]);
    client.begin(1, &[(1, 0, b"x")]);
    assert_eq!(client.call("tpc_finish", vec![ONE]).unwrap_err().0, "builtins.AssertionError");
    assert_eq!(
        client.call("vote", vec![Value::Int(2)]).unwrap_err().1,
        Value::Tuple(vec![ONE, Value::Int(2)])
    );
    client.call("vote", vec![ONE]).unwrap();
    let again = client.call("vote", vec![ONE]).unwrap_err();
    assert_eq!(again.1, Value::Tuple(vec![Value::Text("Already voting (locked)".into())]));
    client.call("tpc_finish", vec![ONE]).unwrap();
    assert_eq!(client.load(1).0, b"x");
    // Another begin while one is open has no answer.
    client.begin(1, &[]);
    client.begin(2, &[]);
    client.assert_closed();
}

#[test]
fn transaction_without_steps_is_one_and_explicit_ids_are_taken() {
    let server = Server::over(Over::File, Settings::default());
    let mut client = Client::new(server.port, Encoding::Msgpack);
    let mut watcher = Client::new(server.port, Encoding::Pickle);
    let tid = client.commit(1, &[]);
    assert_eq!(watcher.told().body, Value::Tuple(vec![eight(tid), Value::List(vec![])]));
    let empty = Value::Bytes(vec![]);
    let given = tid + 5;
    client.tell(
        "tpc_begin",
        vec![ONE, empty.clone(), empty, Value::Dict(vec![]), eight(given), Value::Text("p".into())],
    );
    let data = Value::Bytes(b"copy".to_vec());
    client.tell("restorea", vec![eight(4), eight(given), data, Value::None, ONE]);
    client.call("vote", vec![ONE]).unwrap();
    assert_eq!(client.call("tpc_finish", vec![ONE]), Ok(eight(given)));
    assert_eq!(watcher.load(4), (b"copy".to_vec(), given));
}

#[test]
fn transaction_of_too_many_steps_is_refused_at_its_vote() {
    let limits = Limits { steps: 3, ..Limits::default() };
    for over in [Over::Memory, Over::File] {
        let server = Server::over(over, Settings { limits: limits.clone(), ..Settings::default() });
        let mut client = Client::new(server.port, Encoding::Pickle);
        client.commit(1, &[(1, 0, b"a"), (2, 0, b"b"), (3, 0, b"c")]);
        client.begin(2, &[(4, 0, b"a"), (5, 0, b"b"), (6, 0, b"c"), (7, 0, b"d"), (8, 0, b"e")]);
        let (name, why) = client.call("vote", vec![Value::Int(2)]).unwrap_err();
        assert_eq!(name, "ZODB.POSException.StorageTransactionError");
        assert_eq!(why, Value::Tuple(vec![text("a transaction may have 3 stores and checks at most")]));
        assert_eq!(client.call("tpc_abort", vec![Value::Int(2)]), Ok(Value::None));
        client.commit(3, &[(4, 0, b"a")]);
    }
}

#[test]
fn time_out_of_any_length_is_one() {
    for seconds in [1 << 40, u64::MAX] {
        let transaction_timeout = Some(Duration::from_secs(seconds));
        let server = Server::start(Settings { transaction_timeout, ..Settings::default() });
        let mut client = Client::new(server.port, Encoding::Pickle);
        client.commit(1, &[(1, 0, b"a")]);
        assert!(!server.log().contains("CRITICAL"), "{}", server.log());
    }
}

#[test]
fn transaction_is_finished_once() {
    let server = Server::start(Settings::default());
    let mut client = Client::new(server.port, Encoding::Msgpack);
    let mut watcher = Client::new(server.port, Encoding::Pickle);
    let first = client.commit(1, &[(1, 0, b"a")]);
    assert_eq!(client.call("tpc_finish", vec![ONE]), Ok(Value::None));
    assert_eq!(client.call("tpc_abort", vec![ONE]), Ok(Value::None));
    let second = client.commit(2, &[(1, first, b"b")]);
    let told = [watcher.told(), watcher.told()].map(|told| number(&told.body.items().unwrap()[0]));
    assert_eq!(told, [first, second]);
    let status = client.call("server_status", vec![]).unwrap();
    for (key, value) in [("commits", 2), ("aborts", 0), ("active_txns", 0)] {
        assert_eq!(status.get(key), Some(&Value::Int(value)), "{key}");
    }
}
