//! The files with the process numbers of the program and of the manager, for monit, logrotate and scripts.
//!
//! A file is there while the process is, and is whole: it appears by a rename. What an earlier manager left is never read,
//! only replaced.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use super::Error;
use crate::config::Runner;
use crate::sys::process;

/// Both files. Dropped: they are removed.
#[derive(Debug)]
pub struct PidFiles {
    program: PidFile,
    manager: PidFile,
}

#[derive(Debug)]
struct PidFile {
    /// Absent: none is wanted.
    path: Option<PathBuf>,
    /// What is in it; absent: it is not there.
    pid: Option<i32>,
}

impl PidFiles {
    /// Those of these settings, whose paths are absolute.
    pub fn of(runner: &Runner) -> Self {
        let file = |path: &Option<PathBuf>| PidFile { path: path.clone(), pid: None };
        Self { program: file(&runner.pid_file), manager: file(&runner.manager_pid_file) }
    }

    /// Writes the manager's, and finds out whether the program's can be written.
    ///
    /// # Errors
    /// One of them cannot.
    pub fn begin(&mut self) -> Result<(), Error> {
        self.manager.set(Some(process::own_pid()))?;
        self.try_program()
    }

    /// Finds out whether the program's can be written.
    ///
    /// # Errors
    /// It cannot.
    pub fn try_program(&self) -> Result<(), Error> {
        let Some(path) = &self.program.path else { return Ok(()) };
        let tried = temporary(path).and_then(|(name, _)| fs::remove_file(name));
        tried.map_err(|source| failed(path, source))
    }

    /// The program runs as this process; `None`: it does not run.
    ///
    /// # Errors
    /// The file cannot be written. That is tried again for the next process only.
    pub fn set_program(&mut self, pid: Option<i32>) -> Result<(), Error> {
        self.program.set(pid)
    }

    /// The paths of those that are there, for the next image of this process.
    pub fn paths(&self) -> Vec<String> {
        let written = [&self.program, &self.manager].into_iter().filter(|file| file.pid.is_some());
        written.filter_map(|file| Some(file.path.as_ref()?.to_str()?.to_owned())).collect()
    }

    /// Removes those that an earlier image of this process wrote elsewhere.
    pub fn remove_others(&self, paths: &[String]) {
        let own = [&self.program.path, &self.manager.path];
        for path in paths.iter().map(PathBuf::from).filter(|path| !own.contains(&&Some(path.clone()))) {
            let _ = fs::remove_file(path);
        }
    }
}

impl PidFile {
    fn set(&mut self, pid: Option<i32>) -> Result<(), Error> {
        let Some(path) = self.path.clone().filter(|_| self.pid != pid) else { return Ok(()) };
        let Some(pid) = pid else {
            self.remove();
            return Ok(());
        };
        self.pid = Some(pid);
        let written = temporary(&path).and_then(|(name, mut file)| {
            let done = writeln!(file, "{pid}").and_then(|()| fs::rename(&name, &path));
            if done.is_err() {
                let _ = fs::remove_file(&name);
            }
            done
        });
        if written.is_err() {
            // Another process's number is worse than none.
            let _ = fs::remove_file(&path);
        }
        written.map_err(|source| failed(&path, source))
    }

    /// Removes it, unless it is another manager's by now.
    fn remove(&mut self) {
        let Some((path, pid)) = self.path.as_ref().zip(self.pid.take()) else { return };
        if fs::read_to_string(path).is_ok_and(|text| text.trim() == pid.to_string()) {
            let _ = fs::remove_file(path);
        }
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        self.remove();
    }
}

/// A new file beside that path, and its name.
fn temporary(path: &Path) -> io::Result<(PathBuf, File)> {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    let name = PathBuf::from(name);
    let _ = fs::remove_file(&name);
    let file = File::create_new(&name)?;
    Ok((name, file))
}

fn failed(path: &Path, source: io::Error) -> Error {
    Error::Open { what: "pid file", path: path.to_owned(), source }
}
