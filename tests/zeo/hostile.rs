//! Clients that break the protocol, or never read.

use std::io::Write;
use std::time::Duration;

use nix::sys::socket::{setsockopt, sockopt};
use zeo_server::pickle::Value;
use zeo_server::zeo::{Limits, Settings};

use super::client::{BOTH, Client, Connection, Encoding, MAX, eight, number, store, text};
use super::server::{Over, Server};
use crate::sandbox::{SOON, eventually, poll};

#[test]
fn bad_handshakes_are_told_and_closed() {
    let server = Server::start(Settings::default());
    for answer in [&b"X5"[..], b"Z4", b"M4", b"Z", b"", b"Z5Z5", &[0xff; 2000]] {
        let mut client = Client::silent(server.port);
        client.put(answer);
        client.assert_closed();
    }
    server.assert_logs("ERROR ZEO.asyncio.server");
    server.assert_logs("disconnected: bad handshake X5");
    assert_eq!(server.log().matches("bad handshake").count(), 7);
}

#[test]
fn length_of_four_gigabytes_is_refused_at_once() {
    let server = Server::start(Settings::default());
    let mut before = Client::silent(server.port);
    before.stream.write_all(&[0xff; 4]).unwrap();
    before.assert_closed();
    let mut registered = Client::new(server.port, Encoding::Pickle);
    registered.stream.write_all(&[0xff; 4]).unwrap();
    registered.assert_closed();
    server.assert_logs("disconnected: a message of 4294967295 bytes is announced, which is too long");
    let mut anonymous = Client::anonymous(server.port, Encoding::Pickle);
    anonymous.stream.write_all(&[0, 2, 0, 0]).unwrap();
    anonymous.assert_closed();
}

#[test]
fn garbage_ends_the_connection_and_no_other() {
    let server = Server::start(Settings::default());
    let mut good = Client::new(server.port, Encoding::Pickle);
    let deep = [b"\x80\x03".to_vec(), vec![b'('; 100_000], b"t.".to_vec()].concat();
    let class = b"\x80\x03(K\x01\x89X\x04\0\0\0pingcos\nsystem\nt.".to_vec();
    for garbage in [Vec::new(), vec![0; 100], b"(((".to_vec(), deep, class, b"\x80\x03N.".to_vec()] {
        for encoding in BOTH {
            let mut client = Client::new(server.port, encoding);
            client.put(&garbage);
            client.assert_closed();
        }
    }
    server.assert_logs("disconnected: undecodable message: ");
    assert_eq!(good.call("ping", vec![]), Ok(Value::None));
}

#[test]
fn wrong_arguments_are_an_error_reply() {
    let server = Server::start(Settings::default());
    let mut client = Client::new(server.port, Encoding::Msgpack);
    let error = client.call("loadBefore", vec![eight(1), Value::None]).unwrap_err();
    assert_eq!(error.0, "builtins.TypeError");
    let error = client.call("sendBlob", vec![eight(1), eight(1)]).unwrap_err();
    assert_eq!(error.0, "builtins.TypeError");
    assert_eq!(error.1, Value::Tuple(vec![text("Blobs are not supported")]));
    assert_eq!(client.call("ping", vec![]), Ok(Value::None));
}

#[test]
fn record_of_fifty_megabytes_is_taken_and_given() {
    let server = Server::over(Over::File, Settings::default());
    for (oid, encoding) in [(1, Encoding::Pickle), (2, Encoding::Msgpack)] {
        let mut client = Client::new(server.port, encoding);
        let mut big = vec![7; 50 << 20];
        big[25 << 20..][..3].copy_from_slice(b"mid");
        client.commit(1, &[(oid, 0, &big)]);
        assert!(client.load(oid).0 == big);
    }
}

/// It neither holds back the others nor fills the memory: it is dropped, and the log says why.
#[test]
fn client_that_does_not_read_its_invalidations_is_dropped() {
    let limits = Limits { unsent_invalidations: 1 << 20, ..Limits::default() };
    let server = Server::start(Settings { limits, ..Settings::default() });
    let deaf = Client::new(server.port, Encoding::Pickle);
    // What fits the sockets counts for nobody; the less, the sooner it is seen.
    setsockopt(&deaf.stream, sockopt::RcvBuf, &4096).unwrap();
    let mut busy = Client::new(server.port, Encoding::Pickle);
    let oids: Vec<u64> = (1..=10_000).collect();
    let stores: Vec<(u64, u64, &[u8])> = oids.iter().map(|oid| (*oid, 0, &b"x"[..])).collect();
    let mut serial = busy.commit(1, &stores);
    let dropped = || server.log().contains("it does not read its invalidations");
    // Forty megabytes; sockets take a few.
    for _ in (0..400).take_while(|_| !dropped()) {
        let stores: Vec<_> = oids.iter().map(|oid| (*oid, serial, &b"y"[..])).collect();
        serial = busy.commit(1, &stores);
    }
    eventually(SOON, dropped);
    eventually(SOON, || {
        let status = busy.call("server_status", vec![]).unwrap();
        status.get("connections") == Some(&Value::Int(1))
    });
}

/// What others commit is not of its choice, only what it leaves unread is.
#[test]
fn invalidation_beyond_the_limit_is_sent_to_a_client_that_reads() {
    let limits = Limits { unsent_invalidations: 64 << 10, ..Limits::default() };
    let server = Server::start(Settings { limits, ..Settings::default() });
    let mut reader = Client::new(server.port, Encoding::Pickle);
    let mut busy = Client::new(server.port, Encoding::Msgpack);
    let stores: Vec<(u64, u64, &[u8])> = (1..=20_000).map(|oid| (oid, 0, &b"x"[..])).collect();
    let mut tids = vec![(busy.commit(1, &stores), 20_000)];
    tids.extend([(busy.commit(2, &[(30_000, 0, b"y")]), 1), (busy.commit(3, &[]), 0)]);
    for (tid, length) in tids {
        let body = reader.told().body;
        let Some([told, Value::List(oids)]) = body.items() else { panic!("{body:?}") };
        assert_eq!((number(told), oids.len()), (tid, length));
    }
    // One after the other is no reason either.
    for round in 4..8 {
        let last = busy.load(1).1;
        let again: Vec<(u64, u64, &[u8])> = stores.iter().map(|(oid, _, data)| (*oid, last, *data)).collect();
        let tid = busy.commit(round, &again);
        let body = reader.told().body;
        let Some([told, Value::List(oids)]) = body.items() else { panic!("{body:?}") };
        assert_eq!((number(told), oids.len()), (tid, 20_000));
    }
}

/// The server would hold such a message several times, and its id once more in the reply.
#[test]
fn long_message_that_stores_nothing_is_refused() {
    let server = Server::start(Settings::default());
    let long = Value::Bytes(vec![b's'; 2 << 20]);
    let mut sly = b"storea".to_vec();
    sly.resize(2 << 20, 0);
    for encoding in BOTH {
        let sly = Value::Bytes(sly.clone());
        for (id, method, arguments) in [
            (Value::Int(1), "ping", vec![long.clone()]),
            (long.clone(), "ping", vec![]),
            (sly.clone(), "ping", vec![]),
            (sly, "storea", vec![]),
        ] {
            let mut client = Client::new(server.port, encoding);
            // It may be closed before all has been sent.
            let _ = Connection::send(&mut client, id, false, method, arguments);
            client.assert_closed();
        }
    }
    server.assert_logs("and stores no record");
    assert_eq!(server.log().matches("bytes and stores no record").count(), 8);
}

/// What it would cost is known from its first bytes.
#[test]
fn long_message_that_stores_nothing_is_refused_before_it_is_there() {
    let server = Server::start(Settings::default());
    let announced = [&(200_u32 << 20).to_be_bytes()[..], &[b'('; 1000]].concat();
    for encoding in BOTH {
        let mut client = Client::new(server.port, encoding);
        client.stream.write_all(&announced).unwrap();
        client.assert_closed();
        // A client that may not write need not say what it is.
        let mut reader = Client::anonymous(server.port, encoding);
        reader.call("register", vec![text("1"), Value::Bool(true)]).unwrap();
        reader.stream.write_all(&announced[..4]).unwrap();
        reader.assert_closed();
    }
    assert_eq!(server.log().matches("it has 209715200 bytes and stores no record").count(), 4);
}

#[test]
fn long_messages_wait_for_room_and_one_that_stops_gives_its_room_up() {
    let limits = Limits { arriving: 8 << 20, stall: Duration::from_secs(1), ..Limits::default() };
    let server = Server::start(Settings { limits, ..Settings::default() });
    let record = vec![7; 6 << 20];
    let mut first = Client::new(server.port, Encoding::Pickle);
    let long = first.encoded(&store(1, 1, 0, &record));
    let begun = [&u32::try_from(long.len()).unwrap().to_be_bytes()[..], &long[..3 << 20]].concat();
    first.stream.write_all(&begun).unwrap();
    let mut second = Client::new(server.port, Encoding::Msgpack);
    let tid = second.commit(1, &[(2, 0, &record)]);
    // It had to wait until the first one was given up.
    let line = format!("nothing more of its message of {} bytes has arrived for 1 seconds", long.len());
    assert!(server.log().contains(&line), "{}", server.log());
    first.assert_closed();
    assert_eq!(second.load(2), (record, tid));
    // Shorter messages need no room.
    second.commit(2, &[(3, 0, &[1; 1000])]);
}

#[test]
fn record_that_is_too_long_is_the_answer_to_the_vote() {
    for encoding in BOTH {
        let limits = Limits { message: 2 << 20, ..Limits::default() };
        let server = Server::start(Settings { limits, ..Settings::default() });
        let mut client = Client::new(server.port, encoding);
        for round in 0..3 {
            client.begin(2 * round, &[(1, 0, b"x"), (2, 0, &vec![1; 3 << 20]), (3, 0, b"y")]);
            let (name, arguments) = client.call("vote", vec![Value::Int(2 * round)]).unwrap_err();
            assert_eq!(name, "ZODB.POSException.StorageTransactionError");
            let Some([Value::Text(why)]) = arguments.items() else { panic!("{arguments:?}") };
            assert!(why.starts_with("a record of about 31457"), "{why}");
            let most = " bytes is stored; the server takes 2097152 at most (max-message-size)";
            assert!(why.ends_with(most), "{why}");
            client.call("tpc_abort", vec![Value::Int(2 * round)]).unwrap();
            client.commit(2 * round + 1, &[(100 + u64::try_from(round).unwrap(), 0, b"z")]);
        }
        client.call("loadBefore", vec![eight(1), eight(MAX)]).unwrap_err();
        assert_eq!(client.load(102).0, b"z");
        // Out of a transaction nothing may be that long.
        client.stream.write_all(&(3_u32 << 20).to_be_bytes()).unwrap();
        client.assert_closed();
        server.assert_logs("its transaction is given up: a record of about ");
        server.assert_logs("disconnected: a message of 3145728 bytes is announced, which is too long");
    }
}

/// Its replies wait, so no more of its calls are read: what it sends soon fills the socket. Nor does the end of the server
/// wait for it.
#[test]
fn client_that_does_not_read_its_replies_is_not_read() {
    let mut server = Server::start(Settings::default());
    let mut client = Client::new(server.port, Encoding::Pickle);
    client.commit(1, &[(1, 0, &vec![1; 1 << 20])]);
    let call = Value::Tuple(vec![
        Value::Int(5),
        Value::Bool(false),
        text("loadBefore"),
        Value::Tuple(vec![eight(1), eight(MAX)]),
    ]);
    let frame = client.encoded(&call);
    let mut batch = Vec::new();
    for _ in 0..1000 {
        batch.extend(u32::try_from(frame.len()).unwrap().to_be_bytes());
        batch.extend_from_slice(&frame);
    }
    client.stream.set_nonblocking(true).unwrap();
    let mut written = 0;
    let mut quiet = 0;
    let stuck = poll(SOON, || {
        let before = written;
        while let Ok(count) = client.stream.write(&batch[written % (frame.len() + 4)..]) {
            written += count;
        }
        quiet = if written == before { quiet + 1 } else { 0 };
        (quiet > 10).then_some(())
    });
    assert!(stuck.is_some(), "{written} bytes were read");
    let mut other = Client::new(server.port, Encoding::Pickle);
    let status = other.call("server_status", vec![]).unwrap();
    let loads = status.get("loads").and_then(Value::as_int).unwrap();
    // A megabyte each: what fits the sockets, and a few.
    assert!(loads < 100, "{loads} replies are in memory");
    server.end();
    let address = client.stream.local_addr().unwrap();
    let (told, log) = (format!("({address}) disconnected: the server stops"), server.log());
    assert!(log.contains(&told) && !log.contains("did not end"), "{log}");
}

/// Half a thousand revisions, each with all that a transaction can say of itself: what they say is not held in memory at once.
#[test]
fn history_of_any_length_takes_bounded_memory() {
    for over in [Over::Memory, Over::File] {
        let server = Server::over(over, Settings::default());
        let mut client = Client::new(server.port, Encoding::Msgpack);
        let (id, all) = (Value::Int(1), Value::Bytes(vec![b'u'; 0xffff]));
        let mut serial = 0;
        for _ in 0..600 {
            let begin =
                vec![id.clone(), all.clone(), all.clone(), Value::Dict(vec![]), Value::None, text(" ")];
            client.tell("tpc_begin", begin);
            client.store(1, 1, serial, b"x");
            client.call("vote", vec![id.clone()]).unwrap();
            serial = number(&client.call("tpc_finish", vec![id.clone()]).unwrap());
        }
        let mut history = |size| client.call("history", vec![eight(1), Value::Int(size)]);
        let (name, why) = history(i64::MAX).unwrap_err();
        assert_eq!(name, "ZODB.POSException.StorageTransactionError");
        let Some([Value::Text(why)]) = why.items() else { panic!("{why:?}") };
        let most = why.strip_prefix("the history is too long for one reply; ask for ").unwrap();
        let most: i64 = most.strip_suffix(" revisions").unwrap().parse().unwrap();
        assert!((500..600).contains(&most), "{why}");
        assert_eq!(history(most).unwrap().items().unwrap().len(), usize::try_from(most).unwrap());
    }
}

#[test]
fn what_a_client_says_is_one_short_line_of_the_log() {
    let server = Server::start(Settings::default());
    let forged = "1\nCRITICAL ZEO.StorageServer all is lost\r\x1b[2J".repeat(1000);
    let mut client = Client::new(server.port, Encoding::Msgpack);
    let empty = Value::Bytes(vec![]);
    for id in [text(&forged), text("2")] {
        let dict = Value::Dict(vec![]);
        client.tell("tpc_begin", vec![id, empty.clone(), empty.clone(), dict, Value::None, text(" ")]);
    }
    client.assert_closed();
    let mut client = Client::new(server.port, Encoding::Pickle);
    let class = [b"\x80\x03c", "os\r\x1b[2J".repeat(5000).as_bytes(), b"\nsystem\n."].concat();
    client.put(&class);
    client.assert_closed();
    server.assert_logs(
        "tpc_begin: ZODB.POSException.StorageTransactionError: 1 CRITICAL ZEO.StorageServer all is",
    );
    server.assert_logs("disconnected: undecodable message: os  [2Jos");
    for line in server.log().lines() {
        let level = line.split(' ').next().unwrap_or_default();
        assert!(["DEBUG", "INFO", "ERROR"].contains(&level), "{line}");
        assert!(line.len() < 1000 && !line.contains('\x1b'), "{line}");
    }
}

/// A Python 2 client sends its ids, data and names as strings that are text and bytes at once. What it stored, a Python 3 client
/// could not load.
#[test]
fn client_of_python_2_is_ended_with_a_line_and_writes_nothing() {
    let server = Server::over(Over::File, Settings::default());
    let mut good = Client::new(server.port, Encoding::Pickle);
    let last = good.commit(1, &[(1, 0, b"a")]);
    let short = |bytes: &[u8]| [b"U", &[u8::try_from(bytes.len()).unwrap()][..], bytes].concat();
    let long = |bytes: &[u8]| [b"T", &u32::try_from(bytes.len()).unwrap().to_le_bytes()[..], bytes].concat();
    let name =
        |name: &str| [b"X", &u32::try_from(name.len()).unwrap().to_le_bytes()[..], name.as_bytes()].concat();
    let message = |name: Vec<u8>, arguments: &[&[u8]]| {
        [b"\x80\x03(K\x01\x89", &name[..], b"(", &arguments.concat()[..], b"tt."].concat()
    };
    let id = b"C\x08\0\0\0\0\0\0\0\x01";
    let frames = [
        message(short(b"ping"), &[]),
        message(name("loadBefore"), &[&short(&[0, 0, 0, 0, 0, 0, 0, 1]), &short(&[0x7f; 8])]),
        message(name("loadBefore"), &[id, &long(b"\x7f\xff\xff\xff\xff\xff\xff\xff")]),
        message(name("storea"), &[id, id, &short(b"data"), b"K\x01"]),
        message(name("storea"), &[id, id, &long("\u{e4}".as_bytes()), b"K\x01"]),
        message(name("tpc_begin"), &[b"K\x01", &short(b"user"), b"C\0", b"}", b"N", b"N"]),
    ];
    for frame in &frames {
        let mut client = Client::new(server.port, Encoding::Pickle);
        client.put(frame);
        client.assert_closed();
        let address = client.stream.local_addr().unwrap();
        server
            .assert_logs(&format!("ERROR ZEO.asyncio.server ({address}) disconnected: a client of Python 2"));
    }
    // As it would begin.
    let mut client = Client::anonymous(server.port, Encoding::Pickle);
    client.put(&message(short(b"register"), &[&short(b"1"), b"\x89"]));
    client.assert_closed();
    assert_eq!(number(&good.call("lastTransaction", vec![]).unwrap()), last);
}

#[test]
fn client_cannot_flood_the_log() {
    let server = Server::start(Settings::default());
    let mut client = Client::new(server.port, Encoding::Pickle);
    let label = super::client::call(Value::Int(0), true, "set_client_label", vec![text(&"y".repeat(400))]);
    let wrong = super::client::call(Value::Int(1), false, "tpc_finish", vec![]);
    let calls: Vec<_> = [label, wrong].into_iter().cycle().take(20_000).collect();
    let mut reader = client.stream.try_clone().unwrap();
    let drained = std::thread::spawn(move || std::io::copy(&mut reader, &mut std::io::sink()));
    client.send_at_once(&calls).unwrap();
    let mut other = Client::new(server.port, Encoding::Pickle);
    other.call("set_client_label", vec![text("other")]).unwrap();
    server.assert_logs("other 127.0.0.1:");
    eventually(SOON, || other.call("ping", vec![]) == Ok(Value::None));
    client.vanish();
    let _ = drained.join().unwrap();
    server.assert_logs("lines more suppressed");
    let (log, mut suppressed) = (server.log(), 0);
    for line in log.lines().filter(|line| line.ends_with("lines more suppressed")) {
        let count = line.strip_suffix(" lines more suppressed").unwrap().rsplit(' ').next().unwrap();
        suppressed += count.parse::<usize>().unwrap();
    }
    let lines = log.lines().count();
    assert!(lines < 1000 && suppressed > 1000, "{lines} lines, {suppressed} suppressed");
}

/// One wrong call of a writer would be for ever: nothing could follow.
#[test]
fn ids_that_leave_none_for_others_are_refused() {
    for over in [Over::Memory, Over::File] {
        let server = Server::over(over, Settings::default());
        let mut client = Client::new(server.port, Encoding::Pickle);
        let refused = |client: &mut Client, tid: Value, oid: u64| {
            let empty = Value::Bytes(vec![]);
            client.tell(
                "tpc_begin",
                vec![Value::Int(1), empty.clone(), empty, Value::Dict(vec![]), tid, text(" ")],
            );
            client.store(1, oid, 0, b"x");
            let (name, _) = client.call("vote", vec![Value::Int(1)]).unwrap_err();
            assert_eq!(name, "ZODB.POSException.StorageTransactionError");
            client.call("tpc_abort", vec![Value::Int(1)]).unwrap();
        };
        for tid in [MAX, MAX - 1, u64::MAX, 0x7fff_0000_0000_0000, 0x6000_0000_0000_0000] {
            refused(&mut client, eight(tid), 1);
        }
        for oid in [u64::MAX, u64::MAX - 1, 1 << 63] {
            refused(&mut client, Value::None, oid);
        }
        // What is copied from another storage is old, or of a clock that is some years ahead.
        let ahead = client.commit(2, &[(2, 0, b"y")]) + ((40_u64 * 12 * 31 * 1440) << 32);
        let empty = Value::Bytes(vec![]);
        client.tell(
            "tpc_begin",
            vec![Value::Int(3), empty.clone(), empty, Value::Dict(vec![]), eight(ahead), text(" ")],
        );
        client.store(3, MAX, 0, b"z");
        client.call("vote", vec![Value::Int(3)]).unwrap();
        assert_eq!(client.call("tpc_finish", vec![Value::Int(3)]), Ok(eight(ahead)));
        assert!(client.commit(4, &[(3, 0, b"w")]) > ahead);
    }
}
