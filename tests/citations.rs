//! What comments cite is there: each section of a document of docs/spec that the source names is one of its headings. And what
//! ARCHITECTURE.md names is there.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use walkdir::WalkDir;

/// The documents, as they are cited.
const DOCUMENTS: [&str; 4] = ["ZDPROTO", "ZCONFIG", "ZEO-PROTOCOL", "FILESTORAGE"];

/// The numbers of a document's headings: `1` of `## 1 Framing`, `1.2` of `### 1.2 A conversation`.
fn headings(text: &str) -> BTreeSet<String> {
    let number = |line: &str| line.trim_start_matches('#').split_whitespace().next().map(str::to_owned);
    text.lines().filter(|line| line.starts_with("##")).filter_map(number).collect()
}

/// The sections that a text cites of a document: `NAME section 3`, `NAME sections 2 and 6`, `NAME 1.2`. A comment's line may
/// end in the middle of one.
fn cited(text: &str, document: &str) -> Vec<String> {
    let words: Vec<&str> = text.split_whitespace().filter(|word| !word.starts_with("//")).collect();
    let mut sections = Vec::new();
    for (at, word) in words.iter().enumerate() {
        if word.trim_start_matches('(') != document {
            continue;
        }
        let listed = |word: &&&str| {
            matches!(**word, "section" | "sections" | "and" | "to")
                || word.starts_with(|c: char| c.is_ascii_digit())
        };
        for word in words[at + 1..].iter().take_while(listed) {
            let number: String = word.chars().take_while(|c| c.is_ascii_digit() || *c == '.').collect();
            if !number.is_empty() {
                sections.push(number.trim_end_matches('.').to_owned());
            }
        }
    }
    sections
}

#[test]
fn citations_of_each_form_are_seen() {
    let text = "//! (ZEO-PROTOCOL sections 2\n//! and 6). As ZEO-PROTOCOL section 11, and ZEO-PROTOCOL 1.2; ZEO-PROTOCOL says";
    assert_eq!(cited(text, "ZEO-PROTOCOL"), ["2", "6", "11", "1.2"]);
    assert!(cited(text, "ZDPROTO").is_empty());
}

#[test]
fn cited_sections_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (mut missing, mut seen) = (Vec::new(), 0);
    for document in DOCUMENTS {
        let text = fs::read_to_string(root.join(format!("docs/spec/{document}.md"))).expect("it is there");
        let headings = headings(&text);
        let trees = ["src", "tests", "benches"].map(|tree| WalkDir::new(root.join(tree)));
        for entry in trees.into_iter().flatten() {
            let path = entry.expect("the tree can be read").into_path();
            if path.extension().is_some_and(|extension| extension == "rs") && !path.ends_with("citations.rs")
            {
                let source = fs::read_to_string(&path).expect("source is UTF-8");
                for section in cited(&source, document) {
                    seen += 1;
                    if !headings.contains(&section) {
                        missing.push(format!("{}: {document} section {section}", path.display()));
                    }
                }
            }
        }
    }
    assert!(seen > 10, "hardly a citation was found");
    assert!(missing.is_empty(), "cited and not there:\n{}", missing.join("\n"));
}
/// The names that a document has in backticks, of files below `src` and of what they define: `src/lib.rs`, `src/a.rs:name`.
fn places(document: &str) -> Vec<(String, Option<String>)> {
    let quoted = document.split('`').skip(1).step_by(2).filter(|text| text.starts_with("src/"));
    let place = |text: &str| match text.split_once(':') {
        Some((path, name)) => (path.to_owned(), Some(name.to_owned())),
        None => (text.to_owned(), None),
    };
    quoted.map(place).collect()
}

#[test]
fn what_the_architecture_names_is_there() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(top.join("ARCHITECTURE.md")).expect("the document is there");
    let places = places(&text);
    assert!(places.len() > 20, "{places:?}");
    for (path, name) in places {
        assert!(top.join(&path).exists(), "there is no {path}");
        let Some(name) = name else { continue };
        let source = fs::read_to_string(top.join(&path)).expect("it is a file");
        let defines = |kind: &str| {
            let definition = format!("{kind} {name}");
            source
                .split(&definition)
                .skip(1)
                .any(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_'))
        };
        assert!(["fn", "struct", "enum", "trait"].into_iter().any(defines), "{path} defines no {name}");
    }
}
