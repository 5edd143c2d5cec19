//! Accepting clients, and the end of all of them.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::thread;
use std::time::Duration;

use tokio::net::{TcpListener, UnixListener};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{Sleep, sleep, sleep_until, timeout};

use super::acceptor::{Acceptor, Incoming, Stream};
use super::client_log::ClientLog;
use super::connection::{self, close, serve};
use super::exception::in_a_line;
use super::lanes;
use super::listen::{Listener, Socket};
use super::pack_progress::Announce;
use super::peer::Peer;
use super::session::{End, Session, Shared};
use super::settings::Limits;
use super::storage_service::StorageService;
use super::sync::{Mutex, lock};
use super::tasks::{Tasks, contained};
use super::tls::{Refused, Tls};
use super::{Error, Settings};
use crate::eventlog::EventLog;
use crate::storage::Storage;
use crate::sys::system_error::os_error_text;
use crate::sys::{memory, process};

/// The logger of what happens to connections.
const LOGGER: &str = "ZEO.asyncio.server";
/// Descriptors of what is no client's: the program's standard streams, logs, storages, what the runtime takes.
const RESERVED_DESCRIPTORS: usize = 20;
/// From so many connections on memory is given back when half of them have gone.
const CROWD: usize = 100;
/// How long no client is accepted after accepting failed: it lacks descriptors or memory, which others must give back.
const ACCEPT_RETRY: Duration = Duration::from_millis(200);
/// Threads that the votes of a storage take at most: one that has the commit lock, one that has just left it.
const MAX_VOTE_THREADS: usize = 2;
/// How long connections may take to end when the server does.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(15);

/// Ends a running server, from any thread.
#[derive(Debug, Clone, Default)]
pub struct Stop(Arc<Notify>);

impl Stop {
    /// One that has not been used.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Ends the server, even if it has not started yet.
    pub fn stop(&self) {
        self.0.notify_one();
    }
}

struct Server {
    shared: Arc<Shared>,
    log: Arc<EventLog>,
    /// All connected clients, by number.
    peers: Mutex<Peers>,
    next_number: AtomicU64,
    /// Notified when a client has gone.
    gone: Notify,
    /// For their long messages ([`connection::room`]).
    room: Arc<Semaphore>,
    /// Connections at once.
    max_connections: usize,
}

/// All connected clients.
#[derive(Default)]
struct Peers {
    /// By number: the order in which they have come.
    all: BTreeMap<u64, Arc<Peer>>,
    /// The most that there were since memory was given back.
    peak: usize,
}

impl Peers {
    /// Ends the oldest connection that has not registered, if there are `most` of them at least.
    fn displace_oldest(&self, most: usize) {
        let mut unregistered = self.all.values().filter(|peer| peer.may_be_displaced());
        let Some(oldest) = unregistered.next() else { return };
        if 1 + unregistered.count() >= most {
            oldest.displace();
        }
    }
}

/// Serves storages, each under its name, until `stop`, or until a task that all clients need has failed, which is logged. Then
/// no more clients are accepted, pending replies are sent, and all connections are closed; the storages are left open.
/// `announce` is called while something else than serving is done.
///
/// # Errors
/// It could not start.
pub fn run(
    listeners: Vec<Listener>,
    storages: Vec<(String, Arc<dyn Storage>)>,
    settings: Settings,
    log: &Arc<EventLog>,
    stop: &Stop,
    announce: &Announce,
) -> Result<(), Error> {
    let max_connections = max_connections(&settings.limits);
    let runtime = runtime(storages.len())?;
    let mut all = BTreeMap::new();
    for (name, storage) in storages {
        let service = StorageService::new(name.clone(), storage, &settings, log.clone())?;
        service.packs.announce_to(announce.clone());
        all.insert(name, service);
    }
    let mode = if settings.read_only { "RO" } else { "RW" };
    let described: Vec<String> = all.values().map(|service| service.describe()).collect();
    log.info(
        super::LOGGER,
        format_args!("StorageServer created {mode} with storages: {}", described.join(", ")),
    );
    let shared = Arc::new(Shared { log: ClientLog::new(log.clone()), storages: all, settings });
    let server = Arc::new(Server::new(shared, log.clone(), max_connections));
    let ended = runtime.block_on(server.serve(listeners, stop));
    runtime.shutdown_timeout(Duration::from_secs(1));
    ended
}

/// How many connections there may be at once.
fn max_connections(limits: &Limits) -> usize {
    // If it cannot be raised, fewer clients are served.
    let _ = process::raise_descriptor_limit();
    let descriptors = process::descriptor_limit().unwrap_or(usize::MAX);
    limits.connections.min(descriptors.saturating_sub(RESERVED_DESCRIPTORS) / 2).max(1)
}

/// For so many storages.
fn runtime(storages: usize) -> Result<Runtime, Error> {
    // What waits for a disk does so outside of the workers (`blocking`). Two at least: accepting clients never waits for one.
    let processors = thread::available_parallelism().map_or(2, std::num::NonZero::get);
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(processors.max(2)).thread_name("zeo").enable_io().enable_time();
    // All that keep a thread, and a vote of each storage: a worker never lacks the thread that takes its place.
    builder.max_blocking_threads((lanes::MAX_THREADS + MAX_VOTE_THREADS).saturating_mul(storages.max(1)));
    builder.build().map_err(Error::Threads)
}

impl Server {
    fn new(shared: Arc<Shared>, log: Arc<EventLog>, max_connections: usize) -> Self {
        Self {
            room: connection::room(&shared.settings.limits),
            shared,
            log,
            peers: Mutex::default(),
            next_number: AtomicU64::new(1),
            gone: Notify::new(),
            max_connections,
        }
    }

    async fn serve(self: Arc<Self>, listeners: Vec<Listener>, stop: &Stop) -> Result<(), Error> {
        let mut tasks = Tasks::default();
        for service in self.shared.storages.values() {
            if service.commits.has_timeout() {
                tasks.start(
                    format!("timing out the clients of '{}'", service.name),
                    enforce_timeout(service.clone()),
                );
            }
        }
        for listener in listeners {
            self.open(listener, &mut tasks)?;
        }
        let mut failures = JoinSet::new();
        for service in self.shared.storages.values().cloned() {
            failures.spawn(async move {
                service.failed.notified().await;
                service.name.clone()
            });
        }
        self.run_until(tasks, failures, stop).await;
        Ok(())
    }

    /// Starts to accept clients at an address.
    fn open(self: &Arc<Self>, mut listener: Listener, tasks: &mut Tasks) -> Result<(), Error> {
        listener.listen()?;
        let address = listener.to_string();
        self.log.info(LOGGER, format_args!("listening on {address}"));
        let failed = |source| Error::Listen { address: address.clone(), source };
        for socket in listener.into_sockets() {
            let (server, name) = (self.clone(), format!("accepting clients on {address}"));
            match socket {
                Socket::Tcp(socket) => {
                    let acceptor = TcpListener::from_std(socket).map_err(failed)?;
                    tasks.start(name, server.accept(acceptor));
                }
                Socket::Unix(socket, file) => {
                    let acceptor = (UnixListener::from_std(socket).map_err(failed)?, file);
                    tasks.start(name, server.accept(acceptor));
                }
            }
        }
        Ok(())
    }

    /// Serves until `stop`, or until a storage can no longer write, or one of the tasks has ended: a server that refuses all
    /// commits, no longer accepts clients, or no longer takes the commit lock from one that keeps it, would only look healthy.
    async fn run_until(&self, mut tasks: Tasks, mut failures: JoinSet<String>, stop: &Stop) {
        tokio::select! {
            () = stop.0.notified() => {}
            Some(Ok(name)) = failures.join_next() => {
                self.log.info(LOGGER, format_args!("storage '{name}' has failed: the server ends"));
            }
            name = tasks.ended() => self.log.fault(LOGGER, format_args!("{name}")),
        }
        tasks.abort_all().await;
        self.close_all().await;
    }

    async fn accept(self: Arc<Self>, acceptor: impl Acceptor) {
        let mut failing = false;
        loop {
            let incoming = acceptor.next().await;
            if let Some(incoming) = self.accepted(incoming, &mut failing) {
                self.make_room().await;
                self.connect(incoming);
            } else {
                lock(&self.peers).displace_oldest(1);
                sleep(ACCEPT_RETRY).await;
            }
        }
    }

    /// Waits until there may be one more connection. One that has not registered makes room for it; clients do not.
    async fn make_room(&self) {
        let mut is_full = false;
        loop {
            let mut gone = pin!(self.gone.notified());
            gone.as_mut().enable();
            {
                let peers = lock(&self.peers);
                peers.displace_oldest(self.shared.settings.limits.unregistered);
                if peers.all.len() < self.max_connections {
                    return;
                }
                peers.displace_oldest(1);
            }
            if !std::mem::replace(&mut is_full, true) {
                let count = self.max_connections;
                self.log.warning(
                    LOGGER,
                    format_args!("{count} clients are connected, as many as may be: others wait"),
                );
            }
            gone.await;
        }
    }

    /// The client, if there is one. The first of several failures in a row is logged.
    fn accepted(&self, incoming: io::Result<Incoming>, failing: &mut bool) -> Option<Incoming> {
        match &incoming {
            Err(error) if !*failing => {
                self.log.error(LOGGER, format_args!("cannot accept a client: {}", os_error_text(error)));
            }
            Ok(_) if *failing => self.log.info(LOGGER, format_args!("clients are accepted again")),
            _ => {}
        }
        *failing = incoming.is_err();
        incoming.ok()
    }

    fn connect(self: &Arc<Self>, incoming: Incoming) {
        let Incoming { address, stream: incoming } = incoming;
        let number = self.next_number.fetch_add(1, Ordering::Relaxed);
        let peer = Peer::new(number, address, self.shared.settings.limits.unsent_invalidations);
        {
            let mut peers = lock(&self.peers);
            peers.all.insert(number, peer.clone());
            peers.peak = peers.peak.max(peers.all.len());
        }
        let entry = Entry { server: self.clone(), number };
        tokio::spawn(async move {
            let server = &entry.server;
            let mut session = Session::new(server.shared.clone(), peer.clone());
            let mut stream = None;
            let end = contained(server.converse(incoming, &mut stream, &peer, &mut session)).await;
            let end = end.unwrap_or_else(|| {
                session.end();
                peer.outbox.close();
                End::Fault
            });
            let why = in_a_line(&end.to_string());
            server.shared.log.disconnected(end.level(), LOGGER, &peer, &why);
            if let Some(stream) = stream {
                close(stream).await;
            }
        });
    }

    /// Serves a client to its end; `stream` becomes what is then to be closed.
    async fn converse(
        &self,
        incoming: Box<dyn Stream>,
        stream: &mut Option<Box<dyn Stream>>,
        peer: &Peer,
        session: &mut Session,
    ) -> End {
        let Settings { limits, tls, .. } = &self.shared.settings;
        let mut registration = pin!(sleep(limits.registration));
        let ready = match tls {
            None => Ok(incoming),
            Some(tls) => encrypted(tls, incoming, peer, registration.as_mut()).await,
        };
        match ready {
            Ok(ready) => serve(stream.insert(ready), peer, session, limits, &self.room, registration).await,
            Err(end) => end,
        }
    }

    /// Ends all connections, and waits until they have ended.
    async fn close_all(&self) {
        for peer in lock(&self.peers).all.values() {
            peer.stop();
        }
        let gone = async {
            loop {
                let mut gone = pin!(self.gone.notified());
                gone.as_mut().enable();
                if lock(&self.peers).all.is_empty() {
                    break;
                }
                gone.await;
            }
        };
        if timeout(CLOSE_TIMEOUT, gone).await.is_err() {
            let open = lock(&self.peers).all.len();
            self.log.warning(LOGGER, format_args!("{open} connections did not end"));
        }
    }
}

/// A connected client's entry in [`Server::peers`], removed when its task ends, however it ends.
struct Entry {
    server: Arc<Server>,
    number: u64,
}

impl Drop for Entry {
    fn drop(&mut self) {
        let is_crowd_gone = {
            let mut peers = lock(&self.server.peers);
            peers.all.remove(&self.number);
            let (left, peak) = (peers.all.len(), peers.peak);
            let is_gone = peak >= CROWD && left <= peak / 2;
            if is_gone {
                peers.peak = left;
            }
            is_gone
        };
        self.server.gone.notify_waiters();
        if is_crowd_gone {
            memory::release_heap();
        }
    }
}

/// Takes a client's handshake, as long as a client may take to register, and as long as the server runs.
async fn encrypted(
    tls: &Tls,
    incoming: Box<dyn Stream>,
    peer: &Peer,
    registration: Pin<&mut Sleep>,
) -> Result<Box<dyn Stream>, End> {
    let ended = poll_fn(|context| {
        let _ = peer.outbox.register(context.waker());
        match (peer.stopping(), peer.displaced()) {
            (true, _) => Poll::Ready(End::Stopped),
            (false, true) => Poll::Ready(End::Displaced),
            (false, false) => Poll::Pending,
        }
    });
    tokio::select! {
        accepted = tls.accept(incoming) => accepted.map_err(|refused| match refused {
            Refused::Lost(error) if error.kind() == io::ErrorKind::UnexpectedEof => End::Gone,
            Refused::Lost(error) => End::Lost(error),
            Refused::Handshake(why) => End::Refused(why),
        }),
        () = registration => Err(End::Refused("the client has not ended it in time".to_owned())),
        end = ended => Err(end),
    }
}

/// Enforces the transaction timeout of a storage.
async fn enforce_timeout(service: Arc<StorageService>) {
    while let Some(next) = service.commits.expire() {
        sleep_until(next.into()).await;
    }
}

#[cfg(test)]
mod tests {
    use std::net::{SocketAddr, TcpStream};

    use tokio::sync::oneshot;

    use super::*;
    use crate::eventlog::{self, Handler, Layout, Level, LogFile, Rotation, Target};

    /// Panics once its sender has sent.
    struct Broken(Mutex<Option<oneshot::Receiver<()>>>);

    impl Acceptor for Broken {
        async fn next(&self) -> io::Result<Incoming> {
            let failing = lock(&self.0).take().expect("asked once");
            let _ = failing.await;
            panic!("injected");
        }
    }

    /// A server without storages, whose log is this file.
    fn server(path: &std::path::Path) -> Arc<Server> {
        let file = LogFile { path: path.to_owned(), rotation: Rotation::None, delay: false, encoding: None };
        let layout = Layout {
            format: "%(levelname)s %(name)s %(message)s".into(),
            dateformat: String::new(),
            arbitrary_fields: false,
        };
        let handler = Handler { level: Level::NOTSET, layout, target: Target::File(file) };
        let log = eventlog::Settings { level: Level::NOTSET, handlers: vec![handler] };
        let log = Arc::new(EventLog::open(&log).unwrap());
        let shared = Arc::new(Shared {
            log: ClientLog::new(log.clone()),
            storages: BTreeMap::new(),
            settings: Settings::default(),
        });
        Arc::new(Server::new(shared, log, usize::MAX))
    }

    #[test]
    fn fault_in_accepting_clients_ends_the_server_and_is_logged_once() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("log");
        let server = server(&path);
        runtime(1).unwrap().block_on(async {
            let (fail, failing) = oneshot::channel();
            let acceptor = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
            let address = acceptor.local_addr().unwrap();
            let mut tasks = Tasks::default();
            tasks.start("accepting clients on 'a'".to_owned(), server.clone().accept(acceptor));
            let broken = Broken(Mutex::new(Some(failing)));
            tasks.start("accepting clients on 'b'".to_owned(), server.clone().accept(broken));
            let client = std::thread::spawn(move || {
                let mut client = TcpStream::connect(address).unwrap();
                io::Read::read_exact(&mut client, &mut [0; 6]).unwrap();
                fail.send(()).unwrap();
                let closed = io::Read::read(&mut client, &mut [0]).unwrap();
                (closed, TcpStream::connect(address).is_err())
            });
            server.run_until(tasks, JoinSet::new(), &Stop::new()).await;
            assert_eq!(client.join().unwrap(), (0, true));
        });
        let log = std::fs::read_to_string(path).unwrap();
        let line = "CRITICAL ZEO.asyncio.server a fault of this program in accepting clients on 'b'; it ends, \
                    to be started again\n";
        assert_eq!((log.matches(line).count(), log.matches("CRITICAL").count()), (1, 1), "{log}");
        assert!(log.contains("disconnected: the server stops"), "{log}");
    }
}
