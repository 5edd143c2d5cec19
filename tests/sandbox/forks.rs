//! What a program that is just being started must not hold.
//!
//! Between its fork and its exec it has open whatever this process has, close-on-exec or not, for as long as a busy machine
//! lets it wait. A script that was written here meanwhile cannot be executed (`ETXTBSY`, execve(2)), and a socket that was
//! closed here answers still. Tests run side by side, so what must not be held is opened and closed while none starts any.

use std::io;
use std::process::{Command, Output, Stdio};
use std::sync::{Once, PoisonError, RwLock};

use nix::sys::signal::{SigHandler, Signal};

static STARTS: RwLock<()> = RwLock::new(());

/// Starts a program: all that starts one goes through here.
pub(crate) fn start<T>(start: impl FnOnce() -> T) -> T {
    static DEFAULTS: Once = Once::new();
    DEFAULTS.call_once(default_signals);
    let _held = STARTS.read().unwrap_or_else(PoisonError::into_inner);
    start()
}

/// Programs are not to inherit that these signals are ignored: nohup(1) and a shell's background have it so, and a shell
/// that is started then cannot handle them.
#[allow(unsafe_code)] // setting no handler of ours, but the system's
fn default_signals() {
    for signal in [Signal::SIGHUP, Signal::SIGINT, Signal::SIGQUIT] {
        // SAFETY: no function is installed.
        unsafe { nix::sys::signal::signal(signal, SigHandler::SigDfl) }.expect("these can be set");
    }
}

/// Opens and closes something while no program is being started.
pub(crate) fn apart<T>(work: impl FnOnce() -> T) -> T {
    let _held = STARTS.write().unwrap_or_else(PoisonError::into_inner);
    work()
}

/// Runs a command of no sandbox, without input; what it prints goes where it was told to, or else comes back.
pub(crate) fn output(command: &mut Command) -> io::Result<Output> {
    command.stdin(Stdio::null()).stderr(Stdio::piped());
    start(|| command.spawn())?.wait_with_output()
}
