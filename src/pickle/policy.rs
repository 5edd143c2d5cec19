//! What is admitted in a pickle, and how much.

/// Whether a class or function may be named: module, name.
pub type Globals = fn(&str, &str) -> bool;

/// How much a pickle may ask for. The bytes of the values are bounded too: no more than twice those of the pickle, or
/// 1 MiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Values within values: so deep. Whoever walks a [`Value`](super::Value) may recurse, so keep it small.
    pub depth: usize,
    /// Opcodes, and values in the result. Each needs at most some hundred bytes of memory.
    pub steps: usize,
    /// Whether it is of a record: other objects may be named, and strings of Python 2 are text in ASCII or cannot be read, as with
    /// ZODB.
    pub record: bool,
}

/// What is read.
#[derive(Debug, Clone, Copy)]
pub struct Policy {
    /// Classes and functions that may be named.
    pub globals: Globals,
    /// How much it may ask for.
    pub limits: Limits,
    /// Strings of Python 2 may be in it (`BINSTRING`, `SHORT_BINSTRING`), of which one cannot know whether they are text or bytes.
    pub python2: bool,
}

impl Limits {
    /// For an object's class or state in a record.
    pub const RECORD: Self = Self { depth: 100, steps: 1_000_000, record: true };
    /// For a message or a transaction's extension, which has at most 65,535 bytes.
    pub const MESSAGE: Self = Self { depth: 100, steps: 100_000, record: false };
}

impl Policy {
    /// What a server reads from its clients.
    pub const SERVER: Self = Self { globals: server_global, limits: Limits::MESSAGE, python2: false };
}

/// Admits the modules that ZEO's server admits (`ZEO.asyncio.marshal.server_find_global`).
#[must_use]
pub fn server_global(module: &str, _name: &str) -> bool {
    matches!(module, "builtins" | "__builtin__" | "copy_reg" | "zodbpickle" | "ZopeUndo.Prefix")
}

/// Admits all: as nothing is imported, a name is only a name.
#[must_use]
pub fn any_global(_module: &str, _name: &str) -> bool {
    true
}
