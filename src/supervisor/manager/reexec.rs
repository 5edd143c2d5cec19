//! The binary on the disk takes over (`reexec`): an upgrade of the manager without a stop of the program.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::process::Stdio;
use std::time::Duration;

use super::super::output::Output;
use super::super::reexec_state::{HandoffState, InForce, VERSION};
use super::super::state::Client;
use super::Manager;
use crate::control::Reply;
use crate::eventlog::Level;
use crate::sys::exec;
use crate::sys::inherit;
use crate::sys::pidfd::PidFd;
use crate::sys::poll::{self, Interest};
use crate::sys::system_error::os_error_text;

/// How long the new binary may take to say that it would work.
const TRIAL_TIMEOUT: Duration = Duration::from_secs(5);

impl Manager<'_> {
    /// Becomes the binary on the disk, if that would work. Only returns if not; the client is answered before.
    pub(super) fn reexec(&mut self, client: Client) {
        let Some(snapshot) = self.state.snapshot(self.now()) else {
            return self.refuse_replacement(client, Reply::BUSY.to_owned());
        };
        if let Err(why) = self.trial() {
            return self.refuse_replacement(client, why);
        }
        let [lock, listener] = self.socket.descriptors();
        let always = [lock, listener, self.notify.as_fd()];
        let output = self.output.as_ref().map(|output| [output.output(), output.input()]);
        let [lock, listener, notify] = always.map(|descriptor| descriptor.as_raw_fd());
        let state = HandoffState {
            version: VERSION,
            lock,
            listener,
            notify,
            output: output.map(|both| both.map(|descriptor| descriptor.as_raw_fd())),
            adopted: self.targets.adopted().is_some(),
            pid_files: self.pid_files.paths(),
            started: self.status.started,
            replaced: self.status.replaced,
            heard: self.output.as_ref().and_then(Output::heard),
            start_error: self.status.start_error.clone(),
            last_output: self.status.last_output.clone(),
            snapshot,
        };
        let command = match self.invocation.successor(&state) {
            Ok(command) => command,
            Err(why) => return self.refuse_replacement(client, why),
        };
        let kept: Vec<BorrowedFd<'_>> = always.into_iter().chain(output.into_iter().flatten()).collect();
        for descriptor in &kept {
            // One that cannot be left open is missed by the next image, which then fails and is found out below.
            let _ = inherit::clear_cloexec(descriptor);
        }
        self.clients.reply(client, &Reply::Replacing);
        let error = exec::become_program(&command);
        for descriptor in &kept {
            let _ = inherit::set_cloexec(descriptor);
        }
        self.journal
            .write(Level::ERROR, &format!("cannot replace the daemon manager: {}", os_error_text(&error)));
    }

    fn refuse_replacement(&mut self, client: Client, why: String) {
        self.journal.write(Level::WARNING, &format!("daemon manager not replaced: {why}"));
        self.clients.reply(client, &Reply::NotReplaced(why));
    }

    /// Lets the binary on the disk read its configuration and find its program.
    fn trial(&self) -> Result<(), String> {
        let mut command = self.invocation.trial(&InForce::of(self.runner));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let failed = |error: &std::io::Error| {
            let file = self.invocation.executable.display();
            format!("{}'{file}': {}", Reply::NO_TRIAL, os_error_text(error))
        };
        let mut child = command.spawn().map_err(|error| failed(&error))?;
        let pidfd = PidFd::open(child.id().cast_signed()).map_err(|error| failed(&error));
        let in_time = pidfd.and_then(|pidfd| {
            poll::wait(&[(pidfd.as_fd(), Interest::Read)], Some(TRIAL_TIMEOUT))
                .map_err(|error| failed(&error))
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
        Err(format!("the program file '{}' would not run: {said}", self.invocation.executable.display()))
    }
}
