//! All that is done to a disk, behind two small traits, so that tests can crash at each point and fail at each call.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::fs::{FileExt, MetadataExt, fchown};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::storage::Wait;
use crate::sys::data_file;
use crate::sys::file_lock::try_lock;
use crate::sys::files;

/// An open data file. Reads come from any thread while one writes.
pub trait Disk: Send + Sync {
    /// Reads as much as there is from `offset` on; how many bytes it were. Fewer than asked for at the end of the file only.
    ///
    /// # Errors
    /// What the system says. With [`Wait::Refused`] also [`io::ErrorKind::WouldBlock`]: some of it is not in memory.
    fn read(&self, bytes: &mut [u8], offset: u64, wait: Wait) -> io::Result<usize>;

    /// Writes all bytes, or fails having written some.
    ///
    /// # Errors
    /// What the system says.
    fn write(&self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// Sees to it that writing these bytes will not fail for want of space; the file does not grow. False: it cannot.
    ///
    /// # Errors
    /// There is no space.
    fn reserve(&self, offset: u64, length: u64) -> io::Result<bool>;

    /// Cuts the file off.
    ///
    /// # Errors
    /// What the system says.
    fn truncate(&self, length: u64) -> io::Result<()>;

    /// Returns when all that was written would survive a power failure.
    ///
    /// # Errors
    /// What the system says; then it is unknown what of it would.
    fn sync(&self) -> io::Result<()>;

    /// The length of the file.
    ///
    /// # Errors
    /// What the system says.
    fn length(&self) -> io::Result<u64>;

    /// Whether the name that the file was opened under is still its name: the next start would find another file, or none.
    ///
    /// # Errors
    /// It is not, or that cannot be found out.
    fn check_name(&self) -> io::Result<()>;

    /// Lets others open it for writing, though it may still be read here.
    fn unlock(&self);
}

/// How a data file is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// An existing one, to be read only.
    Read,
    /// To be written; made when it is missing.
    Write,
    /// To be written, and a new one in any case.
    Create,
}

/// A data file and the files around it.
pub trait Backend: Send + Sync {
    /// Keeps others from writing, for as long as what it returns lives.
    ///
    /// # Errors
    /// Another has it.
    fn lock(&self) -> io::Result<Box<dyn Send + Sync>>;

    /// Opens the data file.
    ///
    /// # Errors
    /// What the system says.
    fn open(&self, access: Access) -> io::Result<Arc<dyn Disk>>;

    /// The index file from its start; `None`: there is none.
    ///
    /// # Errors
    /// What the system says.
    fn index(&self) -> io::Result<Option<Box<dyn Read>>>;

    /// Replaces the index file by what `write` writes, as a whole.
    ///
    /// # Errors
    /// What the system says; the old one is then still there.
    fn save_index(&self, write: &mut dyn FnMut(&mut dyn Write) -> io::Result<()>) -> io::Result<()>;

    /// Makes an empty file that is to take the data file's place, with its owner and mode; it is locked as one.
    ///
    /// # Errors
    /// What the system says.
    fn pack_file(&self) -> io::Result<Arc<dyn Disk>>;

    /// Gives the data file a second name, which it keeps when the first one is taken from it. Returns what had that name: its
    /// space is free when this is dropped.
    ///
    /// # Errors
    /// What the system says.
    fn keep_old(&self) -> io::Result<Option<File>>;

    /// The file of [`Backend::pack_file`] takes the data file's name. The index file, which is for the old one, is gone before.
    /// Returns when that would survive a power failure.
    ///
    /// # Errors
    /// What the system says; then either may have the name.
    fn replace_data(&self) -> io::Result<()>;

    /// Removes what an interrupted pack has left.
    ///
    /// # Errors
    /// What the system says.
    fn remove_pack(&self) -> io::Result<()>;

    /// Bytes that may still be written; `None`: that is not known.
    ///
    /// # Errors
    /// What the system says.
    fn free_space(&self) -> io::Result<Option<u64>>;

    /// Makes a file for what is cut off from a damaged end, under the first free name of its kind.
    ///
    /// # Errors
    /// What the system says.
    fn salvage(&self) -> io::Result<(PathBuf, Box<dyn Salvage>)>;
}

/// A file that is written once and must be safe then.
pub trait Salvage: Write {
    /// Returns when it would survive a power failure.
    ///
    /// # Errors
    /// What the system says.
    fn sync(&mut self) -> io::Result<()>;
}

/// The files of a storage on a file system.
#[derive(Debug)]
pub struct FsBackend {
    path: PathBuf,
}

impl FsBackend {
    /// Those of the data file of this name.
    #[must_use]
    pub fn new(path: PathBuf) -> Self {
        Self { path }
    }

    fn beside(&self, suffix: &str) -> PathBuf {
        with_suffix(&self.path, suffix)
    }

    /// Whether another program has the data file open to write.
    pub(super) fn is_locked(&self) -> bool {
        File::open(self.beside(".lock")).is_ok_and(|file| try_lock(&file).is_ok_and(|taken| !taken))
    }

    /// Whether there is a file; anything else in its place is an error, and is not opened: a pipe would wait for its other end.
    fn is_there(&self) -> io::Result<bool> {
        match fs::metadata(&self.path) {
            Ok(found) if found.is_file() => Ok(true),
            Ok(_) => Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file")),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn sync_directory(&self) -> io::Result<()> {
        files::sync_directory(files::parent(&self.path))
    }
}

impl Backend for FsBackend {
    /// As zc.lockfile: the file stays, with the number of the process that had the lock last. None is made beside what could not
    /// be opened.
    fn lock(&self) -> io::Result<Box<dyn Send + Sync>> {
        if self.is_there()? {
            OpenOptions::new().read(true).write(true).open(&self.path)?;
        }
        let path = self.beside(".lock");
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path)?;
        if !try_lock(&file)? {
            let holder = fs::read_to_string(&path).unwrap_or_default();
            let holder = holder.trim().parse::<u32>().map(|pid| format!(" (process {pid})"));
            let reason = format!("another program has it open{}", holder.unwrap_or_default());
            return Err(io::Error::new(io::ErrorKind::WouldBlock, reason));
        }
        let content = format!(" {}\n", std::process::id());
        file.write_all_at(content.as_bytes(), 0)?;
        file.set_len(content.len() as u64)?;
        Ok(Box::new(file))
    }

    fn open(&self, access: Access) -> io::Result<Arc<dyn Disk>> {
        self.is_there()?;
        let mut options = OpenOptions::new();
        options.read(true).write(access != Access::Read);
        if access == Access::Create {
            if self.path.try_exists()? {
                lock_data(&options.open(&self.path)?)?;
            }
            remove_if_there(&self.path)?;
            remove_if_there(&self.beside(".index"))?;
        }
        let new = access != Access::Read && !self.path.try_exists()?;
        let file = options.create(access != Access::Read).truncate(false).open(&self.path)?;
        if !file.metadata()?.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
        }
        if access != Access::Read {
            lock_data(&file)?;
        }
        if new {
            self.sync_directory()?;
        }
        // Where that is refused, reads cost what they cost.
        let _ = data_file::keep_access_time(&file);
        Ok(Arc::new(DataFile { file, path: self.path.clone() }))
    }

    fn index(&self) -> io::Result<Option<Box<dyn Read>>> {
        match File::open(self.beside(".index")) {
            Ok(file) => Ok(Some(Box::new(file))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Under the temporary name that Python uses too, so that a leftover is one that operators know.
    fn save_index(&self, write: &mut dyn FnMut(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
        let temporary = self.beside(".index.index_tmp");
        remove_if_there(&temporary)?;
        // New, so that no link leads elsewhere.
        let mut file = BufWriter::with_capacity(1 << 18, File::create_new(&temporary)?);
        let written = write(&mut file).and_then(|()| {
            let file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
            file.sync_all()?;
            fs::rename(&temporary, self.beside(".index"))
        });
        if written.is_err() {
            // The first error is reported; one more about the leftover would not help.
            let _ = fs::remove_file(&temporary);
        }
        written?;
        self.sync_directory()
    }

    fn pack_file(&self) -> io::Result<Arc<dyn Disk>> {
        let data = fs::canonicalize(&self.path)?;
        let path = with_suffix(&data, ".pack");
        remove_if_there(&path)?;
        // New, so that no link leads elsewhere.
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(path)?;
        let (old, new) = (fs::metadata(data)?, file.metadata()?);
        if (old.uid(), old.gid()) != (new.uid(), new.gid()) {
            fchown(&file, Some(old.uid()), Some(old.gid()))?;
        }
        file.set_permissions(old.permissions())?;
        lock_data(&file)?;
        let _ = data_file::keep_access_time(&file);
        Ok(Arc::new(DataFile { file, path: self.path.clone() }))
    }

    fn keep_old(&self) -> io::Result<Option<File>> {
        // The file of the pack before is there until then.
        let data = fs::canonicalize(&self.path)?;
        let (link, old) = (with_suffix(&data, ".old.new"), with_suffix(&data, ".old"));
        remove_if_there(&link)?;
        fs::hard_link(&data, &link)?;
        let is_file = fs::metadata(&old).is_ok_and(|found| found.is_file());
        let before = if is_file { File::open(&old).ok() } else { None };
        fs::rename(&link, old).map(|()| before)
    }

    fn replace_data(&self) -> io::Result<()> {
        remove_if_there(&self.beside(".index"))?;
        self.sync_directory()?;
        // Where the name is a symbolic link it stays one.
        let data = fs::canonicalize(&self.path)?;
        fs::rename(with_suffix(&data, ".pack"), &data)?;
        files::sync_directory(files::parent(&data))
    }

    fn remove_pack(&self) -> io::Result<()> {
        let data = fs::canonicalize(&self.path)?;
        remove_if_there(&with_suffix(&data, ".pack"))?;
        remove_if_there(&with_suffix(&data, ".old.new"))
    }

    fn free_space(&self) -> io::Result<Option<u64>> {
        data_file::free_space(files::parent(&fs::canonicalize(&self.path)?)).map(Some)
    }

    fn salvage(&self) -> io::Result<(PathBuf, Box<dyn Salvage>)> {
        let mut number = 0_u64;
        loop {
            let path = self.beside(&format!(".tr{number}"));
            match OpenOptions::new().write(true).create_new(true).open(&path) {
                Ok(file) => return Ok((path, Box::new(file))),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
                Err(error) => return Err(error),
            }
        }
    }
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

impl Salvage for File {
    fn sync(&mut self) -> io::Result<()> {
        self.sync_all()
    }
}

/// Locks the data file itself: by another link to it, or when the lock file was removed, a second server would find
/// another lock file, or none. Where a file system knows no locks there is the lock file only.
fn lock_data(file: &File) -> io::Result<()> {
    if try_lock(file).unwrap_or(true) {
        return Ok(());
    }
    let reason = "another program has it open, under this name or another one";
    Err(io::Error::new(io::ErrorKind::WouldBlock, reason))
}

/// A data file on a file system.
struct DataFile {
    file: File,
    path: PathBuf,
}

impl Disk for DataFile {
    fn read(&self, bytes: &mut [u8], offset: u64, wait: Wait) -> io::Result<usize> {
        let mut done = 0;
        // Seldom more than once: a signal came, or the file ends.
        while done < bytes.len() {
            let (part, at) = (&mut bytes[done..], offset + done as u64);
            let read = match wait {
                Wait::Allowed | Wait::Brief => self.file.read_at(part, at),
                Wait::Refused => data_file::read_cached(&self.file, part, at),
            };
            match read {
                Ok(0) => break,
                Ok(count) => done += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(done)
    }

    fn write(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.file.write_all_at(bytes, offset)
    }

    fn reserve(&self, offset: u64, length: u64) -> io::Result<bool> {
        data_file::reserve(&self.file, offset, length)
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        self.file.set_len(length)
    }

    /// The file's length and contents; when it was changed is of no interest (fdatasync(2)).
    fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn unlock(&self) {
        // If this fails it is unlocked when the last reader closes it.
        let _ = self.file.unlock();
    }

    fn check_name(&self) -> io::Result<()> {
        let opened = self.file.metadata()?;
        match fs::metadata(&self.path) {
            Ok(named) if (named.dev(), named.ino()) == (opened.dev(), opened.ino()) => Ok(()),
            Ok(_) => Err(io::Error::other("another file has taken its place since it was opened")),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(io::Error::other("it was removed or renamed since it was opened"))
            }
            Err(error) => Err(error),
        }
    }
}
