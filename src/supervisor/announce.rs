//! What the manager of this manager hears of it: one that speaks `sd_notify(3)`, as systemd does, or one that waits for a
//! line on a descriptor, as s6 does.
//!
//! Nobody there, or nobody who listens, is no fault of ours: nothing here can fail.

use std::env;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{ErrorKind, Write as _};
use std::time::Duration;

use crate::sys::notify::{Notifier, monotonic_microseconds};
use crate::sys::{daemon, process};

/// The environment variable with the number of the descriptor on which a line says that the program is up.
pub const LINE_FD: &str = "ZDRUN_NOTIFICATION_FD";
/// How often, in microseconds, the manager wants a sign of life (`sd_watchdog_enabled(3)`).
pub const WATCHDOG_USEC: &str = "WATCHDOG_USEC";
/// Whose.
pub const WATCHDOG_PID: &str = "WATCHDOG_PID";

/// How long until a message is tried again that the receiver had no room for.
const AGAIN: Duration = Duration::from_millis(200);

/// What there is to be told.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Told {
    /// The program has been up.
    pub ready: bool,
    /// The manager is about to end.
    pub stopping: bool,
    /// The state, in a line for a person.
    pub status: String,
}

/// The way to the manager of this manager.
#[derive(Debug)]
pub struct Announcer {
    notifier: Option<Notifier>,
    line: Option<File>,
    told: Told,
    /// When a message is sent again that could not be.
    again: Option<Duration>,
    /// How often a sign of life is wanted, and when the next is due.
    watchdog: Option<(Duration, Duration)>,
}

impl Announcer {
    /// As this process's environment has it; `None`: nobody wants to know.
    #[must_use]
    pub fn of_this_process() -> Option<Self> {
        let socket = env::var_os("NOTIFY_SOCKET").filter(|name| !name.is_empty());
        let notifier = socket.and_then(|name| Notifier::to(&name).ok());
        let number = env::var(LINE_FD).ok().and_then(|number| number.parse().ok());
        let line = number.and_then(|number| daemon::take_inherited(number).ok()).map(File::from);
        let [interval, whose] = [WATCHDOG_USEC, WATCHDOG_PID].map(env::var_os);
        let interval = watchdog(interval.as_deref(), whose.as_deref()).filter(|_| notifier.is_some());
        let watchdog = interval.map(|interval| (interval, Duration::ZERO));
        (notifier.is_some() || line.is_some()).then(|| Self {
            notifier,
            line,
            told: Told::default(),
            again: None,
            watchdog,
        })
    }

    /// Tells what is new, and gives the sign of life if it is time for one.
    pub fn tell(&mut self, mut new: Told, now: Duration) {
        new.ready |= self.told.ready;
        if let Some(mut line) = self.line.take_if(|_| new.ready) {
            let _ = line.write_all(b"\n");
        }
        let mut message = message(&self.told, &new);
        let sign = self.watchdog.filter(|(_, due)| *due <= now);
        if sign.is_some() {
            message.push_str("WATCHDOG=1\n");
        }
        if message.is_empty() {
            return;
        }
        let sent = self.notifier.as_ref().map_or(Ok(()), |notifier| notifier.send(message.trim_end()));
        if sent.is_err_and(|error| error.kind() == ErrorKind::WouldBlock) {
            self.again = Some(now.saturating_add(AGAIN));
            return;
        }
        self.again = None;
        self.told = new;
        if let Some((interval, _)) = sign {
            self.watchdog = Some((interval, now.saturating_add(interval)));
        }
    }

    /// When [`Announcer::tell`] has something to do though nothing has changed.
    #[must_use]
    pub fn due(&self) -> Option<Duration> {
        // A message that is late carries the sign of life with it.
        self.again.or_else(|| self.watchdog.map(|(_, due)| due))
    }

    /// Tells that the files are being opened anew, as a reload is told of.
    pub fn reloading(&self) {
        self.between(&format!("RELOADING=1\nMONOTONIC_USEC={}", monotonic_microseconds()));
    }

    /// Tells that this is over.
    pub fn reloaded(&self) {
        self.between("READY=1");
    }

    /// A word that only makes sense after the first.
    fn between(&self, message: &str) {
        if let Some(notifier) = self.notifier.as_ref().filter(|_| self.told.ready) {
            let _ = notifier.send(message);
        }
    }
}

/// What is new, as `sd_notify(3)` has it.
fn message(old: &Told, new: &Told) -> String {
    let mut message = String::new();
    if new.ready && !old.ready {
        message.push_str("READY=1\n");
    }
    if new.stopping && !old.stopping {
        message.push_str("STOPPING=1\n");
    }
    if new.status != old.status {
        message.push_str("STATUS=");
        message.push_str(&new.status);
        message.push('\n');
    }
    message
}

/// Half of the time within which a sign of life is wanted, of this process; `None`: none is.
fn watchdog(microseconds: Option<&OsStr>, whose: Option<&OsStr>) -> Option<Duration> {
    let number = |text: &OsStr| text.to_str()?.parse::<u64>().ok();
    let ours = whose.is_none_or(|pid| number(pid) == u64::try_from(process::own_pid()).ok());
    let microseconds = number(microseconds?).filter(|number| *number > 0 && ours)?;
    Some(Duration::from_micros(microseconds) / 2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::notify::NotifySocket;

    fn told(ready: bool, stopping: bool, status: &str) -> Told {
        Told { ready, stopping, status: status.to_owned() }
    }

    fn announcer(socket: &NotifySocket) -> Announcer {
        let notifier = Notifier::to(OsStr::new(socket.address())).ok();
        Announcer { notifier, line: None, told: Told::default(), again: None, watchdog: None }
    }

    fn heard(socket: &NotifySocket) -> Option<String> {
        socket.next_from(process::own_pid())
    }

    #[test]
    fn only_what_is_new_is_told() {
        let socket = NotifySocket::open().unwrap();
        let mut announcer = announcer(&socket);
        let second = Duration::from_secs(1);
        for (new, expected) in [
            (told(false, false, "a"), Some("STATUS=a")),
            (told(false, false, "a"), None),
            (told(true, false, "b"), Some("READY=1\nSTATUS=b")),
            // What has been up once is ready until the end.
            (told(false, false, "c"), Some("STATUS=c")),
            (told(true, false, "c"), None),
            (told(true, true, "d"), Some("STOPPING=1\nSTATUS=d")),
        ] {
            announcer.tell(new, second);
            assert_eq!(heard(&socket).as_deref(), expected);
            assert_eq!(announcer.due(), None);
        }
    }

    #[test]
    fn message_without_room_is_sent_later() {
        let socket = NotifySocket::open().unwrap();
        let mut announcer = announcer(&socket);
        // A sender may run out of its own room before the receiver does: then there are to be more senders.
        let mut others = Vec::new();
        while others.last().is_none_or(|other: &Notifier| other.send("x").is_ok()) {
            others.push(Notifier::to(OsStr::new(socket.address())).unwrap());
            while others.iter().any(|other| other.send("x").is_ok()) {}
            others.push(Notifier::to(OsStr::new(socket.address())).unwrap());
        }
        announcer.tell(told(true, false, "a"), Duration::ZERO);
        assert_eq!(announcer.due(), Some(AGAIN));
        while heard(&socket).is_some() {}
        announcer.tell(told(true, false, "a"), AGAIN);
        assert_eq!(heard(&socket).as_deref(), Some("READY=1\nSTATUS=a"));
        assert_eq!(announcer.due(), None);
    }

    #[test]
    fn sign_of_life_is_given_twice_as_often_as_asked_for() {
        let own = process::own_pid().to_string();
        let text = |text: &'static str| Some(OsStr::new(text));
        assert_eq!(watchdog(text("3000000"), None), Some(Duration::from_millis(1500)));
        assert_eq!(watchdog(text("3000000"), Some(OsStr::new(&own))), Some(Duration::from_millis(1500)));
        for (microseconds, whose) in
            [(None, None), (text("0"), None), (text("x"), None), (text("3000000"), text("1"))]
        {
            assert_eq!(watchdog(microseconds, whose), None, "{microseconds:?} {whose:?}");
        }
        let socket = NotifySocket::open().unwrap();
        let mut announcer = announcer(&socket);
        let second = Duration::from_secs(1);
        announcer.watchdog = Some((second, Duration::ZERO));
        announcer.tell(told(false, false, "a"), second / 2);
        assert_eq!(heard(&socket).as_deref(), Some("STATUS=a\nWATCHDOG=1"));
        assert_eq!(announcer.due(), Some(second * 3 / 2));
        announcer.tell(told(false, false, "a"), second);
        assert_eq!(heard(&socket), None);
        announcer.tell(told(false, false, "a"), second * 2);
        assert_eq!(heard(&socket).as_deref(), Some("WATCHDOG=1"));
    }

    #[test]
    fn reload_is_told_of_to_those_who_know_of_the_start() {
        let socket = NotifySocket::open().unwrap();
        let mut announcer = announcer(&socket);
        announcer.reloading();
        announcer.reloaded();
        assert_eq!(heard(&socket), None);
        announcer.tell(told(true, false, "a"), Duration::ZERO);
        heard(&socket);
        announcer.reloading();
        assert!(heard(&socket).unwrap().starts_with("RELOADING=1\nMONOTONIC_USEC="));
        announcer.reloaded();
        assert_eq!(heard(&socket).as_deref(), Some("READY=1"));
    }
}
