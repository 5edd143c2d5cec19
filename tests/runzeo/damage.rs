//! Damaged data files: what a server makes of them.

use std::fs;

use super::Server;
use crate::sandbox::{SOON, Sandbox};

/// A data file of so many transactions, each of which changes object 1, without its index; where each begins.
fn made(sandbox: &Sandbox, transactions: u8) -> (Vec<u8>, Vec<usize>) {
    let server = Server::start(sandbox, sandbox.port());
    let (mut client, mut serial, mut starts) = (server.client(), 0, Vec::new());
    for number in 0..transactions {
        starts.push(usize::try_from(fs::metadata(sandbox.path("Data.fs")).unwrap().len()).unwrap());
        serial = client.commit(&[(1, serial, &[number; 50])]).unwrap().unwrap();
    }
    drop(client);
    server.stop();
    fs::remove_file(sandbox.path("Data.fs.index")).unwrap();
    (fs::read(sandbox.path("Data.fs")).unwrap(), starts)
}

#[test]
fn server_reads_on_behind_a_damaged_length_and_says_so() {
    let sandbox = Sandbox::new();
    let (mut bytes, starts) = made(&sandbox, 30);
    bytes[starts[10] + 8] ^= 1;
    fs::write(sandbox.path("Data.fs"), &bytes).unwrap();
    let server = Server::start(&sandbox, sandbox.port());
    assert_eq!(server.client().load(1).unwrap().unwrap().0, [29; 50]);
    let log = server.stop();
    let line = format!(
        "WARNING ZODB.FileStorage Data.fs has a transaction with a wrong length, which is read by its records, at byte {}\n",
        starts[10]
    );
    assert_eq!(log.matches(&line).count(), 1, "{log}");
    assert_eq!(log.matches("WARNING").count(), 1, "{log}");
    assert!(fs::read(sandbox.path("Data.fs")).unwrap() == bytes && !sandbox.path("Data.fs.tr0").exists());
}

#[test]
fn server_does_not_start_where_whole_transactions_follow_what_cannot_be_read() {
    let sandbox = Sandbox::new();
    let (mut bytes, starts) = made(&sandbox, 30);
    bytes[starts[10]..starts[11]].fill(0);
    fs::write(sandbox.path("Data.fs"), &bytes).unwrap();
    let address = format!("127.0.0.1:{}", sandbox.port());
    sandbox.write("ro.conf", format!("<zeo>\naddress {address}\n</zeo>\n<filestorage 1>\npath Data.fs\nread-only true\n</filestorage>\n"));
    for arguments in [&["-a", &address, "-f", "Data.fs"][..], &["-C", "ro.conf"]] {
        let outcome = sandbox.runzeo().args(arguments).spawn().wait(SOON);
        let line = format!(
            "runzeo: storage '1': Data.fs: it is damaged up to byte {}, and 19 whole transactions follow; nothing was changed: \
             restore a backup, or the index that was saved with it, or copy what is whole with Python's fsrecover; the damage \
             begins at byte {}\n",
            starts[11], starts[10]
        );
        assert!(outcome.status == 1 && outcome.stderr.ends_with(&line), "{}", outcome.stderr);
    }
    assert!(fs::read(sandbox.path("Data.fs")).unwrap() == bytes && !sandbox.path("Data.fs.tr0").exists());
}

#[test]
fn server_starts_with_a_torn_last_commit_and_keeps_it_aside() {
    let sandbox = Sandbox::new();
    let (whole, starts) = made(&sandbox, 9);
    let last = starts[8];
    for torn in [last..last + 60, last + 40..whole.len()] {
        let mut bytes = whole.clone();
        bytes[torn].fill(0);
        fs::write(sandbox.path("Data.fs"), &bytes).unwrap();
        let server = Server::start(&sandbox, sandbox.port());
        assert_eq!(server.client().load(1).unwrap().unwrap().0, [7; 50]);
        let log = server.stop();
        assert!(
            log.contains(&format!("WARNING ZODB.FileStorage Data.fs truncated at byte {last}: ")),
            "{log}"
        );
        assert!(fs::read(sandbox.path("Data.fs.tr0")).unwrap() == bytes[last..]);
        fs::remove_file(sandbox.path("Data.fs.tr0")).unwrap();
        fs::remove_file(sandbox.path("Data.fs.index")).unwrap();
    }
}

#[test]
fn server_with_an_index_starts_whatever_is_damaged_in_its_last_transactions() {
    let sandbox = Sandbox::new();
    let (whole, starts) = made(&sandbox, 30);
    let server = Server::start(&sandbox, sandbox.port());
    server.stop();
    for (offset, bytes, place) in [(15, &[0x5a][..], 0), (0, &[0; 23], 0), (40, &[0xff; 30], 23)] {
        let mut damaged = whole.clone();
        let start = starts[20];
        damaged[start + offset..start + offset + bytes.len()].copy_from_slice(bytes);
        fs::write(sandbox.path("Data.fs"), &damaged).unwrap();
        let server = Server::start(&sandbox, sandbox.port());
        assert_eq!(server.client().load(1).unwrap().unwrap().0, [29; 50]);
        let log = server.stop();
        let warned =
            log.contains(&format!(" at byte {}: only the last 9 transactions are known; ", start + place));
        assert_eq!(warned, offset != 15, "{log}");
    }
}

/// What `--check` says on stderr; it ends with status 1 and never says that all is well.
fn checked(sandbox: &Sandbox) -> String {
    let outcome = sandbox.runzeo().args(["-a", "1", "-f", "Data.fs", "--check"]).output();
    assert_eq!((outcome.status, outcome.stdout.as_str()), (1, ""), "{}", outcome.stderr);
    outcome.stderr
}

#[test]
fn check_names_each_fault_with_its_place_and_their_sum() {
    let sandbox = Sandbox::new();
    let (whole, starts) = made(&sandbox, 30);
    let line = |what: &str| format!("runzeo: storage '1': Data.fs: {what}\n");
    let sum = |faults: u32, transactions: u32| {
        line(&format!("faults: {faults}; whole transactions: {transactions}"))
    };
    let (start, next) = (starts[10], starts[11]);
    let length = next - start;
    let wrong_length =
        format!("at byte {start}: a transaction with a wrong length, which is read by its records");
    let of_another =
        format!("at byte {}: a record of another transaction than the one that it is in", start + 23);
    let later = |at: usize| format!("at byte {at}: a transaction that is not later than the one before");
    let previous =
        format!("at byte {}: a record that does not point at the previous one of its object", start + 23);
    let refused =
        "it is served only with an index that was saved behind the damage (docs/filestorage.md, Damage)";
    for (offset, flip, lines) in [
        (8, 1, vec![wrong_length.clone()]),
        (length - 1, 1, vec![wrong_length]),
        (16, b' ' ^ b'c', vec![format!("at byte {start}: a transaction of unknown status 'c'")]),
        (16, b' ' ^ b'?', vec![format!("at byte {start}: a transaction of unknown status '?'")]),
        // Of two ids that contradict each other.
        (0, 0x80, vec![of_another.clone()]),
        (0, 0x04, vec![later(start), of_another.clone()]),
        (23 + 8, 0x80, vec![of_another.clone()]),
        (23 + 16, 0x80, vec![previous.clone()]),
        (23 + 23, 1, vec![previous]),
    ] {
        let mut bytes = whole.clone();
        bytes[start + offset] ^= flip;
        fs::write(sandbox.path("Data.fs"), &bytes).unwrap();
        let count = u32::try_from(lines.len()).unwrap();
        let expected: String = lines.iter().map(|what| line(what)).collect();
        assert_eq!(checked(&sandbox), expected + &sum(count, 30), "{offset} ^ {flip}");
        assert!(fs::read(sandbox.path("Data.fs")).unwrap() == bytes);
    }
    let mut bytes = whole.clone();
    bytes[start..next].fill(0);
    fs::write(sandbox.path("Data.fs"), &bytes).unwrap();
    let damage = line(&format!("at byte {start}: damage up to byte {next}, in front of whole transactions"));
    assert_eq!(checked(&sandbox), damage + &sum(1, 29) + &line(refused));
}

#[test]
fn server_starts_with_a_wrong_previous_pointer_and_serves_what_is_current() {
    let sandbox = Sandbox::new();
    let (whole, starts) = made(&sandbox, 30);
    for (transaction, target) in [(29, u64::MAX), (29, starts[29] as u64 + 23), (10, 5)] {
        let mut bytes = whole.clone();
        let record = starts[transaction] + 23;
        bytes[record + 16..record + 24].copy_from_slice(&target.to_be_bytes());
        fs::write(sandbox.path("Data.fs"), &bytes).unwrap();
        let line = format!(
            "WARNING ZODB.FileStorage Data.fs has a record that does not point at the previous one of its object, at byte {record}\n"
        );
        // The second start has an index.
        for warnings in [1, 0] {
            let server = Server::start(&sandbox, sandbox.port());
            assert_eq!(server.client().load(1).unwrap().unwrap().0, [29; 50]);
            let log = server.stop();
            assert_eq!(log.matches(&line).count(), warnings, "{log}");
            assert_eq!(log.matches("WARNING").count(), warnings, "{log}");
        }
        assert!(fs::read(sandbox.path("Data.fs")).unwrap() == bytes);
        fs::remove_file(sandbox.path("Data.fs.index")).unwrap();
    }
}
