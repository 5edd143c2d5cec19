//! The figures as one Markdown table.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::contender::Contender;
use crate::number::{median, number};

/// What a figure is held against.
#[derive(Debug, Clone, Copy)]
pub enum Target {
    /// Ours is at most this many times the peer's.
    TimesAtMost(Contender, f64),
    /// Ours is at least this many times the peer's.
    TimesAtLeast(Contender, f64),
    /// Ours is at most this.
    AtMost(f64),
    /// Ours is at least this.
    AtLeast(f64),
    /// For the reader's information.
    None,
}

/// One line of the table.
#[derive(Debug)]
pub struct Row {
    figure: String,
    target: Target,
    values: BTreeMap<Contender, f64>,
    reference: Option<f64>,
}

impl Row {
    /// A figure and its unit, in words.
    pub fn new(figure: impl Into<String>, target: Target) -> Self {
        Self { figure: figure.into(), target, values: BTreeMap::new(), reference: None }
    }

    /// Adds the median of what was measured; nothing, where nothing was.
    pub fn add(&mut self, contender: Contender, samples: &[f64]) {
        self.values.extend(median(samples).map(|value| (contender, value)));
    }

    /// Adds the same without any manager.
    pub fn without_manager(&mut self, samples: &[f64]) {
        self.reference = median(samples);
    }

    fn line(&self) -> String {
        let ours = self.values.get(&Contender::Ours).copied();
        let mut line = format!("| {} |", self.figure);
        for contender in Contender::ALL {
            let _ = write!(line, " {} |", number(self.values.get(&contender).copied()));
        }
        let times = |peer| ours.zip(self.values.get(&peer).copied()).map(|(ours, theirs)| ours / theirs);
        let (target, ratio, met) = match self.target {
            Target::TimesAtMost(peer, most) => {
                let ratio = times(peer);
                (format!("≤ {most} × {}", peer.name()), ratio, ratio.map(|ratio| ratio <= most))
            }
            Target::TimesAtLeast(peer, least) => {
                let ratio = times(peer);
                (format!("≥ {least} × {}", peer.name()), ratio, ratio.map(|ratio| ratio >= least))
            }
            Target::AtMost(most) => (format!("≤ {most}"), None, ours.map(|ours| ours <= most)),
            Target::AtLeast(least) => (format!("≥ {least}"), None, ours.map(|ours| ours >= least)),
            Target::None => (String::new(), None, None),
        };
        let met = met.map_or("", |met| if met { "yes" } else { "**no**" });
        let _ = write!(line, " {} | {} | {target} | {met} |", number(self.reference), number(ratio));
        line
    }
}

/// The table with its head.
pub fn render(rows: &[Row]) -> String {
    let mut head = String::from("| figure |");
    for contender in Contender::ALL {
        let _ = write!(head, " {} |", contender.name());
    }
    head.push_str(" no manager | ratio | target | met |\n|---|");
    head.push_str(&"---:|".repeat(Contender::ALL.len() + 2));
    head.push_str("---|---|\n");
    rows.iter().fold(head, |table, row| table + &row.line() + "\n")
}
