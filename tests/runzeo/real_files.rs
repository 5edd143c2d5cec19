//! Configuration files that people have published: each is served, or refused with lines that say what to do. They are no part
//! of this repository; `../shared/real-conf` has them, with a README that says which program each is for.

use std::collections::HashMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use zeo_server::config::{self, Errors, server};
use zeo_server::zconfig::Environment;

/// A file as the README lists it.
struct Published {
    name: String,
    /// `zeo`, `runner` or `zeo+runner`: what is in it; also `zope` and `client`, which are for no program of ours.
    kind: String,
    /// The variables that it needs, `NAME=VALUE`.
    variables: Vec<(String, String)>,
}

fn place() -> Option<PathBuf> {
    let place = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/real-conf");
    place.join("README.md").is_file().then_some(place)
}

/// The rows of the table: name, kind, year, how, source, remark.
fn listed(place: &Path) -> Vec<Published> {
    let readme = fs::read_to_string(place.join("README.md")).unwrap();
    let rows = readme.lines().filter_map(|line| {
        let cells: Vec<&str> = line.strip_prefix("| ")?.split('|').map(str::trim).collect();
        let name = cells.first().filter(|name| name.strip_suffix(".conf").is_some())?;
        let remark = cells.get(5).copied().unwrap_or_default();
        let variables = remark.strip_prefix("env ").unwrap_or_default().split(' ');
        let variables = variables.filter_map(|pair| pair.split_once('='));
        Some(Published {
            name: (*name).to_owned(),
            kind: cells.get(1).copied().unwrap_or_default().to_owned(),
            variables: variables.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
        })
    });
    rows.collect()
}

/// The lines that a program refuses a file with.
fn lines<T>(read: Result<T, Errors>) -> Vec<String> {
    read.err().map(|faults| faults.list().iter().map(ToString::to_string).collect()).unwrap_or_default()
}

#[test]
fn published_files_are_served_or_refused_with_what_to_do() {
    let Some(place) = place() else {
        let line =
            b"\nskipped: published_files_are_served_or_refused_with_what_to_do: no ../shared/real-conf\n";
        let _ = std::io::stderr().write_all(line);
        return;
    };
    let scratch = tempfile::tempdir().unwrap();
    let directory = scratch.path().display().to_string();
    let (mut silent, mut served, mut refused) = (Vec::new(), 0, 0);
    for file in listed(&place) {
        let text = fs::read_to_string(place.join(&file.name)).unwrap().replace("@DIR@", &directory);
        fs::write(scratch.path().join(&file.name), text).unwrap();
        let variables: HashMap<_, _> = file
            .variables
            .iter()
            .map(|(name, value)| (name.clone(), value.replace("@DIR@", &directory)))
            .collect();
        // The directories that it names are those of another machine.
        let environment = Environment::fixed(scratch.path().to_owned(), variables).trusting();
        let mut faults = Vec::new();
        if file.kind.contains("zeo") {
            let flags =
                server::Flags { configure: Some(file.name.clone().into()), ..server::Flags::default() };
            faults.extend(lines(server::resolve_in(&flags, &environment)));
        }
        if file.kind.contains("runner") {
            let flags =
                config::Flags { configure: Some(file.name.clone().into()), ..config::Flags::default() };
            faults.extend(lines(config::resolve_in(&flags, &environment)));
        }
        if faults.is_empty() {
            served += 1;
        } else {
            refused += 1;
        }
        // What is to be done stands in the closing clause; what is missing says it by its name.
        let is_missing = |fault: &str| fault.contains(": no '<") || fault.contains("' is missing from '<");
        silent.extend(faults.into_iter().filter(|fault| !fault.contains("; ") && !is_missing(fault)));
    }
    assert!(served >= 30 && served + refused >= 70, "{served} are served, {refused} are refused");
    assert!(silent.is_empty(), "{}", silent.join("\n"));
}
