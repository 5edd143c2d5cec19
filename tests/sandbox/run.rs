//! Running one command and asserting all that can be seen of it.

use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use similar::TextDiff;
use tempfile::NamedTempFile;

use super::terminal::Terminal;
use super::{SOON, forks, matches, process, search_path, wait};

/// A command to be run, and what is expected of it: status 0 and nothing printed, unless said otherwise.
///
/// What it prints goes to files, not pipes: a daemon that keeps its output open does not hold up the test.
#[must_use = "a command does nothing until `run`, `output` or `spawn`"]
pub(crate) struct Run {
    command: Command,
    stdin: Vec<u8>,
    status: i32,
    stdout: String,
    stderr: String,
}

impl Run {
    pub(super) fn new(program: &OsStr, directory: &Path, mark: &str) -> Self {
        let mut command = Command::new(program);
        command
            .current_dir(directory)
            .env_clear()
            .env("PATH", search_path())
            .env("HOME", directory)
            .env("LC_ALL", "C.UTF-8")
            .env("TZ", "UTC")
            .env(process::MARK, mark);
        let (stdout, stderr) = (String::new(), String::new());
        Self { command, stdin: Vec::new(), status: 0, stdout, stderr }
    }

    /// One more argument.
    pub(crate) fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.command.arg(argument);
        self
    }

    /// More arguments.
    pub(crate) fn args<S: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = S>) -> Self {
        self.command.args(arguments);
        self
    }

    /// Sets an environment variable.
    pub(crate) fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Another working directory than the sandbox's.
    pub(crate) fn current_dir(mut self, directory: impl AsRef<Path>) -> Self {
        self.command.current_dir(directory);
        self
    }

    /// What the command finds on its standard input, which is otherwise empty.
    pub(crate) fn stdin(mut self, text: impl AsRef<[u8]>) -> Self {
        self.stdin = text.as_ref().to_vec();
        self
    }

    /// Expects this exit status, or 128 + n for the end by signal n.
    pub(crate) fn status(mut self, status: i32) -> Self {
        self.status = status;
        self
    }

    /// Expects this whole standard output, in which `[..]` and `...` stand for what cannot be known ([`matches`]).
    pub(crate) fn stdout(mut self, text: impl Into<String>) -> Self {
        self.stdout = text.into();
        self
    }

    /// Expects this whole standard error; as [`Run::stdout`].
    pub(crate) fn stderr(mut self, text: impl Into<String>) -> Self {
        self.stderr = text.into();
        self
    }

    /// Runs it and asserts status, standard output and standard error.
    #[track_caller]
    pub(crate) fn run(self) -> Outcome {
        let (status, stdout, stderr) = (self.status, self.stdout.clone(), self.stderr.clone());
        let outcome = self.output();
        let fits = outcome.status == status
            && matches(&stdout, &outcome.stdout)
            && matches(&stderr, &outcome.stderr);
        if !fits {
            let expected = transcript(status, &stdout, &stderr);
            let seen = transcript(outcome.status, &outcome.stdout, &outcome.stderr);
            let difference = TextDiff::from_lines(&expected, &seen);
            let difference = difference.unified_diff().header("expected", "seen").to_string();
            panic!("{}\n{difference}", outcome.command_line);
        }
        outcome
    }

    /// Runs it to its end, which must come [`SOON`], and asserts nothing: what was said of status and output is not looked at.
    #[track_caller]
    pub(crate) fn output(self) -> Outcome {
        self.spawn().wait(SOON)
    }

    /// Starts it and leaves it running.
    #[track_caller]
    pub(crate) fn spawn(mut self) -> Running {
        let (stdin, stdout, stderr) = (scratch_file(), scratch_file(), scratch_file());
        stdin.as_file().write_all(&self.stdin).expect("standard input can be written");
        let open = |file: &NamedTempFile| Stdio::from(file.reopen().expect("a new file can be opened"));
        self.command.stdin(open(&stdin)).stdout(open(&stdout)).stderr(open(&stderr));
        let words = std::iter::once(self.command.get_program()).chain(self.command.get_args());
        let command_line = words.map(OsStr::to_string_lossy).collect::<Vec<_>>().join(" ");
        let child = forks::start(|| self.command.process_group(0).spawn())
            .unwrap_or_else(|e| panic!("cannot start {command_line}: {e}"));
        Running { child, command_line, stdout, stderr }
    }
}

impl Run {
    /// Starts it on a terminal of its own, in a window of so many rows and columns; what was said of its input, output and
    /// status is not looked at.
    pub(crate) fn on_terminal(self, rows: u16, columns: u16) -> Terminal {
        let text = |text: &OsStr| text.to_str().expect("the environment is text").to_owned();
        let kept = self.command.get_envs().filter_map(|(name, value)| Some((text(name), text(value?))));
        let mut environment = vec![("TERM".to_owned(), "xterm".to_owned())];
        environment.extend(kept);
        Terminal::start(&self.command, environment, rows, columns)
    }
}

/// A command that has been started. Dropping it leaves it running: its sandbox ends it.
pub(crate) struct Running {
    child: Child,
    command_line: String,
    stdout: NamedTempFile,
    stderr: NamedTempFile,
}

impl Running {
    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it has printed to its standard output so far.
    pub(crate) fn stdout(&self) -> String {
        printed(&self.stdout)
    }

    /// What it has printed to its standard error so far.
    pub(crate) fn stderr(&self) -> String {
        printed(&self.stderr)
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        kill(self.raw_pid(), signal).expect("a process that has not been waited for can be signalled");
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// When it has not ended in time; then it is killed, with its process group.
    #[track_caller]
    pub(crate) fn wait(mut self, timeout: Duration) -> Outcome {
        let ended = wait::poll(timeout, || self.child.try_wait().expect("own child can be waited for"));
        let Some(status) = ended else {
            // Fails only when all of the group ended just now.
            let _ = killpg(self.raw_pid(), Signal::SIGKILL);
            self.child.wait().expect("own child can be waited for");
            let (out, err) = (self.stdout(), self.stderr());
            panic!("{} has not ended after {timeout:?}\nstdout: {out}\nstderr: {err}", self.command_line);
        };
        let (stdout, stderr) = (self.stdout(), self.stderr());
        // Errors of the system are worded in `sys::system_error` alone.
        let is_raw = |text: &str| text.contains("(os error ");
        assert!(!is_raw(&stdout) && !is_raw(&stderr), "{}: {stdout}{stderr}", self.command_line);
        Outcome { status: number(status), stdout, stderr, command_line: self.command_line }
    }

    fn raw_pid(&self) -> Pid {
        Pid::from_raw(self.child.id().cast_signed())
    }
}

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// The exit status, or 128 + n for the end by signal n.
    pub(crate) status: i32,
    /// All of standard output; bytes that are not UTF-8 are replaced.
    pub(crate) stdout: String,
    /// All of standard error; likewise.
    pub(crate) stderr: String,
    command_line: String,
}

impl Outcome {
    /// That of a command on a terminal, where all that is printed is on one screen.
    pub(super) fn of_terminal(status: i32, screen: String) -> Self {
        let (stderr, command_line) = (String::new(), "a command on a terminal".to_owned());
        Self { status, stdout: screen, stderr, command_line }
    }

    /// The process id in `pid=N` of standard output.
    #[track_caller]
    pub(crate) fn pid(&self) -> u32 {
        let after = self.stdout.split_once("pid=").map(|(_, rest)| rest);
        let digits = after.and_then(|rest| rest.split(|c: char| !c.is_ascii_digit()).next());
        let pid = digits.and_then(|digits| digits.parse().ok());
        pid.unwrap_or_else(|| panic!("{}: no pid in {:?}", self.command_line, self.stdout))
    }
}

fn scratch_file() -> NamedTempFile {
    NamedTempFile::with_prefix("zeo-output-").expect("a temporary file")
}

fn printed(file: &NamedTempFile) -> String {
    String::from_utf8_lossy(&fs::read(file.path()).expect("a scratch file can be read")).into_owned()
}

pub(super) fn number(status: ExitStatus) -> i32 {
    status.code().or_else(|| status.signal().map(|n| 128 + n)).expect("an ended process has one of the two")
}

fn transcript(status: i32, stdout: &str, stderr: &str) -> String {
    format!("status: {status}\n--- stdout\n{stdout}\n--- stderr\n{stderr}\n")
}
