//! When a log file's time is over, and what it is then called: the rules of Python's `TimedRotatingFileHandler`, with
//! arithmetic alone.
//!
//! Two of its faults are not repeated: `interval` counts for `midnight` and `W0` to `W6` too (as in Python since
//! 3.13), and a change of the zone's offset is allowed for whenever it comes, by as much as it is.

/// The rhythm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    Second,
    Minute,
    Hour,
    /// A day from when the file was begun.
    Day,
    /// The end of a day.
    Midnight,
    /// The end of a day of the week, 0 is Monday.
    Weekday(i64),
}

const DAY: i64 = 24 * 60 * 60;

/// A rhythm and its number of units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Schedule {
    unit: Unit,
    /// Seconds.
    interval: i64,
}

/// Seconds that local time is ahead of UTC at a moment.
pub(super) type Offset<'a> = &'a dyn Fn(i64) -> i64;

impl Schedule {
    /// `when` in any case: `S`, `M`, `H`, `D`, `midnight`, `W0` to `W6`; an interval of 0 means 1. `None`: no such
    /// rhythm.
    pub(super) fn new(when: &str, interval: u32) -> Option<Self> {
        let unit = match when.to_ascii_uppercase().as_str() {
            "S" => Unit::Second,
            "M" => Unit::Minute,
            "H" => Unit::Hour,
            "D" => Unit::Day,
            "MIDNIGHT" => Unit::Midnight,
            week => match week.strip_prefix('W')?.as_bytes() {
                [day @ b'0'..=b'6'] => Unit::Weekday(i64::from(day - b'0')),
                _ => return None,
            },
        };
        Some(Self { unit, interval: unit.seconds() * i64::from(interval.max(1)) })
    }

    /// The end of the time of a file that was begun at `begin`.
    pub(super) fn end(&self, begin: i64, offset: Offset<'_>) -> i64 {
        let local = begin.saturating_add(offset(begin));
        let to_midnight = DAY - local.rem_euclid(DAY);
        let wait = match self.unit {
            Unit::Second | Unit::Minute | Unit::Hour | Unit::Day => {
                return begin.saturating_add(self.interval);
            }
            Unit::Midnight => to_midnight,
            Unit::Weekday(day) => to_midnight + (day - weekday(local)).rem_euclid(7) * DAY,
        };
        let further = self.interval - self.unit.seconds();
        let end = begin.saturating_add(wait + further);
        end.saturating_add(offset(begin) - offset(end))
    }

    /// What the file whose time was over at `end` is called behind its name: when that time began.
    pub(super) fn suffix(&self, end: i64, offset: Offset<'_>) -> String {
        let mut begin = end.saturating_sub(self.interval);
        if self.unit.seconds() >= DAY {
            begin = begin.saturating_add(offset(end) - offset(begin));
        }
        let local = begin.saturating_add(offset(begin));
        let (year, month, day) = civil(local.div_euclid(DAY));
        let second = local.rem_euclid(DAY);
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        let date = format!("{year:04}-{month:02}-{day:02}");
        match self.unit {
            Unit::Second => format!("{date}_{hour:02}-{minute:02}-{second:02}"),
            Unit::Minute => format!("{date}_{hour:02}-{minute:02}"),
            Unit::Hour => format!("{date}_{hour:02}"),
            Unit::Day | Unit::Midnight | Unit::Weekday(_) => date,
        }
    }

    /// Whether a suffix is one of this rhythm's; one more part, such as `.gz`, may follow.
    pub(super) fn is_suffix(&self, text: &str) -> bool {
        let (text, more) = text.split_once('.').map_or((text, None), |(text, more)| (text, Some(more)));
        let shape: String = text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
        let wanted = match self.unit {
            Unit::Second => "0000-00-00_00-00-00",
            Unit::Minute => "0000-00-00_00-00",
            Unit::Hour => "0000-00-00_00",
            Unit::Day | Unit::Midnight | Unit::Weekday(_) => "0000-00-00",
        };
        let word =
            |more: &str| !more.is_empty() && more.chars().all(|c| c == '_' || c.is_ascii_alphanumeric());
        shape == wanted && more.is_none_or(word)
    }
}

impl Unit {
    fn seconds(self) -> i64 {
        match self {
            Self::Second => 1,
            Self::Minute => 60,
            Self::Hour => 60 * 60,
            Self::Day | Self::Midnight => DAY,
            Self::Weekday(_) => 7 * DAY,
        }
    }
}

/// The day of the week of a local time, 0 is Monday; 1970 began on a Thursday.
fn weekday(local: i64) -> i64 {
    (local.div_euclid(DAY) + 3).rem_euclid(7)
}

/// Year, month and day of the Gregorian calendar, of a number of days since 1970. The count is by eras of 400 years
/// that begin in March, so that the leap day is the last of its year.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468; // from 0000-03-01
    let (era, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153; // 0 is March
    let day = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (era * 400 + year + i64::from(month <= 2), month, day)
}
