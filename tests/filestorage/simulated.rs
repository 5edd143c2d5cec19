//! A disk in memory that remembers each call in order, so that a test can stop the world after any of them, and that fails
//! when it is told to.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Cursor, Read, Write};
use std::mem;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use zeo_server::filestorage::disk::{Access, Backend, Disk, Salvage};
use zeo_server::storage::Wait;

/// What was done, in order.
#[derive(Debug, Clone)]
pub(crate) enum Event {
    Write(u64, Vec<u8>),
    Truncate(u64),
    Sync,
    Index(Vec<u8>),
    NoIndex,
    /// To the file of a pack, before it is the data file.
    Pack(Box<Event>),
    NewPack,
    /// The pack's file is the data file.
    Replace,
    /// Not of the disk: this many transactions have been answered.
    Answered,
}

/// A call that a test wants to fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Call {
    Write,
    Sync,
    Truncate,
    Reserve,
    Replace,
    /// Not a call: bytes that are free.
    Room,
}

struct State {
    /// The contents of files, also of those that have no name any more.
    files: Vec<Vec<u8>>,
    /// Which of them is the data file, and which that of a pack.
    data: usize,
    pack: Option<usize>,
    index: Option<Vec<u8>>,
    rests: Vec<Arc<Mutex<Vec<u8>>>>,
    events: Vec<Event>,
    /// How many calls of a kind still succeed. A write that fails writes half.
    left: HashMap<Call, u64>,
    cannot_reserve: bool,
}

impl Default for State {
    fn default() -> Self {
        Self {
            files: vec![Vec::new()],
            data: 0,
            pack: None,
            index: None,
            rests: Vec::new(),
            events: Vec::new(),
            left: HashMap::new(),
            cannot_reserve: false,
        }
    }
}

/// The files of a storage. Clones are the same files.
#[derive(Clone, Default)]
pub(crate) struct Simulated {
    state: Arc<Mutex<State>>,
    /// The file that its calls as a disk go to.
    file: usize,
    /// Held by a test to let transactions wait for their fsync.
    pub(crate) gate: Arc<Mutex<()>>,
    /// Nothing is in the page cache.
    pub(crate) cold: Arc<AtomicBool>,
    /// The next call that sets space aside panics.
    pub(crate) faulty: Arc<AtomicBool>,
}

impl Simulated {
    /// Files with this content.
    pub(crate) fn holding(data: Vec<u8>, index: Option<Vec<u8>>) -> Self {
        let found = Self::default();
        {
            let mut state = found.state();
            (state.files[0], state.index) = (data, index);
        }
        found
    }

    fn state(&self) -> MutexGuard<'_, State> {
        locked(&self.state)
    }

    pub(crate) fn data(&self) -> Vec<u8> {
        let state = self.state();
        state.files[state.data].clone()
    }

    pub(crate) fn index_bytes(&self) -> Option<Vec<u8>> {
        self.state().index.clone()
    }

    pub(crate) fn rests(&self) -> Vec<Vec<u8>> {
        self.state().rests.iter().map(|rest| locked(rest).clone()).collect()
    }

    pub(crate) fn take_events(&self) -> Vec<Event> {
        mem::take(&mut self.state().events)
    }

    pub(crate) fn answered(&self) {
        self.state().events.push(Event::Answered);
    }

    /// After so many more, all calls of this kind fail.
    pub(crate) fn fail_after(&self, call: Call, successes: u64) {
        self.state().left.insert(call, successes);
    }

    /// Whether the file system is one that can set space aside.
    pub(crate) fn can_reserve(&self, can: bool) {
        self.state().cannot_reserve = !can;
    }

    /// How many of them are left.
    pub(crate) fn calls_left(&self, call: Call) -> Option<u64> {
        self.state().left.get(&call).copied()
    }

    pub(crate) fn heal(&self) {
        self.state().left.clear();
    }
}

impl State {
    fn call(&mut self, call: Call) -> io::Result<()> {
        match self.left.get_mut(&call) {
            Some(0) => Err(io::Error::other("injected")),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn write(&mut self, file: usize, bytes: &[u8], offset: u64) {
        write(&mut self.files[file], bytes, offset);
        self.remember(file, Event::Write(offset, bytes.to_vec()));
    }

    fn remember(&mut self, file: usize, event: Event) {
        if file == self.data {
            self.events.push(event);
        } else if Some(file) == self.pack {
            self.events.push(Event::Pack(Box::new(event)));
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// As pwrite(2): a gap is filled with zeros.
pub(crate) fn write(data: &mut Vec<u8>, bytes: &[u8], offset: u64) {
    let start = usize::try_from(offset).unwrap();
    if data.len() < start + bytes.len() {
        data.resize(start + bytes.len(), 0);
    }
    data[start..start + bytes.len()].copy_from_slice(bytes);
}

impl Disk for Simulated {
    fn check_name(&self) -> io::Result<()> {
        let named = self.state().data == self.file;
        if named { Ok(()) } else { Err(io::Error::other("another file has its name")) }
    }

    fn unlock(&self) {}

    fn read(&self, bytes: &mut [u8], offset: u64, wait: Wait) -> io::Result<usize> {
        if wait == Wait::Refused && self.cold.load(Ordering::SeqCst) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let state = self.state();
        let data = &state.files[self.file];
        let start = usize::try_from(offset).unwrap_or(usize::MAX).min(data.len());
        (&data[start..]).read(bytes)
    }

    fn write(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut state = self.state();
        let result = state.call(Call::Write);
        let count = if result.is_ok() { bytes.len() } else { bytes.len() / 2 };
        state.write(self.file, &bytes[..count], offset);
        result
    }

    fn reserve(&self, _offset: u64, _length: u64) -> io::Result<bool> {
        assert!(!self.faulty.swap(false, Ordering::SeqCst), "injected");
        let mut state = self.state();
        state.call(Call::Reserve)?;
        Ok(!state.cannot_reserve)
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        let mut state = self.state();
        state.call(Call::Truncate)?;
        state.files[self.file].resize(usize::try_from(length).unwrap(), 0);
        state.remember(self.file, Event::Truncate(length));
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        // What is written while an fsync runs may or may not be on the disk after it; the simulation says not, by the place
        // of the event.
        let mut state = self.state();
        state.call(Call::Sync)?;
        state.remember(self.file, Event::Sync);
        drop(state);
        // While a test holds the gate, transactions wait for this call.
        drop(locked(&self.gate));
        Ok(())
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.state().files[self.file].len() as u64)
    }
}

impl Backend for Simulated {
    fn lock(&self) -> io::Result<Box<dyn Send + Sync>> {
        Ok(Box::new(()))
    }

    fn open(&self, access: Access) -> io::Result<Arc<dyn Disk>> {
        assert_ne!(access, Access::Create);
        let file = self.state().data;
        Ok(Arc::new(Self { file, ..self.clone() }))
    }

    fn index(&self) -> io::Result<Option<Box<dyn Read>>> {
        let found = self.state().index.clone();
        Ok(found.map(|index| Box::new(Cursor::new(index)) as Box<dyn Read>))
    }

    fn save_index(&self, write: &mut dyn FnMut(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
        let mut bytes = Vec::new();
        write(&mut bytes)?;
        let mut state = self.state();
        state.events.push(Event::Index(bytes.clone()));
        state.index = Some(bytes);
        Ok(())
    }

    fn pack_file(&self) -> io::Result<Arc<dyn Disk>> {
        let mut state = self.state();
        state.call(Call::Write)?;
        let file = state.files.len();
        state.files.push(Vec::new());
        state.pack = Some(file);
        state.events.push(Event::NewPack);
        drop(state);
        Ok(Arc::new(Self { file, ..self.clone() }))
    }

    fn keep_old(&self) -> io::Result<Option<File>> {
        self.state().call(Call::Replace).map(|()| None)
    }

    fn replace_data(&self) -> io::Result<()> {
        let mut state = self.state();
        state.call(Call::Replace)?;
        state.index = None;
        state.events.push(Event::NoIndex);
        let pack = state.pack.take().expect("a new file");
        state.data = pack;
        state.events.push(Event::Replace);
        Ok(())
    }

    fn remove_pack(&self) -> io::Result<()> {
        self.state().pack = None;
        Ok(())
    }

    fn free_space(&self) -> io::Result<Option<u64>> {
        Ok(self.state().left.get(&Call::Room).copied())
    }

    fn salvage(&self) -> io::Result<(PathBuf, Box<dyn Salvage>)> {
        let rest = Arc::new(Mutex::new(Vec::new()));
        self.state().rests.push(rest.clone());
        Ok((PathBuf::from("rest"), Box::new(Saved(rest))))
    }
}

struct Saved(Arc<Mutex<Vec<u8>>>);

impl Write for Saved {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        locked(&self.0).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Salvage for Saved {
    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }
}
