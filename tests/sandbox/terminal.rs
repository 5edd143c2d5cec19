//! A person at a terminal: a command on a pseudo-terminal of its own, keys that are typed, and a screen that is read.
//!
//! The command is the leader of a session whose controlling terminal this is, as under any terminal emulator: the keys ^C
//! and ^Z reach its foreground process group as signals. What it writes is drawn on a screen (the vt100 crate), high
//! enough for nothing to scroll away unless a test wants it lower.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::num::NonZero;
use std::os::unix::fs::OpenOptionsExt;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use nix::fcntl::OFlag;
use nix::pty::{grantpt, posix_openpt, ptsname_r, unlockpt};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use vt100::Parser;

use super::run::Outcome;
use super::{SOON, forks, matches, wait};

/// A command at work on a terminal.
pub(crate) struct Terminal {
    child: Child,
    keyboard: File,
    drawn: Arc<Mutex<Drawn>>,
}

/// What has come from the command.
struct Drawn {
    screen: Parser,
    raw: Vec<u8>,
    /// Nobody has the other end open any more.
    ended: bool,
}

impl Terminal {
    /// Starts the command with a window of so many rows and columns.
    pub(super) fn start(
        command: &Command,
        environment: Vec<(String, String)>,
        rows: u16,
        columns: u16,
    ) -> Self {
        let flags = OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
        let master = posix_openpt(flags).expect("a pseudo-terminal can be had");
        grantpt(&master).and_then(|()| unlockpt(&master)).expect("its other end can be opened");
        let name = ptsname_r(&master).expect("it has a name");
        let slave = OpenOptions::new().read(true).write(true).custom_flags(OFlag::O_NOCTTY.bits()).open(name);
        let slave = slave.expect("its other end is there");
        // `stty` sets the size by which the command goes, `setsid --ctty` makes the terminal the controlling one; both
        // then become the command, whose process number is that of the child.
        let script = format!("stty rows {rows} cols {columns} && exec \"$@\"");
        let mut leader = Command::new("setsid");
        leader
            .args(["--ctty", "sh", "-c", &script, "sh"])
            .arg(command.get_program())
            .args(command.get_args());
        leader.env_clear().envs(environment);
        leader.current_dir(command.get_current_dir().expect("the sandbox has one"));
        let end = || Stdio::from(slave.try_clone().expect("a descriptor can be had"));
        leader.stdin(end()).stdout(end()).stderr(end());
        let child = forks::start(|| leader.spawn()).expect("setsid is there");
        drop(leader);
        let keyboard = File::from(std::os::fd::OwnedFd::from(master));
        let screen = keyboard.try_clone().expect("a descriptor can be had");
        let size = |number| NonZero::new(number).expect("a window has some");
        let screen_of = Parser::new(size(rows), size(columns), 0);
        let drawn = Drawn { screen: screen_of, raw: Vec::new(), ended: false };
        let drawn = Arc::new(Mutex::new(drawn));
        let shared = Arc::clone(&drawn);
        std::thread::spawn(move || draw(screen, &shared));
        Self { child, keyboard, drawn }
    }

    /// Types these keys.
    pub(crate) fn keys(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).expect("somebody has the terminal open");
    }

    /// Types a line and the Enter key.
    pub(crate) fn line(&mut self, line: &str) {
        self.keys(&format!("{line}\r"));
    }

    /// How many sockets the command has open.
    pub(crate) fn sockets(&self) -> usize {
        let open = std::fs::read_dir(format!("/proc/{}/fd", self.child.id())).expect("it lives").flatten();
        let targets = open.filter_map(|entry| std::fs::read_link(entry.path()).ok());
        targets.filter(|target| target.to_string_lossy().starts_with("socket:")).count()
    }

    /// Waits until the line editor has given the terminal back: only then is ^C an interrupt, and Enter the end of a line.
    pub(crate) fn is_given_back(&self) {
        use nix::sys::termios::{LocalFlags, tcgetattr};
        let given_back = || {
            let modes = tcgetattr(&self.keyboard).expect("a terminal");
            modes.local_flags.contains(LocalFlags::ICANON)
        };
        wait::eventually_some(SOON, || given_back().then_some(()));
    }

    /// Sends the command a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().cast_signed()), signal).expect("it has not been waited for");
    }

    /// What the screen shows: lines without blanks at their ends, up to the cursor's, which has what stands before it.
    pub(crate) fn screen(&self) -> String {
        let drawn = self.drawn();
        let screen = drawn.screen.screen();
        let (row, column) = screen.cursor_position();
        let (_, columns) = screen.size();
        let rows = screen.rows(0, columns.get()).take(usize::from(row) + 1);
        let mut lines: Vec<String> = rows.map(|row| row.trim_end().to_owned()).collect();
        let last = lines.last_mut().expect("the cursor is somewhere");
        // Blanks that were never written are not in a row's text.
        let width = usize::from(column).max(last.chars().count());
        *last = format!("{last:<width$}").chars().take(width).collect();
        lines.join("\n")
    }

    /// All bytes that came.
    pub(crate) fn raw(&self) -> String {
        String::from_utf8_lossy(&self.drawn().raw).into_owned()
    }

    /// Waits until the whole screen fits the pattern ([`matches`]), in which the last line is that of the cursor.
    ///
    /// # Panics
    /// When it does not in time.
    #[track_caller]
    pub(crate) fn shows(&self, pattern: &str) {
        let fits = wait::poll(SOON, || matches(pattern, &self.screen()).then_some(())).is_some();
        let (seen, raw) = (self.screen(), self.raw());
        assert!(fits, "expected on the screen:\n{pattern}|\nseen:\n{seen}|\nraw: {raw:?}");
    }

    /// Waits until the screen ends so.
    #[track_caller]
    pub(crate) fn ends_with(&self, pattern: &str) {
        self.shows(&format!("...\n{pattern}"));
    }

    /// Waits for the end of the command; gives its exit status, or 128 + n for the end by signal n.
    #[track_caller]
    pub(crate) fn wait(&mut self) -> i32 {
        let status =
            wait::eventually_some(SOON, || self.child.try_wait().expect("own child can be waited for"));
        // What it wrote last may still be on its way; a program that it left behind may keep the terminal open.
        wait::poll(Duration::from_millis(500), || self.drawn().ended.then_some(()));
        super::run::number(status)
    }

    /// Waits for its end; the screen stands for its standard output, and nothing for its standard error.
    #[track_caller]
    pub(crate) fn outcome(mut self) -> Outcome {
        let status = self.wait();
        Outcome::of_terminal(status, self.screen())
    }

    fn drawn(&self) -> MutexGuard<'_, Drawn> {
        self.drawn.lock().expect("the reader has not panicked")
    }
}

/// Draws what comes until nobody has the other end open, which reads as an error (EIO).
fn draw(mut master: File, drawn: &Mutex<Drawn>) {
    let mut block = [0; 4096];
    loop {
        match master.read(&mut block) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Ok(0) | Err(_) => break,
            Ok(length) => {
                let mut drawn = drawn.lock().expect("no holder has panicked");
                drawn.screen.process(&block[..length]);
                drawn.raw.extend_from_slice(&block[..length]);
            }
        }
    }
    drawn.lock().expect("no holder has panicked").ended = true;
}
