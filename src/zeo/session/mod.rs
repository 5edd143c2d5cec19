//! What a client says and what it is answered: frames in, frames out. No socket and no clock in it; it may be fed
//! anything.
//!
//! Its life: the greeting is answered, it registers for a storage, then it calls what it likes (ZEO-PROTOCOL sections 2
//! and 6). Whatever breaks the protocol ends it; what a call fails at is an error reply, unless no reply is wanted, which
//! ends it too.

mod commit;
mod converse;
mod extension;
mod iterate;
mod read;
#[cfg(test)]
mod tests;
mod undo_log;

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use super::call::{Call, NoCall};
use super::client_log::ClientLog;
use super::exception::{Exception, in_a_line, tid};
use super::fast::{self, LoadBefore};
use super::frame::{self, TooLong};
use super::lanes::Lanes;
use super::message::{self, Encoding, MAX_PLAIN_BYTES, Message, Undecodable};
use super::peer::Peer;
use super::settings::Settings;
use super::stats::{count, json};
use super::storage_service::StorageService;
use crate::eventlog::Level;
use crate::pickle::{self, Value};
use crate::storage::{self, Wait};
use crate::sys::system_error::os_error_text;

pub use self::converse::converse;

use self::commit::Open;
use self::iterate::Iterators;

/// Why a connection ends.
#[derive(Debug, thiserror::Error)]
pub enum End {
    /// The client has closed it.
    #[error("closed by the client")]
    Gone,
    /// The monitor has its answer.
    #[error("status sent")]
    Answered,
    /// The server ends.
    #[error("the server stops")]
    Stopped,
    /// Nothing can be sent any more, for a reason that is in the log.
    #[error("closed")]
    Closed,
    /// The network failed.
    #[error("{}", os_error_text(.0))]
    Lost(io::Error),
    /// The TLS handshake has failed.
    #[error("TLS handshake refused: {0}")]
    Refused(String),
    /// A panic in its task.
    #[error("a fault of this program")]
    Fault,
    /// It never registered.
    #[error("it has not registered in time")]
    Late,
    /// It has not registered, and the connections are as many as may be.
    #[error("it has not registered, and others need its place")]
    Displaced,
    /// Its message takes room that others may wait for.
    #[error("nothing more of its message of {0} bytes has arrived for {1} seconds")]
    Stalled(usize, u64),
    /// It leaves its invalidations unread.
    #[error("it does not read its invalidations")]
    Overrun,
    /// It encrypts, which this server does not.
    #[error("the client speaks TLS, and the server has no <ssl>")]
    Encrypts,
    /// A message beyond all measure.
    #[error("a message of {0} bytes is announced, which is too long")]
    TooLong(u32),
    /// The answer to the greeting.
    #[error("bad handshake {0}")]
    Handshake(String),
    /// A frame that is no message.
    #[error("undecodable message: {0}")]
    Undecodable(Undecodable),
    /// Its messages are those of a Python whose strings are text and bytes at once: what it stored, Python 3 could not load.
    #[error(
        "a client of Python 2, which this server does not serve; switch it off, or let it use a Python 2 server of its own"
    )]
    Python2,
    /// A method that there is not, or not now.
    #[error("invalid method '{0}'")]
    Method(String),
    /// A call without a reply has failed.
    #[error("{method}: {what}")]
    Asynchronous {
        /// What was called.
        method: String,
        /// What it failed at.
        what: String,
    },
}

impl From<Undecodable> for End {
    fn from(why: Undecodable) -> Self {
        match why {
            Undecodable::Pickle(pickle::Error::Python2(_)) => Self::Python2,
            why => Self::Undecodable(why),
        }
    }
}

impl End {
    /// Under which level the log has it.
    #[must_use]
    pub fn level(&self) -> Level {
        match self {
            Self::Answered => Level::DEBUG,
            Self::Gone | Self::Stopped | Self::Closed | Self::Lost(_) => Level::INFO,
            Self::Late | Self::Displaced | Self::Stalled(..) | Self::Overrun | Self::Refused(_) => {
                Level::WARNING
            }
            _ => Level::ERROR,
        }
    }
}

/// What all sessions share.
pub struct Shared {
    /// Where what is about no storage goes.
    pub log: ClientLog,
    /// The storages, by name.
    pub storages: BTreeMap<String, Arc<StorageService>>,
    /// How to serve.
    pub settings: Settings,
}

/// One client's session.
pub struct Session {
    shared: Arc<Shared>,
    peer: Arc<Peer>,
    stage: Stage,
}

enum Stage {
    /// Its answer to the greeting is awaited.
    Greeted,
    /// It has not registered.
    Anonymous,
    /// It is a client of a storage.
    Client(Box<Client>),
}

/// A client of a storage.
struct Client {
    service: Arc<StorageService>,
    read_only: bool,
    open: Option<Open>,
    /// Operations that a transaction may have.
    max_steps: usize,
    iterators: Iterators,
}

/// What became of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Received {
    /// All that there was to do.
    Done,
    /// Nothing: it would have had to wait, and may not. It is to be received again.
    WouldWait,
}

/// Why a call has no answer.
enum Failure {
    /// It is answered with an exception.
    Exception(Exception),
    /// It would have had to wait, and may not. Nothing has been done.
    WouldWait,
}

impl From<Exception> for Failure {
    fn from(exception: Exception) -> Self {
        Self::Exception(exception)
    }
}

impl From<storage::Error> for Failure {
    fn from(error: storage::Error) -> Self {
        match error {
            storage::Error::WouldWait => Self::WouldWait,
            error => Self::Exception(error.into()),
        }
    }
}

/// What a call comes to.
enum Answer {
    /// A result.
    Result(Value),
    /// The reply is in the buffer, or comes from elsewhere.
    Elsewhere,
}

/// The message that a call came with.
struct Request<'a> {
    peer: &'a Arc<Peer>,
    id: &'a Value,
    replies: &'a mut Vec<u8>,
}

impl Session {
    /// That of a client that has just connected.
    pub fn new(shared: Arc<Shared>, peer: Arc<Peer>) -> Self {
        Self { shared, peer, stage: Stage::Greeted }
    }

    /// The first words: the encoding that is offered.
    pub fn greet(&self, replies: &mut Vec<u8>) {
        put(replies, if self.shared.settings.msgpack { b"M5" } else { b"Z5" });
    }

    /// Whether it has registered.
    pub fn registered(&self) -> bool {
        matches!(self.stage, Stage::Client(_))
    }

    /// Looks at what has arrived of a long message.
    ///
    /// # Errors
    /// There is no need to wait for the rest.
    pub fn admit(&self, length: usize, head: &[u8]) -> Result<(), End> {
        match &self.stage {
            Stage::Client(client) if client.read_only && length > MAX_PLAIN_BYTES => {
                Err(Undecodable::TooLong(length).into())
            }
            _ => Ok(message::admit_length(length, head)?),
        }
    }

    /// Says what becomes of a message that is longer than it may be: what stores a record has its answer at the vote.
    ///
    /// # Errors
    /// The connection is to end.
    pub fn refuse(&mut self, announced: TooLong) -> Result<(), End> {
        let (peer, limit) = (self.peer.clone(), self.shared.settings.limits.message);
        let is_answered = match &mut self.stage {
            Stage::Client(client) => client.give_up_record(announced.0, limit, &peer),
            // The first four bytes of a TLS handshake, whatever its version.
            Stage::Greeted if announced.0 >> 16 == 0x1603 => return Err(End::Encrypts),
            _ => false,
        };
        if is_answered { Ok(()) } else { Err(End::TooLong(announced.0)) }
    }

    /// Where its calls run that have to wait; before it has registered, none has.
    pub fn lanes(&self) -> Option<&Lanes> {
        match &self.stage {
            Stage::Client(client) => Some(&client.service.lanes),
            _ => None,
        }
    }

    /// Takes a frame; its reply, if it is made now, goes behind `replies`. Reads keep the thread as `wait` says (votes and finishes
    /// see to that themselves).
    ///
    /// # Errors
    /// The connection is to end.
    pub fn receive(&mut self, frame: &[u8], wait: Wait, replies: &mut Vec<u8>) -> Result<Received, End> {
        match &mut self.stage {
            Stage::Greeted => return self.greeted(frame, replies).map(|()| Received::Done),
            Stage::Client(client) => {
                let encoding = self.peer.encoding();
                if let Some(load) = fast::recognise(encoding, frame) {
                    return Ok(client.load(&load, &self.peer, wait, replies));
                }
            }
            Stage::Anonymous => {}
        }
        match self.peer.encoding().decode(frame)? {
            Some(message) => self.message(message, wait, replies),
            None => Ok(Received::Done),
        }
    }

    fn greeted(&mut self, answer: &[u8], replies: &mut Vec<u8>) -> Result<(), End> {
        let encoding = match answer {
            b"ruok" => {
                let status = |service: &Arc<StorageService>| (service.name.clone(), json(&service.status()));
                let all: serde_json::Map<_, _> = self.shared.storages.values().map(status).collect();
                put(replies, serde_json::Value::Object(all).to_string().as_bytes());
                return Err(End::Answered);
            }
            b"Z5" => Encoding::Pickle,
            b"M5" => Encoding::Msgpack,
            other => return Err(End::Handshake(other[..other.len().min(20)].escape_ascii().to_string())),
        };
        self.peer.set_encoding(encoding);
        self.stage = Stage::Anonymous;
        Ok(())
    }

    fn message(&mut self, message: Message, wait: Wait, replies: &mut Vec<u8>) -> Result<Received, End> {
        let Message { id, asynchronous, name, arguments } = message;
        // Only what is to come next is admitted: `register` first, and once.
        if self.registered() == (name == "register") {
            return Err(End::Method(name.escape_debug().take(100).collect()));
        }
        let peer = self.peer.clone();
        let outcome = match Call::parse(&name, arguments) {
            Ok(call) if asynchronous && call.needs_reply() => {
                Err(Exception::new("builtins.TypeError", format!("{name} without a reply makes no sense")))
            }
            Ok(call) => {
                let mut request = Request { peer: &peer, id: &id, replies };
                let outcome = match &mut self.stage {
                    Stage::Client(client) => client.call(call, &mut request, wait),
                    _ => self.register(call, &mut request).map_err(Failure::from),
                };
                match outcome {
                    Ok(answer) => Ok(answer),
                    Err(Failure::Exception(exception)) => Err(exception),
                    Err(Failure::WouldWait) => return Ok(Received::WouldWait),
                }
            }
            Err(NoCall::Unknown) => return Err(End::Method(name.escape_debug().take(100).collect())),
            Err(NoCall::NoObject(id)) => Err(Exception::no_object(id)),
            Err(NoCall::Arguments) => {
                Err(Exception::new("builtins.TypeError", format!("{name}: the arguments do not fit")))
            }
        };
        match outcome {
            Ok(Answer::Result(result)) if !asynchronous => peer.encoding().reply(&id, result, replies),
            Ok(_) => {}
            Err(exception) if asynchronous => {
                return Err(End::Asynchronous { method: name, what: exception.describe() });
            }
            Err(exception) => {
                if let Stage::Client(client) = &self.stage {
                    client.service.log.exception(&peer, &name, &exception);
                }
                peer.encoding().error(&id, exception.name, exception.arguments, replies);
            }
        }
        Ok(Received::Done)
    }

    fn register(&mut self, call: Call, request: &mut Request<'_>) -> Result<Answer, Exception> {
        let Call::Register { storage, read_only } = call else {
            return Err(Exception::new("builtins.TypeError", "register first"));
        };
        let Some(service) = self.shared.storages.get(&storage) else {
            // The words of Python's log, and of its exception.
            self.shared.log.about(
                Level::WARNING,
                request.peer,
                format_args!("unknown storage_id: {}", in_a_line(&storage)),
            );
            return Err(Exception::new("builtins.ValueError", format!("unknown storage: {storage}")));
        };
        if service.is_read_only() && !read_only {
            return Err(Exception::read_only());
        }
        service.add_client(request.peer, request.replies, |last, replies| {
            request.peer.encoding().reply(request.id, tid(last), replies);
        });
        request.peer.set_registered();
        service.log.about(Level::INFO, request.peer, format_args!("connected to storage '{storage}'"));
        let client = Client {
            service: service.clone(),
            read_only: read_only || service.is_read_only(),
            open: None,
            max_steps: self.shared.settings.limits.steps,
            iterators: Iterators::new(self.shared.settings.limits.iterators),
        };
        self.stage = Stage::Client(Box::new(client));
        Ok(Answer::Elsewhere)
    }

    /// Gives up everything that it has: its transaction, its place in line, its iterators.
    pub fn end(&mut self) {
        if let Stage::Client(mut client) = std::mem::replace(&mut self.stage, Stage::Anonymous) {
            client.service.remove_client(&self.peer);
            // That the connection ends is answer enough.
            drop(client.abandon(&self.peer));
        }
    }
}

impl Drop for Session {
    /// A session that ends by a panic holds no lock afterwards.
    fn drop(&mut self) {
        self.end();
    }
}

/// Where calls run: in the client's own task, which shares its thread with others. A read is tried without waiting first, since
/// most are of what is in memory. One that would have to wait, or to walk far, is received again where that holds back no other
/// client ([`Lanes`]); votes see to that themselves (`coordinator`).
impl Client {
    /// Answers a load in the form that nearly all have.
    fn load(&self, load: &LoadBefore<'_>, peer: &Peer, wait: Wait, replies: &mut Vec<u8>) -> Received {
        let encoding = peer.encoding();
        match load.answer(encoding, &*self.service.storage, wait, replies) {
            Ok(()) => {}
            Err(storage::Error::WouldWait) if wait != Wait::Allowed => return Received::WouldWait,
            Err(error) => {
                self.service.log.exception(peer, "loadBefore", &Exception::from(&error));
                load.fail(encoding, &error, replies);
            }
        }
        count(&self.service.stats.loads);
        Received::Done
    }

    fn call(&mut self, call: Call, request: &mut Request<'_>, wait: Wait) -> Result<Answer, Failure> {
        match call {
            Call::Begin { .. }
            | Call::Step { .. }
            | Call::LackingStep { .. }
            | Call::Vote(_)
            | Call::Finish(_)
            | Call::Abort(_) => Ok(self.commit(call, request)?),
            Call::IteratorStart { .. }
            | Call::IteratorNext(_)
            | Call::IteratorRecordStart { .. }
            | Call::IteratorRecordNext(_)
            | Call::IteratorGc(_) => {
                self.iterators.call(call, &*self.service.storage, wait).map(Answer::Result)
            }
            other => self.read(other, request, wait),
        }
    }
}

fn put(replies: &mut Vec<u8>, bytes: &[u8]) {
    // Ours are short.
    let _ = frame::append(replies, |out| {
        out.extend_from_slice(bytes);
        Ok::<(), ()>(())
    });
}
