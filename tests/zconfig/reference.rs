//! docs/config.md says what the schema says: its part between the marks is the schema, written out.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use zeo_server::config::schema;
use zeo_server::zconfig::{Component, Key, Member, SectionType, Slot};

const BEGIN: &str = "<!-- The schema, held equal to the code by a test; UPDATE_DOCS=1 writes it. -->\n";
const END: &str = "<!-- End of the schema. -->\n";

/// The section types that a file may hold somewhere, in the order of their programs.
fn types() -> Vec<&'static SectionType> {
    let order = ["zdaemon", "ZConfig.components.logger", "ZEO:server", "ZODB"];
    let component = |name: &str| -> &'static Component {
        let mut known = schema::DAEMON.components.iter().chain(schema::SERVER.components);
        known.find(|component| component.package == name).unwrap()
    };
    let all: Vec<_> = order.iter().flat_map(|name| component(name).types.iter().copied()).collect();
    let mut roots = [schema::DAEMON.file, schema::SERVER.file].into_iter().chain(all.iter().copied());
    let slots: Vec<&Slot> = roots.by_ref().flat_map(slots).collect();
    all.into_iter().filter(|kind| slots.iter().any(|slot| slot.fits(kind))).collect()
}

fn slots(kind: &'static SectionType) -> impl Iterator<Item = &'static Slot> {
    kind.members.iter().filter_map(|member| match member {
        Member::Slot(slot) => Some(slot),
        _ => None,
    })
}

fn keys(kind: &'static SectionType) -> impl Iterator<Item = &'static Key> {
    kind.members.iter().filter_map(|member| match member {
        Member::Key(key) | Member::Map(key) => Some(key),
        Member::Slot(_) => None,
    })
}

fn written_out() -> String {
    let types = types();
    let mut out = String::new();
    for kind in &types {
        writeln!(out, "\n### `<{}>`\n\n{}", kind.name, kind.meaning).unwrap();
        for slot in slots(kind) {
            let fitting: Vec<String> = types
                .iter()
                .filter(|inner| slot.fits(inner))
                .map(|inner| format!("`<{}>`", inner.name))
                .collect();
            let number = if slot.many { "Any number" } else { "At most one" };
            writeln!(out, "\n{number} of {} may stand in it.", fitting.join(", ")).unwrap();
        }
        writeln!(out, "\n| key | type | default | meaning |\n|---|---|---|---|").unwrap();
        for member in kind.members {
            match member {
                Member::Key(key) => row(&mut out, &format!("`{}`", key.name), key),
                Member::Map(key) => row(&mut out, "any", key),
                Member::Slot(_) => {}
            }
        }
    }
    out.push('\n');
    out
}

fn row(out: &mut String, name: &str, key: &Key) {
    let default = match key.default {
        _ if key.required => "**required**".to_owned(),
        None => "none".to_owned(),
        Some("") => "blank".to_owned(),
        Some(text) => format!("`{}`", text.replace('\n', "\\n")),
    };
    let many = if key.many { ", repeatable" } else { "" };
    writeln!(out, "| {name} | {}{many} | {default} | {} |", key.datatype.name, key.meaning).unwrap();
}

#[test]
fn the_reference_page_is_the_schema() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/config.md");
    let page = fs::read_to_string(&file).unwrap();
    let (before, rest) = page.split_once(BEGIN).expect("the page has the opening mark");
    let (found, after) = rest.split_once(END).expect("the page has the closing mark");
    let expected = written_out();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&file, format!("{before}{BEGIN}{expected}{END}{after}")).unwrap();
        return;
    }
    assert!(found == expected, "docs/config.md is out of date; it should have:\n{expected}");
}

#[test]
fn the_reference_page_explains_every_datatype() {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/config.md")).unwrap();
    let (_, datatypes) = page.split_once("\n## Datatypes\n").expect("the page has the heading");
    let rows =
        datatypes.lines().filter_map(|line| line.strip_prefix("| ")).filter_map(|row| row.split(" |").next());
    let explained: BTreeSet<&str> = rows.filter(|name| *name != "type").collect();
    let used: BTreeSet<&str> = types().into_iter().flat_map(keys).map(|key| key.datatype.name).collect();
    assert_eq!(explained, used);
}
