//! The state that a status record describes, in one word.

use serde::Serialize;

use crate::control::{Goal, StatusRecord};

/// What the manager is doing about the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum State {
    /// The program is up.
    Running,
    /// It was started, or is about to be, and is not up yet.
    Starting,
    /// It did not last, and is started again when its time has come.
    Backoff,
    /// It, or what it left behind, is being ended; another may follow.
    Stopping,
    /// Nothing runs, and nothing will until it is requested.
    Stopped,
    /// There is no manager.
    NoManager,
    /// There is no manager, and the program that an earlier one started runs.
    Unmanaged,
    /// There is no manager, and `fg` runs the program.
    Foreground,
    /// There is no manager, and that program has ended and others run that descend from it.
    LeftBehind,
}

impl State {
    /// `None`: there is no manager.
    pub(super) fn of(record: Option<&StatusRecord>) -> Self {
        let Some(record) = record else { return Self::NoManager };
        // Our manager has a time of its next act only where that ends something, or starts it after a back-off. A peer's
        // may be an old one.
        let due = record.delay.is_some() && record.version.is_some();
        let backs_off = record.backoff > 0 || due && record.backoff_limit == 0;
        match (record.application, record.goal) {
            (Some(_), Goal::Up) if record.ready => Self::Running,
            (None, Goal::Up) if backs_off => Self::Backoff,
            (_, Goal::Up) if !due => Self::Starting,
            (None, Goal::Down | Goal::Exiting) if !due => Self::Stopped,
            _ => Self::Stopping,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn state_is_read_from_the_record() {
        let ours = "version=1 backofflimit=10";
        for (keys, state) in [
            (format!("application=7 ready=1 {ours}"), State::Running),
            (format!("application=7 ready=0 {ours}"), State::Starting),
            (format!("application=7 ready=0 delay=9 {ours}"), State::Stopping),
            (format!("application=7 ready=0 delay=9 mood=0 should_be_up=0 {ours}"), State::Stopping),
            (format!("application=7 ready=0 mood=-1 should_be_up=0 {ours}"), State::Stopping),
            (format!("application=0 backoff=1 delay=9 {ours}"), State::Backoff),
            ("application=0 delay=9 version=1 backofflimit=0".to_owned(), State::Backoff),
            (format!("application=0 delay=9 {ours}"), State::Stopping),
            (format!("application=0 delay=9 should_be_up=0 {ours}"), State::Stopping),
            (format!("application=0 should_be_up=0 {ours}"), State::Stopped),
            (format!("application=0 mood=-1 should_be_up=0 {ours}"), State::Stopped),
            (format!("application=0 {ours}"), State::Starting),
            // Zdaemon's.
            ("application=7 should_be_up=1".to_owned(), State::Running),
            ("application=7 should_be_up=1 testing=1".to_owned(), State::Starting),
            ("application=7 should_be_up=0 delay=9".to_owned(), State::Stopping),
            ("application=0 should_be_up=1 backoff=2 delay=9".to_owned(), State::Backoff),
            ("application=0 should_be_up=0 delay=9".to_owned(), State::Stopped),
        ] {
            let record = StatusRecord::parse(keys.replace(' ', "\n").as_bytes()).expect("a record");
            assert_eq!(State::of(Some(&record)), state, "{keys}");
        }
        assert_eq!(State::of(None), State::NoManager);
    }
}
