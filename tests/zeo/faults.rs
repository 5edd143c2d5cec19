//! Faults of this program itself: they end the one client that they concern, or the process where others rely on it.

use std::env;
use std::process::{Command, Stdio};

use zeo_server::pickle::Value;
use zeo_server::storage::Oid;
use zeo_server::zeo::Settings;

use super::client::{Client, Encoding, MAX, eight};
use super::probed::{About, Probed};
use super::server::Server;
use crate::sandbox::{SOON, eventually, forks};

const ONE: Value = Value::Int(1);

/// The object that cannot be loaded or stored.
const ILL: Oid = Oid(0xbad);

/// A server over a storage with a fault.
fn server(is_fault: fn(About<'_>) -> bool) -> Server {
    let storage = Probed::new(move |about| assert!(!is_fault(about), "injected"));
    Server::with(tempfile::tempdir().expect("a temporary directory"), storage, Settings::default())
}

fn status(client: &mut Client, key: &str) -> Option<i64> {
    client.call("server_status", vec![]).expect("a status").get(key).and_then(Value::as_int)
}

/// The call fails in a fault when the client holds the lock, in line, or has nothing.
#[test]
fn fault_in_one_clients_call_ends_that_client_and_what_it_has() {
    let server = server(|about| matches!(about, About::Load(ILL) | About::History(ILL, _)));
    let mut watcher = Client::new(server.port, Encoding::Pickle);
    let calls = [("loadBefore", vec![eight(ILL.0), eight(MAX)]), ("history", vec![eight(ILL.0), ONE])];
    for (faults, (method, arguments)) in (1..).zip(calls) {
        let [mut holder, mut next, mut last] = [(); 3].map(|()| Client::new(server.port, Encoding::Pickle));
        holder.begin(1, &[(faults, 0, b"lost")]);
        holder.call("vote", vec![ONE]).unwrap();
        for (waiting, client) in (1..).zip([&mut next, &mut last]) {
            client.begin(1, &[(faults, 0, b"kept")]);
            client.ask("vote", vec![ONE]);
            eventually(SOON, || status(&mut watcher, "waiting") == Some(waiting));
        }
        let ill = [&mut next, &mut holder].map(|client| {
            let address = client.stream.local_addr().unwrap();
            client.ask(method, arguments.clone());
            client.assert_closed();
            address
        });
        assert_eq!(last.answer(&Value::Int(2)), Ok(Value::List(vec![])), "{method}");
        last.call("tpc_finish", vec![ONE]).unwrap();
        assert_eq!(watcher.load(faults).0, b"kept");
        eventually(SOON, || status(&mut watcher, "connections") == Some(2));
        assert_eq!(
            (status(&mut watcher, "active_txns"), status(&mut watcher, "waiting")),
            (Some(0), Some(0))
        );
        for address in ill {
            let line =
                format!("ERROR ZEO.asyncio.server ({address}) disconnected: a fault of this program\n");
            server.assert_logs(&line);
            assert_eq!(server.log().matches(&format!("({address}) disconnected")).count(), 1);
        }
    }
    assert!(!server.log().contains("CRITICAL"), "{}", server.log());
}

#[test]
fn fault_in_a_vote_is_an_error_reply_and_frees_the_lock() {
    let server = server(|about| match about {
        About::Vote(oids, _) => oids.contains(&ILL),
        _ => false,
    });
    let mut client = Client::new(server.port, Encoding::Pickle);
    client.begin(1, &[(ILL.0, 0, b"x")]);
    let (name, _) = client.call("vote", vec![ONE]).unwrap_err();
    assert_eq!(name, "ZODB.POSException.StorageTransactionError");
    let told = "vote: ZODB.POSException.StorageTransactionError";
    server.assert_logs(told);
    assert_eq!(server.log().matches(told).count(), 1);
    let mut other = Client::new(server.port, Encoding::Pickle);
    other.commit(1, &[(1, 0, b"y")]);
    client.commit(2, &[(2, 0, b"z")]);
    assert_eq!((status(&mut client, "active_txns"), status(&mut client, "commits")), (Some(0), Some(2)));
}

/// Says which part of this test is to be played by this process.
const PART: &str = "ZEO_TEST_LOCK_FAULT";

fn play(part: &str) {
    let server = server(|about| matches!(about, About::Finish | About::Abort));
    let mut client = Client::new(server.port, Encoding::Pickle);
    client.begin(1, &[(1, 0, b"x")]);
    client.call("vote", vec![ONE]).unwrap();
    match part {
        "finish" => drop(client.ask("tpc_finish", vec![ONE])),
        "abort" => drop(client.ask("tpc_abort", vec![ONE])),
        _ => client.vanish(),
    }
    // Longer than it is waited for.
    eventually(SOON, || false);
}

/// The lock would stay taken, with nobody to say so.
#[test]
fn fault_with_the_commit_lock_ends_the_process_with_a_line() {
    if let Ok(part) = env::var(PART) {
        return play(&part);
    }
    for (part, doing) in
        [("finish", "finishing a transaction"), ("abort", "taking back a vote"), ("go", "taking back a vote")]
    {
        let place = tempfile::tempdir().unwrap();
        let mut child = Command::new(env::current_exe().unwrap());
        child.args(["--exact", "zeo::faults::fault_with_the_commit_lock_ends_the_process_with_a_line"]);
        child.args(["--nocapture"]).env(PART, part).env("TMPDIR", place.path()).stdout(Stdio::null());
        let output = forks::output(&mut child).unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{told}");
        assert!(told.contains("injected"), "{told}");
        let log = std::fs::read_dir(place.path()).unwrap().next().unwrap().unwrap().path().join("log");
        let log = std::fs::read_to_string(log).unwrap();
        let line = format!(
            "CRITICAL ZEO.StorageServer a fault of this program in {doing}; it ends, to be started again\n"
        );
        assert_eq!((log.matches(&line).count(), log.matches("CRITICAL").count()), (1, 1), "{log}");
    }
}
