//! `--check` and `--check-config`: whether a start would find what the configuration names, without a change to anything.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use super::NAME;
use crate::cli::{print, print_error};
use crate::config;
use crate::config::server::{DataFile, Place, Settings};
use crate::eventlog::{EventLog, Target};
use crate::exit::Exit;
use crate::filestorage::{FileStorage, Options};
use crate::storage::Tid;
use crate::sys::system_error::os_error_text;
use crate::sys::{access, files};

/// Looks at the files that the server would open, and with `data` reads every data file from end to end; says what is wrong,
/// or that all is well.
pub(super) fn check(settings: &Settings, data: bool) -> Exit {
    let mut faults: Vec<String> =
        written(settings).filter_map(|path| config::appendable(path).err()).collect();
    for storage in &settings.storages {
        if let Place::File(file) = &storage.place
            && let Err(why) = openable(file).and_then(|is_there| read(file, data && is_there))
        {
            faults.push(format!("storage '{}': {why}", storage.name));
        }
    }
    if faults.is_empty() {
        return print(config::CHECK_PASSED);
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

/// Whether a data file is there; an error is why it can be neither opened nor made.
fn openable(file: &DataFile) -> Result<bool, String> {
    let path = &file.path;
    let cannot = |verb: &'static str| {
        move |error: io::Error| format!("cannot {verb} {}: {}", path.display(), os_error_text(&error))
    };
    match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound && !file.read_only => {
            access::may_create_in(files::parent(path)).map_err(cannot("create"))?;
            return Ok(false);
        }
        Err(error) => return Err(cannot("open")(error)),
        Ok(_) => {}
    }
    if file.read_only {
        // A directory can be opened, but not be read.
        fs::File::open(path).map(drop).map_err(cannot("open"))?;
    } else {
        access::may_append(path).map_err(cannot("write"))?;
    }
    Ok(!file.create)
}

fn read(file: &DataFile, data: bool) -> Result<(), String> {
    if !data {
        return Ok(());
    }
    // To stop behind the last transaction means to read the file itself, whatever the index says.
    let options = Options { read_only: true, stop: Some(Tid::MAX), ..Options::default() };
    let read = FileStorage::open(&file.path, &options, Arc::new(EventLog::stderr_warnings()));
    read.map(drop).map_err(|error| error.to_string())
}
