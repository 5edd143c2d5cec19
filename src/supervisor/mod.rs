//! The daemon manager: runs one program, keeps it running, keeps its output, answers on a Unix socket.
//!
//! Promises: never two copies of the program; never an orphan after an orderly end; a stop is never lost; no client,
//! however slow or hostile, delays another or the program. [`state`] decides, as a pure function; the rest turns
//! readiness into events and actions into system calls. It must not know of flags, files or defaults: it is handed
//! plain settings.

mod clients;
mod command;
mod control_socket;
mod error;
mod kill_targets;
mod lock_file;
mod manager;
mod output;
mod pid_files;
mod recreate_socket;
mod reexec_state;
mod service_notify;
mod start_report;
pub mod state;
mod status;

use std::env;
use std::fs;
use std::os::fd::OwnedFd;
use std::path::Path;

pub use error::Error;
pub use reexec_state::StartMode;

use crate::config::{Settings, lost_when_detached};
use crate::eventlog::{EventLog, Target};
use crate::exit::Exit;
use crate::sys::signals::Signals;
use crate::sys::user::{self, Account};
use crate::sys::{daemon, inherit, proc, process};

use command::Command;
use control_socket::ControlSocket;
use lock_file::Leftover;
use manager::{Beginning, Manager, Parts};
use pid_files::PidFiles;
use reexec_state::{HandoffState, InForce, Invocation};
use start_report::StartReporter;

/// Runs the manager to its end; in daemon mode, in another process, and this one returns when it is known whether the
/// program is up.
///
/// `remote_listener` is where the outcome of the start is written for `zdctl` (one report; see `start_report`); an error
/// that has been written there is not returned as well.
///
/// # Errors
/// Whatever keeps the program from being started, before or after the daemon has left its parent.
pub fn run(settings: &Settings, remote_listener: Option<OwnedFd>, mode: StartMode) -> Result<Exit, Error> {
    let invocation = Invocation::of_this_process()?;
    let settings = absolute(settings, &invocation.directory);
    let mut report = StartReporter::to(remote_listener);
    proc::name_as_manager();
    let ended = match mode {
        StartMode::Fresh => start(&settings, &invocation, &mut report),
        StartMode::EndOnly => end_leftover(settings, &invocation, &mut report),
        StartMode::Trial(running) => try_to_go_on(&settings, &running),
        StartMode::Resumed(state) => go_on(&settings, &invocation, state, &mut report),
    };
    match ended {
        Err(error) if report.failed(&error) => Ok(error.exit()),
        ended => ended,
    }
}

/// Finds what can be found wrong while a person reads the messages, then runs the manager here or in a daemon.
fn start(settings: &Settings, invocation: &Invocation, report: &mut StartReporter) -> Result<Exit, Error> {
    let program = Program::find(settings)?;
    if settings.runner.daemon {
        detached(settings, invocation, program, report)
    } else {
        managed(settings, invocation, program, report)
    }
}

/// Finds out whether this image could take the place of one that runs, and changes nothing.
fn try_to_go_on(settings: &Settings, running: &InForce) -> Result<Exit, Error> {
    running.check(&InForce::of(&settings.runner))?;
    Program::find(settings)?;
    if settings.runner.daemon {
        enter_directory(settings)?;
        output::try_transcript(&settings.runner)?;
    }
    PidFiles::of(&settings.runner).try_program()?;
    Ok(Exit::Success)
}

/// Takes the place of an earlier image of this process. Nothing here may fail that need not.
fn go_on(
    settings: &Settings,
    invocation: &Invocation,
    state: HandoffState,
    report: &mut StartReporter,
) -> Result<Exit, Error> {
    let signals = Signals::block().map_err(Error::Signals)?;
    let runner = &settings.runner;
    let command = Command::find(&runner.program, &settings.environment)
        .unwrap_or_else(|_| Command::without_file(&runner.program));
    if runner.daemon {
        if let Some(path) = &runner.directory {
            let _ = env::set_current_dir(path);
        }
        daemon::set_umask(runner.umask);
    }
    let log = open_log(settings).unwrap_or_else(|_| EventLog::stderr_warnings());
    let (lock, listener) = state.take_socket()?;
    let socket = ControlSocket::resume(&runner.socket_name, runner.stop_group, lock, listener)?;
    let beginning = Beginning::Resumed(state);
    let environment = program_environment(settings, account(settings).ok().flatten().as_ref());
    Manager::run(Parts {
        settings,
        command,
        environment,
        signals,
        log,
        socket,
        report,
        invocation,
        beginning,
    })
}

/// Ends what an earlier manager left running, here, and starts nothing.
fn end_leftover(
    mut settings: Settings,
    invocation: &Invocation,
    report: &mut StartReporter,
) -> Result<Exit, Error> {
    settings.runner.daemon = false;
    let account = account(&settings)?;
    if let Some(account) = &account {
        become_account(account)?;
    }
    let program = Program { command: Command::without_file(&settings.runner.program), account };
    manage(&settings, program, invocation, report, Beginning::EndOnly)
}

/// What runs, and as which user.
struct Program {
    command: Command,
    account: Option<Account>,
}

impl Program {
    fn find(settings: &Settings) -> Result<Self, Error> {
        let program = Self {
            command: Command::find(&settings.runner.program, &settings.environment)?,
            account: account(settings)?,
        };
        check_directory(settings)?;
        let transcript = settings.runner.transcript.as_ref().filter(|_| settings.runner.daemon);
        if let Some(lost) = transcript.and_then(|path| lost_when_detached(path)) {
            return Err(Error::LostTranscript(lost));
        }
        Ok(program)
    }
}

/// Every path made independent of the working directory, which is about to change. The transcript's is meant from the
/// new one (ZDPROTO section 2.9).
fn absolute(settings: &Settings, here: &Path) -> Settings {
    let mut settings = settings.clone();
    settings.runner.socket_name = here.join(&settings.runner.socket_name);
    settings.runner.directory = settings.runner.directory.map(|path| here.join(path));
    settings.runner.logfile = settings.runner.logfile.map(|path| here.join(path));
    let pid_files = [&mut settings.runner.pid_file, &mut settings.runner.manager_pid_file];
    for path in pid_files.into_iter().flatten() {
        *path = here.join(&path);
    }
    for handler in settings.event_log.iter_mut().flat_map(|log| &mut log.handlers) {
        if let Target::File(file) = &mut handler.target {
            file.path = here.join(&file.path);
        }
    }
    settings
}

/// The founding document: the directory should exist, it is not made.
fn check_directory(settings: &Settings) -> Result<(), Error> {
    let Some(path) = settings.runner.directory.as_ref().filter(|_| settings.runner.daemon) else {
        return Ok(());
    };
    let found = fs::metadata(path).map_err(|source| Error::Directory { path: path.clone(), source })?;
    if found.is_dir() { Ok(()) } else { Err(Error::NoDirectory { path: path.clone() }) }
}

/// Daemon mode: the manager is a child process in a session of its own; the parent waits for its report, unless `zdctl`
/// does.
fn detached(
    settings: &Settings,
    invocation: &Invocation,
    program: Program,
    report: &mut StartReporter,
) -> Result<Exit, Error> {
    // `zdctl` waits itself. If it ends first, nothing is left of it that keeps its caller's descriptors open.
    let listener = if report.has_remote_listener() {
        None
    } else {
        Some(report.listen(settings.runner.start_timeout).map_err(Error::Fork)?)
    };
    match daemon::fork().map_err(Error::Fork)? {
        daemon::Side::Parent(_) => {
            report.abandon();
            listener.map_or(Ok(Exit::Success), |listener| listener.outcome(settings.runner.start_timeout))
        }
        daemon::Side::Child => {
            drop(listener);
            inherit::close_inherited(&report.descriptors());
            daemon::leave_terminal();
            let ended = daemonize(settings).and_then(|()| managed(settings, invocation, program, report));
            // The parent, or `zdctl` behind it, prints it.
            Ok(ended.unwrap_or_else(|error| {
                report.failed(&error);
                error.exit()
            }))
        }
    }
}

fn enter_directory(settings: &Settings) -> Result<(), Error> {
    let Some(path) = &settings.runner.directory else { return Ok(()) };
    env::set_current_dir(path).map_err(|source| Error::Directory { path: path.clone(), source })
}

fn daemonize(settings: &Settings) -> Result<(), Error> {
    enter_directory(settings)?;
    daemon::null_standard_descriptors().map_err(|source| Error::Open {
        what: "null device",
        path: "/dev/null".into(),
        source,
    })?;
    daemon::set_umask(settings.runner.umask);
    Ok(())
}

/// The manager proper: everything that may fail before the program starts, then the loop.
fn managed(
    settings: &Settings,
    invocation: &Invocation,
    program: Program,
    report: &mut StartReporter,
) -> Result<Exit, Error> {
    control_socket::make_directory(&settings.runner.socket_name, program.account.as_ref())?;
    if let Some(account) = &program.account {
        become_account(account)?;
    }
    manage(settings, program, invocation, report, Beginning::After)
}

fn manage(
    settings: &Settings,
    program: Program,
    invocation: &Invocation,
    report: &mut StartReporter,
    beginning: fn(Leftover) -> Beginning,
) -> Result<Exit, Error> {
    let signals = Signals::block().map_err(Error::Signals)?;
    // Where the system has no such thing, orphans go to init and a stop does not wait for them.
    let _ = process::adopt_orphans();
    let log = open_log(settings)?;
    let runner = &settings.runner;
    let (socket, leftover) = ControlSocket::take(&runner.socket_name, runner.stop_group, &log)?;
    let beginning = beginning(leftover);
    let environment = program_environment(settings, program.account.as_ref());
    let command = program.command;
    Manager::run(Parts {
        settings,
        command,
        environment,
        signals,
        log,
        socket,
        report,
        invocation,
        beginning,
    })
}

/// What the program has besides the manager's variables: those of its user, as a login gives them, then the section's.
fn program_environment(settings: &Settings, account: Option<&Account>) -> Vec<(String, String)> {
    let of_user = account.into_iter().flat_map(Account::variables);
    of_user.chain(settings.environment.iter().cloned()).collect()
}

fn become_account(account: &Account) -> Result<(), Error> {
    user::become_account(account).map_err(|source| Error::BecomeUser { name: account.name.clone(), source })
}

fn account(settings: &Settings) -> Result<Option<Account>, Error> {
    let Some(name) = &settings.runner.user else { return Ok(None) };
    let found = user::lookup(name).map_err(|source| Error::BecomeUser { name: name.clone(), source })?;
    found.map(Some).ok_or_else(|| Error::NoUser { name: name.clone() })
}

fn open_log(settings: &Settings) -> Result<EventLog, Error> {
    match &settings.event_log {
        Some(log) => EventLog::open(log).map_err(|error| Error::Log(error.to_string())),
        None => Ok(EventLog::stderr_warnings()),
    }
}
