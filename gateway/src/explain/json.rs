//! An explanation for programs; docs/explain.md has all members.

use remint_idtoken::policy::{Miss, Other, Outcome, Step, TokenWalk};
use remint_idtoken::{Expected, Refusal, Sender};
use serde_json::{Value, json};

use super::explanation::{Decided, Fate, shown};
use super::{Explanation, meanings};

impl Fate {
    /// As JSON has it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Admitted => "admitted",
            Self::Refused => "refused",
            Self::Unchecked => "unchecked",
        }
    }
}

impl Explanation {
    /// As one JSON object. Holds claims, never a token.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let walk = &self.walk;
        let verdict = match self.decided() {
            Decided::Admitted(admission) => Some(admission.verdict().name()),
            Decided::Refused(_) | Decided::Unchecked => None,
        };
        let rule = walk.rule.as_ref().filter(|_| self.is_configured);
        let token = walk.tokens.iter().find_map(|token| token.fingerprint);
        let commands = self.refusal().map(|it| self.commands(it)).unwrap_or_default();
        json!({
            "request": self.request(),
            "at": self.now.to_string(),
            "answered": self.captured.answered,
            "looks_like": self.sender.map(Sender::name),
            "notes": self.notes.iter().map(|it| shown(it)).chain(self.other_answer()).collect::<Vec<_>>(),
            "token": token.map(|print| print.to_string()),
            "outcome": self.fate().name(),
            "admitted": self.fate() == Fate::Admitted,
            "verdict": verdict,
            "unchecked": self.unchecked(),
            "rule": rule.map(|rule| rule.name().to_string()),
            "other_rules": walk.others.iter().map(other_rule).collect::<Vec<_>>(),
            "checks": self.json_steps(&walk.steps),
            "tokens": walk.tokens.iter().map(|it| self.json_token(it)).collect::<Vec<_>>(),
            "refusal": self.told_refusal().map(|it| self.json_refusal(it)),
            "also": self.also().into_iter().map(|it| self.json_refusal(it)).collect::<Vec<_>>(),
            "commands": commands.iter().map(|(sender, command)| json!({
                "sender": Some(*sender).filter(|it| !it.is_empty()), "command": command,
            })).collect::<Vec<_>>(),
            "may_be_wrong": self.odd_audience().map(remint_idtoken::Reason::code),
            "suggestion": self.suggestion(),
        })
    }

    fn json_token(&self, token: &TokenWalk) -> Value {
        let url = self.captured.url();
        let claims = token.claims.as_ref().map(|claims| {
            let told = meanings::told(claims, &url, self.now);
            told.into_iter()
                .map(|it| json!([it.name, clean(it.value), it.meaning]))
                .collect::<Vec<_>>()
        });
        json!({
            "place": token.place,
            "token": token.fingerprint.map(|print| print.to_string()),
            "checks": self.json_steps(&token.steps),
            "claims": claims,
        })
    }

    /// Why it is refused, or would be by whoever has no more keys than there are here.
    fn told_refusal(&self) -> Option<&Refusal> {
        let decision = || self.walk.decision.as_ref().err().filter(|_| self.is_configured);
        match self.decided() {
            Decided::Unchecked => decision(),
            Decided::Admitted(_) | Decided::Refused(_) => self.refusal(),
        }
    }

    /// A refusal as logs have it, with what is known here alone.
    fn json_refusal(&self, refusal: &Refusal) -> Value {
        let mut object = refusal.to_json();
        if let Some(members) = object.as_object_mut() {
            members.insert("note".to_owned(), self.note(refusal).into());
        }
        clean(&object)
    }

    fn json_steps(&self, steps: &[Step]) -> Vec<Value> {
        let step = |step: &Step| {
            let mut object = match &step.outcome {
                Outcome::Passed(found) => json!({"outcome": "passed", "found": shown(found)}),
                Outcome::Failed(refusal) => json!({
                    "outcome": "failed",
                    "reason": refusal.reason.code(),
                    "message": refusal.reason.summary(),
                    "expected": refusal.expectation().map(Expected::values),
                    "received": refusal.what_came().map(shown),
                    "note": self.note(refusal),
                }),
                Outcome::Unknown(why) => json!({"outcome": "unknown", "why": why}),
            };
            if let Some(members) = object.as_object_mut() {
                members.insert("check".to_owned(), step.check.name().into());
            }
            object
        };
        steps.iter().map(step).collect()
    }
}

fn other_rule(other: &Other) -> Value {
    let miss = |it: &Miss| json!({"part": it.part, "expected": it.expected});
    json!({"rule": *other.name, "misses": other.misses.iter().map(miss).collect::<Vec<_>>()})
}

/// With every text fit to be shown.
fn clean(value: &Value) -> Value {
    match value {
        Value::String(text) => shown(text).into(),
        Value::Array(items) => items.iter().map(clean).collect(),
        Value::Object(members) => {
            members.iter().map(|(name, value)| (name.clone(), clean(value))).collect()
        }
        other => other.clone(),
    }
}
