//! A server from its start to its end.

use std::env;
use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;

use super::error::Error;
use super::journal::Journal;
use super::pid_file::PidFile;
use super::work::Work;
use super::{NAME, tls};
use crate::cli::{print, warn_of_other_home};
use crate::config::OtherHome;
use crate::config::server::{self, DataFile, Place, Settings};
use crate::eventlog::{EventLog, Level};
use crate::exit::Exit;
use crate::filestorage::{FileStorage, Options, PackOptions};
use crate::storage::{MemoryStorage, Storage};
use crate::sys::notify::Notifier;
use crate::sys::poll::{Interest, wait};
use crate::sys::signals::{Signals, number};
use crate::sys::system_error::os_error_text;
use crate::zeo;
use crate::zeo::tls::Tls;

/// Storages, each under its name.
type Named = Vec<(String, Arc<dyn Storage>)>;

/// Why the main thread stops waiting.
enum Event {
    /// The work has ended.
    Ended,
    /// The server is to end, with this status.
    Stop(Exit),
}

/// Runs the server until it is asked to end. With `test` it ends as soon as it could serve.
pub(super) fn serve(settings: &Settings, other_home: Option<OtherHome>, test: bool) -> Result<Exit, Error> {
    let system = |verb| move |source| Error::System { verb, source };
    let signals = Signals::block_for_server().map_err(system("wait for signals"))?;
    let log = Journal::new(Arc::new(EventLog::open(&settings.event_log)?));
    log.info(format_args!("{NAME} {} starts", env!("CARGO_PKG_VERSION")));
    if let Some(other) = &other_home {
        log.warning(format_args!("{other}"));
    }
    if settings.logs_elsewhere {
        // Which may well be the log of the other one.
        warn_of_other_home(NAME, other_home);
    }
    let ended = tls::open(settings)
        .map_err(Error::from)
        .and_then(|tls| Server { settings, signals, log: &log, notifier: notifier(&log), tls }.run(test));
    if let Err(error) = &ended
        && settings.logs_elsewhere
    {
        // Standard error may go nowhere; then the log is the only place with the reason.
        log.write(Level::CRITICAL, format_args!("{error}"));
    }
    ended
}

/// A large file without its index takes long to open: the service manager is asked for a quarter of an hour.
const OPENING: &str = "STATUS=opening storages\nEXTEND_TIMEOUT_USEC=900000000";

struct Server<'a> {
    settings: &'a Settings,
    signals: Signals,
    log: &'a Journal,
    notifier: Option<Arc<Notifier>>,
    tls: Option<Arc<Tls>>,
}

impl Server<'_> {
    fn run(&self, test: bool) -> Result<Exit, Error> {
        if let Some(tls) = &self.tls {
            tls::report(tls, self.log);
        }
        // Addresses first: what is taken should be known before a large file is read.
        let listeners = self.settings.addresses.iter().map(zeo::Listener::bind);
        let listeners = listeners.collect::<Result<Vec<_>, _>>()?;
        let _pid_file = PidFile::write(self.settings, self.log);
        self.notify(OPENING);
        let opening = {
            let (settings, log) = (self.settings.clone(), self.log.clone());
            Work::begin("opens the storages", move || open(&settings, &log))?
        };
        if let Event::Stop(exit) = self.wait(&opening)? {
            // Whatever it is about to write, a crash at this point is provided for.
            return Ok(exit);
        }
        let storages = opening.result()??;
        let ended = self.serve(listeners, &storages, test);
        let closed = self.close(&storages);
        ended.map(|exit| if closed { exit } else { Exit::Failure })
    }

    fn serve(&self, mut listeners: Vec<zeo::Listener>, storages: &Named, test: bool) -> Result<Exit, Error> {
        if test {
            return Ok(print("testing exit immediately"));
        }
        // Not before: a client that can connect is to find a server.
        listeners.iter_mut().try_for_each(zeo::Listener::listen)?;
        let shown: Vec<String> = listeners.iter().map(ToString::to_string).collect();
        let listening = format!("listening on {}", shown.join(", "));
        let announce = self.announce(listening.clone());
        let stop = zeo::Stop::new();
        let serving = {
            let (storages, settings, log, stop) =
                (storages.clone(), network(self.settings, self.tls.clone()), self.log.clone(), stop.clone());
            Work::begin("serves", move || {
                zeo::run(listeners, storages, settings, log.log(), &stop, &announce)
            })?
        };
        self.notify(&format!("READY=1\nSTATUS={listening}"));
        let event = self.wait(&serving)?;
        self.notify("STOPPING=1\nSTATUS=closing connections and storages");
        stop.stop();
        serving.result()??;
        Ok(match event {
            Event::Stop(exit) => exit,
            Event::Ended => Exit::Failure,
        })
    }

    /// Waits for work to end, or for a signal to end the server; does meanwhile what others ask for.
    fn wait<T>(&self, work: &Work<T>) -> Result<Event, Error> {
        let failed = |source: io::Error| Error::System { verb: "wait for signals", source };
        loop {
            while let Some(signal) = self.signals.next().map_err(failed)? {
                if let Some(exit) = self.take(signal) {
                    return Ok(Event::Stop(exit));
                }
            }
            let watched = [(self.signals.as_fd(), Interest::Read), (work.as_fd(), Interest::Read)];
            if wait(&watched, None).map_err(failed)?.get(1) == Some(&true) {
                return Ok(Event::Ended);
            }
        }
    }

    /// Does what a signal asks for; the status to end with, if it is to end.
    fn take(&self, signal: i32) -> Option<Exit> {
        let ended = |words: &str, exit| {
            self.log.info(format_args!("{words}"));
            Some(exit)
        };
        match signal {
            number::TERM => ended("terminated by SIGTERM", Exit::Success),
            number::INT => ended("terminated by SIGINT", Exit::Success),
            // zdrun and others take a failure for a reason to start it again.
            number::HUP => ended("restarted by SIGHUP", Exit::Failure),
            number::USR2 => {
                if self.settings.logs_elsewhere || self.tls.is_none() {
                    self.reopen();
                }
                if let Some(tls) = &self.tls {
                    tls::reload(tls, self.log);
                }
                None
            }
            _ => None,
        }
    }

    fn reopen(&self) {
        if !self.settings.logs_elsewhere {
            return self.log.warning(format_args!("received SIGUSR2, but no log file is configured"));
        }
        match self.log.log().reopen() {
            Ok(()) => self.log.info(format_args!("Log files reopened successfully")),
            Err(error) => self.log.error(format_args!("{error}")),
        }
    }

    /// Closes all storages; false: one could not be closed as it should be.
    fn close(&self, storages: &Named) -> bool {
        let mut closed = true;
        for (name, storage) in storages {
            self.log.info(format_args!("closing storage '{name}'"));
            if let Err(error) = storage.close() {
                self.log.write(Level::CRITICAL, format_args!("storage '{name}': {error}"));
                closed = false;
            }
        }
        closed
    }

    /// For what is done beside serving; `otherwise` is the status when there is nothing.
    fn announce(&self, otherwise: String) -> zeo::Announce {
        let (notifier, log) = (self.notifier.clone(), self.log.clone());
        Arc::new(move |doing| {
            let status = doing.unwrap_or(&otherwise);
            notify(notifier.as_deref(), &log, &format!("STATUS={status}"));
        })
    }

    fn notify(&self, message: &str) {
        notify(self.notifier.as_deref(), self.log, message);
    }
}

fn notify(notifier: Option<&Notifier>, log: &Journal, message: &str) {
    if let Some(Err(error)) = notifier.map(|notifier| notifier.send(message)) {
        let why = os_error_text(&error);
        log.warning(format_args!("cannot send '{message}' to the service manager: {why}"));
    }
}

/// The service manager, if there is one.
fn notifier(log: &Journal) -> Option<Arc<Notifier>> {
    let notifier = Notifier::of_environment().unwrap_or_else(|error| {
        log.warning(format_args!("cannot use NOTIFY_SOCKET: {}", os_error_text(&error)));
        None
    });
    notifier.map(Arc::new)
}

fn open(settings: &Settings, log: &Journal) -> Result<Named, Error> {
    let mut opened = Named::new();
    for storage in &settings.storages {
        let kind = match storage.place {
            Place::File(_) => "FileStorage",
            Place::Memory(_) => "MappingStorage",
        };
        log.info(format_args!("opening storage '{}' using {kind}", storage.name));
        let made: Arc<dyn Storage> = match &storage.place {
            Place::Memory(name) => Arc::new(MemoryStorage::new(name)),
            Place::File(file) => {
                let made = FileStorage::open(&file.path, &options(file), log.log().clone());
                Arc::new(made.map_err(|source| Error::Storage { name: storage.name.clone(), source })?)
            }
        };
        opened.push((storage.name.clone(), made));
    }
    Ok(opened)
}

fn options(file: &DataFile) -> Options {
    let pack = PackOptions { gc: file.pack.gc, keep_old: file.pack.keep_old };
    Options { create: file.create, read_only: file.read_only, quota: file.quota, stop: None, pack }
}

fn network(settings: &Settings, tls: Option<Arc<Tls>>) -> zeo::Settings {
    let asked = || env::var_os("ZEO_MSGPACK").is_some_and(|value| !value.is_empty());
    zeo::Settings {
        read_only: settings.read_only,
        invalidation_queue_size: settings.invalidation_queue_size,
        invalidation_age: settings.invalidation_age,
        transaction_timeout: settings.transaction_timeout,
        msgpack: settings.msgpack.unwrap_or_else(asked),
        tls,
        limits: limits(&settings.limits),
    }
}

fn limits(given: &server::Limits) -> zeo::Limits {
    let default = zeo::Limits::default();
    zeo::Limits {
        connections: given.max_connections.unwrap_or(default.connections),
        unregistered: given.max_unregistered.unwrap_or(default.unregistered),
        registration: given.registration_timeout.unwrap_or(default.registration),
        message: given.max_message_size.unwrap_or(default.message),
        arriving: given.max_message_memory.unwrap_or(default.arriving),
        unsent_invalidations: given.max_unsent_invalidations.unwrap_or(default.unsent_invalidations),
        iterators: given.max_iterators.unwrap_or(default.iterators),
        steps: given.max_transaction_steps.unwrap_or(default.steps),
        ..default
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_of_the_schema_are_those_of_the_server() {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("zeo.conf");
        let resolved = |zeo: &str| {
            let text = format!("<zeo>\n address 1\n{zeo}</zeo>\n<mappingstorage>\n</mappingstorage>\n");
            std::fs::write(&file, text).unwrap();
            let flags = server::Flags { configure: Some(file.clone()), ..server::Flags::default() };
            limits(&server::resolve(&flags).unwrap().limits)
        };
        assert_eq!(resolved(""), zeo::Limits::default());
        assert_eq!(limits(&server::Limits::default()), zeo::Limits::default());
        let given = "max-connections 1\nmax-unregistered 2\nregistration-timeout 3\nmax-message-size 4KB\n\
                     max-message-memory 5KB\nmax-unsent-invalidations 6KB\nmax-iterators 7\nmax-transaction-steps 8\n";
        let expected = zeo::Limits {
            connections: 1,
            unregistered: 2,
            registration: std::time::Duration::from_secs(3),
            message: 4 << 10,
            arriving: 5 << 10,
            unsent_invalidations: 6 << 10,
            iterators: 7,
            steps: 8,
            ..zeo::Limits::default()
        };
        assert_eq!(resolved(given), expected);
    }
}
