//! All that is said of a deployment, for people and for programs.

use std::fmt;

use remint_idtoken::Reason;
use serde_json::{Value, json};

use super::finding::{Finding, Level};

/// What came of all checks.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Where, and as whom.
    pub looked_at: LookedAt,
    /// What is not as it should be: what everything rests on first, then in the
    /// order of the configuration.
    pub findings: Vec<Finding>,
    /// What is: each thing that was looked at and has no finding.
    pub passed: Vec<String>,
    /// What could be simpler.
    pub recommendations: Vec<Recommendation>,
}

/// Where was looked, and as whom.
#[derive(Clone, Debug, Default)]
pub struct LookedAt {
    /// The project, if it is known.
    pub project: Option<String>,
    /// The service account that has read, if it is one whose name is known.
    pub reader: Option<String>,
}

/// What could be simpler.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recommendation {
    /// The service of the configuration.
    pub service: String,
    /// What would do, and what would be lost by it.
    pub text: String,
    /// The commands that would bring it about, in order.
    pub commands: Vec<String>,
}

impl Report {
    /// The worst of it.
    #[must_use]
    pub fn level(&self) -> Level {
        self.findings.iter().map(Finding::level).max().unwrap_or(Level::Green)
    }

    /// All of it as one JSON object.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let findings: Vec<Value> = self.findings.iter().map(Finding::to_json).collect();
        let recommendations = self
            .recommendations
            .iter()
            .map(|it| json!({ "service": it.service, "text": it.text, "commands": it.commands }));
        json!({
            "level": self.level().colour(),
            "project": self.looked_at.project,
            "reader": self.looked_at.reader,
            "findings": findings,
            "passed": self.passed,
            "recommendations": recommendations.collect::<Vec<_>>(),
        })
    }

    /// All of it as a table, in colours for a terminal that shows them. The worst
    /// comes last, where a terminal shows it.
    #[must_use]
    pub fn table(&self, in_colours: bool) -> String {
        let mut lines = vec![self.heading()];
        let subjects = self.findings.iter().map(|it| &it.subject).chain(&self.passed);
        let width = subjects.map(|it| it.chars().count()).max().unwrap_or_default();
        let table = Table { in_colours, width };
        lines.extend(self.passed.iter().map(|it| table.mark(Level::Green) + &plain(it)));
        for it in &self.recommendations {
            lines.push(format!("could be simpler: {}: {}", plain(&it.service), plain(&it.text)));
            lines.extend(it.commands.iter().map(|it| command(it)));
        }
        let mut findings: Vec<&Finding> = self.findings.iter().collect();
        findings.sort_by_key(|it| it.level());
        for (at, finding) in findings.iter().enumerate() {
            let before = at.checked_sub(1).and_then(|at| findings.get(at));
            let after = at.checked_add(1).and_then(|at| findings.get(at));
            let is_same = |other: Option<&&Finding>| other.is_some_and(|it| finding.is_like(it));
            lines.push(table.finding(finding, is_same(before)));
            if !is_same(after) {
                lines.extend(remedy(finding));
            }
        }
        lines.push(self.count());
        lines.join("\n") + "\n"
    }

    fn heading(&self) -> String {
        let LookedAt { project, reader } = &self.looked_at;
        let project = project.as_deref().unwrap_or("not known");
        let reader = reader.as_ref().map(|it| format!(", read as {}", plain(it)));
        format!("project: {}{}", plain(project), reader.unwrap_or_default())
    }

    fn count(&self) -> String {
        let count = |level| self.findings.iter().filter(|it| it.level() == level).count();
        let (amber, red) = (count(Level::Amber), count(Level::Red));
        format!("{} ok, {amber} to look at, {red} wrong", self.passed.len())
    }
}

/// How lines are written.
struct Table {
    in_colours: bool,
    /// Of the column of subjects.
    width: usize,
}

impl Table {
    fn mark(&self, level: Level) -> String {
        let word = format!("{:5}", level.word());
        let colour = match level {
            Level::Green => "32",
            Level::Amber => "33",
            Level::Red => "1;31",
        };
        match self.in_colours {
            true => format!("\x1b[{colour}m{word}\x1b[0m  "),
            false => format!("{word}  "),
        }
    }

    /// A finding that is like the one before says no more than that.
    fn finding(&self, finding: &Finding, is_like_before: bool) -> String {
        let code = finding.check.entry().code;
        let code = match finding.reason.map(Reason::code) {
            Some(reason) if reason != code => format!("{code} ({reason})"),
            _ => code.to_owned(),
        };
        let cause = if is_like_before { "the same".to_owned() } else { plain(&finding.cause) };
        let (mark, subject) = (self.mark(finding.level()), plain(&finding.subject));
        format!("{mark}{subject:0$}  {code}: {cause}", self.width)
    }
}

fn remedy(finding: &Finding) -> impl Iterator<Item = String> {
    let advice = finding.advice.iter().map(|it| format!("       what to do: {}", plain(it)));
    advice.chain(finding.command.iter().map(|it| command(it)))
}

fn command(text: &str) -> String {
    format!("       $ {}", plain(text))
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.table(false))
    }
}

/// Names and URLs come from others: none of them moves a terminal's cursor.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::catalogue::Check;

    fn report() -> Report {
        let red = Finding::new(Check::InvokerMissing, "region orders/us", "no\x1b[2J role")
            .mended_by("gcloud x");
        let unread = |region| {
            Finding::new(Check::Unread, &format!("region orders/{region}"), "403")
                .mended_by("gcloud y")
        };
        Report {
            looked_at: LookedAt { project: Some("p".to_owned()), reader: None },
            findings: vec![red, unread("eu"), unread("asia")],
            passed: vec!["clock".to_owned()],
            recommendations: Vec::new(),
        }
    }

    #[test]
    fn words_tell_the_levels_apart_and_nothing_from_outside_moves_the_cursor() {
        let table = report().to_string();
        let expected = "\
project: p
ok     clock
look   region orders/eu    unread: 403
look   region orders/asia  unread: the same
       $ gcloud y
WRONG  region orders/us    invoker_missing: no\u{fffd}[2J role
       $ gcloud x
1 ok, 2 to look at, 1 wrong
";
        assert_eq!(table, expected);
        assert!(report().table(true).contains("\x1b[1;31mWRONG\x1b[0m"));
    }

    #[test]
    fn the_worst_finding_is_the_level_of_all() {
        assert_eq!(Report::default().level(), Level::Green);
        let mut report = report();
        assert_eq!(report.to_json()["level"], "red");
        report.findings.remove(0);
        assert_eq!(report.level(), Level::Amber);
        assert_eq!(report.to_json()["project"], "p");
    }
}
