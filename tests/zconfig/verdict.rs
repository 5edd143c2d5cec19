//! Our verdict on a file, in the form that the corpus keeps the real ZConfig's in (its README).

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value as Json, json};
use zeo_server::zconfig::{
    Address, Environment, ErrorKind, Limits, Location, Member, MemberValue, Problems, SectionRef, Source,
    Tree, Value, load,
};

/// Reads a file in a directory, with no environment but this.
pub(super) fn read(
    directory: &Path,
    file: &str,
    schema: &str,
    overrides: &[String],
    variables: HashMap<String, String>,
) -> Result<Tree, Problems> {
    let environment = Environment::fixed(directory.to_owned(), variables);
    load(
        super::schemas::named(schema),
        &directory.join(file),
        overrides,
        &[],
        &environment,
        Limits::default(),
    )
}

/// A copy of the corpus's fixtures, with `@DIR@` in them replaced by where it is.
pub(super) fn fixtures(corpus: &Path, directory: &Path) {
    for entry in walkdir::WalkDir::new(corpus.join("fixtures")).min_depth(1) {
        let entry = entry.unwrap();
        let target = directory.join(entry.path().strip_prefix(corpus.join("fixtures")).unwrap());
        if entry.file_type().is_dir() {
            fs::create_dir_all(target).unwrap();
        } else {
            let bytes = fs::read(entry.path()).unwrap();
            let conf = target.extension().is_some_and(|extension| extension == "conf");
            fs::write(target, if conf { placed(&bytes, directory) } else { bytes }).unwrap();
        }
    }
}

/// The bytes with `@DIR@` replaced.
pub(super) fn placed(bytes: &[u8], directory: &Path) -> Vec<u8> {
    const MARK: &[u8] = b"@DIR@";
    let mut out = Vec::new();
    let mut rest = bytes;
    while let Some(at) = rest.windows(MARK.len()).position(|window| window == MARK) {
        out.extend(&rest[..at]);
        out.extend(directory.to_str().unwrap().bytes());
        rest = &rest[at + MARK.len()..];
    }
    out.extend(rest);
    out
}

/// The environment of a load.
pub(super) fn variables(directory: &Path) -> HashMap<String, String> {
    let home = directory.join("home").to_str().unwrap().to_owned();
    let fixed =
        [("ZCFG_WORD", "from-env"), ("ZCFG_EMPTY", ""), ("ZCFG_DOLLAR", "$x"), ("PATH", "/usr/bin:/bin")];
    let mut variables: HashMap<_, _> =
        fixed.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    variables.insert("HOME".to_owned(), home);
    variables
}

/// Where the corpus is, if it is.
pub(super) fn corpus() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/zconfig_corpus");
    let place = std::env::var_os("ZCONFIG_CORPUS").map_or(beside, PathBuf::from);
    place.join("README.md").is_file().then_some(place)
}

/// The whole configuration.
pub(super) fn values(tree: &Tree) -> Json {
    Json::Object(members(tree.root().expect("a tree has a root")))
}

fn members(section: SectionRef<'_>) -> Map<String, Json> {
    let mut out = Map::new();
    for (member, held) in section.members() {
        let name = member.name();
        let json = match held {
            MemberValue::Absent => Json::Null,
            MemberValue::One(entry) => {
                let mut json = value(&entry.value);
                match member {
                    // ZConfig has no family for a mail server, and takes a URL apart.
                    Member::Key(key) if key.datatype.name == "inet-address" => json[0] = Json::Null,
                    Member::Key(key) if key.datatype.name == "http URL" => json = Json::Null,
                    _ => {}
                }
                json
            }
            MemberValue::Many(entries) => entries.iter().map(|entry| value(&entry.value)).collect(),
            MemberValue::Map(entries) => {
                entries.iter().map(|(key, entry)| (key.clone(), value(&entry.value))).collect()
            }
            MemberValue::Sections(_) => {
                let mut sections = section.sections(name).map(whole);
                match member {
                    Member::Slot(slot) if slot.many => sections.collect(),
                    _ => sections.next().unwrap_or(Json::Null),
                }
            }
        };
        out.insert(name.to_owned(), json);
    }
    out
}

fn whole(section: SectionRef<'_>) -> Json {
    let mut out = members(section);
    out.insert("@type".to_owned(), json!(section.kind().name));
    out.insert("@name".to_owned(), json!(section.name()));
    Json::Object(out)
}

fn value(value: &Value) -> Json {
    match value {
        Value::Bool(truth) => json!(truth),
        Value::Integer(number) => json!(number),
        Value::Float(number) if number.is_nan() => json!("nan"),
        Value::Float(number) if number.is_infinite() => json!(if *number > 0.0 { "inf" } else { "-inf" }),
        Value::Float(number) => json!(number),
        Value::Text(text) => json!(text),
        Value::Words(words) => json!(words),
        Value::List(items) => items.iter().map(self::value).collect(),
        Value::Address(Address::Unix(path)) => json!(["AF_UNIX", path, Json::Null]),
        Value::Address(Address::Inet { host, port }) => {
            json!([if host.contains(':') { "AF_INET6" } else { "AF_INET" }, host, port])
        }
    }
}

/// Leaves out the URLs of web servers, whose parts are not used here.
fn drop_urls(values: &mut Json) {
    match values {
        Json::Array(items) => items.iter_mut().for_each(drop_urls),
        Json::Object(members) => {
            for (name, value) in members {
                if name == "url" {
                    *value = Json::Null;
                }
                drop_urls(value);
            }
        }
        _ => {}
    }
}

/// Why two verdicts differ; `None` when they agree. `theirs` is ZConfig's, with the mark for the directory replaced.
pub(super) fn disagreement(theirs: &Json, ours: &Result<Tree, Problems>) -> Option<String> {
    match (theirs["ok"].as_bool().unwrap(), ours) {
        (true, Err(problems)) => Some(format!("it is accepted, ours refuses:\n{problems}")),
        (true, Ok(tree)) => {
            let (ours, mut theirs) = (values(tree), theirs.clone());
            drop_urls(&mut theirs["values"]);
            (ours != theirs["values"]).then(|| format!("values differ:\n{}\nours:\n{ours}", theirs["values"]))
        }
        (false, Ok(_)) => Some(format!("it is refused ({}), ours accepts", theirs["error"]["text"])),
        (false, Err(problems)) => other_error(&theirs["error"], problems),
    }
}

fn other_error(error: &Json, problems: &Problems) -> Option<String> {
    if error["crash"] == true {
        return None;
    }
    let first = problems.list().first().expect("a refusal has a reason");
    // ZConfig knows no line of some errors. For an override and for a whole section it tells the end of the section
    // around, where ours tells the override and the section.
    let other = matches!(first.at, Location::Override(_)) || matches!(first.kind, ErrorKind::Section { .. });
    let line = error["line"].as_u64().filter(|_| !other)?;
    let (ours, url) = (first.at.line().map(u64::from), first.at.source().map(Source::url));
    // A file that includes itself is refused at once; ZConfig reads it again, and may meet something before the same line.
    let is_again = matches!(first.kind, ErrorKind::Cycle { .. }) && Some(line) < ours;
    let agree = (ours == Some(line) || is_again) && url == error["url"].as_str();
    (!agree).then(|| format!("the place differs: {error}\nours: {ours:?} in {url:?}"))
}
