//! Opening a data file: its lock, its index, and what to do about a damaged end (FILESTORAGE section 6).

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use super::LOGGER;
use super::disk::{Access, Backend, Disk};
use super::format::{MAGIC, MAGIC_PYTHON2, START, Status, TransactionHeader};
use super::index::Index;
use super::index_file;
use super::oddity::Oddities;
use super::pack::PackOptions;
use super::scan::{Bounds, Ending, Passed, Scanned, scan};
use super::snapshot::{Snapshot, failed};
use super::walk::transaction_before;
use crate::eventlog::{EventLog, Level};
use crate::storage::{Error, Tid, Wait};
use crate::sys::system_error::os_error_text;

/// How a storage is opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Options {
    /// A new file takes the place of an existing one.
    pub create: bool,
    /// Nothing is written, no file beside the data file is made, no lock is taken.
    pub read_only: bool,
    /// No record may begin behind this position.
    pub quota: Option<u64>,
    /// Only what was before this transaction is seen; read-only.
    pub stop: Option<Tid>,
    /// How it packs.
    pub pack: PackOptions,
}

/// An opened data file.
pub(super) struct Opened {
    pub(super) disk: Arc<dyn Disk>,
    pub(super) index: Index,
    pub(super) end: u64,
    pub(super) last: Tid,
    pub(super) read_only: bool,
    /// Held for as long as it is open.
    pub(super) lock: Option<Box<dyn Send + Sync>>,
}

/// Opens the data file of a backend.
pub(super) fn open(
    backend: &dyn Backend,
    path: &Path,
    options: &Options,
    log: &EventLog,
) -> Result<Opened, Error> {
    if options.read_only && options.create || options.stop.is_some() && !options.read_only {
        let reason = "what is read-only cannot be created, and only what is read-only can stop in the past";
        return Err(failed("open", path, io::Error::new(io::ErrorKind::InvalidInput, reason)));
    }
    let lock = if options.read_only {
        None
    } else {
        if !options.create {
            refuse_foreign(backend, path)?;
        }
        Some(backend.lock().map_err(|error| failed("lock", path, error))?)
    };
    let access = match (options.read_only, options.create) {
        (true, _) => Access::Read,
        (_, true) => Access::Create,
        (..) => Access::Write,
    };
    let disk = backend.open(access).map_err(|error| failed("open", path, error))?;
    if !options.read_only
        && let Err(error) = backend.remove_pack()
    {
        let error = failed("remove the unfinished new file of a pack of", path, error);
        log.warning(LOGGER, format_args!("{error}"));
    }
    let mut opening = Opening { backend, path, log, disk, size: 0, read_only: options.read_only };
    opening.size = opening.length()?;
    opening.check_magic()?;
    let (index, scanned, saved) = opening.index(options.stop)?;
    opening.refuse_damage(&scanned)?;
    opening.recover(&scanned)?;
    opening.warn_of_future(scanned.last);
    if !saved && !opening.read_only {
        opening.save(&index, scanned.end);
    }
    let Opening { disk, read_only, .. } = opening;
    Ok(Opened { disk, index, end: scanned.end, last: scanned.last, read_only, lock })
}

/// What follows the last whole transaction of a data file, which a start that may write cuts off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CutOff {
    /// Where it begins.
    pub at: u64,
    /// Its length in bytes.
    pub bytes: u64,
    /// What it is.
    pub why: &'static str,
    /// Whether it is kept in a file beside the data file.
    pub kept: bool,
}

/// What was found in an index file.
#[derive(Default)]
struct Found {
    index: Index,
    /// The end that it is good for, and the transaction before that.
    end: u64,
    last: Tid,
}

/// Refuses a file of another kind before a lock file is made beside it.
fn refuse_foreign(backend: &dyn Backend, path: &Path) -> Result<(), Error> {
    let disk = match backend.open(Access::Read) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        opened => opened.map_err(|error| failed("open", path, error))?,
    };
    let mut magic = [0; MAGIC.len()];
    let count = disk.read(&mut magic, 0, Wait::Allowed).map_err(|error| failed("read", path, error))?;
    let is_ours = [MAGIC, MAGIC_PYTHON2].iter().any(|ours| ours.starts_with(&magic[..count]));
    if is_ours { Ok(()) } else { Err(foreign(path)) }
}

fn foreign(path: &Path) -> Error {
    let what = "it is no data file of a FileStorage: neither FS30 nor FS21".to_owned();
    Error::Damaged { path: path.into(), at: 0, what }
}

/// A data file that is being opened.
pub(super) struct Opening<'a> {
    backend: &'a dyn Backend,
    path: &'a Path,
    log: &'a EventLog,
    pub(super) disk: Arc<dyn Disk>,
    /// The length of the file.
    pub(super) size: u64,
    read_only: bool,
}

impl<'a> Opening<'a> {
    /// One that is only read.
    pub(super) fn read_only(
        backend: &'a dyn Backend,
        path: &'a Path,
        log: &'a EventLog,
    ) -> Result<Self, Error> {
        let disk = backend.open(Access::Read).map_err(|error| failed("open", path, error))?;
        let mut opening = Opening { backend, path, log, disk, size: 0, read_only: true };
        opening.size = opening.length()?;
        opening.check_magic()?;
        Ok(opening)
    }

    fn length(&self) -> Result<u64, Error> {
        self.disk.length().map_err(|error| failed("open", self.path, error))
    }

    /// An empty file, or one that ends in the magic, is a new one. One of Python 2 can be read but not written: its pickles
    /// have Python 2's strings, and with those of Python 3 added neither could read the whole file.
    fn check_magic(&mut self) -> Result<(), Error> {
        let mut magic = [0; MAGIC.len()];
        let count =
            self.disk.read(&mut magic, 0, Wait::Allowed).map_err(|error| failed("read", self.path, error))?;
        let path = self.path.display();
        if count < magic.len() && MAGIC.starts_with(&magic[..count]) {
            if self.read_only {
                return Ok(());
            }
            let made = self.disk.write(&MAGIC, 0).and_then(|()| self.disk.sync());
            made.map_err(|error| failed("write", self.path, error))?;
            self.size = START;
        } else if magic == MAGIC_PYTHON2 {
            self.read_only = true;
            let message = format_args!(
                "{path} was written by Python 2 (format FS21): it is read-only here, as clients of Python 3 cannot \
                 tell its texts from its bytes; convert it with zodbupdate"
            );
            self.log.warning(LOGGER, message);
        } else if magic != MAGIC {
            return Err(foreign(self.path));
        }
        Ok(())
    }

    /// The index, from the index file and what came after it, or from everything; and whether the file may stay as it is.
    fn index(&self, stop: Option<Tid>) -> Result<(Index, Scanned, bool), Error> {
        // A file that stops in the past has no use for an index of today.
        let (found, finished) = if stop.is_none() { self.load_index() } else { (None, START) };
        let saved = found.is_some();
        let Found { mut index, end, last } = found.unwrap_or_default();
        let bounds = Bounds { start: end.max(START), last, stop, size: self.size, finished, thorough: false };
        let mut oddities = Oddities::new(self.log, self.path);
        let scanned =
            scan(&*self.disk, self.path, bounds, &mut index, &mut |odd, at| oddities.report(odd, at))?;
        oddities.report_others();
        Ok((index, scanned, saved))
    }

    /// What the index file has, if it has something and that fits the data file; and up to where the data file was finished
    /// when it was saved.
    fn load_index(&self) -> (Option<Found>, u64) {
        let path = self.path.display();
        let unusable = |why: &str| self.log.warning(LOGGER, format_args!("ignoring index for {path}: {why}"));
        let found = match self.read_index() {
            // So short a file is read faster than its index is judged.
            Ok(found) => found.filter(|found| found.end >= 100),
            Err(error) => {
                unusable(&os_error_text(&error));
                None
            }
        };
        let Some(found) = found else { return (None, START) };
        if found.end > self.size {
            unusable(&format!("it is for a longer file, of {} bytes", found.end));
            return (None, START);
        }
        let finished = found.end;
        match self.fits(&found.index, found.end) {
            Ok(last) => (Some(Found { last, ..found }), finished),
            Err(why) => {
                unusable(&why);
                (None, finished)
            }
        }
    }

    /// Up to where the data file was finished when its index was saved, if it has one.
    pub(super) fn finished(&self) -> u64 {
        let found = self.read_index().ok().flatten();
        found.map(|found| found.end).filter(|end| *end <= self.size).unwrap_or(START)
    }

    fn read_index(&self) -> io::Result<Option<Found>> {
        let Some(file) = self.backend.index()? else { return Ok(None) };
        let (index, end) = index_file::read(file)?;
        Ok(Some(Found { index, end, last: Tid::ZERO }))
    }

    /// Whether the first records of the last transaction before `end` that has some are where the index says; then the id of
    /// the last transaction. (Records of earlier ones need not be the current ones of their objects.) What a scan puts up with
    /// is no fault of the index.
    fn fits(&self, index: &Index, end: u64) -> Result<Tid, String> {
        let snapshot = Snapshot { disk: self.disk.clone(), path: self.path.into(), end, wait: Wait::Allowed };
        let before = |end| transaction_before(&snapshot, end).map_err(|error| error.to_string());
        let (mut end, mut last) = (end, None);
        while let Some((start, header)) = before(end)? {
            end = start;
            if header.status == Status::UNDONE || header.length == header.full_length() {
                last = last.or(Some(header.tid));
                continue;
            }
            let tids = first_tids(&snapshot, index, start, &header)?;
            let agree = tids.iter().all(|tid| *tid == tids[0] && *tid != header.tid);
            // As a scan decides between two ids that contradict each other.
            let later = || before(end).ok().flatten().is_none_or(|(_, before)| tids[0] > before.tid);
            let own = if agree && later() { tids[0] } else { header.tid };
            return Ok(last.unwrap_or(own));
        }
        last.ok_or_else(|| "there is no transaction".to_owned())
    }

    /// Whole transactions are never cut off. Nor are they read as if those before them were not there: the index would lack
    /// what these had, older revisions would be loaded, and ids of objects be given out again.
    pub(super) fn refuse_damage(&self, scanned: &Scanned) -> Result<(), Error> {
        let damaged = |at, what: String| Err(Error::Damaged { path: self.path.into(), at, what });
        if let Some(Passed { from, to, before }) = scanned.passed.first() {
            let behind = scanned.transactions - before;
            return damaged(
                *from,
                format!(
                    "it is damaged up to byte {to}, and {behind} whole transactions follow; nothing was changed: restore a \
                     backup, or the index that was saved with it, or copy what is whole with Python's fsrecover; the \
                     damage begins"
                ),
            );
        }
        if scanned.ending == Ending::Damaged {
            let what = "transactions that were finished are damaged up to the end of the file; nothing was changed: restore \
                        a backup, or copy what is whole with Python's fsrecover; the damage begins";
            return damaged(scanned.end, what.to_owned());
        }
        Ok(())
    }

    /// Cuts off what follows the last whole transaction; what may be of worth is saved before.
    fn recover(&self, scanned: &Scanned) -> Result<(), Error> {
        let Some(CutOff { at: end, why, kept, .. }) = self.behind(scanned) else { return Ok(()) };
        let path = self.path.display();
        if self.read_only {
            self.log.warning(LOGGER, format_args!("{path} is read up to byte {end} only: {why}"));
            return Ok(());
        }
        self.log.warning(LOGGER, format_args!("{path} truncated at byte {end}: {why}"));
        if kept {
            self.salvage(end).map_err(|error| failed("save the damaged end of", self.path, error))?;
        }
        self.disk.truncate(end).map_err(|error| failed("truncate", self.path, error))
    }

    /// What a start cuts off.
    pub(super) fn behind(&self, scanned: &Scanned) -> Option<CutOff> {
        let (kept, why) = match scanned.ending {
            Ending::Whole | Ending::Stopped | Ending::Damaged => return None,
            Ending::Scraps => (false, "a few bytes follow the last transaction"),
            Ending::Unfinished => (true, "what follows was not finished, or is damaged"),
            Ending::Nonsense => (true, "what follows makes no sense, possibly due to a system crash"),
        };
        Some(CutOff { at: scanned.end, bytes: self.size.saturating_sub(scanned.end), why, kept })
    }

    fn salvage(&self, end: u64) -> io::Result<()> {
        const READ_BYTES: usize = 1 << 20;
        let (saved, mut file) = self.backend.salvage()?;
        let (path, saved) = (self.path.display(), saved.display());
        self.log.warning(LOGGER, format_args!("writing truncated data from {path} to {saved}"));
        let mut buffer = vec![0; READ_BYTES];
        let mut at = end;
        loop {
            let count = self.disk.read(&mut buffer, at, Wait::Allowed)?;
            if count == 0 {
                return file.sync();
            }
            file.write_all(&buffer[..count])?;
            at += count as u64;
        }
    }

    fn warn_of_future(&self, last: Tid) {
        let ahead = (last.seconds() - Tid::at(SystemTime::now()).seconds()).ceil();
        if last == Tid::ZERO || ahead <= 0.0 {
            return;
        }
        let level = if ahead > 30.0 * 60.0 { Level::CRITICAL } else { Level::WARNING };
        let path = self.path.display();
        self.log.log(level, LOGGER, format_args!("{path} has transactions {ahead} seconds in the future"));
    }

    fn save(&self, index: &Index, end: u64) {
        let saved = self.backend.save_index(&mut |out| index_file::write(index, end, out));
        if let Err(error) = saved {
            let path = self.path.display();
            self.log
                .error(LOGGER, format_args!("cannot save the index of {path}: {}", os_error_text(&error)));
        }
    }
}

/// The ids in the first records of a transaction that has some, which are where the index says.
fn first_tids(
    snapshot: &Snapshot,
    index: &Index,
    start: u64,
    transaction: &TransactionHeader,
) -> Result<Vec<Tid>, String> {
    const RECORDS: usize = 5;
    let (mut at, end) = (start + transaction.full_length(), start + transaction.length);
    let mut tids = Vec::new();
    while at < end && tids.len() < RECORDS {
        let header = snapshot.record(at, None).map_err(|error| error.to_string())?.header;
        // Of several records of an object the last one counts.
        let there = index.get(header.oid).is_some_and(|found| (at..end).contains(&found));
        if !there || header.transaction != start {
            return Err(format!("object {} is not where it says", header.oid));
        }
        tids.push(header.tid);
        at += header.full_length().unwrap_or(u64::MAX);
    }
    Ok(tids)
}
