//! The end of a program that has met a fault of its own where others rely on it.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::log::EventLog;
use crate::exit::Exit;

impl EventLog {
    /// Does `work` that others wait for. If it panics there is no way to go on that they could trust: a line of level
    /// CRITICAL says so, and the process ends with status 1, as after a crash; whoever manages it starts it again.
    pub fn or_end<R>(&self, logger: &str, doing: fmt::Arguments<'_>, work: impl FnOnce() -> R) -> R {
        catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| {
            self.fault(logger, doing);
            #[expect(clippy::disallowed_methods, reason = "no way leads back to main from here")]
            std::process::exit(Exit::Failure.code().into())
        })
    }

    /// The line about a fault that the program will not outlive. What it was has been told on stderr, by the panic itself.
    pub fn fault(&self, logger: &str, doing: fmt::Arguments<'_>) {
        self.critical(
            logger,
            format_args!("a fault of this program in {doing}; it ends, to be started again"),
        );
    }
}
