//! Starting a program: all that its process does before it becomes the program.
//!
//! The process is made as vfork(2) makes it: it runs in our memory, on a stack of its own, while we stand still until it
//! has executed the program or failed. Nothing is copied, however large we are, and what went wrong is left in a
//! variable. The price is care: all signals are blocked meanwhile, so that no handler of ours runs in there; each step is
//! a system call; nothing is allocated, and nothing changed but what is the process's own.
#![allow(unsafe_code)] // the steps of the new process

use std::collections::BTreeMap;
use std::env;
use std::ffi::{CString, OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;
use std::ptr;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Mutex, PoisonError};

use nix::errno::Errno;
use nix::libc;
use nix::sched::{CloneFlags, clone};
use nix::sys::signal::{SigSet, SigmaskHow};

use super::daemon;

/// The highest signal number of Linux (signal(7)) and the size of a set of them in bytes, as the kernel counts.
const LAST_SIGNAL: i32 = 64;
const SIGNAL_SET_BYTES: usize = 8;

/// The stack on which a new process runs until it is a program: its deepest call holds a buffer of 1 KiB. Only the pages
/// that are used take memory.
static STACK: Mutex<[u8; 64 * 1024]> = Mutex::new([0; 64 * 1024]);

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
/// of its start: `program PID BIRTH`, padded with blanks and ended by a newline (see [`crate::sys::proc::start_time`]).
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
/// and 2. Its stdin is `/dev/null` where `output` is given.
///
/// # Errors
/// That of fork (`EAGAIN`: try again later), or of exec in the child: no such file, no permission, not a program
/// (`ENOEXEC`: no shell is tried on it).
pub fn start(program: &Program<'_>) -> io::Result<i32> {
    let image = Image::of(program)?;
    // Above the standard three, whose places it is to take.
    let output = program.output.map(|output| output.try_clone_to_owned()).transpose()?;
    let steps = Steps {
        own_session: program.own_session,
        note: program.note.map(|note| (note.file.as_raw_fd(), note.offset.cast_signed())),
        output: output.as_ref().map(OwnedFd::as_raw_fd),
    };
    let failed = AtomicI32::new(0);
    let mut stack = STACK.lock().unwrap_or_else(PoisonError::into_inner);
    let mask = SigSet::all().thread_swap_mask(SigmaskHow::SIG_SETMASK)?;
    let child = || {
        failed.store(become_program(&steps, &image) as i32, Ordering::Relaxed);
        // Of exec that failed, as a shell has it; it is not seen.
        127
    };
    let flags = CloneFlags::CLONE_VM | CloneFlags::CLONE_VFORK;
    // SAFETY: the child touches no memory but its stack and `failed`, allocates nothing and takes no lock; this thread
    // goes on only after it. Other threads may run: they know nothing of either.
    let made = unsafe { clone(Box::new(child), &mut *stack, flags, Some(libc::SIGCHLD)) };
    mask.thread_set_mask()?;
    let pid = made?.as_raw();
    match failed.into_inner() {
        0 => Ok(pid),
        error => {
            daemon::wait_for(pid);
            Err(io::Error::from_raw_os_error(error))
        }
    }
}

/// What execve(2) takes: lists of strings, and lists of their addresses.
struct Image {
    file: CString,
    words: Strings,
    environment: Strings,
}

/// Strings, and their addresses, ended by a null.
struct Strings {
    addresses: Vec<*const libc::c_char>,
    _strings: Vec<CString>,
}

impl Image {
    fn of(program: &Program<'_>) -> io::Result<Self> {
        let hidden = program.hidden.iter().map(|name| (OsStr::new(name), None));
        let set = program.environment.iter().map(|(name, value)| (name.as_ref(), Some(value.as_ref())));
        let words = program.words.iter().map(|word| CString::new(word.as_bytes()));
        Ok(Self {
            file: CString::new(program.file.as_os_str().as_bytes())?,
            words: Strings::of(words.collect::<Result<_, _>>()?),
            environment: Strings::of(environment(hidden.chain(set))?),
        })
    }
}

impl Strings {
    fn of(strings: Vec<CString>) -> Self {
        let addresses = strings.iter().map(|text| text.as_ptr()).chain([ptr::null()]).collect();
        Self { addresses, _strings: strings }
    }
}

/// This process's environment with these changes (`None`: the variable goes), as execve(2) takes it.
///
/// # Errors
/// A value with a zero byte in it.
pub(super) fn environment<'a>(
    changes: impl Iterator<Item = (&'a OsStr, Option<&'a OsStr>)>,
) -> io::Result<Vec<CString>> {
    let mut variables: BTreeMap<OsString, OsString> = env::vars_os().collect();
    for (name, value) in changes {
        match value {
            Some(value) => drop(variables.insert(name.to_owned(), value.to_owned())),
            None => drop(variables.remove(name)),
        }
    }
    let pairs = variables.into_iter().map(|(mut pair, value)| {
        pair.push("=");
        pair.push(value);
        Ok(CString::new(pair.into_vec())?)
    });
    pairs.collect()
}

/// What the new process has to see to before it becomes the program.
struct Steps {
    own_session: bool,
    note: Option<(RawFd, i64)>,
    output: Option<RawFd>,
}

/// The child's own steps; returns why it has not become the program. The mask is emptied last: whatever arrives before
/// that waits until it can have its effect, which by then is the program's.
fn become_program(steps: &Steps, image: &Image) -> Errno {
    if let Err(error) = prepare(steps) {
        return error;
    }
    // SAFETY: strings and lists that end in zero, which live longer than this process needs them.
    unsafe {
        libc::execve(
            image.file.as_ptr(),
            image.words.addresses.as_ptr(),
            image.environment.addresses.as_ptr(),
        )
    };
    Errno::last()
}

fn prepare(steps: &Steps) -> nix::Result<()> {
    if steps.own_session {
        nix::unistd::setsid()?;
    }
    if let Some((file, offset)) = steps.note {
        write_note(file, offset);
    }
    if let Some(output) = steps.output {
        take_standard_descriptors(output)?;
    }
    close_on_exec_from(3);
    reset_dispositions();
    SigSet::empty().thread_set_mask()
}

/// Points stdin to `/dev/null`, stdout and stderr to `output`.
fn take_standard_descriptors(output: RawFd) -> nix::Result<()> {
    // SAFETY: a string that ends in zero; numbers of open descriptors, of which this process has its own table.
    let done = unsafe {
        let null = libc::open(c"/dev/null".as_ptr(), libc::O_RDONLY | libc::O_CLOEXEC);
        [(null, 0), (output, 1), (output, 2)].into_iter().all(|(from, to)| libc::dup2(from, to) == to)
    };
    if done { Ok(()) } else { Err(Errno::last()) }
}

/// Whether a start failed for want of something that may be there again in a moment: processes, memory, descriptors, or
/// a program file that is being written.
#[must_use]
pub fn is_shortage(error: &io::Error) -> bool {
    let passing = [Errno::EAGAIN, Errno::ENOMEM, Errno::EMFILE, Errno::ENFILE, Errno::ETXTBSY];
    error.raw_os_error().is_some_and(|number| passing.contains(&Errno::from_raw(number)))
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn error(file: &Path, word: &str) -> io::Error {
        start(&Program {
            file,
            words: &[word.into()],
            environment: &[],
            hidden: &[],
            output: None,
            own_session: false,
            note: None,
        })
        .unwrap_err()
    }

    #[test]
    fn file_that_is_no_program_is_an_error_of_the_start() {
        let place = tempfile::tempdir().unwrap();
        let before = SigSet::thread_get_mask().unwrap();
        let number = |file: &Path| error(file, "x").raw_os_error();
        assert_eq!(number(&place.path().join("none")), Some(libc::ENOENT));
        let plain = place.path().join("plain");
        fs::write(&plain, "text").unwrap();
        assert_eq!(number(&plain), Some(libc::EACCES));
        fs::set_permissions(&plain, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        assert_eq!(number(&plain), Some(libc::ENOEXEC));
        assert_eq!(SigSet::thread_get_mask().unwrap(), before, "the mask is as it was");
    }

    #[test]
    fn word_with_a_zero_byte_is_refused() {
        assert_eq!(error(Path::new("/bin/true"), "a\0b").kind(), io::ErrorKind::InvalidInput);
    }
}
