//! Instances that listen at several addresses.

use std::path::Path;

use super::{Instance, STOPPED, Server};
use crate::peers;
use crate::sandbox::Sandbox;
use crate::sandbox::run::Run;

/// A client of a server at some address.
fn client(sandbox: &Sandbox, python: &Path, command: &str, address: &str, arguments: &[&str]) -> Run {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/objects.py");
    sandbox.command(python).arg(script).arg(command).arg(address).args(arguments)
}

#[test]
fn instance_with_several_addresses_serves_the_same_data_at_each() {
    let Some(python) = peers::python() else { return };
    let sandbox = Sandbox::new();
    let (home, ports) = (sandbox.path("zeo"), [sandbox.port(), sandbox.port()]);
    let socket = home.join("var/zeo sock").display().to_string();
    let addresses = [format!("127.0.0.1:{}", ports[0]), format!("127.0.0.1:{}", ports[1]), socket];
    let run = sandbox.mkzeoinst().arg("--start").arg(&home).arg(&addresses[0]);
    let listening = format!("ZEO server is listening on {}\n...\n", addresses.join(", "));
    run.args(["-a", &addresses[1], "-a", "var/zeo sock"]).stdout(format!("...\n{listening}")).run();
    client(&sandbox, &python, "make", &addresses[0], &["a", "b"]).run();
    client(&sandbox, &python, "commit", &addresses[1], &["a", "60"]).stdout("a: committed 60\n").run();
    client(&sandbox, &python, "commit", &addresses[2], &["b", "10"]).stdout("b: committed 10\n").run();
    for address in &addresses {
        client(&sandbox, &python, "read", address, &[]).stdout("a: read 60\nb: read 10\n").run();
    }

    // A run that names none keeps them all, and knows its own server on each; a run that starts what runs waits for each.
    let again = sandbox.mkzeoinst().args(["--start", "--update"]).arg(&home);
    let running = format!("All done.\n[..]daemon process already running; pid=[..]\n{listening}");
    again.stdout(running).run();

    let zeoctl = |action| sandbox.command(home.join("bin/zeoctl")).arg(action);
    zeoctl("check").stdout("[..]\n").run();
    zeoctl("stop").stdout(STOPPED).run();
    sandbox.assert_no_process_left();
    assert!(super::sockets_below(sandbox.root()).is_empty());
}

#[test]
fn several_addresses_are_too_many_for_the_server_of_python_and_one_socket_is_not() {
    let Some(python) = peers::python() else { return };
    let sandbox = Sandbox::new();
    let server = python.with_file_name("runzeo");
    let make = |home: &str, addresses: &[&str]| {
        let port = sandbox.port().to_string();
        let several = addresses.iter().flat_map(|address| ["-a", address]);
        sandbox
            .mkzeoinst()
            .arg("--server")
            .arg(&server)
            .args([home, &port])
            .args(several)
            .stdout("...\nAll done.\n")
    };
    let why = "is a Python program; Python's ZEO server takes no second address";
    let warning = format!("mkzeoinst: warning: {} {why}\n", server.display());
    make("zeo", &["var/zeo.sock"]).stderr(warning).run();
    let refused = sandbox.command(&server).args(["-C", "zeo/etc/zeo.conf"]).output();
    assert!(refused.status != 0 && refused.stderr.contains("address"), "{refused:?}");

    let run = sandbox.mkzeoinst().arg("--server").arg(&server).args(["--start", "one", "var/zeo.sock"]);
    let socket = sandbox.path("one/var/zeo.sock").display().to_string();
    run.stdout(format!("...\nZEO server is listening on {socket}\n...\n")).run();
    client(&sandbox, &python, "make", &socket, &["a"]).run();
    client(&sandbox, &python, "read", &socket, &[]).stdout("a: read 0\n").run();
    sandbox.command(sandbox.path("one/bin/zeoctl")).arg("stop").stdout(STOPPED).run();
    sandbox.assert_no_process_left();
}

#[test]
fn address_that_is_added_is_served_after_an_update_and_a_restart() {
    let Some(python) = peers::python() else { return };
    let sandbox = Sandbox::new();
    let instance = Instance::make(&sandbox, &python, sandbox.path("zeo"), Server::Ours);
    instance.start();
    instance.client("make", ["a"]).run();
    let (first, second) = (format!("127.0.0.1:{}", instance.port), format!("127.0.0.1:{}", sandbox.port()));
    let update = sandbox.mkzeoinst().args(["--update", "zeo", &first, "-a", &second]);
    let conf = instance.home.join("etc/zeo.conf");
    let updated = format!("Updated file {}\nAll done.\n", conf.display());
    update.stdout(updated).run();
    instance.zeoctl("restart").stdout("[..]daemon process restarted, pid=[..]\n").run();
    for address in [&first, &second] {
        client(&sandbox, &python, "read", address, &[]).stdout("a: read 0\n").run();
    }
    instance.stop();
}
