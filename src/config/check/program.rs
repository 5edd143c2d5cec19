//! Whether a command can be executed; if not, why.

use std::ffi::{OsStr, OsString};
use std::io::Read as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use crate::config::Runner;
use crate::sys::files::open_to_read;
use crate::sys::program;
use crate::zconfig::Environment;

/// Bytes of a script's first line that the kernel reads (execve(2)).
const MAX_FIRST_LINE_BYTES: u64 = 256;

/// How often an interpreter may itself be a script (execve(2)).
const MAX_INTERPRETERS: usize = 4;

/// Where programs are looked for.
pub(super) struct Search<'a> {
    /// PATH; empty: not set.
    pub(super) path: OsString,
    /// Whose directory relative paths start at.
    pub(super) environment: &'a Environment,
}

impl Search<'_> {
    fn find(&self, name: &OsStr) -> Result<PathBuf, String> {
        let found = program::find(name, &self.path, &self.environment.place(Path::new("")));
        found.map_err(|error| error.to_string())
    }
}

/// Finds the program that `words` begin with, as zdrun does, and sees whether it can be run.
pub(super) fn find(words: &[OsString], search: &Search<'_>) -> Result<(), String> {
    let file = search.find(words.first().ok_or("no program specified")?)?;
    check_interpreter(&file, search, MAX_INTERPRETERS)
}

/// The manager that zdctl starts, where one is configured: by Python, if its name says so.
pub(super) fn manager(runner: &Runner, search: &Search<'_>) -> Result<(), String> {
    let Some(zdrun) = &runner.zdrun else { return Ok(()) };
    let script = zdrun.extension().is_some_and(|extension| extension == "py");
    let python = runner.python.as_deref().unwrap_or(Path::new("python3"));
    let program = if script { python } else { zdrun };
    find(&[program.as_os_str().to_owned()], search)
}

/// Whether what a script names as its interpreter can be executed too.
fn check_interpreter(script: &Path, search: &Search<'_>, nesting: usize) -> Result<(), String> {
    let Some(left) = nesting.checked_sub(1) else { return Ok(()) };
    let Some((interpreter, argument)) = first_line(script) else { return Ok(()) };
    let named = |fault| format!("'{}' cannot be run by its first line: {fault}", script.display());
    // The kernel does not look along PATH.
    let is_bare = !interpreter.as_os_str().as_bytes().contains(&b'/');
    let path = if is_bare { Path::new(".").join(&interpreter) } else { interpreter.clone() };
    let file = search.find(path.as_os_str()).map_err(named)?;
    check_interpreter(&file, search, left).map_err(named)?;
    // env(1) does.
    let through_env = interpreter.file_name().is_some_and(|name| name == "env");
    match argument.filter(|name| through_env && !name.as_bytes().starts_with(b"-")) {
        Some(name) if !name.as_bytes().contains(&b'=') => {
            search.find(&name).and_then(|file| check_interpreter(&file, search, left)).map_err(named)
        }
        _ => Ok(()),
    }
}

/// The interpreter that a script names, and the first word after it. `None` also for a file that cannot be read.
fn first_line(file: &Path) -> Option<(PathBuf, Option<OsString>)> {
    let mut start = Vec::new();
    open_to_read(file).ok()?.take(MAX_FIRST_LINE_BYTES).read_to_end(&mut start).ok()?;
    let line = start.strip_prefix(b"#!")?.split(|byte| *byte == b'\n').next()?;
    let mut words = line.split(|byte| matches!(byte, b' ' | b'\t')).filter(|word| !word.is_empty());
    let interpreter = PathBuf::from(OsStr::from_bytes(words.next()?));
    Some((interpreter, words.next().map(|word| OsStr::from_bytes(word).to_owned())))
}
