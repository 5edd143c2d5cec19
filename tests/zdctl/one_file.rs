//! One file for all programs, as today's peers keep it, and two, as in the founding document.

use std::path::Path;

use super::*;
use crate::peers::python;

#[test]
fn the_file_of_todays_mkzeoinstance_is_all_that_is_needed() {
    let Some(python) = python() else { return };
    let sandbox = Sandbox::new();
    let port = sandbox.port().to_string();
    let made = sandbox.command(python.with_file_name("mkzeoinstance")).args(["home", &port]).output();
    assert_eq!((made.status, made.stderr.as_str()), (0, ""));
    let home = sandbox.path("home");
    let zdctl = || sandbox.zdctl().args(["-C", "home/etc/zeo.conf"]);
    zdctl().arg("check").stdout("configuration OK\n").run();
    sandbox.zdrun().args(["-C", "home/etc/zeo.conf", "--check"]).stdout("configuration OK\n").run();
    let shown = format!(
        "...\nprogram:      ['{0}/bin/runzeo']\nbackofflimit: 10\ndaemon:       True\nforever:      False\n\
         sockname:     '{0}/var/zeo.zdsock'\nexitcodes:    [0, 2]\n...\ndirectory:    '{0}'\nlogfile:      '{0}/log/zeo.log'\n\
         ...\n",
        home.display()
    );
    zdctl().arg("show").stdout(shown).run();
    // The file names the peers' zdrun, which takes the file only with the server's schema.
    zdctl().arg("start").stdout("[..]daemon process started, pid=[..]\n").run();
    zdctl().arg("stop").stdout("[..]daemon process stopped\n").run();
    sandbox.assert_no_process_left();
    let ours = format!("runner/zdrun={}", env!("CARGO_BIN_EXE_zdrun"));
    let zdctl = || sandbox.zdctl().args(["-C", "home/etc/zeo.conf", "-X", &ours]);
    zdctl().arg("start").stdout("[..]daemon process started, pid=[..]\n").run();
    zdctl().arg("status").stdout("program running; pid=[..]\n").run();
    zdctl().arg("stop").stdout("[..]daemon process stopped\n").run();
    sandbox.assert_no_process_left();
}

#[test]
fn sections_of_other_programs_never_stop_ours() {
    let sandbox = Sandbox::new();
    let ours = "<runner>\n  program sleep 1000\n  daemon on\n  socket-name sock\n</runner>\n";
    // Components, and files, that belong to the other programs: at the top, and inside of their sections.
    let theirs = "%import nowhere.known\n<zodb_db temporary>\n  %import tempstorage\n  %include no-such-file\n  <temporarystorage>\n  \
                  </temporarystorage>\n</zodb_db>\n<logger access>\n  level info\n</logger>\n<zeo>\n  address nonsense:99999999\n  nosuch $undefined ${odd\n  <ssl>\n    (odd\n  </ssl>\n\
                  </zeo>\n<relstorage main>\n  <postgresql>\n    dsn host='x'\n  </postgresql>\n</relstorage>\n\
                  <filestorage 1>\n  path /no/such/place\n  path /given/twice\n</filestorage>\n";
    for (name, text) in [("before", format!("{theirs}{ours}")), ("behind", format!("{ours}{theirs}"))] {
        sandbox.write(name, text);
        sandbox.zdctl().args(["-C", name, "check"]).stdout("configuration OK\n").run();
        sandbox.zdrun().args(["-C", name, "--check"]).stdout("configuration OK\n").run();
        sandbox.zdctl().args(["-C", name, "start"]).stdout("daemon process started, pid=[..]\n").run();
        sandbox.zdctl().args(["-C", name, "stop"]).stdout("daemon process stopped\n").run();
    }
    sandbox.assert_no_process_left();
}

#[test]
fn component_that_is_not_built_in_is_the_reason_where_a_section_of_ours_needs_it() {
    let sandbox = Sandbox::new();
    sandbox.write(
        "conf",
        "%import mailinglogger\n<runner>\n  program sleep 1000\n  <nosuch/>\n</runner>\n%import other\n<eventlog>\n\
         <mailing-logger>\n</mailing-logger>\n<logfle>\n</logfle>\n</eventlog>\n",
    );
    let stderr = "conf:4: unknown section type 'nosuch'; it may be of the component 'mailinglogger' (line 1), which is not \
                  built in\n\
                  conf:8: unknown section type 'mailing-logger'; it may be of the component 'mailinglogger' (line 1) or \
                  'other' (line 6), which are not built in\n\
                  conf:10: unknown section type 'logfle'; it may be of the component 'mailinglogger' (line 1) or 'other' \
                  (line 6), which are not built in\n";
    sandbox.zdctl().args(["-C", "conf", "check"]).stderr(stderr).status(2).run();
    sandbox.zdrun().args(["-C", "conf", "--check"]).stderr(stderr).status(2).run();
}

#[test]
fn the_two_files_of_the_founding_document_are_read_each_by_its_programs() {
    let sandbox = Sandbox::new();
    sandbox.mkzeoinst().args(["--server", "/bin/sleep", "home", "19999"]).stdout("...\nAll done.\n").run();
    let conf = sandbox.path("home/etc/zeoctl.conf");
    let zdctl = |conf: &Path| sandbox.zdctl().arg("-C").arg(conf);
    zdctl(&conf).arg("check").stdout("configuration OK\n").run();
    sandbox.zdrun().arg("-C").arg(&conf).arg("--check").stdout("configuration OK\n").run();
    let server = sandbox.path("home/etc/zeo.conf");
    let fault = format!("{}: no '<runner>' section\n", server.display());
    zdctl(&server).arg("check").stderr(fault).status(2).run();
    let both = [sandbox.read("home/etc/zeo.conf"), sandbox.read("home/etc/zeoctl.conf")];
    let [zeo, runner] = both;
    let (runner, _) = runner.split_once("<eventlog>").expect("the file has the section");
    zdctl(&sandbox.write("both", format!("{zeo}{runner}"))).arg("check").stdout("configuration OK\n").run();
}

#[test]
fn copied_home_says_that_it_is_about_the_original() {
    let sandbox = Sandbox::new();
    let home = sandbox.path("old");
    sandbox.mkzeoinst().args(["--server", "/bin/sleep", "old", "19999"]).stdout("...\nAll done.\n").run();
    let copied = sandbox.command("cp").args(["-a", "old", "new"]).output();
    assert_eq!((copied.status, copied.stderr.as_str()), (0, ""));
    let new = sandbox.path("new");
    let warning = format!(
        "zdctl: warning: new/etc/zeoctl.conf lies in {0}, but is about the instance in {1}; to make it {0}'s own, run \
         mkzeoinst --update {0}\n",
        new.display(),
        home.display()
    );
    let not_running = "daemon manager not running\n";
    sandbox
        .zdctl()
        .args(["-C", "new/etc/zeoctl.conf", "status"])
        .stdout(not_running)
        .stderr(warning)
        .status(3)
        .run();
    sandbox.zdctl().args(["-C", "old/etc/zeoctl.conf", "status"]).stdout(not_running).status(3).run();
}
