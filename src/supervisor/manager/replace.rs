//! The binary on the disk takes over (`reexec`): an upgrade of the manager without a stop of the program.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::process::Stdio;
use std::time::Duration;

use super::super::resume::Legacy;
use super::super::state::Client;
use super::Manager;
use crate::control::Reply;
use crate::eventlog::Level;
use crate::sys::inherit;
use crate::sys::pidfd::Watched;
use crate::sys::poll::{self, Interest};
use crate::sys::reason::reason;
use crate::sys::replace;

/// How long the new binary may take to say that it would work.
const TRIAL: Duration = Duration::from_secs(5);

impl Manager<'_> {
    /// Becomes the binary on the disk, if that would work. Only returns if not; the client is answered before.
    pub(super) fn reexec(&mut self, client: Client) {
        let Some(snapshot) = self.state.snapshot(self.now()) else {
            let why = "the program is being started, tested or stopped; try again when that is over";
            return self.refuse_replacement(client, why.to_owned());
        };
        if let Err(why) = self.trial() {
            return self.refuse_replacement(client, why);
        }
        let descriptors = self.claim.descriptors();
        let output = self.output.as_ref().map(|output| [output.output(), output.input()]);
        let numbers = |list: &[BorrowedFd<'_>]| list.iter().map(AsRawFd::as_raw_fd).collect::<Vec<_>>();
        let [lock, listener] = descriptors;
        let kept: Vec<BorrowedFd<'_>> =
            [lock, listener, self.notify.as_fd()].into_iter().chain(output.into_iter().flatten()).collect();
        let legacy = match numbers(&kept)[..] {
            [lock, listener, notify, ref rest @ ..] => Legacy {
                descriptors: [lock, listener, notify],
                output: if let [pipe, input] = *rest { Some([pipe, input]) } else { None },
                snapshot,
                adopted: self.adopted.is_some(),
                started: self.started,
                replaced: self.replaced,
            },
            _ => return,
        };
        for descriptor in &kept {
            // One that cannot be left open is missed by the next image, which then fails and is found out below.
            let _ = inherit::leave_open(descriptor);
        }
        let command = self.origin_of_process.command(&legacy.encode());
        self.clients.reply(client, &Reply::Replacing);
        let error = replace::become_program(&command);
        for descriptor in &kept {
            let _ = inherit::close_on_exec(descriptor);
        }
        self.say(Level::ERROR, &format!("cannot replace the daemon manager: {}", reason(&error)));
    }

    fn refuse_replacement(&mut self, client: Client, why: String) {
        self.say(Level::WARNING, &format!("daemon manager not replaced: {why}"));
        self.clients.reply(client, &Reply::NotReplaced(why));
    }

    /// Lets the binary on the disk read its configuration and find its program.
    fn trial(&self) -> Result<(), String> {
        let mut command = self.origin_of_process.trial();
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let failed = |error: &std::io::Error| {
            format!("'{}': {}", self.origin_of_process.executable.display(), reason(error))
        };
        let mut child = command.spawn().map_err(|error| failed(&error))?;
        let watched = Watched::open(child.id().cast_signed()).map_err(|error| failed(&error));
        let in_time = watched.and_then(|watched| {
            poll::wait(&[(watched.as_fd(), Interest::Read)], Some(TRIAL)).map_err(|error| failed(&error))
        });
        if in_time != Ok(vec![true]) {
            let _ = child.kill();
        }
        let ended = child.wait_with_output().map_err(|error| failed(&error))?;
        if ended.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&ended.stderr);
        let said = said.lines().next().unwrap_or_default();
        Err(format!(
            "the program file '{}' would not run: {said}",
            self.origin_of_process.executable.display()
        ))
    }
}
