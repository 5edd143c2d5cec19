//! What comments cite is there: each section of a document of docs/spec that the source names is one of its headings.

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
