use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use super::*;
use crate::config::Errors;
use crate::eventlog::{Level, Target};
use crate::zconfig::Environment;

/// Resolves a file of this name and text under these flags, in a directory with `var` in it.
fn resolved(name: &str, text: &str, flags: Flags) -> Result<Settings, Errors> {
    let place = tempfile::tempdir().unwrap();
    fs::create_dir(place.path().join("var")).unwrap();
    fs::write(place.path().join(name), text).unwrap();
    let flags = Flags { configure: Some(name.into()), ..flags };
    resolve_in(&flags, &Environment::fixed(place.path().to_owned(), HashMap::new()))
}

fn faults(text: &str) -> Vec<String> {
    let errors = resolved("zeo.conf", text, Flags::default()).unwrap_err();
    errors.list().iter().map(ToString::to_string).collect()
}

fn tcp(host: &str, port: u16) -> Address {
    Address::Inet { host: host.to_owned(), port: Some(port) }
}

fn storage(name: &str, path: &str) -> Storage {
    Storage { name: name.to_owned(), place: Place::File(DataFile::new(Path::new(path))) }
}

#[test]
fn command_line_alone_is_enough() {
    let flags = Flags {
        addresses: vec![tcp("", 9999)],
        files: vec!["Data.fs".into(), "b.fs".into()],
        ..Flags::default()
    };
    let settings = resolve_in(&flags, &Environment::fixed("/".into(), HashMap::new())).unwrap();
    assert_eq!(settings.addresses, [tcp("", 9999)]);
    assert_eq!(settings.storages, [storage("1", "Data.fs"), storage("2", "b.fs")]);
    assert!(!settings.read_only && !settings.logs_elsewhere);
    assert_eq!((settings.invalidation_queue_size, settings.invalidation_age), (100, None));
    assert_eq!((settings.transaction_timeout, settings.pid_file, settings.msgpack), (None, None, None));
    assert_eq!(settings.event_log.level, Level::INFO);
    assert_eq!(settings.event_log.handlers.len(), 1);
    assert_eq!(settings.event_log.handlers[0].target, Target::Stderr);
    assert_eq!(
        settings.event_log.handlers[0].layout.format,
        "------\n%(asctime)s %(levelname)s %(name)s %(message)s"
    );
}

#[test]
fn command_line_that_names_nothing_lacks_address_and_storage() {
    let errors = resolve(&Flags { overrides: vec!["a=b".to_owned()], ..Flags::default() }).unwrap_err();
    let reported: Vec<String> = errors.list().iter().map(ToString::to_string).collect();
    assert_eq!(
        reported,
        [
            "configuration overrides (-X) cannot be used without a configuration file",
            "no server address specified; use -a or -C",
            "no storages specified; use -f or -C",
        ]
    );
}

const FULL: &str = "\
<zeo>
  address 127.0.0.1:9999
  address [::1]:9998
  address var/zeo.sock
  read-only true
  invalidation-queue-size 5
  invalidation-age 3600.5
  transaction-timeout 300
  pid-filename var/zeo.pid
  client-conflict-resolution true
  msgpack true
</zeo>
<runner>
  program runzeo -C zeo.conf
  notify true
</runner>
<environment>
  A b
</environment>
<filestorage>
  path var/Data.fs
  create true
  quota 1KB
  pack-gc false
</filestorage>
<filestorage Other>
  path var/o.fs
  read-only true
</filestorage>
<mappingstorage m>
</mappingstorage>
<eventlog>
  level debug
  <logfile>
    path var/zeo.log
  </logfile>
</eventlog>
";

fn assert_full(settings: &Settings) {
    let local = Address::Unix("var/zeo.sock".into());
    assert_eq!(settings.addresses, [tcp("127.0.0.1", 9999), tcp("::1", 9998), local]);
    assert!(settings.read_only && settings.logs_elsewhere);
    assert_eq!(settings.invalidation_queue_size, 5);
    assert_eq!(settings.invalidation_age, Some(Duration::from_millis(3_600_500)));
    assert_eq!(settings.transaction_timeout, Some(Duration::from_secs(300)));
    assert_eq!(settings.pid_file.as_deref(), Some(Path::new("var/zeo.pid")));
    assert_eq!(settings.msgpack, Some(true));
    let first = DataFile::new(Path::new("var/Data.fs"));
    let first =
        DataFile { create: true, quota: Some(1024), pack: Pack { gc: false, keep_old: true }, ..first };
    let second = DataFile { read_only: true, ..DataFile::new(Path::new("var/o.fs")) };
    let places = [Place::File(first), Place::File(second), Place::Memory("Mapping Storage".to_owned())];
    let names = ["1", "other", "m"].map(str::to_owned);
    let expected = names.into_iter().zip(places).map(|(name, place)| Storage { name, place });
    assert_eq!(settings.storages, expected.collect::<Vec<_>>());
    assert_eq!(settings.event_log.level, Level::DEBUG);
}

#[test]
fn every_key_of_the_file_is_taken() {
    assert_full(&resolved("zeo.conf", FULL, Flags::default()).unwrap());
}

#[test]
fn toml_says_the_same() {
    let text = r#"
[zeo]
address = ["127.0.0.1:9999", "[::1]:9998", "var/zeo.sock"]
read-only = true
invalidation-queue-size = 5
invalidation-age = 3600.5
transaction-timeout = 300
pid-filename = "var/zeo.pid"
client-conflict-resolution = true
msgpack = true
[runner]
program = ["runzeo", "-C", "zeo.conf"]
notify = true
[environment]
A = "b"
[[filestorage]]
path = "var/Data.fs"
create = true
quota = "1KB"
pack-gc = false
[[filestorage]]
section-name = "Other"
path = "var/o.fs"
read-only = true
[mappingstorage]
section-name = "m"
[eventlog]
level = "debug"
[eventlog.logfile]
path = "var/zeo.log"
"#;
    assert_full(&resolved("zeo.toml", text, Flags::default()).unwrap());
}

#[test]
fn command_line_comes_before_the_file_and_may_stand_for_its_sections() {
    let flags = Flags {
        addresses: vec![tcp("", 1)],
        files: vec!["a.fs".into()],
        timeout: Some(Duration::from_millis(500)),
        pid_file: Some("p".into()),
        overrides: vec!["zeo/read-only=false".to_owned()],
        ..Flags::default()
    };
    let settings = resolved("zeo.conf", FULL, flags.clone()).unwrap();
    assert_eq!(settings.addresses, [tcp("", 1)]);
    assert_eq!(settings.storages, [storage("1", "a.fs")]);
    assert_eq!(settings.transaction_timeout, Some(Duration::from_millis(500)));
    assert_eq!(settings.pid_file.as_deref(), Some(Path::new("p")));
    assert!(!settings.read_only);
    let flags = Flags { overrides: Vec::new(), ..flags };
    assert_eq!(resolved("zeo.conf", "", flags).unwrap().addresses, [tcp("", 1)]);
}

#[test]
fn what_is_not_served_is_refused_with_its_place() {
    let text = "\
<zeo>
  address 1
</zeo>
<filestorage 1>
  path var/Data.fs
  blob-dir var/blobs
  packer m:f
</filestorage>
<zeoclient 2>
  server 1
</zeoclient>
<blobstorage 3>
  blob-dir var/blobs
  <filestorage>
    path var/c.fs
  </filestorage>
</blobstorage>
<demostorage 4>
</demostorage>
<eventlog>
  <http-logger>
  </http-logger>
</eventlog>
";
    assert_eq!(
        faults(text),
        [
            "zeo.conf:6: blobs (blob-dir) is not served yet; serve this file with Python's runzeo, or leave blob-dir out \
             where no object has blobs",
            "zeo.conf:7: a packing function of Python (packer) is not served; leave packer out",
            "zeo.conf:9: a storage of type '<zeoclient>' is not served yet; '<filestorage>' and '<mappingstorage>' are; serve \
             this file with Python's runzeo",
            "zeo.conf:12: a storage of type '<blobstorage>' is not served yet; serve this file with Python's runzeo, or, \
             where no object has blobs, keep only the storage inside of it",
            "zeo.conf:18: a storage of type '<demostorage>' is not served yet; '<filestorage>' and '<mappingstorage>' are; \
             serve this file with Python's runzeo",
            "zeo.conf:21: '<http-logger>' is not served; '<logfile>' and '<syslog>' are",
        ]
    );
}

#[test]
fn values_that_nothing_can_be_done_with_are_refused() {
    let zeo =
        |line: &str| format!("<zeo>\naddress 1\n{line}\n</zeo>\n<filestorage>\npath a\n</filestorage>\n");
    for (line, fault) in [
        ("address 65536", "zeo.conf:3: address: '65536' is no port; 0 to 65535 are"),
        (
            "transaction-timeout -1",
            "zeo.conf:3: transaction-timeout: '-1' is negative; 0 to 4294967295 are possible",
        ),
        ("invalidation-age -0.5", "zeo.conf:3: invalidation-age: '-0.5' is negative; 0 or more is possible"),
        (
            "invalidation-age nan",
            "zeo.conf:3: invalidation-age: 'NaN' is not a time in seconds; 90 and 0.5 are",
        ),
    ] {
        let reported = faults(&zeo(line));
        assert!(reported.len() == 1 && reported[0].starts_with(&fault[..20]), "{line}: {reported:?}");
        assert_eq!(reported, [fault], "{line}");
    }
}

#[test]
fn names_of_storages_are_distinct() {
    let zeo = "<zeo>\naddress 1\n</zeo>\n";
    let unnamed = "<filestorage>\npath a\n</filestorage>\n";
    let one = "<filestorage 1>\npath a\n</filestorage>\n";
    assert_eq!(
        faults(&format!("{zeo}{unnamed}{unnamed}")),
        ["zeo.conf:7: a second storage without a name, or beside one named 1; each has a name of its own"]
    );
    assert_eq!(
        faults(&format!("{zeo}{unnamed}{one}")),
        ["zeo.conf:7: a storage named 1 beside one without a name, which is 1 too"]
    );
}

#[test]
fn transaction_timeout_of_0_is_none() {
    let conf =
        "<zeo>\naddress 1\ntransaction-timeout 0\n</zeo>\n<filestorage>\npath Data.fs\n</filestorage>\n";
    let settings = resolved("zeo.conf", conf, Flags::default()).unwrap();
    assert_eq!(settings.transaction_timeout, None);
    let flags = Flags { timeout: Some(Duration::ZERO), ..Flags::default() };
    let conf = conf.replace("timeout 0", "timeout 5");
    assert_eq!(resolved("zeo.conf", &conf, flags).unwrap().transaction_timeout, None);
}
