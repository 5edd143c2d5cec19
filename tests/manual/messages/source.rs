//! The messages in the source are in the manuals.

use std::fs;
use std::path::Path;

use super::{documented, pattern};
use crate::sandbox::matches;

/// The texts after this mark in a source file, with what is put in left open.
fn texts(path: &Path, mark: &str) -> Vec<String> {
    let source = fs::read_to_string(path).expect("source is text");
    // A long one goes on in the next line.
    let source: String = source.split("\\\n").map(str::trim_start).collect();
    let source = source.split("#[cfg(test)]").next().unwrap_or_default().to_owned();
    let text = |rest: &str| {
        let text = rest.trim_start().strip_prefix('"')?.split('"').next()?;
        let mut parts = text.split('{');
        let first = parts.next().unwrap_or_default().to_owned();
        let open = |part: &str| format!("[..]{}", part.split_once('}').map_or("", |(_, rest)| rest));
        Some(first + &parts.map(open).collect::<String>())
    };
    source.split(mark).skip(1).filter_map(text).collect()
}

#[test]
fn every_message_of_zdctl_is_in_its_manual() {
    let shell = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/shell");
    let mut all = texts(&shell.join("failure.rs"), "#[error(");
    assert!(all.len() > 20, "{all:?}");
    for entry in fs::read_dir(shell).expect("the source is there") {
        let path = entry.expect("an entry").path();
        if path.is_file() {
            all.extend(texts(&path, "say("));
            all.extend(texts(&path, "say(format_args!("));
        }
    }
    let known = documented();
    // The first is printed by another program, of the second nothing is.
    let silent = ["daemon manager could not start", "interrupted"];
    for text in all {
        // A name is quoted in what is printed, and is not in the manual.
        let text = text.replace("'[..]'", "[..]");
        let is_known =
            known.iter().any(|(_, message, _)| matches(&text, message) || matches(&pattern(message), &text));
        let says_nothing = text.replace("[..]", "").trim().is_empty() || silent.contains(&text.as_str());
        assert!(is_known || says_nothing, "not in docs/zdctl.md: {text}");
    }
}

#[test]
fn every_message_of_a_manager_that_does_not_start_is_in_its_manual() {
    let error = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/supervisor/error.rs");
    let all = texts(&error, "#[error(");
    assert!(all.len() > 15, "{all:?}");
    // Only where the system lacks what it always has, or where `zdctl` tells of it in words of its own.
    let rare = [
        "cannot fork the daemon manager: [..]",
        "cannot receive signals: [..]",
        "cannot make a notification socket: [..]",
        "cannot wait for events: [..]",
        "cannot take over from the earlier daemon manager: [..]",
        "the program of an earlier daemon manager still runs as process [..] and cannot be adopted: [..]; stop it first",
        "what the program of an earlier daemon manager left behind still runs and cannot be ended; [..]; end it first",
        "program took too long to start[..]",
        "'[..]' has changed, which takes a stop and a start",
        "the daemon manager ended before the program was started",
    ];
    let known: Vec<_> = documented().into_iter().filter(|(program, ..)| *program == "zdrun").collect();
    for text in &all {
        let bare = text.replace("'[..]'", "[..]");
        let is_known =
            known.iter().any(|(_, message, _)| matches(&bare, message) || matches(&pattern(message), &bare));
        let says_nothing = text.replace("[..]", "").trim().is_empty();
        assert!(is_known || says_nothing || rare.contains(&text.as_str()), "not in docs/zdrun.md: {text}");
    }
    for text in rare {
        assert!(all.iter().any(|known| known == text), "no longer in the source: {text}");
    }
}
