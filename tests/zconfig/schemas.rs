//! The schemas of the Python programs, made of ours by taking away what is ours alone.

use std::sync::LazyLock;

use zeo_server::config::schema::{DAEMON, SERVER};
use zeo_server::zconfig::{Component, Member, Schema, SectionType, SlotName};

/// What Python's zdaemon reads.
static ZDAEMON: LazyLock<Schema> = LazyLock::new(|| Schema {
    file: DAEMON.file,
    components: of_the_peers(&DAEMON),
    importable: DAEMON.importable,
    skips_unknown: false,
    skipped: &[],
    unused: &[],
    hints: &[],
});

/// What Python's runzeo reads.
static ZEO: LazyLock<Schema> = LazyLock::new(|| Schema {
    file: with_members(SERVER.file, |members| members.retain(|member| member.name() != "environment")),
    components: of_the_peers(&SERVER),
    importable: SERVER.importable,
    skips_unknown: false,
    skipped: &[],
    unused: &[],
    hints: &[],
});

/// What Python's zeoctl reads.
static ZEOCTL: LazyLock<Schema> = LazyLock::new(|| Schema {
    file: with_members(ZEO.file, |members| {
        for member in members {
            match member {
                Member::Slot(slot) if slot.name == "runner" => slot.required = true,
                Member::Slot(slot) if slot.name == "storages" => slot.names = SlotName::Needed,
                _ => {}
            }
        }
    }),
    components: ZEO.components,
    importable: ZEO.importable,
    skips_unknown: false,
    skipped: &[],
    unused: &[],
    hints: &[],
});

/// The keys of `<runner>` that Python does not know.
const OUR_KEYS: &[&str] = &[
    "start-grace",
    "stop-group",
    "check-program",
    "stop-signal",
    "pid-file",
    "manager-pid-file",
    "notify",
    "editing-mode",
    "history",
];

/// The schema that the corpus calls so.
pub(super) fn named(name: &str) -> &'static Schema {
    match name {
        "zdaemon" => &ZDAEMON,
        "zeo" => &ZEO,
        "zeoctl" => &ZEOCTL,
        other => panic!("no schema is called {other}"),
    }
}

/// The components of a schema as the Python programs have them.
fn of_the_peers(schema: &Schema) -> &'static [&'static Component] {
    let section = |kind: &&'static SectionType| match kind.name {
        "runner" => with_members(kind, |members| {
            members.retain(|member| !OUR_KEYS.contains(&member.name()));
            for member in members {
                if let Member::Key(key) = member
                    && key.name == "daemon"
                {
                    key.default = Some("on");
                }
            }
        }),
        "ssl" => with_members(kind, |members| members.retain(|member| member.name() != "password-file")),
        "zeo" => with_members(kind, |members| {
            members.retain(|member| {
                let name = member.name();
                !name.starts_with("max-") && name != "registration-timeout"
            });
            for member in members {
                if let Member::Key(key) = member {
                    key.many = false;
                }
            }
        }),
        _ => *kind,
    };
    let component = |component: &&'static Component| -> &'static Component {
        let types: Vec<_> = component.types.iter().map(section).collect();
        leaked(Component { types: types.leak(), ..**component })
    };
    schema.components.iter().map(component).collect::<Vec<_>>().leak()
}

fn with_members(kind: &'static SectionType, change: impl Fn(&mut Vec<Member>)) -> &'static SectionType {
    let mut members = kind.members.to_vec();
    change(&mut members);
    leaked(SectionType { members: members.leak(), ..*kind })
}

fn leaked<T>(value: T) -> &'static T {
    Box::leak(Box::new(value))
}
