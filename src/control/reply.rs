//! What the manager answers.

use std::fmt;

use super::{Refusal, StatusRecord};

/// The answer to one request; the text is that of ZDPROTO 1.3, without the newline that ends it on the wire.
#[derive(Debug, Clone, PartialEq)]
pub enum Reply {
    /// `start`, or `restart` of what was down: the program was started.
    Started,
    /// `start`: it runs already.
    AlreadyStarted,
    /// `start`, or `restart` of what was down: the program could not be started, for this reason.
    NotStarted(String),
    /// `stop`: SIGTERM is on its way.
    StopSent,
    /// `stop`: there was nothing to stop.
    AlreadyStopped,
    /// `restart`: SIGTERM is on its way, a start follows.
    RestartSent,
    /// `kill`: there is nothing to signal.
    NotRunning,
    /// `kill`: this signal was sent.
    SignalSent(i32),
    /// `kill`: the system refused this signal for this reason.
    KillFailed {
        /// The signal's number.
        signal: i32,
        /// The system's error number.
        errno: i32,
        /// The system's words for it.
        reason: String,
    },
    /// `status`.
    Status(Box<StatusRecord>),
    /// `reopen_transcript`: done; an empty text, as the peer's.
    TranscriptReopened,
    /// `reopen_transcript`: the old file stays open, for this reason.
    TranscriptNotReopened(String),
    /// `exit`: SIGTERM is on its way, the manager ends when the program has.
    ExitSent,
    /// `exit`: the manager ends.
    ExitingNow,
    /// `reexec`: the binary on the disk takes over.
    Replacing,
    /// `reexec`: it does not, for this reason; the manager goes on as it is.
    NotReplaced(String),
    /// `help`.
    Help,
    /// The request was not carried out.
    Refused(Refusal),
}

const NOT_STARTED: &str = "Application not started: ";
const NOT_REPLACED: &str = "Daemon manager not replaced: ";
const NOT_REOPENED: &str = "Transcript not reopened: ";

/// The replies whose text is always the same.
const FIXED: [Reply; 11] = [
    Reply::Started,
    Reply::AlreadyStarted,
    Reply::StopSent,
    Reply::AlreadyStopped,
    Reply::RestartSent,
    Reply::NotRunning,
    Reply::TranscriptReopened,
    Reply::ExitSent,
    Reply::ExitingNow,
    Reply::Replacing,
    Reply::Help,
];

/// The list of requests, laid out as the manager of 2003 has it.
const HELP: &str = "\
Available commands:
  help -- return command help
  status -- report application status
  kill [signal] -- send a signal to the application
                   (default signal is SIGTERM)
  start -- start the application if not already running
  stop -- stop the application if running
          (with hang-around the daemon manager keeps running)
  restart -- stop followed by start
  exit -- stop the application and exit
  reopen_transcript -- reopen the event log and the transcript
  watch -- report status now and at each change
  reexec -- let the program file of the daemon manager take over";

impl Reply {
    /// The reason why the program is not started where the manager is about to end: the next manager may start it.
    pub const EXITING: &str = "the daemon manager is exiting";

    /// Why the manager is not replaced at this moment.
    pub const BUSY: &str = "the program is being started, tested or stopped; try again when that is over";
    /// How the reason begins where it cannot be found out whether the manager's file on the disk would work.
    pub const NO_TRIAL: &str = "cannot run ";

    /// The reply with this text, whose last newline may be missing; `None`: it is no reply of any generation.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.strip_suffix('\n').unwrap_or(text);
        if let Some(reply) = FIXED.iter().find(|reply| reply.to_string() == text) {
            return Some(reply.clone());
        }
        let after = |start| text.strip_prefix(start).map(str::to_owned);
        after(NOT_STARTED)
            .map(Self::NotStarted)
            .or_else(|| after(NOT_REPLACED).map(Self::NotReplaced))
            .or_else(|| after(NOT_REOPENED).map(Self::TranscriptNotReopened))
            .or_else(|| parse_signal_sent(text))
            .or_else(|| parse_kill_failed(text))
            .or_else(|| Refusal::parse(text).map(Self::Refused))
            .or_else(|| StatusRecord::parse(text.as_bytes()).map(|record| Self::Status(Box::new(record))))
    }

    /// The bytes to send: the text and a newline, or nothing where the text is empty.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut text = self.to_string();
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        text.into_bytes()
    }
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Started => f.write_str("Application started"),
            Self::AlreadyStarted => f.write_str("Application already started"),
            Self::NotStarted(reason) => write!(f, "{NOT_STARTED}{reason}"),
            Self::StopSent => f.write_str("Sent SIGTERM"),
            Self::AlreadyStopped => f.write_str("Application already stopped"),
            Self::RestartSent => f.write_str("Sent SIGTERM; will restart later"),
            Self::NotRunning => f.write_str("Application not running"),
            Self::SignalSent(signal) => write!(f, "Signal {signal} sent"),
            Self::KillFailed { signal, errno, reason } => {
                write!(f, "Kill {signal} failed: [Errno {errno}] {reason}")
            }
            Self::Status(record) => record.fmt(f),
            Self::TranscriptReopened => Ok(()),
            Self::TranscriptNotReopened(reason) => write!(f, "{NOT_REOPENED}{reason}"),
            Self::ExitSent => f.write_str("Sent SIGTERM; will exit later"),
            Self::ExitingNow => f.write_str("Exiting now"),
            Self::Replacing => f.write_str("Replacing the daemon manager"),
            Self::NotReplaced(reason) => write!(f, "{NOT_REPLACED}{reason}"),
            Self::Help => f.write_str(HELP),
            Self::Refused(refusal) => refusal.fmt(f),
        }
    }
}

fn parse_signal_sent(text: &str) -> Option<Reply> {
    let signal = text.strip_prefix("Signal ")?.strip_suffix(" sent")?;
    signal.parse().ok().map(Reply::SignalSent)
}

fn parse_kill_failed(text: &str) -> Option<Reply> {
    let (signal, failure) = text.strip_prefix("Kill ")?.split_once(" failed: [Errno ")?;
    let (errno, reason) = failure.split_once("] ")?;
    let (signal, errno) = (signal.parse().ok()?, errno.parse().ok()?);
    Some(Reply::KillFailed { signal, errno, reason: reason.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_are_worded_as_the_peer_words_them() {
        let failed = Reply::KillFailed { signal: 99, errno: 22, reason: "Invalid argument".to_owned() };
        for (reply, bytes) in [
            (Reply::Started, "Application started\n"),
            (Reply::AlreadyStarted, "Application already started\n"),
            (Reply::NotStarted("no".to_owned()), "Application not started: no\n"),
            (Reply::StopSent, "Sent SIGTERM\n"),
            (Reply::AlreadyStopped, "Application already stopped\n"),
            (Reply::RestartSent, "Sent SIGTERM; will restart later\n"),
            (Reply::NotRunning, "Application not running\n"),
            (Reply::SignalSent(9), "Signal 9 sent\n"),
            (failed, "Kill 99 failed: [Errno 22] Invalid argument\n"),
            (Reply::TranscriptReopened, ""),
            (
                Reply::TranscriptNotReopened("Permission denied".to_owned()),
                "Transcript not reopened: Permission denied\n",
            ),
            (Reply::ExitSent, "Sent SIGTERM; will exit later\n"),
            (Reply::ExitingNow, "Exiting now\n"),
            (Reply::Refused(Refusal::Empty), "Empty command\n"),
        ] {
            assert_eq!(String::from_utf8(reply.encode()).expect("UTF-8"), bytes);
        }
    }

    #[test]
    fn every_reply_is_read_as_it_was_sent() {
        let failed = Reply::KillFailed { signal: 99, errno: 22, reason: "Invalid argument".to_owned() };
        let record = StatusRecord::parse(b"application=7\nargs=['sleep', '1000']\n").expect("a record");
        let others = [
            Reply::NotStarted("no: x".to_owned()),
            Reply::SignalSent(9),
            failed,
            Reply::Status(Box::new(record)),
            Reply::TranscriptNotReopened("Permission denied".to_owned()),
            Reply::NotReplaced("no: x".to_owned()),
        ];
        let refusals = [
            Refusal::NotTerminated,
            Refusal::TooLong,
            Refusal::Empty,
            Refusal::Unknown(b"it's".into()),
            Refusal::BadSignal(b"\xff".into()),
            Refusal::Superseded,
        ];
        for reply in FIXED.into_iter().chain(others).chain(refusals.map(Reply::Refused)) {
            let bytes = String::from_utf8(reply.encode()).expect("UTF-8");
            assert_eq!(Reply::parse(&bytes), Some(reply), "{bytes}");
        }
        for odd in ["nonsense", "Signal x sent", "Kill 9 failed", "Unknown command", "\0", "application=x"] {
            assert_eq!(Reply::parse(odd), None, "{odd}");
        }
    }

    #[test]
    fn help_names_every_request() {
        let text = String::from_utf8(Reply::Help.encode()).expect("UTF-8");
        assert!(text.starts_with("Available commands:\n  help -- ") && text.ends_with("take over\n"));
        for word in [
            "help",
            "status",
            "kill",
            "start",
            "stop",
            "restart",
            "exit",
            "reopen_transcript",
            "watch",
            "reexec",
        ] {
            assert!(text.contains(&format!("\n  {word} ")), "{word}");
        }
    }
}
