//! One client's connection: bytes from its stream into the session, replies back. It does not know what they mean.
//!
//! One task owns the stream, and only it reads and writes. What has arrived is handled in one go, into one buffer, which
//! leaves with one write; what others have for the client comes through its outbox.

use std::future::poll_fn;
use std::io;
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::yield_now;
use tokio::time::{Instant, Sleep, timeout};

use super::blocking;
use super::chunks::Chunks;
use super::frame::Frames;
use super::lanes::{Lane, Place};
use super::message::MAX_PLAIN_BYTES;
use super::outbox::OutboxState;
use super::peer::Peer;
use super::session::{End, Received, Session};
use super::settings::Limits;
use crate::storage::Wait;

/// Bytes of replies after which a batch ends: what others have for the client waits no longer than it takes to make them.
const MAX_BATCH_BYTES: usize = 256 << 10;
/// Time after which a batch ends, where the disk is slow: the replies so far leave, and other clients have their turn.
const MAX_BATCH_TIME: Duration = Duration::from_millis(1);
/// Messages between two looks at the clock.
const MESSAGES_PER_LOOK: usize = 8;
/// How long the last replies to a client may take.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);
/// The unit in which room for long messages is counted, in bytes.
const ROOM_UNIT: usize = 64 << 10;

/// Room for the long messages of all clients.
pub fn room(limits: &Limits) -> Arc<Semaphore> {
    Arc::new(Semaphore::new((limits.arriving / ROOM_UNIT).clamp(1, Semaphore::MAX_PERMITS)))
}

/// Serves a client to its end, and says why it is one. The stream is then to be closed. It is to register before the `deadline`.
pub async fn serve(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    peer: &Peer,
    session: &mut Session,
    limits: &Limits,
    room: &Arc<Semaphore>,
    deadline: Pin<&mut Sleep>,
) -> End {
    let mut connection = Connection {
        stream,
        peer,
        limits,
        frames: Frames::default(),
        has_frames: false,
        held: None,
        room,
        arriving: Arriving::Short,
        replies: Vec::new(),
        outgoing: Chunks::default(),
        unflushed: false,
    };
    let end = connection.run(session, deadline).await;
    session.end();
    // From here on each pending reply wakes this task.
    peer.stop();
    let _ = timeout(DRAIN_TIMEOUT, poll_fn(|context| connection.poll_drained(context))).await;
    peer.outbox.close();
    end
}

/// Closes a stream, whose other end may take its time to know.
pub async fn close(mut stream: impl AsyncWrite + Unpin) {
    let _ = timeout(DRAIN_TIMEOUT, poll_fn(|context| Pin::new(&mut stream).poll_shutdown(context))).await;
}

struct Connection<'a, S> {
    stream: &'a mut S,
    peer: &'a Peer,
    limits: &'a Limits,
    frames: Frames,
    /// There may be whole messages in `frames`.
    has_frames: bool,
    /// The message that is to be handled before those in `frames`, when it has a place where it may keep its thread.
    held: Option<Held>,
    /// For the long messages of all clients ([`Limits::arriving`]), in [`ROOM_UNIT`].
    room: &'a Arc<Semaphore>,
    arriving: Arriving,
    /// Those of the batch that is being made.
    replies: Vec<u8>,
    /// What is to be written; behind it comes what is in the outbox.
    outgoing: Chunks,
    /// A stream that encrypts keeps bytes back until it is flushed.
    unflushed: bool,
}

/// A message that would have had to wait.
struct Held {
    /// Where it is in `frames`.
    message: Range<usize>,
    place: Pin<Box<dyn Future<Output = Place> + Send>>,
}

/// A message that has not arrived whole.
enum Arriving {
    /// It is short, or there is none.
    Short,
    /// It is long: no more of it is read before there is room for it.
    Waiting(Pin<Box<dyn Future<Output = Option<OwnedSemaphorePermit>> + Send>>),
    /// It is long, and has its room until it has been handled.
    Admitted { length: usize, _room: Option<OwnedSemaphorePermit> },
}

/// What the client can be served with.
enum Event {
    /// So many bytes have arrived.
    Received(usize),
    /// Messages of an earlier read, now that their replies can be taken.
    Ready,
    /// There is room for the message that is arriving.
    Admitted,
    /// Nothing for too long a time.
    Late,
    /// A place for the message that is held.
    Place(Range<usize>, Place),
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<'_, S> {
    async fn run(&mut self, session: &mut Session, mut deadline: Pin<&mut Sleep>) -> End {
        session.greet(&mut self.replies);
        self.outgoing.push_buffer(&mut self.replies);
        loop {
            let late = if let Arriving::Admitted { length, .. } = self.arriving {
                Some(End::Stalled(length, self.limits.stall.as_secs()))
            } else {
                (!session.registered()).then_some(End::Late)
            };
            let has_deadline = late.is_some();
            let event =
                poll_fn(|context| self.poll_event(context, has_deadline.then_some(deadline.as_mut())));
            let mut held = None;
            match event.await {
                Ok(Event::Received(0)) => return End::Gone,
                Ok(Event::Received(count)) => {
                    self.frames.filled(count);
                    if matches!(self.arriving, Arriving::Admitted { .. }) {
                        deadline.as_mut().reset(Instant::now() + self.limits.stall);
                    }
                }
                Ok(Event::Admitted) => {
                    deadline.as_mut().reset(Instant::now() + self.limits.stall);
                    continue;
                }
                Ok(Event::Late) => return late.unwrap_or(End::Late),
                Ok(Event::Ready) => yield_now().await,
                Ok(Event::Place(message, place)) => held = Some((message, place)),
                Err(end) => return end,
            }
            if let Err(end) = self.process_frames(session, held) {
                return end;
            }
        }
    }

    /// Sends what there is to send, until there is something to do for the client.
    fn poll_event(
        &mut self,
        context: &mut Context<'_>,
        deadline: Option<Pin<&mut Sleep>>,
    ) -> Poll<Result<Event, End>> {
        let unsent = loop {
            let mut queued = match self.peer.outbox.register(context.waker()) {
                OutboxState::Open(queued) => queued,
                OutboxState::Overrun => return Poll::Ready(Err(End::Overrun)),
                OutboxState::Closed => return Poll::Ready(Err(End::Closed)),
            };
            if self.peer.stopping() {
                return Poll::Ready(Err(End::Stopped));
            }
            if self.peer.displaced() {
                return Poll::Ready(Err(End::Displaced));
            }
            if self.outgoing.is_empty() && queued > 0 {
                self.peer.outbox.take(&mut self.outgoing);
                queued = 0;
            }
            match self.poll_send(context) {
                Poll::Ready(Ok(())) if queued == 0 => break 0,
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Err(End::Lost(error))),
                Poll::Pending => break self.outgoing.len() + queued,
            }
        };
        if unsent <= self.limits.unsent {
            if let Some(held) = &mut self.held {
                let place = ready!(held.place.as_mut().poll(context));
                let message = held.message.clone();
                self.held = None;
                return Poll::Ready(Ok(Event::Place(message, place)));
            }
            if self.has_frames {
                return Poll::Ready(Ok(Event::Ready));
            }
            if let Arriving::Waiting(room) = &mut self.arriving {
                let room = ready!(room.as_mut().poll(context));
                let length = self.frames.arriving().map_or(0, |(length, _)| length);
                self.arriving = Arriving::Admitted { length, _room: room };
                return Poll::Ready(Ok(Event::Admitted));
            }
            let mut spare = ReadBuf::new(self.frames.spare_mut());
            if let Poll::Ready(read) = Pin::new(&mut *self.stream).poll_read(context, &mut spare) {
                let count = spare.filled().len();
                return Poll::Ready(match read {
                    // TLS was not ended, as by a client that was killed.
                    Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(Event::Received(0)),
                    read => read.map(|()| Event::Received(count)).map_err(End::Lost),
                });
            }
        }
        if deadline.is_some_and(|deadline| deadline.poll(context).is_ready()) {
            return Poll::Ready(Ok(Event::Late));
        }
        Poll::Pending
    }

    /// Looks at a message that has not arrived whole.
    fn admit(&mut self, session: &Session) -> Result<(), End> {
        if let Some((length, head)) = self.frames.arriving()
            && length > MAX_PLAIN_BYTES
        {
            session.admit(length, head)?;
            if matches!(self.arriving, Arriving::Short) {
                let most = self.limits.arriving.max(ROOM_UNIT);
                let units = u32::try_from(length.min(most) / ROOM_UNIT).unwrap_or(u32::MAX);
                let room = self.room.clone().acquire_many_owned(units);
                self.arriving = Arriving::Waiting(Box::pin(async { room.await.ok() }));
            }
        }
        Ok(())
    }

    /// Writes what is to be written.
    fn poll_send(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut stream = Pin::new(&mut *self.stream);
        while !self.outgoing.is_empty() {
            let count = ready!(stream.as_mut().poll_write(context, self.outgoing.front()))?;
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.outgoing.consume(count);
            self.unflushed = true;
        }
        if self.unflushed {
            ready!(stream.poll_flush(context))?;
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }

    /// Waits until all replies are sent, also those that others have yet to make, or nothing can be sent.
    fn poll_drained(&mut self, context: &mut Context<'_>) -> Poll<()> {
        loop {
            let OutboxState::Open(_) = self.peer.outbox.register(context.waker()) else {
                return Poll::Ready(());
            };
            // In this order: a reply is in the outbox before it is no longer pending.
            let has_pending = self.peer.has_pending();
            self.peer.outbox.take(&mut self.outgoing);
            let is_last = self.outgoing.is_empty();
            match ready!(self.poll_send(context)) {
                Ok(()) if is_last && has_pending => return Poll::Pending,
                Ok(()) if !is_last => {}
                Ok(()) | Err(_) => return Poll::Ready(()),
            }
        }
    }

    /// Handles a batch of the messages that have arrived. What others have for the client by now is sent before its replies,
    /// what comes meanwhile behind them.
    fn process_frames(
        &mut self,
        session: &mut Session,
        held: Option<(Range<usize>, Place)>,
    ) -> Result<(), End> {
        self.peer.outbox.begin_batch(&mut self.outgoing);
        let batch = self.process_batch(session, held);
        self.outgoing.push_buffer(&mut self.replies);
        self.has_frames = batch?;
        Ok(())
    }

    /// Handles messages as long as a batch may take; whether there may be more.
    fn process_batch(
        &mut self,
        session: &mut Session,
        held: Option<(Range<usize>, Place)>,
    ) -> Result<bool, End> {
        let begin = Instant::now();
        if let Some((message, place)) = held
            && !self.process(session, message, Some(place))?
        {
            return Ok(true);
        }
        loop {
            for _ in 0..MESSAGES_PER_LOOK {
                let limit =
                    if session.registered() { self.limits.message } else { self.limits.first_message };
                let message = match self.frames.next(limit) {
                    Ok(Some(message)) => message,
                    Ok(None) => {
                        self.admit(session)?;
                        return Ok(false);
                    }
                    Err(announced) => {
                        session.refuse(announced)?;
                        self.frames.skip(announced);
                        continue;
                    }
                };
                if !self.process(session, message, None)? {
                    return Ok(true);
                }
                if self.replies.len() >= MAX_BATCH_BYTES {
                    return Ok(true);
                }
            }
            if begin.elapsed() >= MAX_BATCH_TIME {
                return Ok(true);
            }
        }
    }

    /// Handles a message; false: it is held until there is a place for it.
    fn process(
        &mut self,
        session: &mut Session,
        message: Range<usize>,
        mut place: Option<Place>,
    ) -> Result<bool, End> {
        loop {
            let wait = place.as_ref().map_or(Wait::Refused, Place::wait);
            let frame = self.frames.bytes(message.clone());
            let received = match wait {
                Wait::Refused => session.receive(frame, wait, &mut self.replies),
                _ => blocking(|| session.receive(frame, wait, &mut self.replies)),
            };
            if received? == Received::Done {
                self.arriving = Arriving::Short;
                return Ok(true);
            }
            drop(place);
            let Some(lanes) = session.lanes() else { return Ok(true) };
            let lane = Lane::after(wait);
            place = lanes.try_enter(lane);
            if place.is_none() {
                self.held = Some(Held { message, place: Box::pin(lanes.enter(lane)) });
                return Ok(false);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use tokio::runtime::Builder;
    use tokio::time::sleep;

    use super::*;
    use crate::eventlog::EventLog;
    use crate::storage::MemoryStorage;
    use crate::zeo::session::{Shared, converse};
    use crate::zeo::settings::Settings;
    use crate::zeo::storage_service::StorageService;

    /// Takes a few bytes at a time and holds them back until it is flushed, as a stream does that encrypts.
    struct Reluctant {
        received: &'static [u8],
        held: Vec<u8>,
        sent: Vec<u8>,
    }

    impl AsyncRead for Reluctant {
        fn poll_read(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            buffer: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            let (now, later) = self.received.split_at(self.received.len().min(7));
            buffer.put_slice(now);
            self.received = later;
            Poll::Ready(Ok(()))
        }
    }

    impl AsyncWrite for Reluctant {
        fn poll_write(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            let count = bytes.len().min(3);
            self.held.extend_from_slice(&bytes[..count]);
            Poll::Ready(Ok(count))
        }

        fn poll_flush(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            let mut held = std::mem::take(&mut self.held);
            self.sent.append(&mut held);
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[test]
    fn stream_that_holds_bytes_back_sends_all_replies() {
        let received = b"\0\0\0\x02Z5\0\0\0\x1d\x80\x03(K\x01\x89X\x08\0\0\0registerX\x01\0\0\x001\x89\x86t.";
        let (settings, log) = (Settings::default(), Arc::new(EventLog::disabled()));
        let storage = Arc::new(MemoryStorage::new("m"));
        let service = StorageService::new("1".to_owned(), storage, &settings, log).unwrap();
        let limits = settings.limits.clone();
        let shared = Arc::new(Shared {
            log: service.log.clone(),
            storages: [("1".to_owned(), service)].into(),
            settings,
        });
        let peer = Peer::new(1, "test".to_owned(), 1 << 20);
        let mut session = Session::new(shared, peer.clone());
        let mut stream = Reluctant { received, held: Vec::new(), sent: Vec::new() };
        let end = Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
            let (room, deadline) = (room(&limits), pin!(sleep(limits.registration)));
            serve(&mut stream, &peer, &mut session, &limits, &room, deadline).await
        });
        assert!(matches!(end, End::Gone), "{end}");
        let replies = converse(Arc::new(MemoryStorage::new("m")), received);
        assert_eq!(stream.sent, [b"\0\0\0\x02Z5", &replies[..]].concat());
    }
}
