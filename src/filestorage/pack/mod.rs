//! Packing: a new data file with what is needed takes the place of the old one, while clients read and commit.
//!
//! ```text
//!  old file   transactions up to the pack time            | later ones        | committed meanwhile
//!             [past]  what was current then                 [keep] roots        [copy] the same, again and again,
//!             [keep]  what can be reached                                       the rest with the commit lock
//!             [copy]  only that, as packed transactions     [copy] all of it
//! ```
//!
//! What is behind the pack time keeps its bytes but for positions, which all become less by the same number. Readers that have
//! the old file go on in it.
//!
//! A transaction that is committed meanwhile may refer to an object that is about to be dropped, or undo to a dropped
//! revision. Then the pack starts again, with these among its roots.
//!
//! At every moment there is one data file, the old one or the new one, and either is whole: the new one is on the disk
//! before it gets its name.

mod copy;
mod keep;
mod output;
mod past;

use std::collections::BTreeSet;
use std::io;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use self::copy::Copying;
use self::keep::{Keep, Kept};
use self::output::Output;
use self::past::Past;
use super::LOGGER;
use super::commit::Writer;
use super::disk::{Backend, Disk};
use super::format::MAGIC;
use super::index_file;
use super::read_ahead::ahead;
use super::snapshot::{Snapshot, failed};
use super::view::State;
use crate::storage::{Error, Oid, PackOutcome, PackPhase, PackProgress, ReadReferences, Tid, Wait, lock};

/// Packs that are begun anew because of what was committed meanwhile; the next one keeps all objects.
const MAX_ATTEMPTS_WITH_GC: usize = 3;
/// Packs that are begun anew in all.
const MAX_ATTEMPTS: usize = 10;
/// What may be left to be copied with the commit lock.
const MAX_REST_BYTES: u64 = 64 << 10;
/// How often what was committed meanwhile is copied without it, where clients commit faster than that.
const MAX_ROUNDS: usize = 20;
/// Lines in the log of one kind.
const MAX_LINES: u64 = 20;

/// How a storage packs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PackOptions {
    /// Objects that nothing refers to are removed.
    pub gc: bool,
    /// The file from before stays as `.old`.
    pub keep_old: bool,
}

impl PackOptions {
    /// Python's.
    pub const DEFAULT: Self = Self { gc: true, keep_old: true };
}

impl Default for PackOptions {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// The packs of a storage, of which one runs at a time.
pub(super) struct Packs {
    pub(super) options: PackOptions,
    running: Mutex<Running>,
    ended: Condvar,
}

#[derive(Default)]
struct Running {
    progress: Option<Arc<PackProgress>>,
    /// No other begins.
    closed: bool,
}

/// A pack, until this is dropped.
pub(super) struct RunningPack<'a>(&'a Packs);

impl Packs {
    pub(super) fn new(options: PackOptions) -> Self {
        Self { options, running: Mutex::new(Running::default()), ended: Condvar::new() }
    }

    pub(super) fn begin(&self, progress: &Arc<PackProgress>) -> Result<RunningPack<'_>, Error> {
        let mut running = lock(&self.running);
        if running.closed {
            return Err(Error::Cancelled);
        }
        if running.progress.is_some() {
            // Python's words.
            return Err(Error::Busy("Already packing"));
        }
        running.progress = Some(progress.clone());
        Ok(RunningPack(self))
    }

    /// Cancels the one that runs and waits for its end.
    pub(super) fn end(&self) {
        let mut running = lock(&self.running);
        running.closed = true;
        while let Some(progress) = &running.progress {
            progress.cancel();
            running = self.ended.wait(running).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Drop for RunningPack<'_> {
    fn drop(&mut self) {
        lock(&self.0.running).progress = None;
        self.0.ended.notify_all();
    }
}

/// A pack.
pub(super) struct Packing<'a> {
    pub(super) writer: &'a Writer,
    pub(super) backend: &'a dyn Backend,
    pub(super) options: PackOptions,
    pub(super) until: Tid,
    pub(super) progress: &'a PackProgress,
}

/// What a pack must keep beside what was current at its time.
#[derive(Debug, Default)]
struct Roots {
    /// Objects, that were referred to while it ran.
    oids: BTreeSet<Oid>,
    /// Records, whose data a transaction has that was committed while it ran.
    records: BTreeSet<u64>,
    /// All objects.
    all: bool,
}

/// What a transaction that was committed meanwhile needs and the new file does not have.
enum Missing {
    Object(Oid),
    Record(u64),
    /// What its record refers to cannot be read.
    Unknown,
}

enum Attempt {
    Done(PackOutcome),
    Missing(Missing),
}

impl Packing<'_> {
    pub(super) fn run(&self, references: &mut ReadReferences<'_>) -> Result<PackOutcome, Error> {
        let mut roots = Roots { all: !self.options.gc, ..Roots::default() };
        for attempt in 0..MAX_ATTEMPTS {
            let outcome = self.attempt(&roots, references);
            if !matches!(outcome, Ok(Attempt::Done(PackOutcome::Packed { .. }))) {
                // If it stays, the next start or pack removes it.
                let _ = self.backend.remove_pack();
            }
            match outcome? {
                Attempt::Done(outcome) => return Ok(outcome),
                Attempt::Missing(Missing::Object(oid)) => roots.all |= !roots.oids.insert(oid),
                Attempt::Missing(Missing::Record(at)) => _ = roots.records.insert(at),
                Attempt::Missing(Missing::Unknown) => roots.all = true,
            }
            roots.all |= attempt + 1 >= MAX_ATTEMPTS_WITH_GC;
        }
        Err(self.failed("pack", io::Error::other("too much is undone at the same time")))
    }

    fn attempt(&self, roots: &Roots, references: &mut ReadReferences<'_>) -> Result<Attempt, Error> {
        let Self { writer, progress, .. } = *self;
        let view = &writer.view;
        let source = view.snapshot(Wait::Allowed);
        progress.begin(PackPhase::Reading, source.end);
        let past = Past::read(&ahead(&source), self.until, progress)?;
        if past.is_packed {
            // The words of Python's log.
            self.info("The database has already been packed to a later time or no changes have been made since the last pack");
            return Ok(Attempt::Done(PackOutcome::Unchanged));
        }
        // With what was committed while the past was read.
        let source = view.snapshot(Wait::Allowed);
        let kept = Keep { source: &source, writer, roots, progress }.find(past, references)?;
        self.check_room(&kept, &source)?;
        let disk = self.backend.pack_file().map_err(|error| self.failed("make a new file for", error))?;
        let mut magic = [0; MAGIC.len()];
        source.disk.read(&mut magic, 0, Wait::Allowed).map_err(|error| self.failed("read", error))?;
        progress.begin(PackPhase::Copying, source.end);
        let mut copying = Copying::new(kept, roots, Output::new(disk.clone(), view.path.clone(), magic));
        copying.past(&source, progress)?;
        if !copying.is_smaller() {
            self.info("a pack to this time has nothing to remove");
            return Ok(Attempt::Done(PackOutcome::Unchanged));
        }
        if let Some(missing) = self.catch_up(&mut copying, references)? {
            return Ok(Attempt::Missing(missing));
        }
        let mut index = Vec::new();
        let written = index_file::write(copying.index(), copying.end(), &mut index);
        written.map_err(|error| self.failed("save the index of", error))?;
        // Both have taken their time on a large file, in which clients have committed.
        if let Some(missing) = self.catch_up(&mut copying, references)? {
            return Ok(Attempt::Missing(missing));
        }
        let attempt = self.replace(copying, disk, references)?;
        if let Attempt::Done(_) = attempt {
            // What is committed from now on is read at the next start.
            if let Err(error) = self.backend.save_index(&mut |out| out.write_all(&index)) {
                let error = self.failed("save the index of", error);
                writer.log.error(LOGGER, format_args!("{error}; the next start reads the whole file"));
            }
        }
        Ok(attempt)
    }

    /// Copies what was committed meanwhile, and has it on the disk, until little is left for the commit lock.
    fn catch_up(
        &self,
        copying: &mut Copying<'_>,
        references: &mut ReadReferences<'_>,
    ) -> Result<Option<Missing>, Error> {
        for _ in 0..MAX_ROUNDS {
            let source = self.writer.view.snapshot(Wait::Allowed);
            let behind = source.end - copying.reached();
            let missing = copying.later(&source, self.writer, references, self.progress)?;
            if missing.is_some() {
                return Ok(missing);
            }
            copying.sync()?;
            if behind < MAX_REST_BYTES {
                break;
            }
        }
        Ok(None)
    }

    /// The new file takes the old one's place, with the commit lock.
    fn replace(
        &self,
        mut copying: Copying<'_>,
        disk: Arc<dyn Disk>,
        references: &mut ReadReferences<'_>,
    ) -> Result<Attempt, Error> {
        let Self { writer, backend, progress, .. } = *self;
        let (voting, base) = writer.begin_exclusive()?;
        let source = &base.snapshot;
        if let Some(missing) = copying.later(source, writer, references, progress)? {
            return Ok(Attempt::Missing(missing));
        }
        copying.sync()?;
        // To free the space of a large file takes its time: not with the commit lock.
        let mut before = None;
        if self.options.keep_old {
            before = backend.keep_old().map_err(|error| self.failed("keep the old file of", error))?;
        }
        if let Err(error) = backend.replace_data() {
            let error = self.failed("replace", error);
            if disk.check_name().is_err() {
                return Err(error);
            }
            // Which of the two has the name after a power failure is unknown; both have all that was answered.
            writer.fail(&error);
        }
        let (index, end, last) = copying.into_parts();
        let outcome = PackOutcome::Packed { before: source.end, after: end };
        writer.move_to(State { disk, index, end, last });
        source.disk.unlock();
        drop(voting);
        drop(before);
        Ok(Attempt::Done(outcome))
    }

    /// Refuses to begin what the disk has no room for.
    fn check_room(&self, kept: &Kept, source: &Snapshot) -> Result<(), Error> {
        let needed = kept.bytes + (source.end - kept.end);
        match self.backend.free_space().map_err(|error| self.failed("look for free space for", error))? {
            Some(free) if free < needed => Err(Error::NoRoom { needed, free }),
            _ => Ok(()),
        }
    }

    fn info(&self, what: &str) {
        self.writer.log.info(LOGGER, format_args!("{}: {what}", self.writer.view.path.display()));
    }

    fn failed(&self, verb: &'static str, error: io::Error) -> Error {
        failed(verb, &self.writer.view.path, error)
    }
}
