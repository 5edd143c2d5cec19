//! Why a text is not of its datatype, or a section not consistent in itself.

use std::fmt;

use crate::repr::shown;

/// What is wrong with a value, and what would be right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValueError {
    what: String,
    hint: String,
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
        Self { what: what.into(), hint: hint.into() }
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
