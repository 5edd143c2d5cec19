//! `mkzeoinst`: makes and maintains the home of a ZEO server instance.

mod arguments;
mod report;

use std::env;
use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

use clap::FromArgMatches as _;
use clap::error::ErrorKind;

use crate::exit::Exit;
use crate::instance::adopt::{self, Source};
use crate::instance::home::{Home, MANAGER};
use crate::instance::installed::Installed;
use crate::instance::locate_programs::{SearchPaths, is_ours};
use crate::instance::plan::{self, Plan};
use crate::instance::resolve::{self, Options};
use crate::instance::settings::{self, Settings};
use crate::instance::template::Templates;
use crate::instance::{
    Error, Request, address, advice, apply, closing, lengths, self_signed, start, variables,
};
use crate::sys::system_error::os_error_text;
use crate::sys::tree::SafeTree;

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
            complain(&format!("cannot write to standard output: {}", os_error_text(&error)));
            Exit::Failure
        }
        (exit, _) => exit,
    }
}

fn arguments() -> Result<Arguments, clap::Error> {
    let arguments =
        Arguments::from_arg_matches(&PROGRAM.help().try_get_matches_from(arguments::words(env::args_os()))?)?;
    if arguments.generate.kind.is_some_and(|kind| PROGRAM.generate(kind).is_none()) {
        return Err(clap::Error::raw(ErrorKind::InvalidValue, "mkzeoinst has no page of this kind\n"));
    }
    Ok(arguments)
}

fn run(arguments: &Arguments, output: &mut Output) -> Exit {
    let (json, check) = (arguments.mode.json, arguments.mode.check);
    output.json = json;
    output.preview = arguments.only_looks();
    let result = match (&arguments.home, &arguments.upkeep.adopt) {
        (None, None) => show(arguments, output).map(|()| Exit::Success),
        (home, _) => {
            let prepared = Prepared::new(home.as_deref(), arguments);
            let result = match &prepared {
                Ok(prepared) => prepared.carry_out(arguments, output),
                Err(_) => Ok(Exit::Success),
            };
            let plan = prepared.as_ref().ok().map(|prepared| &prepared.plan);
            let error = prepared.as_ref().err().or(result.as_ref().err()).map(Error::to_string);
            if json {
                output.object(plan, !arguments.only_looks(), arguments.mode.diff, error.as_deref());
            }
            prepared.and(result)
        }
    };
    result.unwrap_or_else(|error| {
        complain(&error.to_string());
        if error.is_usage() || check { Exit::Usage } else { Exit::Failure }
    })
}

/// An instance that is ready to be made.
struct Prepared {
    tree: SafeTree,
    installed: Installed,
    request: Request,
    plan: Plan,
    /// What else there is to say.
    advice: Option<String>,
}

impl Prepared {
    fn new(home: Option<&OsStr>, arguments: &Arguments) -> Result<Self, Error> {
        let current = current_directory()?;
        let source = match &arguments.upkeep.adopt {
            Some(old) => {
                let old = old.as_deref().or(home).unwrap_or_default();
                Some(Source::find(Path::new(old), &current)?)
            }
            None => None,
        };
        let home = match (&source, &arguments.upkeep.adopt, home) {
            (Some(_), Some(Some(_)), Some(home)) if arguments.address.is_some() || is_port(home) => {
                return Err(Error::Address("--adopt keeps the address that the instance has".to_owned()));
            }
            (Some(_), Some(None), _) if arguments.address.is_some() => {
                return Err(Error::Address("--adopt keeps the address that the instance has".to_owned()));
            }
            (_, Some(Some(_)) | None, Some(home)) => Home::new(Path::new(home), &current)?,
            (Some(source), ..) => source.home.clone(),
            (None, _, home) => Home::new(Path::new(home.unwrap_or_default()), &current)?,
        };
        lengths::check_home(&home)?;
        let tree = home.open()?;
        let installed = Installed::read(&tree, &home)?;
        let mut settings = arguments.settings(&current)?;
        for (name, place) in source.iter().flat_map(|source| source.places(&home)) {
            settings.values.entry(name.to_owned()).or_insert(place);
        }
        let options = Options {
            settings,
            addresses: arguments.address.iter().chain(&arguments.values.addresses).cloned().collect(),
            hosts: arguments.values.host.clone(),
            self_signed: arguments.makes_certificates(),
            server: arguments.server.as_deref().map(|server| current.join(server)),
        };
        let site = site_defaults(arguments, &current)?;
        let places = SearchPaths::new(own_executable()?.as_deref(), env::var_os("PATH").as_deref(), &current);
        let mut request = resolve::resolve(home, &options, &installed, &site, &places)?;
        let templates = Templates::with(request.templates.as_deref(), &request.with)?;
        let advice = take_over(&mut request, source.as_ref(), &tree, &templates)?;
        let plan = plan::plan(&tree, &installed, &request, &templates, &arguments.policy())?;
        Ok(Self { tree, installed, request, plan, advice })
    }

    /// Shows the plan, or makes the instance.
    fn carry_out(&self, arguments: &Arguments, output: &mut Output) -> Result<Exit, Error> {
        let Self { tree, installed, request, plan, advice } = self;
        let starts = arguments.start && !arguments.only_looks();
        if let (true, Ok(addresses)) = (starts, start::addresses(tree, request, plan)) {
            start::check(request, &addresses)?;
        }
        let other = advice::on_other_address(request, installed, plan).filter(|_| arguments.names_address());
        for warning in start::warnings(request, installed).into_iter().chain(other).chain(advice.clone()) {
            complain(&format!("warning: {warning}"));
        }
        if arguments.mode.diff {
            output.diffs(plan);
        } else if arguments.only_looks() {
            apply::preview(plan, tree, &mut |change| output.change(&change, request.home.path()));
        }
        if arguments.mode.check && plan.changes() {
            return Ok(Exit::Failure);
        }
        if arguments.only_looks() {
            if arguments.mode.dry_run && !arguments.mode.check {
                output.line("Nothing was done: this was a dry run.");
            }
            return Ok(Exit::Success);
        }
        apply::run(plan, tree, &mut |change| output.change(&change, request.home.path()))?;
        output.line("All done.");
        if !plan.certificates.is_empty() {
            for line in self_signed::advice(request) {
                output.line(&line);
            }
        }
        if arguments.start {
            start(tree, request, plan, output)?;
        }
        Ok(Exit::Success)
    }
}

/// Puts what an instance of another make has into the request. Where it is not to be adopted as a whole, its manager's keys
/// still are, with a word.
fn take_over(
    request: &mut Request,
    source: Option<&Source>,
    tree: &SafeTree,
    templates: &Templates,
) -> Result<Option<String>, Error> {
    let Some(source) = source else {
        let Some((text, log)) = adopt::runner_left_in_server(tree, &request.home)? else { return Ok(None) };
        let manager = adopt::manager_from(&text, request, log.as_deref());
        request.adopted.extend(manager.map(|manager| (MANAGER.to_owned(), manager)));
        let home = advice::word(&request.home.path().display().to_string());
        return Ok(Some(format!(
            "etc/zeo.conf has a section <runner>, whose keys etc/zeoctl.conf has too; to take the instance over: mkzeoinst \
             --adopt {home}"
        )));
    };
    source.check_move(&request.home)?;
    if is_ours(Path::new(&request.programs.server)) {
        source.check_server()?;
    }
    let addresses = source.addresses();
    if !addresses.is_empty() {
        request.addresses = addresses;
    }
    let rendered = templates.render(request)?.into_iter().find(|file| file.name == MANAGER);
    let texts = source.texts(request, &rendered.map(|file| file.contents).unwrap_or_default());
    request.adopted.extend(texts.into_iter().map(|(name, text)| (name.to_owned(), text)));
    Ok(None)
}

/// Whether a word is an address and no directory.
fn is_port(word: &OsStr) -> bool {
    let text = word.to_string_lossy();
    let port = text.rsplit(':').next().unwrap_or_default();
    !text.contains('/') && !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit())
}

/// The site's defaults; a file that is named must be there.
fn site_defaults(arguments: &Arguments, current: &Path) -> Result<Settings, Error> {
    let Some(named) = &arguments.values.config else {
        return Ok(Settings::read(Path::new(settings::SITE))?.unwrap_or_default());
    };
    let path = current.join(named);
    Settings::read(&path)?.ok_or_else(|| Error::system("read", &path, io::ErrorKind::NotFound.into()))
}

/// Where this program lies; `None` where there is no /proc.
fn own_executable() -> Result<Option<PathBuf>, Error> {
    match env::current_exe() {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(Error::system("read", Path::new("/proc/self/exe"), error))
        }
        own => Ok(own.ok()),
    }
}

/// What needs no home.
fn show(arguments: &Arguments, output: &mut Output) -> Result<(), Error> {
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
        let directory = current.join(directory);
        apply::export(&templates, &directory, &mut |change| output.change(&change, &directory))?;
    }
    if let Some(text) = arguments.generate.kind.and_then(|kind| PROGRAM.generate(kind)) {
        output.line(text.trim_end_matches('\n'));
    }
    Ok(())
}

fn current_directory() -> Result<PathBuf, Error> {
    env::current_dir().map_err(|error| Error::system("find", Path::new("."), error))
}

fn start(tree: &SafeTree, request: &Request, plan: &Plan, output: &mut Output) -> Result<(), Error> {
    match start::addresses(tree, request, plan) {
        Ok(addresses) => {
            start::run(request, &addresses)?;
            output.line(&format!("ZEO server is listening on {}", address::describe_all(&addresses)));
            for line in closing::lines(request, &addresses) {
                output.line(&line);
            }
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
