//! `reexec`: the manager's binary on the disk takes the place of the one that runs.

use std::time::Duration;

use crate::control::{Refusal, Reply, Request};
use crate::exit::Exit;

use super::{Failure, Session};

/// How long the next binary may take to answer once it has passed its trial.
const TAKES_OVER: Duration = Duration::from_secs(10);

impl Session<'_> {
    pub(super) fn replace_manager(&mut self) -> Result<Exit, Failure> {
        let Some(version) = self.replacement()? else {
            self.say("daemon manager not running")?;
            self.warn_of_unmanaged();
            return Ok(Exit::Failure);
        };
        self.say(format_args!("daemon manager replaced; version={version}"))?;
        Ok(Exit::Success)
    }

    /// Has the manager replaced; gives the version of the one that runs then, or `None`: there is no manager.
    pub(super) fn replacement(&mut self) -> Result<Option<String>, Failure> {
        let Some(before) = self.record()?.map(|record| record.replaced) else { return Ok(None) };
        match self.client().ask(Request::Reexec)?.ok_or(Failure::ManagerGone)? {
            Reply::Replacing => {}
            Reply::NotReplaced(why) => return Err(Failure::NotReplaced(why)),
            Reply::Refused(Refusal::Unknown(_)) => {
                let why = "it does not know how; stop and start do it";
                return Err(Failure::NotReplaced(why.to_owned()));
            }
            other => return Err(Failure::refused(Request::Reexec, &other)),
        }
        let version = self.watch(Some(TAKES_OVER), |_, record| {
            let record = record.ok_or(Failure::LostInReplacement)?;
            Ok((record.replaced > before).then(|| record.version.clone().unwrap_or_default()))
        })?;
        version.map(Some).ok_or_else(|| Failure::NotReplaced("the earlier one is still there".to_owned()))
    }
}
