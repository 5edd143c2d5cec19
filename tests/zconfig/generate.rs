//! Random files: mostly sections and keys of the schema with values of their datatypes, and everything that can be
//! wrong with them.

use super::values::{ANY_VALUES, pick, value_of};
use zeo_server::zconfig::{Key, Member, Schema, SectionType};

/// One decision of the generator: what to write, and which of the possible ones.
pub(super) type Step = (u8, u16, u16);

const NAMES: &[&str] = &["", "", "", "", " 1", " Main", " a/b", " é", " path", " level", " *", " changes"];
const ODD_LINES: &[&str] = &[
    "",
    "# a comment",
    "<runner",
    "< runner>",
    "<>",
    "</>",
    "<",
    "</",
    "<runner> x",
    "</runner> # x",
    "(x)",
    "%",
    "% define",
    "%foo x",
    "%define",
    "%include",
    "%import",
    "\u{a0}",
    "\u{feff}",
    "\u{2028}umask 7",
    "=",
    "x=1",
    "backoff_limit 5",
    "1a b",
    "é x",
    "nosuch x",
    "PROGRAM y",
    "umask(7)",
    "program a\rb",
    "\u{c}user\u{b}x",
    "</foo>",
    "</eventlog>",
    "<eventlog/>",
    "<eventlog />",
    "<eventlog / >",
    "<eventlog/ >",
    "<logfile/>",
    "<runner/>",
    "<ssl/>",
    "<environment/>",
    "<zodb/>",
    "<clientstorage/>",
    "<zconfig.logger.base-logger/>",
    "<ZODB.storage/>",
    "<mapping x/>",
    "<mappingstorage/>",
    "<mappingstorage x y/>",
    "<eventlog (a)>",
    "<eventlog //>",
];
const DIRECTIVES: &[&str] = &[
    "%define x val",
    "%define X other",
    "%define y $x",
    "%define y val",
    "%define 1a b",
    "%define z",
    "%define d $$x",
    "%include keys.conf",
    "%include section.conf",
    "%include sub/nested.conf",
    "%include nope.conf",
    "%include open.conf",
    "%include close.conf",
    "%include $x",
    "%include define.conf",
    "%include ./sub/../keys.conf",
    "%import zdaemon",
    "%import ZODB",
    "%import ZEO",
    "%import nosuchpkg",
    "%import .x",
    "%import ZConfig.components.logger",
    "%import ZConfig.components.basic",
    "%include file:keys.conf",
    "%include a#b",
    "%include keys%2Econf",
    "%include nosuch:x",
    "%include sub",
];
const OVERRIDES: &[&str] = &[
    "runner/umask=7",
    "runner/program=x y",
    "runner/nosuch=1",
    "runner",
    "a//b=c",
    "=x",
    "eventlog/level=debug",
    "eventlog/logfile/path=x",
    "zeo/address=1",
    "filestorage/path=x",
    "Main/umask=1",
    "runner/umask=9",
    "environment/A=b",
    "runner/eventlog/level=5",
    "RUNNER/USER= $x ",
    "1/path=y",
    "eventlog/syslog/facility=kern",
    "runner/user=a=b",
    "runner/umask=7",
    "zeo/x/y=1",
    "top=1",
];
/// Decisions, taken one after the other.
pub(super) struct Writer {
    schema: &'static Schema,
    out: String,
    open: Vec<&'static SectionType>,
    seen: Vec<&'static str>,
    /// The keys since the last section start.
    given: Vec<&'static str>,
}

impl Writer {
    pub(super) fn file(schema: &'static Schema, steps: &[Step]) -> String {
        let mut writer =
            Self { schema, out: String::new(), open: Vec::new(), seen: Vec::new(), given: Vec::new() };
        for step in steps {
            writer.step(*step);
        }
        let last = steps.last().copied().unwrap_or_default();
        if !last.0.is_multiple_of(16) {
            while let Some(kind) = writer.open.pop() {
                writer.line(&format!("</{}>", kind.name));
            }
            for kind in ["zeo", "runner", "filestorage"] {
                writer.add_required(kind, last.1);
            }
        }
        if last.2.is_multiple_of(8) {
            writer.out.pop();
        }
        writer.out
    }

    /// The overrides that go with a file: mostly none.
    pub(super) fn overrides(steps: &[Step]) -> Vec<String> {
        let chosen = steps.iter().filter(|(what, _, _)| *what >= 252);
        chosen.map(|(_, which, _)| pick(OVERRIDES, *which).to_owned()).collect()
    }

    fn line(&mut self, text: &str) {
        self.out.push_str(text);
        self.out.push('\n');
    }

    fn step(&mut self, (what, which, how): Step) {
        match what {
            0..=149 => self.key(which, how),
            150..=199 => self.section(which, how),
            200..=235 => self.close(how),
            236..=239 => self.line(pick(DIRECTIVES, which)),
            245..=246 => self.line(pick(ODD_LINES, which)),
            247 => self.line(&format!("{} {}", pick(ODD_LINES, which), pick(ANY_VALUES, how))),
            248 => self.line(&soup(which, how)),
            _ => {}
        }
    }

    fn section(&mut self, which: u16, how: u16) {
        let fits = |kind: &SectionType| {
            let members = self.open.last().map_or(self.schema.file.members, |open| open.members);
            members.iter().any(|member| matches!(member, Member::Slot(slot) if slot.fits(kind)))
        };
        let types = || self.schema.components.iter().flat_map(|component| component.types.iter().copied());
        let mut fitting: Vec<_> = types().filter(|kind| fits(kind)).collect();
        if how.is_multiple_of(32) {
            fitting = types().collect();
        }
        if fitting.is_empty() {
            return;
        }
        let kind = fitting[usize::from(which) % fitting.len()];
        let named = self.schema.file.members.iter().any(|m| matches!(m, Member::Slot(s) if !s.allows(None)));
        let name =
            if named && kind.implements.is_some() { format!(" n{how}") } else { pick(NAMES, how).to_owned() };
        self.line(&format!("<{}{name}>", kind.name));
        self.open.push(kind);
        self.seen.push(kind.name);
        self.required_keys(how / 32);
    }

    fn required_keys(&mut self, how: u16) {
        self.given.clear();
        let members = self.open.last().map_or(&[][..], |open| open.members);
        for member in members {
            if let Member::Key(key) = member
                && key.required
                && !how.is_multiple_of(32)
            {
                self.given.push(key.name);
                let value = value_of(key, 0);
                self.line(&format!("{} {value}", key.name));
            }
        }
    }

    fn close(&mut self, how: u16) {
        match self.open.last() {
            Some(_) if how.is_multiple_of(64) => self.line("</zeo>"),
            Some(kind) => {
                let tag = format!("</{}>", kind.name);
                self.line(&if how % 8 == 1 { tag.to_uppercase() } else { tag });
                self.open.pop();
            }
            None if how.is_multiple_of(16) => self.line("</runner>"),
            None => {}
        }
    }

    fn key(&mut self, which: u16, how: u16) {
        let Some(kind) = self.open.last() else {
            if how.is_multiple_of(64) {
                self.line("umask 7");
            }
            return;
        };
        let keys: Vec<&Key> = kind
            .members
            .iter()
            .filter_map(|member| match member {
                Member::Key(key) | Member::Map(key) => Some(key),
                Member::Slot(_) => None,
            })
            .collect();
        if keys.is_empty() {
            return;
        }
        let key = keys[usize::from(which) % keys.len()];
        if self.given.contains(&key.name)
            && !key.many
            && kind.name != "environment"
            && !how.is_multiple_of(32)
        {
            return;
        }
        self.given.push(key.name);
        let value = value_of(key, how);
        let name = match (kind.name, how % 16) {
            ("environment", _) => format!("K{}", which % 60),
            (_, 3) => key.name.to_uppercase(),
            _ => key.name.to_owned(),
        };
        self.line(&format!("{name} {value}"));
    }

    /// Adds a section that the schema cannot do without.
    fn add_required(&mut self, kind: &'static str, how: u16) {
        let missing = self.schema.file.members.iter().any(|member| {
            matches!(member, Member::Slot(slot) if slot.required && (slot.takes == kind || slot.takes == "zodb.storage" && kind == "filestorage"))
        });
        if !missing || self.seen.contains(&kind) || how.is_multiple_of(16) {
            return;
        }
        let found = self.schema.components.iter().flat_map(|c| c.types.iter()).find(|t| t.name == kind);
        self.line(&format!("<{kind} r{kind}>"));
        self.open.extend(found);
        self.required_keys(1);
        self.open.pop();
        self.line(&format!("</{kind}>"));
    }
}

/// A line of characters that mean something.
fn soup(which: u16, how: u16) -> String {
    const LETTERS: &[char] =
        &['<', '>', '/', '%', '$', '(', ')', '{', '}', '#', ' ', 'x', 'U', '-', '\u{a0}', '\u{130}'];
    let mut left = usize::from(which) << 16 | usize::from(how);
    let mut out = String::new();
    while left > 0 {
        out.push(LETTERS[left % LETTERS.len()]);
        left /= LETTERS.len();
    }
    out
}
