//! Ending the program after a panic in work that others depend on.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::log::EventLog;
use crate::exit::Exit;

impl EventLog {
    /// Does `work` that others depend on. If it panics, a CRITICAL record says so and the process exits with status 1, as
    /// after a crash, so that its manager restarts it.
    pub fn or_end<R>(&self, logger: &str, doing: fmt::Arguments<'_>, work: impl FnOnce() -> R) -> R {
        catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| {
            self.fault(logger, doing);
            #[expect(clippy::disallowed_methods, reason = "no way leads back to main from here")]
            std::process::exit(Exit::Failure.code().into())
        })
    }

    /// Logs that the program is about to exit because of a panic, whose own message went to stderr.
    pub fn fault(&self, logger: &str, doing: fmt::Arguments<'_>) {
        self.critical(
            logger,
            format_args!("a fault of this program in {doing}; it ends, to be started again"),
        );
    }
}
