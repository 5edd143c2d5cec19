//! What to do about words of old files, of files for other programs, and of components that only Python has.
//!
//! ZEO's documents say what was dropped: its change log has, for 5.0, the monitor server (the protocol's `ruok` took its
//! place) and the authentication by password (client certificates did).

use crate::zconfig::Hint;

/// For `zdctl` and `zdrun`.
pub(super) static DAEMON: &[Hint] = &[
    hint("runner", "python", NO_PYTHON),
    hint("runner", "zdrun", NO_ZDRUN),
    hint("", "instancehome", ZOPE),
    hint("", "clienthome", ZOPE),
    hint("", "effective-user", ZOPE),
    hint("", "debug-mode", ZOPE),
    hint("", "site-definition", ZOPE),
    hint("", "devmode", ZOPE),
];

/// For `runzeo`.
pub(super) static SERVER: &[Hint] = &[
    hint("", "%import", "the storages of other packages need Python's runzeo, with the package installed"),
    hint("zeo", "monitor-address", MONITOR),
    hint("zeo", "authentication-protocol", AUTHENTICATION),
    hint("zeo", "authentication-database", AUTHENTICATION),
    hint("zeo", "authentication-realm", AUTHENTICATION),
    hint("zeo", "auth-protocol", AUTHENTICATION),
    hint("zeo", "auth-database", AUTHENTICATION),
    hint("zeo", "auth-realm", AUTHENTICATION),
    hint(
        "",
        "zodb",
        "it is for the file of a client; in that of a server the storage stands without '<zodb>' around it",
    ),
    hint(
        "",
        "zodb_db",
        "it is for Zope's file; in that of a server the storage stands without '<zodb_db>' around it",
    ),
    hint("", "relstorage", PYTHON),
    hint("", "temporarystorage", PYTHON),
    hint("", "zlibstorage", PYTHON),
    hint("", "serverzlibstorage", PYTHON),
    hint("", "beforestorage", PYTHON),
    hint("", "raidstorage", PYTHON),
    hint("", "zrs", PYTHON),
    hint("", "zrsstorage", PYTHON),
];

const fn hint(section: &'static str, word: &'static str, text: &'static str) -> Hint {
    Hint { section, word, text }
}

const MONITOR: &str = "ZEO 5 dropped it in 2016: leave it out";
const AUTHENTICATION: &str = "ZEO 5 dropped passwords in 2016: without it every client that reaches the address can read and \
    write, so leave it out only where the address is protected (a local socket, a firewall)";
const PYTHON: &str = "it needs Python's runzeo, with the package of this storage installed";
const ZOPE: &str = "it is a key of Zope's own file: give zdctl and zdrun a file with '<runner>' alone";
const NO_PYTHON: &str = "leave python out: our zdrun needs none";
const NO_ZDRUN: &str = "leave zdrun and python out: zdctl has a zdrun of its own";
