//! Digits of numbers as Python writes them. All here take a finite, non-negative number; the sign is the caller's.

/// `repr` of a float: the shortest digits that name it, `1.0`, `1e+16`, `1e-05`.
pub(super) fn shortest(number: f64) -> String {
    let (digits, exponent) = scientific(&format!("{number:e}"));
    if (-4..16).contains(&exponent) {
        let plain = format!("{number}");
        return if plain.contains('.') { plain } else { plain + ".0" };
    }
    with_exponent(&digits, exponent, 'e')
}

/// `%f`.
pub(super) fn fixed(number: f64, precision: usize, alternate: bool) -> String {
    let mut digits = format!("{number:.precision$}");
    if alternate && precision == 0 {
        digits.push('.');
    }
    digits
}

/// `%e`, with `letter` for the exponent.
pub(super) fn exponent(number: f64, precision: usize, alternate: bool, letter: char) -> String {
    let (mut digits, exponent) = scientific(&format!("{number:.precision$e}"));
    if alternate && precision == 0 {
        digits.push('.');
    }
    with_exponent(&digits, exponent, letter)
}

/// `%g`, with `letter` for the exponent. `dot_zero` is Python's form for a precision without a letter: at least one
/// digit after the point.
pub(super) fn general(
    number: f64,
    precision: usize,
    alternate: bool,
    dot_zero: bool,
    letter: char,
) -> String {
    let precision = precision.max(1);
    let decimals = precision - 1;
    let (digits, exponent) = scientific(&format!("{number:.decimals$e}"));
    let limit = i64::try_from(precision).unwrap_or(i64::MAX) - i64::from(dot_zero);
    if exponent < -4 || exponent >= limit {
        let digits = if alternate { pointed(digits) } else { trimmed(digits) };
        return with_exponent(&digits, exponent, letter);
    }
    let decimals = usize::try_from(limit + i64::from(dot_zero) - 1 - exponent).unwrap_or(0);
    let digits = format!("{number:.decimals$}");
    match (alternate, dot_zero) {
        (true, _) => pointed(digits),
        (false, true) => match trimmed(digits) {
            whole if !whole.contains('.') => whole + ".0",
            fraction => fraction,
        },
        (false, false) => trimmed(digits),
    }
}

/// The two parts of Rust's `1.5e-7`.
fn scientific(text: &str) -> (String, i64) {
    let (digits, exponent) = text.split_once('e').unwrap_or((text, "0"));
    (digits.to_owned(), exponent.parse().unwrap_or(0))
}

/// At least two digits of exponent, always signed.
fn with_exponent(digits: &str, exponent: i64, letter: char) -> String {
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}{letter}{sign}{:02}", exponent.unsigned_abs())
}

fn pointed(digits: String) -> String {
    if digits.contains('.') { digits } else { digits + "." }
}

fn trimmed(digits: String) -> String {
    if digits.contains('.') { digits.trim_end_matches('0').trim_end_matches('.').to_owned() } else { digits }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each pair was written by Python 3.11.
    #[test]
    fn floats_are_written_as_python_writes_them() {
        let repr = [(1.0, "1.0"), (1e15, "1000000000000000.0"), (1e16, "1e+16"), (0.0001, "0.0001")];
        for (number, text) in repr.into_iter().chain([(0.00001, "1e-05"), (123.456, "123.456"), (0.0, "0.0")])
        {
            assert_eq!(shortest(number), text);
        }
        assert_eq!(exponent(1234.5, 2, false, 'e'), "1.23e+03");
        assert_eq!(exponent(5.0, 0, true, 'E'), "5.E+00");
        assert_eq!(fixed(2.5, 0, false), "2");
        assert_eq!(fixed(2.5, 0, true), "2.");
        assert_eq!(general(1e-5, 6, false, false, 'e'), "1e-05");
        assert_eq!(general(123_456_789.0, 6, false, false, 'e'), "1.23457e+08");
        assert_eq!(general(100.0, 6, false, false, 'e'), "100");
        assert_eq!(general(1.0, 3, true, false, 'e'), "1.00");
        assert_eq!(general(1.0, 1, true, false, 'e'), "1.");
        assert_eq!(general(42.0, 3, false, true, 'e'), "42.0");
        assert_eq!(general(42.0, 2, false, true, 'e'), "4.2e+01");
        assert_eq!(general(999_999.5, 6, false, false, 'e'), "1e+06");
    }
}
