//! The floors of DESIGN: a module uses only lower floors, and each outside crate has its home.

use std::fs;
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

/// The modules by floor; the same number means neighbours, which never use each other.
const FLOORS: &[(&str, u8)] = &[
    ("sys", 1),
    ("exit", 1),
    ("eventlog", 2),
    ("pickle", 2),
    ("zconfig", 2),
    ("config", 3),
    ("control", 3),
    ("storage", 3),
    ("filestorage", 4),
    ("instance", 4),
    ("shell", 4),
    ("supervisor", 4),
    ("zeo", 4),
    ("cli", 5),
];

/// Outside crates and the modules that may name them.
const HOMES: &[(&str, &[&str])] = &[
    ("clap", &["cli"]),
    ("clap_complete", &["cli"]),
    ("clap_mangen", &["cli"]),
    ("include_dir", &["instance"]),
    ("libc", &["sys"]),
    ("nix", &["sys"]),
    ("rustyline", &["shell"]),
    ("serde", &["config", "instance", "shell"]),
    ("serde_json", &["cli", "shell", "zeo"]),
    ("sha2", &["instance"]),
    ("signal_hook", &["sys"]),
    ("rustls", &["zeo"]),
    ("similar", &["instance"]),
    ("strsim", &["zconfig"]),
    ("tera", &["instance"]),
    ("tokio", &["zeo"]),
    ("toml", &["config", "instance"]),
    ("walkdir", &["instance"]),
];

fn source_files() -> Vec<(String, PathBuf)> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    for entry in WalkDir::new(&src).sort_by_file_name() {
        let path = entry.expect("src can be read").into_path();
        if path.extension().is_some_and(|e| e == "rs") {
            let relative = path.strip_prefix(&src).expect("below src");
            let first = relative.iter().next().expect("a name").to_string_lossy();
            files.push((first.trim_end_matches(".rs").to_owned(), path));
        }
    }
    assert!(files.len() > 10, "the source was not found: {files:?}");
    files
}

fn code_lines(path: &Path) -> Vec<(usize, String)> {
    let text = fs::read_to_string(path).expect("source is UTF-8");
    let code = |line: &str| !line.trim_start().starts_with("//");
    text.lines().enumerate().filter(|(_, l)| code(l)).map(|(n, l)| (n + 1, l.to_owned())).collect()
}

fn floor(module: &str) -> Option<u8> {
    FLOORS.iter().find(|(name, _)| *name == module).map(|(_, floor)| *floor)
}

/// The modules that a line names: `crate::x`, also the several of `crate::{x, y}`.
fn modules_named(line: &str) -> Vec<String> {
    let mut found = Vec::new();
    for part in line.split("crate::").skip(1) {
        let list = part.strip_prefix('{').map_or(part, |rest| rest.split('}').next().unwrap_or(rest));
        let several = part.starts_with('{');
        for item in list.split(',').take(if several { usize::MAX } else { 1 }) {
            let name: String =
                item.trim().chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
            found.push(name);
        }
    }
    found
}

/// Whether a line has `name::` or `use name;` as a path's first word (`std::os::unix::` is not the crate nix).
fn names_crate(line: &str, name: &str) -> bool {
    let ends_in_name = |before: &str| {
        let rest = before.strip_suffix(name);
        rest.is_some_and(|rest| !rest.ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':'))
    };
    line.match_indices("::").any(|(at, _)| ends_in_name(&line[..at]))
        || line.contains(&format!("use {name};"))
}

#[test]
fn a_crate_is_told_from_a_word_that_ends_like_it() {
    for line in ["use nix::libc;", "    nix::unistd::getpid()", "use nix;", "call(nix::x)"] {
        assert!(names_crate(line, "nix"), "{line}");
    }
    for line in ["use std::os::unix::ffi::OsStrExt;", "use crate::sys::nix::x;"] {
        assert!(!names_crate(line, "nix"), "{line}");
    }
}

#[test]
fn every_module_uses_only_lower_floors() {
    let mut broken = Vec::new();
    for (module, path) in source_files() {
        let Some(own) = floor(&module) else {
            assert!(module == "lib" || module == "bin", "{module} has no floor: add it to FLOORS");
            continue;
        };
        for (number, line) in code_lines(&path) {
            for used in modules_named(&line) {
                if used != module && floor(&used).is_some_and(|other| other >= own) {
                    broken.push(format!("{}:{number}: {module} uses {used}", path.display()));
                }
            }
        }
    }
    assert!(broken.is_empty(), "floors broken:\n{}", broken.join("\n"));
}

#[test]
fn every_outside_crate_stays_in_its_home() {
    let mut broken = Vec::new();
    for (module, path) in source_files() {
        for (number, line) in code_lines(&path) {
            for (name, homes) in HOMES {
                if names_crate(&line, name) && !homes.contains(&module.as_str()) {
                    broken.push(format!("{}:{number}: {name} outside {homes:?}", path.display()));
                }
            }
        }
    }
    assert!(broken.is_empty(), "crates away from home:\n{}", broken.join("\n"));
}

#[test]
fn unsafe_code_lives_in_sys_only() {
    for (module, path) in source_files() {
        for (number, line) in code_lines(&path) {
            let named = line.contains("unsafe ") || line.contains("allow(unsafe_code)");
            assert!(!named || module == "sys", "{}:{number}: unsafe outside sys", path.display());
        }
    }
}

#[test]
fn doors_only_delegate() {
    for (module, path) in source_files() {
        if module == "bin" {
            let lines = code_lines(&path);
            assert!(lines.len() <= 3, "{} does more than delegate", path.display());
            assert!(lines.iter().all(|(_, l)| !l.contains("if ")), "{} decides", path.display());
        }
    }
}
