//! `<eventlog>` as the event log's own settings.

use std::path::PathBuf;

use super::Errors;
use super::format::layout;
use super::option_values::{seconds_of, size_of};
use crate::eventlog::{Handler, Layout, Level, LogFile, Rotation, Settings, Syslog, SyslogAddress, Target};
use crate::zconfig::{Address, ErrorKind, Problem, SectionRef, Tree, Value};

/// The log of the server where none is configured: INFO and above on stderr, each record after a line of dashes, as the
/// founding document shows it.
pub(super) fn on_stderr() -> Settings {
    let layout = Layout {
        format: "------\n%(asctime)s %(levelname)s %(name)s %(message)s".to_owned(),
        dateformat: "%Y-%m-%dT%H:%M:%S".to_owned(),
        arbitrary_fields: false,
    };
    let handler = Handler { level: Level::NOTSET, layout, target: Target::Stderr };
    Settings { level: Level::INFO, handlers: vec![handler] }
}

/// The section of the event log in force for the manager: the one inside `<runner>` before the one of the whole file.
pub(super) fn log_section(tree: &Tree) -> Option<SectionRef<'_>> {
    let root = tree.root()?;
    let own = root.section("runner").and_then(|runner| runner.section("eventlog"));
    own.or_else(|| root.section("eventlog"))
}

/// Its handlers, in file order.
pub(super) fn handlers(tree: &Tree) -> impl Iterator<Item = SectionRef<'_>> {
    log_section(tree).into_iter().flat_map(|log| log.sections("handlers"))
}

/// The settings of a section.
pub(super) fn event_log(section: SectionRef<'_>) -> Settings {
    let handler = |handler| {
        let target = target(handler)?;
        Some(Handler { level: level(handler), layout: layout(handler), target })
    };
    Settings { level: level(section), handlers: section.sections("handlers").filter_map(handler).collect() }
}

/// Handlers that are not served are refused, each with its place.
pub(super) fn check<'a>(handlers: impl Iterator<Item = SectionRef<'a>>, faults: &mut Errors) {
    for handler in handlers.filter(|handler| target(*handler).is_none()) {
        let what = format!("'<{}>' is not served; '<logfile>' and '<syslog>' are", handler.kind().name);
        faults.add(Problem::new(ErrorKind::Other(what), handler.at().clone()));
    }
}

/// Where a handler's records go; `None`: it is not served.
pub(super) fn target(handler: SectionRef<'_>) -> Option<Target> {
    Some(match handler.kind().name {
        "logfile" => match handler.text("path").unwrap_or_default() {
            "STDOUT" => Target::Stdout,
            "STDERR" => Target::Stderr,
            path => Target::File(LogFile {
                path: PathBuf::from(path),
                rotation: rotation(handler),
                delay: handler.boolean("delay") == Some(true),
                encoding: handler.text("encoding").filter(|name| !name.is_empty()).map(str::to_owned),
            }),
        },
        "syslog" => Target::Syslog(Syslog {
            facility: handler.text("facility").unwrap_or_default().to_owned(),
            address: syslog_address(handler),
        }),
        _ => return None,
    })
}

fn level(section: SectionRef<'_>) -> Level {
    Level(section.integer("level").and_then(|level| u8::try_from(level).ok()).unwrap_or_default())
}

/// The rotation; the schema has made sure that the keys go together.
fn rotation(handler: SectionRef<'_>) -> Rotation {
    let number = |key| handler.value(key).and_then(|value| seconds_of(value).ok()).unwrap_or_default();
    let when = handler.text("when").unwrap_or_default();
    let old_files = number("old-files");
    if !when.is_empty() {
        return Rotation::Time { when: when.to_owned(), interval: number("interval").max(1), old_files };
    }
    match handler.value("max-size").map(size_of) {
        Some(Ok(max_size)) if max_size > 0 => Rotation::Size { max_size, old_files },
        _ => Rotation::None,
    }
}

fn syslog_address(handler: SectionRef<'_>) -> SyslogAddress {
    /// Where syslog daemons listen (RFC 5426).
    const PORT: u16 = 514;
    match handler.value("address") {
        Some(Value::Address(Address::Unix(path))) => SyslogAddress::Unix(path.clone()),
        Some(Value::Address(Address::Inet { host, port })) => {
            let host = if host.is_empty() { "localhost" } else { host };
            SyslogAddress::Udp { host: host.to_owned(), port: port.unwrap_or(PORT) }
        }
        _ => SyslogAddress::Udp { host: "localhost".to_owned(), port: PORT },
    }
}
