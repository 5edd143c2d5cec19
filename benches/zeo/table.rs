//! The figures as one Markdown table.

use crate::number::{median, number};

/// What a figure is held against.
#[derive(Debug, Clone, Copy)]
pub enum Target {
    /// At least so many times the peer's.
    TimesAtLeast(f64),
    /// At most this.
    AtMost(f64),
    /// For the reader's information.
    None,
}

/// One line.
#[derive(Debug)]
pub struct Row {
    figure: String,
    target: Target,
    ours: Vec<f64>,
    python: Vec<f64>,
}

impl Row {
    /// A figure and its unit, in words.
    pub fn new(figure: impl Into<String>, target: Target) -> Self {
        Self { figure: figure.into(), target, ours: Vec::new(), python: Vec::new() }
    }

    /// Adds what one round has given.
    pub fn add(&mut self, kind: &crate::Kind, value: f64) {
        match kind {
            crate::Kind::Ours => self.ours.push(value),
            crate::Kind::Python(_) => self.python.push(value),
        }
    }

    fn line(&self) -> String {
        let (ours, python) = (median(&self.ours), median(&self.python));
        let ratio = ours.zip(python).map(|(ours, python)| ours / python);
        let (target, met) = match self.target {
            Target::TimesAtLeast(least) => (format!("≥ {least} ×"), ratio.map(|ratio| ratio >= least)),
            Target::AtMost(most) => (format!("≤ {most}"), ours.map(|ours| ours <= most)),
            Target::None => (String::new(), None),
        };
        let met = met.map_or("", |met| if met { "yes" } else { "**no**" });
        let Self { figure, .. } = self;
        format!(
            "| {figure} | {} | {} | {} | {target} | {met} |\n",
            number(ours),
            number(python),
            number(ratio)
        )
    }
}

/// The table with its head.
pub fn render(rows: &[Row]) -> String {
    let head = "| figure | ours | Python | ratio | target | met |\n|---|---:|---:|---:|---|---|\n";
    rows.iter().fold(head.to_owned(), |table, row| table + &row.line())
}
