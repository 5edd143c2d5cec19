//! When a log file is rotated, and the suffix that it gets: the rules of Python's `TimedRotatingFileHandler`, as pure
//! arithmetic.
//!
//! Two of its faults are corrected: `interval` counts for `midnight` and `W0` to `W6` too (as in Python since 3.13), and
//! any change of the zone's offset is taken into account.

/// The unit of an interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    Second,
    Minute,
    Hour,
    /// A day from when the file was started.
    Day,
    /// The end of a day.
    Midnight,
    /// The end of a day of the week, 0 is Monday.
    Weekday(i64),
}

const DAY_SECONDS: i64 = 24 * 60 * 60;

/// When files are rotated: each so many units.
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
    /// unit.
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

    /// When a file that was started at `begin` is rotated.
    pub(super) fn end(&self, begin: i64, offset: Offset<'_>) -> i64 {
        let local = begin.saturating_add(offset(begin));
        let to_midnight = DAY_SECONDS - local.rem_euclid(DAY_SECONDS);
        let wait = match self.unit {
            Unit::Second | Unit::Minute | Unit::Hour | Unit::Day => {
                return begin.saturating_add(self.interval);
            }
            Unit::Midnight => to_midnight,
            Unit::Weekday(day) => to_midnight + (day - weekday(local)).rem_euclid(7) * DAY_SECONDS,
        };
        let further = self.interval - self.unit.seconds();
        let end = begin.saturating_add(wait + further);
        end.saturating_add(offset(begin) - offset(end))
    }

    /// The suffix of a file that is rotated at `end`: when its interval began.
    pub(super) fn suffix(&self, end: i64, offset: Offset<'_>) -> String {
        let mut begin = end.saturating_sub(self.interval);
        if self.unit.seconds() >= DAY_SECONDS {
            begin = begin.saturating_add(offset(end) - offset(begin));
        }
        let local = begin.saturating_add(offset(begin));
        let (year, month, day) = civil(local.div_euclid(DAY_SECONDS));
        let second = local.rem_euclid(DAY_SECONDS);
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        let date = format!("{year:04}-{month:02}-{day:02}");
        match self.unit {
            Unit::Second => format!("{date}_{hour:02}-{minute:02}-{second:02}"),
            Unit::Minute => format!("{date}_{hour:02}-{minute:02}"),
            Unit::Hour => format!("{date}_{hour:02}"),
            Unit::Day | Unit::Midnight | Unit::Weekday(_) => date,
        }
    }

    /// Whether this is a suffix of the schedule; one more part, such as `.gz`, may follow.
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
            Self::Day | Self::Midnight => DAY_SECONDS,
            Self::Weekday(_) => 7 * DAY_SECONDS,
        }
    }
}

/// The day of the week of a local time, 0 is Monday; 1970 began on a Thursday.
fn weekday(local: i64) -> i64 {
    (local.div_euclid(DAY_SECONDS) + 3).rem_euclid(7)
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Central Europe in 2026: summer time from 29 March to 25 October, 01:00 UTC.
    fn berlin(seconds: i64) -> i64 {
        if (1_774_746_000..1_792_890_000).contains(&seconds) { 7200 } else { 3600 }
    }

    /// When a file was begun, when its time is over, and what it is then called: computed by Python 3.11.
    const BY_PYTHON: &[(&str, u32, i64, i64, &str)] = &[
        ("S", 5, 1_767_787_200, 1_767_787_205, "2026-01-07_13-00-00"),
        ("M", 10, 1_767_789_296, 1_767_789_896, "2026-01-07_13-34"),
        ("H", 1, 1_767_825_296, 1_767_828_896, "2026-01-07_23"),
        ("D", 1, 1_767_825_296, 1_767_911_696, "2026-01-07"),
        ("D", 2, 1_767_828_896, 1_768_001_696, "2026-01-08"),
        ("midnight", 1, 1_767_825_296, 1_767_826_800, "2026-01-07"),
        ("MIDNIGHT", 1, 1_767_826_800, 1_767_913_200, "2026-01-08"),
        ("midnight", 1, 1_774_699_200, 1_774_738_800, "2026-03-28"),
        ("midnight", 1, 1_774_785_600, 1_774_821_600, "2026-03-29"),
        ("midnight", 1, 1_792_884_600, 1_792_969_200, "2026-10-25"),
        ("midnight", 1, 1_792_929_600, 1_792_969_200, "2026-10-25"),
        ("W0", 1, 1_767_607_200, 1_767_654_000, "2025-12-30"),
        ("W0", 1, 1_767_520_800, 1_767_654_000, "2025-12-30"),
        ("W0", 1, 1_767_693_600, 1_768_258_800, "2026-01-06"),
        ("w6", 1, 1_774_432_800, 1_774_821_600, "2026-03-23"),
        ("W6", 1, 1_792_836_000, 1_792_969_200, "2026-10-19"),
        ("W3", 1, 1_792_749_600, 1_793_314_800, "2026-10-23"),
    ];

    #[test]
    fn files_end_and_are_called_as_by_python() {
        for (when, interval, begin, end, suffix) in BY_PYTHON {
            let schedule = Schedule::new(when, *interval).unwrap();
            assert_eq!(schedule.end(*begin, &berlin), *end, "{when} {begin}");
            assert_eq!(schedule.suffix(*end, &berlin), *suffix, "{when} {begin}");
            assert!(schedule.is_suffix(suffix));
        }
    }

    /// As Python has it since 3.13.
    #[test]
    fn several_nights_are_as_many() {
        let schedule = Schedule::new("midnight", 3).unwrap();
        assert_eq!(schedule.end(1_767_825_296, &berlin), 1_767_826_800 + 2 * DAY_SECONDS);
        let schedule = Schedule::new("W0", 2).unwrap();
        assert_eq!(schedule.end(1_767_607_200, &berlin), 1_767_654_000 + 7 * DAY_SECONDS);
    }

    #[test]
    fn unknown_rhythms_are_none() {
        for when in ["", "W", "W7", "W00", "day", "5S"] {
            assert_eq!(Schedule::new(when, 1), None, "{when}");
        }
        assert_eq!(Schedule::new("h", 0), Schedule::new("H", 1));
    }

    #[test]
    fn extreme_times_do_not_overflow() {
        for when in ["S", "W0", "midnight"] {
            let schedule = Schedule::new(when, u32::MAX).unwrap();
            for begin in [i64::MIN, -1, 0, i64::MAX] {
                let end = schedule.end(begin, &berlin);
                schedule.suffix(end, &berlin);
            }
        }
    }
}
