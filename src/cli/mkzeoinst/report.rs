//! What `mkzeoinst` says of its plan and of what it does.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::instance::advice;
use crate::instance::apply::Change;
use crate::instance::diff;
use crate::instance::file_state::FileState;
use crate::instance::plan::Plan;
use crate::instance::quote::shown;
use crate::instance::self_signed::Made;
use crate::sys::terminal::may_have_colours;

/// The standard output. The work goes on when it cannot be written to; a reader that has gone away is no failure.
#[derive(Default)]
pub(super) struct Output {
    /// Why it could not be written to.
    pub(super) failure: Option<io::Error>,
    /// Whether changes are not made, but would be.
    pub(super) preview: bool,
    /// Whether only a JSON object may go there, and no line.
    pub(super) json: bool,
    /// What has been done.
    done: BTreeSet<PathBuf>,
}

impl Output {
    /// Reports a change, after it was made; or, where `home`'s plan is only looked at, that it would be made.
    pub(super) fn change(&mut self, change: &Change<'_>, home: &Path) {
        let plain = |path: &Path| path.display().to_string();
        let does = |done: &str, would: &str, path: &Path| {
            let what = if self.preview { would } else { done };
            format!("{what} {}", plain(path))
        };
        let kept = |path: &Path, reason| {
            let advice = advice::on_kept(path, reason, home);
            format!("Warning: not overwriting existing file {}; {advice}", shown(path))
        };
        let wrote = |path: &Path| does("Wrote file", "Would write file", path);
        let (path, line) = match change {
            Change::CreatedDirectory(path) => {
                (path, does("Created directory", "Would create directory", path))
            }
            Change::Wrote(path) => (path, wrote(path)),
            Change::Kept(path, reason) => (path, kept(path, *reason)),
            Change::ChangedMode(path, mode) => {
                let line = does("Changed mode for", "Would change mode for", path);
                (path, format!("{line} to {mode:o}"))
            }
            Change::Updated(path) => (path, does("Updated file", "Would update file", path)),
            Change::Merged(path) => (path, does("Merged file", "Would merge file", path)),
            Change::Accepted(path) => (path, does("Accepted file", "Would accept file", path)),
            Change::Offered(path, beside, reason) => {
                (path, format!("{}\n{}", kept(path, *reason), wrote(beside)))
            }
            Change::Withdrawn(beside) => {
                self.line(&does("Removed file", "Would remove file", beside));
                return;
            }
            Change::BackedUp(path, backup) => {
                let line = does("Kept file", "Would keep file", path);
                self.line(&format!("{line} as {}", plain(backup)));
                return;
            }
            Change::Overwrote(path) => (path, does("Overwrote file", "Would overwrite file", path)),
            Change::Removed(path) => (path, does("Removed file", "Would remove file", path)),
            Change::Left(path) => {
                let why = "which is named after another home";
                let advice = "bring its edits into the new one, and remove it";
                (path, format!("Warning: not removing file {}, {why}; {advice}", shown(path)))
            }
        };
        self.done.insert((*path).to_owned());
        self.line(&line);
    }

    /// A line for a person.
    pub(super) fn line(&mut self, line: &str) {
        if !self.json {
            self.write(&format!("{line}\n"));
        }
    }

    /// The diffs of all files.
    pub(super) fn diffs(&mut self, plan: &Plan) {
        let coloured = may_have_colours(&io::stdout());
        for text in plan.files.iter().filter_map(|file| diff::unified(file, coloured)) {
            if !self.json {
                self.write(&text);
            }
        }
    }

    /// Plan and outcome as one object. Paths that are not UTF-8 have U+FFFD in them.
    pub(super) fn object(&mut self, plan: Option<&Plan>, run: bool, with_diffs: bool, error: Option<&str>) {
        let done = |path: &Path, changes: bool| run && (!changes || self.done.contains(path));
        let directories: Vec<Value> = plan.map_or_else(Vec::new, |plan| {
            let directory = |path: &PathBuf| json!({"path": path.to_string_lossy(), "verb": "create", "done": done(path, true)});
            plan.directories.iter().map(directory).collect()
        });
        let files: Vec<Value> = plan.map_or_else(Vec::new, |plan| {
            let file = |file: &crate::instance::plan::PlannedFile| {
                let mut object = json!({
                    "path": file.path.to_string_lossy(),
                    "state": word(file.found.state),
                    "verb": file.verb.word(),
                    "conflict": file.verb.is_conflict(),
                    "done": done(&file.path, file.verb.changes()),
                });
                if with_diffs && let Some(members) = object.as_object_mut() {
                    members.insert("diff".to_owned(), diff::unified(file, false).into());
                }
                object
            };
            let certificate = |made: &Made| {
                json!({
                    "path": made.path.to_string_lossy(),
                    "state": word(FileState::Missing),
                    "verb": "create",
                    "conflict": false,
                    "done": done(&made.path, true),
                })
            };
            plan.certificates.iter().map(certificate).chain(plan.files.iter().map(file)).collect()
        });
        let object = json!({
            "dry_run": !run,
            "changes": plan.map(Plan::changes),
            "directories": directories,
            "files": files,
            "error": error,
        });
        self.write(&format!("{object}\n"));
    }

    fn write(&mut self, text: &str) {
        let mut stdout = io::stdout().lock();
        let written = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
        if let Err(error) = written
            && error.kind() != io::ErrorKind::BrokenPipe
        {
            self.failure.get_or_insert(error);
        }
    }
}

/// The word for it in `--json`.
fn word(state: FileState) -> &'static str {
    match state {
        FileState::Missing => "missing",
        FileState::Blank => "blank",
        FileState::Same => "same",
        FileState::NotExecutable(_) => "not-executable",
        FileState::Unedited => "unedited",
        FileState::Edited => "edited",
    }
}
