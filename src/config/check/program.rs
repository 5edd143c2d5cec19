//! Whether a command can be executed.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::Read as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use super::fault::Fault;
use crate::config::Runner;
use crate::sys::files::open_to_read;
use crate::sys::process::{DEFAULT_PATH, has_execute_bit, may_execute};
use crate::zconfig::World;

/// How much of a script's first line the kernel looks at (execve(2)).
const FIRST_LINE: u64 = 256;

/// How often an interpreter may itself be a script (execve(2)).
const NESTING: usize = 4;

/// Where programs are looked for.
pub(super) struct Search<'a> {
    /// PATH; empty: not set.
    pub(super) path: OsString,
    /// What relative paths are relative to.
    pub(super) world: &'a World,
}

/// Finds the program that `words` begin with, as zdrun does, and sees whether it can be run: a word with a `/` is a path,
/// others are looked for along PATH.
pub(super) fn find(words: &[OsString], search: &Search<'_>) -> Result<PathBuf, Fault> {
    let name = words.first().ok_or(Fault::NoProgram)?;
    let file = locate(name, search)?;
    runs(&file, search, NESTING)?;
    Ok(file)
}

/// The manager that zdctl starts, where one is configured: by Python, if its name says so.
pub(super) fn manager(runner: &Runner, search: &Search<'_>) -> Result<(), Fault> {
    let Some(zdrun) = &runner.zdrun else { return Ok(()) };
    let script = zdrun.extension().is_some_and(|extension| extension == "py");
    let python = runner.python.as_deref().unwrap_or(Path::new("python3"));
    let program = if script { python } else { zdrun };
    find(&[program.as_os_str().to_owned()], search).map(drop)
}

fn locate(name: &OsStr, search: &Search<'_>) -> Result<PathBuf, Fault> {
    if name.as_bytes().contains(&b'/') {
        let file = search.world.place(Path::new(name));
        return match fs::metadata(&file) {
            Ok(_) => Ok(file),
            Err(source) => Err(Fault::NoFile { file, source }),
        };
    }
    let path = if search.path.is_empty() { OsStr::new(DEFAULT_PATH) } else { &search.path };
    let mut files = std::env::split_paths(path).map(|directory| search.world.place(&directory.join(name)));
    files.find(|file| has_execute_bit(file)).ok_or_else(|| Fault::NotOnPath {
        name: name.to_string_lossy().into_owned(),
        search: path.to_string_lossy().into_owned(),
    })
}

/// Whether a file can be executed, and what it may name as its interpreter too.
fn runs(file: &Path, search: &Search<'_>, nesting: usize) -> Result<(), Fault> {
    if file.is_dir() || !may_execute(file) {
        return Err(Fault::NotExecutable(file.to_owned()));
    }
    let Some(left) = nesting.checked_sub(1) else { return Ok(()) };
    let named = |fault| Fault::Interpreter { script: file.to_owned(), fault: Box::new(fault) };
    let Some((interpreter, argument)) = first_line(file) else { return Ok(()) };
    // The kernel does not look along PATH.
    let interpreter = search.world.place(&interpreter);
    if let Err(source) = fs::metadata(&interpreter) {
        return Err(named(Fault::NoFile { file: interpreter, source }));
    }
    runs(&interpreter, search, left).map_err(named)?;
    // env(1) does.
    let through_env = interpreter.file_name().is_some_and(|name| name == "env");
    match argument.filter(|name| through_env && !name.as_bytes().starts_with(b"-")) {
        Some(name) if !name.as_bytes().contains(&b'=') => {
            locate(&name, search).and_then(|found| runs(&found, search, left)).map_err(named)
        }
        _ => Ok(()),
    }
}

/// The interpreter that a script names, and the first word after it. A file that cannot be read tells nothing.
fn first_line(file: &Path) -> Option<(PathBuf, Option<OsString>)> {
    let mut start = Vec::new();
    open_to_read(file).ok()?.take(FIRST_LINE).read_to_end(&mut start).ok()?;
    let line = start.strip_prefix(b"#!")?.split(|byte| *byte == b'\n').next()?;
    let mut words = line.split(|byte| matches!(byte, b' ' | b'\t')).filter(|word| !word.is_empty());
    let interpreter = PathBuf::from(OsStr::from_bytes(words.next()?));
    Some((interpreter, words.next().map(|word| OsStr::from_bytes(word).to_owned())))
}
