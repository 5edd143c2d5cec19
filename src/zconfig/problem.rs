//! Faults of a file, and where they are.

use std::sync::Arc;

use super::error_kind::ErrorKind;
use super::source::Source;

/// One fault of a configuration. The display is one line: where, what is wrong, what would be right.
#[derive(Debug, Clone, PartialEq)]
pub struct Problem {
    /// What is wrong.
    pub kind: ErrorKind,
    /// Where.
    pub at: Location,
}

/// Where something was written.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Location {
    /// A line, from 1, of a file.
    Line(Arc<Source>, u32),
    /// A file.
    File(Arc<Source>),
    /// An override of the command line, as typed.
    Override(String),
    /// The command line.
    CommandLine,
}

impl Location {
    /// The line, where one is known.
    #[must_use]
    pub fn line(&self) -> Option<u32> {
        match self {
            Self::Line(_, line) => Some(*line),
            _ => None,
        }
    }

    /// The file, where one is known.
    #[must_use]
    pub fn source(&self) -> Option<&Source> {
        match self {
            Self::Line(source, _) | Self::File(source) => Some(source),
            _ => None,
        }
    }
}

impl std::fmt::Display for Location {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Line(source, line) => write!(f, "{}:{line}", source.shown()),
            Self::File(source) => f.write_str(source.shown()),
            Self::Override(typed) => write!(f, "-X {typed}"),
            Self::CommandLine => f.write_str("command line"),
        }
    }
}

impl Problem {
    /// A fault at a place.
    #[must_use]
    pub fn new(kind: ErrorKind, at: Location) -> Self {
        Self { kind, at }
    }

    /// Whether the display begins with the place: not where the kind names the file itself, nor for the command line.
    #[must_use]
    pub fn shows_place(&self) -> bool {
        let named = matches!((&self.at, &self.kind), (Location::File(_), ErrorKind::Unreadable { .. }));
        !named && self.at != Location::CommandLine
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.shows_place() { write!(f, "{}: {}", self.at, self.kind) } else { write!(f, "{}", self.kind) }
    }
}

impl std::error::Error for Problem {}

/// The faults of a file and of those that it includes, in the order in which ZConfig would meet them: at least one.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Problems {
    list: Vec<Problem>,
    more: usize,
}

impl Problems {
    /// Limit of the faults kept.
    const MAX_KEPT: usize = 100;

    /// Whether there is no fault.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.list.is_empty()
    }

    /// Adds a fault.
    pub fn add(&mut self, problem: Problem) {
        if self.list.len() < Self::MAX_KEPT {
            self.list.push(problem);
        } else {
            self.more += 1;
        }
    }

    /// Adds all faults of another list.
    pub fn extend(&mut self, others: Self) {
        self.more += others.more;
        others.list.into_iter().for_each(|problem| self.add(problem));
    }

    /// Sorts the faults by file and line.
    pub fn sort_by_place(&mut self) {
        let mut files: Vec<String> = Vec::new();
        for url in self.list.iter().filter_map(|problem| problem.at.source()).map(Source::url) {
            if !files.iter().any(|known| known == url) {
                files.push(url.to_owned());
            }
        }
        let file = |at: &Location| at.source().map(|source| files.iter().position(|url| url == source.url()));
        self.list.sort_by_key(|problem| (file(&problem.at), problem.at.line()));
    }

    /// The faults that were kept.
    #[must_use]
    pub fn list(&self) -> &[Problem] {
        &self.list
    }

    /// Whether nothing is wrong but that directories are not there, which may be at another time.
    #[must_use]
    pub fn are_absences(&self) -> bool {
        let is_absence =
            |kind: &ErrorKind| matches!(kind, ErrorKind::Value { error, .. } if error.is_absence());
        self.more == 0 && !self.is_none() && self.list.iter().all(|problem| is_absence(&problem.kind))
    }

    /// Says something else of the values of a key that are at fault.
    pub fn reword_values_of(&mut self, wanted: &str, message: &str) {
        for problem in &mut self.list {
            if matches!(&problem.kind, ErrorKind::Value { key, .. } if key == wanted) {
                problem.kind = ErrorKind::Other(message.to_owned());
            }
        }
    }

    /// How many more there were.
    #[must_use]
    pub fn more(&self) -> usize {
        self.more
    }

    pub(super) fn len(&self) -> usize {
        self.list.len() + self.more
    }
}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Self {
        Self { list: vec![problem], more: 0 }
    }
}

impl std::fmt::Display for Problems {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (number, problem) in self.list.iter().enumerate() {
            write!(f, "{}{problem}", if number == 0 { "" } else { "\n" })?;
        }
        if self.more > 0 {
            write!(f, "\nand {} more faults", self.more)?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// The known word that a misspelt one most likely means.
pub(super) fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    /// Jaro-Winkler similarity (1 is equal) from which a misspelling is more likely than another word.
    const MIN_SIMILARITY: f64 = 0.8;
    /// A misspelling has one mistake in so many letters; more have words that only begin or end alike, such as
    /// `raidstorage` and `filestorage`.
    const LETTERS_TO_A_MISTAKE: usize = 4;
    let normal = |name: &str| name.to_lowercase().replace('_', "-");
    let word = normal(word);
    let most = |name: &str| (name.len().max(word.len()) / LETTERS_TO_A_MISTAKE).max(1);
    let alike = known
        .filter(|name| strsim::osa_distance(&word, &normal(name)) <= most(name))
        .map(|name| (strsim::jaro_winkler(&word, &normal(name)), name));
    let best = alike.filter(|(likeness, _)| *likeness >= MIN_SIMILARITY).max_by(|a, b| a.0.total_cmp(&b.0));
    best.map(|(_, name)| name)
}

/// A closing clause with the most likely meaning of a misspelt word, or nothing.
#[must_use]
pub fn did_you_mean<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> String {
    nearest(word, known).map(|name| format!("; did you mean '{name}'")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misspelt_words_find_their_neighbours_only() {
        let known = ["umask", "user", "backoff-limit"];
        assert_eq!(did_you_mean("umaks", known.into_iter()), "; did you mean 'umask'");
        assert_eq!(did_you_mean("BACKOFF_LIMIT", known.into_iter()), "; did you mean 'backoff-limit'");
        assert_eq!(did_you_mean("program", known.into_iter()), "");
        let storages = ["filestorage", "mappingstorage", "stop-group"];
        assert_eq!(did_you_mean("filestorge", storages.into_iter()), "; did you mean 'filestorage'");
        for other in ["raidstorage", "zlibstorage", "temporarystorage", "relstorage", "stop-signal"] {
            assert_eq!(did_you_mean(other, storages.into_iter()), "", "{other}");
        }
    }

    #[test]
    fn faults_are_sorted_by_file_and_line() {
        let environment = crate::zconfig::Environment::fixed("/".into(), std::collections::HashMap::new());
        let source = |name: &str| Arc::new(Source::named(name.as_ref(), &environment).unwrap());
        let (a, b) = (source("b.conf"), source("a.conf"));
        let places = [
            Location::Line(Arc::clone(&a), 7),
            Location::Line(Arc::clone(&b), 2),
            Location::CommandLine,
            Location::Line(Arc::clone(&a), 3),
            Location::File(Arc::clone(&a)),
        ];
        let mut problems = Problems::default();
        for at in places {
            problems.add(Problem::new(ErrorKind::KeyLine, at));
        }
        problems.sort_by_place();
        let order: Vec<String> = problems.list().iter().map(|problem| problem.at.to_string()).collect();
        assert_eq!(order, ["command line", "b.conf", "b.conf:3", "b.conf:7", "a.conf:2"]);
    }

    #[test]
    fn faults_beyond_the_limit_are_counted() {
        let mut problems = Problems::default();
        for _ in 0..150 {
            problems.add(Problem::new(ErrorKind::KeyLine, Location::CommandLine));
        }
        assert_eq!((problems.list().len(), problems.more()), (100, 50));
        assert!(problems.to_string().ends_with("\nand 50 more faults"));
    }
}
