//! A place for services, and a service: one program under one manager.

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::stat::Mode;
use nix::unistd::{getpid, mkfifo};
use tempfile::TempDir;

use crate::contender::Contender;
use crate::process;
use crate::program::{self, REPORTS, SERVICE};
use crate::wait::SOON;

/// A program's report: which process took which time.
#[derive(Debug, Clone, Copy)]
pub struct Report {
    /// The program's process number.
    pub pid: i32,
    /// When, on the clock of [`program::now`].
    pub time: i64,
}

/// A private directory, the FIFO of all programs' reports in it, and what runs in it. Dropped: all of it is gone.
#[derive(Debug)]
pub struct Place {
    root: TempDir,
    fifo: File,
    unread: Vec<u8>,
    reports: VecDeque<(usize, Report)>,
    services: usize,
}

impl Place {
    /// Below the directory for temporary files.
    pub fn new() -> io::Result<Self> {
        // Short, for the sockets in it.
        let root = tempfile::Builder::new().prefix(&directories()).tempdir()?;
        let fifo = root.path().join("reports");
        mkfifo(&fifo, Mode::S_IRUSR | Mode::S_IWUSR)?;
        // Open for writing as well: there is no end of file when no program has it open.
        let flags = OFlag::O_NONBLOCK.bits();
        let fifo = OpenOptions::new().read(true).write(true).custom_flags(flags).open(fifo)?;
        Ok(Self { root, fifo, unread: Vec::new(), reports: VecDeque::new(), services: 0 })
    }

    /// Sets up a service that does not run yet.
    pub fn service(&mut self, contender: Contender, transcript: Option<&str>) -> io::Result<Service> {
        self.services += 1;
        let number = self.services;
        let dir = self.root.path().join(number.to_string());
        contender.set_up(&dir, transcript.map(|name| dir.join(name)).as_deref())?;
        Ok(Service { contender, number, dir, reports: self.root.path().join("reports"), child: None })
    }

    /// The next report of the service's program.
    pub fn report(&mut self, service: &Service) -> io::Result<Report> {
        let end = Instant::now() + SOON;
        loop {
            if let Some(at) = self.reports.iter().position(|(number, _)| *number == service.number) {
                return self.reports.remove(at).map(|(_, report)| report).ok_or_else(|| unreachable(service));
            }
            let left = end.saturating_duration_since(Instant::now());
            let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::ZERO);
            let mut wanted = [PollFd::new(self.fifo.as_fd(), PollFlags::POLLIN)];
            if poll(&mut wanted, timeout)? == 0 {
                return Err(unreachable(service));
            }
            self.read()?;
        }
    }

    fn read(&mut self) -> io::Result<()> {
        let mut buffer = [0; 4096];
        let length = self.fifo.read(&mut buffer)?;
        self.unread.extend(buffer.iter().take(length));
        while let Some(end) = self.unread.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.unread.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line);
            self.reports.extend(parse(line.trim_end()));
        }
        Ok(())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Err(error) = process::end_marked(&mark()) {
            eprintln!("supervise: something runs on in {}: {error}", self.root.path().display());
        }
    }
}

/// What the mark of every process of this run begins with.
fn mark() -> String {
    format!("{}-", getpid())
}

/// What the names of this run's places begin with.
fn directories() -> String {
    format!("zeo-bench-{}", mark())
}

/// Ends every process of this run and removes its places, from whatever thread.
pub fn end_all() -> io::Result<()> {
    // First what a start needs, so that there is an end.
    remove_places();
    process::end_marked(&mark())?;
    remove_places();
    Ok(())
}

fn remove_places() {
    let prefix = directories();
    for entry in fs::read_dir(std::env::temp_dir()).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with(&prefix) {
            // What is in use is removed by the second attempt.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

fn unreachable(service: &Service) -> io::Error {
    let name = service.contender.name();
    io::Error::new(io::ErrorKind::TimedOut, format!("{name}: no report of the program after {SOON:?}"))
}

/// `MARK PID TIME`
fn parse(line: &str) -> Option<(usize, Report)> {
    let mut words = line.split(' ');
    let number = words.next()?.split('-').nth(1)?;
    let pid = words.next()?.parse().ok()?;
    let time = words.next()?.parse().ok()?;
    Some((number.parse().ok()?, Report { pid, time }))
}

/// One program and its manager.
#[derive(Debug)]
pub struct Service {
    /// Who manages it.
    pub contender: Contender,
    /// Its directory.
    pub dir: PathBuf,
    number: usize,
    reports: PathBuf,
    /// The manager, where it stays our child.
    child: Option<i32>,
}

impl Service {
    /// Adds to a command what all processes of the service have.
    pub fn marked(&self, mut command: Command) -> Command {
        command.env(SERVICE, self.mark()).env(REPORTS, &self.reports);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command
    }

    /// Of this service only: the number has an end.
    fn mark(&self) -> String {
        format!("{}{}-", mark(), self.number)
    }

    /// Starts the manager, with more variables for the program, and with it the program. Gives the time just before.
    pub fn start(&mut self, variables: &[(&str, String)]) -> io::Result<i64> {
        let mut command = self.marked(self.contender.manager(&self.dir));
        // Not killed with us by a terminal, but by the clean-up.
        command.envs(variables.iter().map(|(name, value)| (name, value))).process_group(0);
        let before = program::now()?;
        let mut child = command.spawn()?;
        if self.contender.is_daemon() {
            let status = child.wait()?;
            self.must(status.success(), "manager", status)?;
        } else {
            self.child = i32::try_from(child.id()).ok();
        }
        Ok(before)
    }

    /// Runs one of the contender's commands to its end, which must be a good one. Gives the time just before.
    pub fn run(&self, command: Command) -> io::Result<i64> {
        let mut command = self.marked(command);
        let before = program::now()?;
        let status = command.status()?;
        self.must(status.success(), &format!("{command:?}"), status)?;
        Ok(before)
    }

    fn must(&self, good: bool, what: &str, status: ExitStatus) -> io::Result<()> {
        let name = self.contender.name();
        if good { Ok(()) } else { Err(io::Error::other(format!("{name}: {what}: {status}"))) }
    }

    /// The manager's process number.
    pub fn manager(&self) -> io::Result<i32> {
        if let Some(pid) = self.child {
            return Ok(pid);
        }
        let reply = self.ask("status")?;
        let number = reply.lines().find_map(|line| line.strip_prefix("manager=")?.parse().ok());
        number.ok_or_else(|| io::Error::other(format!("no manager in {reply:?}")))
    }

    /// Sends a request to the socket of a zdrun, and gives its reply.
    pub fn ask(&self, request: &str) -> io::Result<String> {
        let mut stream = UnixStream::connect(self.dir.join("sock"))?;
        stream.set_read_timeout(Some(SOON))?;
        stream.write_all(format!("{request}\n").as_bytes())?;
        stream.shutdown(Shutdown::Write)?;
        let mut reply = String::new();
        stream.read_to_string(&mut reply)?;
        Ok(reply)
    }

    /// Ends all of it at once.
    pub fn end(self) -> io::Result<()> {
        process::end_marked(&self.mark())?;
        fs::remove_dir_all(&self.dir)
    }
}

/// The time from one moment to a later one, on the clock of [`program::now`].
pub fn between(before: i64, after: i64) -> Duration {
    Duration::from_nanos(u64::try_from(after - before).unwrap_or_default())
}
