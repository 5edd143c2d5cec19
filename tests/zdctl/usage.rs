//! What is wrong with a command line, and what only tells something.

use zeo_server::config::schema;
use zeo_server::zconfig::Member;

use super::*;

const HELP: &str = "; for help, use zdctl -h\n";

#[test]
fn wrong_command_lines_get_one_line_and_status_2() {
    let sandbox = Sandbox::new();
    for (line, what) in [
        (&["-Q"][..], "option -Q not recognized"),
        (&["-s"], "option -s requires argument"),
        (&["-b", "x"], "invalid value for -b: 'x' is not a whole number; decimal digits are, such as 10"),
        (
            &["-z", "/no/x"],
            "invalid value for -z: '/no/x' is not an existing directory; create it or name one that exists",
        ),
        (&["-s", "a", "-s", "b"], "conflicting command line option '-s'"),
        (
            &["-X", "a=b", "status"],
            "configuration overrides (-X) cannot be used without a configuration file",
        ),
        (&["status"], "no program specified; use -p or -C"),
        (&["-p", "", "status"], "no program specified; use -p or -C"),
        (&["-p", "x", "-u", "no-such-user", "status"], "username 'no-such-user' not found"),
        (&["-p", "x", "-u", "4000000000", "status"], "uid '4000000000' not found"),
    ] {
        sandbox.zdctl().args(line).stderr(format!("zdctl: {what}{HELP}")).status(2).run();
    }
}

#[test]
fn unknown_action_is_an_error() {
    let sandbox = Sandbox::new();
    let why = "zdctl: unknown action 'bogus'; for a list, use zdctl help\n";
    zdctl(&sandbox, SLEEP).args(["bogus", "x"]).stderr(why).status(2).run();
    let why = "zdctl: unknown action 'statsu'; did you mean 'status'; for a list, use zdctl help\n";
    zdctl(&sandbox, SLEEP).arg("statsu").stderr(why).status(2).run();
}

#[test]
fn action_with_an_argument_that_it_does_not_take_does_nothing() {
    let sandbox = Sandbox::new();
    let zdctl = || zdctl(&sandbox, SLEEP);
    zdctl().arg("start").stdout("daemon process started, pid=[..]\n").run();
    let running = zdctl().arg("status").output().stdout;
    for action in ["stop", "restart", "try-restart", "force-reload", "wait", "reexec", "logreopen"] {
        let why = format!("zdctl: {action} takes no argument: 'now'\n");
        zdctl().args([action, "now"]).stderr(why).status(2).run();
    }
    zdctl().arg("status").stdout(running).run();
    zdctl().arg("stop").stdout("daemon process stopped\n").run();
}

#[test]
fn configuration_that_cannot_be_read_is_an_error() {
    let sandbox = Sandbox::new();
    let outcome = sandbox.zdctl().args(["-C", "no-such-file", "status"]).output();
    assert_eq!((outcome.status, outcome.stdout.as_str()), (2, ""));
    assert!(matches("zdctl: [..]no-such-file[..]\n", &outcome.stderr), "{}", outcome.stderr);
}

#[test]
fn shell_can_be_turned_off() {
    let sandbox = Sandbox::new();
    sandbox.write("conf", "<runner>\n  program sleep 1\n  default-to-interactive false\n</runner>\n");
    let why = format!("zdctl: either -i or an action argument is required{HELP}");
    sandbox.zdctl().args(["-C", "conf"]).stderr(why).status(2).run();
    let session = "program: sleep 1\ndaemon manager not running\nzdctl> \n";
    sandbox.zdctl().args(["-C", "conf", "-i"]).stdout(session).run();
}

#[test]
fn schema_option_is_noted_and_ignored() {
    let sandbox = Sandbox::new();
    let note = "zdctl: option -S is ignored: the schema is built in\n";
    let down = "daemon manager not running\n";
    zdctl(&sandbox, SLEEP).args(["-S", "x", "status"]).stdout(down).stderr(note).status(3).run();
}

#[test]
fn help_and_version_go_to_stdout() {
    let sandbox = Sandbox::new();
    let version = concat!("zdctl ", env!("CARGO_PKG_VERSION"), "\n");
    sandbox.zdctl().arg("--version").stdout(version).run();
    sandbox.zdctl().arg("-h").stdout("...\nUsage: zdctl [OPTIONS] [ACTION]...\n...\n").run();
}

#[test]
fn help_lists_and_explains() {
    let sandbox = Sandbox::new();
    let zdctl = || zdctl(&sandbox, SLEEP);
    let list = "
Documented commands (type help <topic>):
========================================
EOF             fg              foreground      help            kill
logreopen       logtail         quit            reload          restart
shell           show            start           status          stop
wait            

Additional commands:
====================
check               condrestart         exit                force-reload
reexec              reopen_transcript   try-restart         

";
    zdctl().arg("help").stdout(list).run();
    let start = "start -- Start the daemon process.\n         If it is already running, do nothing.\n";
    zdctl().args(["help", "start"]).stdout(start).run();
    zdctl().args(["?", "start"]).stdout(start).run();
    zdctl().args(["help", "x"]).stdout("*** No help on x\n").status(1).run();
}

#[test]
fn show_tells_the_settings_in_force() {
    let sandbox = Sandbox::new();
    let history = sandbox.path(".local/state/zdctl/history").display().to_string();
    let options = &format!(
        "zdctl/zdrun options:
schemafile:   None
configfile:   None
zdrun:        None
python:       None
program:      ['sleep', '1000']
backofflimit: 10
daemon:       True
forever:      False
sockname:     'sock'
exitcodes:    [0, 2]
user:         None
umask:        0o22
directory:    None
logfile:      None
transcript:   None
interactive:  False
default_to_interactive: True
hang_around:  False
check_program: []
start_test_program: []
start_grace:  1
notify:       False
start_timeout: 300
stop_timeout: 300
stop_group:   True
stop_signal:  SIGTERM
pid_file:     None
manager_pid_file: None
prompt:       'zdctl>'
editing_mode: 'emacs'
history:      '{history}'
environment:  {{}}
eventlog:     None
"
    );
    let zdctl = || zdctl(&sandbox, SLEEP);
    zdctl().arg("show").stdout(options).run();
    zdctl().args(["show", "options"]).stdout(options).run();
    let python = "zdctl info:\nVersion:      zeo-server [..]\n...\n";
    zdctl().args(["show", "python"]).stdout(python).run();
    zdctl().args(["show", "all"]).stdout(format!("{options}\n{python}")).run();
    let unknown = "no such topic: x\nshow options -- show zdctl options\n...\n";
    zdctl().args(["show", "x"]).stdout(unknown).status(2).run();
}

#[test]
fn show_has_a_row_for_every_setting() {
    let sandbox = Sandbox::new();
    let conf = "<runner>\n  program sleep 1000\n  socket-name s\n</runner>\n<environment>\n  LANG C.UTF-8\n</environment>\n\
                <eventlog>\n  <logfile>\n    path a.log\n  </logfile>\n  <syslog/>\n</eventlog>\n";
    sandbox.write("c", conf);
    let shown = sandbox.zdctl().args(["-C", "c", "show"]).output().stdout;
    assert!(
        shown.contains("environment:  {'LANG': 'C.UTF-8'}\neventlog:     ['a.log', 'syslog']\n"),
        "{shown}"
    );
    let runner =
        schema::types(&schema::DAEMON).into_iter().find(|known| known.name == "runner").expect("a type");
    for member in runner.members.iter().filter(|member| matches!(member, Member::Key(_))) {
        // Those of the peers have their labels.
        let label = match member.name() {
            "backoff-limit" => "backofflimit".to_owned(),
            "socket-name" => "sockname".to_owned(),
            "exit-codes" => "exitcodes".to_owned(),
            name => name.replace('-', "_"),
        };
        assert!(shown.lines().any(|line| line.starts_with(&format!("{label}:"))), "{label}\n{shown}");
    }
}

#[test]
fn misspelt_override_has_a_hint() {
    let sandbox = Sandbox::new();
    sandbox.write("c", "<runner>\n  program sleep 1000\n  socket-name s\n</runner>\n");
    for (typed, hint) in [
        ("runer/umask=7", "no section in the file takes the override runer/umask=7; did you mean 'runner'"),
        ("runner/umaks=7", "unknown key 'umaks' in '<runner>'; did you mean 'umask'"),
        (
            "evntlog/level=info",
            "no section in the file takes the override evntlog/level=info; did you mean 'eventlog'",
        ),
        ("eventlog/level=info", "no section in the file takes the override eventlog/level=info"),
        ("nothing/like=it", "no section in the file takes the override nothing/like=it"),
    ] {
        let stderr = format!("zdctl: [..]: {hint}\n");
        sandbox.zdctl().args(["-C", "c", "-X", typed, "status"]).stderr(stderr).status(2).run();
    }
}

#[test]
fn reader_who_goes_away_is_no_failure() {
    let sandbox = Sandbox::new();
    let zdctl = env!("CARGO_BIN_EXE_zdctl");
    let script = format!("{{ '{zdctl}' -p x help; echo $? >status; }} | :");
    sandbox.command("bash").args(["-c", &script]).run();
    wait_for(&sandbox.path("status"));
    eventually(SOON, || sandbox.read("status") == "0\n");
}
