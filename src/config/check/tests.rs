use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};

use super::*;

/// A directory, and checks of files in it; PATH is its directory `bin`.
struct Place {
    directory: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let place = Self { directory: tempfile::tempdir().unwrap() };
        fs::create_dir(place.path("bin")).unwrap();
        place.program("bin/server", "\x7fELF");
        place.mode("", 0o755);
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn mode(&self, name: &str, mode: u32) {
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(mode)).unwrap();
    }

    fn program(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
        self.mode(name, 0o755);
    }

    /// What is found in a file, with the directory's name replaced by `@`; empty: nothing.
    fn check(&self, text: &str) -> String {
        self.check_with(text, Flags::default())
    }

    fn check_with(&self, text: &str, flags: Flags) -> String {
        fs::write(self.path("a.conf"), text).unwrap();
        self.judge(&Flags { configure: Some("a.conf".into()), ..flags })
    }

    fn judge(&self, flags: &Flags) -> String {
        let names = |path: &Path| {
            let mut names: Vec<_> = walk(path);
            names.sort();
            names
        };
        let before = names(self.directory.path());
        let variables = HashMap::from([("PATH".to_owned(), self.path("bin").to_str().unwrap().to_owned())]);
        let environment = Environment::fixed(self.directory.path().to_owned(), variables);
        let verdict =
            check_in(flags, &environment).err().map(|errors| errors.to_string()).unwrap_or_default();
        assert_eq!(names(self.directory.path()), before, "a check made or removed something");
        verdict.replace(self.directory.path().to_str().unwrap(), "@")
    }
}

fn walk(path: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(path).map(|entries| entries.map(|entry| entry.unwrap().path()).collect());
    let entries: Vec<PathBuf> = entries.unwrap_or_default();
    entries.iter().flat_map(|entry| walk(entry)).chain(entries.iter().cloned()).collect()
}

fn runner(lines: &str) -> String {
    format!("<runner>\n{lines}</runner>\n")
}

#[test]
fn what_can_be_done_is_without_fault() {
    let place = Place::new();
    fs::write(place.path("old.log"), "").unwrap();
    symlink("new.log", place.path("link.log")).unwrap();
    let log = "<eventlog>\n<logfile>\npath old.log\n</logfile>\n<logfile>\npath link.log\ndelay on\n</logfile>\n\
               <logfile>\npath STDERR\n</logfile>\n<syslog/>\n</eventlog>\n";
    let text = runner("program server -a\ndaemon on\ndirectory bin\nsocket-name s\ntranscript out\nuser 0\n");
    let text = if user::own_uid() == 0 { text } else { text.replace("user 0\n", "") };
    assert_eq!(place.check(&format!("{text}{log}")), "");
    assert_eq!(place.judge(&Flags { program: Some(vec!["server".into()]), ..Flags::default() }), "");
}

#[test]
fn everything_is_reported_in_one_run_each_with_its_place() {
    let place = Place::new();
    fs::write(place.path("bin/file"), "").unwrap();
    let text = "<runner>\n  program nope -a\n  directory bin/file\n  socket-name bin/file/s\n  transcript bin\n  \
                start-test-program ./test\n  umask 9\n  user no-such-user\n  backoff-limit -1\n</runner>\n<eventlog>\n  \
                <logfile>\n    path no/such/log\n  </logfile>\n  <logfile>\n    path x\n    encoding klingon\n  \
                </logfile>\n  <logfile>\n    path x\n    format hello\n  </logfile>\n  <http-logger/>\n</eventlog>\n";
    assert_eq!(
        place.check(text),
        "a.conf:2: program: can't find program 'nope' on PATH '@/bin'\n\
         a.conf:3: directory: can't chdir into '@/bin/file': Not a directory\n\
         a.conf:4: socket-name: cannot make '@/bin/file/s': Not a directory\n\
         a.conf:5: transcript: cannot write '@/bin': Is a directory\n\
         a.conf:6: start-test-program: can't stat program '@/./test': No such file or directory\n\
         a.conf:7: umask: '9' is not an octal number; digits 0 to 7 are, such as 022\n\
         a.conf:8: user: username 'no-such-user' not found\n\
         a.conf:9: backoff-limit: '-1' is negative; 0 to 4294967295 are possible\n\
         a.conf:13: path: cannot make '@/no/such/log': No such file or directory\n\
         a.conf:17: cannot write log file 'x' in encoding 'klingon': only utf-8, ascii and latin-1 are known\n\
         a.conf:21: invalid log format 'hello': it holds no field\n\
         a.conf:23: '<http-logger>' is not served; '<logfile>' and '<syslog>' are"
    );
}

#[test]
fn what_was_typed_has_its_place_on_the_command_line() {
    let place = Place::new();
    let flags = Flags {
        program: Some(vec!["./nope".into()]),
        directory: Some("nope".into()),
        user: Some("4000000000".into()),
        socket_name: Some("bin/no/no/s".into()),
        transcript: Some("no/out".into()),
        ..Flags::default()
    };
    let expected = "directory: can't chdir into '@/nope': No such file or directory\n\
         socket-name: cannot make directory '@/bin/no/no': No such file or directory\n\
         user: uid '4000000000' not found\n\
         program: can't stat program '@/./nope': No such file or directory\n\
         transcript: cannot make '@/no/out': No such file or directory";
    assert_eq!(place.judge(&flags), expected);
    assert_eq!(place.check_with(&runner("program server\nsocket-name s\nuser root\n"), flags), expected);
    assert_eq!(place.judge(&Flags::default()), "program: no program specified");
}

#[test]
fn a_faulty_value_is_not_reported_twice() {
    let place = Place::new();
    fs::create_dir(place.path("zdsock")).unwrap();
    assert_eq!(
        place.check(&runner("program server\nsocket-name no/such/s\n")),
        "a.conf:3: socket-name: 'no/such/s' is in a directory that does not exist; create 'no' or name an existing one"
    );
    assert_eq!(
        place.check(&runner("program 'server\nsocket-name s\n")),
        "a.conf:2: program: '\\'server' is not a command line (no closing '); quotes come in pairs, and '\\\\' is a backslash"
            .replace("'\\'server'", "\"'server\"")
    );
    assert_eq!(
        place.check(&runner("program server\n")),
        "a.conf:1: socket-name: '@/zdsock' exists and is not a socket",
        "a default has the place of its section"
    );
}

#[test]
fn programs_are_looked_for_where_zdrun_looks() {
    let place = Place::new();
    fs::create_dir(place.path("other")).unwrap();
    place.program("other/tool", "");
    fs::write(place.path("bin/text"), "").unwrap();
    let path = |name: &str| format!("<environment>\nPATH {}\n</environment>\n", place.path(name).display());
    let tool = runner("program tool\nsocket-name s\n");
    assert_eq!(place.check(&format!("{tool}{}", path("other"))), "");
    assert_eq!(place.check(&tool), "a.conf:2: program: can't find program 'tool' on PATH '@/bin'");
    let text = |program: &str| runner(&format!("program {program}\nsocket-name s\n"));
    assert_eq!(place.check(&text("text")), "a.conf:2: program: can't find program 'text' on PATH '@/bin'");
    assert_eq!(
        place.check(&text("bin/text")),
        "a.conf:2: program: no permission to run program '@/bin/text'"
    );
    assert_eq!(place.check(&text("./bin")), "a.conf:2: program: no permission to run program '@/./bin'");
}

#[test]
fn the_interpreter_of_a_script_is_looked_for_too() {
    let place = Place::new();
    let text = runner("program ./script\nsocket-name s\n");
    let verdict = |first_line: &str| {
        place.program("script", &format!("{first_line}\nexit 0\n"));
        place.check(&text)
    };
    let cannot = "a.conf:2: program: '@/./script' cannot be run by its first line: ";
    for good in [
        "#!/bin/sh",
        "#! /bin/sh -e",
        "#!bin/server",
        "#!/usr/bin/env server",
        "#!/usr/bin/env -S x",
        "exit 0",
    ] {
        assert_eq!(verdict(good), "", "{good}");
    }
    assert_eq!(
        verdict("#!/opt/nope/python -u"),
        format!("{cannot}can't stat program '/opt/nope/python': No such file or directory")
    );
    assert_eq!(verdict("#!/etc/passwd"), format!("{cannot}no permission to run program '/etc/passwd'"));
    assert_eq!(verdict("#!/usr/bin/env nope"), format!("{cannot}can't find program 'nope' on PATH '@/bin'"));
    assert_eq!(verdict("#!./script"), "", "whatever the kernel makes of that, it ends");
}

#[test]
fn a_configured_manager_is_looked_at() {
    let place = Place::new();
    fs::write(place.path("zdrun"), "").unwrap();
    fs::write(place.path("zdrun.py"), "").unwrap();
    let text = |lines: &str| runner(&format!("program server\nsocket-name s\n{lines}"));
    let zdrun = |name: &str| format!("zdrun {}\n", place.path(name).display());
    assert_eq!(
        place.check(&text(&zdrun("zdrun"))),
        "a.conf:4: zdrun: no permission to run program '@/zdrun'"
    );
    assert_eq!(
        place.check(&text(&zdrun("zdrun.py"))),
        "a.conf:4: zdrun: can't find program 'python3' on PATH '@/bin'"
    );
    place.program("bin/python3", "");
    assert_eq!(place.check(&text(&zdrun("zdrun.py"))), "");
}

#[test]
fn a_socket_needs_a_name_that_fits_and_nothing_in_its_place() {
    let place = Place::new();
    let deep = "d".repeat(150);
    fs::create_dir(place.path(&deep)).unwrap();
    let socket = |name: &str| runner(&format!("program server\nsocket-name {name}\n"));
    assert_eq!(place.check(&socket(&format!("{deep}/zdsock"))), "", "only the last part must fit");
    let long = "s".repeat(108);
    assert_eq!(
        place.check(&socket(&long)),
        format!(
            "a.conf:3: socket-name: cannot make socket '@/{long}': its name is too long; up to 81 characters are sure \
             to fit"
        )
    );
    fs::write(place.path("s"), "").unwrap();
    assert_eq!(place.check(&socket("s")), "a.conf:3: socket-name: '@/s' exists and is not a socket");
    fs::remove_file(place.path("s")).unwrap();
    let _listener = std::os::unix::net::UnixListener::bind(place.path("s")).unwrap();
    assert_eq!(place.check(&socket("s")), "");
}

/// Root may write a file whatever its mode, so as root the check is made for the user nobody.
#[test]
fn rights_are_those_of_the_user_that_will_run() {
    let place = Place::new();
    let root = user::own_uid() == 0;
    if root && user::lookup("nobody").unwrap().is_none() {
        return;
    }
    fs::create_dir(place.path("closed")).unwrap();
    fs::create_dir(place.path("open")).unwrap();
    fs::write(place.path("open/log"), "").unwrap();
    place.program("secret", "");
    place.mode("closed", 0o555);
    place.mode("open", 0o777);
    place.mode("open/log", 0o444);
    place.mode("secret", if root { 0o700 } else { 0o600 });
    let text = runner("program ./secret\nsocket-name closed/s\ntranscript closed/out\n")
        + "<eventlog>\n<logfile>\npath open/log\n</logfile>\n<logfile>\npath open/new\n</logfile>\n</eventlog>\n";
    let (user, who) = if root { (Some("nobody".to_owned()), " (as user 'nobody')") } else { (None, "") };
    assert_eq!(
        place.check_with(&text, Flags { user, ..Flags::default() }),
        format!(
            "a.conf:2: program: no permission to run program '@/./secret'{who}\n\
             a.conf:3: socket-name: cannot make '@/closed/s': Permission denied{who}\n\
             a.conf:4: transcript: cannot make '@/closed/out': Permission denied{who}\n\
             a.conf:8: path: cannot write '@/open/log': Permission denied{who}"
        )
    );
    if !root {
        let other = Flags { user: Some("root".into()), ..Flags::default() };
        let verdict = place.check_with(&runner("program server\nsocket-name s\n"), other);
        assert_eq!(verdict, "user: only root can use -u USER to change users");
    }
}

#[test]
fn a_transcript_lies_where_a_detached_manager_goes() {
    let place = Place::new();
    fs::create_dir_all(place.path("home/log")).unwrap();
    fs::create_dir(place.path("log")).unwrap();
    let text = |daemon: &str| {
        runner(&format!(
            "program server\nsocket-name s\ndaemon {daemon}\ndirectory home\ntranscript log/out\n"
        ))
    };
    assert_eq!(place.check(&text("on")), "");
    fs::remove_dir(place.path("home/log")).unwrap();
    assert_eq!(
        place.check(&text("on")),
        "a.conf:6: transcript: cannot make '@/home/log/out': No such file or directory"
    );
    assert_eq!(place.check(&text("off")), "");
}
