//! `--check` and `--check-config`: whether a start would find what the configuration names, without a change to anything.

use std::fs;
use std::io;
use std::path::Path;

use super::NAME;
use super::tls;
use crate::cli::{print, print_error};
use crate::config;
use crate::config::server::{DataFile, Place, Settings};
use crate::eventlog::{EventLog, Target};
use crate::exit::Exit;
use crate::filestorage::{CutOff, FileStorage};
use crate::sys::system_error::os_error_text;
use crate::sys::{access, files};
use crate::zeo;

/// Looks at the files that the server would open, and with `data` reads every data file from end to end; says what is wrong,
/// or that all is well and which data files are yet to be made.
pub(super) fn check(settings: &Settings, data: bool) -> Exit {
    let mut faults: Vec<String> =
        written(settings).filter_map(|path| config::appendable(path).err()).collect();
    let unusable = settings.addresses.iter().filter_map(|address| zeo::Listener::check(address).err());
    faults.extend(unusable.map(|error| error.to_string()));
    faults.extend(tls::open(settings).err().map(|error| format!("TLS: {error}")));
    let mut passed = Vec::new();
    for storage in &settings.storages {
        let Place::File(file) = &storage.place else { continue };
        let (name, path) = (&storage.name, file.path.display());
        let found = match state(file) {
            Ok(State::There) if data => inspect(file),
            Ok(State::There) => Vec::new(),
            Ok(State::Missing) => {
                passed.push(format!("storage '{name}': {path} is not there; a start makes it"));
                continue;
            }
            Ok(State::Replaced) => {
                passed.push(format!(
                    "storage '{name}': {path} gives way to a new file at each start; create false keeps it"
                ));
                continue;
            }
            Err(why) => vec![why],
        };
        faults.extend(found.into_iter().map(|why| format!("storage '{name}': {why}")));
    }
    if faults.is_empty() {
        passed.push(config::CHECK_PASSED.to_owned());
        return print(&passed.join("\n"));
    }
    print_error(NAME, Exit::Failure, &faults.join("\n"))
}

/// The files that are written beside the data.
fn written(settings: &Settings) -> impl Iterator<Item = &Path> {
    let log = settings.event_log.handlers.iter().filter_map(|handler| match &handler.target {
        Target::File(log) => Some(log.path.as_path()),
        _ => None,
    });
    log.chain(settings.pid_file.as_deref().filter(|_| !settings.read_only))
}

/// What a start finds of a data file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// It is there, and is used.
    There,
    /// It is not there, and is made.
    Missing,
    /// It is there, and gives way to a new one.
    Replaced,
}

/// What is there of a data file; an error is why it can be neither opened nor made.
fn state(file: &DataFile) -> Result<State, String> {
    let path = &file.path;
    let cannot = |verb: &'static str| {
        move |error: io::Error| format!("cannot {verb} {}: {}", path.display(), os_error_text(&error))
    };
    match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound && !file.read_only => {
            access::may_create_in(files::parent(path)).map_err(cannot("create"))?;
            return Ok(State::Missing);
        }
        Err(error) => return Err(cannot("open")(error)),
        Ok(found) if !found.is_file() => {
            return Err(format!("cannot open {}: not a regular file", path.display()));
        }
        Ok(_) => {}
    }
    if file.read_only {
        fs::File::open(path).map(drop).map_err(cannot("open"))?;
    } else {
        access::may_append(path).map_err(cannot("write"))?;
    }
    Ok(if file.create { State::Replaced } else { State::There })
}

/// Reads the data of a file: what is wrong with them, and what a start would make of it.
fn inspect(file: &DataFile) -> Vec<String> {
    let path = file.path.display();
    let found = match FileStorage::inspect(&file.path, &EventLog::stderr_warnings()) {
        Ok(found) => found,
        Err(error) => return vec![error.to_string()],
    };
    let mut lines: Vec<_> =
        found.listed.iter().map(|(at, what)| format!("{path}: at byte {at}: {what}")).collect();
    if found.faults > 0 {
        let (faults, transactions) = (found.faults, found.transactions);
        let listed = match found.listed.len() as u64 {
            listed if listed < faults => format!(", of which the first {listed} are listed"),
            _ => String::new(),
        };
        lines.push(format!("{path}: faults: {faults}{listed}; whole transactions: {transactions}"));
    }
    match (&found.refused, &found.cut_off) {
        (Some(_), _) => lines.push(format!(
            "{path}: it is served only with an index that was saved behind the damage (docs/filestorage.md, Damage)"
        )),
        (None, Some(end)) => lines.push(cut_off(file, end)),
        (None, None) => {}
    }
    lines
}

/// What a start makes of a damaged end.
fn cut_off(file: &DataFile, end: &CutOff) -> String {
    let (path, CutOff { at, bytes, why, .. }) = (file.path.display(), end);
    let what = match (file.read_only, end.kept) {
        (true, _) => "it is read up to there only".to_owned(),
        (false, true) => format!("a start cuts off these {bytes} bytes and keeps them as {path}.trN"),
        (false, false) => format!("a start cuts off these {bytes} bytes"),
    };
    format!("{path}: the last whole transaction ends at byte {at}: {why}; {what}")
}
