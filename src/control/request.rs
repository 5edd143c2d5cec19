//! What a client may ask, and what is said to one that asks wrongly.

use std::ffi::OsString;
use std::fmt;
use std::num::{IntErrorKind, ParseIntError};
use std::os::unix::ffi::OsStringExt as _;

use thiserror::Error;

use super::MAX_COMMAND;
use super::repr::{self, Escapes, quote};
use crate::sys::signals::number;

/// One request of a client (ZDPROTO 1.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request {
    /// Run the program unless it runs.
    Start,
    /// End the program and do not start it again.
    Stop,
    /// End the program and start it again.
    Restart,
    /// Send this signal to the program; the number is not checked.
    Kill(i32),
    /// Tell the state: a [`super::StatusRecord`].
    Status,
    /// Open the event log and the transcript anew, after their rotation.
    ReopenTranscript,
    /// End the program, then the manager. Not known to zdaemon 5.
    Exit,
    /// List the requests. Not known to zdaemon 5.
    Help,
    /// Tell the state now and after each change, until the client closes its sending side or the manager ends: records
    /// that are each followed by an empty line. Not known to the peers.
    Watch,
    /// Let the binary on the disk take over, without a stop of the program. Not known to the peers.
    Reexec,
}

/// Why a request was not carried out; the text is the reply.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Refusal {
    /// The stream ended before the line did.
    #[error("Command not terminated by newline")]
    NotTerminated,
    /// More than [`MAX_COMMAND`] bytes.
    #[error("Command exceeds 10 KB")]
    TooLong,
    /// A line without a word.
    #[error("Empty command")]
    Empty,
    /// This first word is no command.
    #[error("Unknown command {}; 'help' for a list", quote(.0, Escapes::Bytes))]
    Unknown(Vec<u8>),
    /// `kill` with a word that is no integer.
    #[error("Bad signal {}", quote(.0, Escapes::Bytes))]
    BadSignal(Vec<u8>),
    /// `kill` with an integer that no system call takes; the words are those of the call that refuses.
    #[error("Kill {0} failed: [Errno 22] Invalid argument")]
    SignalOutOfRange(String),
    /// More connections than the manager serves at once; to the client it means: ask again.
    #[error("Command superseded by new command")]
    Superseded,
}

impl Refusal {
    /// The refusal with this text; `None`: it is none. A signal that is out of range is read as a
    /// [`super::Reply::KillFailed`], which has the same text.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let fixed = [Self::NotTerminated, Self::TooLong, Self::Empty, Self::Superseded];
        if let Some(refusal) = fixed.into_iter().find(|refusal| refusal.to_string() == text) {
            return Some(refusal);
        }
        let word = |quoted| repr::parse(quoted, Escapes::Bytes).map(OsString::into_vec);
        match text.strip_prefix("Bad signal ") {
            Some(quoted) => word(quoted).map(Self::BadSignal),
            None => word(text.strip_prefix("Unknown command ")?.split("; ").next()?).map(Self::Unknown),
        }
    }
}

impl Request {
    /// What the bytes received so far on a connection amount to; `None`: wait for more. `at_end` says that no more will
    /// come. Whatever follows the first newline is ignored.
    #[must_use]
    pub fn received(bytes: &[u8], at_end: bool) -> Option<Result<Self, Refusal>> {
        match bytes.iter().position(|byte| *byte == b'\n') {
            Some(length) => bytes.get(..length).map(Self::parse),
            None if bytes.len() > MAX_COMMAND => Some(Err(Refusal::TooLong)),
            None if at_end => Some(Err(Refusal::NotTerminated)),
            None => None,
        }
    }

    /// The request in a line without its newline. Words beyond those that the command takes are ignored.
    pub fn parse(line: &[u8]) -> Result<Self, Refusal> {
        if line.len() > MAX_COMMAND {
            return Err(Refusal::TooLong);
        }
        let is_space = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\r' | 0x0b | 0x0c);
        let mut words = line.split(is_space).filter(|word| !word.is_empty());
        match words.next().ok_or(Refusal::Empty)? {
            b"start" => Ok(Self::Start),
            b"stop" => Ok(Self::Stop),
            b"restart" => Ok(Self::Restart),
            b"kill" => words.next().map_or(Ok(Self::Kill(number::TERM)), parse_signal),
            b"status" => Ok(Self::Status),
            b"reopen_transcript" => Ok(Self::ReopenTranscript),
            b"exit" => Ok(Self::Exit),
            b"help" => Ok(Self::Help),
            b"watch" => Ok(Self::Watch),
            b"reexec" => Ok(Self::Reexec),
            unknown => Err(Refusal::Unknown(unknown.to_vec())),
        }
    }

    /// The bytes to send.
    #[must_use]
    pub fn encode(self) -> Vec<u8> {
        format!("{self}\n").into_bytes()
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start => f.write_str("start"),
            Self::Stop => f.write_str("stop"),
            Self::Restart => f.write_str("restart"),
            Self::Kill(signal) => write!(f, "kill {signal}"),
            Self::Status => f.write_str("status"),
            Self::ReopenTranscript => f.write_str("reopen_transcript"),
            Self::Exit => f.write_str("exit"),
            Self::Help => f.write_str("help"),
            Self::Watch => f.write_str("watch"),
            Self::Reexec => f.write_str("reexec"),
        }
    }
}

fn parse_signal(word: &[u8]) -> Result<Request, Refusal> {
    let text = std::str::from_utf8(word).unwrap_or_default();
    text.parse().map(Request::Kill).map_err(|error: ParseIntError| match error.kind() {
        IntErrorKind::PosOverflow | IntErrorKind::NegOverflow => Refusal::SignalOutOfRange(text.to_owned()),
        _ => Refusal::BadSignal(word.to_vec()),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_request_is_read_as_it_was_sent() {
        for (request, line) in [
            (Request::Start, "start"),
            (Request::Stop, "stop"),
            (Request::Restart, "restart"),
            (Request::Kill(9), "kill 9"),
            (Request::Status, "status"),
            (Request::ReopenTranscript, "reopen_transcript"),
            (Request::Exit, "exit"),
            (Request::Help, "help"),
            (Request::Watch, "watch"),
            (Request::Reexec, "reexec"),
        ] {
            assert_eq!(request.encode(), format!("{line}\n").as_bytes());
            assert_eq!(Request::parse(line.as_bytes()), Ok(request));
            assert_eq!(Request::parse(format!("\t {line}  extra words\r").as_bytes()), Ok(request));
        }
    }

    #[test]
    fn kill_takes_integers() {
        for (word, number) in [
            ("", 15),
            ("0", 0),
            ("9", 9),
            ("+9", 9),
            ("-1", -1),
            ("009", 9),
            ("-0", 0),
            ("2147483647", i32::MAX),
        ] {
            assert_eq!(
                Request::parse(format!("kill {word}").as_bytes()),
                Ok(Request::Kill(number)),
                "{word}"
            );
        }
    }

    #[test]
    fn refusals_are_worded_as_the_peer_words_them() {
        for (line, reply) in [
            (&b""[..], "Empty command"),
            (b" \t\r\x0b\x0c", "Empty command"),
            (b"foo", "Unknown command 'foo'; 'help' for a list"),
            (b"Start", "Unknown command 'Start'; 'help' for a list"),
            (b"it's", r#"Unknown command "it's"; 'help' for a list"#),
            ("é".as_bytes(), "Unknown command 'é'; 'help' for a list"),
            (b"\xff\x00", r"Unknown command '\xff\x00'; 'help' for a list"),
            (b"kill x", "Bad signal 'x'"),
            (b"kill 0x9", "Bad signal '0x9'"),
            (b"kill 1e3", "Bad signal '1e3'"),
            (b"kill +5x", "Bad signal '+5x'"),
            (b"kill +", "Bad signal '+'"),
            (b"kill 1_8", "Bad signal '1_8'"),
            (b"kill +-1", "Bad signal '+-1'"),
            (b"kill \xff", r"Bad signal '\xff'"),
            (b"kill 99999999999999999999", "Kill 99999999999999999999 failed: [Errno 22] Invalid argument"),
            (b"kill -2147483649", "Kill -2147483649 failed: [Errno 22] Invalid argument"),
        ] {
            let refusal = Request::parse(line).expect_err("refused");
            assert_eq!(refusal.to_string(), reply);
            let is_kill_failed = matches!(refusal, Refusal::SignalOutOfRange(_));
            assert_eq!(Refusal::parse(reply), Some(refusal).filter(|_| !is_kill_failed), "{reply}");
        }
        assert_eq!(Refusal::Superseded.to_string(), "Command superseded by new command");
    }

    #[test]
    fn only_a_whole_line_is_carried_out() {
        let long = |length| vec![b'x'; length];
        let line = |length| [long(length), b"\n".to_vec()].concat();
        for (bytes, at_end, expected) in [
            (b"".to_vec(), false, None),
            (b"status".to_vec(), false, None),
            (b"".to_vec(), true, Some(Err(Refusal::NotTerminated))),
            (b"status".to_vec(), true, Some(Err(Refusal::NotTerminated))),
            (b"status\n".to_vec(), false, Some(Ok(Request::Status))),
            (b"status\nstop\n".to_vec(), true, Some(Ok(Request::Status))),
            (b"\n".to_vec(), false, Some(Err(Refusal::Empty))),
            (long(MAX_COMMAND), false, None),
            (long(MAX_COMMAND), true, Some(Err(Refusal::NotTerminated))),
            (long(MAX_COMMAND + 1), false, Some(Err(Refusal::TooLong))),
            (line(MAX_COMMAND), false, Some(Err(Refusal::Unknown(long(MAX_COMMAND))))),
            (line(MAX_COMMAND + 1), false, Some(Err(Refusal::TooLong))),
        ] {
            assert_eq!(Request::received(&bytes, at_end), expected, "{} bytes", bytes.len());
        }
        assert_eq!(Refusal::NotTerminated.to_string(), "Command not terminated by newline");
        assert_eq!(Refusal::TooLong.to_string(), "Command exceeds 10 KB");
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>, at_end: bool) {
            let _ = Request::received(&bytes, at_end);
            let _ = Request::parse(&[b"kill ", bytes.as_slice()].concat());
        }
    }
}
