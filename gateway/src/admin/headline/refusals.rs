//! What is wrong with what callers send.

use super::{Facts, Group, Level, RuleFacts, Trouble, counted, trouble};

/// Fewer refusals by a rule are told in passing: one stranger who tries is no
/// trouble.
const ENOUGH: u64 = 3;
/// And so is a smaller share of its requests, of which this many are one refusal.
const SHARE: u64 = 10;

impl Facts {
    /// Rules that refuse much of what comes stand for themselves: their callers
    /// are not served, rightly or not. The rest is a note.
    pub(super) fn look_at_refusals(&self, found: &mut Vec<Trouble>) {
        let refusing = self.rules.iter().filter(|rule| !rule.groups.is_empty());
        let (many, few): (Vec<_>, Vec<_>) = refusing.partition(|rule| rule.refuses_much());
        let mut many: Vec<_> = many.iter().filter_map(|rule| rule.trouble()).collect();
        found.append(&mut many);
        found.extend(in_passing(&few));
    }
}

impl RuleFacts {
    fn all(&self) -> u64 {
        self.passed.saturating_add(self.refused)
    }

    fn refuses_much(&self) -> bool {
        self.name.is_some()
            && self.refused >= ENOUGH
            && self.refused.saturating_mul(SHARE) >= self.all()
    }

    fn trouble(&self) -> Option<Trouble> {
        let (name, service) = (self.name.as_ref()?, self.service.as_ref()?);
        let first = self.groups.first()?;
        let share = match self.passed {
            0 => format!("all {} requests", self.refused),
            _ => format!("{} of {} requests", self.refused, self.all()),
        };
        let text = format!(
            "{service}: the rule {name} refused {share} in the last minute, {}",
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

fn in_passing(rules: &[&RuleFacts]) -> Option<Trouble> {
    let mut groups: Vec<_> = rules.iter().flat_map(|rule| &rule.groups).collect();
    groups.sort_by_key(|group| std::cmp::Reverse(group.count));
    let first = groups.first()?;
    let all = rules.iter().map(|rule| rule.refused).fold(0, u64::saturating_add);
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
