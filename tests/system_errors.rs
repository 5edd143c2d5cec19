//! Errors of the system have the words of `sys::system_error`, which has no numbers in them: each kind of error that holds one
//! shows it by `os_error_text`. What is printed is looked at wherever a test runs a program (`sandbox::run`).

use std::fs;
use std::path::Path;

/// The variants of errors in a source file that hold an `io::Error` and show it themselves, each with its message.
fn shown_raw(source: &str) -> Vec<String> {
    let mut raw = Vec::new();
    for variant in source.split("#[error(").skip(1) {
        let Some((message, rest)) = variant.split_once(")]\n") else { continue };
        // Up to the next variant, or to the end of the type.
        let fields = rest.split("#[error(").next().unwrap_or_default();
        let fields = fields.split("\n}").next().unwrap_or_default();
        let declared = fields.lines().filter(|line| !line.trim_start().starts_with("//"));
        let holds = declared.take(12).any(|line| line.contains("io::Error"));
        let shows = message.contains("{source}") || message.contains("{0}") || message.contains("{error}");
        if holds && shows {
            raw.push(message.to_owned());
        }
    }
    raw
}

#[test]
fn errors_that_hold_one_of_the_system_show_it_in_the_words_of_one_place() {
    let example = "#[error(\"x: {source}\")]\nOne {\n    source: io::Error,\n},\n";
    assert_eq!(shown_raw(example), ["\"x: {source}\""]);
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut raw = Vec::new();
    for entry in walkdir::WalkDir::new(src) {
        let path = entry.unwrap().into_path();
        if path.extension().is_some_and(|extension| extension == "rs") {
            let found = shown_raw(&fs::read_to_string(&path).unwrap()).into_iter();
            raw.extend(found.map(|message| format!("{}: {message}", path.display())));
        }
    }
    assert!(raw.is_empty(), "{}", raw.join("\n"));
}
