//! A transaction as the calls about undo name it: its id in base64, without the end of a line (RFC 4648; ZEO-PROTOCOL section 4).

use crate::storage::Tid;

const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
/// Digits of 64 bits, before the padding.
const LENGTH: usize = 11;

/// The name of a transaction.
pub fn encode(Tid(tid): Tid) -> Vec<u8> {
    // 64 bits and two of padding are 11 digits of 6 bits.
    let bits = u128::from(tid) << 2;
    let digit = |at: usize| DIGITS[(bits >> (6 * (LENGTH - 1 - at))) as usize & 63];
    (0..LENGTH).map(digit).chain([b'=']).collect()
}

/// The transaction that a name is of.
pub fn decode(name: &[u8]) -> Option<Tid> {
    let digits = name.trim_ascii_end().strip_suffix(b"=").filter(|digits| digits.len() == LENGTH)?;
    let value = |digit: &u8| DIGITS.iter().position(|known| known == digit);
    let bits = digits.iter().try_fold(0_u128, |bits, digit| Some(bits << 6 | value(digit)? as u128))?;
    u64::try_from(bits >> 2).ok().map(Tid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_python() {
        // base64.encodebytes(p64(n)).rstrip()
        for (tid, name) in [
            (0, "AAAAAAAAAAA="),
            (1, "AAAAAAAAAAE="),
            (0x040d_2e8f_0ad7_ee00, "BA0ujwrX7gA="),
            (u64::MAX, "//////////8="),
        ] {
            assert_eq!(String::from_utf8(encode(Tid(tid))).unwrap(), name);
            assert_eq!(decode(name.as_bytes()), Some(Tid(tid)));
            assert_eq!(decode(format!("{name}\n").as_bytes()), Some(Tid(tid)));
        }
        for name in ["", "AAAAAAAAAAA", "AAAAAAAAAA==", "AAAAAAAAAAAA", "AAAA AAAAAA=", "AAAAAAAAAAAA="] {
            assert_eq!(decode(name.as_bytes()), None, "{name}");
        }
    }
}
