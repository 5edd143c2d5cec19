//! docs/control.md names the requests, the keys of the record and the limits that there are.

use std::fs;
use std::path::Path;

use zeo_server::control::{Goal, MAX_COMMAND, Refusal, Reply, Request, StatusRecord};

fn document() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/control.md");
    fs::read_to_string(path).expect("the document is there")
}

/// The first cells of the table below this header, their marks taken off, and the word that each begins with.
fn first_cells(header: &str) -> Vec<String> {
    let text = document();
    let (_, table) = text.split_once(&format!("| {header} |")).expect("the table is there");
    let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
    rows.map(|row| {
        let cell = row.trim_start_matches("| `");
        cell.split(['`', ' ']).next().unwrap_or_default().to_owned()
    })
    .collect()
}

#[test]
fn requests_are_those_of_the_managers_own_list() {
    let list = Reply::Help.to_string();
    let words =
        |line: &str| line.strip_prefix("  ").and_then(|line| line.split(' ').next().map(str::to_owned));
    let mut known: Vec<_> = list.lines().filter_map(words).filter(|word| !word.is_empty()).collect();
    let mut documented = first_cells("request | effect");
    for request in &documented {
        assert!(Request::parse(request.as_bytes()).is_ok(), "{request}");
    }
    known.sort();
    documented.sort();
    assert_eq!(documented, known);
}

#[test]
fn keys_are_those_of_the_record_in_its_order() {
    let text = |text: &str| Some(text.to_owned());
    let whole = StatusRecord {
        now: 1.5,
        goal: Goal::Up,
        delay: None,
        backoff: 0,
        lasttime: None,
        application: Some(2),
        testing: false,
        manager: 1,
        backoff_limit: 10,
        filename: "/x".into(),
        args: Some(vec!["x".into()]),
        version: text("1"),
        ready: true,
        restarts: 0,
        replaced: 0,
        handles_usr2: Some(false),
        configured: Some(1.0),
        last_exit: text("a"),
        start_error: text("b"),
        last_output: text("c"),
        test_error: text("e"),
        note: text("d"),
    };
    let keys: Vec<_> =
        whole.to_string().lines().filter_map(|line| Some(line.split_once('=')?.0.to_owned())).collect();
    assert_eq!(first_cells("key | type"), keys);
}

#[test]
fn replies_and_limits_are_quoted_as_they_are() {
    let document = document();
    let quoted = |text: String| assert!(document.contains(&format!("`{text}`")), "{text}");
    let failed = Reply::KillFailed { signal: 9, errno: 1, reason: "REASON".to_owned() };
    quoted(failed.to_string().replace('9', "N").replace('1', "E"));
    quoted(Reply::SignalSent(9).to_string().replace('9', "N"));
    for reply in [
        Reply::Started,
        Reply::AlreadyStarted,
        Reply::NotStarted("REASON".to_owned()),
        Reply::StopSent,
        Reply::AlreadyStopped,
        Reply::RestartSent,
        Reply::NotRunning,
        Reply::TranscriptNotReopened("REASON".to_owned()),
        Reply::ExitSent,
        Reply::ExitingNow,
        Reply::Replacing,
        Reply::NotReplaced("REASON".to_owned()),
    ] {
        quoted(reply.to_string());
    }
    for refusal in [
        Refusal::NotTerminated,
        Refusal::TooLong,
        Refusal::Empty,
        Refusal::Unknown(b"WORD".to_vec()),
        Refusal::BadSignal(b"WORD".to_vec()),
        Refusal::Superseded,
    ] {
        quoted(refusal.to_string());
    }
    assert!(document.contains("10,000 bytes") && MAX_COMMAND == 10_000);
}
