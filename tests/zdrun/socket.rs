//! The claim to the socket: one manager, whatever is left of others.

use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixListener;

use nix::sys::signal::Signal;

use super::*;
use crate::sandbox::eventually;

#[test]
fn socket_is_private() {
    let sandbox = Sandbox::new();
    let manager = Manager::start(&sandbox, &[], SLEEP);
    let found = fs::symlink_metadata(&manager.socket).expect("it is there");
    assert!(found.file_type().is_socket());
    assert_eq!(found.mode() & 0o7777, 0o700);
    assert_eq!(fs::metadata(manager.lock_file()).expect("it is there").mode() & 0o7777, 0o600);
}

#[test]
fn second_manager_names_the_first_and_changes_nothing() {
    let sandbox = Sandbox::new();
    let manager = Manager::start(&sandbox, &[], SLEEP);
    let (pid, program) = (manager.manager_pid(), manager.pid());
    let socket = manager.socket.display().to_string();
    for mode in [&["-d"][..], &[]] {
        let complaint =
            format!("zdrun: another daemon manager is already using socket '{socket}'; its pid is {pid}\n");
        sandbox.zdrun().args(mode).args(["-s", &socket]).args(SLEEP).status(1).stderr(complaint).run();
    }
    assert_eq!((manager.manager_pid(), manager.pid()), (pid, program));
}

#[test]
fn of_many_managers_at_once_one_stays() {
    let sandbox = Sandbox::new();
    let socket = sandbox.path("sock");
    let racing: Vec<_> =
        (0..12).map(|_| sandbox.zdrun().arg("-d").arg("-s").arg(&socket).args(SLEEP).spawn()).collect();
    let ended: Vec<_> = racing.into_iter().map(|one| one.wait(SOON)).collect();
    let statuses: Vec<_> = ended.iter().map(|one| one.status).collect();
    assert_eq!(statuses.iter().filter(|status| **status == 0).count(), 1, "{statuses:?}");
    for loser in ended.iter().filter(|one| one.status != 0) {
        let told = "zdrun: another daemon manager is already using socket ";
        assert!(loser.status == 1 && loser.stderr.starts_with(told), "{}", loser.stderr);
    }
    // The program, and the manager that has it among its arguments; the others have told of their end before it.
    let programs = || sandbox.leftovers().iter().filter(|line| line.ends_with(" sleep 1000")).count();
    eventually(SOON, || programs() == 2);
}

#[test]
fn socket_of_a_killed_manager_is_replaced() {
    let sandbox = Sandbox::new();
    let first = Manager::start(&sandbox, &[], SLEEP);
    let (manager, program) = (first.manager_pid(), first.pid());
    signal(manager, Signal::SIGKILL);
    signal(program, Signal::SIGKILL);
    sandbox.assert_no_process_left();
    assert!(first.socket.exists());
    let second = Manager::start(&sandbox, &[], SLEEP);
    assert_ne!(second.manager_pid(), manager);
}

#[test]
fn socket_that_somebody_else_serves_is_left_to_him() {
    let sandbox = Sandbox::new();
    let socket = sandbox.path("sock");
    let _served = UnixListener::bind(&socket).expect("nobody has it");
    let complaint = format!("zdrun: another daemon manager is already using socket '{}'\n", socket.display());
    sandbox.zdrun().arg("-s").arg(&socket).args(SLEEP).status(1).stderr(complaint).run();
    assert!(socket.exists());
}

#[test]
fn file_in_the_way_is_left_alone() {
    let sandbox = Sandbox::new();
    let socket = sandbox.write("sock", "precious");
    let complaint = format!("zdrun: '{}' exists and is not a socket; it is left alone\n", socket.display());
    sandbox.zdrun().arg("-d").arg("-s").arg(&socket).args(SLEEP).status(1).stderr(complaint).run();
    assert_eq!(sandbox.read("sock"), "precious");
    assert!(!sandbox.path("sock.lock").exists());
}

#[test]
fn socket_path_longer_than_an_address_works() {
    let sandbox = Sandbox::new();
    let deep = sandbox.path("d".repeat(120));
    fs::create_dir(&deep).expect("a directory");
    let socket = deep.join("sock");
    sandbox.zdrun().arg("-d").arg("-s").arg(&socket).args(SLEEP).run();
    assert!(socket.exists());
}

#[test]
fn socket_in_no_directory_is_refused() {
    let sandbox = Sandbox::new();
    let complaint = "zdrun: invalid value for -s: 'none/deep/sock' is in a directory that does not exist; create 'none' \
        or name an existing one; for help, use zdrun -h\n";
    sandbox.zdrun().args(["-s", "none/deep/sock"]).args(SLEEP).status(2).stderr(complaint).run();
}

#[test]
fn newcomers_socket_is_not_removed_at_the_end() {
    let sandbox = Sandbox::new();
    let manager = Manager::start(&sandbox, &[], SLEEP);
    let stream = manager.connect();
    fs::remove_file(&manager.socket).expect("it is there");
    let _other = UnixListener::bind(&manager.socket).expect("the name is free");
    let mut stream = stream;
    stream.write_all(b"stop\n").expect("it is taken");
    assert_eq!(rest(stream), "Sent SIGTERM\n");
    sandbox.assert_no_process_left();
    assert!(manager.socket.exists());
}

#[test]
fn many_starts_at_once_make_one_program_and_all_tell_its_pid() {
    let sandbox = Sandbox::new();
    let conf = "<runner>\n program sleep 1000\n daemon true\n socket-name sock\n</runner>\n";
    sandbox.write("conf", conf);
    let starts: Vec<_> = (0..20).map(|_| sandbox.zdctl().args(["-C", "conf", "start"]).spawn()).collect();
    let ended: Vec<_> = starts.into_iter().map(|start| start.wait(SOON)).collect();
    let manager = Manager { sandbox: &sandbox, socket: sandbox.path("sock") };
    let pid = manager.pid();
    for one in &ended {
        let fresh = format!("daemon process started, pid={pid}\n");
        let known = format!("daemon process already running; pid={pid}\n");
        let told = one.stdout == fresh || one.stdout == known;
        assert!(one.status == 0 && one.stderr.is_empty() && told, "{one:?}");
    }
    manager.ask("stop");
    manager.gone();
}

/// A sandbox in which the other user may make files, and that user's number; nothing, unless we are root.
fn shared() -> Option<(Sandbox, u32)> {
    if !nix::unistd::geteuid().is_root() {
        return None;
    }
    let nobody = nix::unistd::User::from_name("nobody").expect("a database").expect("every system has it");
    let sandbox = Sandbox::new();
    fs::set_permissions(sandbox.root(), fs::Permissions::from_mode(0o777)).expect("own directory");
    Some((sandbox, nobody.uid.as_raw()))
}

#[test]
fn missing_directory_of_the_socket_is_made_as_check_has_it() {
    let shared = shared();
    let user = shared.as_ref().map_or("", |_| "user nobody");
    for daemon in [false, true] {
        let sandbox = Sandbox::new();
        fs::set_permissions(sandbox.root(), fs::Permissions::from_mode(0o755)).expect("own directory");
        let runner = |socket: &str| {
            let text = format!(
                "<runner>\nprogram sleep 1000\nsocket-name {socket}\numask 027\ndaemon {daemon}\n\
                start-grace 0\n{user}\n</runner>\n"
            );
            sandbox.write("conf", text);
        };
        let zdctl = |action: &str| sandbox.zdctl().args(["-C", "conf", action]);
        runner("run/sock");
        zdctl("check").stdout("configuration OK\n").run();
        zdctl("status").stdout("daemon manager not running\n").status(3).run();
        assert!(!sandbox.path("run").exists(), "by a start only");
        assert_eq!(zdctl("start").output().status, 0);
        let made = fs::metadata(sandbox.path("run")).expect("it is there");
        let mask = if daemon { 0o027 } else { 0o022 };
        assert_eq!(made.mode() & 0o7777, 0o755 & !mask);
        assert_eq!(made.uid(), shared.as_ref().map_or(made.uid(), |(_, nobody)| *nobody));
        zdctl("stop").stdout("daemon process stopped\n").run();
        // One level.
        runner("deep/er/sock");
        for action in ["check", "start"] {
            zdctl(action)
                .stderr("[..]conf:3: socket-name: [..]; create 'deep' or name an existing one\n")
                .status(2)
                .run();
        }
        assert!(!sandbox.path("deep").exists());
    }
}

#[test]
fn what_another_user_left_is_named_with_its_owner() {
    let Some((sandbox, _)) = shared() else { return };
    let socket = sandbox.path("sock");
    // As root, and killed.
    let first = sandbox.zdrun().args(["-d", "-s", "sock"]).args(SLEEP);
    first.run();
    let manager = Manager { sandbox: &sandbox, socket: socket.clone() };
    let (pid, program) = (manager.manager_pid(), manager.pid());
    for pid in [pid, program] {
        signal(pid, Signal::SIGKILL);
        eventually(SOON, || !is_alive(pid));
    }
    let zdctl =
        |action: &str| sandbox.zdctl().args(["-d", "-s", "sock", "-u", "nobody", "-p", "sleep 1000", action]);
    for left in ["sock", "sock.lock"] {
        let hint = format!(
            "'[..]/{left}' belongs to user 'root'; act as that user, or remove it if no manager of that user runs"
        );
        zdctl("check")
            .stderr(format!("zdctl: socket-name: cannot use '[..]': {hint} (as user 'nobody')\n"))
            .status(2)
            .run();
        let said = format!("zdctl: program not started: cannot use socket '[..]': {hint}\n");
        zdctl("start").stderr(said).status(1).run();
        fs::remove_file(sandbox.path(left)).expect("it is there");
    }
    zdctl("check").stdout("configuration OK\n").run();
    zdctl("start").stdout("daemon process started, pid=[..]\n").run();
    zdctl("stop").stdout("daemon process stopped\n").run();
}
