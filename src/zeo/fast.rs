//! The one call that clients make by the thousand, `loadBefore`, without a value made of it: recognised by its bytes as
//! the clients' encoders write it, and answered straight into the buffer that goes to the socket. Other spellings take
//! the long way.

use super::exception::Exception;
use super::frame;
use super::message::Encoding;
use crate::pickle::Value;
use crate::storage::{Error, Oid, Revision, Storage, Tid, Wait};

/// A `loadBefore` with its id as it was spelled, which is how it goes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoadBefore<'a> {
    id: &'a [u8],
    oid: Oid,
    before: Tid,
}

/// How an encoding spells the call and its reply.
struct Form {
    begin: &'static [u8],
    /// The length of an id that is a number, by its first byte.
    number: fn(u8) -> Option<usize>,
    /// Between the id and the arguments of the call.
    call: &'static [u8],
    /// Between the id and the result of the reply.
    reply: &'static [u8],
    /// Before eight bytes: the pickle's `SHORT_BINBYTES`, msgpack's bin 8.
    eight: [u8; 2],
    pair_begin: &'static [u8],
    pair_end: &'static [u8],
    /// The begin of the result, up to its data; the last four bytes are for their length.
    data: &'static [u8],
    length: fn(u32) -> [u8; 4],
    none: u8,
    triple_end: &'static [u8],
    end: &'static [u8],
}

/// An encoding. The code is compiled for each, so that what is compared and copied is of known length and takes no call of
/// memcmp(3).
trait Spelled {
    const FORM: Form;
}

struct Pickled;
struct Packed;

impl Spelled for Pickled {
    const FORM: Form = Form {
        begin: b"\x80\x03(",
        number: |first| match first {
            b'K' => Some(2),
            b'M' => Some(3),
            b'J' => Some(5),
            _ => None,
        },
        call: b"\x89X\x0a\0\0\0loadBefore",
        reply: b"K\0X\x06\0\0\0.reply",
        eight: [b'C', 8],
        pair_begin: b"",
        pair_end: b"\x86",
        data: b"B\0\0\0\0",
        length: u32::to_le_bytes,
        none: b'N',
        triple_end: b"\x87",
        end: b"t.",
    };
}

impl Spelled for Packed {
    const FORM: Form = Form {
        begin: b"\x94",
        number: |first| match first {
            0..=0x7f => Some(1),
            0xcc => Some(2),
            0xcd => Some(3),
            0xce => Some(5),
            0xcf => Some(9),
            _ => None,
        },
        call: b"\xc2\xaaloadBefore",
        reply: b"\0\xa6.reply",
        eight: [0xc4, 8],
        pair_begin: b"\x92",
        pair_end: b"",
        data: b"\x93\xc6\0\0\0\0",
        length: u32::to_be_bytes,
        none: 0xc0,
        triple_end: b"",
        end: b"",
    };
}

/// A pair of object and transaction at the beginning, and what follows.
fn pair<S: Spelled>(bytes: &[u8]) -> Option<([u8; 8], [u8; 8], &[u8])> {
    let rest = bytes.strip_prefix(S::FORM.pair_begin)?;
    let (first, rest) = rest.strip_prefix(&S::FORM.eight)?.split_first_chunk()?;
    let (second, rest) = rest.strip_prefix(&S::FORM.eight)?.split_first_chunk()?;
    Some((*first, *second, rest.strip_prefix(S::FORM.pair_end)?))
}

/// Recognises a message.
pub fn recognise(encoding: Encoding, frame: &[u8]) -> Option<LoadBefore<'_>> {
    match encoding {
        Encoding::Pickle => recognise_as::<Pickled>(frame),
        Encoding::Msgpack => recognise_as::<Packed>(frame),
    }
}

fn recognise_as<S: Spelled>(frame: &[u8]) -> Option<LoadBefore<'_>> {
    let body = frame.strip_prefix(S::FORM.begin)?;
    let length = match (S::FORM.number)(*body.first()?) {
        Some(length) => length,
        None => body.len() - pair::<S>(body)?.2.len(),
    };
    let (id, rest) = body.split_at_checked(length)?;
    let (oid, before, rest) = pair::<S>(rest.strip_prefix(S::FORM.call)?)?;
    let call = LoadBefore { id, oid: Oid::from_bytes(oid), before: Tid::from_bytes(before) };
    (rest == S::FORM.end).then_some(call)
}

impl LoadBefore<'_> {
    /// Appends the reply. `data` grow in place: their length is written when they are there.
    ///
    /// # Errors
    /// What is to be said instead; nothing is appended. [`Error::WouldWait`], if `wait` says so.
    pub fn answer(
        &self,
        encoding: Encoding,
        storage: &dyn Storage,
        wait: Wait,
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let begin = out.len();
        out.extend_from_slice(&[0; frame::HEADER]);
        let reply = match encoding {
            Encoding::Pickle => self.reply::<Pickled>(storage, wait, out),
            Encoding::Msgpack => self.reply::<Packed>(storage, wait, out),
        };
        let whole = reply.and_then(|()| {
            let too_long =
                || Error::Transaction(format!("the data of object {} do not fit a message", self.oid));
            frame::close(out, begin).ok_or_else(too_long)
        });
        if whole.is_err() {
            out.truncate(begin);
        }
        whole
    }

    /// The message with the error, for [`LoadBefore::answer`].
    pub fn fail(&self, encoding: Encoding, error: &Error, out: &mut Vec<u8>) {
        let exception = Exception::from(error);
        encoding.error(&self.id(encoding), exception.name, exception.arguments, out);
    }

    /// The id as a value.
    fn id(&self, encoding: Encoding) -> Value {
        let decoded = match encoding {
            Encoding::Pickle => {
                let pickle = [b"\x80\x03", self.id, b"."].concat();
                crate::pickle::decode(&pickle, &crate::pickle::Policy::SERVER).ok()
            }
            Encoding::Msgpack => super::msgpack::decode(self.id).ok(),
        };
        // The id was recognised as one of a few spellings.
        decoded.unwrap_or(Value::None)
    }

    fn reply<S: Spelled>(&self, storage: &dyn Storage, wait: Wait, out: &mut Vec<u8>) -> Result<(), Error> {
        let form = const { &S::FORM };
        out.extend_from_slice(form.begin);
        out.extend_from_slice(self.id);
        out.extend_from_slice(form.reply);
        let result = out.len();
        out.extend_from_slice(form.data);
        let data = out.len();
        if let Some(Revision { start, end }) = storage.load_before(self.oid, self.before, wait, out)? {
            put_length(out, data, form.length);
            put_eight(out, form.eight, start);
            match end {
                Some(end) => put_eight(out, form.eight, end),
                None => out.push(form.none),
            }
            out.extend_from_slice(form.triple_end);
        } else {
            out.truncate(result);
            out.push(form.none);
        }
        out.extend_from_slice(form.end);
        Ok(())
    }
}

fn put_eight(out: &mut Vec<u8>, head: [u8; 2], tid: Tid) {
    out.extend_from_slice(&head);
    out.extend_from_slice(&tid.to_bytes());
}

/// Writes the length of the data that begin at `data` before them. Data beyond 32 bits make the message too long for
/// its header, which is noticed there.
fn put_length(out: &mut [u8], data: usize, bytes: fn(u32) -> [u8; 4]) {
    let length = u32::try_from(out.len() - data).unwrap_or(u32::MAX);
    out[data - 4..data].copy_from_slice(&bytes(length));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::call::Call;
    use super::super::msgpack;
    use super::*;
    use crate::pickle;

    fn eight(number: u64) -> Value {
        Value::Bytes(number.to_be_bytes().to_vec())
    }

    proptest! {
        #[test]
        fn what_is_recognised_is_what_the_general_decoder_reads(
            id in prop_oneof![
                (-300..70_000_i64).prop_map(Value::Int),
                any::<i64>().prop_map(Value::Int),
                any::<(u64, u64)>().prop_map(|(oid, tid)| Value::Tuple(vec![eight(oid), eight(tid)])),
                Just(Value::None),
            ],
            oid: u64,
            before: u64,
            changed in prop::option::of((any::<prop::sample::Index>(), any::<u8>())),
            packed: bool,
        ) {
            let arguments = Value::Tuple(vec![eight(oid), eight(before)]);
            let call = [id, Value::Bool(false), Value::Text("loadBefore".to_owned()), arguments];
            let (call, mut frame) = (Value::Tuple(call.to_vec()), Vec::new());
            let encoding = if packed {
                msgpack::encode(&call, &mut frame).unwrap();
                Encoding::Msgpack
            } else {
                pickle::encode(&call, &mut frame).unwrap();
                Encoding::Pickle
            };
            if let Some((place, byte)) = &changed {
                *place.get_mut(&mut frame) = *byte;
            }
            if let Some(load) = recognise(encoding, &frame) {
                let message = encoding.decode(&frame).unwrap().unwrap();
                let LoadBefore { oid, before, .. } = load;
                prop_assert_eq!(Call::parse(&message.name, message.arguments), Ok(Call::LoadBefore { oid, before }));
                prop_assert_eq!(load.id(encoding), message.id);
                prop_assert!(!message.asynchronous);
            }
        }
    }
}
