//! What is to be done to the disk, decided before any of it is done.

use std::path::{Path, PathBuf};

use super::file_state::{self, FileState, PresentFile};
use super::home::{Home, SERVER};
use super::installed::{self, Installed};
use super::policy::{self, Policy, Verb};
use super::pristine::PristineTexts;
use super::quote::shown;
use super::self_signed::{self, Made};
use super::template::{Rendered, Templates};
use super::{Error, Request, adopt, included, lengths, ownership, settings};
use crate::sys::tree::{FileKind, SafeTree, Text};
use crate::sys::user::Account;

/// The directories of an instance in the order in which they are made.
const DIRECTORIES: [&str; 4] = ["bin", "etc", "log", "var"];

/// Directories to make and files with one verb each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Where the instance lies.
    pub home: Home,
    /// Those that are missing, parents first.
    pub directories: Vec<PathBuf>,
    /// The one among them that only its owner may look into: that of the large objects (ZODB asks for it).
    pub private: Option<PathBuf>,
    /// Whether it was asked to bring edited files up to date.
    pub updates: bool,
    /// The user that gets the directories that the server writes in, if we are not that user.
    pub new_owner: Option<Account>,
    /// Those directories.
    pub written: Vec<PathBuf>,
    /// All files of the instance, and before them those that it has under the name of another home.
    pub files: Vec<PlannedFile>,
    /// Keys and certificates to make, before the files that name them.
    pub certificates: Vec<Made>,
    /// What the files will have been made from, where that is not recorded yet.
    pub pristine: Option<PristineTexts>,
}

impl Plan {
    /// Whether this file was edited and stays so.
    #[must_use]
    pub fn keeps(&self, path: &Path) -> bool {
        let persons = |verb: &Verb| {
            matches!(verb, Verb::Keep(_) | Verb::Settled | Verb::Merge(_) | Verb::Accept(..) | Verb::Offer(_))
        };
        self.files.iter().any(|file| persons(&file.verb) && file.path == path)
    }

    /// Whether this file is there and not changed by the plan.
    #[must_use]
    pub fn keeps_wholly(&self, path: &Path) -> bool {
        let kept = |verb: &Verb| matches!(verb, Verb::Keep(_) | Verb::Settled | Verb::Offer(_));
        self.files.iter().any(|file| kept(&file.verb) && file.path == path)
    }

    /// The first of the files that the instance is to have.
    #[must_use]
    pub fn first(&self) -> Option<&PlannedFile> {
        self.files.iter().find(|file| !matches!(file.verb, Verb::Remove | Verb::Leave))
    }

    /// Whether anything on the disk would change.
    #[must_use]
    pub fn changes(&self) -> bool {
        !self.directories.is_empty()
            || self.pristine.is_some()
            || !self.certificates.is_empty()
            || self.files.iter().any(|file| file.verb.changes())
    }
}

/// A file of the instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedFile {
    /// Where it lies.
    pub path: PathBuf,
    /// What it should hold; nothing where it should not be.
    pub contents: String,
    /// What the template made of it; `None`: the same.
    pub template_text: Option<String>,
    /// The permission bits that it should ask for when it is made.
    pub mode: u32,
    /// What was there when the plan was made.
    pub found: PresentFile,
    /// What is to be done.
    pub verb: Verb,
}

impl PlannedFile {
    /// What the file will hold; `None`: it will not be there, or that is not known.
    fn contents_after(&self) -> Option<&[u8]> {
        match &self.verb {
            Verb::Remove => None,
            Verb::Same | Verb::SetMode(_) | Verb::Settled | Verb::Keep(_) | Verb::Offer(_) | Verb::Leave => {
                self.found.contents.as_deref()
            }
            Verb::Merge(text) | Verb::Accept(text, _) => Some(text.as_bytes()),
            Verb::Create | Verb::Fill | Verb::Update | Verb::Backup | Verb::Overwrite => {
                Some(self.contents.as_bytes())
            }
        }
    }
}

/// Decides what has to be done to make the instance of these templates, and to treat what is there by the policy.
///
/// # Errors
/// What cannot be looked at, and what stands in the way: [`Error::System`], [`Error::InTheWay`]; what the policy does not
/// let pass: [`Error::Differs`]; names that [`Policy::only`] has and the instance has not: [`Error::NoFile`].
pub fn plan(
    tree: &SafeTree,
    installed: &Installed,
    request: &Request,
    templates: &Templates,
    policy: &Policy,
) -> Result<Plan, Error> {
    let mut files = templates.render(request)?;
    files.extend(request.record.iter().map(|record| Rendered {
        name: settings::RECORD.to_owned(),
        contents: record.clone(),
        template_text: None,
        mode: 0o666,
    }));
    let mut stale = stale_names(installed, request, templates, &files);
    let mut known = files.iter().map(|file| &file.name).chain(&stale);
    if let Some(name) = policy.only.iter().find(|name| known.all(|known| known != *name)) {
        let known: Vec<_> = files.iter().map(|file| file.name.as_str()).collect();
        return Err(Error::NoFile { name: name.clone(), known: known.join(", ") });
    }
    if !policy.only.is_empty() {
        files.retain(|file| policy.only.contains(&file.name));
        stale.retain(|name| policy.only.contains(name));
    }
    let (new_owner, written) = (ownership::new_owner(request)?, ownership::written(request));
    files.iter().try_for_each(|file| lengths::check_file(&request.home, &file.name))?;
    for directory in &written {
        lengths::check_directory(&request.home, directory)?;
        // It may lie elsewhere.
        tree.reach(directory).map_err(|error| Error::system("look at", directory, error))?;
    }
    let mut directories = Vec::new();
    for directory in needed(request, &files, policy) {
        if !directories.contains(&directory) {
            push_if_missing(tree, &mut directories, &directory)?;
        }
    }
    if let Some(account) = &new_owner {
        ownership::check(account, &written)?;
    }
    let old_home = installed.home();
    let planned = |Rendered { name, contents, template_text, mode }: Rendered| {
        let path = request.home.join(&name);
        let found = file_state::look(tree, &path, &contents, is_executable(mode))?;
        let mut verb = match found.state {
            // The record is ours, and what a person wrote there is in it.
            FileState::Unedited | FileState::Edited
                if name == settings::RECORD && !found.is_link && !policy.accept =>
            {
                Verb::Update
            }
            _ => policy::decide(tree, &path, &found, &contents, policy, installed.pristine.get(&name))?,
        };
        if policy.update
            && policy.conflict.is_none()
            && matches!(verb, Verb::Keep(_) | Verb::Offer(_))
            && let Some(text) = moved(&found, old_home.as_ref(), &request.home)
        {
            verb = Verb::Merge(text);
        }
        let file = PlannedFile { path, contents, template_text, mode, found, verb };
        if name == SERVER && !policy.sets_data {
            check_data(tree, &request.home, old_home.as_ref(), &file)?;
        }
        Ok(file)
    };
    let stale = stale.iter().filter_map(|name| stale_file(tree, request.home.join(name), policy).transpose());
    // First, while the other files still show which home they are named after.
    let files: Vec<_> = stale.chain(files.into_iter().map(planned)).collect::<Result<_, Error>>()?;
    let certificates = if request.self_signed { self_signed::missing(tree, request)? } else { Vec::new() };
    let pristine = pristine_after(installed, request, policy, &files);
    let etc = request.home.join("etc");
    let seen = tree.look(&etc).map_err(|error| Error::system("look at", &etc, error))?;
    let has_place = directories.contains(&etc) || seen.what == FileKind::Directory;
    let pristine = Some(pristine).filter(|texts| *texts != installed.pristine && has_place);
    let home = request.home.clone();
    let updates = policy.update;
    Ok(Plan {
        home,
        directories,
        updates,
        private: blobs(request),
        new_owner,
        written,
        files,
        certificates,
        pristine,
    })
}

/// Whether the server will have the data that it has, where its configuration is replaced; those of a home that was moved or
/// copied lie in its own.
fn check_data(tree: &SafeTree, home: &Home, old: Option<&Home>, file: &PlannedFile) -> Result<(), Error> {
    let (Some(before), Some(after)) = (&file.found.contents, file.contents_after()) else { return Ok(()) };
    if !file.verb.changes() || matches!(file.verb, Verb::Fill) {
        return Ok(());
    }
    let data = |bytes: &[u8]| -> Result<_, Error> {
        let text = Text { bytes: bytes.to_vec(), is_closed: false };
        // What cannot be read now is not read by the server either.
        let Ok((values, _)) = included::survey_text(tree, home, &file.path, text) else {
            return Ok(Vec::new());
        };
        Ok(adopt::data_of(&values))
    };
    let (before, after) = (data(before)?, data(after)?);
    let own = |path: &String| installed::moved(path, old, home).unwrap_or_else(|| path.clone());
    let lost = before.into_iter().find(|(key, path)| !after.contains(&(*key, own(path))));
    let Some((key, before)) = lost else { return Ok(()) };
    let after = after.into_iter().find(|(other, _)| *other == key);
    let after = after.map_or_else(|| "no place".to_owned(), |(_, path)| shown(path));
    Err(Error::OtherData { path: file.path.clone(), before, after })
}

/// What the files will have been made from once the plan is carried out.
fn pristine_after(
    installed: &Installed,
    request: &Request,
    policy: &Policy,
    files: &[PlannedFile],
) -> PristineTexts {
    // With `only`, the other files keep theirs.
    let mut texts =
        if policy.only.is_empty() { PristineTexts::default() } else { installed.pristine.clone() };
    for file in files {
        let name = file.path.strip_prefix(request.home.path()).ok().and_then(Path::to_str);
        if let Some(name) = name.filter(|name| *name != settings::RECORD) {
            texts.set(
                name,
                installed.pristine.get(name),
                file.contents_after(),
                file.template_text.as_ref().unwrap_or(&file.contents),
            );
        }
    }
    texts
}

/// What an edited file of an instance that was moved or copied should say where nothing can be merged: the same, with the
/// paths of the new home. Else the copy would work on the data of the original.
fn moved(found: &PresentFile, old: Option<&Home>, new: &Home) -> Option<String> {
    let old = old.filter(|old| *old != new && !found.is_link)?;
    let text = str::from_utf8(found.contents.as_deref()?).ok()?;
    installed::relocated(text, old, new).filter(|moved| moved != text)
}

/// The files that the instance has under the name of the home that it was copied or moved from, and no more under its own.
fn stale_names(
    installed: &Installed,
    request: &Request,
    templates: &Templates,
    files: &[Rendered],
) -> Vec<String> {
    let Some(home) = installed.home().filter(|old| *old != request.home) else { return Vec::new() };
    let mut names = templates.names(&Request { home, ..request.clone() });
    names.retain(|name| files.iter().all(|file| file.name != *name));
    names
}

fn stale_file(tree: &SafeTree, path: PathBuf, policy: &Policy) -> Result<Option<PlannedFile>, Error> {
    let found = file_state::look_at_stale(tree, &path)?;
    let verb = policy::decide_stale(&found, policy);
    Ok(verb.map(|verb| PlannedFile {
        path,
        contents: String::new(),
        template_text: None,
        mode: 0,
        found,
        verb,
    }))
}

/// The directories that an instance has, parents first; with [`Policy::only`], those of the files alone.
fn needed(request: &Request, files: &[Rendered], policy: &Policy) -> Vec<PathBuf> {
    let own = DIRECTORIES.iter().map(Path::new).filter(|_| policy.only.is_empty());
    let parents = files.iter().filter_map(|file| Path::new(&file.name).parent());
    let written = ownership::written(request).into_iter().filter(|_| policy.only.is_empty());
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

/// Whether a file that asks for these permission bits is a program.
pub(super) fn is_executable(mode: u32) -> bool {
    mode & 0o100 != 0
}

fn push_if_missing(tree: &SafeTree, missing: &mut Vec<PathBuf>, path: &Path) -> Result<(), Error> {
    let in_the_way = |why| Err(Error::InTheWay { verb: "create directory", path: path.to_owned(), why });
    match tree.look(path).map_err(|error| Error::system("look at", path, error))?.what {
        FileKind::Directory => Ok(()),
        FileKind::File | FileKind::Other => in_the_way("something else has that name"),
        FileKind::DanglingLink => in_the_way("it is a symbolic link to nothing"),
        FileKind::Nothing => {
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

    use super::super::locate_programs::Programs;
    use super::*;

    fn plan(request: &Request) -> Result<Plan, Error> {
        let tree = SafeTree::open(request.home.path()).unwrap();
        let installed = Installed::read(&tree, &request.home)?;
        super::plan(&tree, &installed, request, &Templates::with(None, &[]).unwrap(), &Policy::default())
    }

    fn request(home: &Path) -> Request {
        let program = "/bin/true".to_owned();
        Request {
            home: Home::new(home, Path::new("/")).unwrap(),
            addresses: Vec::new(),
            programs: Programs { server: program.clone(), zdctl: program.clone(), zdrun: program },
            set: BTreeMap::new(),
            with: Vec::new(),
            templates: None,
            adopted: BTreeMap::new(),
            self_signed: false,
            record: None,
        }
    }

    #[test]
    fn missing_directories_are_listed_parents_first() {
        let directory = tempfile::tempdir().unwrap();
        let top = directory.path();
        fs::create_dir_all(top.join("a")).unwrap();
        let planned = plan(&request(&top.join("a/b/home"))).unwrap();
        let expected = ["a/b", "a/b/home", "a/b/home/bin", "a/b/home/etc", "a/b/home/log", "a/b/home/var"];
        assert_eq!(planned.directories, expected.map(|name| top.join(name)));
        assert!(planned.files.iter().all(|file| file.verb == Verb::Create));
        fs::create_dir_all(top.join("a/b/home/log")).unwrap();
        let planned = plan(&request(&top.join("a/b/home"))).unwrap();
        assert_eq!(planned.directories, ["bin", "etc", "var"].map(|name| top.join("a/b/home").join(name)));
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
            let message = plan(&request(&top.join(home))).unwrap_err().to_string();
            assert_eq!(message, format!("cannot create directory '{}': {why}", top.join(path).display()));
        }
    }
}
