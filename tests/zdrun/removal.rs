//! The socket and its lock file are removed under a manager that runs.

use nix::sys::signal::Signal;

use super::*;
use crate::sandbox::eventually;

/// A manager whose files are in the directory `run`.
fn start(sandbox: &Sandbox) -> Manager<'_> {
    fs::create_dir(sandbox.path("run")).expect("a new directory");
    zdrun(sandbox).run();
    Manager { sandbox, socket: sandbox.path("run/sock") }
}

fn zdrun(sandbox: &Sandbox) -> crate::sandbox::run::Run {
    sandbox.write("conf", "<runner>\n start-grace 0\n</runner>\n");
    sandbox.zdrun().args(["-d", "-s", "run/sock", "-C", "conf"]).args(SLEEP)
}

fn files(manager: &Manager<'_>) -> [PathBuf; 2] {
    [manager.socket.clone(), manager.lock_file()]
}

/// Waits until the manager with these numbers of itself and its program can be reached.
fn back(manager: &Manager<'_>, numbers: (i32, i32)) {
    let told = || {
        let mut stream = UnixStream::connect(&manager.socket).ok()?;
        stream.write_all(b"status\n").ok()?;
        Some(rest(stream))
    };
    let (own, program) = (format!("\nmanager={}\n", numbers.0), format!("\napplication={}\n", numbers.1));
    let is_it = |told: String| told.contains(&own) && told.contains(&program);
    eventually(SOON, || told().is_some_and(is_it) && manager.lock_file().exists());
}

/// Nobody can start a second one, and the next manager finds the program.
fn is_as_before(manager: &Manager<'_>, (own, program): (i32, i32)) {
    let refusal = format!("zdrun: another daemon manager is already using socket '[..]'; its pid is {own}\n");
    zdrun(manager.sandbox).status(1).stderr(refusal).run();
    signal(own, Signal::SIGKILL);
    eventually(SOON, || !is_alive(own));
    zdrun(manager.sandbox).run();
    assert_eq!(manager.pid(), program);
    manager.ask("stop");
    manager.gone();
}

#[test]
fn files_that_are_removed_are_made_again() {
    for removed in [&[0][..], &[1], &[0, 1]] {
        let sandbox = Sandbox::new();
        let manager = start(&sandbox);
        let numbers = (manager.manager_pid(), manager.pid());
        for _ in 0..2 {
            for index in removed {
                fs::remove_file(&files(&manager)[*index]).expect("it is there");
            }
            back(&manager, numbers);
        }
        is_as_before(&manager, numbers);
    }
}

#[test]
fn directory_that_is_removed_is_waited_for() {
    let sandbox = Sandbox::new();
    let manager = start(&sandbox);
    let numbers = (manager.manager_pid(), manager.pid());
    fs::remove_dir_all(sandbox.path("run")).expect("nobody fills it anew meanwhile");
    fs::create_dir(sandbox.path("run")).expect("it is gone");
    back(&manager, numbers);
    fs::rename(sandbox.path("run"), sandbox.path("elsewhere")).expect("it can be moved");
    fs::remove_file(sandbox.path("elsewhere/sock")).expect("it was moved");
    fs::create_dir(sandbox.path("run")).expect("it is gone");
    back(&manager, numbers);
    is_as_before(&manager, numbers);
}

#[test]
fn signal_ends_a_manager_that_cannot_be_reached() {
    let sandbox = Sandbox::new();
    let manager = start(&sandbox);
    let own = manager.manager_pid();
    fs::remove_dir_all(sandbox.path("run")).expect("it is there");
    signal(own, Signal::SIGTERM);
    sandbox.assert_no_process_left();
}

#[test]
fn manager_that_came_meanwhile_keeps_the_socket_for_as_long_as_it_lives() {
    let sandbox = Sandbox::new();
    let manager = start(&sandbox);
    let numbers = (manager.manager_pid(), manager.pid());
    signal(numbers.0, Signal::SIGSTOP);
    for file in files(&manager) {
        fs::remove_file(file).expect("it is there");
    }
    zdrun(&sandbox).run();
    let second = manager.manager_pid();
    assert_ne!(second, numbers.0);
    signal(numbers.0, Signal::SIGCONT);
    let lock = sandbox.read("run/sock.lock");
    assert!(lock.starts_with(&format!("manager {second} ")), "{lock}");
    manager.ask("stop");
    back(&manager, numbers);
    is_as_before(&manager, numbers);
}
