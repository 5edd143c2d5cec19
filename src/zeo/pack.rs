//! Packs that clients ask for: each in a thread of its own. How far it has come is in the log, in the status of the storage and
//! at the service manager.

use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant, UNIX_EPOCH};

use super::exception::Exception;
use super::peer::Peer;
use super::storage_service::StorageService;
use crate::eventlog::Level;
use crate::pickle::Value;
use crate::record::ReferenceReader;
use crate::storage::{Error, Oid, PackOutcome, PackProgress, Tid};

/// How often its progress is in the log.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(5);

/// A client's wish.
pub struct PackRequest {
    /// The client.
    pub peer: Arc<Peer>,
    /// The message that awaits the end; `None`: it has been answered.
    pub message: Option<Value>,
    /// Seconds since 1970: what is not current then is removed.
    pub time: f64,
}

/// Starts a pack.
///
/// # Errors
/// The time is none, or the storage cannot be packed; an error of the pack itself is the answer to the message.
pub fn start(service: &Arc<StorageService>, request: PackRequest) -> Result<(), Exception> {
    let until = pack_time(request.time)?;
    if service.storage.pack().is_none() {
        return Err(Error::Unsupported("pack").into());
    }
    let service = service.clone();
    let spawned = thread::Builder::new().name("pack".to_owned()).spawn(move || run(&service, request, until));
    spawned
        .map(drop)
        .map_err(|error| Exception::new("builtins.OSError", format!("cannot start a thread: {error}")))
}

/// The last transaction that may have been at this time.
fn pack_time(seconds: f64) -> Result<Tid, Exception> {
    // 1970 and before: nothing is as old as that.
    let since = if seconds.is_nan() { None } else { Some(Duration::try_from_secs_f64(seconds.max(0.0))) };
    match since {
        None => Err(Exception::new("builtins.ValueError", "the time of a pack is no number")),
        // Behind all times.
        Some(Err(_)) => Ok(Tid::MAX),
        Some(Ok(since)) => Ok(UNIX_EPOCH.checked_add(since).map_or(Tid::MAX, Tid::at)),
    }
}

fn run(service: &Arc<StorageService>, request: PackRequest, until: Tid) {
    let PackRequest { peer, message, time } = request;
    let say = |what: std::fmt::Arguments<'_>| service.log.about(Level::INFO, &peer, what);
    // The words of Python's log.
    say(format_args!("pack(time={time}) started..."));
    let begun = Instant::now();
    let outcome = with_progress(service, until);
    let error = match outcome {
        Ok(outcome) => {
            say(format_args!("pack(time={time}) complete"));
            let seconds = begun.elapsed().as_secs();
            match outcome {
                PackOutcome::Packed { before, after } => say(format_args!(
                    "storage '{}' was {before} bytes and is {after} bytes after {seconds} seconds",
                    service.name
                )),
                PackOutcome::Unchanged => {
                    say(format_args!("storage '{}' had nothing to remove", service.name));
                }
            }
            service.send_info();
            None
        }
        Err(error) => {
            say(format_args!("pack(time={time}) failed: {error}; the storage is as before"));
            Some(Exception::from(error))
        }
    };
    let Some(message) = message else { return };
    let mut reply = Vec::new();
    match error {
        None => peer.encoding().reply(&message, Value::None, &mut reply),
        Some(error) => peer.encoding().error(&message, error.name, error.arguments, &mut reply),
    }
    peer.outbox.push_async(&reply);
}

/// Packs, and says now and then how far it has come.
fn with_progress(service: &Arc<StorageService>, until: Tid) -> Result<PackOutcome, Error> {
    let packer = service.storage.pack().ok_or(Error::Unsupported("pack"))?;
    let progress = Arc::new(PackProgress::default());
    let (end, ended) = channel::<()>();
    let outcome = thread::scope(|scope| {
        let work = scope.spawn(|| {
            // Closed at the end, also by a panic.
            let _end = end;
            let mut references = ReferenceReader::default();
            let mut ids = Vec::new();
            let mut read = |record: &[u8], found: &mut Vec<Oid>| {
                ids.clear();
                references.read(record, &mut ids).map_err(|error| error.to_string())?;
                found.extend(ids.iter().map(|id| Oid::from_bytes(*id)));
                Ok(())
            };
            packer.pack(until, &mut read, &progress)
        });
        let mut said = Instant::now();
        // A short pack is not worth a line, and a second one that is refused no entry in the status.
        let mut wait = Duration::from_millis(100);
        while let Err(RecvTimeoutError::Timeout) = ended.recv_timeout(wait) {
            wait = Duration::from_secs(1);
            let how_far = service.packs.update(&progress);
            if said.elapsed() >= PROGRESS_INTERVAL {
                said = Instant::now();
                let line = format!("packing storage '{}': {how_far}", service.name);
                service.log.info(format_args!("{line}"));
                service.packs.announce(Some(&line));
            }
        }
        service.packs.ended(&progress);
        work.join()
    });
    outcome.unwrap_or_else(|_| Err(Error::Unavailable("a fault of this program".to_owned())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_number_is_a_time() {
        for (seconds, tid) in [
            (0.0, Tid::at(UNIX_EPOCH)),
            (-1e300, Tid::at(UNIX_EPOCH)),
            (1.5, Tid::at(UNIX_EPOCH + Duration::from_millis(1500))),
            (1e300, Tid::MAX),
            (f64::INFINITY, Tid::MAX),
        ] {
            assert_eq!(pack_time(seconds).unwrap(), tid, "{seconds}");
        }
        assert_eq!(pack_time(f64::NAN).unwrap_err().name, "builtins.ValueError");
    }
}
