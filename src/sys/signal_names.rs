//! The names of signals, as Python and zdaemon spell them: where a number has two names (6, 17, 29), ABRT, CHLD and IO.

use nix::libc;
use nix::sys::signal::Signal;

/// The number of the signal with this name: any case, `SIG` in front or not, `Signals.` (Python's enumeration) before
/// that or not; real-time signals as `RTMIN`, `RTMAX`, `RTMIN+n` and `RTMAX-n`.
#[must_use]
pub fn number(name: &str) -> Option<i32> {
    let name = name.strip_prefix("Signals.").unwrap_or(name).to_ascii_uppercase();
    let name = name.strip_prefix("SIG").unwrap_or(&name);
    let named = format!("SIG{name}").parse::<Signal>().map(|signal| signal as i32);
    named.ok().or_else(|| second_name(name)).or_else(|| real_time(name))
}

/// Names that Python knows beside the customary ones.
fn second_name(name: &str) -> Option<i32> {
    match name {
        "CLD" => Some(libc::SIGCHLD),
        "IOT" => Some(libc::SIGABRT),
        "POLL" => Some(libc::SIGIO),
        _ => None,
    }
}

fn real_time(name: &str) -> Option<i32> {
    let number = if let Some(above) = name.strip_prefix("RTMIN") {
        libc::SIGRTMIN() + distance(above, '+')?
    } else {
        libc::SIGRTMAX() - distance(name.strip_prefix("RTMAX")?, '-')?
    };
    is_real_time(number).then_some(number)
}

fn distance(text: &str, sign: char) -> Option<i32> {
    if text.is_empty() {
        return Some(0);
    }
    let digits = text.strip_prefix(sign)?;
    let plain = digits.len() <= 2 && digits.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| digits.parse().ok())?
}

fn is_real_time(number: i32) -> bool {
    (libc::SIGRTMIN()..=libc::SIGRTMAX()).contains(&number)
}

/// The name of a signal: `SIGTERM`, `SIGRTMIN+1`; `None` for a number that is no signal, or one that the C library keeps
/// for itself (32 and 33 on Linux).
#[must_use]
pub fn name(number: i32) -> Option<String> {
    if let Ok(signal) = Signal::try_from(number) {
        return Some(signal.as_str().to_owned());
    }
    is_real_time(number).then(|| match number - libc::SIGRTMIN() {
        0 => "SIGRTMIN".to_owned(),
        _ if number == libc::SIGRTMAX() => "SIGRTMAX".to_owned(),
        above => format!("SIGRTMIN+{above}"),
    })
}

/// The names of the signals that have one of their own, in the order of their numbers.
pub fn names() -> impl Iterator<Item = &'static str> {
    Signal::iterator().map(Signal::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_is_understood() {
        for (spelling, expected) in [
            ("TERM", Some(15)),
            ("SIGTERM", Some(15)),
            ("SigHup", Some(1)),
            ("hup", Some(1)),
            ("Signals.SIGUSR2", Some(12)),
            ("CLD", Some(17)),
            ("CHLD", Some(17)),
            ("IOT", Some(6)),
            ("POLL", Some(29)),
            ("rtmin", Some(libc::SIGRTMIN())),
            ("RTMIN+1", Some(libc::SIGRTMIN() + 1)),
            ("SIGRTMAX", Some(libc::SIGRTMAX())),
            ("RTMAX-1", Some(libc::SIGRTMAX() - 1)),
            ("RTMIN+99", None),
            ("RTMIN-1", None),
            ("RTMIN+-1", None),
            ("RTMIN+", None),
            ("SIGSIGTERM", None),
            ("SIG_DFL", None),
            ("foo", None),
            ("", None),
            ("é", None),
        ] {
            assert_eq!(number(spelling), expected, "{spelling}");
        }
    }

    #[test]
    fn names_lead_back_to_their_numbers() {
        for known in (1..=31).chain(libc::SIGRTMIN()..=libc::SIGRTMAX()) {
            let spelling = name(known).unwrap_or_else(|| panic!("{known} has no name"));
            assert_eq!(number(&spelling), Some(known));
        }
        for unknown in [-1, 0, 32, 33, 65, 99] {
            assert_eq!(name(unknown), None);
        }
        let twice = [6, 17, 29].map(|n| name(n).unwrap());
        assert_eq!(twice, ["SIGABRT", "SIGCHLD", "SIGIO"]);
    }
}
