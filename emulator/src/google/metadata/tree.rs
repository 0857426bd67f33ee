//! The metadata server's entries, and how a directory of them is shown.
//!
//! The forms are those of "View and query VM metadata"
//! (<https://cloud.google.com/compute/docs/metadata/querying-metadata>): a
//! directory ends with a slash and is listed line by line; with `recursive=true`
//! it is JSON with names in camel case, with `alt=text` lines of path and value.
//! No source says what `alt=json` makes of a directory without `recursive=true`:
//! here it is the list of its names.

use serde_json::{Map, Value};

/// A directory or a value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Entry {
    Directory(Vec<(String, Entry)>),
    Text(String),
    Number(u64),
    List(Vec<String>),
    /// An entry that is made for each request, and that no listing of contents
    /// shows: a token.
    Made,
}

/// How entries are to be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Alt {
    Json,
    Text,
}

impl Entry {
    pub(super) fn directory<const N: usize>(entries: [(&str, Self); N]) -> Self {
        Self::Directory(entries.map(|(name, entry)| (name.to_owned(), entry)).into())
    }

    pub(super) fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// The entry of that name.
    pub(super) fn get(&self, name: &str) -> Option<&Self> {
        let Self::Directory(entries) = self else {
            return None;
        };
        entries.iter().find(|(it, _)| it == name).map(|(_, entry)| entry)
    }

    pub(super) fn is_directory(&self) -> bool {
        matches!(self, Self::Directory(_))
    }

    /// The names in a directory, those of directories with a slash.
    fn names(&self) -> Vec<String> {
        let Self::Directory(entries) = self else {
            return Vec::new();
        };
        let name = |(name, entry): &(String, Self)| match entry.is_directory() {
            true => format!("{name}/"),
            false => name.clone(),
        };
        entries.iter().map(name).collect()
    }

    /// What is shown, as text or as JSON. Whole directories are shown with
    /// `recursive` only.
    pub(super) fn shown(&self, alt: Option<Alt>, recursive: bool) -> (Alt, String) {
        match (self, recursive) {
            (Self::Directory(_), true) => match alt.unwrap_or(Alt::Json) {
                Alt::Json => (Alt::Json, self.json().unwrap_or_default().to_string()),
                Alt::Text => {
                    let mut lines = Vec::new();
                    self.lines("", &mut lines);
                    (Alt::Text, lined(&lines))
                }
            },
            (Self::Directory(_), false) => match alt.unwrap_or(Alt::Text) {
                Alt::Json => (Alt::Json, Value::from(self.names()).to_string()),
                Alt::Text => (Alt::Text, lined(&self.names())),
            },
            (entry, _) => match alt.unwrap_or(Alt::Text) {
                Alt::Json => (Alt::Json, entry.json().unwrap_or_default().to_string()),
                Alt::Text => (Alt::Text, entry.plain()),
            },
        }
    }

    fn plain(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Number(number) => number.to_string(),
            Self::List(items) => lined(items),
            Self::Directory(_) | Self::Made => String::new(),
        }
    }

    fn json(&self) -> Option<Value> {
        Some(match self {
            Self::Text(text) => text.clone().into(),
            Self::Number(number) => (*number).into(),
            Self::List(items) => items.clone().into(),
            Self::Made => return None,
            Self::Directory(entries) => {
                let member = |(name, entry): &(String, Self)| Some((camel(name), entry.json()?));
                Value::Object(entries.iter().filter_map(member).collect::<Map<_, _>>())
            }
        })
    }

    fn lines(&self, below: &str, lines: &mut Vec<String>) {
        match self {
            Self::Directory(entries) => {
                for (name, entry) in entries {
                    let path = match below {
                        "" => name.clone(),
                        below => format!("{below}/{name}"),
                    };
                    entry.lines(&path, lines);
                }
            }
            Self::List(items) => lines.extend(items.iter().map(|item| format!("{below} {item}"))),
            Self::Made => {}
            value => lines.push(format!("{below} {}", value.plain())),
        }
    }
}

fn lined(lines: &[String]) -> String {
    lines.iter().fold(String::new(), |text, line| text + line + "\n")
}

/// `service-accounts` is `serviceAccounts` in JSON. An account's address is not
/// changed.
fn camel(name: &str) -> String {
    if name.contains('@') {
        return name.to_owned();
    }
    let mut words = name.split('-');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |name, word| {
        let mut letters = word.chars();
        let initial = letters.next().map(|letter| letter.to_ascii_uppercase());
        name + &initial.into_iter().chain(letters).collect::<String>()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree() -> Entry {
        let scopes = Entry::List(vec!["a".into(), "b".into()]);
        let account = Entry::directory([("scopes", scopes), ("token", Entry::Made)]);
        Entry::directory([
            ("numeric-project-id", Entry::Number(7)),
            ("x-y@z", account),
            ("zone", Entry::text("here")),
        ])
    }

    #[test]
    fn a_directory_is_listed_with_a_slash_behind_directories() {
        let names = "numeric-project-id\nx-y@z/\nzone\n";
        assert_eq!(tree().shown(None, false), (Alt::Text, names.to_owned()));
        let (alt, json) = tree().shown(Some(Alt::Json), false);
        assert_eq!((alt, &*json), (Alt::Json, r#"["numeric-project-id","x-y@z/","zone"]"#));
    }

    #[test]
    fn all_of_it_is_json_in_camel_case_or_lines_of_path_and_value_and_no_token_is_in_it() {
        let (alt, json) = tree().shown(None, true);
        let expected = r#"{"numericProjectId":7,"x-y@z":{"scopes":["a","b"]},"zone":"here"}"#;
        assert_eq!((alt, &*json), (Alt::Json, expected));
        let (alt, text) = tree().shown(Some(Alt::Text), true);
        let expected = "numeric-project-id 7\nx-y@z/scopes a\nx-y@z/scopes b\nzone here\n";
        assert_eq!((alt, &*text), (Alt::Text, expected));
    }

    #[test]
    fn a_value_is_bare_text_or_json() {
        let tree = tree();
        let entry = tree.get("zone").unwrap();
        assert_eq!(entry.shown(None, false), (Alt::Text, "here".to_owned()));
        assert_eq!(entry.shown(Some(Alt::Json), true), (Alt::Json, "\"here\"".to_owned()));
        let scopes = tree.get("x-y@z").unwrap().get("scopes").unwrap();
        assert_eq!(scopes.shown(None, false), (Alt::Text, "a\nb\n".to_owned()));
    }
}
