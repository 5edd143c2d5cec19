//! The sections of ZODB's storages.

use crate::zconfig::{
    BOOLEAN, BYTE_SIZE, Component, EXISTING_DIRPATH, INTEGER, Key, Keys, Member, SOCKET_CONNECTION_ADDRESS,
    STRING, SectionType, Slot, TIME_INTERVAL,
};

pub(super) static ZODB: Component = Component {
    package: "ZODB",
    needs: &[],
    abstract_types: &["zodb.storage", "zodb.database"],
    types: &[
        &FILE_STORAGE,
        &MAPPING_STORAGE,
        &DEMO_STORAGE,
        &BLOB_STORAGE,
        &ZEO_CLIENT,
        &FULL_STORAGE,
        &MINIMAL_STORAGE,
        &DATABASE,
    ],
    checks: &[],
};

static FILE_STORAGE: SectionType = SectionType {
    name: "filestorage",
    implements: Some("zodb.storage"),
    keys: Keys::Basic,
    members: &[
        Member::Key(Key::new("path", &EXISTING_DIRPATH, "The data file.").required()),
        Member::Key(Key::new("blob-dir", &EXISTING_DIRPATH, "Directory of the blobs.")),
        Member::Key(Key::new("create", &BOOLEAN, "Begin a new file even where one is.")),
        Member::Key(Key::new("read-only", &BOOLEAN, "Refuse writes.")),
        Member::Key(Key::new("quota", &BYTE_SIZE, "Largest size of the data file.")),
        Member::Key(Key::new("packer", &STRING, "Python function that packs.")),
        Member::Key(Key::new("pack-gc", &BOOLEAN, "Packing removes what nothing refers to.").or("true")),
        Member::Key(
            Key::new("pack-keep-old", &BOOLEAN, "Packing keeps the data file from before as `.old`.")
                .or("true"),
        ),
    ],
    meaning: "A storage in one data file.",
};

static MAPPING_STORAGE: SectionType = SectionType {
    name: "mappingstorage",
    implements: Some("zodb.storage"),
    keys: Keys::Basic,
    members: &[Member::Key(Key::new("name", &STRING, "Its name.").or("Mapping Storage"))],
    meaning: "A storage in memory.",
};

static DEMO_STORAGE: SectionType = SectionType {
    name: "demostorage",
    implements: Some("zodb.storage"),
    keys: Keys::Basic,
    members: &[
        Member::Key(Key::new("name", &STRING, "Its name.")),
        Member::Slot(Slot::new("factories", "zodb.storage").many()),
    ],
    meaning: "A storage whose changes do not touch the one inside of it; the one named `changes` holds them.",
};

static BLOB_STORAGE: SectionType = SectionType {
    name: "blobstorage",
    implements: Some("zodb.storage"),
    keys: Keys::Basic,
    members: &[
        Member::Key(Key::new("blob-dir", &STRING, "Directory of the blobs.").required()),
        Member::Slot(Slot::new("base", "zodb.storage")),
    ],
    meaning: "Blobs for the storage inside of it.",
};

static ZEO_CLIENT: SectionType = SectionType {
    name: "zeoclient",
    implements: Some("zodb.storage"),
    keys: Keys::Basic,
    members: &[
        Member::Key(
            Key::new(
                "server",
                &SOCKET_CONNECTION_ADDRESS,
                "Address of a server; may be given several times.",
            )
            .required()
            .many(),
        ),
        Member::Key(Key::new("blob-dir", &STRING, "Directory of the blob cache.")),
        Member::Key(Key::new("shared-blob-dir", &BOOLEAN, "It is shared with the server.").or("no")),
        Member::Key(Key::new("blob-cache-size", &BYTE_SIZE, "Its largest size.")),
        Member::Key(Key::new("blob-cache-size-check", &INTEGER, "Percentage between checks of it.")),
        Member::Key(Key::new("storage", &STRING, "Name of the storage on the server.").or("1")),
        Member::Key(Key::new("cache-size", &BYTE_SIZE, "Size of the object cache.").or("20MB")),
        Member::Key(Key::new("name", &STRING, "Name here.").or("")),
        Member::Key(Key::new("client", &STRING, "Name of a cache that outlives the process.")),
        Member::Key(Key::new("var", &STRING, "Directory of that cache.")),
        Member::Key(
            Key::new("min-disconnect-poll", &INTEGER, "Shortest delay of a reconnect, in seconds.").or("5"),
        ),
        Member::Key(
            Key::new("max-disconnect-poll", &INTEGER, "Longest delay of a reconnect, in seconds.").or("300"),
        ),
        Member::Key(Key::new("wait", &BOOLEAN, "Wait for the first connection.").or("on")),
        Member::Key(Key::new("read-only", &BOOLEAN, "Do not write.").or("off")),
        Member::Key(Key::new("read-only-fallback", &BOOLEAN, "Accept a server that does not.").or("off")),
        Member::Key(Key::new("username", &STRING, "Historic.")),
        Member::Key(Key::new("password", &STRING, "Historic.")),
        Member::Key(Key::new("realm", &STRING, "Historic.")),
        Member::Key(
            Key::new("drop-cache-rather-verify", &BOOLEAN, "Drop the cache instead of checking it.")
                .or("off"),
        ),
        Member::Key(Key::new("client-label", &STRING, "Label in the server's log.")),
    ],
    meaning: "A storage on another ZEO server.",
};

/// The keys that the two historic storages have in common.
macro_rules! berkeley {
    () => {
        &[
            Member::Key(Key::new("envdir", &STRING, "Directory of the database.").required()),
            Member::Key(Key::new("interval", &TIME_INTERVAL, "Time between checkpoints.").or("2m")),
            Member::Key(Key::new("kbyte", &INTEGER, "Log size between checkpoints.").or("0")),
            Member::Key(Key::new("min", &INTEGER, "Minutes between checkpoints.").or("0")),
            Member::Key(Key::new("logdir", &STRING, "Directory of the database's log.")),
            Member::Key(Key::new("cachesize", &BYTE_SIZE, "Size of the database's cache.").or("128MB")),
            Member::Key(Key::new("frequency", &TIME_INTERVAL, "Time between packs.").or("0")),
            Member::Key(Key::new("packtime", &TIME_INTERVAL, "Age from which history is packed.").or("4h")),
            Member::Key(Key::new("gcpack", &INTEGER, "Every so many packs collect garbage.").or("0")),
            Member::Key(Key::new("read-only", &BOOLEAN, "Refuse writes.").or("off")),
        ]
    };
}

static FULL_STORAGE: SectionType = SectionType {
    name: "fullstorage",
    implements: Some("zodb.storage"),
    keys: Keys::Basic,
    members: berkeley!(),
    meaning: "Historic; it can be read and not be opened.",
};

static MINIMAL_STORAGE: SectionType = SectionType {
    name: "minimalstorage",
    implements: Some("zodb.storage"),
    keys: Keys::Basic,
    members: berkeley!(),
    meaning: "Historic; it can be read and not be opened.",
};

static DATABASE: SectionType = SectionType {
    name: "zodb",
    implements: Some("zodb.database"),
    keys: Keys::Basic,
    members: &[],
    meaning: "A database of a client; no file of a server can hold one.",
};
