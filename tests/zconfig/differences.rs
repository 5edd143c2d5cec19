//! Where ours differs from ZConfig on purpose, each with its reason: in cases of the corpus, and in files of our own. A
//! difference that is not there any more fails a test, as does one that is not listed.

use std::fs;

use zeo_server::config::{Flags, Settings, resolve_in};
use zeo_server::zconfig::Environment;

use super::differential::Oracle;
use super::verdict::variables;

/// Case (without its number) and reason.
pub(super) const DIFFERENCES: &[(&str, &str)] = &[
    (
        "backslash-kept",
        "a program is split as a shell would split it, so that words may hold spaces; a backslash quotes",
    ),
    ("quotes-kept", "a program is split as a shell would split it, so that words may hold spaces"),
    ("include-package-in-section", "package: URLs name files of Python packages, which are not there"),
    ("logfile-style-format-default-fmt", ONE_STYLE),
    ("logfile-style-format-positional", ONE_STYLE),
    ("logfile-style-format-single", ONE_STYLE),
    ("logfile-style-template", ONE_STYLE),
    ("logfile-style-safe", ONE_STYLE),
    ("logfile-format-template-style-default", ONE_STYLE),
    ("logfile-size-underscore", ONE_KIND_OF_DIGITS),
    ("zeo-address-underscore-port", ONE_KIND_OF_DIGITS),
    ("int-mixed-script", ONE_KIND_OF_DIGITS),
    ("int-arabic", ONE_KIND_OF_DIGITS),
    ("octal-prefix-underscore", ONE_KIND_OF_DIGITS),
    ("octal-underscore", ONE_KIND_OF_DIGITS),
    ("int-4300-digits", ENOUGH_TIME),
    ("int-big", ENOUGH_TIME),
];

const ONE_KIND_OF_DIGITS: &str = "numbers have the digits 0 to 9 without underscores, as in all known files";
const ENOUGH_TIME: &str = "136 years are enough";
const ONE_STYLE: &str = "log formats have the classic style; no published configuration has another";

/// A file that one side refuses: what stands in `<runner>` beside the program, and behind that section; what ours says,
/// nothing where it accepts; and the reason.
type Verdict = (&'static str, &'static str, &'static str, &'static str);

const VERDICTS: &[Verdict] = &[
    (
        "backoff-limit -1\n",
        "",
        "a.conf:3: backoff-limit: '-1' is negative; 0 to 4294967295 are possible",
        "a time is not negative",
    ),
    (
        "stop-timeout 99999999999999999999\n",
        "",
        "a.conf:3: stop-timeout: '99999999999999999999' is too large",
        ENOUGH_TIME,
    ),
    (
        "backoff-limit 1_0\n",
        "",
        "a.conf:3: backoff-limit: '1_0' is not a whole number; decimal digits are, such as 10",
        ONE_KIND_OF_DIGITS,
    ),
    (
        "backoff-limit ٣\n",
        "",
        "a.conf:3: backoff-limit: '٣' is not a whole number; decimal digits are, such as 10",
        ONE_KIND_OF_DIGITS,
    ),
    (
        "umask 1777\n",
        "",
        "a.conf:3: umask: a number larger than 0777 is no mask; a mask is 0 to 0777",
        "umask(2) would drop the bits in silence",
    ),
    (
        "umask -1\n",
        "",
        "a.conf:3: umask: a negative number is no mask; a mask is 0 to 0777",
        "a mask is not negative",
    ),
    (
        "exit-codes 0,99999999999\n",
        "",
        "a.conf:3: exit-codes: '99999999999' is no exit status; 0 to 255 are, and -1 for a signal",
        "no program could end so",
    ),
    (
        "",
        "<eventlog>\n<logfile>\npath log\nmax-size 1MB\nold-files -1\n</logfile>\n</eventlog>\n",
        "a.conf:8: old-files: '-1' is negative; 0 to 4294967295 are possible",
        "less than no files cannot be kept",
    ),
    (
        "",
        "<eventlog>\n<logfile>\npath log\nstyle format\n</logfile>\n</eventlog>\n",
        "a.conf:7: style: 'format' is not a style here; only classic is; leave style out and write placeholders as %(message)s",
        ONE_STYLE,
    ),
    (
        "",
        "<eventlog>\n<http-logger/>\n</eventlog>\n",
        "a.conf:5: '<http-logger>' is not served; '<logfile>' and '<syslog>' are",
        "a log that waits for a web server stops the manager",
    ),
    (
        "",
        "<eventlog>\n<email-notifier>\nfrom a@b\nto c@d\n</email-notifier>\n</eventlog>\n",
        "a.conf:5: '<email-notifier>' is not served; '<logfile>' and '<syslog>' are",
        "a log that waits for a mail server stops the manager",
    ),
    (
        "transcript = log\n",
        "",
        "a.conf:3: transcript: '= log' begins with an equals sign; write 'transcript log', without the equals sign",
        "no file is called so but by mistake",
    ),
    (
        "",
        "%import nosuch.package\n<zeo>\n%import another.package\n</zeo>\n",
        "",
        "one file serves all programs: what sections of the others need is for these to find",
    ),
    (
        "",
        "<zeo>\nnosuch key\n</zeo>\n<mystorage>\n(odd\n</mystorage>\n",
        "",
        "one file serves all programs: sections of the others are passed over",
    ),
];

/// A file that both sides accept, and what ours makes of it.
type Meaning = (&'static str, &'static str, fn(&Settings) -> bool, &'static str);

const MEANINGS: &[Meaning] = &[
    (
        "",
        "",
        |settings| !settings.runner.daemon,
        "daemon mode is off when nothing is said, as in the beginning",
    ),
    (
        "start-test-program a 'b c'\n",
        "",
        |settings| settings.runner.start_test_program == ["a", "b c"],
        "a command is split as a shell would split it",
    ),
];

fn file(inside: &str, behind: &str) -> String {
    format!("<runner>\nprogram a\n{inside}</runner>\n{behind}")
}

#[test]
fn what_differs_is_listed_with_its_reason() {
    let Some(python) = crate::peers::python() else { return };
    let place = tempfile::tempdir().unwrap();
    let directory = place.path().canonicalize().unwrap();
    let variables = variables(&directory);
    let mut oracle = Oracle::start(&python, &directory, &variables);
    let environment = Environment::fixed(directory.clone(), variables.clone());
    let mut both = |inside: &str, behind: &str| {
        fs::write(directory.join("a.conf"), file(inside, behind)).unwrap();
        let theirs = oracle.ask("zdaemon", &directory.join("a.conf"), &[])["ok"] == true;
        let flags = Flags { configure: Some("a.conf".into()), ..Flags::default() };
        (theirs, resolve_in(&flags, &environment).map_err(|errors| errors.to_string()))
    };
    for (inside, behind, said, reason) in VERDICTS {
        let (theirs, ours) = both(inside, behind);
        assert_eq!(ours.as_ref().err().map_or("", |said| said), *said, "{reason}");
        assert_ne!(
            theirs,
            ours.is_ok(),
            "both agree on {inside}{behind}, which is listed as different: {reason}"
        );
    }
    for (inside, behind, holds, reason) in MEANINGS {
        let (theirs, ours) = both(inside, behind);
        assert!(theirs, "ZConfig refuses {inside}{behind}");
        assert!(holds(&ours.unwrap()), "{reason}");
    }
}
