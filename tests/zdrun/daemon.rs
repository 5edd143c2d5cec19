//! Daemon mode: what the manager and its program are to the system.

use std::os::unix::fs::MetadataExt;

use super::*;

/// Field `number` (proc(5), `/proc/PID/stat`), counted from 1.
fn stat(pid: i32, number: usize) -> i32 {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).expect("it lives");
    let after_name = text.rsplit(')').next().expect("a name in parentheses");
    after_name.split_whitespace().nth(number - 3).and_then(|field| field.parse().ok()).expect("a number")
}

const PARENT: usize = 4;
const GROUP: usize = 5;
const SESSION: usize = 6;
const TERMINAL: usize = 7;

fn descriptors(pid: i32) -> Vec<(String, PathBuf)> {
    let mut open: Vec<_> = fs::read_dir(format!("/proc/{pid}/fd"))
        .expect("it lives")
        .filter_map(Result::ok)
        .map(|entry| {
            let target = fs::read_link(entry.path()).unwrap_or_default();
            (entry.file_name().to_string_lossy().into_owned(), target)
        })
        .collect();
    open.sort();
    open
}

#[test]
fn daemon_leaves_its_starter_and_the_program_leads_its_own_session() {
    let sandbox = Sandbox::new();
    let manager = Manager::start(&sandbox, &[], SLEEP);
    let (own, program) = (manager.manager_pid(), manager.pid());
    assert_eq!((stat(own, SESSION), stat(own, TERMINAL)), (own, 0));
    assert_eq!(stat(program, PARENT), own);
    assert_eq!((stat(program, GROUP), stat(program, SESSION)), (program, program));
}

#[test]
fn program_has_the_null_device_a_pipe_and_nothing_else_open() {
    let sandbox = Sandbox::new();
    let manager = Manager::start(&sandbox, &[], SLEEP);
    let null = |name: &str| (name.to_owned(), PathBuf::from("/dev/null"));
    let program = manager.pid();
    let kinds = || {
        let open = descriptors(program).into_iter();
        open.map(|(name, target)| (name, target.display().to_string())).collect::<Vec<_>>()
    };
    // A program may have a file open for a moment while it starts.
    let open = eventually_some(SOON, || Some(kinds()).filter(|open| open.len() == 3));
    assert_eq!(open[0], ("0".to_owned(), "/dev/null".to_owned()));
    assert!(open[1].1.starts_with("pipe:[") && open[1].1 == open[2].1, "{open:?}");
    let own = descriptors(manager.manager_pid());
    for name in ["0", "1", "2"] {
        assert!(own.contains(&null(name)), "{own:?}");
    }
}

#[test]
fn descriptors_left_open_by_the_starter_are_not_kept() {
    let sandbox = Sandbox::new();
    let script = format!(
        "exec 7>held; flock -n 7 || exit 9; exec '{}' -d -s sock sleep 1000",
        env!("CARGO_BIN_EXE_zdrun")
    );
    sandbox.command("bash").args(["-c", &script]).run();
    sandbox.command("flock").args(["-n", "held", "true"]).run();
}

#[test]
fn program_begins_with_no_signal_ignored_or_blocked() {
    let sandbox = Sandbox::new();
    // nohup ignores SIGHUP for what it starts.
    let script = format!("nohup '{}' -d -s sock sleep 1000", env!("CARGO_BIN_EXE_zdrun"));
    sandbox.command("sh").args(["-c", &script]).run();
    let manager = Manager { sandbox: &sandbox, socket: sandbox.path("sock") };
    let status = fs::read_to_string(format!("/proc/{}/status", manager.pid())).expect("it lives");
    for name in ["SigBlk", "SigIgn"] {
        let line = status.lines().find(|line| line.starts_with(name)).expect("it is listed");
        assert_eq!(line.split_whitespace().nth(1), Some("0000000000000000"), "{line}");
    }
}

#[test]
fn directory_and_umask_are_the_programs() {
    let sandbox = Sandbox::new();
    fs::create_dir(sandbox.path("work")).expect("a directory");
    let script = "echo x > made; pwd > where; exec sleep 1000";
    let work = sandbox.path("work").display().to_string();
    let _manager = Manager::start(&sandbox, &["-z", &work, "-m", "027"], &["sh", "-c", script]);
    let seen = eventually_some(SOON, || {
        fs::read_to_string(sandbox.path("work/where")).ok().filter(|s| s.ends_with('\n'))
    });
    assert_eq!(seen, format!("{work}\n"));
    assert_eq!(fs::metadata(sandbox.path("work/made")).expect("it is there").mode() & 0o777, 0o640);
}

#[test]
fn relative_names_are_from_where_the_manager_was_started() {
    let sandbox = Sandbox::new();
    fs::create_dir(sandbox.path("work")).expect("a directory");
    let script = sandbox.write("prog", "#!/bin/sh\nexec sleep 1000\n");
    fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("a mode");
    sandbox.zdrun().args(["-d", "-s", "sock", "-z", "work/", "./prog", "arg"]).run();
    let manager = Manager { sandbox: &sandbox, socket: sandbox.path("sock") };
    let status = manager.status();
    assert_eq!(status["filename"], format!("'{}'", script.display()));
    assert_eq!(status["args"], "['./prog', 'arg']");
}

#[test]
fn exit_status_of_the_starter_tells_whether_the_program_runs() {
    let sandbox = Sandbox::new();
    let bad = sandbox.write("bad", "#!/no/interpreter\n");
    fs::set_permissions(&bad, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("a mode");
    let plain = sandbox.write("plain", "text");
    let at = |path: &Path| path.display().to_string();
    for mode in [&["-d"][..], &[]] {
        for (program, status, complaint) in [
            ("/no/such", 2, "can't stat program '/no/such': No such file or directory".to_owned()),
            ("no-such-program", 2, "can't find program 'no-such-program' on PATH '[..]'".to_owned()),
            (&at(&plain), 2, format!("no permission to run program '{}'", at(&plain))),
            ("/tmp", 2, "no permission to run program '/tmp'".to_owned()),
            (&at(&bad), 1, format!("can't exec '{}': its interpreter is missing", at(&bad))),
        ] {
            // At the terminal the log is there too.
            let quits = status == 1 && mode.is_empty();
            let quits = if quits { "zdrun: restarting too frequently; quit\n" } else { "" };
            let complaint = format!("zdrun: {complaint}\n{quits}");
            let run = sandbox.zdrun().args(mode).args(["-b", "1", "-s", "sock", program]);
            run.status(status).stderr(complaint).run();
        }
    }
    sandbox.assert_no_process_left();
    assert!(!sandbox.path("sock").exists() && !sandbox.path("sock.lock").exists());
}

#[test]
fn user_that_does_not_exist_is_refused() {
    let sandbox = Sandbox::new();
    let run = sandbox.zdrun().args(["-d", "-s", "sock", "-u", "no-such-user"]).args(SLEEP);
    run.status(2).stderr("zdrun: user 'no-such-user' not found\n").run();
}

#[test]
fn program_runs_as_the_user_with_no_group_of_roots() {
    let sandbox = Sandbox::new();
    if !nix::unistd::geteuid().is_root() {
        eprintln!("skipped: only root can become somebody else");
        return;
    }
    let nobody = nix::unistd::User::from_name("nobody").expect("a database").expect("every system has it");
    let run = sandbox.path("run");
    fs::create_dir(&run).expect("a directory");
    let opened = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(sandbox.root(), opened).expect("a mode");
    nix::unistd::chown(&run, Some(nobody.uid), Some(nobody.gid)).expect("root may");
    let socket = run.join("sock");
    sandbox.zdrun().args(["-d", "-u", "nobody", "-s"]).arg(&socket).args(SLEEP).run();
    let manager = Manager { sandbox: &sandbox, socket };
    assert_eq!(fs::metadata(&manager.socket).expect("it is there").uid(), nobody.uid.as_raw());
    let status = fs::read_to_string(format!("/proc/{}/status", manager.pid())).expect("it lives");
    let field = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name)).expect("it is listed");
        line.split_whitespace().skip(1).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(field("Uid:"), vec![nobody.uid.to_string(); 4]);
    assert_eq!(field("Gid:"), vec![nobody.gid.to_string(); 4]);
    assert_eq!(field("Groups:"), vec![nobody.gid.to_string()]);
}
