//! The clock behind a trait, so that tests set the time instead of waiting for it.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::sys::local_time::LocalTime;

/// A moment: whole seconds since 1970 UTC (negative before), and the nanoseconds after them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Moment {
    pub(super) seconds: i64,
    pub(super) nanoseconds: u32,
}

impl Moment {
    /// Any [`SystemTime`]; those before 1970 too, which a host without a clock battery has.
    fn from_system(time: SystemTime) -> Self {
        let whole = |seconds: u64| i64::try_from(seconds).unwrap_or(i64::MAX);
        match time.duration_since(UNIX_EPOCH) {
            Ok(after) => Self { seconds: whole(after.as_secs()), nanoseconds: after.subsec_nanos() },
            Err(error) => {
                let before = error.duration();
                match before.subsec_nanos() {
                    0 => Self { seconds: -whole(before.as_secs()), nanoseconds: 0 },
                    part => Self { seconds: -1 - whole(before.as_secs()), nanoseconds: 1_000_000_000 - part },
                }
            }
        }
    }

    /// Seconds as Python's `time.time()` gives them.
    pub(super) fn as_float(self) -> f64 {
        #[allow(clippy::cast_precision_loss)] // a float is what Python has too
        let seconds = self.seconds as f64;
        seconds + f64::from(self.nanoseconds) / 1e9
    }

    /// The whole milliseconds after the second, 0 to 999.
    pub(super) fn milliseconds(self) -> u32 {
        self.nanoseconds / 1_000_000
    }
}

/// A source of the time and of the time zone's offset.
pub(super) trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> Moment;

    /// Seconds that local time is ahead of UTC at a moment.
    fn utc_offset(&self, seconds: i64) -> i64;
}

/// The host's clock and time zone.
pub(super) struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Moment {
        Moment::from_system(SystemTime::now())
    }

    fn utc_offset(&self, seconds: i64) -> i64 {
        LocalTime::at(seconds).map_or(0, |time| time.utc_offset())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn moments_before_1970_count_upwards_too() {
        let before = UNIX_EPOCH - Duration::from_millis(1250);
        let moment = Moment::from_system(before);
        assert_eq!(moment, Moment { seconds: -2, nanoseconds: 750_000_000 });
        assert!((moment.as_float() - -1.25).abs() < 1e-9);
        assert_eq!(moment.milliseconds(), 750);
        let whole = Moment::from_system(UNIX_EPOCH - Duration::from_secs(3));
        assert_eq!(whole, Moment { seconds: -3, nanoseconds: 0 });
    }
}
