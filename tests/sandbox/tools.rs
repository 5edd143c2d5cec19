//! The programs that tests run besides our own, and the search path with just these.
//!
//! A command of a sandbox finds [`BASIC`] programs, and those [`OPTIONAL`] ones that its test has asked for with [`have`].
//! So it never finds an installed program of ours, or of the peers; and a test that uses what a machine may lack without
//! asking for it fails everywhere, not only there.

use std::cell::RefCell;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::symlink;
use std::panic::Location;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, OnceLock, PoisonError};

use super::forks;
use crate::peers::skip;

/// What every machine has on which these tests run: a shell, bash, and what Debian marks as essential.
const BASIC: &[&str] = &[
    "[",
    "awk",
    "basename",
    "bash",
    "cat",
    "chmod",
    "chown",
    "cp",
    "cut",
    "date",
    "dd",
    "diff",
    "dirname",
    "echo",
    "env",
    "expr",
    "false",
    "find",
    "flock",
    "getent",
    "grep",
    "gzip",
    "head",
    "hostname",
    "id",
    "kill",
    "ln",
    "ls",
    "mkdir",
    "mkfifo",
    "mktemp",
    "mount",
    "mv",
    "nohup",
    "od",
    "paste",
    "printf",
    "pwd",
    "readlink",
    "rm",
    "rmdir",
    "sed",
    "seq",
    "setpriv",
    "setsid",
    "sh",
    "sha256sum",
    "sleep",
    "sort",
    "stat",
    "stty",
    "sync",
    "tail",
    "tee",
    "test",
    "timeout",
    "touch",
    "tr",
    "true",
    "truncate",
    "tty",
    "umount",
    "uname",
    "uniq",
    "unshare",
    "wc",
    "xargs",
    "zcat",
];

/// What a machine may lack, by the name that tests ask for, with the programs that it brings or runs. docs/testing.md has
/// the same list, and .ci/run installs it.
const OPTIONAL: &[(&str, &[&str])] = &[
    ("busybox", &[]),
    ("dash", &[]),
    ("faketime", &[]),
    ("fish", &[]),
    ("logrotate", &[]),
    ("man", &["col", "groff", "grotty", "less", "locale", "nroff", "preconv", "tbl", "troff"]),
    ("mandoc", &[]),
    ("openssl", &[]),
    ("python3", &[]),
    ("rc-service", &[]),
    ("runsv", &["chpst", "sv", "svlogd"]),
    (
        "s6-svscan",
        &["s6-log", "s6-setuidgid", "s6-supervise", "s6-svc", "s6-svscanctl", "s6-svstat", "s6-svwait"],
    ),
    ("shellcheck", &[]),
    ("strace", &[]),
    ("systemd-analyze", &[]),
    ("systemd-sysv-generator", &[]),
    ("update-rc.d", &[]),
    ("zsh", &[]),
];

/// Where programs are looked for before the caller's search path, whose own may be wrappers (pyenv) and which may lack
/// those for administrators.
const DIRECTORIES: &[&str] = &[
    "/usr/bin",
    "/bin",
    "/usr/sbin",
    "/sbin",
    "/usr/lib/systemd/system-generators",
    "/lib/systemd/system-generators",
];

thread_local! {
    /// The directories of what this test, which is a thread, has asked for.
    static ASKED_FOR: RefCell<Vec<PathBuf>> = const { RefCell::new(Vec::new()) };
}

/// The search path of this test's commands.
pub(crate) fn search_path() -> OsString {
    static BASIC_DIRECTORY: OnceLock<PathBuf> = OnceLock::new();
    let basic = BASIC_DIRECTORY.get_or_init(|| link("basic", BASIC).expect("the basic programs are here"));
    let asked_for = ASKED_FOR.with_borrow(Clone::clone);
    std::env::join_paths([basic.clone()].into_iter().chain(asked_for))
        .expect("the checkout has no colon in its path")
}

/// Whether an optional program is here, which the commands of this test then find; if not, the test is reported as
/// skipped.
///
/// # Panics
/// With CI=true, where a skipped claim would be an unproven one.
#[track_caller]
pub(crate) fn have(tool: &str) -> bool {
    let (_, more) = OPTIONAL.iter().find(|(name, _)| *name == tool).expect("it is in the list");
    let wanted = std::env::var_os("ZEO_TOOLS").is_none_or(|tools| tools != "none");
    let directory = wanted.then(|| link(tool, &[&[tool], *more].concat())).flatten();
    let Some(directory) = directory else {
        skip(Location::caller(), &format!("no {tool}"));
        return false;
    };
    ASKED_FOR.with_borrow_mut(|asked_for| {
        if !asked_for.contains(&directory) {
            asked_for.push(directory);
        }
    });
    true
}

/// Whether strace(1) is here and can make system calls fail; as [`have`].
#[track_caller]
pub(crate) fn can_trace() -> bool {
    have("strace")
        && works("strace", &["-f", "-b", "execve", "-qq", "-e", "inject=getpid:error=EPERM:when=1", "true"])
}

/// Whether unshare(1) may make namespaces as these options say; as [`have`].
#[track_caller]
pub(crate) fn can_unshare(options: &[&str]) -> bool {
    works("unshare", &[options, &["true"]].concat())
}

#[track_caller]
fn works(program: &str, arguments: &[&str]) -> bool {
    let outcome = forks::output(Command::new(program).args(arguments).env("PATH", search_path()));
    let works = outcome.is_ok_and(|outcome| outcome.status.success());
    if !works {
        skip(Location::caller(), &format!("{program} {} does not work here", arguments.join(" ")));
    }
    works
}

/// Held while links are made.
static LINKING: Mutex<()> = Mutex::new(());

/// A directory with links to programs of these names, the same for all test processes of this checkout; `None` where the
/// first of them is not on this machine.
fn link(name: &str, programs: &[&str]) -> Option<PathBuf> {
    let found: Vec<_> = programs.iter().map(|program| (program, find(program))).collect();
    found.first()?.1.as_ref()?;
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("tools").join(name);
    let _held = LINKING.lock().unwrap_or_else(PoisonError::into_inner);
    fs::create_dir_all(&directory).expect("target/ can be written");
    for (program, target) in found {
        let Some(target) = target else { continue };
        let link = directory.join(program);
        if fs::read_link(&link).is_ok_and(|old| old == target) {
            continue;
        }
        // Another process may make it just now, or use what was there.
        let new = directory.join(format!("{program}.{}", std::process::id()));
        symlink(target, &new).and_then(|()| fs::rename(new, link)).expect("a link can be made");
    }
    Some(directory)
}

/// Where a program is.
fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let directories = DIRECTORIES.iter().map(PathBuf::from).chain(std::env::split_paths(&path));
    directories.into_iter().map(|directory| directory.join(program)).find(|path| path.is_file())
}

/// The first words of the lines between the two marks.
fn listed(file: &str, from: &str, to: &str) -> Vec<String> {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).expect("it is there");
    let (_, after) = text.split_once(from).expect("the list has a beginning");
    let (list, _) = after.split_once(to).expect("the list has an end");
    list.lines()
        .filter_map(|line| line.trim_start_matches("| ").split_whitespace().next())
        .map(str::to_owned)
        .collect()
}

#[test]
fn optional_programs_are_documented_and_installed_by_ci() {
    let names: Vec<_> = OPTIONAL.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert!(names.is_sorted());
    assert_eq!(listed("docs/testing.md", "| program | without it |\n| --- | --- |\n", "\n\n"), names);
    assert_eq!(listed(".ci/run", "\noptional='", "'"), names);
}

#[test]
fn commands_find_neither_installed_programs_of_ours_nor_what_was_not_asked_for() {
    let sandbox = super::Sandbox::new();
    let found = "for name in mkzeoinst runzeo zdctl zdrun strace; do command -v $name; done; :";
    sandbox.command("sh").args(["-c", found]).run();
    if have("strace") {
        sandbox.command("sh").args(["-c", found]).stdout("[..]/tools/strace/strace\n").run();
    }
}
