//! `status -l` and `status --json`.

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use super::*;

fn object(zdctl: Run, status: i32) -> Value {
    let outcome = zdctl.args(["status", "--json"]).output();
    assert_eq!((outcome.status, outcome.stderr.as_str()), (status, ""), "{outcome:?}");
    assert_eq!(outcome.stdout.lines().count(), 1, "{outcome:?}");
    serde_json::from_str(&outcome.stdout).expect("JSON")
}

#[test]
fn json_tells_all_that_is_known() {
    let sandbox = Sandbox::new();
    let zdctl = || zdctl(&sandbox, LASTS_ONCE);
    let none = object(zdctl(), 3);
    assert_eq!(
        (&none["state"], &none["pid"], &none["uptime"]),
        (&json!("no-manager"), &json!(null), &json!(null))
    );
    let pid = zdctl().arg("start").stdout("daemon process started, pid=[..]\n").run().pid();
    let up = object(zdctl(), 0);
    assert_eq!((&up["state"], &up["pid"], &up["ready"]), (&json!("running"), &json!(pid), &json!(true)));
    assert_eq!((&up["restarts"], &up["last_exit"], &up["next_try"]), (&json!(0), &json!(null), &json!(null)));
    assert_eq!(up["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(up["program"][0], "sh");
    assert!(up["uptime"].as_f64().is_some_and(|uptime| (0.9..60.0).contains(&uptime)), "{up}");
    assert!(up["started"].as_str().is_some_and(|time| time.ends_with("+00:00")), "{up}");
    sandbox.write("end", "");
    let waiting = eventually_some(SOON, || {
        let seen = zdctl().args(["status", "--json"]).output();
        let object: Value = serde_json::from_str(&seen.stdout).expect("JSON");
        let waits = object["state"] == "backoff" && object["backoff"] == 2;
        waits.then(|| assert_eq!((seen.status, seen.stderr.as_str()), (3, ""))).map(|()| object)
    });
    assert_eq!(waiting["should_be_up"], json!(true));
    assert_eq!((&waiting["last_exit"], &waiting["restarts"]), (&json!("exit status 3"), &json!(1)));
    assert!(waiting["next_try_in"].as_f64().is_some_and(|seconds| seconds <= 2.0), "{waiting}");
    assert!(waiting["next_try"].as_str().is_some_and(|time| time.contains('T')), "{waiting}");
    zdctl().arg("stop").stdout("daemon process stopped\n").run();
}

#[test]
fn json_is_not_spoilt_by_a_warning() {
    let sandbox = Sandbox::new();
    zdctl(&sandbox, SLEEP).arg("start").stdout("daemon process started, pid=[..]\n").run();
    assert_eq!(object(zdctl(&sandbox, "sleep 999"), 0)["program"], json!(["sleep", "1000"]));
}

#[test]
fn long_status_is_explained_after_the_record() {
    let sandbox = Sandbox::new();
    let zdctl = || zdctl(&sandbox, LASTS_ONCE);
    zdctl().arg("status").arg("-l").stdout("daemon manager not running\n").status(3).run();
    zdctl().arg("start").stdout("daemon process started, pid=[..]\n").run();
    let up = "program running; pid=[..]\nstatus=running\n...\n\nuptime: 00:00:[..]\nrestarts: 0\n";
    zdctl().args(["status", "-l"]).stdout(up).run();
    sandbox.write("end", "");
    let down = "daemon manager running; daemon process not running\nstatus=stopped\n...\n\nrestarts: [..]\n\
        last exit: exit status 3\nnext try: in [..] s, at [..]+00:00\n";
    eventually(SOON, || matches(down, &zdctl().args(["status", "-l"]).output().stdout));
    zdctl().arg("stop").stdout("daemon process stopped\n").run();
}

#[test]
fn manager_that_was_stopped_is_asked_and_reported_and_goes_on() {
    let sandbox = Sandbox::new();
    let zdctl = || zdctl(&sandbox, SLEEP);
    let pid = zdctl().arg("start").stdout("daemon process started, pid=[..]\n").run().pid();
    sandbox.signal_manager(Signal::SIGSTOP);
    let why = "zdctl: daemon manager does not answer; waited 8 seconds\n";
    let json = zdctl().args(["status", "--json"]).spawn();
    zdctl().arg("status").stderr(why).status(150).run();
    let json = json.wait(SOON);
    assert_eq!((json.status, json.stdout.as_str(), json.stderr.as_str()), (150, "", why));
    sandbox.signal_manager(Signal::SIGCONT);
    zdctl().arg("status").stdout(format!("program running; pid={pid}\n")).run();
    zdctl().arg("stop").stdout("daemon process stopped\n").run();
}
