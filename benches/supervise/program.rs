//! The program that is supervised: this executable again, told by its environment what to be.
//!
//! Its first act is to take the time and to report it; so the time from outside includes exec and the dynamic linker,
//! the same for every manager.

use std::env;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::path::Path;

use nix::time::{ClockId, clock_gettime};
use nix::unistd::{getpid, pause};

/// Names the service that the program belongs to: `BENCH-NUMBER-`. Every process of the benchmark has it.
pub const SERVICE: &str = "ZEO_BENCH_SERVICE";
/// The FIFO for reports.
pub const REPORTS: &str = "ZEO_BENCH_REPORTS";
/// `BYTES/BLOCK`: how much to write to stdout, and how much of it at a time, once somebody has opened the FIFO that
/// [`GO`] names.
pub const FLOOD: &str = "ZEO_BENCH_FLOOD";
/// See [`FLOOD`].
pub const GO: &str = "ZEO_BENCH_GO";

/// Nanoseconds on the clock that never steps and is the same for all processes (`clock_gettime(2)`).
pub fn now() -> io::Result<i64> {
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC)?;
    Ok(now.tv_sec() * 1_000_000_000 + now.tv_nsec())
}

/// Is the program, if the environment says so; then this never returns.
pub fn be_if_asked() -> io::Result<()> {
    let time = now()?;
    let Some(reports) = env::var_os(REPORTS) else { return Ok(()) };
    let reports = Path::new(&reports);
    report(reports, time)?;
    let flooded = env::var(FLOOD).unwrap_or_default();
    if let Some((bytes, block)) = flooded.split_once('/') {
        let number = |word: &str| word.parse().map_err(io::Error::other);
        flood(number(bytes)?, number(block)?, reports)?;
    }
    loop {
        pause();
    }
}

fn flood(bytes: usize, block: usize, reports: &Path) -> io::Result<()> {
    let mut block = b"a line of sixty-four bytes, as a server may print one to stdout\n".repeat(block / 64);
    // Blocks until somebody opens it for writing.
    File::open(env::var_os(GO).unwrap_or_default())?;
    report(reports, now()?)?;
    // Past the standard library's own buffer.
    let mut stdout = File::from(io::stdout().as_fd().try_clone_to_owned()?);
    let mut left = bytes;
    while left > 0 {
        block.truncate(left);
        stdout.write_all(&block)?;
        left -= block.len();
    }
    report(reports, now()?)
}

/// One line, in one write: short enough not to be mixed with others (pipe(7), `PIPE_BUF`).
fn report(reports: &Path, time: i64) -> io::Result<()> {
    let service = env::var(SERVICE).unwrap_or_default();
    let line = format!("{service} {} {time}\n", getpid());
    OpenOptions::new().write(true).open(reports)?.write_all(line.as_bytes())
}
