//! The options of `zdctl`, `zdrun` and `runzeo`: from the words of a command line to plain flags. Each option is defined
//! once; `-h` shows the first line of its comment, `--help` and the manual page all of it.
//!
//! They are taken as getopt takes them: short ones bundled or with their value glued on, long ones with `=` or a word of
//! their own and as short as is unique, none after the first positional. An option given twice must say the same twice.

mod getopt;
mod runzeo;
mod shared;
#[cfg(test)]
mod tests;
mod zdctl;
mod zdrun;

pub use getopt::{Outcome, UsageError};
pub use runzeo::{PROGRAM as RUNZEO, ServerTyped, runzeo};
pub use zdctl::{PROGRAM as ZDCTL, Typed, zdctl};
pub use zdrun::{ManagerTyped, PROGRAM as ZDRUN, zdrun};
