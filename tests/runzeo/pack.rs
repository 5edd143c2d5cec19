//! Packs of a live server.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::Server;
use crate::peers;
use crate::sandbox::{SOON, Sandbox, eventually, matches};

#[test]
fn python_client_packs_and_all_clients_see_it() {
    let Some(python) = peers::python() else { return };
    let sandbox = Sandbox::new();
    let server = Server::start(&sandbox, sandbox.port());
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/pack.py");
    let outcome = sandbox.command(&python).arg(script).arg(server.port.to_string()).output();
    let expected = "smaller: True True\nhistory: 2 1\nlast: True\nremoved: POSKeyError\nother client: True\n\
                    refused: ('builtins.ValueError', ('the time of a pack is no number',))\nobjects: 149505\n";
    assert_eq!((outcome.status, outcome.stdout.as_str(), outcome.stderr.as_str()), (0, expected, ""));
    assert!(sandbox.path("Data.fs.old").exists());
    let said = server.stop();
    let lines = "...\n------\n[..] INFO ZEO.StorageServer ([..]) pack(time=[..]) started...\n\
                 ...\n------\n[..] INFO ZEO.StorageServer ([..]) pack(time=[..]) complete\n\
                 ------\n[..] INFO ZEO.StorageServer ([..]) storage '1' was [..] bytes and is [..] bytes after [..] seconds\n\
                 ...\n------\n[..] INFO ZEO.StorageServer ([..]) storage '1' had nothing to remove\n...\n";
    assert!(matches(lines, &said), "{said}");
    // Python finds nothing wrong with the file.
    let check = sandbox.command(&python).args(["-m", "ZODB.scripts.fstest", "Data.fs"]).output();
    assert_eq!((check.status, check.stdout.as_str()), (0, ""), "{}", check.stderr);
}

#[test]
fn pack_of_a_read_only_storage_is_refused_and_one_with_nothing_to_do_does_nothing() {
    let sandbox = Sandbox::new();
    let server = Server::start(&sandbox, sandbox.port());
    let mut client = server.client();
    client.commit(&[(0, 0, b"N.N.")]).unwrap().unwrap();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap() + Duration::from_secs(1);
    client.pack(now.as_secs_f64(), true).unwrap().unwrap();
    server.stop();
    assert!(fs::metadata(sandbox.path("Data.fs.old")).is_err(), "there was nothing to remove");
    let configuration = "<zeo>\n  address 127.0.0.1:PORT\n</zeo>\n<filestorage>\n  path Data.fs\n  read-only true\n</filestorage>\n";
    let port = sandbox.port();
    sandbox.write("zeo.conf", configuration.replace("PORT", &port.to_string()));
    let running = sandbox.runzeo().args(["-C", "zeo.conf"]).spawn();
    eventually(SOON, || super::wire::Client::connect_to_read(port).is_ok());
    let mut client = super::wire::Client::connect_to_read(port).unwrap();
    let (name, _) = client.pack(0.0, true).unwrap().unwrap_err();
    assert_eq!(name, "ZODB.POSException.ReadOnlyError");
    running.signal(nix::sys::signal::Signal::SIGTERM);
    assert_eq!(running.wait(SOON).status, 0);
}
