//! Starting a daemon manager, and learning from it how the start of the program went.
//!
//! Our `zdrun` finds the number of a pipe in its environment ([`READY_FD`]) and writes a [`Report`] there. A peer does not,
//! and is asked for its status until it has a program.

use std::env;
use std::ffi::OsString;
use std::io::{self, PipeReader, Read as _};
use std::os::fd::AsFd as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use crate::config::{Flags, Runner};
use crate::control::{END_ONLY, MAX_REPORT, READY_FD, Report};
use crate::sys::inherit::clear_cloexec;
use crate::sys::interrupt::readable;

use super::client::Client;
use super::failure::Failure;
use super::start_watch::{StartWatch, Verdict, failed_start};
use super::ui::Ui;
use super::watch::{Event, POLL_INTERVAL, record, wait_for};

/// What came of starting a manager.
pub(super) enum LaunchOutcome {
    /// The program runs as this process.
    Running(u32),
    /// There is a manager already.
    OtherManager,
}

/// A manager that has been started, and its report.
struct Launch {
    child: Child,
    report: PipeReader,
    received: Vec<u8>,
    /// There will be no more of the report.
    ended: bool,
    /// It is known to be ours, which will report.
    ours: bool,
    /// How the start goes under a manager that does not.
    start: StartWatch,
}

/// Starts a manager for the program with these more arguments.
pub(super) fn launch(client: &Client, ui: &mut Ui<'_>, extra: &[OsString]) -> Result<LaunchOutcome, Failure> {
    let mut launch = spawn_manager(client, ui, extra)?;
    let limit = Some(client.runner().start_timeout);
    let outcome = wait_for(ui, limit, &mut launch, Launch::event, |ui, launch| launch.look(client, ui))?;
    match outcome {
        Some(outcome) => Ok(outcome),
        None => Err(Failure::start_too_long(record(client, ui)?.as_ref())),
    }
}

fn spawn_manager(client: &Client, ui: &Ui<'_>, extra: &[OsString]) -> Result<Launch, Failure> {
    let pipe = || {
        let (reader, writer) = io::pipe()?;
        let number = clear_cloexec(&writer)?;
        Ok((reader, writer, number))
    };
    let (report, writer, number) =
        pipe().map_err(|source| Failure::System { what: "cannot make a pipe", source })?;
    let (runner, flags) = (client.runner(), &client.flags);
    let (program, mut command) = manager(runner, client.settings.config_file.as_deref());
    command.args(arguments(flags, runner, extra));
    command.env(READY_FD, number.to_string());
    if is_python(runner) {
        // Ours reads the section itself, each time that it reads the file.
        command.envs(client.settings.environment.iter().map(|(name, value)| (name, value)));
    }
    if (ui.interactive || flags.interactive) && !runner.daemon {
        // In the background of the terminal: our ^C does not reach it, and it does not read what is typed to us.
        command.process_group(0).stdin(Stdio::null());
    }
    let child = command.spawn().map_err(|source| Failure::Launch { path: program, source })?;
    drop(writer);
    let start = StartWatch::new(None, runner.start_grace);
    Ok(Launch { child, report, received: Vec::new(), ended: false, ours: false, start })
}

/// Has a manager end what an earlier one left running, and start nothing; waits for its end.
pub(super) fn launch_to_end_orphans(client: &Client, ui: &mut Ui<'_>) -> Result<(), Failure> {
    let runner = client.runner();
    let (program, mut command) = manager(runner, client.settings.config_file.as_deref());
    command.args(arguments(&client.flags, runner, &[])).env(END_ONLY, "1");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().map_err(|source| Failure::Launch { path: program, source })?;
    let failed = |source| Failure::System { what: "cannot wait for the daemon manager", source };
    wait_for(ui, None, &mut child, |_| (None, POLL_INTERVAL), |_, child| child.try_wait().map_err(failed))?;
    Ok(())
}

/// A peer does not say that it found another; then there is one.
fn manager_failed(client: &Client, ui: &mut Ui<'_>, status: ExitStatus) -> Result<LaunchOutcome, Failure> {
    if record(client, ui)?.is_some() {
        return Ok(LaunchOutcome::OtherManager);
    }
    // Ended by a signal, it has not said why.
    Err(if status.code().is_some() {
        Failure::AlreadyReported
    } else {
        Failure::NotStarted(format!("zdrun: {status}"))
    })
}

impl Launch {
    /// What announces that something came of it.
    fn event(&self) -> Event<'_> {
        let report = (!self.ended).then(|| self.report.as_fd());
        let longest = if self.ours && !self.ended { Duration::MAX } else { POLL_INTERVAL };
        (report, longest)
    }

    fn look(&mut self, client: &Client, ui: &mut Ui<'_>) -> Result<Option<LaunchOutcome>, Failure> {
        let failed = |source| Failure::System { what: "cannot wait for the daemon manager", source };
        // In this order: a process that has ended has written its report before.
        let exited = self.child.try_wait().map_err(failed)?;
        self.read().map_err(failed)?;
        if self.ended && !self.received.is_empty() {
            return outcome(&String::from_utf8_lossy(&self.received)).map(Some);
        }
        match exited {
            Some(status) if !status.success() => manager_failed(client, ui, status).map(Some),
            _ => self.ask(client, ui, exited.is_some()),
        }
    }

    /// Takes in what has come of the report.
    fn read(&mut self) -> io::Result<()> {
        let mut chunk = [0; 1024];
        while !self.ended && readable(&self.report, Duration::ZERO)? {
            let length = self.report.read(&mut chunk)?;
            self.received.extend_from_slice(chunk.get(..length).unwrap_or_default());
            self.ended = length == 0 || self.received.len() > MAX_REPORT;
        }
        Ok(())
    }

    /// Whether a manager that does not report has a program. Ours will report, unless it has closed the pipe.
    fn ask(
        &mut self,
        client: &Client,
        ui: &mut Ui<'_>,
        exited: bool,
    ) -> Result<Option<LaunchOutcome>, Failure> {
        if self.ours && !self.ended {
            return Ok(None);
        }
        match record(client, ui)? {
            Some(record) if self.ended || record.version.is_none() => match self.start.judge(&record) {
                Verdict::Open => Ok(None),
                Verdict::Up(pid) => Ok(Some(LaunchOutcome::Running(pid))),
                Verdict::Failed(why) => {
                    Err(failed_start(client, &why, record.last_output.as_deref(), &record))
                }
                Verdict::Stopped => Err(Failure::NotStarted(Failure::STOPPED.to_owned())),
            },
            None if self.ended && exited => Err(match self.start.without_manager() {
                Failure::ManagerGone => Failure::NotStarted(Failure::ManagerGone.to_string()),
                failure => failure,
            }),
            record => {
                self.ours = record.is_some();
                Ok(None)
            }
        }
    }
}

fn outcome(text: &str) -> Result<LaunchOutcome, Failure> {
    match Report::parse(text) {
        Some(Report::Started(pid)) => Ok(LaunchOutcome::Running(pid)),
        Some(Report::Taken(_)) => Ok(LaunchOutcome::OtherManager),
        Some(Report::Failed(reason)) => Err(Failure::NotStarted(reason)),
        None => Err(Failure::NotStarted(format!("zdrun reports '{}'", text.escape_debug()))),
    }
}

/// The manager's file, and the command that runs it: the configured one, or ours from beside this program, or from PATH.
fn manager(runner: &Runner, config: Option<&Path>) -> (PathBuf, Command) {
    let Some(zdrun) = &runner.zdrun else {
        let path = beside_us().unwrap_or_else(|| PathBuf::from("zdrun"));
        return (path.clone(), Command::new(path));
    };
    if is_python(runner) {
        let python = runner.python.as_deref().unwrap_or(Path::new("python3"));
        let mut command = Command::new(python);
        command.arg(zdrun);
        if let Some(schema) = peer_schema(zdrun, config) {
            command.arg("-S").arg(schema);
        }
        return (python.to_owned(), command);
    }
    (zdrun.clone(), Command::new(zdrun))
}

/// Whether the manager is a script of Python.
fn is_python(runner: &Runner) -> bool {
    runner.zdrun.as_ref().and_then(|zdrun| zdrun.extension()).is_some_and(|extension| extension == "py")
}

/// The schema that the peer's manager needs to read a file which it shares with the server: by itself it takes none of
/// the server's sections. ZEO keeps it beside zdaemon.
fn peer_schema(zdrun: &Path, config: Option<&Path>) -> Option<PathBuf> {
    let text = std::fs::read_to_string(config?).ok()?;
    let is_server = |line: &str| {
        let line = line.trim_start().to_ascii_lowercase();
        line.strip_prefix("<zeo").is_some_and(|end| end.starts_with(|c: char| c == '>' || c.is_whitespace()))
    };
    let schema = zdrun.parent()?.parent()?.join("ZEO/zeoctl.xml");
    (text.lines().any(is_server) && schema.is_file()).then_some(schema)
}

fn beside_us() -> Option<PathBuf> {
    let ours = env::current_exe().and_then(std::fs::canonicalize).ok()?;
    Some(ours.with_file_name("zdrun")).filter(|path| path.is_file())
}

/// The options that were typed, but for those that concern only us, and the program's words where they are not those of
/// the configuration file: that is read by the manager, and once more at each `reload`. Python's manager gets them always.
fn arguments(flags: &Flags, runner: &Runner, extra: &[OsString]) -> Vec<OsString> {
    let mut list: Vec<OsString> = Vec::new();
    let mut option = |name: &str, value: Option<OsString>| {
        if let Some(value) = value {
            list.extend([name.into(), value]);
        }
    };
    let path = |path: &Option<PathBuf>| path.as_ref().map(|path| path.clone().into_os_string());
    let codes = |codes: &Vec<i32>| codes.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
    option("-C", path(&flags.configure));
    for setting in &flags.overrides {
        option("-X", Some(setting.into()));
    }
    option("-b", flags.backoff_limit.map(|limit| limit.to_string().into()));
    option("-s", path(&flags.socket_name));
    option("-u", flags.user.as_ref().map(Into::into));
    option("-t", path(&flags.transcript));
    option("-m", flags.umask.map(|mask| format!("{mask:03o}").into()));
    option("-x", flags.exit_codes.as_ref().map(|list| codes(list).into()));
    option("-z", path(&flags.directory));
    list.extend(flags.daemon.map(|on| if on { "-d" } else { "--no-daemon" }.into()));
    list.extend(flags.forever.then(|| "-f".into()));
    if flags.program.is_some() || !extra.is_empty() || is_python(runner) {
        // A program whose name looks like an option.
        list.push("--".into());
        list.extend(runner.program.iter().chain(extra).cloned());
    }
    list
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::resolve;

    fn words(line: &str) -> Vec<OsString> {
        line.split_whitespace().map(OsString::from).collect()
    }

    #[test]
    fn manager_gets_what_was_typed_and_the_program() {
        let mut flags = Flags { program: Some(words("sleep 9")), ..Flags::default() };
        let runner = resolve(&flags).unwrap().runner;
        assert_eq!(arguments(&flags, &runner, &[]), words("-- sleep 9"));
        flags = Flags {
            configure: Some("f".into()),
            overrides: vec!["a/b=c".to_owned(), "a/d=e".to_owned()],
            backoff_limit: Some(5),
            daemon: Some(true),
            forever: true,
            interactive: true,
            logfile: Some("log".into()),
            umask: Some(0o27),
            socket_name: Some("sock".into()),
            transcript: Some("out".into()),
            start_timeout: Some(7),
            user: Some("root".to_owned()),
            exit_codes: Some(vec![0, 3]),
            directory: Some("/".into()),
            program: flags.program,
        };
        let all = "-C f -X a/b=c -X a/d=e -b 5 -s sock -u root -t out -m 027 -x 0,3 -z / -d -f -- sleep 9 -x";
        assert_eq!(arguments(&flags, &runner, &words("-x")), words(all));
        flags = Flags { daemon: Some(false), exit_codes: Some(vec![]), ..Flags::default() };
        let typed = [words("-x"), vec![OsString::new()], words("--no-daemon")].concat();
        assert_eq!(arguments(&flags, &runner, &[]), typed, "the program is the file's");
        let more = [typed.clone(), words("-- sleep 9 more")].concat();
        assert_eq!(arguments(&flags, &runner, &words("more")), more);
        let python = Runner { zdrun: Some("/x/zdrun.py".into()), ..runner };
        assert_eq!(arguments(&flags, &python, &[]), [typed, words("-- sleep 9")].concat());
    }

    #[test]
    fn report_is_believed_where_it_makes_sense() {
        assert!(matches!(outcome("started 42\n"), Ok(LaunchOutcome::Running(42))));
        assert!(matches!(outcome("taken its pid is 7\n"), Ok(LaunchOutcome::OtherManager)));
        for (report, text) in [
            ("failed no such file\n", "program not started: no such file"),
            ("started 0\n", "program not started: zdrun reports 'started 0\\n'"),
            ("\u{1b}", "program not started: zdrun reports '\\u{1b}'"),
        ] {
            assert_eq!(outcome(report).err().expect("no start").to_string(), text);
        }
    }

    #[test]
    fn python_runs_a_manager_that_is_a_script_of_it() {
        let flags = Flags { program: Some(words("x")), ..Flags::default() };
        let mut runner = resolve(&flags).unwrap().runner;
        let seen = |runner: &Runner| {
            let (file, command) = manager(runner, None);
            assert_eq!(command.get_program(), file);
            let arguments: Vec<_> = command.get_args().map(ToOwned::to_owned).collect();
            (file, arguments)
        };
        runner.zdrun = Some("/x/zdrun".into());
        assert_eq!(seen(&runner), ("/x/zdrun".into(), vec![]));
        runner.zdrun = Some("/x/zdrun.py".into());
        assert_eq!(seen(&runner), ("python3".into(), words("/x/zdrun.py")));
        runner.python = Some("/y/python2".into());
        assert_eq!(seen(&runner), ("/y/python2".into(), words("/x/zdrun.py")));
    }
}
