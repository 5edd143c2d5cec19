//! `pid-file` and `manager-pid-file`.

use nix::sys::signal::Signal;

use super::*;
use crate::sandbox::eventually;

fn read(path: &Path) -> Option<i32> {
    let text = fs::read_to_string(path).ok()?;
    Some(text.strip_suffix('\n').expect("a whole line").parse().expect("a number"))
}

/// Starts a sleep whose number and whose manager's are in the files `p` and `m`.
fn start<'a>(sandbox: &'a Sandbox, more: &str) -> (Manager<'a>, PathBuf, PathBuf) {
    let runner = format!("start-grace 0\nbackoff-limit 0\npid-file p\nmanager-pid-file m\n{more}");
    (Manager::start_with(sandbox, &runner, &[], SLEEP), sandbox.path("p"), sandbox.path("m"))
}

#[test]
fn files_name_program_and_manager_as_long_as_they_run() {
    for end in ["stop", "exit", "SIGTERM"] {
        let sandbox = Sandbox::new();
        // Stale: the number of a process that runs.
        for name in ["p", "m"] {
            sandbox.write(name, format!("{}\n", std::process::id()));
        }
        let (manager, program_file, manager_file) = start(&sandbox, "");
        let program = manager.pid();
        assert_eq!((read(&program_file), read(&manager_file)), (Some(program), Some(manager.manager_pid())));
        signal(program, Signal::SIGKILL);
        let next = manager.next_pid(program);
        assert_eq!(read(&program_file), Some(next), "it is written before anyone is told");
        manager.ask("restart");
        let last = manager.next_pid(next);
        assert_eq!(read(&program_file), Some(last));
        match end {
            "SIGTERM" => signal(manager.manager_pid(), Signal::SIGTERM),
            request => drop(manager.ask(request)),
        }
        manager.gone();
        let left: Vec<_> =
            ["p", "m", "p.new", "m.new"].into_iter().filter(|name| sandbox.path(name).exists()).collect();
        assert_eq!(left, Vec::<&str>::new(), "{end}");
    }
}

#[test]
fn file_of_a_stopped_program_is_gone_while_its_manager_stays() {
    let sandbox = Sandbox::new();
    let (manager, program_file, manager_file) = start(&sandbox, "hang-around true");
    manager.ask("stop");
    eventually(SOON, || manager.pid() == 0);
    assert_eq!((read(&program_file), read(&manager_file)), (None, Some(manager.manager_pid())));
    manager.ask("start");
    assert_eq!(read(&program_file), Some(manager.next_pid(0)));
    manager.ask("exit");
    manager.gone();
}

#[test]
fn files_are_right_after_a_reload_and_after_a_take_over() {
    let sandbox = Sandbox::new();
    let (manager, program_file, manager_file) = start(&sandbox, "");
    let (program, first) = (manager.pid(), manager.manager_pid());
    assert_eq!(manager.ask("reexec"), "Replacing the daemon manager\n");
    eventually(SOON, || manager.status()["replaced"] == "1");
    assert_eq!((read(&program_file), read(&manager_file)), (Some(program), Some(first)));
    // Elsewhere: the earlier file goes away.
    conf(&sandbox, "start-grace 0\npid-file q\nmanager-pid-file m");
    manager.ask("reexec");
    eventually(SOON, || manager.status()["replaced"] == "2");
    assert_eq!((read(&program_file), read(&sandbox.path("q"))), (None, Some(program)));
    signal(first, Signal::SIGKILL);
    eventually(SOON, || !is_alive(first));
    let second = Manager::start_with(&sandbox, "start-grace 0\npid-file q\nmanager-pid-file m", &[], SLEEP);
    assert_eq!((second.pid(), read(&sandbox.path("q"))), (program, Some(program)), "it is adopted");
    assert_eq!(read(&manager_file), Some(second.manager_pid()));
    second.ask("stop");
    second.gone();
    assert!(!sandbox.path("q").exists() && !manager_file.exists());
}

#[test]
fn file_that_another_has_written_since_is_left_alone() {
    let sandbox = Sandbox::new();
    let (manager, program_file, _) = start(&sandbox, "");
    sandbox.write("p", "1\n");
    manager.ask("stop");
    manager.gone();
    assert_eq!(read(&program_file), Some(1));
}

#[test]
fn file_that_cannot_be_written_is_an_error_of_the_start_and_of_check() {
    for key in ["pid-file", "manager-pid-file"] {
        let sandbox = Sandbox::new();
        fs::create_dir(sandbox.path("directory")).expect("directories can be made");
        let text = format!(
            "<runner>\nprogram sleep 1000\nsocket-name sock\ndaemon true\nstart-grace 0\n{key} directory\n</runner>\n"
        );
        sandbox.write("conf", text);
        let checked = sandbox.zdctl().args(["-C", "conf", "check"]).output();
        assert_eq!(checked.status, 2);
        assert!(checked.stderr.contains(&format!("conf:6: {key}: '")), "{checked:?}");
        if key == "manager-pid-file" {
            let started = sandbox.zdctl().args(["-C", "conf", "start"]).output();
            assert_eq!(started.status, 1, "{started:?}");
            assert!(started.stderr.contains("cannot open pid file '"), "{started:?}");
        }
    }
}
