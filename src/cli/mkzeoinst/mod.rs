//! `mkzeoinst`: makes and maintains the home of a ZEO server instance.

mod arguments;
mod report;

use std::env;
use std::ffi::OsStr;
use std::io;
use std::mem::ManuallyDrop;
use std::path::{Path, PathBuf};

use clap::FromArgMatches as _;
use clap::error::ErrorKind;

use crate::exit::Exit;
use crate::instance::address::{Address, Host};
use crate::instance::existing::Existing;
use crate::instance::find::{Places, Programs};
use crate::instance::home::Home;
use crate::instance::plan::{self, Plan};
use crate::instance::settings::{self, Settings};
use crate::instance::template::Templates;
use crate::instance::{Error, Request, addresses, apply, start, variables};
use crate::sys::reason::reason;
use crate::sys::tree::Tree;
use crate::sys::user::own_uid;

use super::print_error;
use arguments::Arguments;
pub(super) use arguments::PROGRAM;
use report::Output;

/// Runs `mkzeoinst`.
#[must_use]
pub fn main() -> Exit {
    let mut output = Output::default();
    let exit = match arguments() {
        Ok(arguments) => run(&arguments, &mut output),
        Err(error) if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => {
            output.line(error.to_string().trim_end());
            Exit::Success
        }
        Err(error) => {
            complain(&format!("{}; try 'mkzeoinst --help'", first_paragraph(&error.to_string())));
            Exit::Usage
        }
    };
    match (exit, output.failure) {
        (Exit::Success, Some(error)) => {
            complain(&format!("cannot write to standard output: {}", reason(&error)));
            Exit::Failure
        }
        (exit, _) => exit,
    }
}

fn arguments() -> Result<Arguments, clap::Error> {
    Arguments::from_arg_matches(&PROGRAM.help().try_get_matches()?)
}

fn run(arguments: &Arguments, output: &mut Output) -> Exit {
    output.json = arguments.mode.json;
    let mut plan = None;
    let result = match &arguments.home {
        Some(home) => make(home, arguments, &mut plan, output),
        None => show(arguments, output),
    };
    let error = result.as_ref().err().map(ToString::to_string);
    if arguments.mode.json && arguments.home.is_some() {
        output.object(plan.as_ref(), !arguments.only_looks(), arguments.mode.diff, error.as_deref());
    }
    if let Some(error) = &error {
        complain(error);
    }
    match result {
        Ok(exit) => exit,
        Err(error) if error.is_usage() || arguments.mode.check => Exit::Usage,
        Err(_) => Exit::Failure,
    }
}

/// Makes the instance, or tells what would be done.
fn make(
    home: &OsStr,
    arguments: &Arguments,
    drawn: &mut Option<Plan>,
    output: &mut Output,
) -> Result<Exit, Error> {
    let current = current_directory()?;
    let home = Home::new(Path::new(home), &current)?;
    let tree = home.open()?;
    let existing = Existing::read(&tree, &home)?;
    let recorded = Settings::recorded(&tree, &home)?.unwrap_or_default();
    let (request, templates) = wanted(home, &existing, &recorded, arguments, &current)?;
    // The program is about to end, and to take them apart would take longer than to write the files.
    let templates = ManuallyDrop::new(templates);
    let plan = drawn.insert(plan::draw(&tree, &existing, &request, &templates, &arguments.policy())?);
    for warning in start::warnings(&request, &existing) {
        complain(&format!("warning: {warning}"));
    }
    if arguments.mode.diff {
        output.diffs(plan);
    } else if arguments.only_looks() {
        apply::foretell(plan, &tree, &mut |step| output.step(&step));
    }
    if arguments.mode.check {
        return Ok(if plan.changes() { Exit::Failure } else { Exit::Success });
    }
    if arguments.only_looks() {
        if arguments.mode.dry_run {
            output.line("Nothing was done: this was a dry run.");
        }
        return Ok(Exit::Success);
    }
    apply::run(plan, &tree, &mut |step| output.step(&step))?;
    output.line("All done.");
    if arguments.start {
        start(&tree, &request, plan, output)?;
    }
    Ok(Exit::Success)
}

/// Puts together what is wanted: the command line, under it what the instance has recorded, under that the site's
/// defaults; and with it the templates.
fn wanted(
    home: Home,
    existing: &Existing,
    recorded: &Settings,
    arguments: &Arguments,
    current: &Path,
) -> Result<(Request, Templates), Error> {
    let typed = arguments.settings(current)?;
    let known = typed.over(&existing.moved(recorded));
    let site = site_defaults(arguments, current)?;
    let mut settings = known.over(&site);
    let addresses = addresses(arguments, &mut settings, &home, existing)?;
    let programs = programs(arguments, &mut settings, &home, existing, current)?;
    let templates = Templates::with(settings.templates.as_deref(), &settings.with)?;
    let request = Request {
        home,
        addresses,
        programs,
        set: settings.values,
        recorded: recorded.over(&site).values,
        with: settings.with,
        record: (known != *recorded).then(|| known.record()),
    };
    Ok((request, templates))
}

/// The site's defaults; a file that is named must be there.
fn site_defaults(arguments: &Arguments, current: &Path) -> Result<Settings, Error> {
    let Some(named) = &arguments.values.config else {
        return Ok(Settings::read(Path::new(settings::SITE))?.unwrap_or_default());
    };
    let path = current.join(named);
    Settings::read(&path)?.ok_or_else(|| Error::system("read", &path, io::ErrorKind::NotFound.into()))
}

/// Where the server listens: as typed, else as before, else as the settings say.
fn addresses(
    arguments: &Arguments,
    settings: &mut Settings,
    home: &Home,
    existing: &Existing,
) -> Result<Vec<Address>, Error> {
    let root = own_uid() == 0;
    let parse = |text: &OsStr| Address::parse(text, root, home).map_err(Error::from);
    let typed = arguments.address.iter().chain(&arguments.values.addresses).map(|text| parse(text));
    let typed = typed.collect::<Result<Vec<_>, _>>()?;
    let set = settings.values.remove("address").unwrap_or_default();
    let before = existing.addresses();
    let unset = typed.is_empty() && before.is_empty();
    let set = set.lines().filter(|_| unset).map(|text| parse(OsStr::new(text)));
    let set = set.collect::<Result<Vec<_>, _>>()?;
    let hosts = arguments.values.host.iter().map(|host| Host::named(host));
    addresses::chosen(typed, before, set, &hosts.collect::<Result<Vec<_>, _>>()?)
}

/// The programs that the settings name, and the others where they are found.
fn programs(
    arguments: &Arguments,
    settings: &mut Settings,
    home: &Home,
    existing: &Existing,
    current: &Path,
) -> Result<Programs, Error> {
    let places = Places::new(own_executable()?.as_deref(), env::var_os("PATH").as_deref(), current);
    let mut named = |name| settings.values.remove(name).map(|path| home.path().join(path));
    let (server, zdctl, zdrun) = (named("server"), named("zdctl"), named("zdrun"));
    let typed = arguments.server.as_deref().map(|server| current.join(server));
    let server = typed.or(server).or_else(|| existing.server());
    Programs::find(&places, [server.as_deref(), zdctl.as_deref(), zdrun.as_deref()])
}

/// Where this program lies; `None` where the system has no /proc to tell it.
fn own_executable() -> Result<Option<PathBuf>, Error> {
    match env::current_exe() {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(Error::system("read", Path::new("/proc/self/exe"), error))
        }
        own => Ok(own.ok()),
    }
}

/// What needs no home.
fn show(arguments: &Arguments, output: &mut Output) -> Result<Exit, Error> {
    let current = current_directory()?;
    let settings = arguments.settings(&current)?.over(&site_defaults(arguments, &current)?);
    let templates = Templates::with(settings.templates.as_deref(), &settings.with)?;
    if arguments.values.list_variables {
        output.line(variables::table(templates.variables()).trim_end());
    }
    if let Some(name) = &arguments.sources.print_template {
        output.line(templates.text(name)?.trim_end_matches('\n'));
    }
    if let Some(directory) = &arguments.sources.export_templates {
        apply::export(&templates, &current.join(directory), &mut |step| output.step(&step))?;
    }
    if let Some(kind) = arguments.generate.kind {
        output.line(PROGRAM.generate(kind).trim_end_matches('\n'));
    }
    Ok(Exit::Success)
}

fn current_directory() -> Result<PathBuf, Error> {
    env::current_dir().map_err(|error| Error::system("find", Path::new("."), error))
}

fn start(tree: &Tree, request: &Request, plan: &Plan, output: &mut Output) -> Result<(), Error> {
    match start::addresses(tree, request, plan) {
        Ok(addresses) => {
            start::run(request, &addresses)?;
            output.line(&format!("ZEO server is listening on {}", addresses::spoken(&addresses)));
        }
        Err(why) => {
            start::run(request, &[])?;
            complain(&format!("warning: not waiting for the server: {why}"));
        }
    }
    Ok(())
}

fn complain(message: &str) {
    print_error(PROGRAM.name, Exit::Failure, &message);
}

/// The message of clap's report, without the usage that follows it, on one line.
fn first_paragraph(report: &str) -> String {
    let lines: Vec<_> = report.lines().map(str::trim).take_while(|line| !line.is_empty()).collect();
    let message = lines.join(" ");
    message.strip_prefix("error: ").unwrap_or(&message).to_owned()
}
