//! Carries a plan out. Nothing else in this domain writes to the disk.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::Error;
use super::found;
use super::plan::{self, Plan, PlannedFile, Verb};
use crate::sys::files;

/// Something that was done, or left undone on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step<'a> {
    /// A directory was made.
    CreatedDirectory(&'a Path),
    /// A file was written.
    Wrote(&'a Path),
    /// A file that differs was left alone.
    Kept(&'a Path),
    /// A file was given these permission bits.
    ChangedMode(&'a Path, u32),
}

/// Makes what the plan says is missing, telling each step after it is done.
///
/// # Errors
/// [`Error::System`] names the path and the reason; what was made before stays.
pub fn run(plan: &Plan, tell: &mut dyn FnMut(Step<'_>)) -> Result<(), Error> {
    for directory in &plan.directories {
        make_directory(directory, tell)?;
    }
    for file in &plan.files {
        settle(file, file.verb, tell)?;
    }
    // Each new directory is an entry of its parent, to be kept over a loss of power as the files are.
    let mut parents: Vec<_> = plan.directories.iter().filter_map(|directory| directory.parent()).collect();
    parents.dedup();
    parents.into_iter().try_for_each(|parent| {
        files::sync_directory(parent).map_err(|error| Error::system("sync directory", parent, error))
    })
}

fn make_directory(path: &Path, tell: &mut dyn FnMut(Step<'_>)) -> Result<(), Error> {
    match fs::create_dir(path) {
        Ok(()) => tell(Step::CreatedDirectory(path)),
        // Somebody made it since the plan was drawn; that is as good.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => {}
        Err(error) => return Err(Error::system("create directory", path, error)),
    }
    Ok(())
}

fn settle(file: &PlannedFile, verb: Verb, tell: &mut dyn FnMut(Step<'_>)) -> Result<(), Error> {
    let path = file.path.as_path();
    let failed = |error| Error::system("write", path, error);
    match verb {
        Verb::Same => {}
        Verb::Keep => tell(Step::Kept(path)),
        Verb::SetMode(mode) => set_mode(path, mode, tell)?,
        Verb::Create => {
            match files::create(path, file.contents.as_bytes(), file.mode) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    return settle_again(file, tell);
                }
                result => result.map_err(failed)?,
            }
            tell(Step::Wrote(path));
        }
        Verb::Fill => {
            if !files::replace(path, file.contents.as_bytes(), found::is_blank).map_err(failed)? {
                return settle_again(file, tell);
            }
            tell(Step::Wrote(path));
            let mode = fs::symlink_metadata(path).map_err(failed)?.mode() & 0o7777;
            if plan::is_executable(file.mode) && mode != found::runnable(mode) {
                set_mode(path, found::runnable(mode), tell)?;
            }
        }
    }
    Ok(())
}

/// The file changed since the plan was drawn: decides once more by what is there now. If it changes back and forth,
/// somebody is at work there, and it is left to them.
fn settle_again(file: &PlannedFile, tell: &mut dyn FnMut(Step<'_>)) -> Result<(), Error> {
    match plan::decide(&file.path, &file.contents, file.mode)?.1 {
        Verb::Create | Verb::Fill => Err(Error::InTheWay {
            verb: "write",
            path: file.path.clone(),
            why: "another program is changing it",
        }),
        settled => settle(file, settled, tell),
    }
}

fn set_mode(path: &Path, mode: u32, tell: &mut dyn FnMut(Step<'_>)) -> Result<(), Error> {
    files::set_mode(path, mode).map_err(|error| Error::system("change the mode of", path, error))?;
    tell(Step::ChangedMode(path, mode));
    Ok(())
}
