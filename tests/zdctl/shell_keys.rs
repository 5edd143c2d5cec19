//! The keys of the shell: editing, history, completion.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};

use super::*;
use crate::sandbox::terminal::Terminal;

/// Where the commands are kept when HOME is the sandbox's directory.
const HISTORY: &str = ".local/state/zdctl/history";

const UP: &str = "\x1b[A";

fn open(run: Run) -> Terminal {
    let shell = run.on_terminal(60, 80);
    shell.ends_with("zdctl> ");
    shell
}

fn leave(mut shell: Terminal) {
    shell.keys("\x04");
    assert_eq!(shell.wait(), 0);
}

fn shell(sandbox: &Sandbox) -> Run {
    zdctl(sandbox, SLEEP)
}

#[test]
fn commands_are_kept_for_the_next_shell_and_for_nobody_else() {
    let sandbox = Sandbox::new();
    let mut first = open(shell(&sandbox));
    let wait = "wait -- Wait for the daemon process to exit.\n";
    for (line, answer) in [
        ("help wait", wait),
        ("help wait", wait),
        (" help quit", "...\n        stop the daemon manager.\n"),
        ("", "...\n        stop the daemon manager.\n"),
        ("help fg", "...\nfg -- an alias for foreground.\n"),
    ] {
        first.line(line);
        first.ends_with(&format!("{}\n{answer}zdctl> ", format!("zdctl> {line}").trim_end()));
    }
    // At once, so that no end of a shell loses anything.
    eventually(SOON, || {
        fs::read_to_string(sandbox.path(HISTORY)).is_ok_and(|kept| kept == "#V2\nhelp wait\nhelp fg\n")
    });
    let mode = |path: &str| fs::metadata(sandbox.path(path)).expect("it is there").mode() & 0o7777;
    assert_eq!((mode(HISTORY), mode(".local/state/zdctl")), (0o600, 0o700));
    let mut second = open(shell(&sandbox));
    second.keys(UP);
    second.ends_with("zdctl> help fg");
    second.keys(UP);
    second.ends_with("zdctl> help wait");
    second.keys("\x15help stop\r");
    second.ends_with("[..]do nothing.\nzdctl> ");
    first.line("help start");
    first.ends_with("[..]do nothing.\nzdctl> ");
    leave(first);
    leave(second);
    assert_eq!(sandbox.read(HISTORY), "#V2\nhelp wait\nhelp fg\nhelp stop\nhelp start\n");
}

#[test]
fn state_directory_of_the_environment_is_taken() {
    let sandbox = Sandbox::new();
    let mut typed = open(shell(&sandbox).env("XDG_STATE_HOME", sandbox.path("state")));
    typed.line("help fg");
    typed.ends_with("zdctl> help fg\n...\nzdctl> ");
    leave(typed);
    assert_eq!(sandbox.read("state/zdctl/history"), "#V2\nhelp fg\n");
    assert!(!sandbox.path(".local").exists());
}

#[test]
fn history_can_be_turned_off() {
    let sandbox = Sandbox::new();
    sandbox.write(HISTORY, "help fg\n");
    fs::set_permissions(sandbox.path(".local/state/zdctl"), fs::Permissions::from_mode(0o700)).unwrap();
    let mut typed = open(configured(&sandbox, "  program sleep 1000\n  history off"));
    typed.keys(UP);
    typed.line("help wait");
    typed.ends_with("zdctl> help wait\nwait -- Wait for the daemon process to exit.\nzdctl> ");
    // This shell still has its own.
    typed.keys(UP);
    typed.ends_with("zdctl> help wait");
    typed.keys("\x15");
    leave(typed);
    assert_eq!(sandbox.read(HISTORY), "help fg\n");
    let show = configured(&sandbox, "  program sleep 1000\n  history off").arg("show");
    show.stdout("...\nhistory:      None\n...\n").run();
}

#[test]
fn history_that_leads_elsewhere_is_left_alone_and_told_once() {
    let sandbox = Sandbox::new();
    let precious = sandbox.write("precious", "precious\n");
    let path = sandbox.path(HISTORY);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::set_permissions(path.parent().unwrap(), fs::Permissions::from_mode(0o700)).unwrap();
    symlink(&precious, &path).unwrap();
    let mut typed = shell(&sandbox).on_terminal(60, 200);
    let why = format!("zdctl: cannot keep command history in '{}': not a regular file\n", path.display());
    typed.shows(&format!("program: sleep 1000\ndaemon manager not running\n{why}zdctl> "));
    typed.line("help wait");
    typed.ends_with(&format!("{why}zdctl> help wait\nwait -- Wait for the daemon process to exit.\nzdctl> "));
    leave(typed);
    assert_eq!(fs::read_to_string(&precious).unwrap(), "precious\n");
}

#[test]
fn home_that_nothing_can_be_written_in_is_no_fault() {
    let sandbox = Sandbox::new();
    // Not root's, and so not taken for root's: what sudo leaves in HOME. Without root, a home that may not be written.
    let home = sandbox.path("home");
    fs::create_dir(&home).unwrap();
    let is_root = nix::unistd::geteuid().is_root();
    if is_root {
        nix::unistd::chown(&home, Some(65534.into()), None).unwrap();
    }
    fs::set_permissions(&home, fs::Permissions::from_mode(0o555)).unwrap();
    let shell =
        shell(&sandbox).env("HOME", &home).env("XDG_STATE_HOME", if is_root { "/proc/none" } else { "" });
    let mut typed = shell.on_terminal(20, 80);
    typed.shows("program: sleep 1000\ndaemon manager not running\nzdctl> ");
    typed.keys(" help wait\r");
    typed.ends_with("zdctl>  help wait\nwait -- Wait for the daemon process to exit.\nzdctl> ");
    leave(typed);
    assert_eq!(fs::read_dir(&home).unwrap().count(), 0);
}

#[test]
fn long_history_is_made_shorter() {
    let sandbox = Sandbox::new();
    let lines: Vec<String> = (0..2500).map(|n| format!("help {n}\n")).collect();
    sandbox.write(HISTORY, lines.concat());
    fs::set_permissions(sandbox.path(".local/state/zdctl"), fs::Permissions::from_mode(0o700)).unwrap();
    let mut typed = open(shell(&sandbox));
    typed.keys(UP);
    typed.ends_with("zdctl> help 2499");
    typed.keys("\x15help fg\r");
    typed.ends_with("zdctl> help fg\n...\nzdctl> ");
    leave(typed);
    assert_eq!(sandbox.read(HISTORY), format!("#V2\n{}help fg\n", lines[1501..].concat()));
    assert_eq!(fs::metadata(sandbox.path(HISTORY)).unwrap().mode() & 0o7777, 0o600);
}

#[test]
fn lines_are_edited_with_the_keys_of_emacs() {
    let sandbox = Sandbox::new();
    let mut typed = open(shell(&sandbox));
    typed.keys("wait help\x1bb\x0b\x01\x19 \x05\x7f\r");
    typed.ends_with("zdctl> help wait\nwait -- Wait for the daemon process to exit.\nzdctl> ");
    // ^R searches.
    typed.keys("\x12hel");
    typed.ends_with("[..]help wait");
    typed.keys("\r");
    typed.ends_with("zdctl> help wait\nwait -- Wait for the daemon process to exit.\nzdctl> ");
}

/// Types with the keys of vi: ^A would be a character; `0`, `x` and `A` after Escape are commands.
fn types_as_in_vi(mut typed: Terminal) {
    typed.keys("xhelp wai\x1b0xAt\r");
    typed.ends_with("zdctl> help wait\nwait -- Wait for the daemon process to exit.\nzdctl> ");
    leave(typed);
}

#[test]
fn lines_are_edited_with_the_configured_keys() {
    let sandbox = Sandbox::new();
    let conf = |mode: &str| configured(&sandbox, &format!("  program sleep 1000\n  editing-mode {mode}"));
    types_as_in_vi(open(conf("vi")));
    let mut typed = open(conf("Emacs"));
    typed.keys("ait\x01help w\r");
    typed.ends_with("zdctl> help wait\nwait -- Wait for the daemon process to exit.\nzdctl> ");
    let why = "zdctl: [..]zdctl.conf:5: editing-mode: 'nano' is not an editing mode; emacs and vi are\n";
    conf("nano").arg("show").stderr(why).status(2).run();
}

#[test]
fn blank_line_repeats_and_shows_first_what_changes_something() {
    let sandbox = Sandbox::new();
    let mut typed = open(shell(&sandbox));
    typed.line("");
    typed.ends_with("zdctl>\nzdctl> ");
    typed.line("start");
    typed.ends_with("daemon process started, pid=[..]\nzdctl> ");
    typed.line("");
    typed.ends_with("zdctl>\nstart\ndaemon process already running; pid=[..]\nzdctl> ");
    typed.line("status");
    typed.ends_with("zdctl> status\nprogram running; pid=[..]\nzdctl> ");
    typed.line("");
    typed.ends_with("zdctl>\nprogram running; pid=[..]\nzdctl> ");
}

#[test]
fn tab_completes_actions_and_arguments() {
    let sandbox = Sandbox::new();
    sandbox.write("some-file", "");
    let mut typed = open(shell(&sandbox));
    for (keys, line) in [
        ("logt\t", "logtail [-n lines] [logfile]"),
        ("logtail some\t", "logtail some-file"),
        ("shell cat some\t", "shell cat some-file"),
        ("!cat some\t", "!cat some-file"),
        ("kill hu\t", "kill HUP "),
        ("help logr\t", "help logreopen "),
        ("show py\t", "show python "),
        ("status --\t", "status --json "),
    ] {
        typed.keys(keys);
        typed.ends_with(&format!("zdctl> {line}"));
        typed.keys("\x15");
        typed.ends_with("zdctl> ");
    }
    typed.keys("st\t\t");
    typed.ends_with("zdctl> st\nstart   status  stop\nzdctl> st");
}

#[test]
fn hint_shows_what_may_follow_and_is_gone_when_the_line_is_given() {
    let sandbox = Sandbox::new();
    let mut typed = open(shell(&sandbox));
    typed.keys("logtail");
    eventually(SOON, || typed.raw().contains("\x1b[2m [-n lines] [logfile]\x1b[m"));
    typed.keys("\x15hel");
    // The right arrow takes the rest of a name.
    typed.keys("\x1b[C");
    typed.ends_with("zdctl> help <action>");
    typed.keys(" kill\x15kil\x1b[C");
    typed.keys(" FOO\r");
    typed.ends_with("zdctl> kill FOO\ninvalid signal 'FOO'\nzdctl> ");
    typed.keys("kill\r");
    typed.ends_with("zdctl> kill\ndaemon process not running\nzdctl> ");
}

#[test]
fn pasted_lines_wait_for_the_enter_key_and_are_then_given_one_by_one() {
    let sandbox = Sandbox::new();
    let mut typed = open(shell(&sandbox));
    typed.keys("\x1b[200~help wait\n\nstatus\n\x1b[201~");
    typed.ends_with("zdctl> help wait\n...");
    assert!(!typed.screen().contains("Wait for"), "{}", typed.screen());
    typed.keys("\r");
    typed.ends_with(
        "wait -- Wait for the daemon process to exit.\nzdctl> status\ndaemon manager not running\nzdctl> ",
    );
    leave(typed);
    assert_eq!(sandbox.read(HISTORY), "#V2\nhelp wait\nstatus\n");
}

#[test]
fn commands_typed_ahead_are_all_carried_out() {
    let sandbox = Sandbox::new();
    let mut typed = open(shell(&sandbox));
    for n in 0..20 {
        typed.line(&format!("help topic{n}"));
    }
    let answers: Vec<_> = (0..20).map(|n| format!("...\n*** No help on topic{n}\n")).collect();
    typed.ends_with(&format!("{}zdctl> ", answers.concat()));
    leave(typed);
    assert_eq!(sandbox.read(HISTORY).lines().count(), 21);
}
