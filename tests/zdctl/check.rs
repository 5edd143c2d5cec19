//! `zdctl check` and `zdrun --check`: every fault with its line, in one run, and nothing changed.

use std::fs;

use super::*;

/// What is said when there is nothing to say.
const GOOD: &str = "configuration OK\n";

#[test]
fn good_configuration_is_said_to_be_good_and_starts() {
    let sandbox = Sandbox::new();
    let conf = "<runner>\n  program sleep 1000\n  daemon on\n  directory .\n  socket-name sock\n  transcript out\n</runner>\n\
                <eventlog>\n  <logfile>\n    path log\n  </logfile>\n</eventlog>\n";
    sandbox.write("conf", conf);
    sandbox.zdctl().args(["-C", "conf", "check"]).stdout(GOOD).run();
    sandbox.zdrun().args(["-C", "conf", "--check"]).stdout(GOOD).run();
    let files = fs::read_dir(sandbox.root()).unwrap().count();
    assert_eq!(files, 1, "a check made a file");
    sandbox.zdctl().args(["-C", "conf", "start"]).stdout("daemon process started, pid=[..]\n").run();
    sandbox.zdctl().args(["-C", "conf", "check"]).stdout(GOOD).run();
    sandbox.zdctl().args(["-C", "conf", "stop"]).stdout("daemon process stopped\n").run();
    sandbox.assert_no_process_left();
}

#[test]
fn every_fault_is_told_with_its_line_by_both_programs() {
    let sandbox = Sandbox::new();
    sandbox.write("more.conf", "transcript no/out\n");
    let conf = "<runner>\n  program /no/runzeo -C zeo.conf\n  daemon maybe\n  umaks 7\n  directory .\n  %include more.conf\n  \
                socket-name sock\n  user no-such-user\n</runner>\n<eventlog>\n  <logfile>\n    path no/log\n  </logfile>\n\
                </eventlog>\n<zeo>\n  whatever\n</zeo>\n";
    sandbox.write("conf", conf);
    let more = sandbox.path("more.conf");
    let faults = format!(
        "conf:2: program: can't stat program '/no/runzeo': No such file or directory\n\
         conf:3: daemon: 'maybe' is not a boolean; yes, true, on, no, false and off are\n\
         conf:4: unknown key 'umaks' in '<runner>'; did you mean 'umask'\n\
         conf:8: user: username 'no-such-user' not found\n\
         conf:12: path: cannot make 'no/log': No such file or directory\n\
         {}:1: transcript: 'no/out' is in a directory that does not exist; create the directory 'no' or name an existing \
         one\n",
        more.display()
    );
    sandbox.zdctl().args(["-C", "conf", "check"]).stderr(faults.as_str()).status(2).run();
    sandbox.zdrun().args(["-C", "conf", "--check"]).stderr(faults).status(2).run();
    let typed = "program: can't find program 'no-such-program' on PATH [..]\n";
    let zdctl = || sandbox.zdctl().args(["-p", "no-such-program", "check"]).status(2);
    zdctl().stderr(format!("zdctl: {typed}")).run();
    let zdrun = || sandbox.zdrun().arg("--check").status(2);
    zdrun().arg("no-such-program").stderr(format!("zdrun: {typed}")).run();
    zdrun().stderr("zdrun: program: no program specified\n").run();
    let missing = "zdctl: cannot read 'nope.conf': No such file or directory\n";
    sandbox.zdctl().args(["-C", "nope.conf", "check"]).stderr(missing).status(2).run();
}

#[test]
fn shell_checks_the_file_as_it_is_now() {
    let sandbox = Sandbox::new();
    sandbox.write("conf", "<runner>\n  program sleep 1000\n  socket-name sock\n</runner>\n");
    let session = "check\n!echo '<runnr>' >conf\ncheck\nhelp check\n";
    let help = "check -- Check the configuration and what it names:\n         program, user, directories, socket and logs.\n         \
                Nothing is changed.\n";
    let banner = "program: sleep 1000\ndaemon manager not running\n";
    let run = || sandbox.zdctl().args(["-C", "conf"]);
    let faults = [
        "conf: no '<runner>' section; was '<runnr>' meant to be it\n",
        "conf:1: the file ends inside '<runnr>' of line 1; '</runnr>' is missing\n",
    ];
    run()
        .stdin(session)
        .stdout(format!("{banner}zdctl> {GOOD}zdctl> zdctl> zdctl> {help}zdctl> \n"))
        .stderr(faults.concat())
        .run();
    // Whatever needs the settings says the same, in the order in which they were found.
    let told = format!("zdctl: {}zdctl: {}", faults[1], faults[0]);
    run().arg("start").stderr(told).status(2).run();
}

#[test]
fn check_before_the_shell_is_made_in_it() {
    let sandbox = Sandbox::new();
    sandbox.write("conf", "<runner>\n  program sleep 1000\n  socket-name sock\n</runner>\n");
    let session = format!("{GOOD}program: sleep 1000\ndaemon manager not running\nzdctl> \n");
    sandbox.zdctl().args(["-i", "-C", "conf", "check"]).stdout(session).run();
}
