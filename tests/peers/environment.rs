//! The Python peers, in a virtual environment that the test run makes for itself under target/.
//!
//! The first test that asks makes it, under a lock, for all test processes of this checkout; it is made anew when the
//! pins change. Where it cannot be made (no Python, no network), the tests that need it say that they are skipped; with
//! CI=true they fail.

use std::fs::{self, File};
use std::io::{self, Write};
use std::panic::Location;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use nix::fcntl::{Flock, FlockArg};

/// What is installed. Interoperation is claimed with just these.
const PINS: &[&str] =
    &["ZEO==6.2", "ZODB==6.4", "zdaemon==5.2.1", "ZConfig==4.3", "zope.mkzeoinstance==6.0", "msgpack==1.2.4"];

/// The interpreter that has the peers; its neighbours are their programs (`runzeo`, `zdaemon`, `mkzeoinstance`).
///
/// `None` where it cannot be had: the test returns, having been reported as skipped.
///
/// # Panics
/// With CI=true, where a skipped claim would be an unproven one.
#[track_caller]
pub(crate) fn python() -> Option<PathBuf> {
    static PYTHON: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    match PYTHON.get_or_init(|| environment(&target().join("peers-venv"), PINS)) {
        Ok(python) => Some(python.clone()),
        Err(reason) => {
            skip(Location::caller(), &format!("the Python peers are needed: {reason}"));
            None
        }
    }
}

/// Reports the calling test as skipped.
///
/// # Panics
/// With CI=true, where a skipped claim would be an unproven one.
pub(crate) fn skip(caller: &Location<'_>, reason: &str) {
    let line = skipped(caller, reason);
    assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "{line}");
    // Not `eprintln`, which the test runner keeps to itself when the test passes. The runner may be in the middle of a
    // line.
    let _ = io::stderr().write_all(format!("\n{line}\n").as_bytes());
}

/// The line that tells of a skipped test. The runner names a test's thread after it, unless it has only one.
fn skipped(caller: &Location<'_>, reason: &str) -> String {
    let thread = std::thread::current();
    let claim = thread.name().filter(|name| *name != "main").map(ToOwned::to_owned);
    let claim = claim.unwrap_or_else(|| format!("{}:{}", caller.file(), caller.line()));
    format!("skipped: {claim}: {reason}")
}

/// The target directory: Cargo puts its `tmp` there for us.
pub(crate) fn target() -> &'static Path {
    Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("it is target/tmp")
}

/// The interpreter of the virtual environment with these packages, made if need be; or why it cannot be made.
pub(crate) fn environment(directory: &Path, pins: &[&str]) -> Result<PathBuf, String> {
    if std::env::var_os("ZEO_TOOLS").is_some_and(|tools| tools == "none") {
        return Err("no python3".to_owned());
    }
    let python = directory.join("bin/python");
    let stamp = directory.join("pins.txt");
    let pins = requirements(pins);
    let lock = File::create(directory.with_extension("lock")).map_err(|e| e.to_string())?;
    let _lock = Flock::lock(lock, FlockArg::LockExclusive).map_err(|(_, e)| e.to_string())?;
    // The stamp comes last, so that an environment with a stamp is a whole one. Scripts in it name its own path, so it
    // cannot be made elsewhere and renamed. The interpreter it links to may have gone since.
    if fs::read_to_string(&stamp).is_ok_and(|made| made == pins) && python.exists() {
        return Ok(python);
    }
    if directory.exists() {
        fs::remove_dir_all(directory).map_err(|e| e.to_string())?;
    }
    step(Command::new("python3").args(["-m", "venv"]).arg(directory))?;
    // Its advice to update itself would be taken for the reason of a failure.
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
    step(Command::new(&python).args(pip).args(pins.lines()))?;
    fs::write(&stamp, pins).map_err(|e| e.to_string())?;
    Ok(python)
}

/// The pins, one to a line.
fn requirements(pins: &[&str]) -> String {
    pins.iter().flat_map(|pin| [pin, "\n"]).collect()
}

/// Runs one step; when it fails, the reason is its last line.
fn step(command: &mut Command) -> Result<(), String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|e| format!("cannot run {program}: {e}"))?;
    if output.status.success() {
        return Ok(());
    }
    let printed = [output.stdout, output.stderr].concat();
    let printed = String::from_utf8_lossy(&printed);
    let last = printed.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("no output");
    Err(format!("{program}: {}: {last}", output.status))
}

#[test]
fn peers_are_those_that_are_pinned() {
    let Some(python) = python() else { return };
    let script = "import importlib.metadata as m, sys\nfor n in sys.argv[1:]: print(f'{n}=={m.version(n)}')";
    let names = PINS.iter().filter_map(|pin| pin.split("==").next());
    let sandbox = crate::sandbox::Sandbox::new();
    sandbox.command(python).arg("-c").arg(script).args(names).stdout(requirements(PINS)).run();
}

#[test]
fn environment_is_made_once_and_anew_when_the_pins_change() {
    let sandbox = crate::sandbox::Sandbox::new();
    let directory = sandbox.path("venv");
    if python().is_none() {
        return;
    }
    let made = |pins: &[&str]| environment(&directory, pins).expect("a bare environment can be made");
    let interpreter = made(&["pip"]);
    sandbox.write("venv/trace", "");
    assert_eq!(made(&["pip"]), interpreter);
    assert!(directory.join("trace").exists(), "made twice");
    let failure = environment(&directory, &["no-such-file.whl"]).expect_err("there is no such file");
    assert!(failure.contains("no-such-file.whl"), "{failure}");
    assert!(!directory.join("trace").exists(), "not made anew");
    assert!(!directory.join("pins.txt").exists(), "a failed environment has a stamp");
}

#[test]
fn skipped_test_is_named() {
    let line = skipped(Location::caller(), "no Python");
    let place = format!("skipped: {}:", file!());
    assert!(
        line == "skipped: peers::environment::skipped_test_is_named: no Python" || line.starts_with(&place),
        "{line}"
    );
}
