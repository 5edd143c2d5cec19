//! `--check`: whether a start would find its data, without a change to anything.

use std::fs;
use std::io;
use std::sync::Arc;

use super::NAME;
use crate::cli::{print, print_error};
use crate::config;
use crate::config::server::{DataFile, Place, Settings};
use crate::eventlog::EventLog;
use crate::exit::Exit;
use crate::filestorage::{FileStorage, Options};
use crate::storage::Tid;
use crate::sys::system_error::os_error_text;
use crate::sys::{access, files};

/// Reads every data file from end to end; says what is wrong, or that all is well.
pub(super) fn check(settings: &Settings) -> Exit {
    let mut exit = Exit::Success;
    for storage in &settings.storages {
        if let Place::File(file) = &storage.place
            && let Some(why) = fault(file)
        {
            exit = print_error(NAME, Exit::Failure, &format!("storage '{}': {why}", storage.name));
        }
    }
    if exit == Exit::Success { print(config::CHECK_PASSED) } else { exit }
}

fn fault(file: &DataFile) -> Option<String> {
    let path = &file.path;
    let cannot =
        |verb: &str, error: &io::Error| format!("cannot {verb} {}: {}", path.display(), os_error_text(error));
    match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound && !file.read_only => {
            return access::may_create_in(files::parent(path)).err().map(|error| cannot("create", &error));
        }
        Err(error) => return Some(cannot("open", &error)),
        Ok(_) if file.create => return None,
        Ok(_) => {}
    }
    if !file.read_only
        && let Err(error) = access::may_append(path)
    {
        return Some(cannot("write", &error));
    }
    // To stop behind the last transaction means to read the file itself, whatever the index says.
    let options = Options { read_only: true, stop: Some(Tid::MAX), ..Options::default() };
    FileStorage::open(path, &options, Arc::new(EventLog::stderr_warnings()))
        .err()
        .map(|error| error.to_string())
}
