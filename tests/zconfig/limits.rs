//! Whatever the files say: bounded time and memory, an answer, no panic.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use tempfile::TempDir;
use zeo_server::config::schema;
use zeo_server::zconfig::{Environment, Limits, Problems, Schema, Tree, load};

/// No load here may take longer; the shortest takes a hundredth of this, the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(120);

fn place(files: &[(&str, &[u8])]) -> TempDir {
    let place = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        fs::write(place.path().join(name), bytes).unwrap();
    }
    place
}

fn read_with(schema: &'static Schema, place: &Path, limits: Limits) -> Result<Tree, Problems> {
    let environment = Environment::fixed(place.to_owned(), HashMap::new());
    let begin = Instant::now();
    let result = load(schema, Path::new("a.conf"), &[], &[], &environment, limits);
    assert!(begin.elapsed() < PATIENCE, "the load took {:?}", begin.elapsed());
    result
}

fn read(schema: &'static Schema, files: &[(&str, &[u8])]) -> Result<Tree, String> {
    read_with(schema, place(files).path(), Limits::default()).map_err(|problems| problems.to_string())
}

fn runner(inside: &str) -> String {
    format!("<runner>\nprogram a\n{inside}</runner>\n")
}

#[test]
fn ten_thousand_nested_sections_are_read() {
    const DEPTH: usize = 10_000;
    let mut text = String::from("<zeo>\naddress 1\n</zeo>\n");
    text.push_str(&"<demostorage>\n".repeat(DEPTH));
    text.push_str(&"</demostorage>\n".repeat(DEPTH));
    let tree = read(&schema::SERVER, &[("a.conf", text.as_bytes())]).unwrap();
    let mut section = tree.root().unwrap().section("storages");
    let mut depth = 0;
    while let Some(inner) = section {
        depth += 1;
        section = inner.section("factories");
    }
    assert_eq!(depth, DEPTH);
}

#[test]
fn foreign_sections_may_nest_too_and_never_end() {
    let nested = format!("{}{}{}", "<a>\n".repeat(10_000), "</a>\n".repeat(10_000), runner(""));
    assert!(read(&schema::DAEMON, &[("a.conf", nested.as_bytes())]).is_ok());
    let endless = "<a>\n".repeat(100_001);
    let fault = read(&schema::DAEMON, &[("a.conf", endless.as_bytes())]).unwrap_err();
    assert_eq!(fault, "a.conf:100001: sections are nested too deeply; 100000 levels are read at most");
}

#[test]
fn a_file_of_a_hundred_megabytes_is_read() {
    let mut text = String::with_capacity(101 << 20);
    text.push_str(&runner(""));
    text.push_str("<environment>\n");
    let value = "x".repeat(90);
    for number in 0.. {
        writeln!(text, "K{number} {value}").unwrap();
        if text.len() > 100 << 20 {
            break;
        }
    }
    text.push_str("</environment>\n");
    let tree = read(&schema::DAEMON, &[("a.conf", text.as_bytes())]).unwrap();
    let entries = tree.root().unwrap().section("environment").unwrap().map("mapping").len();
    assert!(entries > 900_000, "{entries}");
}

#[test]
fn a_file_of_nothing_but_faults_is_not_read_to_its_end() {
    let text = "x y\n".repeat(25 << 20);
    let fault = read(&schema::DAEMON, &[("a.conf", text.as_bytes())]).unwrap_err();
    assert_eq!(fault.lines().count(), 101);
    // The limit is told too; that the runner is missing is not, since what comes is not known.
    assert!(fault.ends_with("\nand 901 more faults"), "{}", &fault[fault.len() - 80..]);
}

#[test]
fn what_is_kept_has_a_limit() {
    let text = format!("<eventlog>\n{}</eventlog>\n{}", "<syslog/>\n".repeat(3_000_000), runner(""));
    let fault = read(&schema::DAEMON, &[("a.conf", text.as_bytes())]).unwrap_err();
    let expected = "a.conf:200001: too much; 2000000 keys are read at most, a section counted as ten";
    assert_eq!(fault.lines().next(), Some(expected), "{fault}");
}

#[test]
fn a_file_that_includes_itself_is_reported_once() {
    let text = format!("{}%include a.conf\n%include b.conf\n", runner(""));
    let fault = read(&schema::DAEMON, &[("a.conf", text.as_bytes()), ("b.conf", b"%include ./a.conf\n")])
        .unwrap_err();
    let lines: Vec<&str> = fault.lines().collect();
    assert_eq!(lines.len(), 2, "{fault}");
    assert!(lines[0].starts_with("a.conf:4: '") && lines[0].ends_with("/a.conf' includes itself"), "{fault}");
    assert!(lines[1].ends_with("/a.conf' includes itself"), "{fault}");
}

#[test]
fn an_include_bomb_is_stopped() {
    let names: Vec<String> = (0..30).map(|level| format!("{level}.conf")).collect();
    let texts: Vec<String> =
        (0..30).map(|level| format!("%include {0}.conf\n%include {0}.conf\n", level + 1)).collect();
    let mut files: Vec<(&str, &[u8])> =
        names.iter().map(String::as_str).zip(texts.iter().map(String::as_bytes)).collect();
    files.push(("30.conf", b"# end\n"));
    files.push(("a.conf", b"%include 0.conf\n"));
    let fault = read(&schema::DAEMON, &files).unwrap_err();
    assert!(fault.contains(": too many files are included; 10000 are read at most"), "{fault}");
}

#[test]
fn a_chain_of_a_thousand_includes_is_read() {
    let names: Vec<String> = (0..1000).map(|number| format!("{number}.conf")).collect();
    let texts: Vec<String> = (1..=1000).map(|next| format!("%include {next}.conf\n")).collect();
    let mut files: Vec<(&str, &[u8])> =
        names.iter().map(String::as_str).zip(texts.iter().map(String::as_bytes)).collect();
    let end = runner("");
    files.push(("1000.conf", end.as_bytes()));
    files.push(("a.conf", b"%include 0.conf\n"));
    assert!(read(&schema::DAEMON, &files).is_ok());
}

#[test]
fn a_substitution_bomb_is_stopped() {
    let mut text = String::from("%define x0 0123456789\n");
    for level in 0..60 {
        writeln!(text, "%define x{} $x{level}$x{level}", level + 1).unwrap();
    }
    let fault = read(&schema::DAEMON, &[("a.conf", text.as_bytes())]).unwrap_err();
    assert!(fault.contains(": substitution makes too much text; 67108864 bytes are made at most"), "{fault}");
}

#[test]
fn an_endless_device_is_not_read_to_its_end() {
    let place = place(&[]);
    std::os::unix::fs::symlink("/dev/zero", place.path().join("a.conf")).unwrap();
    let limits = Limits { bytes: 1 << 20, ..Limits::default() };
    let fault = read_with(&schema::DAEMON, place.path(), limits).unwrap_err().to_string();
    assert!(fault.starts_with("a.conf: too long"), "{fault}");
}

#[test]
fn odd_ends_and_bytes_are_read_or_reported() {
    for (bytes, expected) in [
        (b"<runner>\r\nprogram a\r\n</runner>".as_slice(), None),
        (b"<runner>\nprogram a\n</runner>", None),
        (
            b"<runner>\nprogram \xff\n</runner>\n",
            Some("a.conf:2: not UTF-8 text; save the file in that encoding"),
        ),
        (
            b"\xef\xbb\xbf<runner>\nprogram a\n</runner>\n",
            Some("a.conf:1: '\\ufeff<runner>' cannot be a key; save the file without a byte order mark"),
        ),
        (
            b"<runner>\nprogram a\n",
            Some("a.conf:2: the file ends inside '<runner>' of line 1; '</runner>' is missing"),
        ),
    ] {
        let fault = read(&schema::DAEMON, &[("a.conf", bytes)]).map(drop);
        let first = fault.as_ref().err().and_then(|fault| fault.lines().next());
        assert_eq!(first, expected, "{fault:?}");
    }
}

/// Bytes, many of which mean something.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        prop::sample::select(
            &[
                "<",
                ">",
                "/",
                "%",
                "$",
                "(",
                ")",
                "{",
                "}",
                "#",
                " ",
                "\n",
                "\r\n",
                "\0",
                "runner",
                "<runner>\n",
                "</runner>\n",
                "<eventlog>\n",
                "<logfile>\n",
                "path ",
                "format ",
                "program ",
                "%define x ",
                "%include ",
                "%import ",
                "a.conf",
                "level ",
                "style format\n",
                "umask ",
                "'",
                "\"",
                "\\",
                "\u{130}",
                "é",
                "exit-codes ",
            ][..]
        )
        .prop_map(|piece| piece.as_bytes().to_vec()),
        prop::collection::vec(any::<u8>(), 0..6),
    ];
    prop::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_make_it_panic(bytes in bytes()) {
        for schema in [&schema::DAEMON, &schema::SERVER] {
            let place = place(&[("a.conf", &bytes)]);
            if let Err(problems) = read_with(schema, place.path(), Limits::default()) {
                prop_assert!(!problems.list().is_empty());
                for problem in problems.list() {
                    let line = problem.to_string();
                    prop_assert!(!line.is_empty() && !line.contains('\n'), "not one line: {line:?}");
                }
            }
        }
    }

    #[test]
    fn no_text_makes_the_toml_form_panic(bytes in bytes()) {
        let place = place(&[("a.toml", &bytes)]);
        let environment = Environment::fixed(place.path().to_owned(), HashMap::new());
        let flags = zeo_server::config::Flags { configure: Some("a.toml".into()), ..Default::default() };
        if let Err(errors) = zeo_server::config::resolve_in(&flags, &environment) {
            for line in errors.list().iter().map(ToString::to_string) {
                prop_assert!(!line.is_empty() && !line.contains('\n'), "not one line: {line:?}");
            }
        }
    }
}
