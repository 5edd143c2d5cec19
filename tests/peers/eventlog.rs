//! The `%` formats of the event log against Python's logging and `ZConfig`: the same verdict on each and the same line.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use zeo_server::eventlog::{EventLog, Handler, Layout, Level, LogFile, Rotation, Settings, Target};

use crate::sandbox::forks;

/// Judges each line `ARBITRARY HEX`: `ok`, or the exception's type, as a load would meet it.
const JUDGE: &str = "
import sys
from types import SimpleNamespace
from ZConfig.components.logger.formatter import FormatterFactory
for line in sys.stdin:
    arbitrary, text = (line + ' ').split(' ')[:2]
    section = SimpleNamespace(format=bytes.fromhex(text.strip()).decode(), dateformat='', style='classic',
                              formatter=None, arbitrary_fields=arbitrary == 'true')
    try:
        FormatterFactory(section)
        print('ok')
    except Exception as error:
        print(type(error).__name__)
";

/// Writes what logging makes of a record, for each line as above; the first argument is the record.
const WRITE: &str = "
import ast, logging, sys
logging.addLevelName(15, 'BLATHER')
known = ast.literal_eval(sys.argv[1])
for line in sys.stdin:
    arbitrary, text = (line + ' ').split(' ')[:2]
    record = logging.LogRecord('peer.test', 15, 'x', 1, 'a \\'message\\' \\xe9\\U0001f600', (), None)
    record.__dict__.update(known)
    format = logging.Formatter(bytes.fromhex(text.strip()).decode(), sys.argv[2] or None, validate=False)
    try:
        print(format.format(record).encode().hex())
    except Exception as error:
        print('!', type(error).__name__)
";

/// The message of the record that is written.
const MESSAGE: &str = "a 'message' é😀";

/// A record's own values, which Python's record is given.
const VALUES: &str = "{'created': %(created)r, 'msecs': %(msecs)r, 'relativeCreated': %(relativeCreated)r, \
     'thread': %(thread)r, 'threadName': %(threadName)r, 'process': %(process)r, 'lineno': %(lineno)r, \
     'pathname': %(pathname)r, 'filename': %(filename)r, 'module': %(module)r, 'funcName': %(funcName)r}";

/// What random formats are made of: pieces that Python gives a meaning, and a few that it gives none.
const PATTERN: &str = "(%|%%|x|é|\n|%\\((name|levelno|lineno|message|asctime|created|msecs|args|exc_info|foo)\\)\
    [-+ #0]{0,3}([0-9]|1[0-9])?(\\.[0-9]?)?[hlL]?[diouxXeEfFgGcrsayz%]|%\\(|%[-0]?[0-9]?[sdry]|\\)|%\\*d){1,3}";

/// Random formats, always the same.
fn formats() -> Vec<Layout> {
    let strategy = proptest::string::string_regex(PATTERN).expect("a sound pattern");
    let mut runner = TestRunner::deterministic();
    let mut next = |number: usize| {
        let format = strategy.new_tree(&mut runner).expect("no filter").current();
        Layout { format, dateformat: String::new(), arbitrary_fields: number.is_multiple_of(4) }
    };
    (0..1500).map(&mut next).collect()
}

/// What Python prints, a line for each layout.
fn ask(python: &Path, script: &str, arguments: &[&str], layouts: &[Layout]) -> Vec<String> {
    let mut command = Command::new(python);
    command.arg("-c").arg(script).args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = forks::start(|| command.spawn()).expect("the peer runs");
    let mut input = child.stdin.take().expect("a pipe");
    let mut lines = String::new();
    for layout in layouts {
        write!(lines, "{} ", layout.arbitrary_fields).expect("memory");
        layout.format.bytes().for_each(|byte| write!(lines, "{byte:02x}").expect("memory"));
        lines.push('\n');
    }
    let writer = std::thread::spawn(move || input.write_all(lines.as_bytes()));
    let output = child.wait_with_output().expect("the peer ends");
    writer.join().expect("no panic").expect("the peer reads");
    assert!(output.status.success(), "the peer failed");
    let printed = String::from_utf8(output.stdout).expect("ASCII");
    let lines: Vec<String> = printed.lines().map(ToOwned::to_owned).collect();
    assert_eq!(lines.len(), layouts.len());
    lines
}

fn unhex(text: &str) -> String {
    let byte = |index: usize| u8::from_str_radix(&text[index..index + 2], 16).expect("hexadecimal");
    String::from_utf8((0..text.len()).step_by(2).map(byte).collect()).expect("UTF-8")
}

#[test]
fn formats_are_judged_as_by_the_peer() {
    let Some(python) = crate::peers::python() else { return };
    let layouts = formats();
    let answers = ask(&python, JUDGE, &[], &layouts);
    let (mut refused, mut accepted, mut differing) = (0, 0, Vec::new());
    for (layout, answer) in layouts.iter().zip(answers) {
        let ours = layout.check();
        if ours.is_ok() != (answer == "ok") {
            differing.push(format!("{:?}: ours {ours:?}, theirs {answer:?}", layout.format));
        }
        *if ours.is_ok() { &mut accepted } else { &mut refused } += 1;
    }
    assert!(differing.is_empty(), "{}", differing.join("\n"));
    assert!(accepted > 100 && refused > 100, "one-sided formats: {accepted} sound, {refused} faulty");
}

#[test]
fn formats_are_written_as_by_the_peer() {
    let Some(python) = crate::peers::python() else { return };
    let sandbox = crate::sandbox::Sandbox::new();
    let sound = |layout: &Layout| !layout.arbitrary_fields && layout.check().is_ok() && layout.has_field();
    let layouts: Vec<Layout> = formats().into_iter().filter(sound).collect();
    let target = |name: &str| {
        let path = sandbox.path(name);
        Target::File(LogFile { path, rotation: Rotation::None, delay: true, encoding: None })
    };
    let values = Layout { format: VALUES.to_owned(), ..layouts[0].clone() };
    let mut handlers = vec![Handler { level: Level::NOTSET, layout: values, target: target("values") }];
    for (number, layout) in layouts.iter().enumerate() {
        let target = target(&number.to_string());
        handlers.push(Handler { level: Level::NOTSET, layout: layout.clone(), target });
    }
    // A file for each: as many as a process may open are opened one after another.
    for some in handlers[1..].chunks(200) {
        let mut settings = Settings { level: Level::ALL, handlers: vec![handlers[0].clone()] };
        settings.handlers.extend_from_slice(some);
        let log = EventLog::open(&settings).expect("a sound log");
        log.log(Level::BLATHER, "peer.test", format_args!("{MESSAGE}"));
        let values = fs::read_to_string(sandbox.path("values")).expect("written");
        fs::remove_file(sandbox.path("values")).expect("there");
        let layouts: Vec<Layout> = some.iter().map(|handler| handler.layout.clone()).collect();
        let answers = ask(&python, WRITE, &[values.trim_end(), ""], &layouts);
        for (handler, answer) in some.iter().zip(answers) {
            let Target::File(file) = &handler.target else { panic!("a file") };
            let ours = fs::read_to_string(&file.path).expect("written");
            compare(&handler.layout.format, &ours, &answer);
        }
    }
}

fn compare(format: &str, ours: &str, answer: &str) {
    // A character beyond Unicode, which a process number can be.
    if answer == "! OverflowError" || answer == "! ValueError" && format.contains('c') {
        return;
    }
    assert!(!answer.starts_with('!'), "{format:?}: {answer}");
    let theirs = unhex(answer) + "\n";
    // A bare `%s` is the whole record as a dictionary there, the message here.
    if theirs.contains("{'name': ") {
        return;
    }
    assert_eq!(ours, theirs, "{format:?}");
}

#[test]
fn dates_are_written_as_by_the_peer() {
    let Some(python) = crate::peers::python() else { return };
    let sandbox = crate::sandbox::Sandbox::new();
    for pattern in ["%Y-%m-%dT%H:%M:%S", "%c %Z %z", "%j|%U|%%|%s é", "%", "%Q %-d", "%x%X%p %A %b", " ", ""]
    {
        let format = "%(asctime)s".to_owned();
        let dated = Layout { format, dateformat: pattern.into(), arbitrary_fields: false };
        let values = Layout { format: VALUES.to_owned(), ..dated.clone() };
        let handler = |name: &str, layout: &Layout| {
            let path = sandbox.path(name);
            let file = LogFile { path, rotation: Rotation::None, delay: false, encoding: None };
            Handler { level: Level::NOTSET, layout: layout.clone(), target: Target::File(file) }
        };
        let handlers = vec![handler("values", &values), handler("dated", &dated)];
        let log = EventLog::open(&Settings { level: Level::ALL, handlers }).expect("a sound log");
        log.info("peer.test", format_args!("{MESSAGE}"));
        let take = |name: &str| {
            let text = fs::read_to_string(sandbox.path(name)).expect("written");
            fs::remove_file(sandbox.path(name)).expect("there");
            text
        };
        let (values, ours) = (take("values"), take("dated"));
        let answers = ask(&python, WRITE, &[values.trim_end(), pattern], &[dated]);
        assert_eq!(ours, unhex(&answers[0]) + "\n", "{pattern:?}");
    }
}
