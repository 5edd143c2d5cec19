//! The command line of `mkzeoinst`.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use clap::builder::{PossibleValue, StringValueParser, TypedValueParser};
use clap::{Arg, Command, CommandFactory as _, Parser, ValueEnum, ValueHint};

use crate::cli::manual::{Generate, Program, Section};
use crate::instance::Error;
use crate::instance::home;
use crate::instance::policy::{Conflict, Policy};
use crate::instance::self_signed::{CLIENTS, SERVER, SERVER_KEY};
use crate::instance::settings::Settings;

/// `mkzeoinst`, as its help describes it.
pub const PROGRAM: Program = Program {
    name: "mkzeoinst",
    command: Arguments::command,
    sections,
    actions: Vec::new,
    alias: None,
    file: None,
};

/// What `--with` adds; the templates of a site may add more.
const EXTRAS: &[&str] = &["logrotate", "openrc", "runit", "runzeo", "s6", "systemd"];

/// The files of an instance without extras.
const FILES: &[&str] = &["bin/zeoctl", "etc/zeo.conf", "etc/zeoctl.conf"];

/// Any text. Shells offer these.
#[derive(Debug, Clone)]
struct Suggested(&'static [&'static str]);

impl TypedValueParser for Suggested {
    type Value = String;

    fn parse_ref(&self, command: &Command, arg: Option<&Arg>, value: &OsStr) -> Result<String, clap::Error> {
        StringValueParser::new().parse_ref(command, arg, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new(self.0.iter().copied().map(PossibleValue::new)))
    }
}

/// Make the home of a ZEO server instance
///
/// HOME gets the directories bin, etc, log and var, two configuration files and the script bin/zeoctl, which starts and stops
/// the server. Directories and files that are there already are left alone; files that are empty are written.
#[derive(Debug, Default, Parser)]
#[command(
    name = "mkzeoinst",
    version,
    override_usage = "mkzeoinst [OPTIONS] HOME [[HOST:]PORT]\n       mkzeoinst --list-variables\n       \
        mkzeoinst --print-template NAME\n       mkzeoinst --export-templates DIR\n       \
        mkzeoinst --generate KIND"
)]
pub(super) struct Arguments {
    /// The directory to make; its ancestors are made as well
    #[arg(required_unless_present_any = ["adopt", "list_variables", "print_template", "export_templates", "generate"], value_hint = ValueHint::DirPath)]
    pub(super) home: Option<OsString>,

    #[arg(
        value_name = "[HOST:]PORT",
        help = "Where the server listens: PORT, HOST:PORT, [IPV6]:PORT, or the path of a Unix socket [default: as in HOME/etc/zeo.conf, else 9999]"
    )]
    pub(super) address: Option<OsString>,

    /// The ZEO server to run [default: runzeo beside mkzeoinst, else runzeo or runzeo.py on PATH]
    #[arg(long, value_name = "PATH")]
    pub(super) server: Option<PathBuf>,

    /// Start the instance, and wait until its server answers
    #[arg(long)]
    pub(super) start: bool,

    #[command(flatten)]
    pub(super) generate: Generate,

    #[command(flatten)]
    pub(super) mode: Mode,

    #[command(flatten)]
    pub(super) upkeep: Upkeep,

    #[command(flatten)]
    pub(super) values: Values,

    #[command(flatten)]
    pub(super) sources: Sources,
}

/// What to do with the plan.
#[derive(Debug, Default, clap::Args)]
#[command(next_help_heading = "Looking first")]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of the command line")]
pub(super) struct Mode {
    /// Say what would be done, and do nothing
    #[arg(short = 'n', long)]
    pub(super) dry_run: bool,

    /// Show how files differ from what they should be, and do nothing
    #[arg(long)]
    pub(super) diff: bool,

    /// Do nothing; exit status 0: nothing would change, 1: something would, 2: error
    #[arg(long, conflicts_with = "start")]
    pub(super) check: bool,

    /// Print plan and outcome as one JSON object
    #[arg(long)]
    pub(super) json: bool,
}

/// How to treat what is there.
#[derive(Debug, Default, clap::Args)]
#[command(next_help_heading = "An instance that is there")]
pub(super) struct Upkeep {
    /// Update unedited files, and merge what is new into edited ones
    #[arg(long)]
    update: bool,

    /// What to do with a file that differs [default: keep; with --update, new for edits that cannot be merged]
    ///
    /// keep: leave it, with a warning. new: write FILE.new beside it. backup: keep it as FILE.~1~ and so on, and write it
    /// anew. overwrite: write it anew. fail: end before anything is done.
    #[arg(long, value_name = "WHAT", hide_possible_values = true)]
    on_conflict: Option<OnConflict>,

    /// Look at this file of HOME only, such as etc/zeo.conf; may be given again
    #[arg(long, value_name = "FILE", hide_possible_values = true, value_parser = Suggested(FILES))]
    only: Vec<String>,

    /// Take over the instance of zope.mkzeoinstance, plone.recipe.zeoserver or by hand whose home or zeo.conf is OLD [default: HOME]
    ///
    /// Its configuration stays, but for the programs: data, blobs, address, logs and socket are as before. HOME is that
    /// of OLD unless given. What is replaced is kept as FILE.~1~. See --diff.
    #[arg(
        long,
        value_name = "OLD",
        num_args = 0..=1,
        conflicts_with_all = ["addresses", "host", "blobs", "tls", "self_signed", "update", "on_conflict", "only", "accept"]
    )]
    #[expect(clippy::option_option, reason = "the option may stand without a value")]
    pub(super) adopt: Option<Option<OsString>>,

    /// Take FILE of HOME, such as etc/zeo.conf, as having all that is new, after a merge by hand; may be given again
    #[arg(long, value_name = "FILE", conflicts_with_all = ["update", "on_conflict", "only", "start"])]
    accept: Vec<String>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum OnConflict {
    Keep,
    New,
    Backup,
    Overwrite,
    Fail,
}

/// What the files say.
#[derive(Debug, Default, clap::Args)]
#[command(next_help_heading = "Contents")]
pub(super) struct Values {
    /// Listen at this address, besides [HOST:]PORT if that is given; may be given again
    ///
    /// It has the same forms. Python's server takes one address only.
    #[arg(short, long = "address", value_name = "ADDRESS")]
    pub(super) addresses: Vec<OsString>,

    /// The interface that the server listens on, for ports without one; may be given again
    #[arg(long, value_name = "HOST")]
    pub(super) host: Vec<String>,

    /// Keep large binary objects in DIR [default: HOME/var/blobs]
    #[arg(short, long, value_name = "DIR", value_hint = ValueHint::DirPath, num_args = 0..=1, default_missing_value = "var/blobs")]
    blobs: Option<String>,

    /// Encrypt connections with this certificate and its key (PEM files)
    #[arg(long, num_args = 2, value_names = ["CERT", "KEY"])]
    tls: Option<Vec<PathBuf>>,

    /// Encrypt them with self-signed certificates, which are made in HOME/etc where there are none
    ///
    /// Also `--tls self-signed`. There is one for the server and one for a first client; what the client needs is printed.
    #[arg(long = SELF_SIGNED, conflicts_with = "tls")]
    self_signed: bool,

    /// The certificates of the clients to let in [default: CERT]
    #[arg(long, value_name = "FILE", requires = "tls", conflicts_with = "self_signed")]
    tls_clients: Option<PathBuf>,

    /// The user that the server runs as; var and log are made theirs
    #[arg(long, value_name = "USER", value_hint = ValueHint::Username)]
    user: Option<String>,

    /// File mode mask of the server
    #[arg(long, value_name = "MASK")]
    umask: Option<String>,

    /// Set a variable of the templates; may be given again
    #[arg(long, value_name = "NAME=VALUE")]
    set: Vec<String>,

    /// Add files for what runs and rotates the instance: logrotate, openrc, runit, runzeo, s6, systemd
    #[arg(long, value_name = "NAME,...", value_delimiter = ',', hide_possible_values = true, value_parser = Suggested(EXTRAS))]
    with: Vec<String>,

    /// Take defaults from this file [default: /etc/mkzeoinst.toml]
    #[arg(long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,

    /// List all variables with type, default and meaning
    #[arg(long)]
    pub(super) list_variables: bool,
}

/// Templates of one's own.
#[derive(Debug, Default, clap::Args)]
#[command(next_help_heading = "Templates")]
pub(super) struct Sources {
    /// Use the templates in DIR over the built-in ones, and besides them
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    templates: Option<PathBuf>,

    /// Print a template
    #[arg(long, value_name = "NAME")]
    pub(super) print_template: Option<String>,

    /// Write all templates to DIR, to start from
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(super) export_templates: Option<PathBuf>,
}

/// The option that stands for `--tls self-signed`.
const SELF_SIGNED: &str = "tls-self-signed";

/// The words of the command line. `--tls` is followed by two files or by one word, which clap cannot tell from a file and HOME.
pub(super) fn words(typed: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let mut words: Vec<OsString> = Vec::new();
    for word in typed {
        if word == "--tls=self-signed" {
            words.push(format!("--{SELF_SIGNED}").into());
        } else if word == "self-signed" && words.last().is_some_and(|last| last == "--tls") {
            words.pop();
            words.push(format!("--{SELF_SIGNED}").into());
        } else {
            words.push(word);
        }
    }
    words
}

impl Arguments {
    /// Whether nothing is to be written.
    pub(super) fn only_looks(&self) -> bool {
        self.mode.dry_run || self.mode.diff || self.mode.check
    }

    /// Whether an address, or the host of one, was typed.
    pub(super) fn names_address(&self) -> bool {
        self.address.is_some() || !self.values.addresses.is_empty() || !self.values.host.is_empty()
    }

    /// Whether keys and certificates are to be made.
    pub(super) fn makes_certificates(&self) -> bool {
        self.values.self_signed
    }

    /// How to treat what is there.
    pub(super) fn policy(&self) -> Policy {
        let conflict = self.upkeep.on_conflict.map(|what| match what {
            OnConflict::Keep => Conflict::Keep,
            OnConflict::New => Conflict::New,
            OnConflict::Backup => Conflict::Backup,
            OnConflict::Overwrite => Conflict::Overwrite,
            OnConflict::Fail => Conflict::Fail,
        });
        let only = [self.upkeep.only.as_slice(), &self.upkeep.accept].concat();
        let conflict = conflict.or(self.upkeep.adopt.as_ref().map(|_| Conflict::Backup));
        let sets_data =
            self.values.set.iter().any(|set| set.starts_with("var=") || set.starts_with("blobs="));
        let sets_data = sets_data || self.values.blobs.is_some();
        Policy {
            update: self.upkeep.update,
            conflict,
            only,
            sets_data,
            accept: !self.upkeep.accept.is_empty(),
        }
    }

    /// What the options set, but for the address and the server. Paths of files start at the working directory.
    pub(super) fn settings(&self, current: &Path) -> Result<Settings, Error> {
        let mut settings = Settings { with: self.values.with.clone(), ..Settings::default() };
        settings.templates = self.sources.templates.as_ref().map(|directory| current.join(directory));
        for assignment in &self.values.set {
            settings.set(assignment)?;
        }
        let tls = self.values.tls.as_deref().unwrap_or_default();
        if self.makes_certificates() {
            for (name, file) in
                [("tls_certificate", SERVER), ("tls_key", SERVER_KEY), ("tls_clients", CLIENTS)]
            {
                settings.values.insert(name.to_owned(), file.to_owned());
            }
        }
        let files = [
            ("tls_certificate", tls.first()),
            ("tls_key", tls.get(1)),
            ("tls_clients", self.values.tls_clients.as_ref()),
        ];
        for (name, path) in files.into_iter().filter_map(|(name, path)| Some((name, path?))) {
            settings.values.insert(name.to_owned(), home::text(name, &current.join(path))?);
        }
        let texts =
            [("blobs", &self.values.blobs), ("user", &self.values.user), ("umask", &self.values.umask)];
        for (name, text) in texts.into_iter().filter_map(|(name, text)| Some((name, text.as_ref()?))) {
            if text.is_empty() {
                // As of a shell's variable that is not set.
                let why =
                    format!("the option has an empty value; '--set {name}=' takes back what was set before");
                return Err(Error::Variable { name: name.to_owned(), why });
            }
            settings.values.insert(name.to_owned(), text.clone());
        }
        Ok(settings)
    }
}

fn sections() -> Vec<Section> {
    vec![
        Section::new(
            "Exit status",
            &[
                ("0", "The home is as it should be, warnings aside"),
                ("1", "It could not be made, or not started; --check: something would change"),
                ("2", "The command line is wrong; --check: any error"),
            ],
        ),
        Section::new(
            "Files",
            &[
                ("HOME/bin/zeoctl", "Controls the server; also a script for init systems"),
                ("HOME/etc/zeo.conf", "The configuration of the server"),
                ("HOME/etc/zeoctl.conf", "The configuration of zdctl and zdrun"),
                ("HOME/etc/mkzeoinst.toml", "What options have set, if they have"),
                ("/etc/mkzeoinst.toml", "Defaults of the site"),
            ],
        ),
        Section::new(
            "Examples",
            &[
                ("mkzeoinst --start ~/zeo", "Make an instance on port 9999 and start it"),
                ("mkzeoinst --tls self-signed ~/zeo", "Make one that encrypts, with certificates of its own"),
                ("mkzeoinst --diff ~/zeo", "Show what differs from a new one"),
                ("mkzeoinst --update ~/zeo", "Bring it up to date"),
                ("mkzeoinst --adopt --diff /srv/zeo", "Show what taking over an older instance would change"),
            ],
        ),
        Section::new("See also", &[("zdctl(1)", "Control the server"), ("runzeo(1)", "The server")]),
    ]
}
