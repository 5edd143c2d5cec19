//! What to do with a file that is there and is not as it should be: the one place that decides.

use std::path::Path;

use super::Error;
use super::file_state::{FileState, PresentFile};
use super::merge::{self, Merged};
use super::stamp::Stamped;
use crate::sys::tree::SafeTree;

/// How files that are there already are to be treated.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Policy {
    /// Whether unedited files follow the templates, and edits are merged.
    pub update: bool,
    /// What to do with a file that differs; `None`: leave it, but for conflicts of a merge, which go beside it.
    pub conflict: Option<Conflict>,
    /// The only files to look at, below the home; none: all.
    pub only: Vec<String>,
    /// Whether the place of the data was given on the command line: the server's configuration may get other data.
    pub sets_data: bool,
    /// Whether files that differ are to be accepted as they are: they count as having all that is new.
    pub accept: bool,
}

/// Why a file that differs is left as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// No person edited it: another version or other parameters made it.
    Unedited,
    /// A person edited it.
    Edited,
    /// Its edits and what is new change the same lines.
    Conflict,
    /// A person edited it, and the text that the edits were made to is not known.
    NoBase,
    /// It is a symbolic link.
    Link,
    /// It is a template of a site.
    Template,
}

/// What to do with a file that differs from what it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Conflict {
    /// Leave it.
    Keep,
    /// Write what it should be beside it, as FILE.new.
    New,
    /// Keep it as FILE.~1~ (or the next number that is free) and write it anew.
    Backup,
    /// Write it anew.
    Overwrite,
    /// End before anything is done.
    Fail,
}

/// What is to be done to one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verb {
    /// It is missing: write it.
    Create,
    /// It is there and holds nothing but white space: write it, keeping owner and permissions.
    Fill,
    /// It is as it should be, white space at its ends apart: leave it.
    Same,
    /// Its contents are ours but it cannot be executed: set these permission bits.
    SetMode(u32),
    /// It holds something else: it is a person's now; leave it wholly alone, its permissions too.
    Keep(Reason),
    /// A person edited it, and it has all that is new: leave it.
    Settled,
    /// It is unedited, made by an older version or from other parameters: write it anew.
    Update,
    /// A person edited it: give it this text, which has the edits and what is new.
    Merge(String),
    /// A person has brought what is new into it: give it this text, the same with the stamp of the new one, and remove
    /// what lies beside it with these contents.
    Accept(String, Option<Vec<u8>>),
    /// Leave it, and write what it should be beside it.
    Offer(Reason),
    /// Keep it under another name and write it anew.
    Backup,
    /// Write it anew.
    Overwrite,
    /// It is named after another home, and is unedited: remove it.
    Remove,
    /// It is named after another home: leave it.
    Leave,
}

impl Verb {
    /// The word for it in `--json`.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Fill => "fill",
            Self::Same => "same",
            Self::SetMode(_) => "mode",
            Self::Keep(_) => "keep",
            Self::Settled => "settled",
            Self::Update => "update",
            Self::Merge(_) => "merge",
            Self::Accept(..) => "accept",
            Self::Offer(_) => "new",
            Self::Backup => "backup",
            Self::Overwrite => "overwrite",
            Self::Remove => "remove",
            Self::Leave => "leave",
        }
    }

    /// Whether anything on the disk changes by it.
    #[must_use]
    pub fn changes(&self) -> bool {
        !matches!(self, Self::Same | Self::Keep(_) | Self::Settled | Self::Leave)
    }

    /// Whether a merge was to be made and both sides changed the same lines.
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        matches!(self, Self::Keep(Reason::Conflict) | Self::Offer(Reason::Conflict))
    }
}

/// Decides for a file that should hold `wanted` and of which this was found; `pristine` is the
/// text that it is recorded to have been made from.
///
/// # Errors
/// [`Error::Differs`] where the policy is to end; [`Error::InTheWay`] where it would have a link written through.
pub fn decide(
    tree: &SafeTree,
    path: &Path,
    found: &PresentFile,
    wanted: &str,
    policy: &Policy,
    pristine: Option<&str>,
) -> Result<Verb, Error> {
    match found.state {
        FileState::Missing if policy.accept => return Err(nothing_to_accept(path, "it is not there")),
        FileState::Blank if policy.accept => return Err(nothing_to_accept(path, "it is empty")),
        FileState::Missing => return Ok(Verb::Create),
        FileState::Blank => return Ok(Verb::Fill),
        FileState::Same => return Ok(Verb::Same),
        FileState::NotExecutable(mode) => return Ok(Verb::SetMode(mode)),
        FileState::Unedited | FileState::Edited if policy.accept => return accept(tree, path, found, wanted),
        FileState::Unedited if policy.update => return Ok(Verb::Update),
        FileState::Unedited | FileState::Edited => {}
    }
    let (mut otherwise, mut reason) = match found.state {
        _ if found.is_link => (Conflict::Keep, Reason::Link),
        FileState::Unedited => (Conflict::Keep, Reason::Unedited),
        _ => (Conflict::Keep, Reason::Edited),
    };
    if policy.update && !found.is_link {
        match merge::edits(found.contents.as_deref(), wanted, pristine) {
            Merged::Nothing => return Ok(Verb::Settled),
            Merged::Text(text) => return Ok(Verb::Merge(text)),
            Merged::Conflict => (otherwise, reason) = (Conflict::New, Reason::Conflict),
            Merged::Unknown => reason = Reason::NoBase,
        }
    }
    let verb = match policy.conflict.unwrap_or(otherwise) {
        Conflict::Keep => Verb::Keep(reason),
        Conflict::New => offer(tree, path, wanted, reason)?,
        Conflict::Backup => Verb::Backup,
        Conflict::Overwrite => Verb::Overwrite,
        Conflict::Fail => {
            return Err(Error::Differs { path: path.to_owned(), is_conflict: reason == Reason::Conflict });
        }
    };
    if found.is_link && matches!(verb, Verb::Backup | Verb::Overwrite) {
        let why = "it is a symbolic link";
        return Err(Error::InTheWay { verb: "overwrite", path: path.to_owned(), why });
    }
    Ok(verb)
}

/// Decides for a file that the instance had under the name of another home, and has no more; `None`: it is not there.
#[must_use]
pub fn decide_stale(found: &PresentFile, policy: &Policy) -> Option<Verb> {
    match found.state {
        FileState::Missing => None,
        FileState::Unedited if policy.update => Some(Verb::Remove),
        _ => Some(Verb::Leave),
    }
}

/// Accepts a file as it is. What was written beside it goes, unless a person edited that.
fn accept(tree: &SafeTree, path: &Path, found: &PresentFile, wanted: &str) -> Result<Verb, Error> {
    if found.is_link {
        return Err(nothing_to_accept(path, "it is a symbolic link"));
    }
    let Some(text) = found.contents.as_deref().and_then(|contents| merge::accepted(contents, wanted)) else {
        return Err(nothing_to_accept(path, "it is no text"));
    };
    let beside = beside(path);
    let offered = super::file_state::look_at_stale(tree, &beside)?;
    let offered = offered.contents.filter(|contents| !offered.is_link && is_untouched(contents));
    if offered.is_none() && merge::edits(found.contents.as_deref(), wanted, None) == Merged::Nothing {
        return Ok(Verb::Settled);
    }
    Ok(Verb::Accept(text, offered))
}

fn nothing_to_accept(path: &Path, why: &'static str) -> Error {
    Error::InTheWay { verb: "accept", path: path.to_owned(), why }
}

/// Whether FILE.new has to be written; one that a person edited is theirs as well.
fn offer(tree: &SafeTree, path: &Path, wanted: &str, reason: Reason) -> Result<Verb, Error> {
    let beside = beside(path);
    let found = super::file_state::look(tree, &beside, wanted, false)?;
    match found.state {
        FileState::Same | FileState::NotExecutable(_) => Ok(Verb::Keep(reason)),
        FileState::Missing | FileState::Blank | FileState::Unedited => Ok(Verb::Offer(reason)),
        FileState::Edited => {
            Err(Error::InTheWay { verb: "write", path: beside, why: "it is there and holds something else" })
        }
    }
}

/// FILE.new of a file.
#[must_use]
pub fn beside(path: &Path) -> std::path::PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    name.into()
}

/// Whether the contents are those of an unedited file; what [`Verb::Offer`] may write over.
#[must_use]
pub(super) fn is_untouched(contents: &[u8]) -> bool {
    super::file_state::is_blank(contents) || Stamped::read(contents).is_pristine()
}
