//! What `--generate` prints of a program: its manual page, and the completions of the shells that people use. Options come
//! from the definition that parses the command line; a page has the sections of `--help` besides.

use clap::{Arg, Args, Command, ValueEnum};
use clap_complete::Shell;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

use super::file_page::FilePage;

/// The option `--generate`.
#[derive(Debug, Default, Args)]
pub struct Generate {
    /// Print a manual page or completions: man, man-file, man-script, complete-bash, complete-zsh or complete-fish
    ///
    /// man-file is the page of the configuration file (runzeo, zdctl), man-script that of the script which mkzeoinst makes
    /// (zdctl). Packages call it when they are built.
    #[arg(id = "generate", long, value_name = "KIND", hide_possible_values = true)]
    pub kind: Option<Kind>,
}

/// What can be generated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[allow(missing_docs)] // they are those of the option
pub enum Kind {
    Man,
    ManFile,
    ManScript,
    CompleteBash,
    CompleteZsh,
    CompleteFish,
}

/// A program, as its help, page and completions describe it.
#[derive(Debug)]
pub struct Program {
    /// Its name.
    pub name: &'static str,
    /// Its options.
    pub command: fn() -> Command,
    /// What `--help` and the page say besides.
    pub sections: fn() -> Vec<Section>,
    /// The words that can stand in the place of its positional arguments, as subcommands; for completion only.
    pub actions: fn() -> Vec<Command>,
    /// A script that passes its arguments on to it, and is completed like it.
    pub alias: Option<&'static Script>,
    /// Its configuration file.
    pub file: Option<&'static FilePage>,
}

/// A script that runs a program.
#[derive(Debug)]
pub struct Script {
    /// Its name.
    pub name: &'static str,
    /// What it does, behind its name.
    pub about: &'static str,
    /// How it is called, one form a line.
    pub synopsis: &'static str,
    /// What it is, a paragraph each.
    pub description: &'static [&'static str],
    /// What its page says besides what that of the program says.
    pub sections: fn() -> Vec<Section>,
}

/// A section of a page: words, each with its meaning.
#[derive(Debug)]
pub struct Section {
    /// The heading, in lower case.
    pub title: &'static str,
    /// The words and their meanings.
    pub entries: Vec<(&'static str, &'static str)>,
}

impl Section {
    /// A section of known words.
    #[must_use]
    pub fn new(title: &'static str, entries: &[(&'static str, &'static str)]) -> Self {
        Self { title, entries: entries.to_vec() }
    }

    /// As `--help` shows it: in columns, unless the words are long.
    fn text(&self) -> String {
        let width = self.entries.iter().map(|(word, _)| word.len()).max().unwrap_or_default();
        let entry = |(word, meaning): &(&str, &str)| match width {
            ..=20 => format!("  {word:<width$}  {meaning}\n"),
            _ => format!("  {word}\n          {meaning}\n"),
        };
        format!("{}:\n{}", self.title, self.entries.iter().map(entry).collect::<String>())
    }

    fn add_to(&self, page: &mut Roff) {
        page.control("SH", [self.title.to_uppercase().as_str()]);
        for (word, meaning) in &self.entries {
            page.control("TP", []);
            page.text([bold(*word)]);
            page.text([roman(*meaning)]);
        }
    }
}

/// How wide a line of help may get on a wide terminal.
const MAX_HELP_WIDTH: usize = 100;

impl Program {
    /// The options with all that `--help` says.
    #[must_use]
    pub fn help(&self) -> Command {
        let sections: Vec<_> = (self.sections)().iter().map(Section::text).collect();
        (self.command)().max_term_width(MAX_HELP_WIDTH).after_long_help(sections.join("\n"))
    }

    /// What `--generate` prints; `None`: this program has no such page.
    #[must_use]
    pub fn generate(&self, kind: Kind) -> Option<String> {
        Some(match kind {
            Kind::Man => page(self.name, (self.command)(), (self.sections)()),
            Kind::ManFile => self.file?.page(),
            Kind::ManScript => self.alias?.page(),
            Kind::CompleteBash => self.completion(Shell::Bash),
            Kind::CompleteZsh => self.completion(Shell::Zsh),
            Kind::CompleteFish => self.completion(Shell::Fish),
        })
    }

    fn completion(&self, shell: Shell) -> String {
        let mut command = (self.command)();
        let actions = (self.actions)();
        if !actions.is_empty() {
            // In the place of the positional argument, which takes any word.
            let options =
                command.get_arguments().filter(|arg| !arg.is_positional()).cloned().collect::<Vec<_>>();
            command = Command::new(self.name)
                .version(env!("CARGO_PKG_VERSION"))
                .disable_help_subcommand(true)
                .args(options)
                .subcommands(actions);
        }
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut command, self.name, &mut script);
        let mut script = String::from_utf8_lossy(&script).into_owned();
        if shell == Shell::Fish {
            script.extend(command.get_subcommands().filter_map(|action| self.fish_values(action)));
            if command.has_subcommands() {
                script.extend(command.get_opts().filter_map(|option| self.fish_option_values(option)));
            }
        }
        match self.alias {
            Some(alias) => self.with_alias(&script, alias.name, shell),
            None => script,
        }
    }

    /// The values of an action's argument, which the generator for fish leaves out.
    fn fish_values(&self, action: &Command) -> Option<String> {
        let argument = action.get_positionals().next()?;
        let values: Vec<_> = argument.get_possible_values().iter().map(|v| v.get_name().to_owned()).collect();
        let line = format!(
            "complete -c {} -n \"__fish_seen_subcommand_from {}\" -f -a \"{}\"\n",
            self.name,
            action.get_name(),
            values.join(" ")
        );
        (!values.is_empty()).then_some(line)
    }

    /// The values of an option that stands before an action: the generator's own lines hold only where no option lacks its value.
    fn fish_option_values(&self, option: &Arg) -> Option<String> {
        let values: Vec<_> = option.get_possible_values().iter().map(|v| v.get_name().to_owned()).collect();
        let takes_values = option.get_action().takes_values() && !values.is_empty();
        let name = self.name;
        let line =
            format!("complete -c {name} -l {} -r -f -a \"{}\"\n", option.get_long()?, values.join(" "));
        takes_values.then_some(line)
    }

    /// The script, which also completes the command lines of the alias.
    fn with_alias(&self, script: &str, alias: &str, shell: Shell) -> String {
        let name = self.name;
        match shell {
            Shell::Zsh => {
                script.replacen(&format!("#compdef {name}"), &format!("#compdef {name} {alias}"), 1)
            }
            Shell::Fish => format!("{script}complete -c {alias} -w {name}\n"),
            _ => format!("{script}complete -F _{name} -o bashdefault -o default {alias}\n"),
        }
    }
}

impl Script {
    fn page(&self) -> String {
        let description = self.description.join("\n\n");
        let command = Command::new(self.name)
            .about(self.about)
            .long_about(format!("{}\n\n{description}", self.about))
            .override_usage(self.synopsis)
            .version(env!("CARGO_PKG_VERSION"))
            .disable_help_flag(true)
            .disable_version_flag(true);
        page(self.name, command, (self.sections)())
    }
}

/// A page of section 1: what a command line takes, then the sections.
fn page(name: &str, command: Command, sections: Vec<Section>) -> String {
    let has_options = command.get_arguments().next().is_some();
    // Without a date: what is made from the same source is the same.
    let man = Man::new(command)
        .date("\"\"")
        .title(name.to_uppercase())
        .source(concat!(env!("CARGO_PKG_NAME"), " ", env!("CARGO_PKG_VERSION")))
        .manual("ZEO server");
    let mut besides = Roff::new();
    for section in sections {
        section.add_to(&mut besides);
    }
    let mut page = Vec::new();
    // Writing to memory cannot fail.
    let _ = man
        .render_title(&mut page)
        .and_then(|()| man.render_name_section(&mut page))
        .and_then(|()| man.render_synopsis_section(&mut page))
        .and_then(|()| man.render_description_section(&mut page))
        .and_then(|()| if has_options { man.render_options_section(&mut page) } else { Ok(()) })
        .and_then(|()| besides.to_writer(&mut page));
    String::from_utf8_lossy(&page).into_owned()
}
