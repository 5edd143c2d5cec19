//! Carries a plan out. Nothing else in this domain writes to the disk.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::file_state::{self, FileState};
use super::plan::{self, Plan, PlannedFile};
use super::policy::{Reason, Verb, beside, is_untouched};
use super::self_signed::{KEY_MODE, Made};
use super::template::Templates;
use super::{Error, ownership};
use crate::sys::files;
use crate::sys::tree::{FileKind, SafeTree};
use crate::sys::user::Account;

/// Something that was done, or left undone on purpose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change<'a> {
    /// A directory was made.
    CreatedDirectory(&'a Path),
    /// A file was written that was missing or empty.
    Wrote(&'a Path),
    /// A file that differs was left alone.
    Kept(&'a Path, Reason),
    /// A file was given these permission bits.
    ChangedMode(&'a Path, u32),
    /// An unedited file was written anew.
    Updated(&'a Path),
    /// A file with a person's edits got what is new.
    Merged(&'a Path),
    /// A file was taken as having all that is new.
    Accepted(&'a Path),
    /// A file that differs was left alone, and what it should be written beside it.
    Offered(&'a Path, PathBuf, Reason),
    /// What had been written beside a file was removed.
    Withdrawn(PathBuf),
    /// A file that differs has another name now.
    BackedUp(&'a Path, PathBuf),
    /// A file that differs was written anew.
    Overwrote(&'a Path),
    /// A file that is named after another home was removed.
    Removed(&'a Path),
    /// A file that is named after another home was left alone.
    Left(&'a Path),
}

/// Makes what the plan says is missing, telling each step after it is done. All of it is on the disk when this returns.
///
/// # Errors
/// [`Error::System`] names the path and the reason; what was made before stays.
pub fn run(plan: &Plan, tree: &SafeTree, report: &mut dyn FnMut(Change<'_>)) -> Result<(), Error> {
    let done = make(plan, tree, report);
    // Also what was made before an error is to stay.
    let synced = tree.sync().map_err(|(directory, error)| Error::system("sync directory", &directory, error));
    done.and(synced)
}

fn make(plan: &Plan, tree: &SafeTree, report: &mut dyn FnMut(Change<'_>)) -> Result<(), Error> {
    for directory in &plan.directories {
        let mode = if plan.private.as_ref() == Some(directory) { 0o700 } else { 0o777 };
        let new_owner = plan.new_owner.as_ref().filter(|_| plan.written.contains(directory));
        make_directory(tree, directory, mode, new_owner, report)?;
    }
    plan.certificates
        .iter()
        .try_for_each(|made| make_certificate(tree, made, plan.new_owner.as_ref(), report))?;
    plan.files.iter().try_for_each(|file| settle(tree, file, report))?;
    if let Some(pristine) = &plan.pristine {
        pristine.write(tree, &plan.home)?;
    }
    if let (Some(account), Some(first)) = (&plan.new_owner, plan.first()) {
        ownership::verify(account, &first.path, &plan.written)?;
    }
    Ok(())
}

/// Writes the templates into a directory, for a site to change; what is there is left alone.
///
/// # Errors
/// As [`run`].
pub fn export(
    templates: &Templates,
    directory: &Path,
    report: &mut dyn FnMut(Change<'_>),
) -> Result<(), Error> {
    for (name, text) in templates.sources()? {
        let path = directory.join(name);
        let parent = path.parent().unwrap_or(directory);
        fs::create_dir_all(parent).map_err(|error| Error::system("create directory", parent, error))?;
        match files::create(&path, text.as_bytes(), templates.manifest().mode(name)) {
            Ok(()) => report(Change::Wrote(&path)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                report(Change::Kept(&path, Reason::Template));
            }
            Err(error) => return Err(Error::system("write", &path, error)),
        }
    }
    Ok(())
}

/// Reports the changes that [`run`] would make, and makes none.
pub fn preview(plan: &Plan, tree: &SafeTree, report: &mut dyn FnMut(Change<'_>)) {
    plan.directories.iter().for_each(|directory| report(Change::CreatedDirectory(directory)));
    plan.certificates.iter().for_each(|made| report(Change::Wrote(&made.path)));
    for file in &plan.files {
        if file.verb == Verb::Backup {
            report(Change::BackedUp(&file.path, free_name(tree, &file.path)));
        }
        if matches!(file.verb, Verb::Accept(_, Some(_))) {
            report(Change::Withdrawn(beside(&file.path)));
        }
        if let Some(change) = change(file) {
            report(change);
        }
        if let Some(mode) = mode_after(file) {
            report(Change::ChangedMode(&file.path, mode));
        }
    }
}

/// The step that a file's verb comes to.
fn change(file: &PlannedFile) -> Option<Change<'_>> {
    let path = file.path.as_path();
    match file.verb {
        Verb::Same | Verb::Settled | Verb::SetMode(_) => None,
        Verb::Create | Verb::Fill | Verb::Backup => Some(Change::Wrote(path)),
        Verb::Keep(reason) => Some(Change::Kept(path, reason)),
        Verb::Update => Some(Change::Updated(path)),
        Verb::Merge(_) => Some(Change::Merged(path)),
        Verb::Accept(..) => Some(Change::Accepted(path)),
        Verb::Offer(reason) => Some(Change::Offered(path, beside(path), reason)),
        Verb::Overwrite => Some(Change::Overwrote(path)),
        Verb::Remove => Some(Change::Removed(path)),
        Verb::Leave => Some(Change::Left(path)),
    }
}

/// The permission bits that a file has to be given: a program that is written anew keeps its own, which may not do.
fn mode_after(file: &PlannedFile) -> Option<u32> {
    let (mode, runnable) = (file.found.mode, file_state::runnable(file.found.mode));
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
    tree: &SafeTree,
    path: &Path,
    mode: u32,
    new_owner: Option<&Account>,
    report: &mut dyn FnMut(Change<'_>),
) -> Result<(), Error> {
    let failed = |error| Error::system("create directory", path, error);
    match tree.make_directory(path, mode) {
        Ok(()) => {
            report(Change::CreatedDirectory(path));
            new_owner.map_or(Ok(()), |account| ownership::give(tree, account, path))
        }
        // Another process has made it since; that is as good.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let seen = tree.look(path).map_err(failed)?;
            if seen.what == FileKind::Directory { Ok(()) } else { Err(failed(error)) }
        }
        Err(error) => Err(failed(error)),
    }
}

/// A key goes to the user of the server, who alone may read it.
fn make_certificate(
    tree: &SafeTree,
    made: &Made,
    new_owner: Option<&Account>,
    report: &mut dyn FnMut(Change<'_>),
) -> Result<(), Error> {
    let path = made.path.as_path();
    if !create(tree, path, &made.contents, made.mode)? {
        return Err(changing("write", path));
    }
    if let Some(account) = new_owner.filter(|_| made.mode == KEY_MODE) {
        ownership::give_file(tree, account, path, made.contents.as_bytes())?;
    }
    report(Change::Wrote(path));
    Ok(())
}

fn settle(tree: &SafeTree, file: &PlannedFile, report: &mut dyn FnMut(Change<'_>)) -> Result<(), Error> {
    let path = file.path.as_path();
    let present = file.found.contents.as_deref();
    let done = match &file.verb {
        Verb::Same | Verb::Settled | Verb::Keep(_) | Verb::Leave | Verb::SetMode(_) => true,
        Verb::Remove => remove(tree, path, present.unwrap_or_default())?,
        Verb::Create => create(tree, path, &file.contents, file.mode)?,
        Verb::Fill => replace(tree, path, &file.contents, |now| now.is_some_and(file_state::is_blank))?,
        Verb::Update | Verb::Overwrite => replace(tree, path, &file.contents, is(present))?,
        Verb::Merge(text) => replace(tree, path, text, is(present))?,
        Verb::Accept(text, offered) => {
            let accepted = replace(tree, path, text, is(present))?;
            if let Some(offered) = offered.as_deref().filter(|_| accepted) {
                let beside = beside(path);
                if remove(tree, &beside, offered)? {
                    report(Change::Withdrawn(beside));
                }
            }
            accepted
        }
        Verb::Offer(_) => offer(tree, file)?,
        Verb::Backup => {
            let backup = back_up(tree, path)?;
            report(Change::BackedUp(path, backup));
            replace(tree, path, &file.contents, is(present))?
        }
    };
    if !done {
        return settle_again(tree, file, report);
    }
    if let Some(change) = change(file) {
        report(change);
    }
    let contents = match &file.verb {
        Verb::SetMode(_) => present.unwrap_or_default(),
        Verb::Merge(text) | Verb::Accept(text, _) => text.as_bytes(),
        _ => file.contents.as_bytes(),
    };
    mode_after(file).map_or(Ok(()), |mode| set_mode(tree, path, contents, mode, report))
}

/// `false`: something has that name meanwhile.
fn create(tree: &SafeTree, path: &Path, contents: &str, mode: u32) -> Result<bool, Error> {
    match tree.create(path, contents.as_bytes(), mode) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(Error::system("write", path, error)),
    }
}

/// `false`: the file no longer holds what is expected.
fn replace(
    tree: &SafeTree,
    path: &Path,
    contents: &str,
    expected: impl Fn(Option<&[u8]>) -> bool,
) -> Result<bool, Error> {
    let replaced = tree.replace(path, contents.as_bytes(), expected);
    replaced.map_err(|error| Error::system("write", path, error))
}

/// `false`: the file no longer holds what it held when the plan was made.
fn remove(tree: &SafeTree, path: &Path, present: &[u8]) -> Result<bool, Error> {
    match tree.remove(path, present) {
        // Another run was quicker.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
        removed => removed.map_err(|error| Error::system("remove", path, error)),
    }
}

/// Whether a file holds what it held when the plan was made.
fn is(present: Option<&[u8]>) -> impl Fn(Option<&[u8]>) -> bool {
    move |now| present.is_none_or(|present| now == Some(present))
}

fn offer(tree: &SafeTree, file: &PlannedFile) -> Result<bool, Error> {
    let beside = beside(&file.path);
    // Only those who may read the file may read it.
    Ok(create(tree, &beside, &file.contents, file.mode & file.found.mode)?
        || replace(tree, &beside, &file.contents, |now| now.is_some_and(is_untouched))?)
}

/// Gives a file a second name.
fn back_up(tree: &SafeTree, path: &Path) -> Result<PathBuf, Error> {
    let backup = free_name(tree, path);
    tree.link(path, &backup).map_err(|error| Error::system("write", &backup, error))?;
    Ok(backup)
}

/// The first of FILE.~1~, FILE.~2~ and so on that nothing has.
fn free_name(tree: &SafeTree, path: &Path) -> PathBuf {
    let numbered = |number: u64| {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".~{number}~"));
        PathBuf::from(name)
    };
    (1..u64::MAX).map(numbered).find(|name| !tree.has(name)).unwrap_or_else(|| numbered(u64::MAX))
}

/// The file changed since the plan was made: looks once more at what is there now. Where it came to be the same it is
/// well; else another process is changing it, and it is left alone.
fn settle_again(
    tree: &SafeTree,
    file: &PlannedFile,
    report: &mut dyn FnMut(Change<'_>),
) -> Result<(), Error> {
    let path = file.path.as_path();
    if file.verb == Verb::Remove {
        return Err(changing("remove", path));
    }
    let now = file_state::look(tree, path, &file.contents, plan::is_executable(file.mode))?;
    match now.state {
        FileState::Same => Ok(()),
        FileState::NotExecutable(mode) => {
            set_mode(tree, path, now.contents.as_deref().unwrap_or_default(), mode, report)
        }
        FileState::Unedited | FileState::Edited if matches!(file.verb, Verb::Create | Verb::Fill) => {
            report(Change::Kept(path, Reason::Edited));
            Ok(())
        }
        _ => Err(changing("write", path)),
    }
}

fn changing(verb: &'static str, path: &Path) -> Error {
    Error::InTheWay { verb, path: path.to_owned(), why: "another program is changing it" }
}

fn set_mode(
    tree: &SafeTree,
    path: &Path,
    contents: &[u8],
    mode: u32,
    report: &mut dyn FnMut(Change<'_>),
) -> Result<(), Error> {
    const VERB: &str = "change the mode of";
    if !tree.set_mode(path, contents, mode).map_err(|error| Error::system(VERB, path, error))? {
        return Err(changing(VERB, path));
    }
    report(Change::ChangedMode(path, mode));
    Ok(())
}
