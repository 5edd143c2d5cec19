//! The sections of logging.

use crate::config::datatype::{HTTP_METHOD, HTTP_URL, LOG_FORMAT, LOG_LEVEL, LOG_STYLE, SYSLOG_FACILITY};
use crate::config::format;
use crate::zconfig::{
    BOOLEAN, BYTE_SIZE, Component, DOTTED_NAME, Environment, INET_ADDRESS, INTEGER, Key, Keys, Member,
    SOCKET_ADDRESS, STRING, SectionFault, SectionRef, SectionType, Slot, ValueError,
};

pub(super) static LOGGER: Component = Component {
    package: "ZConfig.components.logger",
    needs: &[],
    abstract_types: &["zconfig.logger.handler", "zconfig.logger.log"],
    types: &[
        &LOGFILE,
        &SYSLOG,
        &WIN32_EVENTLOG,
        &HTTP_LOGGER,
        &EMAIL_NOTIFIER,
        &EVENTLOG,
        &BOTH_LOGGER,
        &BASE_LOGGER,
        &BASE_HANDLER,
    ],
    checks: &[
        ("logfile", check_logfile),
        ("syslog", format::check),
        ("win32-eventlog", format::check),
        ("http-logger", format::check),
        ("email-notifier", check_email),
    ],
};

const LEVEL: Member =
    Member::Key(Key::new("level", &LOG_LEVEL, "Records below this level are dropped.").or("info"));
const HANDLERS: Member = Member::Slot(Slot::new("handlers", "zconfig.logger.handler").many());

static EVENTLOG: SectionType = SectionType {
    name: "eventlog",
    implements: Some("zconfig.logger.log"),
    keys: Keys::Basic,
    members: &[LEVEL, HANDLERS],
    meaning: "The log of the programs themselves: any number of handler sections, in order.",
};

static BOTH_LOGGER: SectionType = SectionType {
    name: "logger",
    implements: Some("zconfig.logger.log"),
    keys: Keys::Basic,
    members: &[
        LEVEL,
        HANDLERS,
        Member::Key(Key::new("propagate", &BOOLEAN, "Pass records on to the loggers above.").or("true")),
        Member::Key(Key::new("name", &DOTTED_NAME, "Name of the logger; the root when not given.")),
    ],
    meaning: "The same as `<eventlog>`, inside `<runner>`: the manager's own log.",
};

static BASE_LOGGER: SectionType = SectionType {
    name: "zconfig.logger.base-logger",
    implements: None,
    keys: Keys::Basic,
    members: &[LEVEL, HANDLERS],
    meaning: "What loggers have in common; no file can hold one.",
};

static BASE_HANDLER: SectionType = SectionType {
    name: "zconfig.logger.base-log-handler",
    implements: None,
    keys: Keys::Basic,
    members: &[],
    meaning: "What handlers have in common; no file can hold one.",
};

/// The members of a handler: those that all have, then its own.
macro_rules! handler {
    ($($own:expr),+ $(,)?) => {
        &[
            Member::Key(Key::new("formatter", &DOTTED_NAME, "Python formatter class; only `logging.Formatter` is known.")),
            Member::Key(Key::new("dateformat", &STRING, "strftime pattern of `asctime`.").or("%Y-%m-%dT%H:%M:%S")),
            Member::Key(Key::new("level", &LOG_LEVEL, "Records below this level are not for this handler.").or("notset")),
            Member::Key(Key::new("style", &LOG_STYLE, "Placeholders of `format`: `%(x)s`; other styles are refused.").or("classic")),
            Member::Key(Key::new("arbitrary-fields", &BOOLEAN, "Let unknown fields in `format` pass.").or("false")),
            $(Member::Key($own)),+
        ]
    };
}

const LONG_FORMAT: &str = "%(asctime)s %(levelname)s %(name)s %(message)s";

static LOGFILE: SectionType = SectionType {
    name: "logfile",
    implements: Some("zconfig.logger.handler"),
    keys: Keys::Basic,
    members: handler![
        Key::new("path", &STRING, "The file; `STDOUT` and `STDERR` are the streams.").required(),
        Key::new("old-files", &INTEGER, "Number of rotated files that are kept.").or("0"),
        Key::new("max-size", &BYTE_SIZE, "Rotate before the file passes this size.").or("0"),
        Key::new("when", &STRING, "Rotate by time: unit `S`, `M`, `H`, `D`, `midnight`, `W0` to `W6`.")
            .or(""),
        Key::new("interval", &INTEGER, "Every so many units; 0 is 1.").or("0"),
        Key::new("format", &LOG_FORMAT, "Form of a record.")
            .or("------\n%(asctime)s %(levelname)s %(name)s %(message)s"),
        Key::new("encoding", &STRING, "Text encoding of the file."),
        Key::new("delay", &BOOLEAN, "Open the file at the first record.").or("false"),
    ],
    meaning: "Records go to a file, the standard output or the standard error.",
};

static SYSLOG: SectionType = SectionType {
    name: "syslog",
    implements: Some("zconfig.logger.handler"),
    keys: Keys::Basic,
    members: handler![
        Key::new("facility", &SYSLOG_FACILITY, "Facility of the records.").or("user"),
        Key::new("address", &SOCKET_ADDRESS, "Local socket, or host and port (UDP).").or("localhost:514"),
        Key::new("format", &LOG_FORMAT, "Form of a record.").or("%(name)s %(message)s"),
    ],
    meaning: "Records go to a syslog daemon.",
};

static WIN32_EVENTLOG: SectionType = SectionType {
    name: "win32-eventlog",
    implements: Some("zconfig.logger.handler"),
    keys: Keys::Basic,
    members: handler![
        Key::new("appname", &STRING, "Name of the program there.").or("Zope"),
        Key::new("format", &LOG_FORMAT, "Form of a record.").or("%(levelname)s %(name)s %(message)s"),
    ],
    meaning: "Records go to the event log of Windows; not served here.",
};

static HTTP_LOGGER: SectionType = SectionType {
    name: "http-logger",
    implements: Some("zconfig.logger.handler"),
    keys: Keys::Basic,
    members: handler![
        Key::new("url", &HTTP_URL, "Where records are sent.").or("http://localhost/"),
        Key::new("method", &HTTP_METHOD, "How.").or("GET"),
        Key::new("format", &LOG_FORMAT, "Form of a record.").or(LONG_FORMAT),
    ],
    meaning: "Records go to a web server; not served here.",
};

static EMAIL_NOTIFIER: SectionType = SectionType {
    name: "email-notifier",
    implements: Some("zconfig.logger.handler"),
    keys: Keys::Basic,
    members: handler![
        Key::new("from", &STRING, "Sender of the mails.").required(),
        Key::new("to", &STRING, "Receiver; may be given several times.").required().many(),
        Key::new("subject", &STRING, "Subject of the mails.").or("Message from Zope"),
        Key::new("smtp-server", &INET_ADDRESS, "Mail server.").or("localhost"),
        Key::new("smtp-username", &STRING, "User name there.").or(""),
        Key::new("smtp-password", &STRING, "Password there.").or(""),
        Key::new("format", &LOG_FORMAT, "Form of a record.").or(LONG_FORMAT),
    ],
    meaning: "Records go out by mail; not served here.",
};

fn check_logfile(section: SectionRef<'_>, environment: &Environment) -> Vec<SectionFault> {
    let mut faults = format::check(section, environment);
    // How the keys go together cannot be said where one has no value.
    if !section.has_faults() {
        faults.extend(check_rotation(section).err());
    }
    faults
}

fn check_rotation(section: SectionRef<'_>) -> Result<(), SectionFault> {
    let set = |key| section.integer(key).is_some_and(|number| number != 0);
    let full = |key| section.text(key).is_some_and(|text| !text.is_empty());
    let (sized, timed, kept) = (set("max-size"), full("when"), set("old-files"));
    if let Some(path @ ("STDOUT" | "STDERR")) = section.text("path") {
        let rotates = ("cannot rotate", "max-size, old-files and when are for files");
        let given = [
            ("max-size", sized, rotates),
            ("when", timed, rotates),
            ("old-files", kept, rotates),
            ("delay", section.boolean("delay") == Some(true), ("cannot delay opening", "delay is for files")),
            ("encoding", full("encoding"), ("cannot specify encoding for", "encoding is for files")),
        ];
        return match given.into_iter().find(|(_, given, ..)| *given) {
            None => Ok(()),
            Some((key, _, (what, hint))) => {
                Err(SectionFault::of(key, ValueError::new(format!("{what} {path}"), hint)))
            }
        };
    }
    let wrong = |key, what: &str, hint: &str| Err(SectionFault::of(key, ValueError::new(what, hint)));
    match (timed, sized, kept) {
        (true, true, _) => wrong("when", "both max-size and when are given", "rotate by size or by time"),
        (true, false, false) | (false, true, false) => wrong(
            if timed { "when" } else { "max-size" },
            "rotation without old-files keeps nothing",
            "old-files 5 would keep five",
        ),
        (false, false, _) if kept || set("interval") => wrong(
            if kept { "old-files" } else { "interval" },
            "neither max-size nor when is given",
            "max-size 10MB would rotate by size, when D by time",
        ),
        _ => Ok(()),
    }
}

fn check_email(section: SectionRef<'_>, environment: &Environment) -> Vec<SectionFault> {
    let mut faults = format::check(section, environment);
    let full = |key| section.text(key).is_some_and(|text| !text.is_empty());
    let (user, password) = (full("smtp-username"), full("smtp-password"));
    if user != password {
        let key = if user { "smtp-username" } else { "smtp-password" };
        let error =
            ValueError::new("only one of smtp-username and smtp-password is given", "give both or none");
        faults.push(SectionFault::of(key, error));
    }
    faults
}
