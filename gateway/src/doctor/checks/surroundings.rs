//! Checks of what all services have in common: identities, keys, clocks.

use remint_idtoken::shell_word;

use super::Looked;
use crate::config::Service;
use crate::doctor::catalogue::Check;
use crate::doctor::facts::{Read, ServiceFacts};
use crate::doctor::finding::Finding;

/// How far clocks may differ, in seconds: what is tolerated of callers' tokens.
const TOLERATED: i64 = 30;

/// Whether tokens can be had for a service.
pub(super) fn mint(service: &Service, facts: &ServiceFacts) -> Option<Finding> {
    let failure = facts.mint.as_ref().err()?;
    let subject = format!("identity of {}", service.name);
    let found = Finding::new(Check::MintDenied, &subject, failure.said.clone());
    Some(match &failure.command {
        Some(command) => found.mended_by(command.clone()),
        None => found.advised("run it where the gateway runs, or say --account"),
    })
}

/// Key sets, the clock, and what could not be read; with what was looked at.
pub(super) fn check(looked: &Looked<'_>) -> (Vec<Finding>, Vec<String>) {
    let facts = looked.facts;
    let mut found = Vec::new();
    let mut subjects = Vec::new();
    for keys in &facts.keys {
        let subject = format!("keys of {}", keys.issuer);
        subjects.push(subject.clone());
        if let Some(problem) = &keys.problem {
            let cause = format!("{}: {problem}", keys.url);
            let finding = Finding::new(Check::KeysUnavailable, &subject, cause);
            let url = shell_word(&keys.url);
            found.push(finding.mended_by(format!("curl --silent --show-error --include {url}")));
        }
    }
    if let Some(ahead) = facts.google_ahead {
        subjects.push("clock".to_owned());
        if ahead.abs() > TOLERATED {
            let which = if ahead > 0 { "behind" } else { "ahead of" };
            let cause = format!("this machine's clock is {} s {which} Google's", ahead.abs());
            let finding = Finding::new(Check::ClockOff, "clock", cause);
            found.push(finding.mended_by("timedatectl set-ntp true"));
        }
    }
    let unread = facts.unread.iter().map(|(what, gap)| looked.unread(what, "", gap));
    found.extend(unread);
    if let Read::Unread(gap) = &facts.project.policy {
        found.push(looked.unread("project", "its IAM policy: ", gap));
    }
    (found, subjects)
}
