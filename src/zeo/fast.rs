//! The one call that clients make by the thousand, `loadBefore`, without a value made of it: recognised by its bytes as
//! the clients' encoders write it, and answered straight into the buffer that goes to the socket. Other spellings take
//! the long way.

use super::exception::Exception;
use super::frame;
use super::message::Encoding;
use crate::pickle::Value;
use crate::storage::{Error, Oid, Revision, Storage, Tid};

/// A `loadBefore` with its id as it was spelled, which is how it goes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoadBefore<'a> {
    id: &'a [u8],
    oid: Oid,
    before: Tid,
}

/// `8 bytes` of the pickle's `SHORT_BINBYTES`, and of msgpack's bin 8.
const PICKLED_EIGHT: [u8; 2] = [b'C', 8];
const PACKED_EIGHT: [u8; 2] = [0xc4, 8];

/// What stands between the id and the arguments, before and behind the whole message.
const PICKLED: Form = Form {
    begin: b"\x80\x03(",
    middle: b"\x89X\x0a\0\0\0loadBefore",
    eight: PICKLED_EIGHT,
    pair_end: b"\x86",
    pair_begin: b"",
    end: b"t.",
};
const PACKED: Form = Form {
    begin: b"\x94",
    middle: b"\xc2\xaaloadBefore",
    eight: PACKED_EIGHT,
    pair_end: b"",
    pair_begin: b"\x92",
    end: b"",
};

struct Form {
    begin: &'static [u8],
    middle: &'static [u8],
    eight: [u8; 2],
    pair_begin: &'static [u8],
    pair_end: &'static [u8],
    end: &'static [u8],
}

impl Form {
    /// A pair of object and transaction at the beginning, and what follows.
    fn pair<'a>(&self, bytes: &'a [u8]) -> Option<([u8; 8], [u8; 8], &'a [u8])> {
        let rest = bytes.strip_prefix(self.pair_begin)?;
        let (first, rest) = rest.strip_prefix(&self.eight)?.split_first_chunk()?;
        let (second, rest) = rest.strip_prefix(&self.eight)?.split_first_chunk()?;
        Some((*first, *second, rest.strip_prefix(self.pair_end)?))
    }
}

/// Recognises a message.
pub fn recognise(encoding: Encoding, frame: &[u8]) -> Option<LoadBefore<'_>> {
    let form = match encoding {
        Encoding::Pickle => PICKLED,
        Encoding::Msgpack => PACKED,
    };
    let body = frame.strip_prefix(form.begin)?;
    let length = match encoding {
        Encoding::Pickle => match body.first()? {
            b'K' => 2,
            b'M' => 3,
            b'J' => 5,
            _ => body.len() - form.pair(body)?.2.len(),
        },
        Encoding::Msgpack => match body.first()? {
            0..=0x7f => 1,
            0xcc => 2,
            0xcd => 3,
            0xce => 5,
            0xcf => 9,
            _ => body.len() - form.pair(body)?.2.len(),
        },
    };
    let (id, rest) = body.split_at_checked(length)?;
    let (oid, before, rest) = form.pair(rest.strip_prefix(form.middle)?)?;
    let call = LoadBefore { id, oid: Oid::from_bytes(oid), before: Tid::from_bytes(before) };
    (rest == form.end).then_some(call)
}

impl LoadBefore<'_> {
    /// Appends the reply. `data` grow in place: their length is written when they are there.
    ///
    /// # Errors
    /// What is to be said instead; nothing is appended.
    pub fn answer(&self, encoding: Encoding, storage: &dyn Storage, out: &mut Vec<u8>) -> Result<(), Error> {
        let begin = out.len();
        out.extend_from_slice(&[0; frame::HEADER]);
        let loaded = match encoding {
            Encoding::Pickle => self.pickle(storage, out),
            Encoding::Msgpack => self.pack(storage, out),
        };
        let whole = loaded.and_then(|()| {
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

    fn pickle(&self, storage: &dyn Storage, out: &mut Vec<u8>) -> Result<(), Error> {
        out.extend_from_slice(PICKLED.begin);
        out.extend_from_slice(self.id);
        out.extend_from_slice(b"K\0X\x06\0\0\0.reply");
        let result = out.len();
        out.extend_from_slice(b"B\0\0\0\0");
        let data = out.len();
        if let Some(Revision { start, end }) = storage.load_before(self.oid, self.before, out)? {
            put_length(out, data, u32::to_le_bytes);
            put_eight(out, PICKLED_EIGHT, start);
            match end {
                Some(end) => put_eight(out, PICKLED_EIGHT, end),
                None => out.push(b'N'),
            }
            out.push(0x87);
        } else {
            out.truncate(result);
            out.push(b'N');
        }
        out.extend_from_slice(PICKLED.end);
        Ok(())
    }

    fn pack(&self, storage: &dyn Storage, out: &mut Vec<u8>) -> Result<(), Error> {
        out.extend_from_slice(PACKED.begin);
        out.extend_from_slice(self.id);
        out.extend_from_slice(b"\0\xa6.reply");
        let result = out.len();
        out.extend_from_slice(b"\x93\xc6\0\0\0\0");
        let data = out.len();
        if let Some(Revision { start, end }) = storage.load_before(self.oid, self.before, out)? {
            put_length(out, data, u32::to_be_bytes);
            put_eight(out, PACKED_EIGHT, start);
            match end {
                Some(end) => put_eight(out, PACKED_EIGHT, end),
                None => out.push(0xc0),
            }
        } else {
            out.truncate(result);
            out.push(0xc0);
        }
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
