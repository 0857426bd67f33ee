//! Looking for credentials by their form.
//!
//! Not for those alone that the tests know of: a signature is found that
//! nobody has written down.

mod folder;
mod form;
#[cfg(test)]
mod tests;

use std::fmt;

use form::{Word, is_word};

pub use folder::{Found, folder};
pub use form::Kind;

/// So much of a credential is told as says which it may be.
const SHOWN: usize = 6;
/// So much of a line is told before and behind it.
const AROUND: usize = 60;

/// A credential in a text, told without it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leak {
    /// The number of its line, from 1.
    pub line: usize,
    /// What it is.
    pub kind: Kind,
    /// What stands around it. Of itself there is but the beginning.
    pub told: String,
}

impl fmt::Display for Leak {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.line, self.kind, self.told)
    }
}

/// All credentials in a text.
#[must_use]
pub fn leaks(text: &[u8]) -> Vec<Leak> {
    let mut leaks = Vec::new();
    for (place, line) in text.split(|byte| *byte == b'\n').enumerate() {
        let found = in_line(line);
        let told = |(kind, start, end): &(Kind, usize, usize)| Leak {
            line: place + 1,
            kind: *kind,
            told: told(line, &found, *start, *end),
        };
        leaks.extend(found.iter().map(told));
    }
    leaks
}

/// Where credentials are in a line.
fn in_line(line: &[u8]) -> Vec<(Kind, usize, usize)> {
    let mut found = Vec::new();
    let mut start = 0;
    while start < line.len() {
        let end = start + line[start..].iter().take_while(|byte| is_word(**byte)).count();
        let word = Word { text: line, start, end };
        match (end > start).then(|| word.credential()).flatten() {
            Some((kind, end)) => {
                found.push((kind, start, end));
                start = end;
            }
            None => start = end.max(start + 1),
        }
    }
    found
}

/// The surroundings of one of the credentials of a line; the others are cut too.
fn told(line: &[u8], found: &[(Kind, usize, usize)], start: usize, end: usize) -> String {
    let (from, to) = (start.saturating_sub(AROUND), line.len().min(end + AROUND));
    let mut told = String::new();
    let mut at = from;
    let near = found.iter().filter(|(_, start, end)| *end > from && *start < to);
    for (_, start, end) in near {
        let begins = (*start).max(at);
        told.push_str(&String::from_utf8_lossy(&line[at..begins]));
        let shown = if begins == *start { SHOWN.min(end - start) } else { 0 };
        told.push_str(&String::from_utf8_lossy(&line[begins..begins + shown]));
        told.push_str(&format!("…({} letters)", end - start));
        at = *end;
    }
    told.push_str(&String::from_utf8_lossy(line.get(at..to).unwrap_or_default()));
    told
}
