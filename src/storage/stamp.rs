//! A transaction's id as a time (FILESTORAGE section 3).
//!
//! The high half counts minutes since 1900 in a calendar whose months all have 31 days; the low half divides the minute in
//! 2^32 parts. So ids grow with time, but not evenly.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::Tid;

/// Days before each month of a year that is no leap year.
const BEFORE_MONTH: [i64; 12] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
/// Years that the 32 bits of the minutes can name, with room to spare on the side of the past.
const FIRST_YEAR: i64 = 1900;
const NANOSECONDS_OF_MINUTE: u64 = 60_000_000_000;

impl Tid {
    /// The id of a moment; one before 1970 counts as 1970 (a host without a clock battery).
    #[must_use]
    pub fn at(time: SystemTime) -> Self {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        let (seconds, nanoseconds) = (since.as_secs(), u64::from(since.subsec_nanos()));
        let (minutes, second) = (i64::try_from(seconds / 60).unwrap_or(i64::MAX), seconds % 60);
        let (days, minute) = (minutes / 1440, minutes % 1440);
        let (year, month, day) = date(days);
        let high = (((year - FIRST_YEAR) * 12 + month) * 31 + day) * 1440 + minute;
        let part = u128::from(second * 1_000_000_000 + nanoseconds) << 32;
        // Less than 2^32: the dividend is less than the minute times 2^32.
        let low = u64::try_from(part / u128::from(NANOSECONDS_OF_MINUTE)).unwrap_or(u64::MAX);
        let high = u64::try_from(high).unwrap_or(u64::MAX);
        Self((high << 32) | (low & 0xffff_ffff)).min(Self::MAX)
    }

    /// The id of a moment, or the next one after `self` where the clock has not got past it; `None`: there is none left.
    #[must_use]
    pub fn next(self, time: SystemTime) -> Option<Self> {
        let after = Self(self.0.checked_add(1)?);
        Some(Self::at(time).max(after)).filter(|tid| *tid <= Self::MAX)
    }

    /// Seconds since 1970 UTC as Python has them, a float (`TimeStamp.timeTime` of persistent).
    #[must_use]
    #[allow(clippy::cast_precision_loss)] // a float is what Python has too
    pub fn seconds(self) -> f64 {
        let minutes = i64::try_from(self.0 >> 32).unwrap_or(0);
        let (days, minute) = (minutes / 1440, minutes % 1440);
        let (months, day) = (days / 31, days % 31);
        let whole = ((first_of(months / 12 + FIRST_YEAR, months % 12) + day) * 1440 + minute) * 60;
        let part = (self.0 & 0xffff_ffff) as f64 * 60.0 / 4_294_967_296.0;
        // Python counts from 1900 and rounds there; the last digit shows it.
        let before_1970 = (first_of(FIRST_YEAR, 0) * 86_400) as f64;
        (whole as f64 - before_1970 + part) + before_1970
    }
}

/// Days from 1970 to the first of a month (0 to 11).
fn first_of(year: i64, month: i64) -> i64 {
    let leap_years_to = |year: i64| year / 4 - year / 100 + year / 400;
    let leap = leap_years_to(year) - leap_years_to(year - 1);
    let passed = usize::try_from(month).ok().and_then(|month| BEFORE_MONTH.get(month)).copied().unwrap_or(0);
    let leap_days = leap_years_to(year - 1) - leap_years_to(1969) + if month > 1 { leap } else { 0 };
    (year - 1970) * 365 + leap_days + passed
}

/// Year, month and day (both from 0) of a day counted from 1970.
fn date(days: i64) -> (i64, i64, i64) {
    // Never too late: 365 days are the shortest year.
    let mut year = 1970 + days / 366;
    while first_of(year + 1, 0) <= days {
        year += 1;
    }
    let month = (0..12).rev().find(|month| first_of(year, *month) <= days).unwrap_or(0);
    (year, month, days - first_of(year, month))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64, nanoseconds: u32) -> Tid {
        Tid::at(UNIX_EPOCH + Duration::new(seconds, nanoseconds))
    }

    #[test]
    fn moments_have_the_ids_that_python_gives_them() {
        // `TimeStamp(*gmtime(t)[:5] + (t % 60,)).raw()` of persistent 6.
        for (seconds, nanoseconds, tid) in [
            (0, 0, 0x023c_2b00_0000_0000),
            (951_782_399, 500_000_000, 0x0332_addf_fddd_dddd),
            (1_000_000_000, 0, 0x033f_2eea_aaaa_aaaa),
            (1_709_164_800, 250_000_000, 0x03f6_d9e0_0111_1111),
            (4_102_444_799, 750_000_000, 0x0662_c3ff_feee_eeee),
        ] {
            assert_eq!(at(seconds, nanoseconds), Tid(tid));
        }
    }

    #[test]
    fn id_gives_its_moment_back() {
        for day in 0..60_000_u64 {
            let seconds = day * 86_400 + (day * 7919) % 86_400;
            #[allow(clippy::cast_precision_loss)]
            let (expected, found) = (seconds as f64 + 0.25, at(seconds, 250_000_000).seconds());
            assert!((found - expected).abs() < 2e-6, "{expected} {found}");
        }
    }

    #[test]
    fn ids_grow_though_the_clock_stands_or_goes_back() {
        let now = UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let first = Tid::ZERO.next(now).unwrap();
        assert_eq!(first, Tid::at(now));
        assert_eq!(first.next(now), Some(Tid(first.0 + 1)));
        assert_eq!(first.next(UNIX_EPOCH), Some(Tid(first.0 + 1)));
        assert_eq!(Tid(first.0 | 0xffff_ffff).next(now), Some(Tid(((first.0 >> 32) + 1) << 32)));
        assert_eq!(Tid::MAX.next(now), None);
    }
}
