//! The schemas: which sections and keys there are, with datatype, default and meaning (ZCONFIG sections 8 and 10).

mod hints;
mod log;
mod runner;
mod storage;
mod zeo;

use crate::zconfig::{Component, Keys, Member, STRING, Schema, SectionType, Slot};

/// What `zdctl` and `zdrun` read: their own sections are held to the letter, those of other programs in the same file
/// are passed over.
pub static DAEMON: Schema = Schema {
    file: &DAEMON_FILE,
    components: &[&log::LOGGER, &runner::ZDAEMON],
    importable: IMPORTABLE,
    skips_unknown: true,
    // Zope has its access log and others so.
    skipped: &["logger"],
    unused: &[],
    hints: hints::DAEMON,
};

/// What `runzeo` reads. Everything that Python's `runzeo` knows is known, what is not served is refused afterwards; the
/// sections of `zdctl` and `zdrun` may be in the same file.
pub static SERVER: Schema = Schema {
    file: &SERVER_FILE,
    components: &[&storage::ZODB, &zeo::SERVER, &log::LOGGER, &runner::ZDAEMON],
    importable: IMPORTABLE,
    skips_unknown: false,
    skipped: &[],
    unused: &["runner"],
    hints: hints::SERVER,
};

/// The types of all sections that a file may hold, from the outer ones to the inner ones.
#[must_use]
pub fn types(schema: &'static Schema) -> Vec<&'static SectionType> {
    let known = || schema.components.iter().flat_map(|component| component.types.iter().copied());
    let mut found: Vec<&'static SectionType> = Vec::new();
    let mut next = vec![schema.file];
    while let Some(outer) = next.first().copied() {
        next.remove(0);
        for member in outer.members {
            let Member::Slot(slot) = member else { continue };
            let fitting = known().filter(|kind| slot.fits(kind));
            let new: Vec<_> =
                fitting.filter(|kind| !found.iter().any(|known| known.name == kind.name)).collect();
            found.extend(&new);
            next.extend(new);
        }
    }
    found
}

/// Every component, for `%import`.
static IMPORTABLE: &[&Component] = &[&runner::ZDAEMON, &storage::ZODB, &zeo::CLIENT, &log::LOGGER, &BASIC];

static BASIC: Component = Component {
    package: "ZConfig.components.basic",
    needs: &[],
    abstract_types: &[],
    types: &[&MAPPING],
    checks: &[],
};

static MAPPING: SectionType = SectionType {
    name: "zconfig.basic.mapping",
    implements: None,
    keys: Keys::Basic,
    members: &[Member::Map(crate::zconfig::Key::new("mapping", &STRING, "Any key."))],
    meaning: "A base for types of other schemas.",
};

const fn file(members: &'static [Member]) -> SectionType {
    SectionType { name: "", implements: None, keys: Keys::Basic, members, meaning: "The file." }
}

static DAEMON_FILE: SectionType = file(&[
    Member::Slot(Slot::new("runner", "runner").required()),
    Member::Slot(Slot::new("environment", "environment")),
    Member::Slot(Slot::new("eventlog", "eventlog")),
]);

static SERVER_FILE: SectionType = file(&[
    Member::Slot(Slot::new("zeo", "zeo").required()),
    Member::Slot(Slot::new("runner", "runner")),
    Member::Slot(Slot::new("environment", "environment")),
    Member::Slot(Slot::new("storages", "zodb.storage").required().many()),
    Member::Slot(Slot::new("eventlog", "eventlog")),
]);
