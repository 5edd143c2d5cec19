//! The layers of ARCHITECTURE.md: a module uses only lower layers, and each outside crate has its home. Inside a module no two
//! siblings (files, or directories) use each other, directly or through others; a type's methods stay together.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

/// The modules by layer; the same number means neighbours, which never use each other.
const LAYERS: &[(&str, u8)] = &[
    ("sys", 1),
    ("exit", 1),
    ("repr", 1),
    ("eventlog", 2),
    ("pickle", 2),
    ("zconfig", 2),
    ("config", 3),
    ("control", 3),
    ("record", 3),
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
    ("aes", &["zeo"]),
    ("cbc", &["zeo"]),
    ("clap", &["cli"]),
    ("clap_complete", &["cli"]),
    ("clap_mangen", &["cli"]),
    ("des", &["zeo"]),
    ("flate2", &["record"]),
    ("include_dir", &["instance"]),
    ("indexmap", &["zconfig"]),
    ("libc", &["sys"]),
    ("md5", &["zeo"]),
    ("nix", &["sys"]),
    ("pem", &["zeo"]),
    ("pkcs8", &["zeo"]),
    ("rcgen", &["instance"]),
    ("rustyline", &["shell"]),
    ("serde", &["config", "instance", "shell", "supervisor"]),
    ("serde_json", &["cli", "shell", "zeo"]),
    ("sha2", &["instance", "zeo"]),
    ("signal_hook", &["sys"]),
    ("rustls", &["zeo"]),
    ("similar", &["instance"]),
    ("strsim", &["zconfig"]),
    ("tera", &["instance"]),
    ("time", &["instance"]),
    ("tokio", &["zeo"]),
    ("tokio_rustls", &["zeo"]),
    ("toml", &["config", "instance", "supervisor"]),
    ("walkdir", &["instance"]),
    ("x509_cert", &["zeo"]),
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

fn layer(module: &str) -> Option<u8> {
    LAYERS.iter().find(|(name, _)| *name == module).map(|(_, layer)| *layer)
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
fn every_module_uses_only_lower_layers() {
    let mut broken = Vec::new();
    for (module, path) in source_files() {
        let Some(own) = layer(&module) else {
            assert!(module == "lib" || module == "bin", "{module} has no layer: add it to LAYERS");
            continue;
        };
        for (number, line) in code_lines(&path) {
            for used in modules_named(&line) {
                if used != module && layer(&used).is_some_and(|other| other >= own) {
                    broken.push(format!("{}:{number}: {module} uses {used}", path.display()));
                }
            }
        }
    }
    assert!(broken.is_empty(), "layers broken:\n{}", broken.join("\n"));
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

/// In how many files of a module a type may have methods.
const MAX_FILES_OF_A_TYPE: usize = 3;

/// The source without comments, and without the texts in quotes.
fn bare_code(text: &str) -> String {
    let lines = text.lines().map(|line| line.split("//").next().unwrap_or_default());
    let code = lines.collect::<Vec<_>>().join("\n").replace("\\\"", "").replace("'\"'", "");
    code.split('"').step_by(2).collect::<Vec<_>>().join(" ")
}

/// A module that is a file.
struct Module {
    /// The paths that its code names from `crate`, `super` or `self`, as from the crate.
    named: Vec<Vec<String>>,
    /// What `use` brings into its name space: the name, and what it stands for.
    imported: Vec<(String, Vec<String>)>,
}

/// Splits into words, `::`, and single other characters.
fn tokens(code: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = code.trim_start();
    while let Some(first) = rest.chars().next() {
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        let length = if is_word(first) {
            rest.find(|c| !is_word(c)).unwrap_or(rest.len())
        } else if rest.starts_with("::") {
            2
        } else {
            first.len_utf8()
        };
        found.push(&rest[..length]);
        rest = rest[length..].trim_start();
    }
    found
}

/// Reads one path, or the several of a group in braces, from the front; adds each with its name in scope.
fn read_paths<'a>(tokens: &mut &[&'a str], prefix: &[&'a str], found: &mut Vec<(String, Vec<String>)>) {
    let mut path = prefix.to_vec();
    while let Some((first, rest)) = tokens.split_first() {
        *tokens = rest;
        if *first == "{" {
            while tokens.first().is_some_and(|token| *token != "}") {
                if tokens[0] == "," {
                    *tokens = &tokens[1..];
                } else {
                    read_paths(tokens, &path, found);
                }
            }
            *tokens = tokens.get(1..).unwrap_or_default();
            return;
        }
        path.push(first);
        match tokens {
            ["::", rest @ ..] if rest.first().is_some_and(|next| *next != "<") => *tokens = rest,
            _ => break,
        }
    }
    let mut name = *path.last().unwrap_or(&"");
    if let ["as", alias, rest @ ..] = tokens {
        (name, *tokens) = (alias, rest);
    }
    if name == "self" {
        path.pop();
        name = path.last().unwrap_or(&"");
    }
    found.push((name.to_owned(), path.into_iter().map(str::to_owned).collect()));
}

/// What a file names; not what only its tests do.
fn module(path: &[String], text: &str) -> Module {
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let code = bare_code(text);
    let tokens = tokens(&code);
    let absolute = |relative: &[String]| {
        let mut absolute = path.to_vec();
        for (index, word) in relative.iter().enumerate() {
            match word.as_str() {
                "crate" if index == 0 => absolute.clear(),
                "super" => drop(absolute.pop()),
                "self" => {}
                _ => absolute.push(word.clone()),
            }
        }
        absolute
    };
    let (mut named, mut imported) = (Vec::new(), Vec::new());
    for (index, token) in tokens.iter().enumerate() {
        let mut rest = &tokens[index..];
        let mut found = Vec::new();
        if *token == "use" {
            rest = &rest[1..];
            read_paths(&mut rest, &[], &mut found);
            imported.extend(found.into_iter().map(|(name, path)| (name, absolute(&path))));
        } else if matches!(*token, "crate" | "super" | "self") && rest.get(1) == Some(&"::") {
            read_paths(&mut rest, &[], &mut found);
            named.extend(found.into_iter().map(|(_, path)| absolute(&path)));
        }
    }
    Module { named, imported }
}

/// The modules of the source, without those of tests.
fn modules() -> BTreeMap<Vec<String>, Module> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut modules = BTreeMap::new();
    let mut only_tests = BTreeSet::new();
    for (_, file) in source_files() {
        let text = fs::read_to_string(&file).expect("source is UTF-8");
        let relative = file.strip_prefix(&src).expect("below src").with_extension("");
        let mut path: Vec<String> = relative.iter().map(|name| name.to_string_lossy().into_owned()).collect();
        path.pop_if(|name| name == "mod");
        for (_, after) in
            text.match_indices("#[cfg(test)]\n").map(|(at, mark)| text.split_at(at + mark.len()))
        {
            let declared = after.lines().next().and_then(|line| line.split("mod ").nth(1)?.strip_suffix(';'));
            only_tests.extend(declared.map(|name| [&path[..], &[name.to_owned()]].concat()));
        }
        let module = module(&path, &text);
        modules.insert(path, module);
    }
    let is_test = |path: &[String]| only_tests.iter().any(|test| path.starts_with(test));
    modules.retain(|path, _| {
        !is_test(path) && path.first().is_some_and(|first| first != "bin" && first != "lib")
    });
    modules
}

/// The module in which a path ends, through what the modules on its way import.
fn home(path: &[String], modules: &BTreeMap<Vec<String>, Module>, depth: usize) -> Vec<String> {
    let mut at = 0;
    while at < path.len() && modules.contains_key(&path[..=at]) {
        at += 1;
    }
    let (module, rest) = path.split_at(at);
    let next = rest.first().zip(modules.get(module)).and_then(|(name, module)| {
        let (_, meant) = module.imported.iter().find(|(imported, _)| imported == name)?;
        Some(meant)
    });
    match next {
        Some(meant) if depth < 8 && *meant != path => home(meant, modules, depth + 1),
        _ => module.to_vec(),
    }
}

/// Who uses whom among the siblings of each directory.
fn uses(
    modules: &BTreeMap<Vec<String>, Module>,
) -> BTreeMap<Vec<String>, BTreeMap<String, BTreeSet<String>>> {
    let mut uses: BTreeMap<_, BTreeMap<_, BTreeSet<_>>> = BTreeMap::new();
    for (own, module) in modules {
        let imported = module.imported.iter().map(|(_, path)| path);
        for path in module.named.iter().chain(imported) {
            let other = home(path, modules, 0);
            let shared = own.iter().zip(&other).take_while(|(a, b)| a == b).count();
            if shared > 0
                && let (Some(user), Some(used)) = (own.get(shared), other.get(shared))
            {
                let siblings = uses.entry(own[..shared].to_vec()).or_default();
                siblings.entry(user.clone()).or_default().insert(used.clone());
            }
        }
    }
    uses
}

/// The shortest way from a sibling back to itself.
fn circle<'a>(from: &'a str, uses: &'a BTreeMap<String, BTreeSet<String>>) -> Option<Vec<&'a str>> {
    let mut ways = std::collections::VecDeque::from([vec![from]]);
    let mut seen = BTreeSet::new();
    while let Some(way) = ways.pop_front() {
        for next in uses.get(*way.last()?).into_iter().flatten() {
            let longer = [&way[..], &[next]].concat();
            if next == from {
                return Some(longer);
            }
            if seen.insert(next) {
                ways.push_back(longer);
            }
        }
    }
    None
}

#[test]
fn no_siblings_use_each_other() {
    let mut broken = BTreeSet::new();
    for (directory, uses) in uses(&modules()) {
        let directory = directory.join("/");
        for sibling in uses.keys() {
            let Some(mut circle) = circle(sibling, &uses) else { continue };
            // The same circle is met from each that is in it: it begins with the first by name.
            circle.pop();
            let first = circle.iter().enumerate().min_by_key(|(_, name)| **name).map_or(0, |(at, _)| at);
            circle.rotate_left(first);
            broken.insert(format!("src/{directory}: {} -> {}", circle.join(" -> "), circle[0]));
        }
    }
    assert!(broken.is_empty(), "circles:\n{}", Vec::from_iter(broken).join("\n"));
}

#[test]
fn methods_of_a_type_stay_together() {
    let mut files: BTreeMap<(String, String), BTreeSet<PathBuf>> = BTreeMap::new();
    for (module, path) in source_files() {
        for (_, line) in code_lines(&path) {
            let Some(head) = line.strip_prefix("impl").filter(|head| !head.contains(" for ")) else {
                continue;
            };
            // After the parameters of the block itself: impl<'a> Name<'a> {
            let head = head
                .strip_prefix('<')
                .map_or(head, |head| head.split_once("> ").map_or(head, |(_, name)| name));
            let name = head.trim().split(['<', ' ', '{']).next().unwrap_or_default().to_owned();
            files.entry((module.clone(), name)).or_default().insert(path.clone());
        }
    }
    let scattered: Vec<_> = files
        .iter()
        .filter(|(_, files)| files.len() > MAX_FILES_OF_A_TYPE)
        .map(|((module, name), files)| format!("src/{module}: impl {name} in {} files", files.len()))
        .collect();
    assert!(scattered.is_empty(), "methods scattered:\n{}", scattered.join("\n"));
}

#[test]
fn circle_is_seen_through_groups_and_names_of_the_parent() {
    let files = [
        (
            "a",
            "mod one; mod two; mod three; pub use two::Two; pub(crate) use self::three::{deep::Deep, x as Y};",
        ),
        ("a/one", "use super::{Two, nothing::{self, Else}}; // super::three"),
        ("a/two", "fn f() { super::Y(\"super::one\") }"),
        ("a/three", "mod deep;"),
        ("a/three/deep", "use crate::a::one::One as Other;"),
    ];
    let path = |name: &str| name.split('/').map(str::to_owned).collect::<Vec<_>>();
    let modules = files.into_iter().map(|(name, text)| (path(name), module(&path(name), text))).collect();
    let uses = uses(&modules);
    assert_eq!(uses.len(), 1, "{uses:?}");
    assert_eq!(circle("one", &uses[&path("a")]), Some(vec!["one", "two", "three", "one"]));
}
