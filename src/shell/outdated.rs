//! What is newer on the disk than in the program that runs: its own file, and the configuration that it was started with.

use std::ffi::{OsStr, OsString};
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::control::StatusRecord;
use crate::sys::proc;

/// What the kernel puts behind the name of a file that was removed or replaced (proc(5), `/proc/PID/exe`).
const DELETED: &[u8] = b" (deleted)";

/// The files of the program of this record that were replaced or changed since it was started.
pub(super) fn outdated_files(record: &StatusRecord) -> Vec<PathBuf> {
    let (Some(pid), Some(started)) = (record.application, record.lasttime) else { return Vec::new() };
    Process::of(pid, record).outdated_files(Since { started, now: record.now })
}

/// The same for a program that `fg` runs.
pub(super) fn outdated_in_foreground(pid: u32) -> Vec<PathBuf> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    match proc::age(pid.cast_signed()) {
        Some(age) => Process::seen(pid).outdated_files(Since { started: now - age.as_secs_f64(), now }),
        None => Vec::new(),
    }
}

/// The time since the program was started, in seconds since the epoch.
#[derive(Clone, Copy)]
struct Since {
    started: f64,
    now: f64,
}

impl Since {
    /// A time that is still to come says nothing: it was set, or is of another clock.
    fn changed(self, file: &Metadata) -> bool {
        let changed = file.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        changed.is_some_and(|time| time.as_secs_f64() > self.started && time.as_secs_f64() <= self.now)
    }
}

/// The process of a program, as far as it can be seen from here.
struct Process {
    /// Its directory in `/proc`; `None`: it is in another pid namespace, or was adopted.
    proc: Option<PathBuf>,
    /// The file that the manager has executed.
    file: PathBuf,
    words: Vec<OsString>,
}

impl Process {
    fn of(pid: u32, record: &StatusRecord) -> Self {
        let recorded = Self {
            proc: None,
            file: PathBuf::from(&record.filename),
            words: record.args.clone().unwrap_or_default(),
        };
        match Self::seen(pid) {
            _ if !proc::is_child_of(pid, record.manager) => recorded,
            seen if seen.words.is_empty() => Self { proc: seen.proc, ..recorded },
            seen => Self { file: recorded.file, ..seen },
        }
    }

    /// One that is known to be a process of this pid namespace.
    fn seen(pid: u32) -> Self {
        let words = proc::texts(pid.cast_signed(), "cmdline").into_iter().map(OsString::from_vec);
        let words = words.collect::<Vec<_>>();
        let file = words.first().map(PathBuf::from).unwrap_or_default();
        Self { proc: Some(PathBuf::from(format!("/proc/{pid}"))), file, words }
    }

    fn outdated_files(&self, since: Since) -> Vec<PathBuf> {
        let configuration = self
            .configuration()
            .filter(|file| fs::metadata(file).is_ok_and(|found| found.is_file() && since.changed(&found)));
        self.replaced_file(since).into_iter().chain(configuration).collect()
    }

    /// The program's own file, if another has its name by now. The one that runs is known by its inode: a time that was
    /// changed makes no other file of it. A script has an interpreter as its running file, and only its time says more.
    fn replaced_file(&self, since: Since) -> Option<PathBuf> {
        let running = self.proc.as_ref().map(|proc| proc.join("exe"));
        let link = running.as_ref().and_then(|exe| fs::read_link(exe).ok());
        let removed = link.as_ref().and_then(|link| link.as_os_str().as_bytes().strip_suffix(DELETED));
        if let Some(next) = removed.map(|name| PathBuf::from(OsStr::from_bytes(name)))
            && next.is_file()
        {
            return Some(next);
        }
        let file = self.file.is_absolute().then_some(&self.file)?;
        let found = fs::metadata(file).ok()?;
        let is_running = running.and_then(|exe| fs::metadata(exe).ok()).is_some_and(|exe| same(&exe, &found));
        (!is_running && since.changed(&found)).then(|| file.clone())
    }

    /// The file that the option `-C` of its command line names.
    fn configuration(&self) -> Option<PathBuf> {
        let mut words = self.words.iter().skip(1);
        while let Some(word) = words.next() {
            let bytes = word.as_bytes();
            let glued = [&b"--configure="[..], b"-C"].iter().find_map(|option| bytes.strip_prefix(*option));
            let named = match glued {
                Some(b"") => words.next().cloned(),
                Some(name) => Some(OsStr::from_bytes(name).to_owned()),
                None if bytes == b"--configure" => words.next().cloned(),
                None => continue,
            };
            return named.and_then(|name| self.placed(Path::new(&name)).ok());
        }
        None
    }

    /// A path as the process means it.
    fn placed(&self, path: &Path) -> io::Result<PathBuf> {
        if path.is_absolute() {
            return Ok(path.to_owned());
        }
        let proc = self.proc.as_ref().ok_or(io::ErrorKind::NotFound)?;
        Ok(fs::read_link(proc.join("cwd"))?.join(path))
    }
}

fn same(one: &Metadata, other: &Metadata) -> bool {
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn configuration_is_what_its_option_names() {
        for (words, expected) in [
            (&["runzeo", "-C", "/a"][..], Some("/a")),
            (&["python", "/bin/runzeo", "-C/a"], Some("/a")),
            (&["runzeo", "--configure", "/a"], Some("/a")),
            (&["runzeo", "--configure=/a", "-C", "/b"], Some("/a")),
            (&["runzeo", "-C", "a"], None),
            (&["runzeo", "-C"], None),
            (&["-C", "x"], None),
        ] {
            let words = words.iter().map(OsString::from).collect();
            let process = Process { proc: None, file: PathBuf::new(), words };
            assert_eq!(process.configuration(), expected.map(PathBuf::from), "{:?}", process.words);
        }
    }
}
