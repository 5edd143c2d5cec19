//! Severities.

use std::borrow::Cow;

/// A severity, 0 to 50 as in Python's logging: trace 5, debug 10, blather 15, info 20, warning 30, error 40,
/// critical 50; 0 (`notset`) lets everything pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Level(pub u8);

impl Level {
    /// 0: as a threshold, everything passes.
    pub const NOTSET: Self = Self(0);
    /// 1: as a threshold, everything that has a level passes.
    pub const ALL: Self = Self(1);
    /// 5.
    pub const TRACE: Self = Self(5);
    /// 10.
    pub const DEBUG: Self = Self(10);
    /// 15: between info and debug; a level of ZODB's.
    pub const BLATHER: Self = Self(15);
    /// 20.
    pub const INFO: Self = Self(20);
    /// 30.
    pub const WARNING: Self = Self(30);
    /// 40.
    pub const ERROR: Self = Self(40);
    /// 50.
    pub const CRITICAL: Self = Self(50);

    /// The names that a configuration may use (ZCONFIG section 9).
    pub const NAMES: [(&'static str, Self); 11] = [
        ("critical", Self::CRITICAL),
        ("fatal", Self::CRITICAL),
        ("error", Self::ERROR),
        ("warn", Self::WARNING),
        ("warning", Self::WARNING),
        ("info", Self::INFO),
        ("blather", Self::BLATHER),
        ("debug", Self::DEBUG),
        ("trace", Self::TRACE),
        ("all", Self::ALL),
        ("notset", Self::NOTSET),
    ];

    /// The level of a name, in any case.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        let found = Self::NAMES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, level)| *level)
    }

    /// The name in a record: `INFO`; a level without one is `Level 17`. TRACE and BLATHER are ZODB's, which every ZEO
    /// server has loaded.
    #[must_use]
    pub fn name(self) -> Cow<'static, str> {
        let name = match self {
            Self::NOTSET => "NOTSET",
            Self::TRACE => "TRACE",
            Self::DEBUG => "DEBUG",
            Self::BLATHER => "BLATHER",
            Self::INFO => "INFO",
            Self::WARNING => "WARNING",
            Self::ERROR => "ERROR",
            Self::CRITICAL => "CRITICAL",
            Self(number) => return Cow::Owned(format!("Level {number}")),
        };
        Cow::Borrowed(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_known_in_any_case() {
        assert_eq!(Level::from_name("Warn"), Some(Level(30)));
        assert_eq!(Level::from_name("FATAL"), Some(Level(50)));
        assert_eq!(Level::from_name("all"), Some(Level(1)));
        assert_eq!(Level::from_name("20"), None);
    }

    #[test]
    fn level_is_written_by_name_or_number() {
        assert_eq!(Level(30).name(), "WARNING");
        assert_eq!(Level(15).name(), "BLATHER");
        assert_eq!(Level(17).name(), "Level 17");
    }
}
