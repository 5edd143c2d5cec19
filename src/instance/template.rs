//! The text of an instance's files: Tera templates that are part of the program.
//!
//! A template puts each name through the filter of the language that it stands in: `shell`, `zconfig`,
//! `zconfig_directory`, or `word | zconfig` for a word of the `program` key. A variable that is not known is an error.

use include_dir::{Dir, include_dir};
use tera::{Context, Kwargs, State, Tera};

use super::{Error, Request, home, quote};

static TEMPLATES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/templates");

/// The files of an instance in the order in which they are written; with each, whether it is a program.
const FILES: [(&str, bool); 3] = [("etc/zeo.conf", false), ("etc/zeoctl.conf", false), ("bin/zeoctl", true)];

/// A file as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    /// Its path below the home.
    pub name: &'static str,
    /// What it holds.
    pub contents: String,
    /// Whether it can be executed.
    pub executable: bool,
}

/// Renders the files of an instance.
///
/// # Errors
/// [`Error::Template`] is a fault of the templates; [`Error::Inexpressible`] cannot come up, a home being text.
pub fn render(request: &Request) -> Result<Vec<Rendered>, Error> {
    let tera = engine()?;
    let variables = variables(request)?;
    let render = |(name, executable)| {
        let contents = tera.render(name, &variables).map_err(|e| fault(name, &e))?;
        Ok(Rendered { name, contents, executable })
    };
    FILES.into_iter().map(render).collect()
}

/// Everything that a template may name.
fn variables(request: &Request) -> Result<Context, Error> {
    let directory = |name| home::text("home", &request.home.join(name));
    let mut variables = Context::new();
    variables.insert("home", &home::text("home", request.home.path())?);
    variables.insert("etc", &directory("etc")?);
    variables.insert("log", &directory("log")?);
    variables.insert("var", &directory("var")?);
    variables.insert("name", &request.home.name());
    variables.insert("address", &request.address.to_string());
    variables.insert("server", &request.programs.server);
    variables.insert("zdctl", &request.programs.zdctl);
    variables.insert("zdrun", &request.programs.zdrun);
    Ok(variables)
}

/// Tera with our filters and every embedded template.
fn engine() -> Result<Tera, Error> {
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
    for (name, _) in FILES {
        let text = TEMPLATES.get_file(name).and_then(include_dir::File::contents_utf8);
        let text =
            text.ok_or_else(|| Error::Template { name: name.to_owned(), message: "missing".to_owned() })?;
        tera.add_raw_template(name, text).map_err(|e| fault(name, &e))?;
    }
    Ok(tera)
}

/// Tera's report has several lines, with a picture of the place; the first line and the place's are enough here.
fn fault(name: &str, error: &tera::Error) -> Error {
    let lines: Vec<_> = error.to_string().lines().map(|line| line.trim().to_owned()).collect();
    Error::Template { name: name.to_owned(), message: lines.join(" ") }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::path::Path;

    use super::super::address::Address;
    use super::super::find::Programs;
    use super::super::home::Home;
    use super::*;

    fn request(home: &str) -> Request {
        Request {
            home: Home::new(Path::new(home), Path::new("/")).unwrap(),
            address: Address::parse(OsStr::new("localhost:8100"), false).unwrap(),
            programs: Programs {
                server: "/opt/zeo bin/runzeo".to_owned(),
                zdctl: "/opt/it's/zdctl".to_owned(),
                zdrun: "/opt/$x/zdrun".to_owned(),
            },
        }
    }

    fn file(home: &str, name: &str) -> String {
        let files = render(&request(home)).unwrap();
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
    fn every_embedded_template_is_rendered_and_every_file_has_one() {
        let mut embedded: Vec<_> = TEMPLATES
            .dirs()
            .flat_map(Dir::files)
            .chain(TEMPLATES.files())
            .map(|file| file.path().to_str().unwrap())
            .collect();
        embedded.sort_unstable();
        let mut listed = FILES.map(|(name, _)| name);
        listed.sort_unstable();
        assert_eq!(embedded, listed);
        let rendered: Vec<_> = render(&request("/srv/zeo")).unwrap().into_iter().map(|f| f.name).collect();
        assert_eq!(rendered, FILES.map(|(name, _)| name));
    }

    #[test]
    fn variable_that_is_not_known_is_an_error_that_names_the_template() {
        let mut tera = engine().unwrap();
        tera.add_raw_template("x", "a\n{{ hoem }}").unwrap();
        let error = tera.render("x", &variables(&request("/srv/zeo")).unwrap()).unwrap_err();
        let message = fault("x", &error).to_string();
        assert!(message.starts_with("template x: ") && message.contains("hoem"), "{message}");
        assert!(!message.contains('\n'), "{message}");
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
        for (name, _) in FILES {
            let text = file("/", name).replace("#!/bin", "");
            assert!(!text.contains("//"), "{text}");
        }
    }
}
