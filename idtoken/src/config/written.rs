//! A configuration that is written from flags and then read as if it stood in
//! a file, so that the same is right and wrong in both.

use std::fmt;

use super::Problem;

/// A configuration that was written from flags.
#[derive(Debug)]
pub struct Written {
    /// In YAML.
    pub text: String,
    /// Where its parts come from.
    pub sources: Vec<Source>,
}

/// Where a part of it comes from.
#[derive(Debug)]
pub struct Source {
    path: String,
    flag: &'static str,
    /// The value, where the flag may be repeated.
    value: Option<String>,
}

impl Source {
    /// What is at `path` comes from a flag.
    #[must_use]
    pub fn of(path: impl Into<String>, flag: &'static str) -> Self {
        Self { path: path.into(), flag, value: None }
    }

    /// The list at `path` comes from a flag that is repeated: each item from
    /// one of these values.
    pub fn of_each<'v>(
        path: &'v str,
        flag: &'static str,
        values: &'v [String],
    ) -> impl Iterator<Item = Self> + 'v {
        let item = move |(place, value): (usize, &String)| Self {
            value: Some(value.clone()),
            ..Self::of(format!("{path}[{place}]"), flag)
        };
        values.iter().enumerate().map(item).chain([Self::of(path, flag)])
    }

    /// Whether what is at `path` is this, or a part of it.
    fn has(&self, path: &str) -> bool {
        let rest = path.strip_prefix(&self.path);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
    }
}

impl Written {
    /// These mistakes in it, as mistakes in the flags.
    #[must_use]
    pub fn mistakes(&self, problems: &[Problem]) -> FlagMistakes {
        let mut lines: Vec<String> = Vec::new();
        for line in problems.iter().map(|problem| self.told(problem)) {
            // A flag may stand for several parts, each wrong in the same way.
            if !lines.contains(&line) {
                lines.push(line);
            }
        }
        FlagMistakes(lines)
    }

    /// A mistake, with the flag that made it. What has no flag comes from the
    /// environment, and says so itself.
    fn told(&self, problem: &Problem) -> String {
        let found = self.sources.iter().filter(|source| source.has(&problem.path));
        let Some(Source { flag, value, .. }) = found.max_by_key(|source| source.path.len()) else {
            return problem.message.clone();
        };
        let value = value.as_ref().map(|value| format!("{value:?}"));
        match value.filter(|value| !problem.message.contains(value)) {
            Some(value) => format!("{flag} {value}: {}", problem.message),
            None => format!("{flag}: {}", problem.message),
        }
    }
}

/// What is wrong with the flags, each mistake on its line.
#[derive(Debug)]
pub struct FlagMistakes(Vec<String>);

impl std::error::Error for FlagMistakes {}

impl fmt::Display for FlagMistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("\n"))
    }
}

/// A line with a member, if it has a value.
#[must_use]
pub fn member(name: &str, value: Option<&str>) -> String {
    value.map(|value| format!("{name}: {}\n", quoted(value))).unwrap_or_default()
}

/// A list on one line.
#[must_use]
pub fn list(values: &[String]) -> String {
    let quoted: Vec<_> = values.iter().map(|value| quoted(value)).collect();
    format!("[{}]", quoted.join(", "))
}

/// A text between double quotes: what is not plain ASCII is escaped, as YAML
/// allows few of such characters (YAML 1.2.2, sections 5.1 and 5.7).
#[must_use]
pub fn quoted(text: &str) -> String {
    let escaped = |c: char| match c {
        '"' | '\\' => format!("\\{c}"),
        ' '..='~' => c.to_string(),
        _ => format!("\\U{:08X}", u32::from(c)),
    };
    format!("\"{}\"", text.chars().map(escaped).collect::<String>())
}
