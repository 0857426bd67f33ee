//! What is wrong with what callers send and get.

use super::{FAILURES, Facts, Group, Level, RuleFacts, Trouble, counted, trouble};

/// Fewer requests of a rule are no trouble: one stranger who tries, one that is
/// sent again.
const ENOUGH: u64 = 3;
/// And so is a smaller share of its requests, of which this many are one of these.
const SHARE: u64 = 10;

impl Facts {
    /// Rules that refuse much of what comes stand for themselves, and so do those
    /// by which much fails: their callers are not served, rightly or not. Other
    /// refusals are a note.
    pub(super) fn look_at_traffic(&self, found: &mut Vec<Trouble>) {
        found.extend(self.rules.iter().filter_map(RuleFacts::failures));
        let refusing = self.rules.iter().filter(|rule| !rule.groups.is_empty());
        let (many, few): (Vec<_>, Vec<_>) = refusing.partition(|rule| rule.refuses_much());
        let mut many: Vec<_> = many.iter().filter_map(|rule| rule.trouble()).collect();
        found.append(&mut many);
        found.extend(in_passing(&few));
    }
}

impl RuleFacts {
    /// Much of what it lets through is not served.
    fn failures(&self) -> Option<Trouble> {
        let (name, service) = (self.name.as_ref()?, self.service.as_ref()?);
        let failed = self.count.failed.iter().copied().fold(0, u64::saturating_add);
        if !is_much(failed, self.count.passed) {
            return None;
        }
        let (most, (_, words)) =
            self.count.failed.iter().zip(FAILURES).max_by_key(|(it, _)| **it)?;
        let mostly = if *most == failed { "" } else { "mostly " };
        let text = format!(
            "{service}: {} by the rule {name} failed in the last minute: {mostly}{words}",
            share(failed, self.count.passed),
        );
        Some(Trouble { service: Some(service.clone()), ..trouble(Level::Warning, text) })
    }

    fn all(&self) -> u64 {
        self.count.passed.saturating_add(self.count.refused)
    }

    fn refuses_much(&self) -> bool {
        self.name.is_some() && is_much(self.count.refused, self.all())
    }

    fn trouble(&self) -> Option<Trouble> {
        let (name, service) = (self.name.as_ref()?, self.service.as_ref()?);
        let first = self.groups.first()?;
        let text = format!(
            "{service}: the rule {name} refused {} in the last minute, {}",
            share(self.count.refused, self.all()),
            mostly(&self.groups.iter().collect::<Vec<_>>()),
        );
        Some(Trouble {
            service: Some(service.clone()),
            command: first.command.clone(),
            reason: Some(first.reason.clone()),
            ..trouble(Level::Warning, text)
        })
    }
}

fn is_much(some: u64, of: u64) -> bool {
    some >= ENOUGH && some.saturating_mul(SHARE) >= of
}

fn share(some: u64, of: u64) -> String {
    if some == of { format!("all {of} requests") } else { format!("{some} of {of} requests") }
}

fn in_passing(rules: &[&RuleFacts]) -> Option<Trouble> {
    let mut groups: Vec<_> = rules.iter().flat_map(|rule| &rule.groups).collect();
    groups.sort_by_key(|group| std::cmp::Reverse(group.count));
    let first = groups.first()?;
    let all = rules.iter().map(|rule| rule.count.refused).fold(0, u64::saturating_add);
    let were = if all == 1 { "was" } else { "were" };
    let by = match &first.rule {
        Some(rule) => format!(" by the rule {rule}"),
        None => String::new(),
    };
    let text = format!(
        "{} {were} refused in the last minute, {}{by}",
        counted(usize::try_from(all).unwrap_or(usize::MAX), "request"),
        mostly(&groups),
    );
    let (command, reason) = (first.command.clone(), Some(first.reason.clone()));
    Some(Trouble { command, reason, ..trouble(Level::Notice, text) })
}

/// For what they were refused, of which the first is the most frequent.
fn mostly(groups: &[&Group]) -> String {
    let Some((first, others)) = groups.split_first() else { return String::new() };
    let rest = others.iter().map(|it| it.count).fold(0, usize::saturating_add);
    let how = match others.first() {
        None => "for",
        Some(_) if first.count > rest => "mostly for",
        // None of them is what most were refused for.
        Some(_) => "among other reasons for",
    };
    format!("{how} {} ({})", first.reason, first.message)
}
