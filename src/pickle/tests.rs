use proptest::prelude::*;

use super::*;

const ANY: Policy = Policy { globals: any_global, limits: Limits::MESSAGE, python2: true };

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

fn global(module: &str, name: &str) -> Value {
    Value::Global { module: module.to_owned(), name: name.to_owned() }
}

fn call(callable: Value, arguments: Vec<Value>) -> Call {
    Call { callable, arguments: Value::Tuple(arguments), new: false, state: None }
}

/// A value that encodes and decodes to itself: its floats are no NaN, its long integers are as short as they can be.
fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::None),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Int),
        (-70_000_i64..70_000).prop_map(Value::Int),
        any::<f64>().prop_filter("equal to itself", |f| !f.is_nan()).prop_map(Value::Float),
        (proptest::collection::vec(any::<u8>(), 8..300), 1_u8..0x7f).prop_map(|(mut bytes, last)| {
            bytes.push(last);
            Value::Long(bytes)
        }),
        proptest::collection::vec(any::<u8>(), 0..300).prop_map(Value::Bytes),
        any::<String>().prop_map(Value::Text),
        ("[a-z.]{1,8}", "[A-Za-z]{1,8}").prop_map(|(module, name)| Value::Global { module, name }),
    ];
    leaf.prop_recursive(5, 100, 6, |inner| {
        let several = proptest::collection::vec(inner.clone(), 0..6);
        prop_oneof![
            several.clone().prop_map(Value::Tuple),
            several.clone().prop_map(Value::List),
            proptest::collection::vec((inner.clone(), inner.clone()), 0..6).prop_map(Value::Dict),
            (several, any::<bool>(), proptest::option::of(inner)).prop_map(|(arguments, new, state)| {
                Value::Call(Box::new(Call { new, state, ..call(global("m", "C"), arguments) }))
            }),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read(value in any_value()) {
        let mut bytes = vec![7];
        encode(&value, &mut bytes).unwrap();
        prop_assert_eq!(bytes.remove(0), 7, "what was there stays");
        prop_assert_eq!(decode(&bytes, &ANY).unwrap(), value.clone());
        for end in 0..bytes.len() {
            prop_assert_eq!(decode(&bytes[..end], &ANY), Err(Error::Short));
        }
        bytes.extend_from_slice(b"..");
        prop_assert_eq!(decode_first(&bytes, &ANY).unwrap(), (value, bytes.len() - 2));
        prop_assert_eq!(decode(&bytes, &ANY), Err(Error::Trailing(2)));
    }

    #[test]
    fn any_bytes_get_an_answer(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = decode(&bytes, &ANY);
    }

    #[test]
    fn any_opcodes_get_an_answer(bytes in proptest::collection::vec(
        proptest::sample::select(b"(.0122NKKKK\x88)\x85\x86t]ae}suq\x01h\x01h\x02RbU\x02C\x01".to_vec()), 0..200,
    )) {
        let _ = decode(&bytes, &ANY);
    }
}

#[test]
fn a_message_is_written_as_zodbpickle_writes_it() {
    let message = Value::Tuple(vec![
        Value::Int(1),
        Value::Bool(false),
        text("register"),
        Value::Tuple(vec![text("1"), Value::Bool(false)]),
    ]);
    let mut bytes = Vec::new();
    encode(&message, &mut bytes).unwrap();
    assert_eq!(bytes, b"\x80\x03(K\x01\x89X\x08\x00\x00\x00registerX\x01\x00\x00\x001\x89\x86t.");
}

#[test]
fn every_spelling_is_read() {
    let long = Value::Long(vec![0, 0, 0, 0, 0, 0, 0, 0, 1]);
    let set = Value::Call(Box::new(call(global("builtins", "set"), vec![Value::List(vec![Value::Int(1)])])));
    let built = Call { new: true, state: Some(Value::Int(2)), ..call(global("m", "C"), vec![Value::Int(1)]) };
    let cases: Vec<(&[u8], Value)> = vec![
        (b"I01\n.", Value::Bool(true)),
        (b"I00\n.", Value::Bool(false)),
        (b"I1\n.", Value::Int(1)),
        (b"L-12L\n.", Value::Int(-12)),
        (b"L18446744073709551616L\n.", long.clone()),
        (b"L-9223372036854775809L\n.", Value::Long(vec![255, 255, 255, 255, 255, 255, 255, 127, 255])),
        (b"\x8a\x0a\0\0\0\0\0\0\0\0\x01\0.", long),
        (b"\x8a\0.", Value::Int(0)),
        (b"\x8a\x0c\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff.", Value::Int(-1)),
        (b"\x8b\x02\0\0\0\0\x80.", Value::Int(-32768)),
        (b"J\xff\xff\xff\xff.", Value::Int(-1)),
        (b"U\x08\0\0\0\0\0\0\0\x05.", text("\0\0\0\0\0\0\0\x05")),
        (b"U\x01\xff.", Value::Bytes(vec![255])),
        (b"T\x01\0\0\0a.", text("a")),
        (b"]q\x01(K\x01h\x02\x86e.".as_slice(), Value::None), // never set: see below
        (b"C\x01aq\x05r\x05\0\0\0h\x05j\x05\0\0\0\x87.", Value::Tuple(vec![Value::Bytes(b"a".to_vec()); 3])),
        (b"cbuiltins\nset\n]K\x01a\x85R.", set),
        (b"cm\nC\nK\x01\x85\x81K\x02b.", Value::Call(Box::new(built))),
        (b"K\x01K\x020.", Value::Int(1)),
        (b"K\x01(K\x02K\x031.", Value::Int(1)),
        (b"K\x01(0.", Value::Int(1)),
        (b"K\x012\x86.", Value::Tuple(vec![Value::Int(1), Value::Int(1)])),
    ];
    for (bytes, value) in cases {
        let read = decode(bytes, &ANY);
        if value == Value::None {
            assert!(
                matches!(read, Err(Error::Invalid { what: "a memo that was never set", .. })),
                "{read:?}"
            );
        } else {
            assert_eq!(read, Ok(value), "{}", bytes.escape_ascii());
        }
    }
}

#[test]
fn what_is_shared_is_complete_wherever_it_is_seen() {
    // a = []; (a, a); a.append(1), the order in which a pickler with a memo writes it.
    let bytes = b"]q\x01K\x01ah\x01\x86.";
    let one = Value::List(vec![Value::Int(1)]);
    assert_eq!(decode(bytes, &ANY), Ok(Value::Tuple(vec![one.clone(), one])));
    // The list is filled after it was put into the tuple.
    let late = b"]q\x01h\x01\x86h\x01K\x01a0.";
    let one = Value::List(vec![Value::Int(1)]);
    assert_eq!(decode(late, &ANY), Ok(Value::Tuple(vec![one.clone(), one])));
}

#[test]
fn malformed_pickles_are_refused() {
    let cases: &[&[u8]] = &[
        b"",
        b"(",
        b".",
        b"K",
        b"a.",
        b"K\x01a.",
        b"t.",
        b"0.",
        b"1.",
        b"2.",
        b"}(K\x01u.",
        b"K\x01(.",
        b"K\x01(0a.",
        b"\x80\x04N.",
        b"\x80\x05N.",
        b"K\x01K\x02(s.",
        b"K\x01)R.",
        b"cm\nC\nK\x01R.",
        b"NNb.",
        b"X\x01\0\0\0\xff.",
        b"X\xff\xff\xff\xffa.",
        b"B\xff\xff\xff\xffa.",
        b"Ix\n.",
        b"I\n.",
        b"L\n.",
        b"h\x00.",
        b"\x8b\xff\xff\xff\xff.",
        b"\x82\x01.",
        b"\x95.",
        b"c\xff\n\n.",
    ];
    for bytes in cases {
        let read = decode(bytes, &ANY);
        assert!(read.is_err(), "{}: {read:?}", bytes.escape_ascii());
    }
    assert_eq!(decode(b"N\x93.", &ANY), Err(Error::Opcode { opcode: 0x93, at: 1 }));
}

#[test]
fn names_are_admitted_by_the_policy() {
    let error = Error::Global { module: "os".to_owned(), name: "system".to_owned() };
    assert_eq!(decode(b"cos\nsystem\n.", &Policy::SERVER), Err(error));
    for module in ["builtins", "__builtin__", "copy_reg", "zodbpickle", "ZopeUndo.Prefix"] {
        assert_eq!(decode(format!("c{module}\nx\n.").as_bytes(), &Policy::SERVER), Ok(global(module, "x")));
    }
}

#[test]
fn depth_is_bounded() {
    let nested = |depth: usize| [vec![b'('; depth], vec![b't'; depth], vec![b'.']].concat();
    assert!(decode(&nested(100), &ANY).is_ok());
    let deep = Error::Limit("values within values too deep");
    assert_eq!(decode(&nested(101), &ANY), Err(deep.clone()));
    assert_eq!(decode(&nested(40_000), &ANY), Err(deep.clone()));
    assert_eq!(decode(b"]q\x01h\x01a.", &ANY), Err(deep), "a list that contains itself");
}

#[test]
fn memory_is_bounded() {
    let too_many = Err(Error::Limit("too many opcodes"));
    assert_eq!(decode(&vec![b'N'; 1_000_000], &ANY), too_many);
    assert_eq!(decode(&vec![b'('; 1_000_000], &ANY), too_many);
    // Each level has the one before it ten times: 10^20 values in the end.
    let mut bomb = b"K\x01q\x00".to_vec();
    for level in 1..=20 {
        bomb.push(b'(');
        for _ in 0..10 {
            bomb.extend_from_slice(&[b'h', level - 1]);
        }
        bomb.extend_from_slice(&[b't', b'q', level]);
    }
    bomb.push(b'.');
    assert_eq!(decode(&bomb, &ANY), Err(Error::Limit("too many values")));
    // 60,000 bytes, a thousand times.
    let mut bomb = [b"(B\x60\xea\0\0".as_slice(), &vec![0; 60_000], b"q\x00"].concat();
    bomb.extend(b"h\x00".repeat(1000));
    bomb.extend(b"t.");
    assert_eq!(decode(&bomb, &ANY), Err(Error::Limit("too many bytes in shared values")));
    // A number that would take a table of four billion entries, were the memo one.
    assert_eq!(decode(b"Nr\xff\xff\xff\xff.", &ANY), Ok(Value::None));
    assert!(decode(&[b"L".as_slice(), &vec![b'9'; 100_000], b"L\n."].concat(), &ANY).is_err());
}

#[test]
fn what_protocol_3_cannot_say_is_refused() {
    let mut out = Vec::new();
    assert_eq!(encode(&global("a\nb", "c"), &mut out), Err(EncodeError::Name));
}

#[test]
fn values_are_taken_apart() {
    let dict = Value::Dict(vec![
        (text("a"), Value::Int(1)),
        (Value::None, Value::None),
        (text("a"), Value::Bool(true)),
    ]);
    assert_eq!(dict.get("a").and_then(Value::as_int), Some(1), "the last one counts");
    assert_eq!(dict.get("b"), None);
    assert_eq!(Value::None.get("a"), None);
    assert_eq!(text("é").as_bytes(), Some("é".as_bytes()));
    assert_eq!(Value::Bytes(vec![1]).as_bytes(), Some([1].as_slice()));
    assert_eq!(Value::None.as_bytes(), None);
    assert_eq!(text("1").as_int(), None);
    assert_eq!(Value::List(vec![Value::None]).items(), Some([Value::None].as_slice()));
    assert_eq!(Value::None.items(), None);
}
