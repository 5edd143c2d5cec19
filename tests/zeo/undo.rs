//! Undo over the wire, beside Python's server and where that is wrong.

use std::path::Path;

use zeo_server::pickle::{Call, Value};
use zeo_server::zeo::Settings;

use super::client::{BOTH, Client, eight, number, text};
use super::server::{Over, Server};
use crate::peers;
use crate::sandbox::Sandbox;

const ONE: Value = Value::Int(1);

/// A transaction as undo names it.
fn name(tid: u64) -> Value {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digit = |at: u32| DIGITS[(u128::from(tid) << 2 >> (60 - 6 * at)) as usize & 63];
    Value::Bytes((0..11).map(digit).chain([b'=']).collect())
}

fn undo(client: &mut Client, tids: &[u64]) -> Result<Value, (String, Value)> {
    client.begin(1, &[]);
    for tid in tids {
        client.tell("undoa", vec![name(*tid), ONE]);
    }
    client.call("vote", vec![ONE])
}

/// What a client of ZEO sees of a server, by `tests/clients/undo.py`.
#[track_caller]
fn assert_same_as_python(parts: &[&str]) {
    let Some(python) = peers::python() else { return };
    let sandbox = Sandbox::new();
    let server = Server::over(Over::File, Settings::default());
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/undo.py");
    let seen = |of: &str| {
        let outcome = sandbox.command(&python).arg(&script).arg(of).args(parts).output();
        assert_eq!((outcome.status, outcome.stderr.as_str()), (0, ""), "{of}");
        outcome.stdout
    };
    let (ours, pythons) = (seen(&server.port.to_string()), seen("python"));
    let difference = ours.lines().zip(pythons.lines()).find(|(ours, pythons)| ours != pythons);
    assert!(ours == pythons, "first difference: {difference:?}");
}

#[test]
fn client_sees_of_undo_what_it_sees_of_python() {
    assert_same_as_python(&["changes", "refusals", "filters", "merges"]);
}

#[test]
fn client_sees_of_deletion_and_restoring_what_it_sees_of_python() {
    assert_same_as_python(&["changes", "deletions"]);
}

#[test]
fn copies_to_python_and_back_hold_the_same() {
    let Some(python) = peers::python() else { return };
    let sandbox = Sandbox::new();
    let servers = [(); 2].map(|()| Server::over(Over::File, Settings::default()));
    let ports = servers.each_ref().map(|server| server.port.to_string());
    let run = |script: &str, arguments: &[&str]| {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients").join(script);
        let outcome = sandbox.command(&python).arg(script).args(arguments).output();
        assert_eq!((outcome.status, outcome.stderr.as_str()), (0, ""));
        outcome.stdout
    };
    run("undo.py", &[&ports[0], "changes", "refusals", "merges", "deletions"]);
    assert_eq!(run("copies.py", &[&ports[0], &ports[1]]), "52 True\n");
}

#[test]
fn undone_deleted_and_restored_objects_are_invalidated_at_other_clients() {
    for encoding in BOTH {
        let server = Server::over(Over::File, Settings::default());
        let [mut client, mut other] = [(); 2].map(|()| Client::new(server.port, encoding));
        let mut told = |tid: u64, oids: &[u64]| {
            let message = other.told();
            let body = message.body.items().unwrap().to_vec();
            let found: Vec<u64> = body[1].items().unwrap().iter().map(number).collect();
            assert_eq!(
                (message.name.as_str(), number(&body[0]), &found[..]),
                ("invalidateTransaction", tid, oids)
            );
        };
        let one = client.commit(1, &[(1, 0, b"one"), (2, 0, b"one")]);
        told(one, &[1, 2]);
        let two = client.commit(1, &[(1, one, b"two"), (2, one, b"two")]);
        told(two, &[1, 2]);
        assert_eq!(undo(&mut client, &[two]), Ok(client.list(vec![eight(1), eight(2)])));
        let undone = number(&client.call("tpc_finish", vec![ONE]).unwrap());
        told(undone, &[1, 2]);
        assert_eq!(client.load(1), (b"one".to_vec(), undone));
        client.begin(1, &[]);
        client.tell("deleteObject", vec![eight(2), eight(undone), ONE]);
        assert_eq!(client.call("vote", vec![ONE]), Ok(client.list(vec![])));
        let deleted = number(&client.call("tpc_finish", vec![ONE]).unwrap());
        told(deleted, &[2]);
        client.begin(1, &[]);
        client.tell("restorea", vec![eight(2), eight(9), Value::Bytes(b"back".to_vec()), Value::None, ONE]);
        assert_eq!(client.call("vote", vec![ONE]), Ok(client.list(vec![])));
        let restored = number(&client.call("tpc_finish", vec![ONE]).unwrap());
        told(restored, &[2]);
        assert_eq!(client.load(2), (b"back".to_vec(), restored));
        let changes = client.call("getInvalidations", vec![eight(two)]).unwrap();
        let Some([last, oids]) = changes.items() else { panic!("{changes:?}") };
        assert_eq!((number(last), oids.items().map(<[Value]>::len)), (restored, Some(2)));
        // Nothing would be a record that says that the object is gone.
        for (method, data) in [("storea", ""), ("restorea", "")] {
            client.begin(1, &[]);
            let data = Value::Bytes(data.into());
            let mut arguments = vec![eight(2), eight(restored), data, ONE];
            if method == "restorea" {
                arguments.insert(3, Value::None);
            }
            client.tell(method, arguments);
            client.call("vote", vec![ONE]).unwrap_err();
            client.call("tpc_abort", vec![ONE]).unwrap();
        }
        assert_eq!(client.load(2), (b"back".to_vec(), restored));
    }
}

#[test]
fn refused_undo_names_the_objects_in_either_encoding() {
    for encoding in BOTH {
        let server = Server::over(Over::File, Settings::default());
        let mut client = Client::new(server.port, encoding);
        let one = client.commit(1, &[(1, 0, b"one")]);
        client.commit(1, &[(1, one, b"two")]);
        let (exception, arguments) = undo(&mut client, &[one]).unwrap_err();
        assert_eq!(exception, "ZODB.POSException.MultipleUndoErrors");
        let errors = arguments.get("_errs").and_then(Value::items).unwrap();
        let [Value::Tuple(error)] = errors else { panic!("{errors:?}") };
        assert_eq!(error[0], eight(1));
        let state = match &error[1] {
            Value::Call(call) => &call.arguments.items().unwrap()[1],
            Value::Tuple(pair) => {
                assert_eq!(pair[0], text("ZODB.POSException.UndoError"));
                &pair[1]
            }
            other => panic!("{other:?}"),
        };
        let reason = "Can't undo an add transaction followed by conflicting transactions.";
        assert_eq!(state.get("_reason"), Some(&text(reason)));
        // The transaction is over, and the lock free.
        assert_eq!(client.call("tpc_abort", vec![ONE]), Ok(Value::None));
        let (exception, arguments) = undo(&mut client, &[one + 1]).unwrap_err();
        assert_eq!(exception, "ZODB.POSException.UndoError");
        assert_eq!(arguments.get("_reason"), Some(&text("Invalid transaction id")));
        client.commit(2, &[(2, 0, b"other")]);
    }
}

#[test]
fn storage_without_undo_says_so() {
    for (over, undoes) in [(Over::Memory, false), (Over::File, true)] {
        let server = Server::over(over, Settings::default());
        let mut client = Client::new(server.port, BOTH[0]);
        let tid = client.commit(1, &[(1, 0, b"one")]);
        let info = client.call("get_info", vec![]).unwrap();
        assert_eq!(info.get("supportsUndo"), Some(&Value::Bool(undoes)));
        let log = client.call("undoLog", vec![Value::Int(0), Value::Int(-20)]).unwrap();
        assert_eq!(log.items().unwrap().len(), usize::from(undoes));
        if !undoes {
            assert_eq!(log, Value::Tuple(vec![]));
            let (exception, arguments) = undo(&mut client, &[tid]).unwrap_err();
            assert_eq!(exception, "builtins.TypeError");
            assert_eq!(arguments, Value::Tuple(vec![text("undo is not offered by this storage")]));
            client.call("tpc_abort", vec![ONE]).unwrap();
            client.commit(1, &[(2, 0, b"two")]);
        }
    }
}

#[test]
fn entries_are_filtered_by_prefix_and_by_text() {
    let server = Server::over(Over::File, Settings::default());
    let mut client = Client::new(server.port, BOTH[0]);
    for (n, user) in ["/a/b ann", "/a bob", "/c ann"].into_iter().enumerate() {
        let begin = vec![ONE, Value::Bytes(user.into()), Value::Bytes(b"note".to_vec()), Value::Dict(vec![])];
        let begin = [begin, vec![Value::None, text(" ")]].concat();
        client.tell("tpc_begin", begin);
        client.store(1, n as u64 + 1, 0, b"x");
        client.call("vote", vec![ONE]).unwrap();
        client.call("tpc_finish", vec![ONE]).unwrap();
    }
    // ZopeUndo.Prefix.Prefix(path), as Zope's undo form sends it.
    let prefix = |path: &str| {
        let length = i64::try_from(path.len()).unwrap();
        let value = Value::Tuple(vec![Value::Int(length), text(path)]);
        Value::Call(Box::new(Call {
            callable: Value::Global { module: "ZopeUndo.Prefix".into(), name: "Prefix".into() },
            arguments: Value::Tuple(vec![]),
            new: true,
            state: Some(Value::Dict(vec![(text("value"), value)])),
        }))
    };
    let bytes = |bytes: &str| Value::Bytes(bytes.into());
    for (key, wanted, users) in [
        ("user_name", prefix("/a"), &["/a bob", "/a/b ann"][..]),
        ("user_name", prefix("/a/"), &["/a/b ann"]),
        ("user_name", prefix(""), &["/c ann", "/a bob", "/a/b ann"]),
        ("user_name", prefix("ann"), &[]),
        ("user_name", text("/c ann"), &["/c ann"]),
        ("description", bytes("note"), &["/c ann", "/a bob", "/a/b ann"]),
        ("description", Value::Int(1), &[]),
    ] {
        let filter = Value::Dict(vec![(text(key), wanted)]);
        let found = client.call("undoInfo", vec![Value::Int(0), Value::Int(-20), filter]).unwrap();
        let found: Vec<_> =
            found.items().unwrap().iter().map(|entry| entry.get("user_name").unwrap().clone()).collect();
        assert_eq!(found, users.iter().map(|user| bytes(user)).collect::<Vec<_>>());
    }
}
