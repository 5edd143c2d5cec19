//! The text of an instance's files: Tera templates that are part of the program.
//!
//! A template puts each name through the filter of the language that it stands in: `shell`, `zconfig`,
//! `zconfig_directory`, or `word | zconfig` for a word of the `program` key; `systemd`, `systemd_program`,
//! `systemd_directory`; `logrotate`. A variable that is not known is an error.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path};

use tera::{Context, ErrorKind, Kwargs, State, Tera};

use crate::zconfig::did_you_mean;

use super::built_in::{TEMPLATES, embedded, list};
use super::home::SERVER;
use super::manifest::{self, Manifest};
use super::stamp::stamped;
use super::variables::{self, Variable};
use super::{Error, Request, merge, quote, site, unit};

/// A file as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    /// Its path below the home.
    pub name: String,
    /// What it holds.
    pub contents: String,
    /// What the template made; `None`: the same.
    pub template_text: Option<String>,
    /// The permission bits that it asks for.
    pub mode: u32,
}

/// Templates and the list of what is made of them.
#[derive(Debug)]
pub struct Templates {
    engine: Tera,
    texts: BTreeMap<String, String>,
    manifest: Manifest,
    variables: Vec<Variable>,
}

impl Templates {
    /// Those that are part of the program, and over and besides them those of a site's directory; ready to be rendered are
    /// those of an instance with these extras.
    ///
    /// # Errors
    /// [`Error::Template`], a fault of the templates; [`Error::System`] where the directory cannot be read.
    pub fn with(directory: Option<&Path>, extras: &[String]) -> Result<Self, Error> {
        let mut manifest = Manifest::read(manifest::NAME, embedded(manifest::NAME)?)?;
        let mut texts = BTreeMap::new();
        list(&TEMPLATES, &mut texts);
        texts.remove(manifest::NAME);
        if let Some(directory) = directory {
            site::add(directory, &mut manifest, &mut texts)?;
        }
        let mut engine = engine();
        // All at once: one of a site's may include or extend another. Ours do not, and those that are not asked for would
        // take longer to parse than the others.
        let needed: BTreeSet<&str> = match directory {
            Some(_) => texts.keys().map(String::as_str).collect(),
            None => manifest.of(extras).map(manifest::Entry::template).collect(),
        };
        let needed = texts.iter().filter(|(name, _)| needed.contains(name.as_str()));
        engine.add_raw_templates(needed).map_err(|error| fault("(all)", &error))?;
        let variables = manifest.variables.iter().map(manifest::Declared::variable).collect();
        Ok(Self { engine, texts, manifest, variables })
    }

    /// The text of a template.
    ///
    /// # Errors
    /// [`Error::NoTemplate`].
    pub fn text(&self, name: &str) -> Result<&str, Error> {
        let known = || self.texts.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
        let text = self.texts.get(name).map(String::as_str);
        text.ok_or_else(|| Error::NoTemplate { name: name.to_owned(), known: known() })
    }

    /// All templates and, last, the built-in manifest: names and texts.
    ///
    /// # Errors
    /// [`Error::Template`] where there is no manifest.
    pub fn sources(&self) -> Result<Vec<(&str, &str)>, Error> {
        let texts = self.texts.iter().map(|(name, text)| (name.as_str(), text.as_str()));
        Ok(texts.chain([(manifest::NAME, embedded(manifest::NAME)?)]).collect())
    }

    /// What only these templates may name.
    #[must_use]
    pub fn variables(&self) -> &[Variable] {
        &self.variables
    }

    /// The list of files.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Renders the files of an instance.
    ///
    /// # Errors
    /// [`Error::Template`] is a fault of the templates, [`Error::Variable`] one of the values;
    /// [`Error::Inexpressible`] cannot come up, a home being text.
    pub fn render(&self, request: &Request) -> Result<Vec<Rendered>, Error> {
        let extras = self.manifest.extras();
        if let Some(name) = request.with.iter().find(|name| !extras.contains(&name.as_str())) {
            return Err(Error::NoExtra {
                name: name.clone(),
                known: extras.join(", ") + &did_you_mean(name, extras.iter().copied()),
            });
        }
        if request.addresses.len() > 1 {
            self.check_addresses()?;
        }
        let context = variables::context(request, &self.variables)?;
        let render = |entry: &manifest::Entry| {
            let name = entry.template();
            let text = self.engine.render(name, &context).map_err(|error| fault(name, &error))?;
            let path = self.path(&entry.path, &context)?;
            let contents = stamped(&text);
            // With the stamp of the template's text, so that an update merges only what is new from then on.
            let adopted =
                request.adopted.get(&path).and_then(|adopted| merge::accepted(adopted.as_bytes(), &contents));
            let (contents, template_text) = match adopted {
                Some(adopted) => (adopted, Some(contents)),
                None => (contents, None),
            };
            Ok(Rendered { name: path, contents, template_text, mode: entry.mode })
        };
        self.manifest.of(&request.with).map(render).collect()
    }

    /// The paths of an instance's files below the home, as far as they are known.
    #[must_use]
    pub fn names(&self, request: &Request) -> Vec<String> {
        let Ok(context) = variables::context(request, &self.variables) else { return Vec::new() };
        self.manifest.of(&request.with).filter_map(|entry| self.path(&entry.path, &context).ok()).collect()
    }

    /// Whether the server's configuration lists all addresses: a template from before there could be several does not.
    fn check_addresses(&self) -> Result<(), Error> {
        let entry = self.manifest.files.iter().find(|entry| entry.path == SERVER);
        let Some(name) = entry.map(manifest::Entry::template) else { return Ok(()) };
        if self.texts.get(name).is_none_or(|text| text.contains("addresses")) {
            return Ok(());
        }
        let message =
            "it does not name the variable 'addresses', so that the server would get only the first"
                .to_owned();
        Err(Error::Template { name: name.to_owned(), line: 0, column: 0, message })
    }

    /// The path that the manifest gives a file, its variables put in. It must stay below the home.
    fn path(&self, path: &str, context: &Context) -> Result<String, Error> {
        let at = format!("{}: path of '{path}'", manifest::NAME);
        let path = if path.contains('{') {
            self.engine.render_str(path, context, false).map_err(|error| fault(&at, &error))?
        } else {
            path.to_owned()
        };
        let plain = |component| matches!(component, Component::Normal(_));
        if path.is_empty() || !Path::new(&path).components().all(plain) {
            let message = format!("{} is no path below the home", quote::shown(&path));
            return Err(Error::Template { name: at, line: 0, column: 0, message });
        }
        Ok(path)
    }
}

/// Tera with our filters and no template.
fn engine() -> Tera {
    let mut tera = Tera::new();
    tera.autoescape_on(Vec::<&str>::new());
    tera.register_filter("shell", |text: &str, _: Kwargs, _: &State<'_>| quote::shell(text));
    tera.register_filter("zconfig", |text: &str, _: Kwargs, _: &State<'_>| quote::zconfig(text));
    tera.register_filter("zconfig_directory", |text: &str, _: Kwargs, _: &State<'_>| {
        quote::zconfig_directory(text)
    });
    tera.register_filter("word", |text: &str, _: Kwargs, _: &State<'_>| {
        quote::program_word(text).into_owned()
    });
    let filters = [
        ("systemd", unit::word as fn(&str) -> Result<String, String>),
        ("systemd_program", unit::program),
        ("systemd_directory", unit::directory),
    ];
    for (name, filter) in filters {
        tera.register_filter(name, move |text: &str, _: Kwargs, _: &State<'_>| {
            filter(text).map_err(tera::Error::message)
        });
    }
    tera.register_filter("logrotate", |text: &str, _: Kwargs, _: &State<'_>| quote::logrotate(text));
    tera
}

/// Tera's report has several lines, with a picture of the place; the message and the place itself are enough here.
fn fault(name: &str, error: &tera::Error) -> Error {
    let (name, line, column, message) = match error.kind() {
        ErrorKind::SyntaxError(report) | ErrorKind::RenderingError(report) => {
            let (span, file) = (report.span(), report.filename());
            let name = if file.is_empty() { name } else { file };
            (name, span.start_line, span.start_col + 1, report.message().to_owned())
        }
        _ => (name, 0, 0, error.to_string()),
    };
    let lines: Vec<_> = message.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    Error::Template { name: name.to_owned(), line, column, message: lines.join(" ") }
}

#[cfg(test)]
mod tests {
    use super::super::home::Home;
    use super::super::locate_programs::Programs;
    use super::*;
    use crate::zconfig::Address;

    fn request(home: &str) -> Request {
        Request {
            home: Home::new(Path::new(home), Path::new("/")).unwrap(),
            addresses: vec![Address::Inet { host: "localhost".to_owned(), port: Some(8100) }],
            programs: Programs {
                server: "/opt/zeo bin/runzeo".to_owned(),
                zdctl: "/opt/it's/zdctl".to_owned(),
                zdrun: "/opt/$x/zdrun".to_owned(),
            },
            set: BTreeMap::new(),
            with: Vec::new(),
            templates: None,
            adopted: BTreeMap::new(),
            self_signed: false,
            record: None,
        }
    }

    fn built_in(extras: &[String]) -> Templates {
        Templates::with(None, extras).unwrap()
    }

    fn file(home: &str, name: &str) -> String {
        let files = built_in(&[]).render(&request(home)).unwrap();
        files.into_iter().find(|file| file.name == name).unwrap().contents
    }

    /// The value of a key that stands once, outside comments.
    fn value(text: &str, key: &str) -> String {
        let lines = text.lines().map(str::trim_start);
        let mut values = lines.filter_map(|line| line.strip_prefix(key)?.strip_prefix(' '));
        let value = values.next().unwrap_or_else(|| panic!("no {key} in {text}"));
        assert_eq!(values.next(), None, "{key} stands twice");
        value.to_owned()
    }

    #[test]
    fn every_embedded_template_makes_a_file_and_every_file_has_one() {
        let extras = built_in(&[]).manifest.extras().into_iter().map(str::to_owned).collect::<Vec<_>>();
        let templates = built_in(&extras);
        let mut texts = BTreeMap::new();
        list(&TEMPLATES, &mut texts);
        let names: BTreeSet<&str> = texts.keys().map(String::as_str).collect();
        let listed = templates.manifest.files.iter().map(manifest::Entry::template).chain([manifest::NAME]);
        assert_eq!(names, listed.collect());
        let mut everything = request("/srv/zeo");
        // systemd cannot start a program with a quote in its name.
        everything.programs.zdctl = "/opt/zeo bin/zdctl".to_owned();
        everything.with = extras;
        assert_eq!(templates.render(&everything).unwrap().len(), templates.manifest.files.len());
        let plain = templates.render(&request("/srv/zeo")).unwrap();
        let plain: Vec<_> = plain.iter().map(|file| (file.name.as_str(), file.mode)).collect();
        assert_eq!(plain, [("etc/zeo.conf", 0o666), ("etc/zeoctl.conf", 0o666), ("bin/zeoctl", 0o777)]);
    }

    #[test]
    fn every_file_is_known_again_by_its_second_line() {
        for file in built_in(&[]).render(&request("/srv/zeo")).unwrap() {
            let stamped = crate::instance::stamp::Stamped::read(file.contents.as_bytes());
            assert!(stamped.is_pristine(), "{}", file.name);
            assert!(
                file.contents.lines().nth(1).unwrap().starts_with("# Made by mkzeoinst "),
                "{}",
                file.name
            );
        }
    }

    #[test]
    fn variable_that_is_not_known_is_an_error_that_names_the_place() {
        let mut templates = built_in(&[]);
        templates.engine.add_raw_template("etc/zeo.conf", "a\n  {{ hoem }}").unwrap();
        let message = templates.render(&request("/srv/zeo")).unwrap_err().to_string();
        assert!(message.starts_with("template etc/zeo.conf:2:6: ") && message.contains("hoem"), "{message}");
        assert!(!message.contains('\n'), "{message}");
    }

    #[test]
    fn extra_that_does_not_exist_is_refused() {
        let mut other = request("/srv/zeo");
        other.with = vec!["nothing".to_owned()];
        let error = built_in(&[]).render(&other).unwrap_err();
        assert!(error.is_usage());
        assert!(error.to_string().starts_with("there is no 'nothing' to add"), "{error}");
    }

    #[test]
    fn names_are_quoted_for_the_language_they_stand_in() {
        let home = r#"/srv/a 'b" $c\d{{ name }} "#;
        let manager = file(home, "etc/zeoctl.conf");
        let etc = r#"/srv/a '\''b" $$c\d{{ name }} /etc"#;
        assert_eq!(value(&manager, "program"), format!("'/opt/zeo bin/runzeo' -C '{etc}/zeo.conf'"));
        assert_eq!(value(&manager, "socket-name"), r#"/srv/a 'b" $$c\d{{ name }} /etc/zeo.zdsock"#);
        assert_eq!(value(&manager, "directory"), r#"/srv/a 'b" $$c\d{{ name }} /."#);
        assert_eq!(value(&manager, "zdrun"), "/opt/$$x/zdrun");
        let script = file(home, "bin/zeoctl");
        let exec = r#"'/opt/it'\''s/zdctl' -C '/srv/a '\''b" $c\d{{ name }} /etc/zeoctl.conf' "$@""#;
        assert_eq!(value(&script, "exec"), exec);
        assert_eq!(value(&file(home, "etc/zeo.conf"), "address"), "localhost:8100");
    }

    #[test]
    fn root_directory_as_home_makes_no_double_slash() {
        for name in ["etc/zeo.conf", "etc/zeoctl.conf", "bin/zeoctl"] {
            let text = file("/", name).replace("#!/bin", "");
            assert!(!text.contains("//"), "{text}");
        }
    }
}
