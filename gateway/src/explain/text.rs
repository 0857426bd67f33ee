//! An explanation for people: what is wrong and what mends it first, then the walk.

use std::fmt;

use remint_idtoken::policy::{Miss, Other, Outcome, Step, TokenWalk};
use remint_idtoken::{Expected, Reason, Refusal, UnixTime};
use serde_json::Value;

use super::explanation::{Decided, shown};
use super::{Explanation, meanings};
use crate::reasons::capital;

/// How many of several values are shown.
const LISTED: usize = 8;
/// Where what was found stands in a line.
const MARGIN: usize = 29;

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_head(f)?;
        writeln!(f, "\n{}", self.request())?;
        writeln!(f, "  at {}", self.now)?;
        if let Some(sender) = self.sender {
            writeln!(f, "  looks like {}", sender.name())?;
        }
        if let Some(status) = self.captured.answered {
            writeln!(f, "  was answered with {status}")?;
        }
        self.notes.iter().try_for_each(|note| writeln!(f, "  note: {}", shown(note)))?;
        writeln!(f)?;
        self.write_steps(f, &self.walk.steps)?;
        self.write_other_rules(f)?;
        for token in &self.walk.tokens {
            self.write_token(f, token)?;
        }
        match self.refusal() {
            Some(refusal) => writeln!(f, "\nMore of it: remint reasons {}", refusal.reason.code()),
            None => Ok(()),
        }
    }
}

impl Explanation {
    fn write_head(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.decided() {
            Decided::Admitted(admission) => {
                let (verdict, rule) = (admission.verdict().name(), admission.rule().name());
                writeln!(f, "LET THROUGH ({verdict}), by rule {rule:?}.")?;
                if let Some(other) = self.other_answer() {
                    writeln!(f, "{}.", capital(&other))?;
                }
                match admission.reported() {
                    None => Ok(()),
                    Some(refusal) => {
                        writeln!(f, "The rule only reports; it would refuse this.\n")?;
                        self.write_refusal(f, "WOULD BE REFUSED", refusal)
                    }
                }
            }
            Decided::Unchecked => self.write_unchecked(f),
            Decided::Refused(refusal) => {
                self.write_refusal(f, "REFUSED", refusal)?;
                if self.is_old(refusal) {
                    writeln!(
                        f,
                        "\nIf the request came earlier, say when: --at 2026-01-31T12:00:00Z or what \
                         the log has."
                    )?;
                }
                // One list of commands is enough to read.
                let mut has_commands = !self.commands(refusal).is_empty();
                for other in self.also() {
                    let (code, summary) = (other.reason.code(), other.reason.summary());
                    writeln!(f, "\nALSO WRONG: {code}, {summary}.")?;
                    self.write_remedy(f, other, !has_commands)?;
                    has_commands |= !self.commands(other).is_empty();
                }
                Ok(())
            }
        }
    }

    fn write_refusal(
        &self,
        f: &mut fmt::Formatter<'_>,
        word: &str,
        refusal: &Refusal,
    ) -> fmt::Result {
        let (code, status) = (refusal.reason.code(), refusal.answer().status());
        writeln!(f, "{word} with {status}: {code}, {}.", refusal.reason.summary())?;
        self.write_remedy(f, refusal, true)
    }

    /// How near it was, what to do, and the commands that do it.
    fn write_remedy(
        &self,
        f: &mut fmt::Formatter<'_>,
        refusal: &Refusal,
        with_commands: bool,
    ) -> fmt::Result {
        if let Some(note) = self.note(refusal) {
            writeln!(f, "{}.", capital(&note))?;
        }
        writeln!(f, "What to do: {}.", refusal.remedy().advice)?;
        let commands = if with_commands { self.commands(refusal) } else { Vec::new() };
        if !commands.is_empty() {
            writeln!(f)?;
        }
        for (sender, command) in &commands {
            if !sender.is_empty() {
                writeln!(f, "  # if it comes from {sender}")?;
            }
            writeln!(f, "  {command}")?;
        }
        Ok(())
    }

    fn write_unchecked(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unchecked = self.unchecked();
        writeln!(
            f,
            "NOT DECIDED: nothing wrong was found; not checked: {}.",
            unchecked.join(", ")
        )?;
        let keys = unchecked
            .contains(&"signature")
            .then_some("let the issuers' keys be fetched (--fetch), or give them (--keys)");
        let configuration =
            (!self.is_configured).then_some("name a configuration, whose rules then decide");
        let todo: Vec<_> = keys.into_iter().chain(configuration).collect();
        writeln!(f, "What to do: {}.", todo.join("; "))?;
        if let Some(reason) = self.odd_audience() {
            let entry = reason.entry();
            writeln!(f, "\nMay be wrong: {}, {}.", entry.code, entry.summary)?;
            writeln!(f, "If that is so: {}.", entry.advice)?;
        }
        let Some(rule) = self.suggestion() else { return Ok(()) };
        writeln!(f, "\nA policy that lets in this caller with tokens for this audience:\n")?;
        rule.lines().try_for_each(|line| writeln!(f, "  {line}"))
    }

    fn write_token(&self, f: &mut fmt::Formatter<'_>, token: &TokenWalk) -> fmt::Result {
        writeln!(f, "\n{}", token.place)?;
        if let Some(print) = token.fingerprint {
            writeln!(f, "  fingerprint {print}")?;
        }
        writeln!(f)?;
        self.write_steps(f, &token.steps)?;
        let Some(claims) = &token.claims else { return Ok(()) };
        writeln!(f)?;
        let url = self.captured.url();
        for claim in meanings::told(claims, &url, self.now) {
            let value = shown(&value(claim.name, claim.value));
            match claim.meaning {
                Some(meaning) => writeln!(f, "  {:<15} {value}  ({meaning})", claim.name)?,
                None => writeln!(f, "  {:<15} {value}", claim.name)?,
            }
        }
        Ok(())
    }

    fn write_steps(&self, f: &mut fmt::Formatter<'_>, steps: &[Step]) -> fmt::Result {
        for step in steps {
            let name = step.check.name();
            match &step.outcome {
                Outcome::Passed(found) => writeln!(f, "  ok     {name:<19} {}", shown(found))?,
                Outcome::Unknown(why) => writeln!(f, "  ?      {name:<19} not checked: {why}")?,
                Outcome::Failed(refusal) => self.write_failed(f, name, refusal)?,
            }
        }
        Ok(())
    }

    /// The reason's own words stand in the head, where it is one of those there.
    fn write_failed(
        &self,
        f: &mut fmt::Formatter<'_>,
        name: &str,
        refusal: &Refusal,
    ) -> fmt::Result {
        let code = refusal.reason.code();
        let told = |it: &Refusal| it.reason == refusal.reason;
        if self.refusal().is_some_and(told) || self.also().into_iter().any(told) {
            writeln!(f, "  WRONG  {name:<19} {code}")?;
        } else {
            writeln!(f, "  WRONG  {name:<19} {code}: {}", refusal.reason.summary())?;
        }
        let margin = " ".repeat(MARGIN.saturating_sub(1));
        for (number, value) in listed(refusal).iter().enumerate() {
            let label = if number == 0 { "expected" } else { "or" };
            writeln!(f, "{margin} {label:<9} {}", shown(value))?;
        }
        match refusal.what_came() {
            // That can't be read in two ways is not what came.
            Some(received) if refusal.reason != Reason::SignatureRemoved => {
                writeln!(f, "{margin} received  {}", shown(received))
            }
            _ => Ok(()),
        }
    }

    /// Why the other rules do not decide: those before the one that does, or all of
    /// them where none does; the nearest ones.
    fn write_other_rules(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let others = &self.walk.others;
        let mut missed: Vec<_> = others.iter().filter(|it| !it.misses.is_empty()).collect();
        missed.sort_by_key(|other| other.misses.len());
        let margin = " ".repeat(MARGIN);
        for other in missed.iter().take(LISTED) {
            writeln!(f, "{margin}not {}: {}", other.name, missing(other))?;
        }
        let left = missed.len().saturating_sub(LISTED);
        if left > 0 {
            writeln!(f, "{margin}nor {left} more, which are for other requests")?;
        }
        let later = others.len().saturating_sub(missed.len());
        if later > 0 {
            let are = if later == 1 { "rule is" } else { "rules are" };
            writeln!(f, "{margin}{later} {are} for it too, and come later")?;
        }
        Ok(())
    }
}

/// What of the request a rule is not for.
pub(super) fn missing(other: &Other) -> String {
    let miss = |it: &Miss| format!("its {} is {}", it.part, some(&it.expected).join(" or "));
    other.misses.iter().map(miss).collect::<Vec<_>>().join(", ")
}

/// The accepted values, some of them.
fn listed(refusal: &Refusal) -> Vec<String> {
    some(refusal.expectation().map(Expected::values).unwrap_or_default())
}

fn some(values: &[String]) -> Vec<String> {
    let mut shown: Vec<String> = values.iter().take(LISTED).cloned().collect();
    match values.len().saturating_sub(LISTED) {
        0 => {}
        more => shown.push(format!("one of {more} more")),
    }
    shown
}

/// A claim's value as text; times as dates.
fn value(name: &str, value: &Value) -> String {
    match (name, value) {
        ("iat" | "nbf" | "exp", Value::Number(number)) => match number.as_u64() {
            Some(seconds) => UnixTime(seconds).to_string(),
            None => number.to_string(),
        },
        (_, Value::String(text)) => text.clone(),
        (_, other) => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lists_end_in_how_many_more_there_are() {
        let values: Vec<_> = (0..10).map(|number| number.to_string()).collect();
        assert_eq!(some(&values).last().unwrap(), "one of 2 more");
        assert_eq!(some(&values[..8]).len(), 8);
        assert_eq!(capital("it is é"), "It is é");
        assert_eq!(capital(""), "");
    }
}
