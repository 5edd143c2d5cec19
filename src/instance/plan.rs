//! What is to be done to the disk, decided before any of it is done.

use std::cell::OnceCell;
use std::path::{Path, PathBuf};

use super::existing::{self, Existing};
use super::found::{self, Found, State};
use super::home::Home;
use super::policy::{self, Policy, Verb};
use super::stamp::{Stamp, Stamped};
use super::template::{Rendered, Templates};
use super::{Error, Request, handover, older, settings};
use crate::sys::tree::{Tree, What};
use crate::sys::user::Account;

/// The directories of an instance in the order in which they are made.
const DIRECTORIES: [&str; 4] = ["bin", "etc", "log", "var"];

/// Directories to make and files with one verb each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Those that are missing, parents first.
    pub directories: Vec<PathBuf>,
    /// The one among them that only its owner may look into: that of the large objects (ZODB asks for it).
    pub private: Option<PathBuf>,
    /// Who the directories that the server writes in are for, if that is not us.
    pub receiver: Option<Account>,
    /// Those directories.
    pub written: Vec<PathBuf>,
    /// All files of the instance, and before them those that it has under the name of another home.
    pub files: Vec<PlannedFile>,
}

impl Plan {
    /// Whether this file is a person's now, and may say anything.
    #[must_use]
    pub fn keeps(&self, path: &Path) -> bool {
        let persons = |verb: &Verb| matches!(verb, Verb::Keep | Verb::Settled | Verb::Merge(_) | Verb::Offer);
        self.files.iter().any(|file| persons(&file.verb) && file.path == path)
    }

    /// The first of the files that the instance is to have.
    #[must_use]
    pub fn first(&self) -> Option<&PlannedFile> {
        self.files.iter().find(|file| !matches!(file.verb, Verb::Remove | Verb::Leave))
    }

    /// Whether anything on the disk would change.
    #[must_use]
    pub fn changes(&self) -> bool {
        !self.directories.is_empty() || self.files.iter().any(|file| file.verb.changes())
    }
}

/// A file of the instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedFile {
    /// Where it lies.
    pub path: PathBuf,
    /// What it should hold; nothing where it should not be.
    pub contents: String,
    /// The permission bits that it should ask for when it is made.
    pub mode: u32,
    /// What was there when the plan was drawn.
    pub found: Found,
    /// What is to be done.
    pub verb: Verb,
}

/// Decides what has to be done to make the instance of these templates, and to treat what is there by the policy.
///
/// # Errors
/// What cannot be looked at, and what stands in the way: [`Error::System`], [`Error::InTheWay`]; what the policy does not
/// let pass: [`Error::Differs`]; names that [`Policy::only`] has and the instance has not: [`Error::NoFile`].
pub fn draw(
    tree: &Tree,
    existing: &Existing,
    request: &Request,
    templates: &Templates,
    policy: &Policy,
) -> Result<Plan, Error> {
    let mut files = templates.render(request)?;
    files.extend(request.record.iter().map(|record| Rendered {
        name: settings::RECORD.to_owned(),
        contents: record.clone(),
        mode: 0o666,
    }));
    let mut strays = strays(existing, request, templates, &files);
    let mut known = files.iter().map(|file| &file.name).chain(&strays);
    if let Some(name) = policy.only.iter().find(|name| known.all(|known| known != *name)) {
        let known: Vec<_> = files.iter().map(|file| file.name.as_str()).collect();
        return Err(Error::NoFile { name: name.clone(), known: known.join(", ") });
    }
    if !policy.only.is_empty() {
        files.retain(|file| policy.only.contains(&file.name));
        strays.retain(|name| policy.only.contains(name));
    }
    let (receiver, written) = (handover::receiver(request)?, handover::written(request));
    for directory in &written {
        // It may lie elsewhere.
        tree.reach(directory).map_err(|error| Error::system("look at", directory, error))?;
    }
    let mut directories = Vec::new();
    for directory in needed(request, &files, policy) {
        if !directories.contains(&directory) {
            push_if_missing(tree, &mut directories, &directory)?;
        }
    }
    if let Some(account) = &receiver {
        handover::check(account, &written)?;
    }
    let mut origins = Origins {
        existing,
        request,
        templates,
        old_home: OnceCell::new(),
        requests: OnceCell::new(),
        rendered: None,
        older: None,
        fault: None,
    };
    let mut planned = |Rendered { name, contents, mode }: Rendered| {
        let path = request.home.join(&name);
        let found = found::look(tree, &path, &contents, is_executable(mode))?;
        let mut verb = match found.state {
            // The record is ours, and what a person wrote there is in it.
            State::Unedited | State::Edited if name == settings::RECORD && !found.is_link => Verb::Update,
            _ => policy::decide(tree, &path, &found, &contents, policy, &mut |stamp| {
                origins.find(&name, stamp)
            })?,
        };
        if policy.update
            && policy.conflict.is_none()
            && matches!(verb, Verb::Keep | Verb::Offer)
            && let Some(text) = origins.moved(&found)
        {
            verb = Verb::Merge(text);
        }
        Ok(PlannedFile { path, contents, mode, found, verb })
    };
    let strays = strays.iter().filter_map(|name| stray(tree, request.home.join(name), policy).transpose());
    // While the other files still tell which home they are named after.
    let files = strays.chain(files.into_iter().map(&mut planned)).collect::<Result<_, Error>>()?;
    if let Some(fault) = origins.fault {
        return Err(fault);
    }
    Ok(Plan { directories, private: blobs(request), receiver, written, files })
}

/// The files that the instance has under the name of the home that it was copied or moved from, and no more under its own.
fn strays(existing: &Existing, request: &Request, templates: &Templates, files: &[Rendered]) -> Vec<String> {
    let Some(home) = existing.home().filter(|old| *old != request.home) else { return Vec::new() };
    let mut names = templates.names(&Request { home, ..request.clone() });
    names.retain(|name| files.iter().all(|file| file.name != *name));
    names
}

fn stray(tree: &Tree, path: PathBuf, policy: &Policy) -> Result<Option<PlannedFile>, Error> {
    let found = found::look_at_stray(tree, &path)?;
    let verb = policy::decide_stray(&found, policy);
    Ok(verb.map(|verb| PlannedFile { path, contents: String::new(), mode: 0, found, verb }))
}

/// The directories that an instance has, parents first; with [`Policy::only`], those of the files alone.
fn needed(request: &Request, files: &[Rendered], policy: &Policy) -> Vec<PathBuf> {
    let own = DIRECTORIES.iter().map(Path::new).filter(|_| policy.only.is_empty());
    let parents = files.iter().filter_map(|file| Path::new(&file.name).parent());
    let written = handover::written(request).into_iter().filter(|_| policy.only.is_empty());
    let written: Vec<_> = written.collect();
    let mut needed = Vec::new();
    for below in own.chain(parents).chain(written.iter().map(PathBuf::as_path)) {
        let directory = request.home.path().join(below);
        let ancestors: Vec<_> = directory.ancestors().collect();
        for ancestor in ancestors.into_iter().rev() {
            if !needed.iter().any(|known: &PathBuf| known == ancestor) {
                needed.push(ancestor.to_owned());
            }
        }
    }
    needed
}

/// The directory of the large objects, if there is to be one.
fn blobs(request: &Request) -> Option<PathBuf> {
    let set = request.set.get("blobs").filter(|set| !set.is_empty());
    set.map(|set| request.home.path().join(set))
}

/// The texts that a person's edits may have been made to, made when they are first asked for.
struct Origins<'a> {
    existing: &'a Existing,
    request: &'a Request,
    templates: &'a Templates,
    old_home: OnceCell<Option<Home>>,
    /// What the files may have been made for.
    requests: OnceCell<Vec<Request>>,
    rendered: Option<Vec<Rendered>>,
    /// Templates of earlier times.
    older: Option<Vec<Templates>>,
    /// Why those could not be had.
    fault: Option<Error>,
}

impl Origins<'_> {
    /// What an edited file of an instance that was moved or copied should say where nothing can be merged: the same, with
    /// the paths of the new home. Else the copy would work on the data of the original.
    fn moved(&self, found: &Found) -> Option<String> {
        let old = self.old_home.get_or_init(|| self.existing.home());
        let old = old.as_ref().filter(|old| **old != self.request.home && !found.is_link)?;
        let text = str::from_utf8(found.contents.as_deref()?).ok()?;
        existing::relocated(text, old, &self.request.home).filter(|moved| moved != text)
    }

    /// The text of the file with this stamp, if it is among them.
    fn find(&mut self, name: &str, stamp: &Stamp) -> Option<String> {
        let requests = self.requests.get_or_init(|| self.existing.origins(self.request));
        let rendered = self.rendered.get_or_insert_with(|| {
            requests.iter().filter_map(|request| self.templates.render(request).ok()).flatten().collect()
        });
        let candidates = rendered.iter().filter(|file| file.name == name);
        let mut read = candidates.map(|file| Stamped::read(file.contents.as_bytes()));
        let is_it =
            |read: &Stamped| read.stamp.as_ref().is_some_and(|found| found.checksum == stamp.checksum);
        match read.find(is_it) {
            Some(read) => String::from_utf8(read.text).ok(),
            None => self.find_older(name, stamp),
        }
    }

    /// The same, among what older templates make.
    fn find_older(&mut self, name: &str, stamp: &Stamp) -> Option<String> {
        let requests = self.requests.get_or_init(|| self.existing.origins(self.request));
        let sets = self.older.get_or_insert_with(|| {
            older::sets(self.templates.directory()).unwrap_or_else(|error| {
                self.fault = Some(error);
                Vec::new()
            })
        });
        let mut texts =
            sets.iter().flat_map(|set| requests.iter().filter_map(|request| set.file(request, name)));
        texts.find(|text| Stamp::of(text.as_bytes()).checksum == stamp.checksum)
    }
}

/// Whether a file that asks for these permission bits is a program.
pub(super) fn is_executable(mode: u32) -> bool {
    mode & 0o100 != 0
}

fn push_if_missing(tree: &Tree, missing: &mut Vec<PathBuf>, path: &Path) -> Result<(), Error> {
    let in_the_way = |why| Err(Error::InTheWay { verb: "create directory", path: path.to_owned(), why });
    match tree.look(path).map_err(|error| Error::system("look at", path, error))?.what {
        What::Directory => Ok(()),
        What::File | What::Other => in_the_way("something else has that name"),
        What::DanglingLink => in_the_way("it is a symbolic link to nothing"),
        What::Nothing => {
            missing.push(path.to_owned());
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::super::address::Address;
    use super::super::find::Programs;
    use super::*;

    fn draw(request: &Request) -> Result<Plan, Error> {
        let tree = Tree::open(request.home.path()).unwrap();
        let existing = Existing::read(&tree, &request.home)?;
        super::draw(&tree, &existing, request, &Templates::with(None, &[]).unwrap(), &Policy::default())
    }

    fn request(home: &Path) -> Request {
        let program = "/bin/true".to_owned();
        Request {
            home: Home::new(home, Path::new("/")).unwrap(),
            addresses: vec![Address::default()],
            programs: Programs { server: program.clone(), zdctl: program.clone(), zdrun: program },
            set: BTreeMap::new(),
            recorded: BTreeMap::new(),
            with: Vec::new(),
            record: None,
        }
    }

    #[test]
    fn missing_directories_are_listed_parents_first() {
        let directory = tempfile::tempdir().unwrap();
        let top = directory.path();
        fs::create_dir_all(top.join("a")).unwrap();
        let plan = draw(&request(&top.join("a/b/home"))).unwrap();
        let expected = ["a/b", "a/b/home", "a/b/home/bin", "a/b/home/etc", "a/b/home/log", "a/b/home/var"];
        assert_eq!(plan.directories, expected.map(|name| top.join(name)));
        assert!(plan.files.iter().all(|file| file.verb == Verb::Create));
        fs::create_dir_all(top.join("a/b/home/log")).unwrap();
        let plan = draw(&request(&top.join("a/b/home"))).unwrap();
        assert_eq!(plan.directories, ["bin", "etc", "var"].map(|name| top.join("a/b/home").join(name)));
    }

    #[test]
    fn what_is_not_a_directory_is_in_the_way_of_one() {
        let directory = tempfile::tempdir().unwrap();
        let top = directory.path();
        fs::write(top.join("file"), "").unwrap();
        symlink("nothing", top.join("link")).unwrap();
        for (home, path, why) in [
            ("file/home", "file", "something else has that name"),
            ("link", "link", "it is a symbolic link to nothing"),
        ] {
            let message = draw(&request(&top.join(home))).unwrap_err().to_string();
            assert_eq!(message, format!("cannot create directory '{}': {why}", top.join(path).display()));
        }
    }
}
