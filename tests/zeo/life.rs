//! From the greeting to the end.

use std::time::Duration;

use zeo_server::pickle::Value;
use zeo_server::zeo::{Limits, Settings};

use super::client::{BOTH, Client, Encoding, eight, number, text};
use super::server::Server;
use crate::sandbox::{SOON, eventually};

#[test]
fn answer_of_the_client_decides_the_encoding() {
    let server = Server::start(Settings::default());
    for encoding in BOTH {
        let mut client = Client::new(server.port, encoding);
        assert_eq!(client.call("lastTransaction", vec![]), Ok(eight(0)));
        assert_eq!(client.call("ping", vec![]), Ok(Value::None));
    }
}

#[test]
fn msgpack_is_offered_when_it_is_configured() {
    let server = Server::start(Settings { msgpack: true, ..Settings::default() });
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", server.port)).unwrap();
    let mut greeting = [0; 6];
    std::io::Read::read_exact(&mut stream, &mut greeting).unwrap();
    assert_eq!(&greeting, b"\0\0\0\x02M5");
}

#[test]
fn refused_registration_may_be_tried_again() {
    let server = Server::start(Settings { read_only: true, ..Settings::default() });
    let mut client = Client::anonymous(server.port, Encoding::Pickle);
    let (name, arguments) = client.call("register", vec![text("2"), Value::Bool(false)]).unwrap_err();
    assert_eq!(name, "builtins.ValueError");
    assert_eq!(arguments, Value::Tuple(vec![text("unknown storage: 2")]));
    let address = client.stream.local_addr().unwrap();
    server.assert_logs(&format!("WARNING ZEO.StorageServer ({address}) unknown storage_id: 2\n"));
    let refused = client.call("register", vec![text("1"), Value::Bool(false)]).unwrap_err();
    assert_eq!(refused, ("ZODB.POSException.ReadOnlyError".into(), Value::Tuple(vec![])));
    assert_eq!(client.call("register", vec![text("1"), Value::Bool(true)]), Ok(eight(0)));
    assert_eq!(client.call("new_oids", vec![]).unwrap_err().0, "ZODB.POSException.ReadOnlyError");
    // No reply is wanted, so there is no other way to say no.
    client.begin(1, &[]);
    client.assert_closed();
    server.assert_logs("tpc_begin: ZODB.POSException.ReadOnlyError");
}

#[test]
fn only_register_comes_before_and_it_comes_once() {
    let server = Server::start(Settings::default());
    let mut early = Client::anonymous(server.port, Encoding::Pickle);
    early.ask("lastTransaction", vec![]);
    early.assert_closed();
    let mut twice = Client::new(server.port, Encoding::Pickle);
    twice.ask("register", vec![text("1"), Value::Bool(false)]);
    twice.assert_closed();
    let mut unknown = Client::new(server.port, Encoding::Msgpack);
    unknown.ask("__init__", vec![]);
    unknown.assert_closed();
    for name in ["lastTransaction", "register", "__init__"] {
        server.assert_logs(&format!("disconnected: invalid method '{name}'"));
    }
}

#[test]
fn sign_of_life_is_taken_at_any_time_and_label_is_in_the_log() {
    let server = Server::start(Settings::default());
    for encoding in BOTH {
        let mut client = Client::anonymous(server.port, encoding);
        let alive = Value::Tuple(vec![Value::Int(-1), Value::Int(0), text(".reply"), Value::None]);
        let alive = client.encoded(&alive);
        client.put(&alive);
        client.call("register", vec![text("1"), Value::Bool(false)]).unwrap();
        client.put(&alive);
        client.tell("set_client_label", vec![text("lab\nel")]);
        assert_eq!(client.call("ping", vec![]), Ok(Value::None));
        let address = client.stream.local_addr().unwrap();
        server.assert_logs(&format!("INFO ZEO.StorageServer (label {address}) "));
        client.vanish();
        server.assert_logs(&format!("(label {address}) disconnected: closed by the client"));
    }
}

#[test]
fn monitor_gets_a_status_in_one_piece_and_counts_for_nothing() {
    let server = Server::start(Settings::default());
    let mut client = Client::new(server.port, Encoding::Pickle);
    let tid = client.commit(1, &[(1, 0, b"x")]);
    client.load(1);
    for _ in 0..2 {
        let mut monitor = Client::silent(server.port);
        monitor.put(b"ruok");
        let status = String::from_utf8(monitor.frame().unwrap()).unwrap();
        monitor.assert_closed();
        let status: serde_json::Value = serde_json::from_str(&status).unwrap();
        let status = &status["1"];
        for (key, value) in [
            ("connections", 1.into()),
            ("loads", 1.into()),
            ("stores", 1.into()),
            ("commits", 1.into()),
            ("aborts", 0.into()),
            ("active_txns", 0.into()),
            ("waiting", 0.into()),
            ("lock_time", serde_json::Value::Null),
            ("timeout-thread-is-alive", "stub".into()),
            ("last-transaction", format!("{tid:016x}").into()),
        ] {
            assert_eq!(status[key], value, "{key}");
        }
    }
    let status = client.call("server_status", vec![]).unwrap();
    assert_eq!(status.get("loads"), Some(&Value::Int(1)));
}

#[test]
fn client_that_never_registers_is_sent_away() {
    let limits = Limits { registration: Duration::from_millis(50), ..Limits::default() };
    let server = Server::start(Settings { limits, ..Settings::default() });
    let mut client = Client::silent(server.port);
    client.assert_closed();
    server.assert_logs("disconnected: it has not registered in time");
}

#[test]
fn server_that_stops_closes_everything() {
    let mut server = Server::start(Settings::default());
    let mut clients: Vec<_> = (0..20).map(|_| Client::new(server.port, Encoding::Msgpack)).collect();
    clients[0].begin(1, &[(1, 0, b"x")]);
    clients[0].call("vote", vec![Value::Int(1)]).unwrap();
    server.end();
    for client in &mut clients {
        client.assert_closed();
    }
    // A program that another test is just starting may hold the listener for a moment.
    eventually(SOON, || !server.accepts());
    assert!(server.log().contains("INFO ZEO.StorageServer StorageServer created RW with storages: 1:RW:m\n"));
    assert!(
        server
            .log()
            .contains(&format!("INFO ZEO.asyncio.server listening on ('127.0.0.1', {})", server.port))
    );
}

#[test]
fn thousand_clients_are_told_of_a_transaction() {
    let server = Server::start(Settings::default());
    let mut clients: Vec<_> = (0..1000).map(|_| Client::new(server.port, Encoding::Pickle)).collect();
    let mut committer = Client::new(server.port, Encoding::Msgpack);
    let tid = committer.commit(1, &[(7, 0, b"x")]);
    for client in &mut clients {
        let told = client.told();
        assert_eq!(told.name, "invalidateTransaction");
        assert_eq!(told.body, Value::Tuple(vec![eight(tid), Value::List(vec![eight(7)])]));
    }
    let told = committer.told();
    assert_eq!((told.name.as_str(), told.body.items().map(<[_]>::len)), ("info", Some(1)));
    drop(clients);
    let connections = |committer: &mut Client| {
        committer.call("server_status", vec![]).unwrap().get("connections").and_then(Value::as_int)
    };
    eventually(SOON, || connections(&mut committer) == Some(1));
    assert_eq!(number(&committer.call("lastTransaction", vec![]).unwrap()), tid);
}
