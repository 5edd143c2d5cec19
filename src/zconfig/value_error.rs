//! Why a text is not of its datatype, or a section not consistent in itself.

use std::fmt;

use crate::repr::shown;

/// What is wrong with a value, and what would be right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValueError {
    what: String,
    hint: String,
    is_absence: bool,
}

impl ValueError {
    /// A fault of a text: `what` continues a sentence that begins with the text, as in `is not a whole number`.
    #[must_use]
    pub fn text(text: &str, what: &str, hint: impl Into<String>) -> Self {
        Self::new(format!("{} {what}", shown(text)), hint)
    }

    /// A fault with its own whole sentence, and a closing clause, which may be blank.
    #[must_use]
    pub fn new(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { what: what.into(), hint: hint.into(), is_absence: false }
    }

    /// The same fault, of what is not there and may be at another time, such as a disk that is mounted late.
    #[must_use]
    pub fn of_absence(self) -> Self {
        Self { is_absence: true, ..self }
    }

    /// Whether what the value names is not there; nothing is wrong with the value.
    #[must_use]
    pub fn is_absence(&self) -> bool {
        self.is_absence
    }

    /// The same fault with another closing clause, by which the value is to be changed.
    #[must_use]
    pub fn with_hint(self, hint: impl Into<String>) -> Self {
        Self::new(self.what, hint)
    }
}

impl fmt::Display for ValueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        if !self.hint.is_empty() {
            write!(f, "; {}", self.hint)?;
        }
        Ok(())
    }
}

impl std::error::Error for ValueError {}
