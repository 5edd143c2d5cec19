//! Accepting clients, and the end of all of them.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use tokio::net::{TcpListener, UnixListener};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Notify;
use tokio::time::{sleep, sleep_until, timeout};

use super::connection::serve;
use super::listen::{Listener, Socket};
use super::order::Sink;
use super::peer::Peer;
use super::served::Served;
use super::session::{Session, Shared};
use super::sync::{Mutex, lock};
use super::wire::{self, Reader, Writer};
use super::{Error, Settings};
use crate::eventlog::EventLog;
use crate::storage::Storage;
use crate::sys::descriptors;

/// Under this name the log has what happens to connections.
const LOGGER: &str = "ZEO.asyncio.server";
/// How long no client is accepted after that failed: for want of descriptors or memory, which others must give back.
const BREATH: Duration = Duration::from_millis(200);
/// How long clients may take to end when the server does.
const PATIENCE: Duration = Duration::from_secs(15);

/// Ends a running server, from any thread.
#[derive(Debug, Clone, Default)]
pub struct Stop(Arc<Notify>);

impl Stop {
    /// One that was not used.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The server is to end; also one that is yet to start.
    pub fn stop(&self) {
        self.0.notify_one();
    }
}

struct Server {
    shared: Arc<Shared>,
    log: Arc<EventLog>,
    /// Everybody who is connected.
    peers: Mutex<HashMap<u64, Arc<Peer>>>,
    numbers: AtomicU64,
    /// The last one has gone.
    empty: Notify,
}

/// Serves storages, each under its name, until it is told to stop. Then no client is accepted, replies that are under
/// way arrive, and all connections are closed; the storages are left open.
///
/// # Errors
/// It could not start.
pub fn run(
    listeners: Vec<Listener>,
    storages: Vec<(String, Arc<dyn Storage>)>,
    settings: Settings,
    log: &Arc<EventLog>,
    stop: &Stop,
) -> Result<(), Error> {
    // A descriptor for each client. Where it cannot be, fewer clients are served, and the log says so then.
    let _ = descriptors::raise_limit();
    let runtime = runtime()?;
    let mut all = BTreeMap::new();
    for (name, storage) in storages {
        all.insert(name.clone(), Served::new(name, storage, &settings, log.clone())?);
    }
    let mode = if settings.read_only { "RO" } else { "RW" };
    let described: Vec<String> = all.values().map(|served| served.describe()).collect();
    log.info(
        super::served::LOGGER,
        format_args!("StorageServer created {mode} with storages: {}", described.join(", ")),
    );
    let server = Arc::new(Server {
        shared: Arc::new(Shared { storages: all, settings }),
        log: log.clone(),
        peers: Mutex::new(HashMap::new()),
        numbers: AtomicU64::new(1),
        empty: Notify::new(),
    });
    let ended = runtime.block_on(server.serve(listeners, stop));
    runtime.shutdown_timeout(Duration::from_secs(1));
    ended
}

fn runtime() -> Result<Runtime, Error> {
    // A read that waits for the disk keeps a thread; others are there to go on.
    let processors = thread::available_parallelism().map_or(2, std::num::NonZero::get);
    let threads = (processors * 2).max(4);
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(threads).thread_name("zeo").enable_io().enable_time();
    builder.build().map_err(Error::Threads)
}

impl Server {
    async fn serve(self: Arc<Self>, listeners: Vec<Listener>, stop: &Stop) -> Result<(), Error> {
        let mut tasks = Vec::new();
        for served in self.shared.storages.values() {
            if served.timeout.is_some() {
                tasks.push(tokio::spawn(watch(served.clone())));
            }
        }
        for mut listener in listeners {
            listener.listen()?;
            self.log.info(LOGGER, format_args!("listening on {}", listener.address()));
            let address = listener.address().clone();
            for socket in listener.into_sockets() {
                let failed = |source| Error::Listen { address: address.clone(), source };
                let server = self.clone();
                tasks.push(match socket {
                    Socket::Tcp(socket) => {
                        let socket = TcpListener::from_std(socket).map_err(failed)?;
                        tokio::spawn(async move { server.accept_tcp(&socket).await })
                    }
                    Socket::Unix(socket, file) => {
                        let socket = UnixListener::from_std(socket).map_err(failed)?;
                        tokio::spawn(async move {
                            let _file = file;
                            server.accept_unix(&socket).await;
                        })
                    }
                });
            }
        }
        stop.0.notified().await;
        for task in &tasks {
            task.abort();
        }
        for task in tasks {
            let _ = task.await;
        }
        self.dismiss().await;
        Ok(())
    }

    async fn accept_tcp(self: &Arc<Self>, socket: &TcpListener) {
        let mut failing = false;
        loop {
            let accepted = socket.accept().await;
            match self.told(accepted, &mut failing) {
                Some((stream, address)) => self.connect(address.to_string(), wire::tcp(stream)),
                None => sleep(BREATH).await,
            }
        }
    }

    async fn accept_unix(self: &Arc<Self>, socket: &UnixListener) {
        let mut failing = false;
        loop {
            let accepted = socket.accept().await;
            match self.told(accepted, &mut failing) {
                Some((stream, _)) => self.connect("local socket".to_owned(), wire::unix(stream)),
                None => sleep(BREATH).await,
            }
        }
    }

    /// A client, or a line about why there is none, once for a row of failures.
    fn told<T>(&self, accepted: io::Result<T>, failing: &mut bool) -> Option<T> {
        match &accepted {
            Err(error) if !*failing => {
                self.log.error(LOGGER, format_args!("cannot accept a client: {error}"));
            }
            Ok(_) if *failing => self.log.info(LOGGER, format_args!("clients are accepted again")),
            _ => {}
        }
        *failing = accepted.is_err();
        accepted.ok()
    }

    fn connect(self: &Arc<Self>, address: String, (reader, writer): (Reader, Arc<Writer>)) {
        let number = self.numbers.fetch_add(1, Ordering::Relaxed);
        let sink: Box<dyn Sink + Send + Sync> = Box::new(writer.clone());
        let peer = Peer::new(number, address, sink, self.shared.settings.limits.unsent_invalidations);
        lock(&self.peers).insert(number, peer.clone());
        let member = Member { server: self.clone(), number };
        tokio::spawn(async move {
            let server = &member.server;
            let mut session = Session::new(server.shared.clone(), peer.clone());
            let limits = &server.shared.settings.limits;
            let end = serve(reader, &writer, &peer, &mut session, limits).await;
            server.log.log(end.level(), LOGGER, format_args!("({peer}) disconnected: {end}"));
        });
    }

    /// Ends all connections, and waits until they have ended.
    async fn dismiss(&self) {
        for peer in lock(&self.peers).values() {
            peer.stop();
        }
        let gone = async {
            while !lock(&self.peers).is_empty() {
                self.empty.notified().await;
            }
        };
        if timeout(PATIENCE, gone).await.is_err() {
            let left = lock(&self.peers).len();
            self.log.warning(LOGGER, format_args!("{left} connections did not end"));
        }
    }
}

/// A connected client's entry, which goes with its task, however that ends.
struct Member {
    server: Arc<Server>,
    number: u64,
}

impl Drop for Member {
    fn drop(&mut self) {
        let mut peers = lock(&self.server.peers);
        peers.remove(&self.number);
        if peers.is_empty() {
            self.server.empty.notify_one();
        }
    }
}

/// Sees to the transaction timeout of a storage.
async fn watch(served: Arc<Served>) {
    while let Some(next) = served.expire() {
        sleep_until(next.into()).await;
    }
}
