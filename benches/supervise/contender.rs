//! The managers that are compared: how each is told to run a service, and how it is commanded.
//!
//! All run the same program (see [`crate::program`]) from a directory of its own. For those that have a service
//! directory this is it, with the program as `run`.

use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A family of programs with a manager, and mostly a controller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Contender {
    /// `zdrun` and `zdctl` of this project.
    Ours,
    /// s6.
    S6,
    /// runit.
    Runit,
    /// daemontools.
    Daemontools,
    /// supervisord.
    Supervisor,
    /// The Python zdrun and zdctl.
    Zdaemon,
}

use Contender::{Daemontools, Ours, Runit, S6, Supervisor, Zdaemon};

impl Contender {
    /// All of them, in the order of the table.
    pub const ALL: [Self; 6] = [Ours, S6, Runit, Daemontools, Supervisor, Zdaemon];

    /// Its name in the table.
    pub fn name(self) -> &'static str {
        match self {
            Ours => "ours",
            S6 => "s6",
            Runit => "runit",
            Daemontools => "daemontools",
            Supervisor => "supervisor",
            Zdaemon => "zdaemon",
        }
    }

    /// What to do to have it, where it is not there.
    pub fn missing(self) -> Option<String> {
        let programs: &[&str] = match self {
            Ours => &[],
            S6 => &["s6-supervise", "s6-svc", "s6-svstat", "s6-log"],
            Runit => &["runsv", "sv", "svlogd"],
            Daemontools => &["supervise", "svc", "svstat", "multilog"],
            Supervisor => &["supervisord", "supervisorctl"],
            Zdaemon => {
                let there = peers_python().with_file_name("zdaemon").exists();
                let advice = "zdaemon: not installed: python3 -m venv DIR && DIR/bin/pip install zdaemon==5.2.1; \
                              PEERS_PYTHON=DIR/bin/python";
                return (!there).then(|| advice.to_owned());
            }
        };
        let absent = programs.iter().any(|program| !on_path(program));
        absent.then(|| format!("{0}: not installed: apt-get install {0}", self.name()))
    }

    /// A manager that costs little enough for many of them to be run at once.
    pub fn is_light(self) -> bool {
        matches!(self, Ours | S6 | Runit | Daemontools)
    }

    /// Whether its manager leaves its parent by itself, and says its own number on the zdctl socket.
    pub fn is_daemon(self) -> bool {
        matches!(self, Ours | Zdaemon)
    }

    /// Writes what the manager reads. `transcript`: where the program's output goes, for those that take care of it.
    pub fn set_up(self, dir: &Path, transcript: Option<&Path>) -> io::Result<()> {
        fs::create_dir(dir)?;
        std::os::unix::fs::symlink(env::current_exe()?, dir.join("run"))?;
        match self {
            S6 | Runit | Daemontools => Ok(()),
            Ours | Zdaemon => {
                fs::write(dir.join("conf"), zdaemon_configuration(dir, transcript, self == Ours))
            }
            Supervisor => fs::write(dir.join("conf"), supervisor_configuration(dir)),
        }
    }

    /// The command that becomes, or leaves behind, the manager, which starts the program at once.
    pub fn manager(self, dir: &Path) -> Command {
        let mut command = match self {
            Ours => Command::new(env!("CARGO_BIN_EXE_zdrun")),
            S6 => Command::new("s6-supervise"),
            Runit => Command::new("runsv"),
            Daemontools => Command::new("supervise"),
            Supervisor => Command::new("supervisord"),
            Zdaemon => Command::new(peers_python()),
        };
        match self {
            S6 | Runit | Daemontools => command.arg(dir),
            Supervisor => command.arg("-c").arg(dir.join("conf")),
            Ours => command.arg("-C").arg(dir.join("conf")).arg("-d").arg(dir.join("run")),
            Zdaemon => command
                .args(["-m", "zdaemon.zdrun", "-C"])
                .arg(dir.join("conf"))
                .arg("-d")
                .arg(dir.join("run")),
        };
        command.current_dir(dir);
        command
    }

    /// The command for the state of the program.
    pub fn status(self, dir: &Path) -> Command {
        self.control(dir, ["s6-svstat", "sv status", "svstat", "status run", "status"])
    }

    /// The command to start the program under a manager that is there.
    pub fn up(self, dir: &Path) -> Command {
        self.control(dir, ["s6-svc -u", "sv up", "svc -u", "start run", "start"])
    }

    /// The command to stop the program under a manager that stays.
    pub fn down(self, dir: &Path) -> Command {
        self.control(dir, ["s6-svc -d", "sv down", "svc -d", "stop run", "stop"])
    }

    /// A command line of the controller; the words are those of s6, runit, daemontools, supervisor, zdctl.
    fn control(self, dir: &Path, words: [&str; 5]) -> Command {
        let [s6, runit, daemontools, supervisor, zdctl] = words;
        match self {
            S6 => service_directory(s6, dir),
            Runit => service_directory(runit, dir),
            Daemontools => service_directory(daemontools, dir),
            Supervisor => configured(Command::new("supervisorctl"), "-c", dir, supervisor),
            Ours => configured(Command::new(env!("CARGO_BIN_EXE_zdctl")), "-C", dir, zdctl),
            Zdaemon => configured(Command::new(peers_python().with_file_name("zdaemon")), "-C", dir, zdctl),
        }
    }

    /// The command of the family that writes its stdin to a log, in a directory that it may make; none: its manager
    /// does that.
    pub fn logger(self, dir: &Path) -> Option<Command> {
        let words = match self {
            // Files as large as each allows, and one old one: copying is compared, not rotation.
            S6 => "s6-log n1 s268435455",
            Runit => "svlogd -b 65536",
            Daemontools => "multilog n2 s16777215",
            Ours | Supervisor | Zdaemon => return None,
        };
        Some(service_directory(words, &dir.join("log")))
    }
}

/// The words, then the directory.
fn service_directory(words: &str, dir: &Path) -> Command {
    let mut words = words.split(' ');
    let mut command = Command::new(words.next().unwrap_or_default());
    command.args(words).arg(dir);
    command
}

/// The program, its configuration file, then the words.
fn configured(mut program: Command, option: &str, dir: &Path, words: &str) -> Command {
    program.arg(option).arg(dir.join("conf")).args(words.split(' '));
    program
}

/// The Python that has zdaemon: `PEERS_PYTHON`, else that which the tests make.
fn peers_python() -> PathBuf {
    let made = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("peers-venv/bin/python");
    env::var_os("PEERS_PYTHON").map_or(made, PathBuf::from)
}

fn on_path(program: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).any(|directory| directory.join(program).is_file())
}

/// Both read the same, but for the grace that ours gives a start before it says that it is done: what is measured is the
/// start, not the grace. A program that ran for a second is restarted at once, as with the other managers.
fn zdaemon_configuration(dir: &Path, transcript: Option<&Path>, ours: bool) -> String {
    let dir = dir.display();
    let grace = if ours { "  start-grace 0\n" } else { "" };
    let transcript = transcript.map(|path| format!("  transcript {}\n", path.display())).unwrap_or_default();
    format!(
        "<runner>\n  program {dir}/run\n  socket-name {dir}/sock\n  daemon true\n  directory {dir}\n  \
         backoff-limit 1\n  forever true\n  hang-around true\n{grace}{transcript}</runner>\n"
    )
}

fn supervisor_configuration(dir: &Path) -> String {
    let dir = dir.display();
    format!(
        "[unix_http_server]\nfile={dir}/sock\n[supervisord]\nnodaemon=true\nlogfile={dir}/log\npidfile={dir}/pid\n\
         [rpcinterface:supervisor]\nsupervisor.rpcinterface_factory=\
         supervisor.rpcinterface:make_main_rpcinterface\n[supervisorctl]\nserverurl=unix://{dir}/sock\n\
         [program:run]\ncommand={dir}/run\nautorestart=true\nstartsecs=1\nstdout_logfile=NONE\n\
         stderr_logfile=NONE\n"
    )
}
