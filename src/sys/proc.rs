//! Queries about processes and their descent, from `/proc/PID/stat` (proc(5)).

use std::collections::HashSet;
use std::ffi::CStr;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::prctl;
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::time::{ClockId, clock_gettime};
use nix::unistd::{SysconfVar, sysconf};

/// The command name (proc(5), `/proc/PID/comm`) by which a daemon manager is recognised.
const MANAGER_NAME: &CStr = c"zdrun";

/// A process that has not ended; a zombie has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ProcessInfo {
    /// Its process id.
    pub pid: i32,
    /// Its parent's.
    pub parent: i32,
    /// Its process group's.
    pub group: i32,
    /// Its session's: the id of the process that began it, which is not given to another process for as long as any is
    /// in the session (setsid(2)). 0: one that cannot be seen from here.
    pub session: i32,
    /// When it was started, in clock ticks since the system's start: with the process id, a name that is never used
    /// again.
    pub start_time: u64,
    /// It is a daemon manager of ours in a session of its own.
    pub is_manager: bool,
}

/// All processes that can be seen; none where `/proc` is not there.
#[must_use]
pub fn all() -> Vec<ProcessInfo> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).filter_map(find).collect()
}

/// The process with this id; `None`: it has ended.
#[must_use]
pub fn find(pid: i32) -> Option<ProcessInfo> {
    parse(pid, &read_proc_file(&format!("/proc/{pid}/stat")).ok()?)
}

/// When a process was started ([`ProcessInfo::start_time`]); `None`: it has ended.
#[must_use]
pub fn start_time(pid: i32) -> Option<u64> {
    find(pid).map(|found| found.start_time)
}

/// Whether what has this process id here is a child of what has that of its manager. A process id that came over a socket is
/// another process's where the manager is in another pid namespace (`pid_namespaces(7)`), as in a container.
#[must_use]
pub fn is_child_of(pid: u32, manager: u32) -> bool {
    find(pid.cast_signed()).is_some_and(|found| found.parent == manager.cast_signed())
}

/// The id of this start of the system (random(4), `boot_id`); empty where that cannot be read.
#[must_use]
pub fn boot_id() -> String {
    read_proc_file("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned()
}

/// The inode number of this process's pid namespace (`pid_namespaces(7)`); 0 where that cannot be read.
#[must_use]
pub fn pid_namespace() -> u64 {
    fs::metadata("/proc/self/ns/pid").map(|found| found.ino()).unwrap_or_default()
}

/// Has this process recognised as a daemon manager ([`ProcessInfo::is_manager`]), whatever its file is called.
pub fn name_as_manager() {
    // The name is short enough; nothing else can fail.
    let _ = prctl::set_name(MANAGER_NAME);
}

/// Whether an attempt upon a process failed because it is gone.
#[must_use]
pub fn is_gone(error: &io::Error) -> bool {
    error.raw_os_error() == Some(Errno::ESRCH as i32)
}

fn parse(pid: i32, stat: &str) -> Option<ProcessInfo> {
    // Field 2 may hold anything in its parentheses.
    let (before, fields) = stat.rsplit_once(')')?;
    let name = before.split_once('(')?.1;
    let mut fields = fields.split_ascii_whitespace();
    let state = fields.next()?;
    let parent = fields.next()?.parse().ok()?;
    let group = fields.next()?.parse().ok()?;
    let session = fields.next()?.parse().ok()?;
    // Fields 20 and 22; the last one read was field 6.
    let threads: u32 = fields.nth(13)?.parse().ok()?;
    let start_time = fields.nth(1)?.parse().ok()?;
    // With more than one thread, only the first has ended.
    let has_ended = state == "X" || state == "Z" && threads <= 1;
    let is_manager = session == pid && name.as_bytes() == MANAGER_NAME.to_bytes();
    (!has_ended).then_some(ProcessInfo { pid, parent, group, session, start_time, is_manager })
}

/// The parts of a file of `/proc/PID` that each end in a null byte, as `environ` and `cmdline`; none where it may not be
/// read.
#[must_use]
pub fn texts(pid: i32, file: &str) -> Vec<Vec<u8>> {
    let all = fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
    all.split(|byte| *byte == 0).filter(|text| !text.is_empty()).map(<[u8]>::to_vec).collect()
}

/// For how long a process has been there, to a hundredth of a second.
#[must_use]
pub fn age(pid: i32) -> Option<Duration> {
    let ticks_per_second = u64::try_from(sysconf(SysconfVar::CLK_TCK).ok()??).ok()?;
    let started = Duration::from_millis(start_time(pid)?.checked_mul(1000)?.checked_div(ticks_per_second)?);
    Duration::from(clock_gettime(ClockId::CLOCK_BOOTTIME).ok()?).checked_sub(started)
}

/// Reads a file of `/proc` with one read(2) where it is short: it has no size by which to make room for it.
fn read_proc_file(path: &str) -> io::Result<String> {
    let mut text = String::with_capacity(1024);
    File::open(path)?.read_to_string(&mut text)?;
    Ok(text)
}

/// Those of `all` that descend from any of these processes, and are none of them; but none that `is_apart`, nor what
/// descends from such a one.
#[must_use]
pub fn descendants(
    roots: impl IntoIterator<Item = i32>,
    all: &[ProcessInfo],
    is_apart: impl Fn(&ProcessInfo) -> bool,
) -> Vec<ProcessInfo> {
    let mut ancestors: HashSet<i32> = roots.into_iter().collect();
    let mut apart: HashSet<i32> = HashSet::new();
    let mut found: Vec<ProcessInfo> = Vec::new();
    loop {
        let known = found.len();
        for process in all {
            if ancestors.contains(&process.parent)
                && !ancestors.contains(&process.pid)
                && !apart.contains(&process.pid)
            {
                if is_apart(process) {
                    apart.insert(process.pid);
                    continue;
                }
                ancestors.insert(process.pid);
                found.push(*process);
            }
        }
        if found.len() == known {
            return found;
        }
    }
}

/// The ids of the process itself and of those of `all` that it descends from.
#[must_use]
pub fn ancestors(pid: i32, all: &[ProcessInfo]) -> HashSet<i32> {
    let mut found = HashSet::from([pid]);
    let mut next = pid;
    while let Some(process) = all.iter().find(|process| process.pid == next) {
        next = process.parent;
        if !found.insert(next) {
            break;
        }
    }
    found
}

/// Whether this process has any child, ended or not (waitid(2)).
#[must_use]
pub fn has_children() -> bool {
    let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
    waitid(Id::All, flags) != Err(Errno::ECHILD)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_apart(process: &ProcessInfo) -> bool {
        process.is_manager
    }

    #[test]
    fn descendants_are_found_in_any_order() {
        let process = |pid, parent| ProcessInfo {
            pid,
            parent,
            group: 1,
            session: 1,
            start_time: 0,
            is_manager: pid == 10,
        };
        let all = [
            process(9, 7),
            process(2, 1),
            process(7, 5),
            process(5, 3),
            process(6, 3),
            process(3, 1),
            process(10, 3),
            process(11, 10),
        ];
        let mut found: Vec<_> = descendants([3], &all, is_apart).iter().map(|found| found.pid).collect();
        found.sort_unstable();
        assert_eq!(found, [5, 6, 7, 9], "without what has a manager of its own");
        assert_eq!(descendants([9], &all, is_apart), []);
        assert_eq!(ancestors(7, &all), HashSet::from([7, 5, 3, 1]));
        assert_eq!(ancestors(8, &all), HashSet::from([8]));
        assert_eq!(ancestors(4, &[process(4, 4)]), HashSet::from([4]));
        // No process is seen by one that is its own ancestor, and the search ends.
        assert_eq!(descendants([4], &[process(4, 4)], is_apart), []);
    }

    #[test]
    fn manager_is_one_by_its_name_in_a_session_of_its_own() {
        let is_manager = |name, session| {
            let rest = "1 7 7 0 -1 4194560 0 0 0 0 0 0 0 0 20 0 1 0 99 0".replacen("7 7", session, 1);
            parse(7, &format!("7 ({name}) S {rest}")).unwrap().is_manager
        };
        assert!(is_manager("zdrun", "7 7"));
        assert!(!is_manager("zdrun", "7 6") && !is_manager("a) (b", "7 7"));
    }

    #[test]
    fn process_is_found_until_it_has_ended() {
        let mut child = std::process::Command::new("sleep").arg("1000").spawn().unwrap();
        let pid = child.id().cast_signed();
        let found = find(pid).unwrap();
        assert_eq!(Some(found.start_time), start_time(pid));
        assert_eq!(found.parent, std::process::id().cast_signed());
        assert!(descendants([found.parent], &all(), is_apart).contains(&found));
        child.kill().unwrap();
        let pidfd = crate::sys::pidfd::PidFd::open(pid).unwrap();
        let ended = [(std::os::fd::AsFd::as_fd(&pidfd), crate::sys::poll::Interest::Read)];
        crate::sys::poll::wait(&ended, None).unwrap();
        assert_eq!(find(pid), None, "a zombie has ended");
        child.wait().unwrap();
    }

    #[test]
    fn boot_has_an_id() {
        assert_eq!(boot_id().len(), 36);
    }
}
