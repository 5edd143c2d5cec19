//! Notifies the service manager that runs this manager: systemd (`sd_notify(3)`), or s6 (a line on a descriptor). Best
//! effort: nothing here can fail.

use std::env;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{ErrorKind, Write as _};
use std::time::Duration;

use crate::sys::notify::{Notifier, monotonic_microseconds};
use crate::sys::{inherit, process};

/// The environment variable with the number of the descriptor on which a line says that the program is up.
pub const LINE_FD: &str = "ZDRUN_NOTIFICATION_FD";
/// How often, in microseconds, the service manager wants a sign of life (`sd_watchdog_enabled(3)`).
pub const WATCHDOG_USEC: &str = "WATCHDOG_USEC";
/// Of which process.
pub const WATCHDOG_PID: &str = "WATCHDOG_PID";

/// How long until a message is tried again that the receiver had no room for.
const RETRY: Duration = Duration::from_millis(200);

/// What the service manager is sent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NotifyState {
    /// The program has been up.
    pub ready: bool,
    /// The manager is about to end.
    pub stopping: bool,
    /// The state, in a line for a person.
    pub status: String,
}

/// The connection to the service manager.
#[derive(Debug)]
pub struct ServiceNotifier {
    notifier: Option<Notifier>,
    line: Option<File>,
    sent: NotifyState,
    /// When a message is sent again that could not be.
    retry_at: Option<Duration>,
    /// How often a sign of life is wanted, and when the next is due.
    watchdog: Option<(Duration, Duration)>,
}

impl ServiceNotifier {
    /// As this process's environment has it; `None`: no service manager wants to know.
    #[must_use]
    pub fn of_this_process() -> Option<Self> {
        let notifier = Notifier::of_environment().ok().flatten();
        let number = env::var(LINE_FD).ok().and_then(|number| number.parse().ok());
        let line = number.and_then(|number| inherit::take_inherited(number).ok()).map(File::from);
        let [interval, whose] = [WATCHDOG_USEC, WATCHDOG_PID].map(env::var_os);
        let interval = watchdog(interval.as_deref(), whose.as_deref()).filter(|_| notifier.is_some());
        let watchdog = interval.map(|interval| (interval, Duration::ZERO));
        (notifier.is_some() || line.is_some()).then(|| Self {
            notifier,
            line,
            sent: NotifyState::default(),
            retry_at: None,
            watchdog,
        })
    }

    /// Sends what is new, and the sign of life if it is time for one.
    pub fn notify(&mut self, mut new: NotifyState, now: Duration) {
        new.ready |= self.sent.ready;
        if let Some(mut line) = self.line.take_if(|_| new.ready) {
            let _ = line.write_all(b"\n");
        }
        let mut message = message(&self.sent, &new);
        let sign = self.watchdog.filter(|(_, due)| *due <= now);
        if sign.is_some() {
            message.push_str("WATCHDOG=1\n");
        }
        if message.is_empty() {
            return;
        }
        let sent = self.notifier.as_ref().map_or(Ok(()), |notifier| notifier.send(message.trim_end()));
        if sent.is_err_and(|error| error.kind() == ErrorKind::WouldBlock) {
            self.retry_at = Some(now.saturating_add(RETRY));
            return;
        }
        self.retry_at = None;
        self.sent = new;
        if let Some((interval, _)) = sign {
            self.watchdog = Some((interval, now.saturating_add(interval)));
        }
    }

    /// When [`ServiceNotifier::notify`] has something to do though nothing has changed.
    #[must_use]
    pub fn due(&self) -> Option<Duration> {
        // A message that is late carries the sign of life with it.
        self.retry_at.or_else(|| self.watchdog.map(|(_, due)| due))
    }

    /// Says that the program, which is not up yet, needs so much time from now on.
    pub fn needs_time(&self, time: Duration) {
        if let Some(notifier) = self.notifier.as_ref().filter(|_| !self.sent.ready) {
            let _ = notifier.send(&format!("EXTEND_TIMEOUT_USEC={}", time.as_micros()));
        }
    }

    /// Says that the files are being opened anew, as a reload.
    pub fn reloading(&self) {
        self.between(&format!("RELOADING=1\nMONOTONIC_USEC={}", monotonic_microseconds()));
    }

    /// Says that this is over.
    pub fn reloaded(&self) {
        self.between("READY=1");
    }

    /// A message that only makes sense after the first.
    fn between(&self, message: &str) {
        if let Some(notifier) = self.notifier.as_ref().filter(|_| self.sent.ready) {
            let _ = notifier.send(message);
        }
    }
}

/// What is new, as `sd_notify(3)` has it.
fn message(old: &NotifyState, new: &NotifyState) -> String {
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

    #[test]
    fn message_without_room_is_sent_later() {
        let socket = NotifySocket::open().unwrap();
        let notifier = Notifier::to(OsStr::new(socket.address())).ok();
        let sent = NotifyState::default();
        let mut service = ServiceNotifier { notifier, line: None, sent, retry_at: None, watchdog: None };
        let state = NotifyState { ready: true, stopping: false, status: "a".to_owned() };
        let received = || socket.next_from(process::own_pid());
        // A sender may run out of its own room before the receiver does: then there are to be more senders.
        let mut others = Vec::new();
        while others.last().is_none_or(|other: &Notifier| other.send("x").is_ok()) {
            others.push(Notifier::to(OsStr::new(socket.address())).unwrap());
            while others.iter().any(|other| other.send("x").is_ok()) {}
            others.push(Notifier::to(OsStr::new(socket.address())).unwrap());
        }
        service.notify(state.clone(), Duration::ZERO);
        assert_eq!(service.due(), Some(RETRY));
        while received().is_some() {}
        service.notify(state, RETRY);
        assert_eq!(received().as_deref(), Some("READY=1\nSTATUS=a"));
        assert_eq!(service.due(), None);
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
    }
}
