//! What `--generate` prints of a program: its manual page, and the completions of the shells that people use. Options come
//! from the definition that parses the command line; a page has the sections of `--help` besides.

use clap::{Args, Command, ValueEnum};
use clap_complete::Shell;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

/// The option `--generate`.
#[derive(Debug, Default, Args)]
pub struct Generate {
    /// Print the manual page or completions: man, complete-bash, complete-zsh or complete-fish
    ///
    /// Packages call it when they are built.
    #[arg(id = "generate", long, value_name = "KIND", hide_possible_values = true)]
    pub kind: Option<Kind>,
}

/// What can be generated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[allow(missing_docs)] // they are those of the option
pub enum Kind {
    Man,
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
    pub alias: Option<&'static str>,
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

    /// What `--generate` prints.
    #[must_use]
    pub fn generate(&self, kind: Kind) -> String {
        match kind {
            Kind::Man => self.page(),
            Kind::CompleteBash => self.completion(Shell::Bash),
            Kind::CompleteZsh => self.completion(Shell::Zsh),
            Kind::CompleteFish => self.completion(Shell::Fish),
        }
    }

    fn page(&self) -> String {
        // Without a date: what is made from the same source is the same.
        let man = Man::new((self.command)())
            .date("\"\"")
            .title(self.name.to_uppercase())
            .source(concat!(env!("CARGO_PKG_NAME"), " ", env!("CARGO_PKG_VERSION")))
            .manual("ZEO server");
        let mut sections = Roff::new();
        for section in (self.sections)() {
            section.add_to(&mut sections);
        }
        let mut page = Vec::new();
        // Writing to memory cannot fail.
        let _ = man
            .render_title(&mut page)
            .and_then(|()| man.render_name_section(&mut page))
            .and_then(|()| man.render_synopsis_section(&mut page))
            .and_then(|()| man.render_description_section(&mut page))
            .and_then(|()| man.render_options_section(&mut page))
            .and_then(|()| sections.to_writer(&mut page));
        String::from_utf8_lossy(&page).into_owned()
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
        }
        match self.alias {
            Some(alias) => self.with_alias(&script, alias, shell),
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
