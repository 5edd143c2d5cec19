//! Carries a plan out. Nothing else in this domain writes to the disk.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use super::found::{self, State};
use super::plan::{self, Plan, PlannedFile};
use super::policy::{Verb, beside, is_untouched};
use super::template::Templates;
use super::{Error, handover};
use crate::sys::files;
use crate::sys::user::Account;

/// Something that was done, or left undone on purpose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step<'a> {
    /// A directory was made.
    CreatedDirectory(&'a Path),
    /// A file was written that was missing or empty.
    Wrote(&'a Path),
    /// A file that differs was left alone.
    Kept(&'a Path),
    /// A file was given these permission bits.
    ChangedMode(&'a Path, u32),
    /// A file that nobody edited was written anew.
    Updated(&'a Path),
    /// A file with a person's edits got what is new.
    Merged(&'a Path),
    /// A file that differs was left alone, and what it should be written beside it.
    Offered(&'a Path, PathBuf),
    /// A file that differs has another name now.
    BackedUp(&'a Path, PathBuf),
    /// A file that differs was written anew.
    Overwrote(&'a Path),
}

/// Makes what the plan says is missing, telling each step after it is done.
///
/// # Errors
/// [`Error::System`] names the path and the reason; what was made before stays.
pub fn run(plan: &Plan, tell: &mut dyn FnMut(Step<'_>)) -> Result<(), Error> {
    for directory in &plan.directories {
        let mode = if plan.private.as_ref() == Some(directory) { 0o700 } else { 0o777 };
        let receiver = plan.receiver.as_ref().filter(|_| plan.written.contains(directory));
        make_directory(directory, mode, receiver, tell)?;
    }
    for file in &plan.files {
        settle(file, tell)?;
    }
    if let (Some(account), Some(first)) = (&plan.receiver, plan.files.first()) {
        handover::verify(account, &first.path, &plan.written)?;
    }
    // Each new directory is an entry of its parent, to be kept over a loss of power as the files are.
    let mut parents: Vec<_> = plan.directories.iter().filter_map(|directory| directory.parent()).collect();
    parents.dedup();
    parents.into_iter().try_for_each(|parent| {
        files::sync_directory(parent).map_err(|error| Error::system("sync directory", parent, error))
    })
}

/// Writes the templates into a directory, for a site to change; what is there is left alone.
///
/// # Errors
/// As [`run`].
pub fn export(templates: &Templates, directory: &Path, tell: &mut dyn FnMut(Step<'_>)) -> Result<(), Error> {
    for (name, text) in templates.sources()? {
        let path = directory.join(name);
        let parent = path.parent().unwrap_or(directory);
        fs::create_dir_all(parent).map_err(|error| Error::system("create directory", parent, error))?;
        if create(&path, text, templates.manifest().mode(name))? {
            tell(Step::Wrote(&path));
        } else {
            tell(Step::Kept(&path));
        }
    }
    Ok(())
}

/// Tells the steps that [`run`] would take, and takes none.
pub fn foretell(plan: &Plan, tell: &mut dyn FnMut(Step<'_>)) {
    plan.directories.iter().for_each(|directory| tell(Step::CreatedDirectory(directory)));
    for file in &plan.files {
        if file.verb == Verb::Backup {
            tell(Step::BackedUp(&file.path, free_name(&file.path)));
        }
        if let Some(step) = told(file) {
            tell(step);
        }
        if let Some(mode) = mode_after(file) {
            tell(Step::ChangedMode(&file.path, mode));
        }
    }
}

/// The step that a file's verb comes to.
fn told(file: &PlannedFile) -> Option<Step<'_>> {
    let path = file.path.as_path();
    match file.verb {
        Verb::Same | Verb::Settled | Verb::SetMode(_) => None,
        Verb::Create | Verb::Fill | Verb::Backup => Some(Step::Wrote(path)),
        Verb::Keep => Some(Step::Kept(path)),
        Verb::Update => Some(Step::Updated(path)),
        Verb::Merge(_) => Some(Step::Merged(path)),
        Verb::Offer => Some(Step::Offered(path, beside(path))),
        Verb::Overwrite => Some(Step::Overwrote(path)),
    }
}

/// The permission bits that a file has to be given: a program that is written anew keeps its own, which may not do.
fn mode_after(file: &PlannedFile) -> Option<u32> {
    let (mode, runnable) = (file.found.mode, found::runnable(file.found.mode));
    match file.verb {
        Verb::SetMode(mode) => Some(mode),
        Verb::Fill if plan::is_executable(file.mode) && mode != runnable => Some(runnable),
        Verb::Update | Verb::Merge(_) | Verb::Backup | Verb::Overwrite
            if plan::is_executable(file.mode) && mode & 0o111 == 0 =>
        {
            Some(runnable)
        }
        _ => None,
    }
}

fn make_directory(
    path: &Path,
    mode: u32,
    receiver: Option<&Account>,
    tell: &mut dyn FnMut(Step<'_>),
) -> Result<(), Error> {
    match DirBuilder::new().mode(mode).create(path) {
        Ok(()) => {
            tell(Step::CreatedDirectory(path));
            receiver.map_or(Ok(()), |account| handover::give(account, path))?;
        }
        // Somebody made it since the plan was drawn; that is as good.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => {}
        Err(error) => return Err(Error::system("create directory", path, error)),
    }
    Ok(())
}

fn settle(file: &PlannedFile, tell: &mut dyn FnMut(Step<'_>)) -> Result<(), Error> {
    let path = file.path.as_path();
    let failed = |error| Error::system("write", path, error);
    let present = file.found.contents.as_deref();
    let done = match &file.verb {
        Verb::Same | Verb::Settled | Verb::Keep | Verb::SetMode(_) => true,
        Verb::Create => create(path, &file.contents, file.mode)?,
        Verb::Fill => files::replace(path, file.contents.as_bytes(), found::is_blank).map_err(failed)?,
        Verb::Update | Verb::Overwrite => replace(path, &file.contents, present)?,
        Verb::Merge(text) => replace(path, text, present)?,
        Verb::Offer => offer(file)?,
        Verb::Backup => {
            let backup = back_up(path)?;
            tell(Step::BackedUp(path, backup));
            replace(path, &file.contents, present)?
        }
    };
    if !done {
        return settle_again(file, tell);
    }
    if let Some(step) = told(file) {
        tell(step);
    }
    mode_after(file).map_or(Ok(()), |mode| set_mode(path, mode, tell))
}

/// `false`: something has that name meanwhile.
fn create(path: &Path, contents: &str, mode: u32) -> Result<bool, Error> {
    match files::create(path, contents.as_bytes(), mode) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(Error::system("write", path, error)),
    }
}

/// `false`: the file no longer holds what it held when the plan was drawn.
fn replace(path: &Path, contents: &str, present: Option<&[u8]>) -> Result<bool, Error> {
    let unchanged = |now: &[u8]| present.is_none_or(|present| present == now);
    files::replace(path, contents.as_bytes(), unchanged).map_err(|error| Error::system("write", path, error))
}

fn offer(file: &PlannedFile) -> Result<bool, Error> {
    let beside = beside(&file.path);
    // Nobody may read it who may not read the file.
    if create(&beside, &file.contents, file.mode & file.found.mode)? {
        return Ok(true);
    }
    files::replace(&beside, file.contents.as_bytes(), is_untouched)
        .map_err(|error| Error::system("write", &beside, error))
}

/// Gives a file a second name, and tells it.
fn back_up(path: &Path) -> Result<PathBuf, Error> {
    let backup = free_name(path);
    files::link(path, &backup).map_err(|error| Error::system("write", &backup, error))?;
    Ok(backup)
}

/// The first of FILE.~1~, FILE.~2~ and so on that nothing has.
fn free_name(path: &Path) -> PathBuf {
    let numbered = |number: u64| {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".~{number}~"));
        PathBuf::from(name)
    };
    (1..u64::MAX)
        .map(numbered)
        .find(|name| fs::symlink_metadata(name).is_err())
        .unwrap_or_else(|| numbered(u64::MAX))
}

/// The file changed since the plan was drawn: looks once more at what is there now. Where it came to be the same it is
/// well; else somebody is at work there, and it is left to them.
fn settle_again(file: &PlannedFile, tell: &mut dyn FnMut(Step<'_>)) -> Result<(), Error> {
    let path = file.path.as_path();
    let now = found::look(path, &file.contents, plan::is_executable(file.mode))?;
    match now.state {
        State::Same => Ok(()),
        State::NotExecutable(mode) => set_mode(path, mode, tell),
        State::Unedited | State::Edited if matches!(file.verb, Verb::Create | Verb::Fill) => {
            tell(Step::Kept(path));
            Ok(())
        }
        _ => Err(Error::InTheWay {
            verb: "write",
            path: path.to_owned(),
            why: "another program is changing it",
        }),
    }
}

fn set_mode(path: &Path, mode: u32, tell: &mut dyn FnMut(Step<'_>)) -> Result<(), Error> {
    files::set_mode(path, mode).map_err(|error| Error::system("change the mode of", path, error))?;
    tell(Step::ChangedMode(path, mode));
    Ok(())
}
