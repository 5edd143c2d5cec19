//! Programs on our own terminal.

use super::*;

#[test]
fn foreground_passes_on_how_the_program_ended() {
    let sandbox = Sandbox::new();
    let fg = |program: &str, action: &str| zdctl(&sandbox, program).arg(action);
    fg("echo hello", "fg").stdout("echo hello\nhello\n").run();
    fg("echo 'a  b'", "foreground").arg("c").stdout("echo a  b c\na  b c\n").run();
    fg("sh -c 'exit 3'", "fg").stdout("sh -c exit 3\n").status(3).run();
    fg("sh -c 'kill -9 $$'", "fg").stdout("sh -c kill -9 $$\n").status(137).run();
    let why = "zdctl: cannot run 'no-such-program': No such file or directory\n";
    fg("no-such-program", "fg").stdout("no-such-program\n").stderr(why).status(127).run();
    let why = "zdctl: cannot run '/': Permission denied\n";
    fg("/", "fg").stdout("/\n").stderr(why).status(126).run();
}

#[test]
fn program_in_the_foreground_has_the_groups_of_its_user_and_no_others() {
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    let sandbox = Sandbox::new();
    // Whoever is a member of a group beyond the first; else somebody, who must not have root's.
    let groups = std::fs::read_to_string("/etc/group").expect("it can be read");
    let mut members = groups.lines().filter_map(|line| line.rsplit(':').next()?.split(',').next());
    let user = members.find(|name| !name.is_empty() && *name != "root").unwrap_or("nobody").to_owned();
    let identity = sandbox.command("sh").args(["-c", &format!("id -u {user}; id -g {user}; id -G {user}")]);
    let expected = identity.output().stdout;
    let fg = sandbox.zdctl().args(["-s", "sock", "-u", &user, "-p", "sh -c 'id -u; id -g; id -G'", "fg"]);
    fg.stdout(format!("sh -c id -u; id -g; id -G\n{expected}")).run();
}

#[test]
fn running_program_is_not_run_twice() {
    let sandbox = Sandbox::new();
    zdctl(&sandbox, SLEEP).arg("start").stdout("daemon process started, pid=[..]\n").run();
    let why = "To run the program in the foreground, please stop it first.\n";
    zdctl(&sandbox, SLEEP).arg("fg").stdout(why).status(1).run();
}

#[test]
fn shell_runs_a_command() {
    let sandbox = Sandbox::new();
    zdctl(&sandbox, SLEEP).args(["shell", "echo", "'a  b'"]).stdout("a  b\n").run();
    zdctl(&sandbox, SLEEP).arg("!echo hi; exit 7").stdout("hi\n").status(7).run();
}
