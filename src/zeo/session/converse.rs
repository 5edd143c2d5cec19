//! A conversation without a network: for what feeds a session anything.

use std::sync::Arc;

use super::{Session, Shared};
use crate::eventlog::EventLog;
use crate::storage::{Storage, Wait};
use crate::zeo::chunks::Chunks;
use crate::zeo::frame::Frames;
use crate::zeo::peer::Peer;
use crate::zeo::settings::Settings;
use crate::zeo::storage_service::StorageService;

/// What one client of a storage, called `1`, is sent when it says these bytes, up to the end of the connection or of the
/// bytes; then it goes.
///
/// # Panics
/// The last transactions of the storage cannot be read.
#[must_use]
pub fn converse(storage: Arc<dyn Storage>, said: &[u8]) -> Vec<u8> {
    let settings = Settings::default();
    let log = Arc::new(EventLog::disabled());
    let service = match StorageService::new("1".to_owned(), storage, &settings, log) {
        Ok(service) => service,
        Err(error) => panic!("{error}"),
    };
    let limits = settings.limits.clone();
    let peer = Peer::new(1, "test".to_owned(), limits.unsent_invalidations);
    let shared =
        Arc::new(Shared { log: service.log.clone(), storages: [("1".to_owned(), service)].into(), settings });
    let mut session = Session::new(shared, peer.clone());
    let (mut frames, mut sent, mut replies, mut rest) =
        (Frames::default(), Chunks::default(), Vec::new(), said);
    'said: while !rest.is_empty() {
        rest = frames.feed(rest);
        loop {
            let limit = if session.registered() { limits.message } else { limits.first_message };
            let Ok(place) = frames.next(limit) else { break 'said };
            let Some(place) = place else { break };
            peer.outbox.begin_batch(&mut sent);
            let received = session.receive(frames.bytes(place), Wait::Allowed, &mut replies);
            sent.push_buffer(&mut replies);
            if received.is_err() {
                break 'said;
            }
        }
    }
    session.end();
    peer.outbox.take(&mut sent);
    sent.drain_into(&mut replies);
    replies
}
