//! `show` and `check`: the settings in force and what runs here, and the configuration as it is now.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use crate::config::{self, Settings};
use crate::control::repr::{Escapes, quote, quote_list};
use crate::eventlog::Target;
use crate::exit::Exit;
use crate::sys::signal_names;

use super::client::Client;
use super::failure::Failure;
use super::ui::Ui;
use super::{check_program, help, history};

/// Reads the file again, with the options of this session; the settings in force stay what they are.
pub(super) fn check(client: &Client, ui: &mut Ui<'_>) -> Result<Exit, Failure> {
    check_program::check(&client.flags)?;
    ui.say(config::CHECK_PASSED)?;
    Ok(Exit::Success)
}

pub(super) fn show(client: &Client, ui: &mut Ui<'_>, topic: &OsStr) -> Result<Exit, Failure> {
    let options = || options(&client.settings, client.flags.interactive);
    let text = match topic.as_bytes() {
        b"" | b"options" => options(),
        b"python" => implementation(),
        b"all" => format!("{}\n{}", options(), implementation()),
        unknown => {
            let unknown = String::from_utf8_lossy(unknown).into_owned();
            ui.say(format_args!("no such topic: {unknown}"))?;
            ui.say(help::text("show").unwrap_or_default())?;
            return Ok(Exit::Usage);
        }
    };
    ui.say(text.trim_end_matches('\n'))?;
    Ok(Exit::Success)
}

/// The peers' rows in their order and in Python's notation, then ours.
fn options(settings: &Settings, interactive: bool) -> String {
    let runner = &settings.runner;
    let codes: Vec<_> = runner.exit_codes.iter().map(ToString::to_string).collect();
    let rows = [
        ("schemafile", "None".to_owned()),
        ("configfile", path(settings.config_file.as_ref())),
        ("zdrun", path(runner.zdrun.as_ref())),
        ("python", path(runner.python.as_ref())),
        ("program", quote_list(&runner.program)),
        ("backofflimit", runner.backoff_limit.as_secs().to_string()),
        ("daemon", boolean(runner.daemon)),
        ("forever", boolean(runner.forever)),
        ("sockname", text(runner.socket_name.as_os_str())),
        ("exitcodes", format!("[{}]", codes.join(", "))),
        ("user", runner.user.as_ref().map_or_else(|| "None".to_owned(), |user| text(OsStr::new(user)))),
        ("umask", format!("0o{:o}", runner.umask)),
        ("directory", path(runner.directory.as_ref())),
        ("logfile", path(runner.logfile.as_ref())),
        ("transcript", path(runner.transcript.as_ref())),
        ("interactive", boolean(interactive)),
        ("default_to_interactive", boolean(runner.default_to_interactive)),
        ("hang_around", boolean(runner.hang_around)),
        ("check_program", quote_list(&runner.check_program)),
        ("start_test_program", quote_list(&runner.start_test_program)),
        ("start_grace", runner.start_grace.as_secs().to_string()),
        ("notify", boolean(runner.notify)),
        ("start_timeout", runner.start_timeout.as_secs().to_string()),
        ("stop_timeout", runner.stop_timeout.as_secs().to_string()),
        ("stop_group", boolean(runner.stop_group)),
        ("stop_signal", signal_names::name(runner.stop_signal).unwrap_or_default()),
        ("pid_file", path(runner.pid_file.as_ref())),
        ("manager_pid_file", path(runner.manager_pid_file.as_ref())),
        ("prompt", text(OsStr::new(&runner.prompt))),
        ("editing_mode", format!("'{}'", runner.editing_mode.name())),
        ("history", path(if runner.history { history::file() } else { None }.as_ref())),
        ("environment", environment(settings)),
        ("eventlog", event_log(settings)),
    ];
    table("zdctl/zdrun options:", &rows)
}

/// As a dictionary of Python.
fn environment(settings: &Settings) -> String {
    let pairs = settings.environment.iter();
    let pairs: Vec<_> =
        pairs.map(|(name, value)| format!("{}: {}", text(name.as_ref()), text(value.as_ref()))).collect();
    format!("{{{}}}", pairs.join(", "))
}

/// Where the manager's log goes.
fn event_log(settings: &Settings) -> String {
    let Some(log) = &settings.event_log else { return "None".to_owned() };
    let targets = log.handlers.iter().map(|handler| match &handler.target {
        Target::Stdout => "STDOUT".into(),
        Target::Stderr => "STDERR".into(),
        Target::File(file) => file.path.clone().into_os_string(),
        Target::Syslog(_) => "syslog".into(),
    });
    quote_list(&targets.collect::<Vec<OsString>>())
}

fn implementation() -> String {
    let arguments: Vec<OsString> = env::args_os().collect();
    let rows = [
        ("Version", concat!(env!("CARGO_PKG_NAME"), " ", env!("CARGO_PKG_VERSION")).to_owned()),
        ("Platform", format!("{}-{}", env::consts::OS, env::consts::ARCH)),
        ("Executable", path(env::current_exe().ok().as_ref())),
        ("Arguments", quote_list(&arguments)),
        ("Directory", path(env::current_dir().ok().as_ref())),
    ];
    table("zdctl info:", &rows)
}

/// Labels in a column of 13; a longer one moves its value.
fn table(header: &str, rows: &[(&str, String)]) -> String {
    let mut lines = format!("{header}\n");
    for (name, value) in rows {
        // Writing to a String cannot fail.
        let _ = writeln!(lines, "{:<13} {value}", format!("{name}:"));
    }
    lines
}

fn path(path: Option<&PathBuf>) -> String {
    path.map_or_else(|| "None".to_owned(), |path| text(Path::as_os_str(path)))
}

fn text(text: &OsStr) -> String {
    quote(text.as_bytes(), Escapes::Characters)
}

fn boolean(value: bool) -> String {
    if value { "True" } else { "False" }.to_owned()
}
