//! A server in this process, over a storage of the test's choice.

use std::net::TcpStream;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use tempfile::TempDir;
use zeo_server::eventlog::{self, EventLog, Handler, Layout, Level, LogFile, Rotation, Target};
use zeo_server::filestorage::{FileStorage, Options};
use zeo_server::storage::{MemoryStorage, Storage};
use zeo_server::zconfig::Address;
use zeo_server::zeo::{Announce, Error, Listener, Settings, Stop, run};

use crate::sandbox::{SOON, poll};

/// A running server; it ends with this.
pub(crate) struct Server {
    pub(crate) port: u16,
    stop: Stop,
    thread: Option<JoinHandle<Result<(), Error>>>,
    place: TempDir,
    /// What a service manager would be sent.
    announced: Arc<Mutex<Vec<Option<String>>>>,
}

/// What a test's claim is made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Over {
    Memory,
    File,
}

impl Server {
    /// One storage, called `1`, over memory.
    pub(crate) fn start(settings: Settings) -> Self {
        Self::over(Over::Memory, settings)
    }

    /// One storage, called `1`.
    pub(crate) fn over(over: Over, settings: Settings) -> Self {
        let place = tempfile::tempdir().expect("a temporary directory");
        let storage: Arc<dyn Storage> = match over {
            Over::Memory => Arc::new(MemoryStorage::new("m")),
            Over::File => {
                let path = place.path().join("Data.fs");
                let log = Arc::new(EventLog::disabled());
                Arc::new(FileStorage::open(&path, &Options::default(), log).expect("a new file"))
            }
        };
        Self::with(place, storage, settings)
    }

    /// That storage, called `1`.
    pub(crate) fn with(place: TempDir, storage: Arc<dyn Storage>, settings: Settings) -> Self {
        Self::with_all(place, vec![("1".to_owned(), storage)], settings)
    }

    /// Those storages.
    pub(crate) fn with_all(
        place: TempDir,
        storages: Vec<(String, Arc<dyn Storage>)>,
        settings: Settings,
    ) -> Self {
        let log = Arc::new(log(&place.path().join("log")));
        let mut listener =
            Listener::bind(&Address::Inet { host: "127.0.0.1".into(), port: None }).expect("a free port");
        listener.listen().expect("nobody else has it");
        let Address::Inet { port: Some(port), .. } = *listener.address() else { panic!("not TCP") };
        let stop = Stop::new();
        let stopped = stop.clone();
        let announced = Arc::new(Mutex::default());
        let announcing: Arc<Mutex<Vec<Option<String>>>> = announced.clone();
        let serve = move || {
            let announce: Announce = Arc::new(move |what: Option<&str>| {
                announcing.lock().expect("no panic").push(what.map(str::to_owned));
            });
            run(vec![listener], storages, settings, &log, &stopped, &announce)
        };
        let thread = Some(std::thread::spawn(serve));
        Self { port, stop, thread, place, announced }
    }

    /// What it has said.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.place.path().join("log")).expect("a log")
    }

    /// What it has announced that it does.
    pub(crate) fn announced(&self) -> Vec<Option<String>> {
        self.announced.lock().expect("no panic").clone()
    }

    /// Waits for a line in the log.
    #[track_caller]
    pub(crate) fn assert_logs(&self, part: &str) {
        let found = poll(SOON, || self.log().contains(part).then_some(()));
        assert!(found.is_some(), "no '{part}' in:\n{}", self.log());
    }

    /// Ends it, and asserts that it ends well.
    pub(crate) fn end(&mut self) {
        self.stop.stop();
        if let Some(thread) = self.thread.take() {
            let ended = poll(SOON, || thread.is_finished().then_some(()));
            assert!(ended.is_some() || std::thread::panicking(), "the server does not end");
            if ended.is_some() {
                thread.join().expect("no panic").expect("a good end");
            }
        }
    }

    /// Whether somebody can connect.
    pub(crate) fn accepts(&self) -> bool {
        TcpStream::connect(("127.0.0.1", self.port)).is_ok()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end();
    }
}

fn log(path: &Path) -> EventLog {
    let layout = Layout {
        format: "%(levelname)s %(name)s %(message)s".into(),
        dateformat: String::new(),
        arbitrary_fields: false,
    };
    let file = LogFile { path: path.to_owned(), rotation: Rotation::None, delay: false, encoding: None };
    let handler = Handler { level: Level::NOTSET, layout, target: Target::File(file) };
    EventLog::open(&eventlog::Settings { level: Level::NOTSET, handlers: vec![handler] }).expect("a log")
}
