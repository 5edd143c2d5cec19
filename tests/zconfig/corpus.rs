//! The shared corpus: small files, each with the verdict of the real ZConfig.

use std::fs;
use std::io::Write as _;
use std::path::Path;

use serde_json::Value as Json;

use super::differences::DIFFERENCES;
use super::verdict::{corpus, disagreement, fixtures, placed, read, variables};

#[test]
fn the_corpus_has_the_verdicts_of_zconfig() {
    let Some(corpus) = corpus() else {
        // It is no part of this repository, so a check of nothing but a checkout goes without; the random files and the
        // listed differences are compared with the real ZConfig all the same.
        assert!(std::env::var_os("ZCONFIG_CORPUS").is_none(), "ZCONFIG_CORPUS names no corpus");
        let line = b"\nskipped: the_corpus_has_the_verdicts_of_zconfig: no ../shared/zconfig_corpus, no ZCONFIG_CORPUS\n";
        let _ = std::io::stderr().write_all(line);
        return;
    };
    let place = tempfile::tempdir().unwrap();
    let directory = place.path().canonicalize().unwrap();
    fixtures(&corpus, &directory);
    let mut wrong = Vec::new();
    let mut seen = 0;
    for entry in walkdir::WalkDir::new(&corpus).max_depth(1).sort_by_file_name() {
        let path = entry.unwrap().into_path();
        if path.extension().is_some_and(|extension| extension == "conf") {
            seen += 1;
            wrong.extend(fault_of(&path, &directory));
        }
    }
    assert!(seen >= 300, "only {seen} cases were found in {}", corpus.display());
    assert!(wrong.is_empty(), "{} of {seen} cases:\n\n{}", wrong.len(), wrong.join("\n\n"));
}

/// What is wrong with a case; a listed difference must be one.
fn fault_of(conf: &Path, directory: &Path) -> Option<String> {
    let stem = conf.file_stem().unwrap().to_str().unwrap();
    let json = fs::read(conf.with_extension("json")).unwrap();
    let theirs: Json = serde_json::from_slice(&placed(&json, directory)).unwrap();
    let file = conf.file_name().unwrap().to_str().unwrap();
    fs::write(directory.join(file), placed(&fs::read(conf).unwrap(), directory)).unwrap();
    let mut variables = variables(directory);
    for (name, value) in theirs["env"].as_object().into_iter().flatten() {
        variables.insert(name.clone(), value.as_str().unwrap().to_owned());
    }
    let overrides: Vec<String> = theirs["overrides"]
        .as_array()
        .unwrap()
        .iter()
        .map(|typed| typed.as_str().unwrap().to_owned())
        .collect();
    let ours = read(directory, file, theirs["schema"].as_str().unwrap(), &overrides, variables);
    let fault = disagreement(&theirs, &ours);
    let name = stem.split_once('-').unwrap().1;
    match (DIFFERENCES.iter().find(|(case, _)| *case == name), fault) {
        (None, Some(fault)) => Some(format!("{stem}: {fault}")),
        (Some((_, reason)), None) => Some(format!("{stem}: agrees, and is listed as different ({reason})")),
        _ => None,
    }
}
