//! What is known of each reason for refusals, as a page in Markdown.

use std::fmt::Write;

use remint_idtoken::Reason;

const HEAD: &str = "\
# Why a request was refused

Callers are told a status and nothing more. Operators find one of these codes in the
logs of the filter and of the gateway (`reason`), in both programs' metrics, and in the
emulator's timeline. Codes stay the same from version to version. `remint reasons CODE`
prints a part of this page, and `remint reasons --markdown` is where all of it comes
from.

The first part is found out by filter and gateway themselves, in the order of their
checks. The second part is found out elsewhere: by Google's front ends, by senders, and
by whoever mints.
";

/// The page, with an anchor for each code.
#[must_use]
pub fn page() -> String {
    let mut page = HEAD.to_owned();
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
    let _ = writeln!(text, "\nMostly it comes from:\n");
    for (number, cause) in (1_u32..).zip(entry.causes) {
        let _ = writeln!(text, "{number}. {cause}");
    }
    let _ = writeln!(text, "\nWhat to do: {}.", entry.advice);
    if !entry.terraform.is_empty() {
        let _ = writeln!(text, "\nIn Terraform:\n");
        for attribute in entry.terraform {
            let _ = writeln!(text, "- `{attribute}`");
        }
    }
    text
}

fn capital(text: &str) -> String {
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
