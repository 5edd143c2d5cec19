//! A pack as clients and monitors see it while it runs.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use zeo_server::pickle::Value;
use zeo_server::storage::PackPhase;
use zeo_server::zeo::Settings;

use super::client::{Client, Encoding};
use super::probed::{About, Probed};
use super::server::Server;
use super::walks::{Gate, others_are_served};
use crate::sandbox::{SOON, eventually};

/// What the monitor is told of the storage's pack.
fn status_of_pack(server: &Server) -> serde_json::Value {
    let mut monitor = Client::silent(server.port);
    monitor.put(b"ruok");
    let status: serde_json::Value = serde_json::from_slice(&monitor.frame().expect("a status")).unwrap();
    status["1"]["pack"].clone()
}

#[test]
fn pack_that_takes_long_says_how_far_it_is_and_holds_nobody_up() {
    let gate = Arc::new(Gate::default());
    let closed = gate.clone();
    let storage = Probed::new(move |about| {
        if let About::Pack(progress) = about {
            progress.begin(PackPhase::Copying, 200);
            progress.advance(50).unwrap();
            closed.pass();
        }
    });
    let server = Server::with(tempfile::tempdir().unwrap(), storage, Settings::default());
    let mut client = Client::new(server.port, Encoding::Pickle);
    assert_eq!(status_of_pack(&server), serde_json::Value::Null);
    let asked = client.ask("pack", vec![Value::Float(1e9), Value::Bool(true)]);
    eventually(SOON, || gate.at_it.load(Ordering::SeqCst) == 1);
    others_are_served(&server);
    eventually(SOON, || {
        let pack = status_of_pack(&server);
        (&pack["phase"], &pack["done"], &pack["total"]) == (&"copying".into(), &50.into(), &200.into())
    });
    server.assert_logs("INFO ZEO.StorageServer packing storage '1': copying: 25 %, 50 of 200 bytes");
    let doing = "packing storage '1': copying: 25 %, 50 of 200 bytes";
    eventually(SOON, || matches!(&server.announced()[..], [.., Some(last)] if last.starts_with(doing)));
    gate.open();
    assert_eq!(client.answer(&asked), Ok(Value::None));
    assert_eq!(status_of_pack(&server), serde_json::Value::Null);
    assert_eq!(server.announced().last(), Some(&None));
    server.assert_logs("pack(time=1000000000) complete");
    // Without waiting for it.
    assert_eq!(client.call("pack", vec![Value::Int(1), Value::Bool(false)]), Ok(Value::None));
    eventually(SOON, || gate.at_it.load(Ordering::SeqCst) == 2);
}
