//! The tables of files, signals and environment in the manuals are those of the programs.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use walkdir::WalkDir;
use zeo_server::cli::PROGRAMS;
use zeo_server::config::schema;
use zeo_server::zconfig::Member;

use super::{manual, rows, uncoded};
use crate::sandbox::Sandbox;

/// What a program is made of, below `src`: its own part, and what it shares with others.
const PARTS: &[(&str, &[&str])] = &[
    ("mkzeoinst", &["cli/mkzeoinst", "instance", "sys/terminal.rs", "sys/local_time.rs"]),
    (
        "runzeo",
        &["cli/runzeo", "zeo", "config/server", "zconfig", "eventlog", "sys/local_time.rs", "sys/notify.rs"],
    ),
    (
        "zdctl",
        &["cli/zdctl.rs", "shell", "config", "zconfig", "control", "sys/terminal.rs", "sys/local_time.rs"],
    ),
    ("zdrun", &["cli/zdrun.rs", "supervisor", "config", "zconfig", "eventlog", "sys/local_time.rs"]),
];

/// Ways to ask for a variable, up to its name.
const ASKING: &[&str] = &["var_os(\"", "env::var(\"", ".variable(\"", "absolute(\""];

/// The C library looks at it whenever a local time is asked for.
const ZONE: &str = "TZ";

/// The source of a program, without tests.
fn source(parts: &[&str]) -> String {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let files =
        parts.iter().flat_map(|part| WalkDir::new(src.join(part))).map(|entry| entry.unwrap().into_path());
    let is_source =
        |path: &PathBuf| path.extension().is_some_and(|e| e == "rs") && !path.ends_with("tests.rs");
    let text = |path: PathBuf| {
        fs::read_to_string(path).unwrap().split("#[cfg(test)]").next().unwrap_or("").to_owned()
    };
    files.filter(is_source).map(text).collect()
}

/// The names in the first column of a table, several to a cell.
fn names(program: &str, title: &str) -> BTreeSet<String> {
    let program = PROGRAMS.iter().find(|known| known.name == program).expect("it is a program");
    let cells = rows(&manual(program), title).into_iter().map(|row| row[0].clone());
    cells.flat_map(|cell| cell.split(", ").map(|name| uncoded(name).to_owned()).collect::<Vec<_>>()).collect()
}

#[test]
fn variables_in_the_manuals_are_those_that_the_programs_ask_for() {
    for (program, parts) in PARTS {
        let source = source(parts);
        let named = names(program, "Environment");
        for asking in ASKING {
            for rest in source.split(asking).skip(1) {
                let name = rest.split('"').next().unwrap_or_default();
                assert!(named.contains(name), "{program} asks for {name}, which its manual does not name");
            }
        }
        for name in named.iter().filter(|name| *name != ZONE) {
            assert!(source.contains(&format!("\"{name}\"")), "{program} does not ask for {name}");
        }
        assert_eq!(named.contains(ZONE), *program != "mkzeoinst", "{program} shows times, or does not");
    }
}

/// The signals that a source file has a case for, by their names.
fn handled(file: &str) -> BTreeSet<String> {
    let text = source(&[file]);
    let arms = text.lines().map(str::trim).filter(|line| line.starts_with("number::") && line.contains("=>"));
    let signals =
        arms.flat_map(|arm| arm.split("=>").next().unwrap_or_default().split('|').collect::<Vec<_>>());
    signals.map(|signal| format!("SIG{}", signal.trim().trim_start_matches("number::"))).collect()
}

#[test]
fn signals_in_the_manuals_are_those_that_have_an_effect() {
    // No program can do anything about SIGKILL; the manual says what is left behind.
    let with_kill = |mut signals: BTreeSet<String>| {
        signals.insert("SIGKILL".to_owned());
        signals
    };
    let mut zdrun = handled("supervisor/manager");
    assert!(zdrun.remove("SIGCHLD"), "zdrun handles it, and no user sends it: {zdrun:?}");
    assert_eq!(names("zdrun", "Signals"), with_kill(zdrun));
    assert_eq!(names("runzeo", "Signals"), with_kill(handled("cli/runzeo/serve.rs")));
    let caught = source(&["sys/interrupt.rs"]);
    assert!(caught.contains("SIGINT") && !caught.contains("SIGTERM"), "{caught}");
    let handing_on = source(&["sys/run_here.rs"]);
    let (_, list) = handing_on.split_once("HANDED_ON: &[Signal]").expect("there is the list");
    let list = list.split("];").next().unwrap_or_default();
    let handed_on = list.split("Signal::").skip(1).filter_map(|signal| signal.split(',').next());
    let zdctl: BTreeSet<_> = handed_on.chain(["SIGINT", "SIGPIPE"]).map(str::to_owned).collect();
    assert_eq!(zdctl.len(), 7, "{zdctl:?}");
    assert_eq!(names("zdctl", "Signals"), zdctl);
}

/// An instance that runs, with everything that one can have.
fn instance(sandbox: &Sandbox) -> PathBuf {
    let port = sandbox.port().to_string();
    let extras = ["--with", "logrotate,openrc,runit,runzeo,s6,systemd", "--set", "level=debug"];
    let run = sandbox.mkzeoinst().args(extras).args(["--start", "zeo", "--host", "127.0.0.1"]).arg(port);
    run.stdout("...\nZEO server is listening on [..]\n...\n").run();
    sandbox.path("zeo")
}

#[test]
fn files_of_an_instance_in_the_manuals_are_there_and_no_others_are() {
    let sandbox = Sandbox::new();
    let home = instance(&sandbox);
    let mut named = BTreeSet::new();
    for program in PROGRAMS {
        for name in names(program.name, "Files").iter().filter_map(|name| name.strip_prefix("HOME/")) {
            assert!(home.join(name).exists(), "{}: there is no {name} in an instance", program.name);
            named.insert(name.to_owned());
        }
    }
    assert!(named.len() > 10, "{named:?}");
    for entry in
        WalkDir::new(&home).into_iter().map(Result::unwrap).filter(|entry| !entry.file_type().is_dir())
    {
        let name = entry.path().strip_prefix(&home).unwrap().to_str().unwrap().to_owned();
        // The companions of the data file and of the socket are in the manuals of the programs that make them.
        let is_named = |named: &String| {
            name == *named || name.starts_with(&format!("{named}/")) || name.starts_with(&format!("{named}."))
        };
        assert!(named.iter().any(is_named), "no manual has {name}");
    }
    sandbox.command(home.join("bin/zeoctl")).arg("stop").stdout("[..]daemon process stopped\n").run();
}

#[test]
fn files_of_a_manager_in_its_manual_are_those_that_it_makes() {
    let sandbox = Sandbox::new();
    let run = sandbox.zdrun().args(["-d", "-s", "sock", "sleep", "1000"]);
    run.run();
    let entries = fs::read_dir(sandbox.root()).unwrap().map(|entry| entry.unwrap().file_name());
    let made: BTreeSet<_> = entries.map(|name| name.to_str().unwrap().replace("sock", "SOCKET")).collect();
    let mut named = names("zdrun", "Files");
    assert!(named.remove("SOCKET.new"), "{named:?}");
    assert!(source(&["sys/socket.rs"]).contains("\".new\""), "the socket has another name before it listens");
    assert_eq!(made, named);
    let stop = sandbox.zdctl().args(["-d", "-s", "sock", "-p", "sleep 1000", "stop"]);
    stop.stdout("[..]daemon process stopped\n").run();
    assert_eq!(fs::read_dir(sandbox.root()).unwrap().count(), 0, "something was left");
}

#[test]
fn limits_in_the_manual_are_the_keys_of_the_server_with_their_defaults() {
    let runzeo = PROGRAMS.iter().find(|program| program.name == "runzeo").expect("it is a program");
    let documented: BTreeSet<(String, String)> = rows(&manual(runzeo), "Limits")
        .into_iter()
        .filter(|row| row[2].starts_with('`'))
        .map(|row| {
            (uncoded(&row[2]).to_owned(), row[1].split([' ', ';']).next().unwrap_or_default().to_owned())
        })
        .collect();
    let types = schema::SERVER.components.iter().flat_map(|component| component.types);
    let zeo = types.copied().find(|section| section.name == "zeo").expect("it has the section");
    let keys: BTreeSet<(String, String)> = zeo
        .members
        .iter()
        .filter_map(|member| if let Member::Key(key) = member { Some(key) } else { None })
        .filter(|key| key.name.starts_with("max-") || key.name == "registration-timeout")
        // Half of the descriptors.
        .map(|key| (key.name.to_owned(), key.default.unwrap_or("half").to_owned()))
        .collect();
    assert_eq!(documented, keys);
}
