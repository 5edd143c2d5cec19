//! Which file a program's name means, and whether it can be executed.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags};
use nix::unistd::{AccessFlags, faccessat};

use super::system_error::os_error_text;

/// Where programs are looked for when PATH is unset or empty (ZDPROTO section 2.1).
pub const DEFAULT_PATH: &str = "/bin:/usr/bin:/usr/local/bin";

/// Why a name means no program that can be executed.
#[derive(Debug, thiserror::Error)]
pub enum ProgramError {
    /// A path that leads to nothing.
    #[error("can't stat program '{}': {}{}", .file.display(), os_error_text(.source), shell_hint(.file))]
    NotFound {
        /// The path.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A bare name that no directory of PATH has.
    #[error("can't find program '{name}' on PATH '{search}'")]
    NotOnPath {
        /// The name.
        name: String,
        /// The directories, joined by colons.
        search: String,
    },
    /// It may not be executed, or is a directory.
    #[error("no permission to run program '{}'", .0.display())]
    NotExecutable(PathBuf),
}

/// What a person may have meant whose shell would have replaced a part of this path.
fn shell_hint(file: &Path) -> &'static str {
    let is_for_a_shell =
        |part: &OsStr| part.as_bytes().starts_with(b"$") || part.as_bytes().starts_with(b"~");
    if file.iter().any(is_for_a_shell) { "; no shell reads it: write the whole path" } else { "" }
}

/// The file that a name means: with a `/` in it a path from `base`, otherwise the first that can be executed in the
/// directories of `search`, a value of PATH.
///
/// # Errors
/// Nothing is there, or it cannot be executed.
pub fn find(name: &OsStr, search: &OsStr, base: &Path) -> Result<PathBuf, ProgramError> {
    if name.as_bytes().contains(&b'/') {
        let file = base.join(name);
        return match file.metadata() {
            Err(source) => Err(ProgramError::NotFound { file, source }),
            Ok(_) if !can_execute(&file).unwrap_or(false) => Err(ProgramError::NotExecutable(file)),
            Ok(_) => Ok(file),
        };
    }
    let search = if search.is_empty() { OsStr::new(DEFAULT_PATH) } else { search };
    let directories = std::env::split_paths(search).map(|directory| base.join(directory));
    find_in(directories, name).ok_or_else(|| ProgramError::NotOnPath {
        name: name.to_string_lossy().into_owned(),
        search: search.to_string_lossy().into_owned(),
    })
}

/// The first file of this name that can be executed; a directory that cannot be searched has none, as for a shell.
pub fn find_in(directories: impl IntoIterator<Item = PathBuf>, name: &OsStr) -> Option<PathBuf> {
    let mut files = directories.into_iter().map(|directory| directory.join(name));
    files.find(|file| can_execute(file).unwrap_or(false))
}

/// Whether this is a regular file (links are followed) that the effective user may execute (access(2)).
///
/// # Errors
/// Why that cannot be seen.
pub fn can_execute(file: &Path) -> io::Result<bool> {
    match file.metadata() {
        Ok(metadata) if !metadata.is_file() => return Ok(false),
        Ok(_) => {}
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(false);
        }
        Err(error) => return Err(error),
    }
    match faccessat(AT_FDCWD, file, AccessFlags::X_OK, AtFlags::AT_EACCESS) {
        Err(Errno::EACCES) => Ok(false),
        accessible => Ok(accessible.map(|()| true)?),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn name_means_a_path_or_the_first_executable_on_the_path() {
        let directory = tempfile::tempdir().unwrap();
        for (name, mode) in [("one/tool", 0o644), ("two/tool", 0o755), ("two/text", 0o644)] {
            let file = directory.path().join(name);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(&file, "").unwrap();
            fs::set_permissions(&file, PermissionsExt::from_mode(mode)).unwrap();
        }
        let found = |name: &str| {
            let found = find(name.as_ref(), OsStr::new("none:one:two"), directory.path());
            let text = found.map_or_else(|error| error.to_string(), |file| file.display().to_string());
            text.replace(directory.path().to_str().unwrap(), "@")
        };
        assert_eq!(found("tool"), "@/two/tool");
        assert_eq!(found("text"), "can't find program 'text' on PATH 'none:one:two'");
        assert_eq!(found("./two/tool"), "@/./two/tool");
        assert_eq!(found("one/tool"), "no permission to run program '@/one/tool'");
        assert_eq!(found("/no/such"), "can't stat program '/no/such': No such file or directory");
        for name in ["~/bin/run", "$HOME/bin/run", "${HOME}/run"] {
            assert!(found(name).ends_with("; no shell reads it: write the whole path"), "{name}");
        }
    }
}
