//! What `/proc` says of processes (proc(5)), and the end of those that the benchmark started.

use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::signal::{Signal, kill};
use nix::sys::time::TimeValLike;
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;

use crate::program::SERVICE;
use crate::wait::{SOON, until};

/// A manager's footprint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Footprint {
    /// Its share of the memory it has mapped, in KiB: what is shared with n processes counts by 1/n.
    pub pss: u64,
    /// What of it is neither in a file nor shared, in KiB.
    pub anonymous: u64,
    /// How many descriptors are open.
    pub descriptors: usize,
    /// How many of its children have ended and were not waited for.
    pub zombies: usize,
}

impl Footprint {
    /// That of one process.
    pub fn of(pid: i32) -> io::Result<Self> {
        let rollup = rollup(pid)?;
        let descriptors = fs::read_dir(format!("/proc/{pid}/fd"))?.count();
        let zombies = every(|stat| stat.parent == pid && stat.state == 'Z').len();
        Ok(Self { pss: kib(&rollup, "Pss:"), anonymous: kib(&rollup, "Pss_Anon:"), descriptors, zombies })
    }
}

/// A process's share of the memory it has mapped, in KiB. Looks at no other process.
pub fn pss(pid: i32) -> io::Result<u64> {
    Ok(kib(&rollup(pid)?, "Pss:"))
}

fn rollup(pid: i32) -> io::Result<String> {
    fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))
}

fn kib(rollup: &str, key: &str) -> u64 {
    let line = rollup.lines().find_map(|line| line.strip_prefix(key));
    line.and_then(|rest| rest.trim().trim_end_matches(" kB").parse().ok()).unwrap_or_default()
}

struct Stat {
    pid: i32,
    state: char,
    parent: i32,
}

/// The processes of the machine that are meant by the filter.
fn every(wanted: impl Fn(&Stat) -> bool) -> Vec<Stat> {
    let names = fs::read_dir("/proc").into_iter().flatten().flatten().map(|entry| entry.file_name());
    let pids = names.filter_map(|name| name.to_str()?.parse().ok());
    pids.filter_map(stat).filter(wanted).collect()
}

fn stat(pid: i32) -> Option<Stat> {
    let line = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name before the last parenthesis may hold anything.
    let mut fields = line.rsplit_once(") ")?.1.split(' ');
    Some(Stat { pid, state: fields.next()?.chars().next()?, parent: fields.next()?.parse().ok()? })
}

/// Whether a process runs; one that has ended but was not waited for does not.
pub fn lives(pid: i32) -> bool {
    stat(pid).is_some_and(|stat| stat.state != 'Z')
}

/// Processor time that a process has used, in all the threads that it has.
pub fn processor_time(pid: i32) -> io::Result<Duration> {
    let mut total = Duration::ZERO;
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        let line = fs::read_to_string(task?.path().join("schedstat"))?;
        let nanoseconds = line.split(' ').next().and_then(|word| word.parse().ok());
        total += nanoseconds
            .map(Duration::from_nanos)
            .ok_or_else(|| io::Error::other(format!("schedstat of {pid}: no time in '{line}'")))?;
    }
    Ok(total)
}

/// Processor time, user and system, of all children that were waited for.
pub fn children_time() -> io::Result<Duration> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let micros = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    Ok(Duration::from_micros(micros.unsigned_abs()))
}

/// Kills a process at once.
pub fn slay(pid: i32) -> io::Result<()> {
    Ok(kill(Pid::from_raw(pid), Signal::SIGKILL)?)
}

/// Kills every process that bears a mark beginning so, until there is none.
pub fn end_marked(prefix: &str) -> io::Result<()> {
    let wanted = format!("{SERVICE}={prefix}");
    until(SOON, "end of the processes", || {
        let found = every(|stat| stat.state != 'Z' && marked(stat.pid, wanted.as_bytes()));
        for stat in &found {
            // It may have ended since.
            let _ = slay(stat.pid);
        }
        // Those that were our own children.
        while waitpid(None, Some(WaitPidFlag::WNOHANG)).is_ok_and(|status| status.pid().is_some()) {}
        found.is_empty().then_some(())
    })
}

fn marked(pid: i32, wanted: &[u8]) -> bool {
    // Unreadable: ended since, or not ours.
    let environment = fs::read(Path::new("/proc").join(pid.to_string()).join("environ")).unwrap_or_default();
    environment.split(|byte| *byte == 0).any(|variable| variable.starts_with(wanted))
}
