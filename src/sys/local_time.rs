//! Local time: the host's time zone and strftime(3), as the C library knows them.
#![allow(unsafe_code)]

use std::ffi::CString;
use std::mem::MaybeUninit;

use nix::libc;

/// Limit of the text that [`LocalTime::text`] makes of a pattern.
const MAX_TEXT_BYTES: usize = 64 * 1024;

/// A pattern for strftime(3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatePattern {
    /// With a blank at the end: strftime returns 0 both for an empty text and for a full buffer, and with the blank no
    /// text is empty.
    text: CString,
}

impl DatePattern {
    /// `None` when `pattern` holds a NUL character, which the C library takes for the end.
    #[must_use]
    pub fn new(pattern: &str) -> Option<Self> {
        CString::new(format!("{pattern} ")).ok().map(|text| Self { text })
    }
}

impl Default for DatePattern {
    /// The empty pattern.
    fn default() -> Self {
        Self { text: c" ".to_owned() }
    }
}

/// A moment in the zone of the host (`TZ`, else /etc/localtime).
#[derive(Clone, Copy)]
pub struct LocalTime {
    broken_down: libc::tm,
}

impl LocalTime {
    /// The local time of `seconds` since 1970 UTC; `None` when the year does not fit (`EOVERFLOW` of localtime(3)).
    ///
    /// The zone is that of the first call in the process, as `localtime_r` has it: a later change of the host's zone
    /// needs a restart.
    #[must_use]
    pub fn at(seconds: i64) -> Option<Self> {
        let seconds = libc::time_t::try_from(seconds).ok()?;
        let mut broken_down = MaybeUninit::<libc::tm>::zeroed();
        // SAFETY: both pointers are to live objects of the right types, and the call keeps neither.
        let made = unsafe { libc::localtime_r(&raw const seconds, broken_down.as_mut_ptr()) };
        if made.is_null() {
            return None;
        }
        // SAFETY: zeroes are a valid `tm`, and localtime_r did not fail.
        Some(Self { broken_down: unsafe { broken_down.assume_init() } })
    }

    /// Seconds that the zone is ahead of UTC at this moment.
    #[must_use]
    pub fn utc_offset(&self) -> i64 {
        #[allow(clippy::useless_conversion)] // `c_long` has 32 bits on some platforms
        i64::from(self.broken_down.tm_gmtoff)
    }

    /// Appends this moment as `pattern` says, in the C locale. Returns false, and appends nothing, when the C library cannot
    /// convert it or the text is longer than 64 KiB.
    pub fn text(&self, pattern: &DatePattern, out: &mut String) -> bool {
        let mut short = [0_u8; 128];
        self.fill(pattern, &mut short, out) || self.fill(pattern, &mut vec![0; MAX_TEXT_BYTES], out)
    }

    fn fill(&self, pattern: &DatePattern, buffer: &mut [u8], out: &mut String) -> bool {
        // SAFETY: the buffer has the length that is passed, the pattern ends with a NUL, and `broken_down` comes from
        // localtime_r, whose `tm_zone` names one of the C library's own strings, which live on.
        let length = unsafe {
            libc::strftime(
                buffer.as_mut_ptr().cast(),
                buffer.len(),
                pattern.text.as_ptr(),
                &raw const self.broken_down,
            )
        };
        let Some(text) = length.checked_sub(1).and_then(|without_blank| buffer.get(..without_blank)) else {
            return false;
        };
        out.push_str(&String::from_utf8_lossy(text));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(seconds: i64, pattern: &str) -> String {
        let mut out = String::new();
        let time = LocalTime::at(seconds).unwrap();
        assert!(time.text(&DatePattern::new(pattern).unwrap(), &mut out));
        out
    }

    /// Holds in any time zone of the host.
    #[test]
    fn local_time_is_utc_plus_the_offset() {
        let noon = 1_700_049_600; // 2023-11-15T12:00:00 UTC
        let offset = LocalTime::at(noon).unwrap().utc_offset();
        assert_eq!(text(noon - offset, "%Y-%m-%dT%H:%M:%S"), "2023-11-15T12:00:00");
    }

    #[test]
    fn pattern_may_make_an_empty_or_a_long_text() {
        assert_eq!(text(0, ""), "");
        assert_eq!(text(0, "é%%\u{1f600}"), "é%\u{1f600}");
        let long = "%%".repeat(5000);
        assert_eq!(text(0, &long), "%".repeat(5000));
    }

    #[test]
    fn text_without_end_is_refused() {
        let mut out = String::from("kept");
        let huge = DatePattern::new(&"x".repeat(MAX_TEXT_BYTES)).unwrap();
        assert!(!LocalTime::at(0).unwrap().text(&huge, &mut out));
        assert_eq!(out, "kept");
    }

    #[test]
    fn time_out_of_range_is_none() {
        assert!(LocalTime::at(i64::MAX).is_none());
        assert!(LocalTime::at(i64::MIN).is_none());
        assert!(LocalTime::at(-1).is_some());
    }

    #[test]
    fn pattern_with_a_nul_is_refused() {
        assert_eq!(DatePattern::new("a\0b"), None);
    }
}
