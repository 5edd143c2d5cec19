//! Command line over file over default, for the server.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use super::{DataFile, Flags, Limits, Pack, Place, Settings, Storage, Tls};
use crate::config::log::{self, handlers, log_section};
use crate::config::option_values::{duration_of, listen_address_of, seconds_of, size_of};
use crate::config::{Errors, Problem, ValueError, range, schema, toml_form};
use crate::zconfig::{self, Entry, Environment, ErrorKind, Location, SectionRef, Tree, Value};

const BLOB_DIR: &str = "blob-dir";
const PACKER: &str = "packer";
/// What to do with a file that asks for what is not served.
const PYTHON: &str = "serve this file with Python's runzeo";
const BLOBS: &str = "blobs (blob-dir) is not served yet; serve this file with Python's runzeo, or leave blob-dir out where no \
    object has blobs";
const PACKING: &str = "a packing function of Python (packer) is not served; leave packer out";

const DYNAMIC: &str = "authenticate DYNAMIC lets in nobody: it is for Python programs that add certificates while they run; name a \
    file or a directory with the certificates of clients";

/// What `runzeo` needs to know.
///
/// # Errors
/// All faults of the command line, of the file and of those that it includes.
pub fn resolve(flags: &Flags) -> Result<Settings, Errors> {
    resolve_in(flags, &Environment::process())
}

/// The same, in given surroundings.
///
/// # Errors
/// As [`resolve`].
pub fn resolve_in(flags: &Flags, environment: &Environment) -> Result<Settings, Errors> {
    let (tree, mut faults) = match &flags.configure {
        Some(file) => read(file, flags, environment),
        None => (Tree::default(), missing(flags)),
    };
    let settings = settings(flags, &tree, environment, &mut faults);
    faults.sort_by_place();
    if faults.is_none() { Ok(settings) } else { Err(faults) }
}

/// What a command line lacks that names no file.
fn missing(flags: &Flags) -> Errors {
    let mut faults = Errors::default();
    let mut add = |what: &str| faults.add(other(what, &Location::CommandLine));
    if !flags.overrides.is_empty() {
        add("configuration overrides (-X) cannot be used without a configuration file");
    }
    if flags.addresses.is_empty() {
        add("no server address specified; use -a or -C");
    }
    if flags.files.is_empty() {
        add("no storages specified; use -f or -C");
    }
    faults
}

fn read(file: &Path, flags: &Flags, environment: &Environment) -> (Tree, Errors) {
    let mut exempt = Vec::new();
    if !flags.addresses.is_empty() {
        exempt.extend(["zeo", "address"]);
    }
    if !flags.files.is_empty() {
        exempt.push("storages");
    }
    let (tree, mut faults) = if toml_form::is_toml(file) {
        toml_form::load_lossy(&schema::SERVER, file, &flags.overrides, &exempt, environment)
    } else {
        zconfig::load_lossy(
            &schema::SERVER,
            file,
            &flags.overrides,
            &exempt,
            environment,
            zconfig::Limits::default(),
        )
    };
    // What is not served is refused whatever its value.
    faults.reword_values_of(BLOB_DIR, BLOBS);
    let root = tree.root();
    let used =
        root.into_iter().flat_map(|root| root.section("zeo").into_iter().chain(root.sections("storages")));
    faults.extend(range::check(used.chain(handlers(&tree))));
    log::check(handlers(&tree), &mut faults);
    (tree, faults)
}

fn other(what: &str, at: &Location) -> Problem {
    Problem::new(ErrorKind::Other(what.to_owned()), at.clone())
}

/// Puts everything together; where a value is at fault, which `faults` then has, its default.
fn settings(flags: &Flags, tree: &Tree, environment: &Environment, faults: &mut Errors) -> Settings {
    let mut zeo = Section { section: tree.root().and_then(|root| root.section("zeo")), faults };
    Settings {
        addresses: if flags.addresses.is_empty() { zeo.addresses() } else { flags.addresses.clone() },
        read_only: zeo.boolean("read-only").unwrap_or(false),
        invalidation_queue_size: zeo.number("invalidation-queue-size").unwrap_or(100),
        invalidation_age: zeo.value("invalidation-age", duration_of),
        // 0 is none: a client needs some time for its two calls.
        transaction_timeout: flags
            .timeout
            .or_else(|| zeo.value("transaction-timeout", duration_of))
            .filter(|timeout| !timeout.is_zero()),
        pid_file: flags.pid_file.clone().or_else(|| zeo.path("pid-filename")),
        msgpack: zeo.boolean("msgpack"),
        limits: zeo.limits(),
        tls: zeo.tls(),
        storages: if flags.files.is_empty() {
            storages(tree, faults)
        } else {
            files(flags, environment, faults)
        },
        event_log: log_section(tree).map_or_else(log::on_stderr, log::event_log),
        logs_elsewhere: log_section(tree).is_some(),
    }
}

fn files(flags: &Flags, environment: &Environment, faults: &mut Errors) -> Vec<Storage> {
    for path in &flags.files {
        if let Err(error) = zconfig::existing_dirpath(path.as_os_str(), environment) {
            let kind = ErrorKind::Value { key: "-f".to_owned(), error };
            faults.add(Problem::new(kind, Location::CommandLine));
        }
    }
    let storage = |(number, path): (usize, &PathBuf)| Storage {
        name: (number + 1).to_string(),
        place: Place::File(DataFile::new(path)),
    };
    flags.files.iter().enumerate().map(storage).collect()
}

/// The storages of the file. One may be without a name: it is 1.
fn storages(tree: &Tree, faults: &mut Errors) -> Vec<Storage> {
    let mut names = HashSet::new();
    let mut found = Vec::new();
    for section in tree.root().into_iter().flat_map(|root| root.sections("storages")) {
        let name = section.name().unwrap_or("1").to_owned();
        if !names.insert(name.clone()) {
            let what = match section.name() {
                None => "a second storage without a name, or beside one named 1; each has a name of its own",
                Some(_) => "a storage named 1 beside one without a name, which is 1 too",
            };
            faults.add(other(what, section.at()));
        }
        if let Some(storage) = storage(name, section, faults) {
            found.push(storage);
        }
    }
    found
}

fn storage(name: String, section: SectionRef<'_>, faults: &mut Errors) -> Option<Storage> {
    let place = match section.kind().name {
        "filestorage" => Place::File(data_file(Section { section: Some(section), faults })),
        "mappingstorage" => Place::Memory(section.text("name").unwrap_or_default().to_owned()),
        other_kind => {
            faults.add(other(&not_served(other_kind), section.at()));
            return None;
        }
    };
    Some(Storage { name, place })
}

/// What to do about a storage of another type.
fn not_served(kind: &str) -> String {
    match kind {
        "blobstorage" => format!(
            "a storage of type '<blobstorage>' is not served yet; {PYTHON}, or, where no object has blobs, keep only the \
             storage inside of it"
        ),
        "fullstorage" | "minimalstorage" => format!(
            "a storage of type '<{kind}>' is not served: today's ZODB has no such storage (Berkeley DB); convert the \
             data with the programs that wrote them"
        ),
        _ => format!(
            "a storage of type '<{kind}>' is not served yet; '<filestorage>' and '<mappingstorage>' are; {PYTHON}"
        ),
    }
}

fn data_file(mut file: Section<'_, '_>) -> DataFile {
    file.refuse_key(BLOB_DIR, BLOBS);
    file.refuse_key(PACKER, PACKING);
    DataFile {
        path: file.path("path").unwrap_or_default(),
        create: file.boolean("create").unwrap_or(false),
        read_only: file.boolean("read-only").unwrap_or(false),
        quota: file.value("quota", size_of),
        pack: Pack {
            gc: file.boolean("pack-gc").unwrap_or(true),
            keep_old: file.boolean("pack-keep-old").unwrap_or(true),
        },
    }
}

/// A section that may not be there, and where its faults go.
struct Section<'a, 'f> {
    section: Option<SectionRef<'a>>,
    faults: &'f mut Errors,
}

impl<'a> Section<'a, '_> {
    fn entry(&self, key: &str) -> Option<&'a Entry> {
        self.section?.entry(key)
    }

    fn boolean(&self, key: &str) -> Option<bool> {
        self.entry(key)?.value.as_bool()
    }

    fn path(&self, key: &str) -> Option<PathBuf> {
        self.entry(key)?.value.as_text().filter(|text| !text.is_empty()).map(PathBuf::from)
    }

    /// A count; other values were reported before.
    fn number(&self, key: &str) -> Option<usize> {
        seconds_of(&self.entry(key)?.value).ok().and_then(|number| usize::try_from(number).ok())
    }

    fn value<T>(&mut self, key: &str, convert: fn(&Value) -> Result<T, ValueError>) -> Option<T> {
        let entry = self.entry(key)?;
        self.converted(key, entry, convert)
    }

    fn size(&mut self, key: &str) -> Option<usize> {
        self.value(key, size_of).map(|size| usize::try_from(size).unwrap_or(usize::MAX))
    }

    fn limits(&mut self) -> Limits {
        Limits {
            max_connections: self.number("max-connections"),
            max_unregistered: self.number("max-unregistered"),
            registration_timeout: self.value("registration-timeout", duration_of),
            max_message_size: self.size("max-message-size"),
            max_message_memory: self.size("max-message-memory"),
            max_unsent_invalidations: self.size("max-unsent-invalidations"),
            max_iterators: self.number("max-iterators"),
            max_transaction_steps: self.number("max-transaction-steps"),
        }
    }

    fn addresses(&mut self) -> Vec<zconfig::Address> {
        let entries = self.section.map(|section| section.values("address")).unwrap_or_default();
        entries.iter().filter_map(|entry| self.converted("address", entry, listen_address_of)).collect()
    }

    fn converted<T>(
        &mut self,
        key: &str,
        entry: &Entry,
        convert: fn(&Value) -> Result<T, ValueError>,
    ) -> Option<T> {
        // An integer out of range was reported before.
        convert(&entry.value)
            .map_err(|error| {
                if !matches!(entry.value, Value::Integer(_)) {
                    let kind = ErrorKind::Value { key: key.to_owned(), error };
                    self.faults.add(Problem::new(kind, entry.at.clone().unwrap_or(Location::CommandLine)));
                }
            })
            .ok()
    }

    fn refuse_key(&mut self, key: &str, what: &str) {
        if let Some(entry) = self.entry(key)
            && entry.value.as_text().is_some_and(|text| !text.is_empty())
            && let Some(section) = self.section
        {
            let at = entry.at.as_ref().unwrap_or(section.at());
            self.faults.add(other(what, at));
        }
    }

    fn tls(&mut self) -> Option<Tls> {
        let ssl = Section { section: Some(self.section?.section("ssl")?), faults: self.faults };
        if let Some(entry) = ssl.entry("authenticate")
            && entry.value.as_text() == Some("DYNAMIC")
        {
            let at = entry.at.as_ref().unwrap_or(&Location::CommandLine);
            ssl.faults.add(other(DYNAMIC, at));
        }
        Some(Tls {
            certificate: ssl.path("certificate").unwrap_or_default(),
            key: ssl.path("key"),
            password_file: ssl.path("password-file"),
            authenticate: ssl.path("authenticate").unwrap_or_default(),
        })
    }
}
