//! Starting, signalling and reaping processes.
#![allow(unsafe_code)] // the child between fork and exec, and the library's raw calls

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use nix::errno::Errno;
use nix::libc;
use nix::sys::prctl;
use nix::sys::signal::SigSet;
use nix::unistd::{Pid, getpgrp, tcgetpgrp};

/// The highest signal number of Linux (signal(7)) and the size of a set of them in bytes, as the kernel counts.
const LAST_SIGNAL: i32 = 64;
const SIGNAL_SET_BYTES: usize = 8;

/// A process's end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// It called exit with this status.
    Exited(u8),
    /// A signal killed it; the flag says whether it left a core file.
    Killed(i32, bool),
    /// It is gone, and how was told to another process: it was not our child.
    Unseen,
}

/// What to start, and with what.
#[derive(Debug)]
pub struct Program<'a> {
    /// The file to execute, resolved.
    pub file: &'a Path,
    /// The words of the command line; the first is what the program sees as its name.
    pub words: &'a [OsString],
    /// Variables to set over the inherited environment.
    pub environment: &'a [(String, String)],
    /// Variables not to inherit.
    pub hidden: &'a [&'static str],
    /// Where stdout and stderr go; `None`: where the caller's go.
    pub output: Option<BorrowedFd<'a>>,
    /// Make the process leader of a session, and so of a group, of its own.
    pub own_session: bool,
    /// Where the process notes itself before it becomes the program.
    pub note: Option<Note<'a>>,
}

/// A place for [`NOTE_BYTES`] bytes, in which a process that is about to become a program notes its number and the time
/// of its start: `program PID BIRTH`, padded with blanks and ended by a newline (see [`crate::sys::pidfd::birth`]).
#[derive(Debug, Clone, Copy)]
pub struct Note<'a> {
    /// The file.
    pub file: &'a File,
    /// Where in it.
    pub offset: u64,
}

/// The size of a note.
pub const NOTE_BYTES: usize = 64;

/// Starts a program and returns its process number once the new program is in place.
///
/// The child begins with default dispositions and an empty mask for all signals, and with no descriptor but 0, 1
/// and 2. A stdin that is not a terminal is `/dev/null` where `output` is given.
///
/// # Errors
/// That of fork (`EAGAIN`: try again later), or of exec in the child: no such file, no permission, not a program.
pub fn start(program: &Program<'_>) -> io::Result<i32> {
    let mut command = Command::new(program.file);
    command.arg0(program.words.first().map_or(program.file.as_os_str(), OsString::as_os_str));
    command.args(program.words.iter().skip(1));
    command.envs(program.environment.iter().map(|(name, value)| (name, value)));
    for name in program.hidden {
        command.env_remove(name);
    }
    if let Some(output) = program.output {
        command.stdin(Stdio::null());
        command.stdout(duplicate(output)?);
        command.stderr(duplicate(output)?);
    }
    let own_session = program.own_session;
    let note = program.note.map(|note| (note.file.as_raw_fd(), note.offset.cast_signed()));
    // SAFETY: the closure calls only async-signal-safe functions (setsid, open, read, pwrite, close_range or
    // fcntl, sigaction, sigprocmask) and allocates nothing.
    unsafe { command.pre_exec(move || prepare_child(own_session, note)) };
    let child = command.spawn()?;
    Ok(i32::try_from(child.id()).unwrap_or(i32::MAX))
}

/// Whether a start failed for want of something that may be there again in a moment: processes, memory, descriptors, or
/// a program file that is being written.
#[must_use]
pub fn is_shortage(error: &io::Error) -> bool {
    let passing = [Errno::EAGAIN, Errno::ENOMEM, Errno::EMFILE, Errno::ENFILE, Errno::ETXTBSY];
    error.raw_os_error().is_some_and(|number| passing.contains(&Errno::from_raw(number)))
}

fn duplicate(descriptor: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    descriptor.try_clone_to_owned()
}

/// The child's own steps. The mask is emptied last: whatever arrives before that waits until it can have its effect.
fn prepare_child(own_session: bool, note: Option<(RawFd, i64)>) -> io::Result<()> {
    if own_session {
        nix::unistd::setsid().map_err(io::Error::from)?;
    }
    if let Some((file, offset)) = note {
        write_note(file, offset);
    }
    close_on_exec_from(3);
    reset_dispositions();
    SigSet::empty().thread_set_mask().map_err(io::Error::from)
}

/// Writes the note of this process. Where that fails (a full disk), the program is started all the same, and is only
/// not found again by a later manager.
fn write_note(file: RawFd, offset: i64) {
    let mut stat = [0_u8; 1024];
    // SAFETY: a path that ends in zero, a buffer of the given size; async-signal-safe calls (signal-safety(7)).
    let length = unsafe {
        let stat_file = libc::open(c"/proc/self/stat".as_ptr(), libc::O_RDONLY | libc::O_CLOEXEC);
        let length = libc::read(stat_file, stat.as_mut_ptr().cast(), stat.len());
        libc::close(stat_file);
        length
    };
    let Some(stat) = usize::try_from(length).ok().and_then(|length| stat.get(..length)) else { return };
    let mut note = [b' '; NOTE_BYTES];
    if compose_note(stat, &mut note).is_some() {
        // SAFETY: a buffer of the given size; an async-signal-safe call.
        unsafe { libc::pwrite(file, note.as_ptr().cast(), note.len(), offset) };
    }
}

/// Makes the note from the text of `/proc/self/stat` (proc(5): field 1 the number, field 22 the start; field 2 may hold
/// anything in its parentheses).
fn compose_note(stat: &[u8], note: &mut [u8; NOTE_BYTES]) -> Option<()> {
    let pid = stat.split(|byte| *byte == b' ').next()?;
    let after_name = stat.iter().rposition(|byte| *byte == b')')? + 2;
    let birth = stat.get(after_name..)?.split(|byte| *byte == b' ').nth(19)?;
    let mut place = note.iter_mut();
    for byte in b"program ".iter().chain(pid).chain(b" ").chain(birth) {
        *place.next()? = *byte;
    }
    *note.last_mut()? = b'\n';
    Some(())
}

/// Sets every signal to its default action: what is ignored here would stay ignored in the program.
fn reset_dispositions() {
    // The kernel's struct sigaction: all zero is SIG_DFL, no flags, empty mask; larger than any architecture's.
    let default = [0_u64; 8];
    // The kernel's own call, since libc's refuses 32 and 33, which a parent without that libc may ignore.
    // SAFETY: the action is valid memory; what may not be set (SIGKILL, SIGSTOP) is refused harmlessly.
    let reset = |number: i32| unsafe {
        libc::syscall(
            libc::SYS_rt_sigaction,
            number,
            default.as_ptr(),
            std::ptr::null_mut::<u64>(),
            SIGNAL_SET_BYTES,
        )
    };
    (1..=LAST_SIGNAL).for_each(|number| {
        reset(number);
    });
}

/// Marks every descriptor from `first` up close-on-exec: those that someone left open to us are not for the program.
fn close_on_exec_from(first: u32) {
    // SAFETY: plain system call without pointers (close_range(2), Linux 5.9; CLOSE_RANGE_CLOEXEC 5.11).
    let done = unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, libc::CLOSE_RANGE_CLOEXEC) };
    if done != 0 {
        // An older kernel: one by one, up to the limit that a process usually has.
        for descriptor in first.cast_signed()..4096 {
            // SAFETY: fcntl on a number that may be no descriptor only fails.
            unsafe { libc::fcntl(descriptor, libc::F_SETFD, libc::FD_CLOEXEC) };
        }
    }
}

/// Closes every descriptor but the standard three and `kept`: what the starter left open (a lock, a pipe that somebody
/// reads to its end) must not stay open for as long as a daemon lives.
pub fn close_inherited(kept: &[BorrowedFd<'_>]) {
    let mut kept: Vec<u32> = kept.iter().map(|descriptor| descriptor.as_raw_fd().cast_unsigned()).collect();
    kept.sort_unstable();
    let mut first = 3;
    for number in kept.into_iter().chain([u32::MAX]) {
        if number > first {
            close_range(first, number - 1);
        }
        first = first.max(number.saturating_add(1));
    }
}

fn close_range(first: u32, last: u32) {
    // SAFETY: closes descriptors that nothing in this process owns, as the caller names those that are owned
    // (close_range(2), Linux 5.9; on an older kernel they stay open).
    unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) };
}

/// Reaps one process that has ended; `None` when there is none (left).
///
/// # Errors
/// None is expected; whatever waitpid says but "no child" and "interrupted".
pub fn reap() -> io::Result<Option<(i32, Ended)>> {
    loop {
        let mut status = 0;
        // libc's call, since nix's loses the process that a real-time signal killed: it has no name for the signal.
        // SAFETY: status is a valid place for an int.
        match unsafe { libc::waitpid(-1, &raw mut status, libc::WNOHANG) } {
            0 => return Ok(None),
            pid if pid > 0 => return Ok(Some((pid, decode(status)))),
            _ => match io::Error::last_os_error() {
                error if error.raw_os_error() == Some(libc::ECHILD) => return Ok(None),
                error if error.raw_os_error() == Some(libc::EINTR) => {}
                error => return Err(error),
            },
        }
    }
}

/// A wait status; without WUNTRACED and WCONTINUED there are but two kinds (waitpid(2)).
fn decode(status: i32) -> Ended {
    if libc::WIFSIGNALED(status) {
        Ended::Killed(libc::WTERMSIG(status), libc::WCOREDUMP(status))
    } else {
        // wait(2) passes the low 8 bits of the exit status.
        Ended::Exited(u8::try_from(libc::WEXITSTATUS(status)).unwrap_or(u8::MAX))
    }
}

/// Who is meant by a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Receiver {
    /// One process.
    Process(i32),
    /// All of a process group.
    Group(i32),
}

/// Sends signal `number` (0: none, only check) to a process or a group.
///
/// # Errors
/// `EINVAL` for a number that is no signal, `ESRCH` when there is nobody, `EPERM`.
pub fn send_signal(receiver: Receiver, number: i32) -> io::Result<()> {
    let target = match receiver {
        Receiver::Process(pid) if pid > 0 => pid,
        Receiver::Group(group) if group > 1 => -group,
        // 0, -1 and 1 would mean "my group", "everybody" and init.
        Receiver::Process(_) | Receiver::Group(_) => return Err(Errno::ESRCH.into()),
    };
    // SAFETY: plain system call. libc's, since nix has no type for real-time signals.
    if unsafe { libc::kill(target, number) } == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Whether any process of the group is there (zombies that nobody reaped count).
#[must_use]
pub fn group_lives(group: i32) -> bool {
    match send_signal(Receiver::Group(group), 0) {
        Ok(()) => true,
        Err(error) => error.raw_os_error() != Some(libc::ESRCH),
    }
}

/// Makes orphans below this process its children, so that it learns of their end (prctl(2), Linux).
///
/// # Errors
/// Where the system has no such thing; then orphans go to init.
pub fn adopt_orphans() -> io::Result<()> {
    prctl::set_child_subreaper(true).map_err(io::Error::from)
}

/// Whether `descriptor` is a terminal whose foreground group is ours: a child in another group could not read it.
#[must_use]
pub fn holds_terminal(descriptor: impl AsFd) -> bool {
    tcgetpgrp(descriptor).is_ok_and(|group| group == getpgrp())
}

/// The words of a process's command line (proc(5), `/proc/PID/cmdline`); `None`: it is gone.
#[must_use]
pub fn words_of(pid: i32) -> Option<Vec<OsString>> {
    let bytes = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let words = bytes.strip_suffix(b"\0").unwrap_or(&bytes).split(|byte| *byte == 0);
    Some(words.map(|word| OsString::from_vec(word.to_vec())).collect())
}

/// Our own process number.
#[must_use]
pub fn own_pid() -> i32 {
    Pid::this().as_raw()
}

/// Where programs are looked for when PATH is unset or empty (ZDPROTO section 2.1).
pub const DEFAULT_PATH: &str = "/bin:/usr/bin:/usr/local/bin";

/// Whether `file` is a file that anybody may execute: what a look along PATH takes.
#[must_use]
pub fn has_execute_bit(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(file).is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

/// Whether this user may execute `file`, which is no directory (access(2), by the effective user).
#[must_use]
pub fn may_execute(file: &Path) -> bool {
    use nix::fcntl::{AT_FDCWD, AtFlags};
    use nix::unistd::{AccessFlags, faccessat};
    faccessat(AT_FDCWD, file, AccessFlags::X_OK, AtFlags::AT_EACCESS).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::{daemon, inherit, pipe, signals::Signals};
    use std::fs;

    /// Runs a shell command in a started program and gives what it wrote.
    fn told(script: &str) -> String {
        let (read, write) = pipe::pipe().unwrap();
        let words = ["sh".into(), "-c".into(), script.into()];
        let pid = start(&Program {
            file: Path::new("/bin/sh"),
            words: &words,
            environment: &[("GIVEN".to_owned(), "yes".to_owned())],
            hidden: &["HOME"],
            output: Some(write.as_fd()),
            own_session: true,
            note: None,
        });
        drop(write);
        let mut text = String::new();
        std::io::Read::read_to_string(&mut fs::File::from(read), &mut text).unwrap();
        daemon::wait_for(pid.unwrap());
        text
    }

    #[test]
    fn program_begins_with_no_signal_blocked_or_ignored() {
        // In a thread of its own: the mask is the thread's.
        let status = std::thread::spawn(|| {
            let _blocked = Signals::block().unwrap();
            told("cat /proc/self/status")
        });
        let status = status.join().unwrap();
        for name in ["SigBlk", "SigIgn"] {
            let line = status.lines().find(|line| line.starts_with(name)).unwrap();
            assert_eq!(line.split_whitespace().nth(1), Some("0000000000000000"), "{line}");
        }
    }

    #[test]
    fn program_has_three_descriptors_and_no_other() {
        let open = fs::File::open("/dev/null").unwrap();
        let number = inherit::leave_open(&open).unwrap();
        assert_eq!(number, open.as_raw_fd());
        assert_eq!(told("ls /proc/$$/fd; :"), "0\n1\n2\n");
    }

    #[test]
    fn program_leads_its_session_and_sees_its_environment() {
        let text = told(
            "read -r _ _ _ _ group session _ < /proc/$$/stat; echo $(($$ == group)) $(($$ == session)) $GIVEN ${HOME-none}",
        );
        assert_eq!(text, "1 1 yes none\n");
    }

    #[test]
    fn file_that_is_no_program_is_an_error_of_the_start() {
        let place = tempfile::tempdir().unwrap();
        let start = |file: &Path| {
            let words = ["x".into()];
            let program = Program {
                file,
                words: &words,
                environment: &[],
                hidden: &[],
                output: None,
                own_session: true,
                note: None,
            };
            start(&program).unwrap_err().raw_os_error()
        };
        assert_eq!(start(&place.path().join("none")), Some(libc::ENOENT));
        let plain = place.path().join("plain");
        fs::write(&plain, "text").unwrap();
        assert_eq!(start(&plain), Some(libc::EACCES));
    }

    #[test]
    fn signals_never_reach_everybody() {
        for receiver in [Receiver::Process(0), Receiver::Process(-1), Receiver::Group(0), Receiver::Group(1)]
        {
            assert_eq!(
                send_signal(receiver, 0).unwrap_err().raw_os_error(),
                Some(libc::ESRCH),
                "{receiver:?}"
            );
        }
    }
}
