//! Random files, read by ours and by the real ZConfig.

use std::collections::HashMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use serde_json::{Value as Json, json};
use zeo_server::config::schema;
use zeo_server::zconfig::{Environment, Limits, Problems, load};

use super::generate::{Step, Writer};
use super::schemas;
use super::verdict::{disagreement, read, variables};
use crate::sandbox::forks;

/// So many files are compared in one run.
const FILES: u32 = 2500;

/// The real ZConfig, in one process for all files.
pub(super) struct Oracle {
    child: Child,
    questions: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Oracle {
    pub(super) fn start(python: &Path, directory: &Path, variables: &HashMap<String, String>) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/zconfig/oracle.py");
        let mut command = Command::new(python);
        command.arg(script).current_dir(directory).env_clear().envs(variables).env("PYTHONUTF8", "1");
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = forks::start(|| command.spawn()).unwrap();
        let questions = child.stdin.take().unwrap();
        let answers = BufReader::new(child.stdout.take().unwrap());
        Self { child, questions, answers }
    }

    pub(super) fn ask(&mut self, schema: &str, file: &Path, overrides: &[String]) -> Json {
        writeln!(self.questions, "{}", json!({"schema": schema, "file": file, "overrides": overrides}))
            .unwrap();
        let mut answer = String::new();
        self.answers.read_line(&mut answer).unwrap();
        serde_json::from_str(&answer).unwrap_or_else(|error| panic!("{error}: {answer}"))
    }
}

impl Drop for Oracle {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What the files refer to.
fn surroundings(directory: &Path) {
    fs::create_dir_all(directory.join("sub")).unwrap();
    fs::create_dir_all(directory.join("home/data")).unwrap();
    for (name, text) in [
        ("file.txt", "hello\n"),
        ("keys.conf", "backoff-limit 3\nuser $x\n"),
        ("section.conf", "<eventlog>\n  level debug\n</eventlog>\n"),
        ("define.conf", "%define x val\n%define w\n"),
        ("open.conf", "<eventlog>\n"),
        ("close.conf", "</runner>\n"),
        ("sub/nested.conf", "%include ../define.conf\n%include ../section.conf"),
    ] {
        fs::write(directory.join(name), text).unwrap();
    }
}

/// What any of the Python programs accepts, the manager accepts: one file may serve all.
fn managed(
    directory: &Path,
    overrides: &[String],
    variables: &HashMap<String, String>,
) -> Result<(), Problems> {
    let environment = Environment::fixed(directory.to_owned(), variables.clone());
    let exempt = ["runner", "program"];
    load(&schema::DAEMON, Path::new("a.conf"), overrides, &exempt, &environment, Limits::default()).map(drop)
}

#[test]
fn random_files_have_the_verdicts_of_zconfig() {
    let Some(python) = crate::peers::python() else { return };
    let place = tempfile::tempdir().unwrap();
    let directory = place.path().canonicalize().unwrap();
    surroundings(&directory);
    let variables = variables(&directory);
    let oracle = std::cell::RefCell::new(Oracle::start(&python, &directory, &variables));
    let counts = std::cell::Cell::new((0, 0));
    let compare = |schema: &str, steps: &[Step]| -> Result<(), String> {
        let text = Writer::file(schemas::named(schema), steps);
        let overrides = Writer::overrides(steps);
        fs::write(directory.join("a.conf"), &text).unwrap();
        let theirs = oracle.borrow_mut().ask(schema, &directory.join("a.conf"), &overrides);
        let ours = read(&directory, "a.conf", schema, &overrides, variables.clone());
        let (accepted, refused) = counts.get();
        counts.set(if ours.is_ok() { (accepted + 1, refused) } else { (accepted, refused + 1) });
        match disagreement(&theirs, &ours) {
            None if theirs["ok"] == true => managed(&directory, &overrides, &variables).map_err(|fault| {
                format!("{schema} {overrides:?}\n{text}----\nthe manager refuses it:\n{fault}")
            }),
            None => Ok(()),
            Some(fault) => Err(format!("{schema} {overrides:?}\n{text}----\n{fault}")),
        }
    };
    let config =
        Config { cases: FILES, failure_persistence: None, max_shrink_iters: 2000, ..Config::default() };
    let schemas = prop::sample::select(vec!["zdaemon", "zdaemon", "zeo", "zeoctl"]);
    let steps = prop::collection::vec(any::<Step>(), 0..30);
    let result = TestRunner::new(config)
        .run(&(schemas, steps), |(schema, steps)| compare(schema, &steps).map_err(TestCaseError::fail));
    if let Err(error) = result {
        panic!("{}", error.to_string().replace("\\n", "\n"));
    }
    let (accepted, refused) = counts.get();
    assert!(
        accepted > FILES / 10 && refused > FILES / 10,
        "one-sided files: {accepted} accepted, {refused} refused"
    );
}
