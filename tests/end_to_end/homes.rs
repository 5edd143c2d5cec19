//! Instance homes with hostile names, and `bin/zeoctl` in unusual places.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use super::{Instance, SERVERS, STARTED, Server};
use crate::peers;
use crate::sandbox::{Sandbox, forks};

/// A name with all that means something to a shell or to the configuration language.
const HOSTILE: &str = r#"-a  b'c"d$HOME${x}$(y)`z`%e #f\g;h&i*é"#;

#[test]
fn instance_in_a_home_with_a_hostile_name_starts_and_answers_and_stops() {
    let Some(python) = peers::python() else { return };
    for server in SERVERS {
        let sandbox = Sandbox::new();
        let instance = Instance::make(&sandbox, &python, sandbox.path(HOSTILE), server);
        let pid = instance.start();
        instance.zeoctl("status").stdout(format!("program running; pid={pid}\n")).run();
        instance.client("make", ["only"]).run();
        instance.client("commit", ["only", "10"]).stdout("only: committed 10\n").run();
        assert!(sandbox.path(HOSTILE).join("var/Data.fs").exists(), "the data went elsewhere");
        instance.stop();
    }
}

#[test]
fn copy_and_symlink_of_the_script_control_the_instance_from_anywhere() {
    let Some(python) = peers::python() else { return };
    let sandbox = Sandbox::new();
    let instance = Instance::make(&sandbox, &python, sandbox.path("it's my zeo"), Server::Ours);
    let script = instance.home.join("bin/zeoctl");
    let copy = place(&sandbox, "init.d/zeo");
    forks::apart(|| fs::copy(&script, &copy)).expect("the script can be copied");
    let link = place(&sandbox, "rc3.d/S90zeo");
    symlink("../init.d/zeo", &link).expect("a new link can be made");
    let alias = place(&sandbox, "bin/zeoctl");
    symlink(&script, &alias).expect("a new link can be made");

    let started = sandbox.command(&link).arg("start").current_dir("/").stdout(STARTED).run();
    let running = format!("program running; pid={}\n", started.pid());
    sandbox.command(&copy).arg("status").current_dir(sandbox.path("bin")).stdout(running.as_str()).run();
    sandbox.command("./zeoctl").arg("status").current_dir(sandbox.path("bin")).stdout(running).run();
    instance.stop();
}

/// A path in a new directory.
fn place(sandbox: &Sandbox, relative: &str) -> PathBuf {
    let path = sandbox.path(relative);
    fs::create_dir(path.parent().expect("it has one")).expect("the directory is new");
    path
}
