//! The status record: the manager's state, one `key=value` on a line (ZDPROTO 1.4).

use std::collections::HashMap;
use std::ffi::OsString;
use std::fmt;
use std::os::unix::ffi::OsStrExt as _;

use super::repr::{Escapes, parse, parse_list, quote, quote_list};

/// What the manager is after.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Goal {
    /// The program shall run: it runs, or waits to be started again.
    Up,
    /// The program shall not run.
    Down,
    /// The manager ends as soon as the program has.
    Exiting,
}

/// The manager's state at one moment. Times are seconds since the epoch by the wall clock, as the peers have it.
#[derive(Debug, Clone, PartialEq)]
pub struct StatusRecord {
    /// When the record was made.
    pub now: f64,
    /// What the manager is after; also gives `should_be_up`, which is all that zdaemon 5 says.
    pub goal: Goal,
    /// When the manager acts next (starts the program again, or sends SIGKILL); absent: nothing is due.
    pub delay: Option<f64>,
    /// The current back-off, seconds.
    pub backoff: u64,
    /// When the program was last started; absent: never.
    pub lasttime: Option<f64>,
    /// Process id of the program; absent: it does not run.
    pub application: Option<u32>,
    /// A start test of the program has not yet succeeded.
    pub testing: bool,
    /// Process id of the manager.
    pub manager: u32,
    /// The longest back-off, seconds.
    pub backoff_limit: u64,
    /// The program's file.
    pub filename: OsString,
    /// The program's words, the first its name; absent: they could not be read.
    pub args: Option<Vec<OsString>>,
    /// The manager's version; absent: the manager is a peer that has no such key.
    pub version: Option<String>,
    /// The program is up: it lived through the start grace or said that it is ready, and passed its start test. A
    /// peer's program is as soon as it runs and is not being tested.
    pub ready: bool,
    /// How many times the program was started again without a request.
    pub restarts: u64,
    /// How many times the manager was replaced by the binary on the disk (`reexec`).
    pub replaced: u64,
    /// The program handles SIGUSR2, or blocks or ignores it; absent: it does not run, or the manager is a peer.
    pub handles_usr2: Option<bool>,
    /// When the manager last read its configuration; absent: the manager is a peer.
    pub configured: Option<f64>,
    /// How the program last ended, in words; absent: it has not, or the manager is a peer.
    pub last_exit: Option<String>,
    /// Why the program could not be started when that was last tried; absent: it could, or the manager is a peer.
    pub start_error: Option<String>,
    /// What the program wrote last before that end, if it ended before it was up.
    pub last_output: Option<String>,
    /// How the start test of the program that runs last failed, with the last line that it wrote; absent: it has not.
    pub test_error: Option<String>,
    /// What the program says of itself (`sd_notify(3)`, `STATUS=`).
    pub note: Option<String>,
}

impl StatusRecord {
    /// Reads the record of any generation. `None`: this is no record, as it names no `application`. Everything else may
    /// be missing or odd and then has its neutral value, since other releases know other keys.
    #[must_use]
    pub fn parse(reply: &[u8]) -> Option<Self> {
        let text = String::from_utf8_lossy(reply);
        let mut keys = HashMap::new();
        for (key, value) in text.split('\n').filter_map(|line| line.split_once('=')) {
            keys.entry(key).or_insert(value);
        }
        let number = |key: &str| keys.get(key).and_then(|value| value.parse().ok());
        let time = |key: &str| {
            let seconds: f64 = keys.get(key)?.parse().ok()?;
            (seconds.is_finite() && seconds > 0.0).then_some(seconds)
        };
        let text = |key: &str| {
            let value = parse(keys.get(key)?, Escapes::Characters)?;
            Some(value.to_string_lossy().into_owned())
        };
        // Only zdaemon of 2003 has no should_be_up, and it writes bytes as bytes.
        let escapes = if keys.contains_key("should_be_up") { Escapes::Characters } else { Escapes::Bytes };
        Some(Self {
            now: time("now").unwrap_or(0.0),
            goal: goal(&keys),
            delay: time("delay"),
            backoff: number("backoff").unwrap_or(0),
            lasttime: time("lasttime"),
            application: Some(keys.get("application").and_then(|value| pid(value))?).filter(|pid| *pid != 0),
            testing: number("testing").unwrap_or(0) != 0,
            manager: keys.get("manager").and_then(|value| pid(value)).unwrap_or(0),
            backoff_limit: number("backofflimit").unwrap_or(0),
            filename: keys.get("filename").and_then(|value| parse(value, escapes)).unwrap_or_default(),
            args: keys.get("args").and_then(|value| parse_list(value, escapes)),
            version: keys.get("version").map(|value| (*value).to_owned()),
            ready: number("ready").map_or_else(|| runs(&keys), |ready| ready != 0),
            restarts: number("restarts").unwrap_or(0),
            replaced: number("replaced").unwrap_or(0),
            handles_usr2: number("usr2").map(|handled| handled != 0),
            configured: time("configured"),
            last_exit: text("lastexit"),
            start_error: text("starterror"),
            last_output: text("lastoutput"),
            test_error: text("testerror"),
            note: text("note"),
        })
    }
}

/// A process id, 0 for "none"; `None`: not digits only, or too many for any process.
fn pid(value: &str) -> Option<u32> {
    let digits = value.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| value.parse::<i32>().ok()).flatten()?.try_into().ok()
}

/// Whether a peer's record says that the program runs and is not being tested.
fn runs(keys: &HashMap<&str, &str>) -> bool {
    keys.get("application").is_some_and(|pid| *pid != "0")
        && keys.get("testing").is_none_or(|testing| *testing == "0")
}

fn goal(keys: &HashMap<&str, &str>) -> Goal {
    match (keys.get("mood"), keys.get("should_be_up")) {
        (Some(&"-1"), _) => Goal::Exiting,
        (_, Some(&"0")) | (Some(&"0"), None) => Goal::Down,
        _ => Goal::Up,
    }
}

impl fmt::Display for StatusRecord {
    /// Zdaemon 5's keys in its order and forms, each line ended; what it does not know follows after `args`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = |time: Option<f64>| time.map_or_else(|| "0".to_owned(), |t| format!("{t:?}"));
        let goal = match self.goal {
            Goal::Up => 1,
            Goal::Down => 0,
            Goal::Exiting => -1,
        };
        writeln!(f, "status={}", if self.application.is_some() { "running" } else { "stopped" })?;
        writeln!(f, "now={:?}", self.now)?;
        writeln!(f, "should_be_up={}", u8::from(self.goal == Goal::Up))?;
        writeln!(f, "delay={}", time(self.delay))?;
        writeln!(f, "backoff={}", self.backoff)?;
        writeln!(f, "lasttime={}", time(self.lasttime))?;
        writeln!(f, "application={}", self.application.unwrap_or(0))?;
        writeln!(f, "testing={}", u8::from(self.testing))?;
        writeln!(f, "manager={}", self.manager)?;
        writeln!(f, "backofflimit={}", self.backoff_limit)?;
        writeln!(f, "filename={}", quote(self.filename.as_bytes(), Escapes::Characters))?;
        if let Some(args) = &self.args {
            writeln!(f, "args={}", quote_list(args))?;
        }
        writeln!(f, "mood={goal}")?;
        if let Some(version) = &self.version {
            writeln!(f, "version={version}")?;
        }
        writeln!(f, "ready={}", u8::from(self.ready))?;
        writeln!(f, "restarts={}", self.restarts)?;
        writeln!(f, "replaced={}", self.replaced)?;
        if let Some(handled) = self.handles_usr2 {
            writeln!(f, "usr2={}", u8::from(handled))?;
        }
        if let Some(configured) = self.configured {
            writeln!(f, "configured={configured:?}")?;
        }
        for (key, text) in [
            ("lastexit", &self.last_exit),
            ("starterror", &self.start_error),
            ("lastoutput", &self.last_output),
            ("testerror", &self.test_error),
            ("note", &self.note),
        ] {
            if let Some(text) = text {
                writeln!(f, "{key}={}", quote(text.as_bytes(), Escapes::Characters))?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStringExt as _;

    use super::*;

    fn running() -> StatusRecord {
        StatusRecord {
            now: 1_795_335_900.587_785_2,
            goal: Goal::Up,
            delay: None,
            backoff: 0,
            lasttime: Some(1_795_335_899.0),
            application: Some(4020),
            testing: false,
            manager: 4019,
            backoff_limit: 10,
            filename: "/bin/sleep".into(),
            args: Some(vec!["sleep".into(), "1000".into()]),
            version: Some("0.1.0".to_owned()),
            ready: true,
            restarts: 3,
            replaced: 1,
            handles_usr2: Some(true),
            configured: Some(1_795_335_890.5),
            last_exit: Some("exit status 1".to_owned()),
            start_error: None,
            last_output: Some("it's\nall over".to_owned()),
            test_error: None,
            note: None,
        }
    }

    const RUNNING: &str = "\
status=running
now=1795335900.5877852
should_be_up=1
delay=0
backoff=0
lasttime=1795335899.0
application=4020
testing=0
manager=4019
backofflimit=10
filename='/bin/sleep'
args=['sleep', '1000']
mood=1
version=0.1.0
ready=1
restarts=3
replaced=1
usr2=1
configured=1795335890.5
lastexit='exit status 1'
lastoutput=\"it's\\nall over\"
";

    #[test]
    fn the_record_has_the_peers_keys_in_their_order_and_ours_after_them() {
        assert_eq!(running().to_string(), RUNNING);
    }

    #[test]
    fn a_stopped_program_has_pid_0() {
        let mut record = running();
        record.application = None;
        record.lasttime = None;
        record.delay = Some(1_795_335_903.5);
        record.goal = Goal::Exiting;
        record.testing = true;
        let text = record.to_string();
        assert!(text.starts_with("status=stopped\n"));
        for line in
            ["should_be_up=0", "delay=1795335903.5", "lasttime=0", "application=0", "testing=1", "mood=-1"]
        {
            assert!(text.contains(&format!("\n{line}\n")), "{line} in {text}");
        }
    }

    #[test]
    fn what_was_written_is_read() {
        let mut record = running();
        assert_eq!(StatusRecord::parse(record.to_string().as_bytes()), Some(record.clone()));
        record.goal = Goal::Down;
        record.application = None;
        record.delay = Some(12.5);
        record.args = Some(vec![OsString::from_vec(b"it's \xff\n".to_vec()), "é".into()]);
        assert_eq!(StatusRecord::parse(record.to_string().as_bytes()), Some(record.clone()));
        record.goal = Goal::Exiting;
        record.start_error = Some("can't exec".to_owned());
        record.note = Some("é".to_owned());
        assert_eq!(StatusRecord::parse(record.to_string().as_bytes()), Some(record));
    }

    #[test]
    fn a_record_of_2003_is_read() {
        let text = b"status=running\nnow=1047400000.12\nmood=0\ndelay=0\nbackoff=2\nlasttime=1047400000.0\n\
            application=12\nmanager=11\nbackofflimit=10\nfilename='/bin/x'\nargs=['x', '\\xff']\n";
        let record = StatusRecord::parse(text).expect("a record");
        assert_eq!((record.goal, record.backoff, record.testing), (Goal::Down, 2, false));
        assert_eq!(record.args, Some(vec!["x".into(), OsString::from_vec(b"\xff".to_vec())]));
        assert_eq!(record.version, None);
    }

    #[test]
    fn a_reply_without_a_pid_is_no_record() {
        for text in [
            "",
            "Command superseded by new command\n",
            "application=\n",
            "application=-1\n",
            "application=+1\n",
            "application=x\n",
            "application=99999999999\n",
            "xapplication=1\n",
        ] {
            assert_eq!(StatusRecord::parse(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn odd_values_do_not_spoil_the_record() {
        let text = b"application=7\nargs=[__import__('os')]\nfilename=\xff\nnow=x\nbackoff=-1\ntesting=2\n\
            delay=nan\nshould_be_up=7\nnonsense\nextra=1=2\n";
        let record = StatusRecord::parse(text).expect("a record");
        assert_eq!((record.application, record.args, record.backoff), (Some(7), None, 0));
        assert_eq!((record.goal, record.testing, record.manager), (Goal::Up, true, 0));
        assert_eq!((record.now, record.delay, record.filename), (0.0, None, OsString::new()));
    }
}
