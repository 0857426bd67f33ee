//! Walking a configuration tree and writing down every mistake.

use std::cell::RefCell;
use std::fmt;
use std::time::Duration;

use super::node::{Kind, Member, Node, Position};

/// One mistake: where it is, and what to do.
#[derive(Clone, Debug, PartialEq)]
pub struct Problem {
    /// The path from the root, such as `policy.rules[2].audiences`.
    pub path: String,
    /// The place in the file, if the format tells.
    pub at: Option<Position>,
    /// What is wrong and what was expected.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(Position { line, column }) = self.at {
            write!(f, "{line}:{column}: ")?;
        }
        match self.path.as_str() {
            "" => write!(f, "{}", self.message),
            path => write!(f, "{path}: {}", self.message),
        }
    }
}

/// All mistakes of a document. Readers share it.
#[derive(Debug, Default)]
pub struct Problems(RefCell<Vec<Problem>>);

impl Problems {
    /// Adds one.
    pub fn add(&self, problem: Problem) {
        self.0.borrow_mut().push(problem);
    }

    /// The mistakes, in the order in which they were found.
    #[must_use]
    pub fn into_vec(self) -> Vec<Problem> {
        self.0.into_inner()
    }

    /// The value if there was no mistake, else all of them.
    ///
    /// # Errors
    /// The mistakes. A missing value without one counts as a mistake too.
    pub fn finish<T>(self, value: Option<T>) -> Result<T, Vec<Problem>> {
        let mut found = self.into_vec();
        match value {
            Some(value) if found.is_empty() => Ok(value),
            _ => {
                if found.is_empty() {
                    let message = "can't be read".to_owned();
                    found.push(Problem { path: String::new(), at: None, message });
                }
                Err(found)
            }
        }
    }
}

/// One value of the document, with its path.
#[derive(Clone)]
pub struct Reader<'n> {
    node: &'n Node,
    path: String,
    problems: &'n Problems,
}

impl<'n> Reader<'n> {
    /// A reader of the whole document.
    #[must_use]
    pub fn root(node: &'n Node, problems: &'n Problems) -> Self {
        Self { node, path: String::new(), problems }
    }

    /// Writes down a mistake at this value.
    pub fn problem(&self, message: impl Into<String>) {
        let (path, at) = (self.path.clone(), self.node.at);
        self.problems.add(Problem { path, at, message: message.into() });
    }

    /// The value, whatever it is.
    #[must_use]
    pub fn node(&self) -> &'n Node {
        self.node
    }

    /// The path from the root, such as `services[0].name`.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Whether the value is a mapping.
    #[must_use]
    pub fn is_mapping(&self) -> bool {
        matches!(self.node.kind, Kind::Map(_))
    }

    /// Whether a mistake was written down at this value or inside of it.
    #[must_use]
    pub fn has_mistakes(&self) -> bool {
        let is_inside = |problem: &Problem| {
            let rest = problem.path.strip_prefix(&self.path);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        };
        self.problems.0.borrow().iter().any(is_inside)
    }

    /// Writes down the names that occur twice: names must tell things apart.
    pub fn distinct<'a>(&self, what: &str, names: impl Iterator<Item = &'a str>) {
        let mut seen = std::collections::HashSet::new();
        for name in names.filter(|name| !seen.insert(*name)) {
            self.problem(format!("the {what} {name:?} occurs twice"));
        }
    }

    /// Writes down that this name, which should be one of `known`, is not.
    pub fn unknown(&self, name: &str, what: &str, known: &[&str]) {
        let hint = hint(name, known);
        self.problem(format!("{name:?} is {what}; {hint}"));
    }

    /// The member of that name, if the value is a mapping that has it. Nothing
    /// is written down: this is for a second look at what was read.
    #[must_use]
    pub fn member(&self, name: &str) -> Option<Reader<'n>> {
        let Kind::Map(members) = &self.node.kind else {
            return None;
        };
        let found = members.iter().find(|member| member.name == name)?;
        Some(self.below(found))
    }

    /// The items, if the value is a list. Nothing is written down.
    #[must_use]
    pub fn elements(&self) -> Vec<Reader<'n>> {
        let Kind::List(items) = &self.node.kind else {
            return Vec::new();
        };
        let item = |(place, node)| {
            let path = format!("{}[{place}]", self.path);
            Reader { node, path, problems: self.problems }
        };
        items.iter().enumerate().map(item).collect()
    }

    fn below(&self, member: &'n Member) -> Reader<'n> {
        let path = match self.path.as_str() {
            "" => member.name.clone(),
            parent => format!("{parent}.{}", member.name),
        };
        Reader { node: &member.value, path, problems: self.problems }
    }

    fn expected<T>(&self, what: &str) -> Option<T> {
        self.problem(format!("expected {what}, found {}", self.node.kind.name()));
        None
    }

    /// The value as a text that is not empty.
    #[must_use]
    pub fn text(&self) -> Option<&'n str> {
        match &self.node.kind {
            Kind::Text(text) if text.is_empty() => {
                self.problem("must not be empty");
                None
            }
            Kind::Text(text) => Some(text),
            _ => self.expected("a text"),
        }
    }

    /// The value as true or false.
    #[must_use]
    pub fn flag(&self) -> Option<bool> {
        match self.node.kind {
            Kind::Bool(flag) => Some(flag),
            _ => self.expected("true or false"),
        }
    }

    /// The value as a whole number within these bounds.
    #[must_use]
    pub fn whole_within(&self, least: u32, most: u32) -> Option<usize> {
        let Kind::Number(number) = self.node.kind else {
            return self.expected("a whole number");
        };
        let is_whole = number.fract() == 0.0;
        if !is_whole || !(f64::from(least)..=f64::from(most)).contains(&number) {
            self.problem(format!(
                "{number} is out of bounds: a whole number from {least} to {most}"
            ));
            return None;
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it is within the bounds of two numbers of this type"
        )]
        let whole = number as u32;
        usize::try_from(whole).ok()
    }

    /// The value as a time span of any length, such as `30s` or `1h 30m`.
    #[must_use]
    pub fn duration(&self) -> Option<Duration> {
        self.duration_within(Duration::ZERO, Duration::MAX)
    }

    /// The value as a time span within these bounds, such as `30s` or `1h 30m`.
    #[must_use]
    pub fn duration_within(&self, least: Duration, most: Duration) -> Option<Duration> {
        let Kind::Text(text) = &self.node.kind else {
            return self.expected("a time span such as 30s, 5m or 1h");
        };
        match humantime::parse_duration(text) {
            Ok(span) if (least..=most).contains(&span) => Some(span),
            Ok(_) => {
                let [least, most] = [least, most].map(humantime::format_duration);
                self.problem(format!("{text} is out of bounds: from {least} to {most}"));
                None
            }
            Err(_) => {
                self.problem(format!("{text:?} is no time span: write it as 30s, 5m or 1h"));
                None
            }
        }
    }

    /// The value as text, read by `parse`, whose error says what is wrong.
    #[must_use]
    pub fn parsed<T, E: fmt::Display>(&self, parse: impl Fn(&str) -> Result<T, E>) -> Option<T> {
        parse(self.text()?).map_err(|error| self.problem(error.to_string())).ok()
    }

    /// The value as one of several names.
    #[must_use]
    pub fn choice<T: Copy>(&self, choices: &[(&str, T)]) -> Option<T> {
        let text = self.text()?;
        let found = choices.iter().find(|(name, _)| *name == text);
        if found.is_none() {
            let names: Vec<_> = choices.iter().map(|(name, _)| *name).collect();
            self.problem(format!("{text:?} is not one of: {}", names.join(", ")));
        }
        found.map(|(_, value)| *value)
    }

    /// The items of a list that is not empty.
    #[must_use]
    pub fn items(&self) -> Option<Vec<Reader<'n>>> {
        let Kind::List(items) = &self.node.kind else {
            return self.expected("a list");
        };
        if items.is_empty() {
            self.problem("must not be empty");
            return None;
        }
        Some(self.elements())
    }

    /// All items of a list, read by `read`; nothing if one of them can't be
    /// read. Each is looked at, so that each mistake is written down.
    #[must_use]
    pub fn list<T>(&self, read: impl Fn(&Reader<'n>) -> Option<T>) -> Option<Vec<T>> {
        let items: Vec<Option<T>> = self.items()?.iter().map(read).collect();
        items.into_iter().collect()
    }

    /// The members of a mapping. Names that occur twice are mistakes.
    #[must_use]
    pub fn object(&self) -> Option<Object<'n>> {
        let Kind::Map(members) = &self.node.kind else {
            return self.expected("a mapping");
        };
        let object = Object { reader: self.clone(), members, known: Vec::new() };
        for (place, member) in members.iter().enumerate() {
            if members.iter().take(place).any(|earlier| earlier.name == member.name) {
                object.problem_with(member, "occurs twice: keep one".to_owned());
            }
        }
        Some(object)
    }
}

/// The members of a mapping. Those that nobody asks for are mistakes, which
/// [`Object::finish`] writes down.
pub struct Object<'n> {
    reader: Reader<'n>,
    members: &'n [Member],
    known: Vec<&'static str>,
}

impl<'n> Object<'n> {
    /// The member of that name, if it is there.
    pub fn get(&mut self, name: &'static str) -> Option<Reader<'n>> {
        self.known.push(name);
        let found = self.members.iter().find(|member| member.name == name)?;
        Some(self.member(found))
    }

    /// The member of that name; its absence is a mistake.
    pub fn need(&mut self, name: &'static str) -> Option<Reader<'n>> {
        let member = self.get(name);
        if member.is_none() {
            self.reader.problem(format!("{name:?} is missing"));
        }
        member
    }

    /// A member that may be absent. Outside: whether it can be read; inside:
    /// whether it is there.
    pub fn maybe<T>(
        &mut self,
        name: &'static str,
        read: impl Fn(&Reader<'n>) -> Option<T>,
    ) -> Option<Option<T>> {
        match self.get(name) {
            None => Some(None),
            Some(member) => read(&member).map(Some),
        }
    }

    /// All members, for mappings whose names are the user's own.
    #[must_use]
    pub fn entries(&self) -> Vec<(&'n str, Reader<'n>)> {
        self.members.iter().map(|member| (member.name.as_str(), self.member(member))).collect()
    }

    /// The mapping itself, for mistakes that concern it as a whole.
    #[must_use]
    pub fn reader(&self) -> &Reader<'n> {
        &self.reader
    }

    /// Writes down the members that nobody asked for.
    pub fn finish(self) {
        for member in self.members {
            if self.known.contains(&member.name.as_str()) {
                continue;
            }
            let hint = hint(&member.name, &self.known);
            self.problem_with(member, format!("is not a setting; {hint}"));
        }
    }

    fn member(&self, member: &'n Member) -> Reader<'n> {
        self.reader.below(member)
    }

    /// Writes down a mistake that is in the name, where the name is.
    fn problem_with(&self, member: &'n Member, message: String) {
        let Reader { node, path, problems } = self.member(member);
        problems.add(Problem { path, at: member.at.or(node.at), message });
    }
}

/// What helps whoever wrote a name that is not known.
fn hint(name: &str, known: &[&str]) -> String {
    match (nearest(name, known), known) {
        (Some(near), _) => format!("did you mean {near:?}?"),
        (None, []) => "there is none".to_owned(),
        (None, known) => format!("known here: {}", known.join(", ")),
    }
}

/// The known name that a mistyped one most likely means.
fn nearest<'k>(name: &str, known: &[&'k str]) -> Option<&'k str> {
    let scored = known.iter().map(|candidate| (distance(name, candidate), *candidate));
    let (distance, candidate) = scored.min()?;
    let allowed = candidate.len().max(name.len()).div_euclid(2);
    (distance <= allowed).then_some(candidate)
}

/// Levenshtein's distance, in bytes.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.bytes().enumerate() {
        let mut diagonal = i;
        let mut left = i.saturating_add(1);
        let mut next = vec![left];
        for (to, above) in b.bytes().zip(row.iter().skip(1)) {
            let replaced = diagonal.saturating_add(usize::from(from != to));
            left = replaced.min(above.saturating_add(1)).min(left.saturating_add(1));
            diagonal = *above;
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(json: &str, read: impl Fn(&Reader<'_>)) -> Vec<String> {
        let node: Node = serde_json::from_str(json).unwrap();
        let problems = Problems::default();
        read(&Reader::root(&node, &problems));
        problems.into_vec().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn every_mistake_is_reported_with_its_path() {
        let text = r#"{"name": 7, "rules": [{"on": "yes"}, {"wait": "soon"}, {"wait": "2h"}], "nmae": "x"}"#;
        let found = problems(text, |root| {
            let mut object = root.object().unwrap();
            let _ = object.need("name").and_then(|name| name.text());
            let _ = object.need("colour");
            for rule in object.get("rules").unwrap().items().unwrap() {
                let mut rule = rule.object().unwrap();
                let _ = rule.maybe("on", Reader::flag);
                let (least, most) = (Duration::from_secs(1), Duration::from_secs(60));
                let _ = rule.maybe("wait", |wait| wait.duration_within(least, most));
                rule.finish();
            }
            object.finish();
        });
        assert_eq!(
            found,
            [
                "name: expected a text, found a number",
                "\"colour\" is missing",
                "rules[0].on: expected true or false, found a text",
                "rules[1].wait: \"soon\" is no time span: write it as 30s, 5m or 1h",
                "rules[2].wait: 2h is out of bounds: from 1s to 1m",
                "nmae: is not a setting; did you mean \"name\"?",
            ]
        );
    }

    #[test]
    fn a_name_that_occurs_twice_is_a_mistake() {
        let found = problems(r#"{"a": 1, "a": 2}"#, |root| drop(root.object()));
        assert_eq!(found, ["a: occurs twice: keep one"]);
    }

    #[test]
    fn distances_are_counted_in_single_edits() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(nearest("audience", &["audiences", "name"]), Some("audiences"));
        assert_eq!(nearest("zebra", &["audiences", "name"]), None);
    }
}
