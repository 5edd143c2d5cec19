//! Anything may be said, and something comes of it; the right things are answered.

mod crowd;

use std::sync::Arc;

use proptest::prelude::*;

use super::super::frame::{self, Frames};
use super::super::message::{Encoding, Message};
use super::super::msgpack;
use super::converse;
use crate::pickle::{self, Value};
use crate::storage::MemoryStorage;

const BOTH: [Encoding; 2] = [Encoding::Pickle, Encoding::Msgpack];

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

fn eight(number: u64) -> Value {
    Value::Bytes(number.to_be_bytes().to_vec())
}

/// The bytes of a client that registers and then sends these messages.
fn said(encoding: Encoding, messages: &[(Value, bool, &str, Vec<Value>)]) -> Vec<u8> {
    let mut out = Vec::new();
    let put = |out: &mut Vec<u8>, bytes: &[u8]| {
        frame::append(out, |out| {
            out.extend_from_slice(bytes);
            Ok::<(), ()>(())
        })
        .unwrap();
    };
    put(&mut out, if encoding == Encoding::Pickle { b"Z5" } else { b"M5" });
    let register = (Value::Int(1), false, "register", vec![text("1"), Value::Bool(false)]);
    for (id, asynchronous, name, arguments) in [&[register], messages].concat() {
        let message = Value::Tuple(vec![id, Value::Bool(asynchronous), text(name), Value::Tuple(arguments)]);
        let mut bytes = Vec::new();
        match encoding {
            Encoding::Pickle => pickle::encode(&message, &mut bytes).unwrap(),
            Encoding::Msgpack => msgpack::encode(&message, &mut bytes).unwrap(),
        }
        put(&mut out, &bytes);
    }
    out
}

fn heard(encoding: Encoding, mut bytes: &[u8]) -> Vec<Message> {
    let (mut frames, mut found) = (Frames::default(), Vec::new());
    while !bytes.is_empty() {
        bytes = frames.feed(bytes);
        while let Some(place) = frames.next(usize::MAX).unwrap() {
            let value = match encoding {
                Encoding::Pickle => pickle::decode(frames.bytes(place), &pickle::Policy::SERVER).unwrap(),
                Encoding::Msgpack => msgpack::decode(frames.bytes(place)).unwrap(),
            };
            let Value::Tuple(parts) = value else { panic!("{value:?}") };
            let [id, flag, Value::Text(name), body] = <[Value; 4]>::try_from(parts).unwrap() else {
                panic!("a message without a name")
            };
            let asynchronous = flag.as_int().unwrap() != 0;
            found.push(Message { id, asynchronous, name, arguments: vec![body] });
        }
    }
    found
}

/// Calls that go together, with ids and numbers from a small range, so that they meet.
fn call() -> impl Strategy<Value = (Value, bool, &'static str, Vec<Value>)> {
    let id = || (0_u64..4).prop_map(eight);
    let number = || (0_i64..3).prop_map(Value::Int);
    let empty = || Value::Bytes(Vec::new());
    let arguments = prop_oneof![
        (id(), id()).prop_map(|(oid, tid)| ("loadBefore", vec![oid, tid])),
        (id(), id()).prop_map(|(oid, tid)| ("loadSerial", vec![oid, tid])),
        id().prop_map(|oid| ("history", vec![oid])),
        id().prop_map(|oid| ("getTid", vec![oid])),
        id().prop_map(|tid| ("getInvalidations", vec![tid])),
        Just(("lastTransaction", vec![])),
        Just(("get_info", vec![])),
        Just(("server_status", vec![])),
        number().prop_map(|count| ("new_oids", vec![count])),
        Just(("iterator_start", vec![Value::None, Value::None])),
        number().prop_map(|n| ("iterator_next", vec![n])),
        (number(), id()).prop_map(|(n, tid)| ("iterator_record_start", vec![n, tid])),
        number().prop_map(|n| ("iterator_record_next", vec![n])),
        number().prop_map(move |n| {
            ("tpc_begin", vec![n, empty(), empty(), Value::Dict(vec![]), Value::None, text(" ")])
        }),
        (id(), id(), number()).prop_map(|(oid, tid, n)| ("storea", vec![oid, tid, eight(7), n])),
        (id(), id(), number())
            .prop_map(|(oid, tid, n)| ("checkCurrentSerialInTransaction", vec![oid, tid, n])),
        (id(), id(), number()).prop_map(|(oid, tid, n)| ("deleteObject", vec![oid, tid, n])),
        number().prop_map(|n| ("vote", vec![n])),
        number().prop_map(|n| ("tpc_finish", vec![n])),
        number().prop_map(|n| ("tpc_abort", vec![n])),
    ];
    // Mostly with a reply, so that an error is not the end.
    (any::<i64>(), prop::bool::weighted(0.1), arguments)
        .prop_map(|(id, asynchronous, (name, arguments))| (Value::Int(id), asynchronous, name, arguments))
}

proptest! {
    #[test]
    fn any_bytes_have_an_answer(bytes in prop::collection::vec(any::<u8>(), 0..300), msgpack: bool) {
        let encoding = if msgpack { Encoding::Msgpack } else { Encoding::Pickle };
        let mut all = said(encoding, &[]);
        // As they are, and as a frame.
        let _ = converse(Arc::new(MemoryStorage::new("m")), &bytes);
        frame::append(&mut all, |out| { out.extend(&bytes); Ok::<(), ()>(()) }).unwrap();
        let _ = converse(Arc::new(MemoryStorage::new("m")), &all);
    }

    #[test]
    fn every_call_has_one_answer_in_its_turn(calls in prop::collection::vec(call(), 0..40), msgpack: bool) {
        let encoding = if msgpack { Encoding::Msgpack } else { Encoding::Pickle };
        let answers = converse(Arc::new(MemoryStorage::new("m")), &said(encoding, &calls));
        let answers = heard(encoding, &answers);
        let replies = answers.iter().filter(|message| message.name == ".reply").map(|message| &message.id);
        let asked = calls.iter().filter(|(_, asynchronous, ..)| !asynchronous).map(|(id, ..)| id);
        // Up to where it ended, if it did. Nobody else votes, so no reply is late.
        let replies: Vec<_> = replies.skip(1).collect();
        let asked: Vec<_> = asked.take(replies.len()).collect();
        prop_assert_eq!(replies, asked);
    }
}

#[test]
fn both_ways_to_a_load_say_the_same() {
    for encoding in BOTH {
        let begin = vec![
            Value::Int(1),
            Value::Bytes(vec![]),
            Value::Bytes(vec![]),
            Value::Dict(vec![]),
            eight(0x0400_0000_0000_0000),
            text(" "),
        ];
        let messages = [
            (Value::Int(0), true, "tpc_begin", begin),
            (
                Value::Int(0),
                true,
                "storea",
                vec![eight(1), eight(0), Value::Bytes(vec![5; 300]), Value::Int(1)],
            ),
            (Value::Int(2), false, "vote", vec![Value::Int(1)]),
            (Value::Int(3), false, "tpc_finish", vec![Value::Int(1)]),
        ];
        let ids = [
            // Those that the short way knows, and others.
            Value::Int(5),
            Value::Int(300),
            Value::Int(70_000),
            Value::Tuple(vec![eight(1), eight(2)]),
            text("other"),
            Value::Int(1 << 40),
        ];
        for (oid, before) in [(1, u64::MAX >> 1), (1, 1), (2, 1)] {
            let loads =
                ids.iter().map(|id| (id.clone(), false, "loadBefore", vec![eight(oid), eight(before)]));
            let all: Vec<_> = messages.iter().cloned().chain(loads).collect();
            let answers =
                heard(encoding, &converse(Arc::new(MemoryStorage::new("m")), &said(encoding, &all)));
            let loaded = &answers[answers.len() - ids.len()..];
            for (answer, id) in loaded.iter().zip(&ids) {
                assert_eq!(answer.id, *id);
                assert_eq!(
                    (answer.asynchronous, &answer.arguments),
                    (loaded[4].asynchronous, &loaded[4].arguments)
                );
            }
        }
    }
}
