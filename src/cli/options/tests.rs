use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;

use super::*;
use crate::config::Flags;

fn words(line: &[&str]) -> Vec<OsString> {
    line.iter().map(OsString::from).collect()
}

fn flags(line: &[&str]) -> Flags {
    zdctl(&words(line)).unwrap_or_else(|outcome| panic!("{line:?}: {outcome:?}")).flags
}

fn complaint(line: &[&str]) -> String {
    match zdctl(&words(line)) {
        Err(Outcome::Usage(error)) => error.to_string(),
        other => panic!("{line:?}: {other:?}"),
    }
}

#[test]
fn every_option_is_taken_short_and_long() {
    let expected = Flags {
        configure: Some("f".into()),
        overrides: vec!["a/b=c".to_owned()],
        program: Some(vec!["sleep".into(), "9".into()]),
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
    };
    let short = "-C f -X a/b=c -b 5 -d -f -i -l log -m 27 -s sock -t out -T 7 -u root -x 0,3 -z / -S schema";
    let mut short: Vec<_> = short.split(' ').collect();
    short.extend(["-p", "sleep 9"]);
    assert_eq!(flags(&short), expected);
    let long = "--configure f -X a/b=c --backoff-limit 5 --daemon --forever --interactive --logfile log \
        --umask 27 --socket-name sock --transcript out --start-timeout 7 --user root --exit-codes 0,3 \
        --directory / --schema schema";
    let mut long: Vec<_> = long.split(' ').collect();
    long.extend(["--program", "sleep 9"]);
    assert_eq!(flags(&long), expected);
    assert!(zdctl(&words(&short)).expect("valid").schema_given);
}

#[test]
fn options_are_taken_as_getopt_takes_them() {
    for (line, same) in [
        (&["-dfb5"][..], &["-d", "-f", "-b", "5"][..]),
        (&["-sx"], &["-s", "x"]),
        (&["--socket-name=x"], &["-s", "x"]),
        (&["--so", "x"], &["-s", "x"]),
        (&["--conf=x"], &["-C", "x"]),
        (&["--configuration", "x"], &["-C", "x"]),
        (&["-p", "-x y"], &["--program=-x y"]),
        (&["-s", "--"], &["--socket-name=--"]),
        (&["-d", "-d", "-b", "5", "-b5"], &["-d", "-b", "5"]),
        (&["-p", "'a b' c"], &["-p", "\"a b\" c"]),
        (&["-p", "a\u{a0}b"], &["-p", "a b"]),
        (&["-b", " +10 "], &["-b", "10"]),
        (&["-m", "0o77"], &["-m", "77"]),
        (&["-x", " 1 , -1"], &["-x", "1,-1"]),
    ] {
        assert_eq!(flags(line), flags(same), "{line:?}");
    }
    assert_eq!(flags(&["-p", "'a b' c"]).program, Some(words(&["a b", "c"])));
    assert_eq!(flags(&["--no-daemon"]).daemon, Some(false));
}

#[test]
fn options_end_at_the_first_positional() {
    for (line, action) in [
        (&["-d", "start", "-x", "--help"][..], &["start", "-x", "--help"][..]),
        (&["--", "-x"], &["-x"]),
        (&["start", "--", "-x"], &["start", "--", "-x"]),
        (&["kill", "-9"], &["kill", "-9"]),
        (&["-"], &["-"]),
        (&[], &[]),
    ] {
        let typed = zdctl(&words(line)).unwrap_or_else(|outcome| panic!("{line:?}: {outcome:?}"));
        assert_eq!(typed.action, words(action), "{line:?}");
    }
}

#[test]
fn complaints_have_the_peers_words() {
    for (line, text) in [
        (&["-Q"][..], "option -Q not recognized"),
        (&["-dQ"], "option -Q not recognized"),
        (&["--bogus=1"], "option --bogus not recognized"),
        (&["--s=1"], "option --s not a unique prefix"),
        (&["-s"], "option -s requires argument"),
        (&["-ds"], "option -s requires argument"),
        (&["--socket-name"], "option --socket-name requires argument"),
        (&["--daemon=yes"], "option --daemon must not have an argument"),
        (&["-b", "x"], "invalid value for -b: 'x' is not a whole number; decimal digits are, such as 10"),
        (&["-b", "-1"], "invalid value for -b: '-1' is negative; 0 to 4294967295 are possible"),
        (
            &["-b", "4294967296"],
            "invalid value for -b: '4294967296' is too large; 0 to 4294967295 are possible",
        ),
        (&["-m", "-1"], "invalid value for -m: a negative number is no mask; a mask is 0 to 0777"),
        (&["-m", "9"], "invalid value for -m: '9' is not an octal number; digits 0 to 7 are, such as 022"),
        (&["-T", ""], "invalid value for -T: '' is not a whole number; decimal digits are, such as 10"),
        (&["-x", "0,a"], "invalid value for -x: 'a' is not a whole number; decimal digits are, such as 10"),
        (
            &["-z", "/no/x"],
            "invalid value for -z: '/no/x' is not an existing directory; create it or name one that exists",
        ),
        (
            &["-s", "/no/x/y"],
            "invalid value for -s: '/no/x/y' is in a directory that does not exist; create '/no' or name an existing one",
        ),
        (
            &["-t", "/no/x"],
            "invalid value for -t: '/no/x' is in a directory that does not exist; create the directory '/no' or name an existing one",
        ),
        (
            &["-x", "99999999999"],
            "invalid value for -x: '99999999999' is no exit status; 0 to 255 are, and -1 for a signal",
        ),
        (&["-m", "1000"], "invalid value for -m: a number larger than 0777 is no mask; a mask is 0 to 0777"),
        (
            &["-p", "a 'b"],
            "invalid value for -p: \"a 'b\" is not a command line (no closing '); quotes come in pairs, and '\\\\' is a backslash",
        ),
        (&["-b", "1", "-b", "2"], "conflicting command line option '-b'"),
        (&["-d", "--no-daemon"], "conflicting command line option '-d'"),
        (&["-X", "a=b"], "configuration overrides (-X) cannot be used without a configuration file"),
    ] {
        assert_eq!(complaint(line), text, "{line:?}");
    }
}

#[test]
fn bytes_that_are_not_utf8_are_complained_about_where_text_is_needed() {
    let odd = || OsString::from(OsStr::from_bytes(b"\xff"));
    let line = |option: &str| [OsString::from(option), odd()];
    assert_eq!(zdctl(&line("-s")).expect("a path is bytes").flags.socket_name, Some(odd().into()));
    let Err(Outcome::Usage(error)) = zdctl(&line("-u")) else { panic!("a user is text") };
    assert_eq!(error.to_string(), "invalid value for -u: '\u{fffd}' is not UTF-8");
}

#[test]
fn help_and_version_are_texts() {
    for (line, part) in [
        (&["-h"][..], "Usage: zdctl [OPTIONS] [ACTION]..."),
        (&["--help"], "--backoff-limit <SECONDS>"),
        (&["--he"], "Actions:\n  start "),
        (&["--generate", "complete-fish"], "complete -c zdctl"),
        (&["--version"], concat!("zdctl ", env!("CARGO_PKG_VERSION"), "\n")),
    ] {
        match zdctl(&words(line)) {
            Err(Outcome::Text(text)) => assert!(text.contains(part), "{line:?}: {text}"),
            other => panic!("{line:?}: {other:?}"),
        }
    }
}

#[test]
fn zdrun_takes_its_program_from_the_positionals() {
    let ManagerTyped { flags, check } = zdrun(&words(&["-dS", "x", "-b5", "sleep", "-d"])).expect("valid");
    assert!(!check && zdrun(&words(&["--check"])).expect("valid").check);
    assert_eq!(flags.program, Some(words(&["sleep", "-d"])));
    assert_eq!((flags.daemon, flags.backoff_limit), (Some(true), Some(5)));
    assert_eq!(zdrun(&[]).expect("valid").flags.program, None);
    for option in ["-p", "-l", "-i", "-T"] {
        let unknown = UsageError::Unknown(option.to_owned());
        assert_eq!(zdrun(&words(&[option, "x"])), Err(Outcome::Usage(unknown)));
    }
}
