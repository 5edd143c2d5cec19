//! `check-program`: a command that looks at the program's own configuration, before anything is stopped for it.

use std::env;
use std::io::{self, PipeReader, Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use crate::config::{self, Flags, Settings};
use crate::sys::interrupt::{self, readable, readable_or_caught};
use crate::sys::process::{Receiver, send_signal};
use crate::sys::signals::number;
use crate::sys::system_error::os_error_text;

use super::as_program::command_as_program;
use super::failure::Failure;

/// How long it may take: it reads a configuration, not the data.
const CHECK_TIMEOUT: Duration = Duration::from_secs(30);

/// How often it is looked whether it has ended.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// How much is kept of what it writes to its standard output.
const MAX_OUTPUT_BYTES: usize = 64 << 10;

/// Looks for everything that is wrong with the configuration as it is now, and has the `check-program` look at the program's.
///
/// # Errors
/// [`Failure::Configuration`], and as [`run_check_program`].
pub fn check(flags: &Flags) -> Result<Settings, Failure> {
    let settings = config::check(flags).map_err(Failure::Configuration)?;
    run_check_program(&settings)?;
    Ok(settings)
}

/// Runs the `check-program`, if there is one, with the rights, the variables and the directory of the program. What it writes
/// to its standard error is shown as it is; what it writes to its standard output too, if it fails.
///
/// # Errors
/// [`Failure::CheckProgram`]: it finds fault, cannot be run, or takes longer than 30 seconds. [`Failure::Interrupted`].
pub(super) fn run_check_program(settings: &Settings) -> Result<(), Failure> {
    interrupt::catch().map_err(|source| Failure::System { what: "cannot catch interrupts", source })?;
    run_within(settings, CHECK_TIMEOUT, interrupt::is_caught)
}

fn run_within(settings: &Settings, limit: Duration, is_caught: fn() -> bool) -> Result<(), Failure> {
    let runner = &settings.runner;
    let Some((program, arguments)) = runner.check_program.split_first() else { return Ok(()) };
    let name = program.display();
    let cannot_run = |error: io::Error| {
        let why = os_error_text(&error);
        Failure::CheckProgram(format!("the check program '{name}' cannot be run: {why}"))
    };
    // From here, as the checks of a configuration find it.
    let is_path = Path::new(program).is_relative() && program.as_bytes().contains(&b'/');
    let here =
        if is_path { env::current_dir().map_err(cannot_run)?.join(program).into() } else { program.clone() };
    let (mut command, _) = command_as_program(settings, &here, arguments)
        .map_err(|failure| Failure::CheckProgram(failure.to_string()))?;
    if let Some(directory) = runner.directory.as_ref().filter(|_| runner.daemon) {
        command.current_dir(directory);
    }
    let (mut output, writer) = io::pipe().map_err(cannot_run)?;
    // In a group of its own, which ends as a whole when its time is over, or by ^C.
    command.arg0(program).stdin(Stdio::null()).stdout(writer).process_group(0);
    let mut child = command.spawn().map_err(cannot_run)?;
    drop(command);
    let mut written = Vec::new();
    let ended = wait(&mut child, &mut output, &mut written, limit, is_caught).map_err(cannot_run)?;
    let why = match ended {
        Some(status) if status.success() => return Ok(()),
        Some(status) => format!("the check program '{name}' ended with {status}"),
        None => {
            // Its end, whatever it is, is waited for.
            let _ = send_signal(Receiver::Group(child.id().cast_signed()), number::KILL);
            let _ = child.wait();
            if is_caught() {
                let _ = interrupt::take();
                return Err(Failure::Interrupted);
            }
            format!("the check program '{name}' took longer than {} seconds", limit.as_secs())
        }
    };
    // Without stderr, the message has to do.
    let _ = io::stderr().write_all(&written);
    Err(Failure::CheckProgram(why))
}

/// Waits for its end and reads what it writes meanwhile; `None`: it takes too long, or ^C came.
fn wait(
    child: &mut Child,
    output: &mut PipeReader,
    written: &mut Vec<u8>,
    limit: Duration,
    is_caught: fn() -> bool,
) -> io::Result<Option<ExitStatus>> {
    let deadline = Instant::now() + limit;
    let mut open = true;
    loop {
        let ended = child.try_wait()?;
        while open && readable(&*output, Duration::ZERO)? {
            let mut block = [0; 4096];
            let length = output.read(&mut block)?;
            open = length > 0;
            let room = MAX_OUTPUT_BYTES.saturating_sub(written.len());
            written.extend(block.iter().take(length.min(room)));
        }
        if ended.is_some() {
            return Ok(ended);
        }
        let caught = !readable_or_caught(open.then(|| output.as_fd()), POLL_INTERVAL)? && is_caught();
        if caught || Instant::now() >= deadline {
            return Ok(None);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn run(words: &[&str], limit: Duration) -> Result<(), String> {
        let mut settings = config::resolve(&Flags::default()).expect("defaults");
        settings.runner.check_program = words.iter().map(Into::into).collect();
        run_within(&settings, limit, || false).map_err(|failure| failure.to_string())
    }

    #[test]
    fn check_that_takes_too_long_ends_with_all_that_it_has_started() {
        let place = tempfile::tempdir().unwrap();
        let pids = place.path().join("pids");
        let script = format!("sleep 1000 & echo $! >{0}; echo $$ >>{0}; wait", pids.display());
        let why = run(&["sh", "-c", &script], Duration::from_secs(3)).unwrap_err();
        assert_eq!(why, "the check program 'sh' took longer than 3 seconds");
        let pids: Vec<i32> =
            fs::read_to_string(pids).unwrap().lines().map(|pid| pid.parse().unwrap()).collect();
        assert_eq!(pids.len(), 2);
        let end = Instant::now() + Duration::from_secs(30);
        while pids.iter().any(|pid| crate::sys::proc::find(*pid).is_some()) {
            assert!(Instant::now() < end, "a process of the check is left");
            std::thread::yield_now();
        }
    }

    #[test]
    fn what_a_check_leaves_behind_with_its_output_is_not_waited_for() {
        assert_eq!(run(&["sh", "-c", "sleep 2 & exit 0"], Duration::from_secs(100)), Ok(()));
        let much = run(&["sh", "-c", "head -c 300000 /dev/zero"], Duration::from_secs(100));
        assert_eq!(much, Ok(()), "what it writes does not block it");
    }

    #[test]
    fn user_that_has_gone_is_no_reason_to_run_it_as_the_caller() {
        let mut settings = config::resolve(&Flags::default()).expect("defaults");
        settings.runner.check_program = vec!["true".into()];
        settings.runner.user = Some("no-such-user".to_owned());
        let why = run_within(&settings, CHECK_TIMEOUT, || false).unwrap_err();
        assert_eq!(why.to_string(), "username no-such-user not found");
    }
}
