//! The record in the lock file beside the socket: what a manager leaves for the next one, and for `zdctl` where no
//! manager answers.
//!
//! ```text
//! offset  bytes  text, padded with blanks, ended by a newline
//!      0     64  manager PID BOOT MARK
//!     64     64  program PID BIRTH     blank: none runs
//!    128     64  manager-birth BIRTH NAMESPACE
//!    192    ...  words ['WORD', ...]   the program's command line
//! ```
//!
//! | what could mislead | what is compared |
//! |---|---|
//! | a process id that another process has now | BIRTH, the start time in clock ticks since the system's start, and BOOT |
//! | a process id of another container | NAMESPACE, the inode number of the pid namespace |
//! | a copy of the file, as in a copied instance | MARK, the file's inode number |
//! | a script that executes the real server | nothing: the words are recorded, the process's command line is not read |
//!
//! A program that `zdctl fg` runs has no manager: the process that has claimed the file (`crate::sys::file_lock::claim`) runs
//! it, or has become it.
//!
//! The program and what descends from it have [`LOCK`] in their environment, by which the next manager finds what a
//! program that has ended left running. Under a manager that is not a daemon, and runs below another manager's program, it
//! is a list with commas: the inner lock file, then the outer. A session leader that has the variable with other values is
//! another manager's program.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::repr::{self, Escapes};

/// The size of all lines but the last, in bytes.
pub const LINE: usize = 64;
/// Where the program's line begins.
pub const PROGRAM_AT: u64 = LINE as u64;
/// Where the line with the manager's start time begins.
pub const MANAGER_BIRTH_AT: u64 = 2 * LINE as u64;
/// Where the words' line begins.
pub const WORDS_AT: u64 = 3 * LINE as u64;

/// The environment variable by which a program knows the lock file of its manager.
pub const LOCK: &str = "ZDRUN_LOCK";

/// The value of [`LOCK`]: the lock file's device and inode numbers, which stay the same under any other name.
#[must_use]
pub fn lock_value(device: u64, inode: u64) -> String {
    format!("{device:x}:{inode:x}")
}

/// [`LOCK`] with its value, as it stands in an environment.
#[must_use]
pub fn lock_mark(device: u64, inode: u64) -> String {
    format!("{LOCK}={}", lock_value(device, inode))
}

/// What a lock file records.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LockRecord {
    /// The manager that wrote it.
    pub manager: Option<u32>,
    /// The system's start in which that was.
    pub boot: Option<String>,
    /// The mark of the file in which it did; without one it is of a version that made none.
    pub mark: Option<u64>,
    /// When the manager was started, in clock ticks since the system's start.
    pub manager_start_time: Option<u64>,
    /// The pid namespace in which these numbers have a meaning; absent: a version that did not record it.
    pub namespace: Option<u64>,
    /// Its program.
    pub program: Option<RecordedProcess>,
    /// The words with which the program was started.
    pub words: Option<Vec<OsString>>,
}

/// A process, by a name that no other gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordedProcess {
    /// Its process id.
    pub pid: i32,
    /// When it was started, in clock ticks since the system's start.
    pub start_time: u64,
}

/// The mark of a file with this inode number: as much of it as the line has room for, in hexadecimal digits.
#[must_use]
pub fn mark(inode: u64) -> u64 {
    inode & 0xff_ffff_ffff
}

/// The lock file of a socket.
#[must_use]
pub fn lock_file(socket: &Path) -> PathBuf {
    let mut name = OsString::from(socket);
    name.push(".lock");
    PathBuf::from(name)
}

impl LockRecord {
    /// Reads the text of a lock file, as far as it is one.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let line = |first: &str| text.lines().find_map(|line| line.strip_prefix(first)?.strip_prefix(' '));
        let mut manager = line("manager").into_iter().flat_map(str::split_ascii_whitespace);
        let mut birth = line("manager-birth").into_iter().flat_map(str::split_ascii_whitespace);
        Self {
            manager: manager.next().and_then(|pid| pid.parse().ok()),
            boot: manager.next().map(str::to_owned),
            mark: manager.next().and_then(|mark| u64::from_str_radix(mark, 16).ok()),
            manager_start_time: birth.next().and_then(|birth| birth.parse().ok()),
            namespace: birth.next().and_then(|namespace| namespace.parse().ok()),
            program: line("program").and_then(recorded_process),
            words: line("words").and_then(|words| repr::parse_list(words, Escapes::Characters)),
        }
    }

    /// The text that [`LockRecord::parse`] reads.
    #[must_use]
    pub fn text(&self) -> String {
        let line = |text: String| format!("{text:<width$.width$}\n", width = LINE - 1);
        let boot = self.boot.as_deref().unwrap_or_default();
        let manager =
            self.manager.map(|pid| format!("manager {pid} {boot} {:x}", self.mark.unwrap_or_default()));
        let program = self.program.map(|program| format!("program {} {}", program.pid, program.start_time));
        let namespace = self.namespace.map(|namespace| namespace.to_string()).unwrap_or_default();
        let birth = self.manager_start_time.map(|birth| format!("manager-birth {birth} {namespace}"));
        let words = self.words.as_ref().map(|words| format!("words {}\n", repr::quote_list(words)));
        let lines = [manager, program, birth].map(|text| line(text.unwrap_or_default()));
        lines.concat() + &words.unwrap_or_default()
    }

    /// This record, if it was written since the system started as `boot`, in this pid namespace, and in the file with this
    /// inode number itself.
    #[must_use]
    pub fn of(self, boot: &str, namespace: u64, inode: u64) -> Option<Self> {
        let is_own = self.mark.is_none_or(|own| own == mark(inode))
            && self.namespace.is_none_or(|own| own == namespace);
        (is_own && self.boot.as_deref() == Some(boot)).then_some(self)
    }

    /// The manager, where its start time is known.
    #[must_use]
    pub fn manager_process(&self) -> Option<RecordedProcess> {
        let pid = i32::try_from(self.manager?).ok()?;
        Some(RecordedProcess { pid, start_time: self.manager_start_time? })
    }

    /// From which process those descend that were left running, if the program has ended: the program, and the session that
    /// it led; or the manager, where there was no program or it could not record itself (a full disk).
    #[must_use]
    pub fn orphan_root(&self) -> Option<(RecordedProcess, Option<i32>)> {
        let program = self.program.map(|program| (program, Some(program.pid)));
        program.or_else(|| Some((self.manager_process()?, None)))
    }
}

fn recorded_process(text: &str) -> Option<RecordedProcess> {
    let (pid, start_time) = text.trim().split_once(' ')?;
    let pid = pid.parse().ok().filter(|pid| *pid > 1)?;
    Some(RecordedProcess { pid, start_time: start_time.trim().parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_is_read_as_far_as_it_makes_sense() {
        let text = "manager 7 a-b 1f \nprogram 8 99  \nmanager-birth 98 5 \nwords ['a b', \"c'\"]\n";
        let whole = LockRecord::parse(text);
        assert_eq!((whole.manager, whole.boot.as_deref()), (Some(7), Some("a-b")));
        assert_eq!(whole.program, Some(RecordedProcess { pid: 8, start_time: 99 }));
        assert_eq!(whole.words, Some(vec!["a b".into(), "c'".into()]));
        assert_eq!(whole.manager_process(), Some(RecordedProcess { pid: 7, start_time: 98 }));
        assert_eq!(whole.clone().of("a-b", 5, 0x1f), Some(whole.clone()));
        assert_eq!(LockRecord::parse(&whole.text()), whole);
        assert_eq!(whole.text().find("words"), usize::try_from(WORDS_AT).ok());
        assert_eq!(whole.clone().of("a-c", 5, 0x1f), None);
        assert_eq!(whole.clone().of("a-b", 6, 0x1f), None, "another container");
        assert_eq!(whole.of("a-b", 5, 0x2f), None, "a copy");
        let older = LockRecord::parse("manager 7 a-b\nprogram 8 99\n");
        assert_eq!(older.manager_process(), None);
        assert_eq!(older.clone().of("a-b", 5, 0x2f), Some(older));
        for odd in ["", "manager x\nprogram\nwords a", "program 1 1\n", "program 8\n", "program 8 x\nwords\n"]
        {
            assert_eq!(LockRecord::parse(odd), LockRecord::default(), "{odd}");
        }
        assert_eq!(LockRecord::parse("manager 1 \nprogram 8 9\n").of("", 0, 0), None);
    }

    #[test]
    fn lock_file_is_beside_the_socket() {
        assert_eq!(lock_file(Path::new("a/zdsock")), Path::new("a/zdsock.lock"));
    }
}
