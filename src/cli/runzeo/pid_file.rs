//! The file with the number of the process.

use std::env;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use super::journal::Journal;
use crate::config::server::Settings;
use crate::sys::files;
use crate::sys::system_error::os_error_text;

/// The file, for as long as this lives.
pub(super) struct PidFile<'a> {
    path: PathBuf,
    log: &'a Journal,
}

impl<'a> PidFile<'a> {
    /// Writes it, if there is to be one; a server that cannot goes on without, and says so.
    pub(super) fn write(settings: &Settings, log: &'a Journal) -> Option<Self> {
        let path = place(settings)?;
        match write(&path) {
            Ok(()) => {
                log.info(format_args!("created PID file '{}'", path.display()));
                Some(Self { path, log })
            }
            Err(error) => {
                let why = os_error_text(&error);
                log.error(format_args!("PID file '{}' cannot be written: {why}", path.display()));
                None
            }
        }
    }
}

/// Where it is: as configured, or where Zope's tools look for it. A server that only reads has none, as several may read
/// the same file.
fn place(settings: &Settings) -> Option<PathBuf> {
    if settings.read_only {
        return None;
    }
    let home = || env::var_os("INSTANCE_HOME").filter(|home| !home.is_empty());
    settings.pid_file.clone().or_else(|| Some(Path::new(&home()?).join("var/ZEO.pid")))
}

fn write(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    files::create(path, contents().as_bytes(), 0o644)
}

fn contents() -> String {
    format!("{}\n", std::process::id())
}

impl Drop for PidFile<'_> {
    fn drop(&mut self) {
        // Another server's by now, perhaps.
        if fs::read(&self.path).is_ok_and(|found| found == contents().as_bytes()) {
            match fs::remove_file(&self.path) {
                Ok(()) => {
                    self.log.info(format_args!("removed PID file '{}'", self.path.display()));
                }
                Err(error) => {
                    let (path, why) = (self.path.display(), os_error_text(&error));
                    self.log.error(format_args!("PID file '{path}' cannot be removed: {why}"));
                }
            }
        }
    }
}
