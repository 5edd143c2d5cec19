//! `--check` and `--check-config`: whether a start would find what the configuration names, without a change to anything.

use std::fs;
use std::io;
use std::path::Path;

use super::NAME;
use crate::cli::{print, print_error};
use crate::config;
use crate::config::server::{DataFile, Place, Settings};
use crate::eventlog::{EventLog, Target};
use crate::exit::Exit;
use crate::filestorage::{CutOff, FileStorage};
use crate::sys::system_error::os_error_text;
use crate::sys::{access, files};

/// Looks at the files that the server would open, and with `data` reads every data file from end to end; says what is wrong,
/// or that all is well and which data files are yet to be made.
pub(super) fn check(settings: &Settings, data: bool) -> Exit {
    let mut faults: Vec<String> =
        written(settings).filter_map(|path| config::appendable(path).err()).collect();
    let mut passed = Vec::new();
    for storage in &settings.storages {
        let Place::File(file) = &storage.place else { continue };
        let (name, path) = (&storage.name, file.path.display());
        match state(file).and_then(|state| if data { read(file, state) } else { Ok(state) }) {
            Ok(State::There) => {}
            Ok(State::Missing) => {
                passed.push(format!("storage '{name}': {path} is not there; a start makes it"));
            }
            Ok(State::Replaced) => passed.push(format!(
                "storage '{name}': {path} gives way to a new file at each start; create false keeps it"
            )),
            Err(why) => faults.push(format!("storage '{name}': {why}")),
        }
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
        Ok(_) => {}
    }
    if file.read_only {
        fs::File::open(path).map(drop).map_err(cannot("open"))?;
    } else {
        access::may_append(path).map_err(cannot("write"))?;
    }
    Ok(if file.create { State::Replaced } else { State::There })
}

/// Reads the data of a file that is used; an error is what is wrong with them, or what a start would change.
fn read(file: &DataFile, state: State) -> Result<State, String> {
    if state != State::There {
        return Ok(state);
    }
    let found = FileStorage::inspect(&file.path, &EventLog::stderr_warnings());
    match found.map_err(|error| error.to_string())? {
        None => Ok(state),
        Some(end) => Err(cut_off(file, &end)),
    }
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
