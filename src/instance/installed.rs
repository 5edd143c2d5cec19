//! What an instance that is there already says about itself: a run that does not say otherwise leaves it so.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::home::Home;
use super::pristine::PristineTexts;
use super::quote::program_word;
use super::settings::Settings;
use super::{Error, included};
use crate::config::split_words;
use crate::sys::program::can_execute;
use crate::sys::tree::SafeTree;
use crate::zconfig::{self, Address, Entry, Value};

/// The files of an instance, as far as they are there.
#[derive(Debug, Clone)]
pub struct Installed {
    /// Whose they are.
    at: Home,
    /// The addresses in the server's configuration, as they are written.
    addresses: Vec<Address>,
    /// The manager's configuration.
    manager: String,
    /// The script.
    script: String,
    /// What its files were made from.
    pub pristine: PristineTexts,
    /// What options have set.
    pub recorded: Settings,
}

impl Installed {
    /// Reads the files. What is not there, or no regular file, counts as empty; the latter is reported where the file is to be
    /// made.
    ///
    /// # Errors
    /// [`Error::System`], [`Error::Link`] and [`Error::InTheWay`] for what cannot be read.
    pub fn read(tree: &SafeTree, home: &Home) -> Result<Self, Error> {
        let text = |name| -> Result<String, Error> {
            let text = included::text(tree, &home.join(name))?;
            Ok(text.and_then(|text| String::from_utf8(text.bytes).ok()).unwrap_or_default())
        };
        // What else is wrong with the file is for those who use it.
        let server = included::survey(tree, home)?.map(|(values, _)| values).unwrap_or_default();
        let addresses = configured(&server).into_iter().flatten().collect();
        let (manager, script) = (text("etc/zeoctl.conf")?, text("bin/zeoctl")?);
        let pristine = PristineTexts::read(tree, home)?;
        let recorded = Settings::recorded(tree, home)?.unwrap_or_default();
        Ok(Self { at: home.clone(), addresses, manager, script, pristine, recorded })
    }

    /// The addresses in the server's configuration, but for those whose port is left to the system. Unix sockets in the
    /// home that an instance was copied from lie in its own home.
    #[must_use]
    pub fn addresses(&self) -> Vec<Address> {
        let old = self.home();
        let moved = self.addresses.iter().map(|address| match address {
            Address::Unix(path) => {
                Address::Unix(moved(path, old.as_ref(), &self.at).map_or_else(|| path.clone(), PathBuf::from))
            }
            Address::Inet { .. } => address.clone(),
        });
        moved.collect()
    }

    /// What an option has set, with paths in the home that the instance was copied from, or moved from, changed to its own.
    #[must_use]
    pub fn moved(&self, settings: &Settings) -> Settings {
        let (mut settings, old) = (settings.clone(), self.home());
        for value in settings.values.values_mut() {
            *value = moved(&*value, old.as_ref(), &self.at).unwrap_or_else(|| value.clone());
        }
        settings
    }

    /// The server that the instance runs, where it was chosen: one that lies beside the controller was found there,
    /// and after an upgrade may be found elsewhere. `None` also where it cannot be run any more.
    #[must_use]
    pub fn server(&self) -> Option<PathBuf> {
        let (server, zdctl) = (PathBuf::from(self.program()?), PathBuf::from(self.zdctl()?));
        // A failure is reported where the program is used.
        (server.parent() != zdctl.parent() && can_execute(&server).unwrap_or(true)).then_some(server)
    }

    /// The home that the files name: where the script, or else the command of the server, has its configuration. (A socket
    /// or data elsewhere make no other home; a socket in `etc` does for what other templates made.) The
    /// script is written last of the three, so that a move that was broken off is still known for one.
    #[must_use]
    pub fn home(&self) -> Option<Home> {
        let script = || configuration(self.command()?);
        let program = || configuration(&value(&self.manager, "program")?);
        let socket = || value(&self.manager, "socket-name");
        let home = |file: Option<String>| above_etc(&file?);
        home(script()).or_else(|| home(program())).or_else(|| home(socket()))
    }

    /// The server in the manager's configuration.
    fn program(&self) -> Option<String> {
        first_word(&value(&self.manager, "program")?)
    }

    /// The controller in the script.
    fn zdctl(&self) -> Option<String> {
        first_word(self.command()?)
    }

    /// The command that the script comes to.
    fn command(&self) -> Option<&str> {
        self.script.lines().find_map(|line| line.strip_prefix("exec "))
    }
}

/// The configuration file that a command is given.
fn configuration(command: &str) -> Option<String> {
    let words = split_words(OsStr::new(command)).ok()?;
    let mut words = words.into_iter().skip_while(|word| word != "-C");
    words.nth(1)?.into_string().ok()
}

/// The home in whose `etc` a file lies.
fn above_etc(file: &str) -> Option<Home> {
    let etc = Path::new(file).parent().filter(|etc| etc.is_absolute() && etc.ends_with("etc"))?;
    Home::new(etc.parent()?, Path::new("/")).ok()
}

/// A path in the old home as the same in the new one; `None`: it is not in it.
pub(super) fn moved(path: impl AsRef<Path>, old: Option<&Home>, new: &Home) -> Option<String> {
    let below = path.as_ref().strip_prefix(old?.path()).ok()?;
    new.path().join(below).to_str().map(str::to_owned)
}

/// The addresses that a configuration has; `None` for one whose port is left to the system.
pub(super) fn configured(values: &zconfig::Tree) -> Vec<Option<Address>> {
    let zeo = values.root().and_then(|root| root.section("zeo"));
    let entries = zeo.map(|zeo| zeo.values("address")).unwrap_or_default();
    let address = |entry: &Entry| match &entry.value {
        Value::Address(Address::Inet { port: None | Some(0), .. }) => None,
        Value::Address(address) => Some(address.clone()),
        _ => None,
    };
    entries.iter().map(address).collect()
}

/// The text with every path in the old home changed to the same in the new one; `None` where a home has to be quoted,
/// which depends on the place.
#[must_use]
pub fn relocated(text: &str, old: &Home, new: &Home) -> Option<String> {
    let (old, new) = (old.path().to_str()?, new.path().to_str()?);
    if [old, new].iter().any(|path| program_word(path) != *path || path.contains('$')) || old == "/" {
        return None;
    }
    let mut parts = text.split(old);
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let within = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | '+' | '~' | '@' | '%');
        let whole = !out.ends_with(|c| within(c) || c == '/') && !part.starts_with(within);
        out.push_str(if whole { new } else { old });
        out.push_str(part);
    }
    Some(out)
}

/// The first of the words of a command.
pub(super) fn first_word(command: &str) -> Option<String> {
    split_words(OsStr::new(command)).ok()?.into_iter().next()?.into_string().ok()
}

/// The value on the first line that has this key, as our templates write it. The configuration language proper would
/// refuse paths of a home that is gone.
fn value(text: &str, key: &str) -> Option<String> {
    let mut lines = text.lines().map(str::trim_start);
    let value = lines.find_map(|line| line.strip_prefix(key)?.strip_prefix(' '))?;
    Some(value.trim().replace("$$", "$"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn value_is_that_of_a_key_and_not_of_a_comment() {
        let text = "# zdrun /a\n<runner>\n  zdrunner x\n  zdrun  /b $$c \n  zdrun /d\n</runner>\n";
        assert_eq!(value(text, "zdrun").as_deref(), Some("/b $c"));
        assert_eq!(value(text, "program"), None);
    }

    #[test]
    fn home_is_where_the_configuration_lies_and_not_what_else_is_named() {
        let home = |script: &str, manager: &str| {
            let at = Home::new(Path::new("/new"), Path::new("/")).unwrap();
            let (manager, script) = (manager.to_owned(), script.to_owned());
            let pristine = PristineTexts::default();
            let recorded = Settings::default();
            let installed = Installed { at, addresses: Vec::new(), manager, script, pristine, recorded };
            installed.home().map(|home| home.path().to_str().unwrap().to_owned())
        };
        let script = "#!/bin/sh\nexec '/opt/zd ctl' -C '/it'\\''s/etc/zeoctl.conf' \"$@\"\n";
        let program = "program /opt/runzeo -C '/a b$$/etc/zeo.conf'\n";
        let elsewhere = "socket-name /run/zeo/zeo.zdsock\n";
        assert_eq!(home(script, elsewhere).as_deref(), Some("/it's"));
        assert_eq!(home(script, program).as_deref(), Some("/it's"), "the script comes first");
        assert_eq!(home("", &format!("{elsewhere}{program}")).as_deref(), Some("/a b$"));
        assert_eq!(home("exec zdctl\n", "socket-name /old/etc/zeo.zdsock\n").as_deref(), Some("/old"));
        assert_eq!(home("", elsewhere), None);
        assert_eq!(home("exec zdctl -C\n", "program p -C /x/zeo.conf\n"), None);
        assert_eq!(home("exec zdctl -C ./etc/zeoctl.conf\n", ""), None, "that is wherever it is run");
    }

    #[test]
    fn paths_in_the_old_home_are_moved_and_others_are_not() {
        let home = |path: &str| Home::new(Path::new(path), Path::new("/")).unwrap();
        for (path, expected) in [
            ("/old/var/s", Some("/new/var/s")),
            ("/older/s", None),
            ("/run/s", None),
            ("var/s", None),
            ("yes", None),
        ] {
            assert_eq!(moved(path, Some(&home("/old")), &home("/new")).as_deref(), expected, "{path}");
        }
        assert_eq!(moved("/old/s", None, &home("/new")), None);
    }

    #[test]
    fn only_whole_paths_are_relocated() {
        let home = |path: &str| Home::new(Path::new(path), Path::new("/")).unwrap();
        let move_to = |text: &str, new: &str| relocated(text, &home("/srv/zeo"), &home(new));
        let text = "path /srv/zeo/var\n# '/srv/zeo' /srv/zeo2 /srv/zeo-b/x /x/srv/zeo /srv/zeo";
        let moved = "path /new/var\n# '/new' /srv/zeo2 /srv/zeo-b/x /x/srv/zeo /new";
        assert_eq!(move_to(text, "/new").as_deref(), Some(moved));
        assert_eq!(move_to(text, "/n w"), None);
        assert_eq!(move_to(text, "/n$w"), None);
    }

    #[test]
    fn first_word_is_read_as_it_was_quoted() {
        assert_eq!(first_word(r#"'/it'\''s/zdctl' -C '/x' "$@""#).as_deref(), Some("/it's/zdctl"));
        assert_eq!(first_word("/a/runzeo -C x").as_deref(), Some("/a/runzeo"));
        assert_eq!(first_word(""), None);
    }
}
