//! A value to bytes.

use thiserror::Error;

use crate::pickle::Value;

/// What `MessagePack` cannot say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum EncodeError {
    /// An integer beyond 64 bits.
    #[error("an integer has more than 64 bits")]
    Integer,
    /// A class or an instance.
    #[error("an instance of a class has no form in msgpack")]
    Instance,
    /// A length beyond 32 bits.
    #[error("a value is too long")]
    Length,
}

/// Appends the encoding of a value. Recurses by its depth, which the decoders bound.
///
/// # Errors
/// It has none; `out` then has a part of it at its end.
pub fn encode(value: &Value, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    match value {
        Value::None => out.push(0xc0),
        Value::Bool(truth) => out.push(0xc2 + u8::from(*truth)),
        Value::Int(number) => integer(*number, out),
        Value::Long(bytes) => long(bytes, out)?,
        Value::Float(number) => {
            out.push(0xcb);
            out.extend_from_slice(&number.to_be_bytes());
        }
        Value::Bytes(bytes) => {
            head(bytes.len(), &[(0xff, 0xc4, 1), (0xffff, 0xc5, 2)], (0xc6, 4), out)?;
            out.extend_from_slice(bytes);
        }
        Value::Text(text) => {
            let sizes = [(31, 0xa0, 0), (0xff, 0xd9, 1), (0xffff, 0xda, 2)];
            head(text.len(), &sizes, (0xdb, 4), out)?;
            out.extend_from_slice(text.as_bytes());
        }
        Value::Tuple(items) | Value::List(items) => {
            head(items.len(), &[(15, 0x90, 0), (0xffff, 0xdc, 2)], (0xdd, 4), out)?;
            items.iter().try_for_each(|item| encode(item, out))?;
        }
        Value::Dict(pairs) => {
            head(pairs.len(), &[(15, 0x80, 0), (0xffff, 0xde, 2)], (0xdf, 4), out)?;
            for (key, value) in pairs {
                encode(key, out)?;
                encode(value, out)?;
            }
        }
        Value::Global { .. } | Value::Call(_) | Value::Persistent(_) => return Err(EncodeError::Instance),
    }
    Ok(())
}

/// The first bytes of something with a length: the first of `sizes` (largest length, first byte, bytes for the length)
/// that fits, or `last`. Without bytes of its own the length is in the first byte.
fn head(
    length: usize,
    sizes: &[(usize, u8, usize)],
    last: (u8, usize),
    out: &mut Vec<u8>,
) -> Result<(), EncodeError> {
    let number = u32::try_from(length).map_err(|_| EncodeError::Length)?;
    let fits = sizes.iter().find(|(most, _, _)| length <= *most);
    let (kind, width) = fits.map_or(last, |(_, kind, width)| (*kind, *width));
    let bytes = number.to_be_bytes();
    out.push(if width == 0 { kind | bytes[3] } else { kind });
    out.extend_from_slice(&bytes[4 - width..]);
    Ok(())
}

fn integer(number: i64, out: &mut Vec<u8>) {
    if let Ok(number) = u64::try_from(number) {
        return unsigned(number, out);
    }
    if let Ok(small) = i8::try_from(number) {
        if small < -32 {
            out.push(0xd0);
        }
        out.push(small.cast_unsigned());
    } else if let Ok(number) = i16::try_from(number) {
        out.push(0xd1);
        out.extend_from_slice(&number.to_be_bytes());
    } else if let Ok(number) = i32::try_from(number) {
        out.push(0xd2);
        out.extend_from_slice(&number.to_be_bytes());
    } else {
        out.push(0xd3);
        out.extend_from_slice(&number.to_be_bytes());
    }
}

fn unsigned(number: u64, out: &mut Vec<u8>) {
    let bytes = number.to_be_bytes();
    let (kind, width) = match number {
        0..=0x7f => return out.push(bytes[7]),
        0x80..=0xff => (0xcc, 1),
        0x100..=0xffff => (0xcd, 2),
        0x1_0000..=0xffff_ffff => (0xce, 4),
        _ => (0xcf, 8),
    };
    out.push(kind);
    out.extend_from_slice(&bytes[8 - width..]);
}

fn long(bytes: &[u8], out: &mut Vec<u8>) -> Result<(), EncodeError> {
    // Longer than 64 bits unless the ninth byte is but the sign of a positive one.
    let (number, sign) = bytes.split_first_chunk::<8>().ok_or(EncodeError::Integer)?;
    match sign {
        [] => integer(i64::from_le_bytes(*number), out),
        [0] => unsigned(u64::from_le_bytes(*number), out),
        _ => return Err(EncodeError::Integer),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{Error, decode};
    use super::*;

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::None),
            any::<bool>().prop_map(Value::Bool),
            any::<i64>().prop_map(Value::Int),
            (-70_000_i64..70_000).prop_map(Value::Int),
            (1_u64 << 63..)
                .prop_map(|number| { Value::Long(number.to_le_bytes().into_iter().chain([0]).collect()) }),
            any::<f64>().prop_filter("equal to itself", |number| !number.is_nan()).prop_map(Value::Float),
            prop::collection::vec(any::<u8>(), 0..300).prop_map(Value::Bytes),
            ".{0,40}".prop_map(Value::Text),
        ];
        leaf.prop_recursive(5, 60, 20, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..20).prop_map(Value::Tuple),
                prop::collection::vec(("[a-z]{0,9}".prop_map(Value::Text), inner), 0..20)
                    .prop_map(Value::Dict),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(value in value()) {
            let mut bytes = Vec::new();
            encode(&value, &mut bytes).unwrap();
            prop_assert_eq!(decode(&bytes), Ok(value));
            for short in 0..bytes.len() {
                prop_assert!(decode(&bytes[..short]).is_err());
            }
            bytes.push(0xc0);
            prop_assert_eq!(decode(&bytes), Err(Error::Trailing(1)));
        }

        #[test]
        fn any_bytes_are_an_answer(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            let _ = decode(&bytes);
        }
    }

    /// What `msgpack.packb` of Python makes of them.
    #[test]
    fn encodings_are_the_shortest() {
        let long = |length| Value::Bytes(vec![0; length]);
        for (value, begin) in [
            (Value::Int(127), &[0x7f][..]),
            (Value::Int(128), &[0xcc, 0x80]),
            (Value::Int(-32), &[0xe0]),
            (Value::Int(-33), &[0xd0, 0xdf]),
            (Value::Int(-129), &[0xd1, 0xff, 0x7f]),
            (Value::Int(1 << 40), &[0xcf, 0, 0, 1, 0, 0, 0, 0, 0]),
            (Value::Int(-1 << 40), &[0xd3, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0]),
            (long(255), &[0xc4, 0xff]),
            (long(256), &[0xc5, 1, 0]),
            (long(65_536), &[0xc6, 0, 1, 0, 0]),
            (Value::Text("x".repeat(31)), &[0xbf]),
            (Value::Text("x".repeat(32)), &[0xd9, 32]),
            (Value::List(vec![Value::None; 16]), &[0xdc, 0, 16]),
            (Value::Dict(vec![(Value::Int(1), Value::None)]), &[0x81, 1, 0xc0]),
        ] {
            let mut bytes = Vec::new();
            encode(&value, &mut bytes).unwrap();
            assert!(bytes.starts_with(begin), "{:?}", &bytes[..bytes.len().min(9)]);
        }
    }

    #[test]
    fn depth_and_number_are_bounded_and_an_announcement_takes_no_memory() {
        let deep = [vec![0x91; 5_000_000], vec![0xc0]].concat();
        assert_eq!(decode(&deep), Err(Error::Limit("values too deep in each other")));
        let mut many = vec![0xdd, 0, 0x20, 0, 0];
        many.resize(5 + (0x20 << 16), 0xc0);
        assert_eq!(decode(&many), Err(Error::Limit("too many values")));
        assert_eq!(decode(&[0xdd, 0xff, 0xff, 0xff, 0xff]), Err(Error::Short));
        assert_eq!(decode(&[0xdf, 0xff, 0xff, 0xff, 0xff]), Err(Error::Short));
        assert_eq!(decode(&[0xc6, 0xff, 0xff, 0xff, 0xff, 1]), Err(Error::Short));
        assert_eq!(decode(&[0xd4, 1, 2]), Err(Error::Kind { kind: 0xd4, at: 0 }));
        assert_eq!(decode(&[0xa1, 0xff]), Err(Error::Text(1)));
    }

    #[test]
    fn what_has_no_form_is_refused() {
        let global = Value::Global { module: "builtins".into(), name: "set".into() };
        assert_eq!(encode(&Value::Tuple(vec![global]), &mut Vec::new()), Err(EncodeError::Instance));
        assert_eq!(encode(&Value::Long(vec![1; 12]), &mut Vec::new()), Err(EncodeError::Integer));
    }
}
