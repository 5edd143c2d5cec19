//! What is shown is what is done: dry and real runs over every state of a file and every way to treat it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::sync::Mutex;

use serde_json::Value;
use walkdir::WalkDir;

use super::{install, mkzeoinst};
use crate::sandbox::Sandbox;
use crate::sandbox::run::Outcome;

/// States of a home, each with a script for `sh` that makes it. Between them the three files are everything that a file
/// can be.
const STATES: &[(&str, &str)] = &[
    ("nothing", ""),
    ("whole", "mkzeoinst zeo 19999"),
    ("holes", "mkzeoinst zeo 19999; rm zeo/etc/zeo.conf; : >zeo/etc/zeoctl.conf; chmod 644 zeo/bin/zeoctl; rmdir zeo/var"),
    ("older", "mkzeoinst zeo 19998; echo '# ours' >>zeo/etc/zeoctl.conf; sed -i '/Made by/d' zeo/bin/zeoctl; echo : >>zeo/bin/zeoctl"),
    ("mergeable", "mkzeoinst zeo 19998 --umask 027; rm zeo/etc/mkzeoinst.toml; sed -i 's/level info/level debug/' zeo/etc/zeo.conf"),
    ("conflict", "mkzeoinst zeo 19998; sed -i 's/address 19998/address 19997/' zeo/etc/zeo.conf; sed -i '/Made by/d' zeo/bin/zeoctl
                  echo ours >zeo/etc/zeo.conf.new; echo : >>zeo/bin/zeoctl; chmod 600 zeo/bin/zeoctl; echo old >zeo/bin/zeoctl.~1~"),
    ("moved", "mkzeoinst --with systemd,logrotate,openrc old 19999; mv old zeo
               echo '# mine' >>zeo/etc/logrotate/zeo-old; rm zeo/etc/openrc/zeo-old; mkdir zeo/etc/openrc/zeo-old"),
];

const CONFLICTS: &[&[&str]] = &[
    &[],
    &["--on-conflict", "keep"],
    &["--on-conflict", "new"],
    &["--on-conflict", "backup"],
    &["--on-conflict", "overwrite"],
    &["--on-conflict", "fail"],
];

const ONLY: &[&[&str]] =
    &[&[], &["--only", "bin/zeoctl"], &["--only", "etc/zeo.conf", "--only", "etc/zeoctl.conf"]];

/// All that is in a home: modes, contents, link targets.
fn tree(sandbox: &Sandbox) -> BTreeMap<PathBuf, (u32, Vec<u8>)> {
    let home = sandbox.path("zeo");
    let entries = WalkDir::new(&home).into_iter().filter_map(Result::ok);
    let seen = |entry: walkdir::DirEntry| {
        let mode = entry.metadata().unwrap().mode();
        let contents = if entry.file_type().is_file() { fs::read(entry.path()).unwrap() } else { Vec::new() };
        (entry.into_path(), (mode, contents))
    };
    entries.map(seen).collect()
}

/// Path, state and verb of each directory and file, and what was done of them.
type Steps = (Vec<[String; 3]>, BTreeMap<String, bool>);

fn steps(outcome: &Outcome) -> (Value, Steps) {
    let object: Value =
        serde_json::from_str(&outcome.stdout).unwrap_or_else(|error| panic!("{error}: {outcome:?}"));
    let text = |entry: &Value, key: &str| entry[key].as_str().unwrap_or_default().to_owned();
    let entries: Vec<_> =
        ["directories", "files"].iter().flat_map(|list| object[list].as_array().unwrap().clone()).collect();
    let told = entries.iter().map(|entry| [text(entry, "path"), text(entry, "state"), text(entry, "verb")]);
    let done = entries.iter().map(|entry| (text(entry, "path"), entry["done"].as_bool().unwrap()));
    let steps = (told.collect(), done.collect());
    (object, steps)
}

/// What a run did, as what it would do.
fn would(told: &str) -> String {
    let words = [
        ("Created directory", "Would create directory"),
        ("Wrote file", "Would write file"),
        ("Changed mode", "Would change mode"),
        ("Updated file", "Would update file"),
        ("Merged file", "Would merge file"),
        ("Accepted file", "Would accept file"),
        ("Kept file", "Would keep file"),
        ("Overwrote file", "Would overwrite file"),
        ("Removed file", "Would remove file"),
        ("Warning: ", "Warning: "),
    ];
    let line = |line: &str| {
        let (did, does) =
            words.iter().find(|(did, _)| line.starts_with(did)).unwrap_or_else(|| panic!("{line}"));
        line.replacen(did, does, 1)
    };
    told.split_inclusive('\n').map(line).collect()
}

/// One row: tries all runs on a home in this state; gives the verbs that were seen.
fn compare(sandbox: &Sandbox, state: &str, options: &[&str]) -> BTreeSet<String> {
    let reset = || {
        let script = r#"rm -rf zeo; [ ! -e "states/$0" ] || cp -a "states/$0" zeo"#;
        sandbox.command("sh").args(["-c", script, state]).run();
    };
    let run = |mode: &[&str]| mkzeoinst(sandbox).args(mode).args(options).args(["zeo", "19999"]).output();
    let case = format!("{state} {options:?}");
    reset();
    let before = tree(sandbox);
    let [dry, check, dry_text] =
        [&["--dry-run", "--json"][..], &["--check", "--json"], &["--dry-run"]].map(run);
    assert_eq!(tree(sandbox), before, "{case}: something was written");
    let real = run(&["--json"]);
    let after = tree(sandbox);
    reset();
    let real_text = run(&[]);
    assert_eq!(tree(sandbox), after, "{case}: --json did something else");

    let ((foretold, plan), (judged, checked), (outcome, work)) = (steps(&dry), steps(&check), steps(&real));
    assert_eq!((plan.0.as_slice(), checked.0.as_slice()), (work.0.as_slice(), work.0.as_slice()), "{case}");
    assert_eq!(dry.status, real.status, "{case}");
    assert_eq!((real_text.status, dry_text.status), (real.status, dry.status), "{case}");
    assert_eq!(
        (&foretold["changes"], &judged["changes"]),
        (&outcome["changes"], &outcome["changes"]),
        "{case}"
    );
    assert_eq!((&foretold["error"], &judged["error"]), (&outcome["error"], &outcome["error"]), "{case}");
    assert_eq!(
        (&foretold["dry_run"], &judged["dry_run"], &outcome["dry_run"]),
        (&true.into(), &true.into(), &false.into())
    );
    assert_eq!(
        [&dry.stderr, &check.stderr, &dry_text.stderr, &real_text.stderr],
        [&real.stderr; 4],
        "{case}"
    );
    let expected = if real.status != 0 { 2 } else { i32::from(outcome["changes"] == true) };
    assert_eq!(check.status, expected, "{case}: {check:?}");
    assert!(plan.1.values().all(|done| !done) && checked.1.values().all(|done| !done), "{case}: {dry:?}");
    assert!(work.1.values().all(|done| *done), "{case}: {real:?}");
    assert_eq!(after != before, outcome["changes"] == true, "{case}");
    if real.status == 0 {
        let lines = |outcome: &Outcome, end: &str| outcome.stdout.strip_suffix(end).map(str::to_owned);
        let foretold = lines(&dry_text, "Nothing was done: this was a dry run.\n");
        let told = lines(&real_text, "All done.\n");
        assert!(
            foretold.is_some() && foretold == told.map(|told| would(&told)),
            "{case}:\n{dry_text:?}\n{real_text:?}"
        );
    } else {
        assert_eq!((dry_text.stdout.as_str(), real_text.stdout.as_str()), ("", ""), "{case}");
    }
    work.0.into_iter().map(|[.., verb]| verb).collect()
}

#[test]
fn dry_runs_and_real_runs_have_the_same_verbs_and_statuses() {
    let mut rows = Vec::new();
    for (state, _) in STATES {
        for update in [false, true] {
            for options in
                CONFLICTS.iter().flat_map(|conflict| ONLY.iter().map(move |only| [*conflict, *only]))
            {
                let update: &[&str] = if update { &["--update"] } else { &[] };
                rows.push((*state, [update, &options.concat()].concat()));
            }
        }
    }
    rows.extend(STATES.iter().map(|(state, _)| (*state, vec!["--accept", "etc/zeo.conf"])));
    let (next, seen) = (Mutex::new(rows.iter()), Mutex::new(BTreeSet::new()));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let sandbox = Sandbox::new();
                install(&sandbox, "");
                for (state, script) in STATES {
                    let script = format!("PATH=$PWD/bin:$PATH\n{script}\nmkdir -p states; [ ! -e zeo ] || mv zeo 'states/{state}'");
                    let made = sandbox.command("sh").args(["-c", &script]).output();
                    assert_eq!((made.status, made.stderr.as_str()), (0, ""), "{state}");
                }
                loop {
                    let row = next.lock().unwrap().next();
                    let Some((state, options)) = row else { break };
                    let verbs = compare(&sandbox, state, options);
                    seen.lock().unwrap().extend(verbs);
                }
            });
        }
    });
    let all = [
        "accept",
        "backup",
        "create",
        "fill",
        "keep",
        "leave",
        "merge",
        "mode",
        "new",
        "overwrite",
        "remove",
        "same",
        "settled",
        "update",
    ];
    assert_eq!(seen.into_inner().unwrap(), all.map(str::to_owned).into(), "the table leaves out a verb");
}
