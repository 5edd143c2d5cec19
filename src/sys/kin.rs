//! Processes by their relation to others, as the system tells of them (proc(5), `/proc/PID/stat`).

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, Read as _};

use nix::errno::Errno;
use nix::sys::wait::{Id, WaitPidFlag, waitid};

/// A process that has not ended; a zombie has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Living {
    /// Its number.
    pub pid: i32,
    /// Its parent's.
    pub parent: i32,
    /// Its process group's.
    pub group: i32,
    /// Its session's: the number of the process that began it, which no other gets for as long as anybody is in it
    /// (setsid(2)). 0: one that cannot be seen from here.
    pub session: i32,
    /// When it was started, in clock ticks since the system's start: with the number, a name that is never used again.
    pub birth: u64,
}

/// All processes that can be seen; none where `/proc` is not there.
#[must_use]
pub fn living() -> Vec<Living> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).filter_map(find).collect()
}

/// The process with this number; `None`: it has ended.
#[must_use]
pub fn find(pid: i32) -> Option<Living> {
    look(pid).filter(|(state, _)| *state != ENDED).map(|(_, found)| found)
}

/// When whoever has this number was started, also if it has ended and nobody has taken note of that.
#[must_use]
pub fn birth_of_any(pid: i32) -> Option<u64> {
    look(pid).map(|(_, found)| found.birth)
}

/// Whether an attempt upon a process failed as it is no more.
#[must_use]
pub fn is_gone(error: &io::Error) -> bool {
    error.raw_os_error() == Some(Errno::ESRCH as i32)
}

/// The state that stands here for any end.
const ENDED: char = 'Z';

fn look(pid: i32) -> Option<(char, Living)> {
    let stat = told(&format!("/proc/{pid}/stat")).ok()?;
    // Field 2 may hold anything in its parentheses.
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
    let state = fields.next()?.chars().next()?;
    let parent = fields.next()?.parse().ok()?;
    let group = fields.next()?.parse().ok()?;
    let session = fields.next()?.parse().ok()?;
    // Fields 20 and 22; the last one read was field 6.
    let threads: u32 = fields.nth(13)?.parse().ok()?;
    let birth = fields.nth(1)?.parse().ok()?;
    let state = match state {
        // Only its first thread has ended; what the others are at is not told here.
        'Z' if threads > 1 => 'R',
        'X' => ENDED,
        state => state,
    };
    Some((state, Living { pid, parent, group, session, birth }))
}

/// A file of `/proc`, read in one go: it has no size by which to make room for it.
///
/// # Errors
/// What the system says.
pub fn told(path: &str) -> io::Result<String> {
    let mut text = String::with_capacity(1024);
    File::open(path)?.take(u64::MAX).read_to_string(&mut text)?;
    Ok(text)
}

/// Those of `all` that descend from `ancestor`.
#[must_use]
pub fn below(ancestor: i32, all: &[Living]) -> Vec<Living> {
    below_any([ancestor], all)
}

/// Those of `all` that descend from any of these, and are none of them.
#[must_use]
pub fn below_any(ancestors: impl IntoIterator<Item = i32>, all: &[Living]) -> Vec<Living> {
    let mut above: HashSet<i32> = ancestors.into_iter().collect();
    let mut found: Vec<Living> = Vec::new();
    loop {
        let known = found.len();
        for process in all {
            if above.contains(&process.parent) && above.insert(process.pid) {
                found.push(*process);
            }
        }
        if found.len() == known {
            return found;
        }
    }
}

/// The numbers of the process itself and of those of `all` that it descends from.
#[must_use]
pub fn above(pid: i32, all: &[Living]) -> HashSet<i32> {
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

    #[test]
    fn descendants_are_found_in_any_order() {
        let process = |pid, parent| Living { pid, parent, group: 1, session: 1, birth: 0 };
        let all = [process(9, 7), process(2, 1), process(7, 5), process(5, 3), process(6, 3), process(3, 1)];
        let mut found: Vec<_> = below(3, &all).iter().map(|found| found.pid).collect();
        found.sort_unstable();
        assert_eq!(found, [5, 6, 7, 9]);
        assert_eq!(below(9, &all), []);
        assert_eq!(above(7, &all), HashSet::from([7, 5, 3, 1]));
        assert_eq!(above(8, &all), HashSet::from([8]));
        assert_eq!(above(4, &[process(4, 4)]), HashSet::from([4]));
        // A process that is its own ancestor is seen by nobody, and ends nothing.
        assert_eq!(below(4, &[process(4, 4)]), []);
    }

    #[test]
    fn living_process_is_told_from_a_zombie() {
        let mut child = std::process::Command::new("sleep").arg("1000").spawn().unwrap();
        let pid = child.id().cast_signed();
        let found = find(pid).unwrap();
        assert_eq!(Some(found.birth), crate::sys::pidfd::birth(pid));
        assert_eq!(found.parent, std::process::id().cast_signed());
        assert!(below(found.parent, &living()).contains(&found));
        child.kill().unwrap();
        let watched = crate::sys::pidfd::Watched::open(pid).unwrap();
        let ended = [(std::os::fd::AsFd::as_fd(&watched), crate::sys::poll::Interest::Read)];
        crate::sys::poll::wait(&ended, None).unwrap();
        assert_eq!(find(pid), None);
        child.wait().unwrap();
    }
}
