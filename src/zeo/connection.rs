//! One client's connection: bytes from the socket into the session, its replies back. It does not know what they mean.
//!
//! A task per client, and no other thread has a part in a read: what has arrived is worked off in one go, into one
//! buffer, which leaves with one write.

use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::task::yield_now;
use tokio::time::{Instant, sleep_until, timeout};

use super::frame::Frames;
use super::order::Standing;
use super::peer::Peer;
use super::session::{End, Session};
use super::settings::Limits;
use super::wire::{Reader, Writer};

/// Bytes of replies after which a batch ends: what others have for the client is put aside no longer than it takes to
/// make them.
const BATCH: usize = 256 << 10;
/// Time after which a batch ends, where the disk is slow: the replies so far leave, and other clients have their turn.
const TURN: Duration = Duration::from_millis(5);
/// Messages between two looks at the clock.
const ROW: usize = 8;
/// How long the last words to a client may take.
const FAREWELL: Duration = Duration::from_secs(5);

/// What a wait came to.
enum Event {
    Read(io::Result<usize>),
    Writable,
    Woken,
    Late,
}

/// Serves a client to its end, and says why it is one.
pub async fn serve(
    mut reader: Reader,
    writer: &Arc<Writer>,
    peer: &Arc<Peer>,
    session: &mut Session,
    limits: &Limits,
) -> End {
    let mut frames = Frames::default();
    let mut replies = Vec::new();
    session.greet(&mut replies);
    peer.outbox.begin();
    peer.outbox.end(&mut replies);
    let deadline = Instant::now() + limits.registration;
    let end = loop {
        if peer.stopping() {
            break End::Stopped;
        }
        let unsent = match peer.outbox.standing() {
            Standing::Open(unsent) => unsent,
            Standing::Closed if peer.outbox.overrun() => break End::Overrun,
            Standing::Closed => break End::Closed,
        };
        let hungry = unsent <= limits.unsent;
        let deadline = (!session.registered()).then_some(deadline);
        match wait(&mut reader, writer, frames.room(), hungry, unsent > 0, deadline).await {
            Event::Read(Ok(0)) => break End::Gone,
            Event::Read(Ok(count)) => frames.filled(count),
            Event::Read(Err(error)) => break End::Lost(error),
            Event::Writable | Event::Woken => {
                peer.outbox.flush();
                continue;
            }
            Event::Late => break End::Late,
        }
        if let Some(end) = work_off(&mut frames, writer, peer, session, limits, &mut replies).await {
            break end;
        }
    };
    session.end();
    // From here on whoever owes a reply rings the bell.
    peer.stop();
    let _ = timeout(FAREWELL, async {
        while peer.is_owed() || matches!(peer.outbox.flush(), Standing::Open(1..)) {
            tokio::select! {
                () = writer.woken() => {}
                () = writer.writable(), if matches!(peer.outbox.standing(), Standing::Open(1..)) => {}
            }
            if peer.outbox.standing() == Standing::Closed {
                break;
            }
        }
    })
    .await;
    peer.outbox.close();
    end
}

/// Works off the messages that have arrived, batch by batch, as long as the client takes the replies.
async fn work_off(
    frames: &mut Frames,
    writer: &Arc<Writer>,
    peer: &Arc<Peer>,
    session: &mut Session,
    limits: &Limits,
    replies: &mut Vec<u8>,
) -> Option<End> {
    loop {
        peer.outbox.begin();
        let more = batch(frames, session, limits, replies);
        peer.outbox.end(replies);
        match more {
            Err(end) => return Some(end),
            Ok(false) => return None,
            Ok(true) => {}
        }
        while let Standing::Open(unsent) = peer.outbox.flush()
            && unsent > limits.unsent
        {
            if peer.stopping() {
                return Some(End::Stopped);
            }
            tokio::select! {
                () = writer.writable() => {}
                () = writer.woken() => {}
            }
        }
        if peer.outbox.standing() == Standing::Closed {
            return None;
        }
        yield_now().await;
    }
}

/// Works off messages as long as a batch may be; whether there may be more.
fn batch(
    frames: &mut Frames,
    session: &mut Session,
    limits: &Limits,
    replies: &mut Vec<u8>,
) -> Result<bool, End> {
    let begin = Instant::now();
    loop {
        for _ in 0..ROW {
            let limit = if session.registered() { limits.message } else { limits.first_message };
            let next = frames.next(limit).map_err(|announced| End::TooLong(announced.0))?;
            let Some(place) = next else { return Ok(false) };
            session.receive(frames.bytes(place), replies)?;
            if replies.len() >= BATCH {
                return Ok(true);
            }
        }
        if begin.elapsed() >= TURN {
            return Ok(true);
        }
    }
}

/// Waits for what the connection can do next.
async fn wait(
    reader: &mut Reader,
    writer: &Writer,
    room: &mut [u8],
    hungry: bool,
    unsent: bool,
    deadline: Option<Instant>,
) -> Event {
    let read = poll_fn(|context| if hungry { reader.poll_read(context, room) } else { Poll::Pending });
    tokio::select! {
        biased;
        read = read => Event::Read(read),
        () = writer.woken() => Event::Woken,
        () = writer.writable(), if unsent => Event::Writable,
        () = until(deadline) => Event::Late,
    }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => poll_fn(|_| Poll::Pending).await,
    }
}
