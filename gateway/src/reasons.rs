//! What is known of each reason for refusals, as a page in Markdown.

use std::fmt::Write;

use remint_idtoken::{Reason, Teller};

mod commands;

use commands::commands;

const HEAD: &str = "\
# Why a request was refused

Callers are told a status and nothing more. Operators find one of these codes, the same
everywhere, where the part of Remint that refuses tells of it:

| told by | where |
|---|---|
";

const REST: &str = "
Codes stay the same from version to version. `remint reasons CODE` prints a part of this
page, and `remint reasons --markdown` is where all of it comes from.

In the commands capitals stand for what a request does not tell. Logs, `remint explain`
and `remint doctor` fill in what is known: the account and audience that the rule takes,
the URL that was called, the service and region of a URL, the queue or job that sent.

The first part is found out by filter and gateway themselves, in the order of their
checks. The second part is found out elsewhere: by Google's front ends, by senders, and
by whoever mints.
";

/// The page, with an anchor for each code.
#[must_use]
pub fn page() -> String {
    let mut page = HEAD.to_owned();
    for teller in Teller::ALL {
        let _ = writeln!(page, "| {} | {} |", teller.name(), teller.place());
    }
    page.push_str(REST);
    for (title, ours) in [("Found out here", true), ("Found out elsewhere", false)] {
        let _ = writeln!(page, "\n## {title}");
        let reasons = Reason::ALL.into_iter().filter(|it| it.is_of_verification() == ours);
        for reason in reasons {
            let _ = write!(page, "\n{}", section(reason));
        }
    }
    page
}

/// What is known of one.
#[must_use]
pub fn section(reason: Reason) -> String {
    let entry = reason.entry();
    let mut text = format!("### {}\n\n{}. {}\n", entry.code, capital(entry.summary), entry.meaning);
    if reason.is_of_verification() {
        let _ = writeln!(text, "\nThe caller gets {}.", entry.answer.status());
    }
    let tellers: Vec<&str> = reason.told_by().map(Teller::name).collect();
    let _ = writeln!(text, "\nTold by {}.", listed(&tellers));
    let _ = writeln!(text, "\nMostly it comes from:\n");
    for (number, cause) in (1_u32..).zip(entry.causes) {
        let _ = writeln!(text, "{number}. {cause}");
    }
    let _ = writeln!(text, "\nWhat to do: {}.", entry.advice);
    let commands = commands(reason);
    if !commands.is_empty() {
        let _ = writeln!(text, "\n```sh\n{}\n```", commands.join("\n"));
    }
    if !entry.terraform.is_empty() {
        let _ = writeln!(text, "\nIn Terraform:\n");
        for attribute in entry.terraform {
            let _ = writeln!(text, "- `{attribute}`");
        }
    }
    text
}

fn listed(names: &[&str]) -> String {
    match names {
        [all @ .., last] if !all.is_empty() => format!("{} and {last}", all.join(", ")),
        _ => names.concat(),
    }
}

/// With a capital at its beginning.
pub(crate) fn capital(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|first| first.to_uppercase().to_string());
    first.unwrap_or_default() + letters.as_str()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Written anew with `UPDATE_DOCS=1 cargo test -p remint-gateway reasons`.
    #[test]
    fn the_documentation_s_page_is_this_one() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/reasons.md");
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(path, page()).unwrap();
        }
        let shipped = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            shipped == page(),
            "docs/reasons.md is not what `remint reasons --markdown` prints"
        );
    }

    #[test]
    fn every_code_has_its_anchor_once() {
        let page = page();
        for reason in Reason::ALL {
            let heading = format!("\n### {}\n", reason.code());
            assert_eq!(page.matches(&heading).count(), 1, "{}", reason.code());
        }
    }
}
