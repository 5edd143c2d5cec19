//! Pickles against zodbpickle: the same bytes for the same values, both ways.

use std::fs;

use zeo_server::pickle::{Limits, Policy, any_global, decode, encode, encode_with_memo};

use crate::peers;
use crate::sandbox::Sandbox;

const ANY: Policy = Policy { globals: any_global, limits: Limits::MESSAGE, python2: true };

/// Random values as a message has them, seeded. Each is written as ZEO writes it, and as the other protocols and the
/// pickler with a memo do.
const WRITE: &str = r"
import io, random, struct, sys
from zodbpickle import pickle
from ZEO.asyncio.marshal import encode
r = random.Random(int(sys.argv[1]))
def leaf():
    return r.choice([
        lambda: None, lambda: True, lambda: False,
        lambda: r.randrange(-2**r.randrange(1, 2200), 2**r.randrange(1, 2200)),
        lambda: r.choice([0, 255, 256, 65535, 65536, 2**31-1, 2**31, -1, -2**31, -2**31-1, 2**63-1, 2**63, -2**63, -2**63-1]),
        lambda: r.random() * 10 ** r.randrange(-300, 300),
        lambda: r.choice([0.0, -0.0, float('inf'), float('-inf')]),
        lambda: bytes(r.randrange(256) for _ in range(r.choice([0, 1, 8, 255, 256, 300]))),
        lambda: ''.join(chr(r.choice([r.randrange(32, 127), r.randrange(0xd800), 10, 92, r.randrange(0xe000, 0x110000)])) for _ in range(r.randrange(9))),
        lambda: r.choice([set, frozenset, bytes, KeyError]),
    ])()
def value(depth):
    if depth == 0 or r.random() < .3: return leaf()
    n = r.choice([0, 1, 1, 2, 3, 4, 5])
    if r.random() < .01: n = r.choice([999, 1000, 1001, 2000, 2001])
    sub = (lambda: leaf()) if n > 9 else (lambda: value(depth - 1))
    return r.choice([
        lambda: tuple(sub() for _ in range(n)),
        lambda: [sub() for _ in range(n)],
        lambda: {key(i): sub() for i in range(n)},
        lambda: {key(i) for i in range(min(n, 1))},
        lambda: (lambda x: [x, x, (x,)])(leaf()),
    ])()
def key(i):
    return r.choice([i, 'k%d' % i, b'k%d' % i, (i, b'x')])
def put(out, data): out.write(struct.pack('>I', len(data)) + data)
with open(sys.argv[2], 'wb') as out:
    for _ in range(1500):
        v = value(4)
        put(out, encode(1, False, 'x', v))
        for protocol in (1, 2, 3):
            f = io.BytesIO(); pickle.Pickler(f, protocol).dump((1, False, 'x', v)); put(out, f.getvalue())
";

/// Whether what we wrote again is what it was before.
const READ: &str = r"
import builtins, io, struct, sys
from zodbpickle import pickle
sys.modules['__builtin__'] = sys.modules['exceptions'] = builtins  # what protocols below 3 call it
def get(f):
    head = f.read(4)
    return f.read(struct.unpack('>I', head)[0]) if head else None
count = 0
with open(sys.argv[1], 'rb') as before, open(sys.argv[2], 'rb') as after:
    while True:
        a, b = get(before), get(after)
        if a is None: break
        assert repr(pickle.loads(a)) == repr(pickle.loads(b)), (a, b)
        count += 1
print(count)
";

fn frames(bytes: &[u8]) -> Vec<&[u8]> {
    let mut rest = bytes;
    let mut found = Vec::new();
    while let Some((head, after)) = rest.split_first_chunk::<4>() {
        let (frame, after) = after.split_at(u32::from_be_bytes(*head) as usize);
        found.push(frame);
        rest = after;
    }
    found
}

#[test]
fn what_zodbpickle_writes_is_read_and_written_alike() {
    let Some(python) = peers::python() else { return };
    let sandbox = Sandbox::new();
    let seed = std::env::var("ZEO_SEED").unwrap_or_else(|_| "7".to_owned());
    sandbox.command(&python).arg("-c").arg(WRITE).arg(&seed).arg(sandbox.path("before")).run();
    let before = fs::read(sandbox.path("before")).unwrap();
    let mut after = Vec::new();
    let frames = frames(&before);
    for (number, frame) in frames.iter().enumerate() {
        let value = decode(frame, &ANY).unwrap_or_else(|e| panic!("{e}: {}", frame.escape_ascii()));
        let mut written = Vec::new();
        encode(&value, &mut written).unwrap();
        if number % 4 == 0 {
            let same = written.iter().zip(*frame).take_while(|(a, b)| a == b).count();
            let place = |bytes: &[u8]| {
                bytes[same.saturating_sub(20)..bytes.len().min(same + 20)].escape_ascii().to_string()
            };
            assert!(written == *frame, "frame {number}, byte {same}: {} {}", place(frame), place(&written));
        }
        after.extend(u32::try_from(written.len()).unwrap().to_be_bytes());
        after.extend(written);
    }
    fs::write(sandbox.path("after"), after).unwrap();
    let read = sandbox.command(&python).arg("-c").arg(READ);
    let read = read.arg(sandbox.path("before")).arg(sandbox.path("after"));
    read.stdout(format!("{}\n", frames.len())).run();
}

/// Random extensions, each as a client sends it and as Python's server stores it then. Some values are there several times: the
/// client sends copies.
const EXTENSIONS: &str = r"
import random, struct, sys
from zodbpickle import pickle
from ZEO.asyncio.marshal import decoder, encode
from ZODB.Connection import TransactionMetaData
r = random.Random(int(sys.argv[1]))
decode = decoder(b'Z5')
shared = [['shared', 1], ('shared', 'x'), {'shared': 'e'}, 'shared', b'shared']
def text():
    return ''.join(chr(r.choice([r.randrange(32, 127), 0xe9, 0xff, 0x100, r.randrange(0xd800), r.randrange(0xe000, 0x110000)])) for _ in range(r.choice([0, 1, 1, 1, 2, 9, 9, 270][:7 if r.random() < .9 else 8])))
def leaf():
    return r.choice([
        lambda: None, lambda: True, lambda: False,
        lambda: r.randrange(-2**r.randrange(1, 2200), 2**r.randrange(1, 2200)),
        lambda: r.choice([0, 255, 256, 65535, 65536, 2**31-1, 2**31, -1, -2**31, -2**31-1, 2**63-1, 2**63, -2**63, -2**63-1]),
        lambda: r.random() * 10 ** r.randrange(-300, 300),
        lambda: bytes(r.randrange(256) for _ in range(r.choice([0, 1, 1, 2, 8, 255, 256, 300]))),
        text, text, lambda: r.choice(shared),
    ])()
def value(depth):
    if depth == 0 or r.random() < .4: return leaf()
    n = r.choice([0, 1, 1, 2, 3, 4, 5])
    if r.random() < .003: n = r.choice([999, 1000, 1001, 2000, 2001])
    sub = (lambda: leaf()) if n > 9 else (lambda: value(depth - 1))
    return r.choice([
        lambda: tuple(sub() for _ in range(n)),
        lambda: [sub() for _ in range(n)],
        lambda: {text(): sub() for i in range(n)},
    ])()
def put(out, data): out.write(struct.pack('>I', len(data)) + data)
with open(sys.argv[2], 'wb') as out:
    for number in range(400):
        v = {'a': 1} if number == 0 else {text(): value(4) for _ in range(r.choice([1, 2, 3, 20]))}
        message = encode(1, True, 'tpc_begin', (7, '', '', v))
        put(out, message)
        put(out, TransactionMetaData('', '', decode(message)[3][3]).extension_bytes)
";

#[test]
fn extension_is_stored_in_the_bytes_that_python_stores() {
    let Some(python) = peers::python() else { return };
    let sandbox = Sandbox::new();
    let seed = std::env::var("ZEO_SEED").unwrap_or_else(|_| "7".to_owned());
    sandbox.command(&python).arg("-c").arg(EXTENSIONS).arg(&seed).arg(sandbox.path("pairs")).run();
    let pairs = fs::read(sandbox.path("pairs")).unwrap();
    let frames = frames(&pairs);
    assert_eq!(frames[1], b"\x80\x03}q\0X\x01\0\0\0aq\x01K\x01s.");
    for pair in frames.chunks(2) {
        let message = decode(pair[0], &ANY).unwrap();
        let extension = message.items().and_then(|message| message[3].items()).map(|arguments| &arguments[3]);
        let mut written = Vec::new();
        encode_with_memo(extension.unwrap(), &mut written).unwrap();
        let same = written.iter().zip(pair[1]).take_while(|(one, other)| one == other).count();
        let place = |bytes: &[u8]| {
            bytes[same.saturating_sub(20)..bytes.len().min(same + 20)].escape_ascii().to_string()
        };
        assert!(written == pair[1], "byte {same}: {} {}", place(pair[1]), place(&written));
    }
}
