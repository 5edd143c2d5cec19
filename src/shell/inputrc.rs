//! Whether a person's other shells take the keys of Emacs or of vi: the `editing-mode` of readline's configuration file.
//!
//! Of that file (readline(3), "Readline Init File") it reads that one setting, where it stands for all programs or under
//! `$if zdctl`. What is under another condition is not for us; `$include` is not followed.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use crate::config::EditingMode;

/// No such file is this long.
const MOST: u64 = 1 << 20;

/// What the first of readline's files that is there says; nothing is Emacs, as it is for readline.
pub(super) fn editing_mode() -> EditingMode {
    let named = env::var_os("INPUTRC").filter(|name| !name.is_empty()).map(PathBuf::from);
    let own = named.or_else(|| env::var_os("HOME").map(|home| Path::new(&home).join(".inputrc")));
    let text = own.into_iter().chain([PathBuf::from("/etc/inputrc")]).find_map(|file| read(&file));
    text.and_then(|text| mode_of(&text)).unwrap_or(EditingMode::Emacs)
}

fn read(file: &Path) -> Option<String> {
    let found = fs::metadata(file).ok()?;
    if !found.is_file() || found.len() > MOST {
        return None;
    }
    fs::read(file).ok().map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

fn mode_of(text: &str) -> Option<EditingMode> {
    let mut mode = None;
    // Of each condition around the line, whether it is met.
    let mut conditions = Vec::new();
    for line in text.lines() {
        let line = line.trim().to_ascii_lowercase();
        let mut words = line.split_whitespace();
        match words.next() {
            Some("$if") => conditions.push(words.next() == Some("zdctl")),
            Some("$else") => conditions.last_mut().into_iter().for_each(|met| *met = !*met),
            Some("$endif") => drop(conditions.pop()),
            Some("set") if words.next() == Some("editing-mode") && conditions.iter().all(|met| *met) => {
                mode = words.next().and_then(EditingMode::from_name).or(mode);
            }
            _ => {}
        }
    }
    mode
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mode_is_that_of_all_programs_or_of_ours() {
        let (emacs, vi) = (Some(EditingMode::Emacs), Some(EditingMode::Vi));
        for (text, mode) in [
            ("", None),
            ("set editing-mode vi", vi),
            ("  SET Editing-Mode  VI  # x", vi),
            ("set editing-mode vi\nset editing-mode emacs", emacs),
            ("set editing-mode vi\nset editing-mode nano", vi),
            ("# set editing-mode vi", None),
            ("$if Bash\nset editing-mode vi\n$endif", None),
            ("$if zdctl\nset editing-mode vi\n$endif", vi),
            ("$if zdctl\nset bell-style none\n$else\nset editing-mode vi\n$endif", None),
            ("$if Bash\n$else\n$if zdctl\nset editing-mode vi\n$endif\n$endif", vi),
            ("$endif\n$else\nset editing-mode vi", vi),
            ("set editing-mode", None),
        ] {
            assert_eq!(mode_of(text), mode, "{text}");
        }
    }
}
