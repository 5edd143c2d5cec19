//! What a person can do about files that are left as they are.

use std::path::Path;

use super::home::SERVER;
use super::installed::Installed;
use super::plan::Plan;
use super::policy::{Reason, beside};
use super::quote::{self, shown};
use super::{Request, address};

/// What to do about a file of the home that differs and was left alone.
#[must_use]
pub fn on_kept(path: &Path, reason: Reason, home: &Path) -> String {
    let home_word = word(&home.display().to_string());
    let name = path.strip_prefix(home).unwrap_or(path).display();
    match reason {
        Reason::Unedited => {
            format!(
                "it was made with other options or by another version; to renew it: mkzeoinst --update {home_word}"
            )
        }
        Reason::Edited => {
            let look = format!("mkzeoinst --diff {home_word}");
            format!(
                "it was edited; to see how it differs: {look}; to merge what is new: mkzeoinst --update {home_word}"
            )
        }
        Reason::Conflict => format!(
            "merge conflict: its edits and what is new change the same lines; bring {} into it, then: mkzeoinst --accept \
             {name} {home_word}",
            shown(beside(path))
        ),
        Reason::NoBase => format!(
            "what was edited in it is not known, so nothing can be merged; to have the new one beside it: mkzeoinst \
             --on-conflict new {home_word}; once it has what is new: mkzeoinst --accept {name} {home_word}"
        ),
        Reason::Template => "to have the built-in one, move it away".to_owned(),
        Reason::Link => "it is a symbolic link, and what that leads to differs: edit that".to_owned(),
    }
}

/// What to say where other addresses were typed than the instance has and keeps; `None`: it has them, or gets them.
#[must_use]
pub fn on_other_address(request: &Request, installed: &Installed, plan: &Plan) -> Option<String> {
    let has = installed.addresses();
    let same = has.len() == request.addresses.len() && has.iter().all(|one| request.addresses.contains(one));
    if has.is_empty() || same || !plan.keeps_wholly(&request.home.join(SERVER)) {
        return None;
    }
    let (has, asked) = (address::describe_all(&has), address::describe_all(&request.addresses));
    let keeps = format!("the instance keeps {has}, and does not get {asked}");
    if plan.updates {
        return Some(format!("{keeps}: edit the key address in etc/zeo.conf"));
    }
    let home = word(&request.home.path().display().to_string());
    let [first, others @ ..] = request.addresses.as_slice() else { return None };
    let mut words = vec![home, word(&first.to_string())];
    words.extend(others.iter().flat_map(|other| ["-a".to_owned(), word(&other.to_string())]));
    Some(format!("{keeps}; to change it: mkzeoinst --update {}", words.join(" ")))
}

/// A word of a command line, quoted only if it must be.
#[must_use]
pub fn word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:@%,=".contains(c);
    if !text.is_empty() && text.chars().all(plain) { text.to_owned() } else { quote::shell(text) }
}
