//! All that is said of a deployment, for people and for programs.

use std::fmt;

use remint_idtoken::Reason;
use serde_json::{Value, json};

use super::finding::{Finding, Level};

/// What came of all checks.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// What is not as it should be, in the order of the configuration.
    pub findings: Vec<Finding>,
    /// What is: each thing that was looked at and has no finding.
    pub passed: Vec<String>,
    /// What could be simpler.
    pub recommendations: Vec<String>,
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
        json!({
            "level": self.level().colour(),
            "findings": findings,
            "passed": self.passed,
            "recommendations": self.recommendations,
        })
    }

    /// All of it as a table; in colours for a terminal that shows them.
    #[must_use]
    pub fn table(&self, in_colours: bool) -> String {
        let subjects = self.findings.iter().map(|it| &it.subject).chain(&self.passed);
        let width = subjects.map(|it| it.chars().count()).max().unwrap_or_default();
        let mut lines = Vec::new();
        let mark = |level: Level| {
            let word = format!("{:5}", level.word());
            match (in_colours, level) {
                (false, _) => word,
                (true, Level::Green) => format!("\x1b[32m{word}\x1b[0m"),
                (true, Level::Amber) => format!("\x1b[33m{word}\x1b[0m"),
                (true, Level::Red) => format!("\x1b[1;31m{word}\x1b[0m"),
            }
        };
        for subject in &self.passed {
            lines.push(format!("{}  {}", mark(Level::Green), plain(subject)));
        }
        let mut findings: Vec<&Finding> = self.findings.iter().collect();
        findings.sort_by_key(|it| it.level());
        for finding in findings {
            let entry = finding.check.entry();
            let (level, subject) = (mark(finding.level()), plain(&finding.subject));
            let code = match finding.reason.map(Reason::code) {
                Some(reason) if reason != entry.code => format!("{} ({reason})", entry.code),
                _ => entry.code.to_owned(),
            };
            lines.push(format!("{level}  {subject:width$}  {code}: {}", plain(&finding.cause)));
            let advice =
                finding.advice.iter().map(|it| format!("       what to do: {}", plain(it)));
            lines.extend(advice);
            lines.extend(finding.command.iter().map(|it| format!("       $ {}", plain(it))));
        }
        let recommended = |it: &String| format!("could be simpler: {}", plain(it));
        lines.extend(self.recommendations.iter().map(recommended));
        let count = |level| self.findings.iter().filter(|it| it.level() == level).count();
        lines.push(format!(
            "{} ok, {} to look at, {} wrong",
            self.passed.len(),
            count(Level::Amber),
            count(Level::Red)
        ));
        lines.join("\n") + "\n"
    }
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
        let amber = Finding::new(Check::OpenToAll, "region orders/eu", "open");
        Report {
            findings: vec![red, amber],
            passed: vec!["clock".to_owned()],
            recommendations: Vec::new(),
        }
    }

    #[test]
    fn words_tell_the_levels_apart_and_nothing_from_outside_moves_the_cursor() {
        let table = report().to_string();
        let starts: Vec<_> = table.lines().map(|it| it.split(' ').next().unwrap()).collect();
        assert_eq!(starts, ["ok", "look", "WRONG", "", "1"]);
        assert!(!table.contains('\x1b') && table.contains("       $ gcloud x\n"), "{table}");
        assert!(report().table(true).contains("\x1b[1;31mWRONG\x1b[0m"));
    }

    #[test]
    fn the_worst_finding_is_the_level_of_all() {
        assert_eq!(Report::default().level(), Level::Green);
        let mut report = report();
        assert_eq!(report.to_json()["level"], "red");
        report.findings.remove(0);
        assert_eq!(report.level(), Level::Amber);
    }
}
