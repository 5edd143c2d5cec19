//! The sections of ZEO.

use std::path::Path;

use super::storage::ZODB;
use crate::sys::files::open_to_read;
use crate::sys::system_error::os_error_text;
use crate::zconfig::{
    BOOLEAN, BYTE_SIZE, Component, EXISTING_DIRPATH, Environment, FLOAT, INTEGER, Key, Keys, Member,
    SOCKET_BINDING_ADDRESS, SOCKET_CONNECTION_ADDRESS, STRING, SectionFault, SectionRef, SectionType, Slot,
    ValueError,
};

pub(super) static SERVER: Component = Component {
    package: "ZEO:server",
    needs: &[],
    abstract_types: &[],
    types: &[&SSL, &SERVER_SECTION],
    checks: &[("ssl", check_ssl)],
};

pub(super) static CLIENT: Component = Component {
    package: "ZEO",
    needs: &[&ZODB],
    abstract_types: &[],
    types: &[&CLIENT_SSL, &CLIENT_STORAGE],
    checks: &[],
};

/// Python's server listens at one address only.
static SERVER_SECTION: SectionType = SectionType {
    name: "zeo",
    implements: None,
    keys: Keys::Basic,
    members: &[
        Member::Slot(Slot::new("ssl", "ssl")),
        Member::Key(
            Key::new(
                "address",
                &SOCKET_BINDING_ADDRESS,
                "Where to listen: port, host:port, or the path of a local socket.",
            )
            .required()
            .many(),
        ),
        Member::Key(Key::new("read-only", &BOOLEAN, "Refuse writes.").or("false")),
        Member::Key(
            Key::new(
                "invalidation-queue-size",
                &INTEGER,
                "Transactions remembered for a quick check of caches.",
            )
            .or("100"),
        ),
        Member::Key(Key::new("invalidation-age", &FLOAT, "Seconds of history used for the same check.")),
        Member::Key(Key::new(
            "transaction-timeout",
            &INTEGER,
            "Seconds that a commit may hold the lock; 0: without limit.",
        )),
        Member::Key(Key::new("pid-filename", &EXISTING_DIRPATH, "File for the process number.")),
        Member::Key(
            Key::new("client-conflict-resolution", &BOOLEAN, "Clients resolve conflicts.").or("false"),
        ),
        Member::Key(Key::new("msgpack", &BOOLEAN, "Encode messages with msgpack.")),
        Member::Key(Key::new(
            "max-connections",
            &INTEGER,
            "Connections at once; further ones wait. At most half of the descriptors that the process may open.",
        )),
        Member::Key(
            Key::new(
                "max-unregistered",
                &INTEGER,
                "Connections at once that have not registered; beyond, the oldest ends.",
            )
            .or("1000"),
        ),
        Member::Key(
            Key::new("registration-timeout", &INTEGER, "Seconds from a connection to its registration.")
                .or("60"),
        ),
        Member::Key(Key::new("max-message-size", &BYTE_SIZE, "Longest message, and so record.").or("256MB")),
        Member::Key(
            Key::new(
                "max-message-memory",
                &BYTE_SIZE,
                "Memory for the messages above 1 MB of all clients while they arrive; further ones wait.",
            )
            .or("1GB"),
        ),
        Member::Key(
            Key::new(
                "max-unsent-invalidations",
                &BYTE_SIZE,
                "Invalidations that a client may leave unread; beyond, it is disconnected.",
            )
            .or("16MB"),
        ),
        Member::Key(Key::new("max-iterators", &INTEGER, "Iterators that a client may have open.").or("1000")),
        Member::Key(
            Key::new("max-transaction-steps", &INTEGER, "Stores and checks of a transaction.").or("10000000"),
        ),
    ],
    meaning: "The ZEO server.",
};

static SSL: SectionType = SectionType {
    name: "ssl",
    implements: None,
    keys: Keys::Basic,
    members: &[
        Member::Key(
            Key::new("certificate", &EXISTING_DIRPATH, "PEM file with the server's certificate.").required(),
        ),
        Member::Key(Key::new(
            "key",
            &EXISTING_DIRPATH,
            "PEM file with its key; the certificate's file when not given.",
        )),
        Member::Key(Key::new(
            "password-function",
            &STRING,
            "Python function that returns the key's password; not supported here: `password-file` is.",
        )),
        Member::Key(Key::new(
            "password-file",
            &EXISTING_DIRPATH,
            "File whose first line is the password of an encrypted key.",
        )),
        Member::Key(
            Key::new(
                "authenticate",
                &STRING,
                "PEM file with the certificates of clients and of their authorities, or a directory of them as `openssl rehash` makes it.",
            )
            .required(),
        ),
    ],
    meaning: "Encryption of the ZEO server, inside `<zeo>`.",
};

static CLIENT_SSL: SectionType = SectionType {
    name: "ssl",
    implements: None,
    keys: Keys::Basic,
    members: &[
        Member::Key(
            Key::new("certificate", &EXISTING_DIRPATH, "PEM file with the client's certificate.").required(),
        ),
        Member::Key(Key::new("key", &EXISTING_DIRPATH, "PEM file with its key.")),
        Member::Key(Key::new(
            "password-function",
            &STRING,
            "Python function that returns the key's password.",
        )),
        Member::Key(Key::new(
            "authenticate",
            &EXISTING_DIRPATH,
            "File or directory with the certificates of servers.",
        )),
        Member::Key(
            Key::new("check-hostname", &BOOLEAN, "Hold the server's name against its certificate.")
                .or("true"),
        ),
        Member::Key(Key::new("server-hostname", &STRING, "The name to hold against it.")),
    ],
    meaning: "Encryption of a ZEO client.",
};

static CLIENT_STORAGE: SectionType = SectionType {
    name: "clientstorage",
    implements: Some("zodb.storage"),
    keys: Keys::Basic,
    members: &[
        Member::Slot(Slot::new("ssl", "ssl")),
        Member::Key(Key::new("server", &SOCKET_CONNECTION_ADDRESS, "Address of a server.").required().many()),
        Member::Key(Key::new("cache-size", &BYTE_SIZE, "Size of the object cache.").or("20MB")),
        Member::Key(Key::new("cache-path", &STRING, "Path of the cache file.")),
        Member::Key(Key::new("blob-dir", &STRING, "Directory of the blob cache.")),
        Member::Key(Key::new("shared-blob-dir", &BOOLEAN, "It is shared with the server.").or("no")),
        Member::Key(Key::new("blob-cache-size", &BYTE_SIZE, "Its largest size.")),
        Member::Key(Key::new("blob-cache-size-check", &INTEGER, "Percentage between checks of it.")),
        Member::Key(Key::new("read-only", &BOOLEAN, "Do not write.").or("off")),
        Member::Key(Key::new("read-only-fallback", &BOOLEAN, "Accept a server that does not.").or("off")),
        Member::Key(
            Key::new("server-sync", &BOOLEAN, "Ask the server at each transaction's start.").or("off"),
        ),
        Member::Key(Key::new("wait-timeout", &INTEGER, "Seconds to wait for a connection.").or("30")),
        Member::Key(Key::new("client-label", &STRING, "Label in the server's log.")),
        Member::Key(Key::new("storage", &STRING, "Name of the storage on the server.").or("1")),
        Member::Key(Key::new("name", &STRING, "Name here.").or("")),
    ],
    meaning: "A storage on another ZEO server.",
};

/// Checks that the files exist and look like PEM files of the right kind; their contents are used by the connection.
fn check_ssl(section: SectionRef<'_>, environment: &Environment) -> Vec<SectionFault> {
    if section.has_faults() {
        return Vec::new();
    }
    check_files(section, environment).err().map(SectionFault::whole).into_iter().collect()
}

fn check_files(section: SectionRef<'_>, environment: &Environment) -> Result<(), ValueError> {
    if let Some(function) = section.text("password-function").filter(|name| !name.is_empty()) {
        let what = format!("the password-function '{function}' is Python's and cannot be called");
        return Err(ValueError::new(what, "put the password into a file, and name it with password-file"));
    }
    let certificate = section.text("certificate").unwrap_or_default();
    holds("certificate", certificate, "CERTIFICATE-----", environment)?;
    holds("key", section.text("key").unwrap_or(certificate), "PRIVATE KEY-----", environment)?;
    if let Some(file) = section.text("password-file") {
        holds("password-file", file, "", environment)?;
    }
    match section.text("authenticate").unwrap_or_default() {
        "" => Err(ValueError::new("authenticate is blank", "a file or a directory is needed")),
        // Python takes it; `config::server` says why it is not served.
        "DYNAMIC" => Ok(()),
        directory if environment.has_directory(Path::new(directory)) => Ok(()),
        file => holds("authenticate", file, "CERTIFICATE-----", environment),
    }
}

fn holds(key: &str, path: &str, mark: &str, environment: &Environment) -> Result<(), ValueError> {
    /// Limit of what is read of a PEM file, which is small.
    const MAX_PEM_BYTES: u64 = 16 << 20;
    use std::io::Read;
    if environment.is_trusting() {
        return Ok(());
    }
    let mut text = Vec::new();
    let read = open_to_read(&environment.place(Path::new(path)))
        .and_then(|file| file.take(MAX_PEM_BYTES).read_to_end(&mut text));
    let what = match read {
        Err(error) => format!("the {key} file '{path}' cannot be read: {}", os_error_text(&error)),
        Ok(_) if !String::from_utf8_lossy(&text).contains(mark) => {
            format!(
                "the {key} file '{path}' has no '{}' in PEM form",
                mark.trim_end_matches('-').to_lowercase()
            )
        }
        Ok(_) => return Ok(()),
    };
    Err(ValueError::new(what, ""))
}
