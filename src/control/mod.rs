//! The contract between `zdctl` and `zdrun`: what one may ask and what the other answers, as values and as bytes.
//!
//! A client connects to the control socket, sends one [`Request`] as a line, and reads one [`Reply`] to the end of the
//! stream (docs/control.md is for those who write their own client). Both directions and all sizes are here; the two
//! programs share nothing else.
//! The bytes are those of zdaemon 5.2.1, so that either program works with either generation of its peer; where the
//! peer of 2003 differs, the reader takes both forms (ZDPROTO section 1).
//!
//! Promises: no input, however hostile, panics or is misread as something it is not; what cannot be understood becomes a
//! [`Refusal`] whose text is the reply. The module must not know of sockets, processes, clocks or settings.

pub mod lock_record;
mod plain;
mod record;
mod reply;
mod report;
pub mod repr;
mod request;

pub use plain::plain;
pub use record::{Goal, StatusRecord};
pub use reply::Reply;
pub use report::{FailedStart, NextTry, Report, ended_before_up, slow_start};
pub use request::{Refusal, Request};

/// Longest request in bytes, its newline not counted (ZDPROTO 1.2).
pub const MAX_COMMAND: usize = 10_000;

/// Longest reply that a client reads, in bytes. A status record carries the program's arguments, of which the system
/// takes a few MiB, and escapes make them up to six times longer.
pub const MAX_REPLY: usize = 16 << 20;

/// Longest report on a start that is read, in bytes.
pub const MAX_REPORT: usize = 64 << 10;

/// The environment variable that carries the number of the descriptor on which `zdrun` reports to `zdctl` how the start
/// went: a [`Report`].
pub const READY_FD: &str = "ZDRUN_READY_FD";

/// The environment variable by which `zdctl` has `zdrun` end what an earlier manager left running, and start nothing.
pub const END_ONLY: &str = "ZDRUN_END_ONLY";
