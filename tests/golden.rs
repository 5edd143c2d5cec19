//! Golden cases: what one command line makes of one directory, whole.
//!
//! A case is a folder `tests/golden/PROGRAM/CLAIM/`:
//!
//! | file | holds |
//! |---|---|
//! | `cmd` | the command, for `sh`, with PROGRAM on its path; run with mask 022 in a directory of its own |
//! | `setup` | commands for `sh` that prepare that directory; may be absent |
//! | `status`, `stdout`, `stderr` | how it ends and what it prints |
//! | `tree` | the directory afterwards: mode and name of all that is in it |
//! | `after/` | the contents of the files in it |
//!
//! In all of them `[CHECKSUM]` stands for that of a generated file, `[HOME]` for that directory and `[BIN]` for the one with the program, in which there are also
//! stand-ins for the programs beside it. `GOLDEN=overwrite cargo test golden` writes what was seen into the cases; read
//! the difference before you commit it.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use similar::TextDiff;
use walkdir::WalkDir;

use crate::sandbox::{Sandbox, search_path};

/// The files of a case by their names in its folder; `cmd` and `setup` are not among them.
type Files = BTreeMap<String, String>;

#[test]
fn mkzeoinst_does_what_its_cases_say() {
    check_all("mkzeoinst", env!("CARGO_BIN_EXE_mkzeoinst"));
}

fn check_all(program: &str, executable: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(program);
    let mut cases: Vec<PathBuf> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    assert!(!cases.is_empty(), "no case in {}", folder.display());
    let overwrite = std::env::var_os("GOLDEN").is_some_and(|value| value == "overwrite");
    let mut differences = String::new();
    for case in cases {
        let seen = run(&case, executable);
        let expected = expected(&case);
        if overwrite {
            write(&case, &expected, &seen);
        } else {
            differences += &difference(&case, &expected, &seen);
        }
    }
    assert!(differences.is_empty(), "{differences}");
}

fn run(case: &Path, executable: &str) -> Files {
    let sandbox = Sandbox::new();
    let (bin, home) = (sandbox.path("bin"), sandbox.path("home"));
    fs::create_dir(&home).unwrap();
    install(&sandbox, executable, &["runzeo", "zdctl", "zdrun"].map(|name| (name, "")));
    let marks = [("[HOME]", home.to_str().unwrap()), ("[BIN]", bin.to_str().unwrap())];
    let path = format!("{}:{}", bin.display(), search_path().display());
    let shell = |name: &str| {
        let script = fs::read_to_string(case.join(name)).unwrap_or_default();
        let script = marks.iter().fold(script, |script, (mark, real)| script.replace(mark, real));
        let command = sandbox.command("/bin/sh").arg("-c").arg(format!("umask 022\n{script}"));
        command.current_dir(&home).env("PATH", &path)
    };
    shell("setup").run();
    let outcome = shell("cmd").output();
    let mut seen = after(&home);
    seen.insert("status".to_owned(), format!("{}\n", outcome.status));
    seen.insert("stdout".to_owned(), outcome.stdout);
    seen.insert("stderr".to_owned(), outcome.stderr);
    for text in seen.values_mut() {
        let marked = marks.iter().fold(text.clone(), |text, (mark, real)| text.replace(real, mark));
        *text = without_checksums(&marked);
    }
    seen
}

/// The checksum in a generated file is that of a text with the real directories in it; `instance::stamp` tests it.
pub(crate) fn without_checksums(text: &str) -> String {
    const BEFORE: &str = " (sha256: ";
    let mut parts = text.split(BEFORE);
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| {
        let rest = part.trim_start_matches(|c: char| c.is_ascii_hexdigit());
        let mark = if part.len() - rest.len() == 32 { "[CHECKSUM]" } else { "[WRONG]" };
        text + BEFORE + mark + rest
    })
}

/// Puts a program into `bin` of the sandbox, under its own name, and beside it shell scripts: their names and commands.
///
/// They are copied there by another process: a file that this process ever had open for writing may still be so in a
/// child that another test has just forked, and could then not be executed (`ETXTBSY`, execve(2)).
pub(crate) fn install(sandbox: &Sandbox, executable: &str, scripts: &[(&str, &str)]) {
    let bin = sandbox.path("bin");
    fs::create_dir(&bin).unwrap();
    let write = |(name, script): &(&str, &str)| {
        sandbox.write(Path::new("scripts").join(name), format!("#!/bin/sh\n{script}\n"))
    };
    let mut sources: Vec<PathBuf> = scripts.iter().map(write).collect();
    // The executable is large; a link is quicker, where one can be made.
    let name = Path::new(executable).file_name().unwrap();
    if fs::hard_link(executable, bin.join(name)).is_err() {
        sources.push(PathBuf::from(executable));
    }
    sandbox.command("cp").args(&sources).arg(&bin).run();
    for (name, _) in scripts {
        fs::set_permissions(bin.join(name), PermissionsExt::from_mode(0o755)).unwrap();
    }
}

/// `tree`, and the files below `after/`.
fn after(home: &Path) -> Files {
    let mut files = Files::new();
    let mut tree = Vec::new();
    for entry in WalkDir::new(home).min_depth(1).sort_by_file_name() {
        let entry = entry.unwrap();
        let name = entry.path().strip_prefix(home).unwrap().display();
        let metadata = entry.metadata().unwrap();
        let (kind, mode) = (entry.file_type(), metadata.mode() & 0o7777);
        tree.push(if kind.is_symlink() {
            format!("link {name} -> {}\n", fs::read_link(entry.path()).unwrap().display())
        } else {
            format!("{mode:04o} {name}{}\n", if kind.is_dir() { "/" } else { "" })
        });
        // It repeats what the other files were made from.
        if kind.is_file() && !name.to_string().ends_with("etc/.mkzeoinst-pristine.toml") {
            files.insert(format!("after/{name}"), fs::read_to_string(entry.path()).unwrap());
        }
    }
    files.insert("tree".to_owned(), tree.concat());
    files
}

fn expected(case: &Path) -> Files {
    let mut files = Files::new();
    for entry in WalkDir::new(case).min_depth(1) {
        let entry = entry.unwrap();
        let name = entry.path().strip_prefix(case).unwrap().to_str().unwrap();
        if entry.file_type().is_file() && name != "cmd" && name != "setup" {
            files.insert(name.to_owned(), fs::read_to_string(entry.path()).unwrap());
        }
    }
    files
}

fn difference(case: &Path, expected: &Files, seen: &Files) -> String {
    let names: std::collections::BTreeSet<_> = expected.keys().chain(seen.keys()).collect();
    let mut out = String::new();
    for name in names {
        let absent = format!("(no {name})\n");
        let (expected, seen) = (expected.get(name).unwrap_or(&absent), seen.get(name).unwrap_or(&absent));
        if expected != seen {
            let title = format!("{}/{name}", case.file_name().unwrap().to_string_lossy());
            let diff = TextDiff::from_lines(expected, seen);
            out += &diff.unified_diff().header(&title, "seen").to_string();
        }
    }
    out
}

fn write(case: &Path, expected: &Files, seen: &Files) {
    for name in expected.keys().filter(|name| !seen.contains_key(*name)) {
        fs::remove_file(case.join(name)).unwrap();
    }
    for (name, text) in seen {
        let path = case.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
}
