//! `status -l` and `status --json`.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
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
fn line_of_a_program_that_runs_is_had_without_the_manager() {
    let sandbox = Sandbox::new();
    let zdctl = || zdctl(&sandbox, SLEEP);
    let pid = zdctl().arg("start").stdout("daemon process started, pid=[..]\n").run().pid();
    let record = zdctl().args(["status", "-l"]).output().stdout;
    let manager = record.lines().find_map(|line| line.strip_prefix("manager=")).expect("its number");
    let manager = Pid::from_raw(manager.parse().expect("a number"));
    let up = format!("program running; pid={pid}\n");
    // No request can come to it: it listens at another name.
    std::fs::rename(sandbox.path("sock"), sandbox.path("elsewhere")).expect("the socket is there");
    // It is not believed while it works.
    eventually(SOON, || zdctl().arg("status").output().stdout == up);
    let other = format!(
        "WARNING! zdrun is managing a different program!\nour program   = ['other']\n\
         daemon's args = ['sleep', '1000']\n{up}"
    );
    super::zdctl(&sandbox, "other").arg("status").stdout(other).run();
    // One that was stopped, as one that hangs, is asked.
    kill(manager, Signal::SIGSTOP).expect("the manager lives");
    eventually(SOON, || zdctl().arg("status").output().stdout == "daemon manager not running\n");
    // So is that of a program that has ended and has not been waited for.
    kill(Pid::from_raw(pid.cast_signed()), Signal::SIGKILL).expect("the program lives");
    eventually(SOON, || zdctl().arg("status").output().status == 3);
    kill(manager, Signal::SIGCONT).expect("the manager lives");
    std::fs::rename(sandbox.path("elsewhere"), sandbox.path("sock")).expect("the socket is there");
    eventually(SOON, || zdctl().arg("status").output().stdout.starts_with("program running; pid="));
    zdctl().arg("stop").stdout("daemon process stopped\n").run();
}
