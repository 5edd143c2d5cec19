//! The shell, its lines coming from a pipe.

use super::*;

#[test]
fn session_of_the_founding_document() {
    let sandbox = Sandbox::new();
    let lines = "start\nstatus\n\nstop\nquit\nnever\n";
    let session = zdctl(&sandbox, SLEEP).stdin(lines).output();
    let expected = "program: sleep 1000
daemon manager not running
zdctl> daemon process started, pid=[..]
zdctl> program running; pid=[..]
zdctl> program running; pid=[..]
zdctl> daemon process stopped
zdctl> daemon manager not running
";
    assert!(matches(expected, &session.stdout), "{}", session.stdout);
    assert_eq!((session.status, session.stderr.as_str()), (0, ""));
}

#[test]
fn what_fails_does_not_end_the_shell() {
    let sandbox = Sandbox::new();
    let session = zdctl(&sandbox, SLEEP)
        .stdin("\nbogus x\n\nhlep x\nstatus -x\nkill foo\nhelp x\nstart 'a\nEOF\nnever");
    let expected = "program: sleep 1000
daemon manager not running
zdctl> zdctl> *** Unknown syntax: bogus x
zdctl> *** Unknown syntax: bogus x
zdctl> *** Unknown syntax: hlep x; did you mean 'help'
zdctl> zdctl> invalid signal 'foo'
zdctl> *** No help on x
zdctl> zdctl> 
";
    let why = "zdctl: status argument must be absent, -l or --json\nzdctl: no closing '\n";
    session.stdout(expected).stderr(why).run();
}

#[test]
fn quit_ends_a_manager_without_a_program_and_leaves_one_with() {
    let sandbox = Sandbox::new();
    let banner = "program: sleep 1000\n";
    zdctl(&sandbox, SLEEP).arg("start").stdout("daemon process started, pid=[..]\n").run();
    let running = "program running; pid=[..]\nzdctl> daemon process and daemon manager still running\n";
    for word in ["quit", "exit"] {
        zdctl(&sandbox, SLEEP).stdin(word).stdout(format!("{banner}{running}")).run();
    }
    zdctl(&sandbox, SLEEP).arg("stop").stdout("daemon process stopped\n").run();
    let idle = || configured(&sandbox, "  program sleep 1000\n  hang-around true");
    idle().arg("start").stdout("daemon process started, pid=[..]\n").run();
    idle().arg("stop").stdout("daemon process stopped\n").run();
    let down = "daemon manager running; daemon process not running\n";
    let stopped = format!(
        "program: [..]\n{down}zdctl> daemon process not running; stopping daemon manager\n\
         daemon manager stopped\n"
    );
    idle().stdin("quit").stdout(stopped).run();
    sandbox.assert_no_process_left();
}

#[test]
fn action_may_come_before_the_shell() {
    let sandbox = Sandbox::new();
    let expected = "daemon manager not running\nprogram: sleep 1000\ndaemon manager not running\nzdctl> \n";
    zdctl(&sandbox, SLEEP).args(["-i", "stop"]).stdout(expected).run();
}

#[test]
fn configuration_is_reloaded() {
    let sandbox = Sandbox::new();
    let file = |limit: u32| format!("<runner>\n  program sleep {limit}\n  prompt >>>\n</runner>\n");
    sandbox.write("one", file(1));
    sandbox.write("two", file(2));
    let lines = "reload\nreload -b 5\nshow\nreload -C two\nreload -b 6\nreload -Q\nshow\nreload -p x\n";
    let session = sandbox.zdctl().args(["-C", "one", "-b", "3"]).stdin(lines).output();
    let expected = "program: sleep 1
daemon manager not running
>>> Configuration reloaded from one
>>> Configuration reloaded from one
>>> zdctl/zdrun options:
...
program:      ['sleep', '1']
backofflimit: 5
...
>>> Configuration reloaded from two
>>> Configuration reloaded from two
>>> Configuration not reloaded
>>> zdctl/zdrun options:
...
program:      ['sleep', '2']
backofflimit: 6
...
>>> Configuration reloaded from two
>>> 
";
    assert!(matches(expected, &session.stdout), "{}", session.stdout);
    assert_eq!(session.stderr, "zdctl: option -Q not recognized; for help, use zdctl -h\n");
    assert_eq!(session.status, 0);
}

#[test]
fn reload_without_a_file_says_so() {
    let sandbox = Sandbox::new();
    let expected = "program: sleep 1000\ndaemon manager not running\n\
        zdctl> Configuration reloaded without a config file\nzdctl> \n";
    zdctl(&sandbox, SLEEP).stdin("reload\n").stdout(expected).run();
}
