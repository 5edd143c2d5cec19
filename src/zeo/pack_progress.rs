//! How far the packs of a storage have come, for its status and for a service manager.

use std::sync::{Arc, OnceLock};
use std::time::Instant;

use super::exception::dict;
use super::stats::number;
use super::sync::{Mutex, lock};
use crate::pickle::Value;
use crate::storage::{PackPhase, PackProgress};

/// Is given what a server does beside serving, for a service manager; `None`: nothing any more.
pub type Announce = Arc<dyn Fn(Option<&str>) + Send + Sync>;

/// The packs of a storage.
#[derive(Default)]
pub struct Packs {
    running: Mutex<Option<Running>>,
    announce: OnceLock<Announce>,
}

#[derive(Clone)]
struct Running {
    progress: Arc<PackProgress>,
    /// When the phase began, as far as was seen.
    since: Instant,
    phase: PackPhase,
}

impl Packs {
    /// Where its progress goes beside the log; the first call counts.
    pub fn announce_to(&self, announce: Announce) {
        let _ = self.announce.set(announce);
    }

    /// The pack that runs, as a part of the storage's status.
    pub fn status(&self) -> Option<Value> {
        let running = lock(&self.running).clone()?;
        let (phase, done, total) = running.progress.get();
        let left = running.seconds_left();
        Some(dict([
            ("phase", Value::Text(phase.name().to_owned())),
            ("done", number(done)),
            ("total", number(total)),
            ("seconds_left", left.map_or(Value::None, number)),
        ]))
    }

    /// A pack runs; how far it has come, as words.
    pub fn update(&self, progress: &Arc<PackProgress>) -> String {
        let (phase, ..) = progress.get();
        let mut running = lock(&self.running);
        let known = running.as_ref().is_some_and(|known| known.phase == phase);
        if !known {
            *running = Some(Running { progress: progress.clone(), since: Instant::now(), phase });
        }
        running.as_ref().map(Running::describe).unwrap_or_default()
    }

    /// It does not run any more.
    pub fn ended(&self, progress: &Arc<PackProgress>) {
        let ended = lock(&self.running).take_if(|running| Arc::ptr_eq(&running.progress, progress));
        if ended.is_some() {
            self.announce(None);
        }
    }

    /// Says what the server does beside serving.
    pub fn announce(&self, what: Option<&str>) {
        if let Some(announce) = self.announce.get() {
            announce(what);
        }
    }
}

impl Running {
    /// At the speed of the phase so far.
    fn seconds_left(&self) -> Option<u64> {
        let (phase, done, total) = self.progress.get();
        let seconds = self.since.elapsed().as_secs();
        (phase == self.phase && done > 0)
            .then(|| u128::from(seconds) * u128::from(total.saturating_sub(done)) / u128::from(done))
            .and_then(|left| u64::try_from(left).ok())
    }

    fn describe(&self) -> String {
        let (phase, done, total) = self.progress.get();
        let percent = if total == 0 { 0 } else { u128::from(done.min(total)) * 100 / u128::from(total) };
        let unit = if phase == PackPhase::Marking { "objects" } else { "bytes" };
        let left = self.seconds_left().map(|left| format!(", about {left} seconds left"));
        format!("{}: {percent} %, {done} of {total} {unit}{}", phase.name(), left.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_a_line() {
        let progress = Arc::new(PackProgress::default());
        progress.begin(PackPhase::Copying, 200);
        progress.advance(50).unwrap();
        let running = Running { progress, since: Instant::now(), phase: PackPhase::Copying };
        assert_eq!(running.describe(), "copying: 25 %, 50 of 200 bytes, about 0 seconds left");
    }
}
