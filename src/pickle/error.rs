//! Why bytes are no pickle that can be read.

use thiserror::Error;

/// What is wrong with a pickle. Offsets count from its first byte.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Error {
    /// It ends before its STOP.
    #[error("the pickle ends too early")]
    Short,
    /// An opcode that no protocol up to 3 has, or one that needs a registry of classes.
    #[error("unknown opcode {opcode:#04x} at byte {at} of the pickle")]
    Opcode {
        /// The opcode.
        opcode: u8,
        /// Where.
        at: usize,
    },
    /// An opcode that does not fit what is on the stack, or whose argument makes no sense.
    #[error("{what} at byte {at} of the pickle")]
    Invalid {
        /// What is wrong.
        what: &'static str,
        /// After which byte.
        at: usize,
    },
    /// It names a class or function that is not admitted.
    #[error("{module}.{name} is not allowed in a pickle")]
    Global {
        /// The module.
        module: String,
        /// The name.
        name: String,
    },
    /// It has a string of Python 2, which is not admitted.
    #[error("a string of Python 2 at byte {0} of the pickle")]
    Python2(usize),
    /// It would need more than it may.
    #[error("the pickle has {0}")]
    Limit(&'static str),
    /// Bytes follow it.
    #[error("{0} bytes follow the pickle")]
    Trailing(usize),
}
