//! An explanation, for people and for programs.

use std::collections::HashMap;
use std::fmt::{self, Write};

use http::HeaderMap;
use remint_idtoken::policy::{Outcome, Step, TokenWalk, Walk};
use remint_idtoken::{
    Admission, Claims, Expected, Fingerprint, Reason, Refusal, Sender, Target, TargetError,
    UnixTime,
};
use serde_json::{Value, json};

use super::subject::Region;
use super::{Captured, Subject};

/// The claims that are shown, in this order; none of them is a secret.
const SHOWN: [&str; 10] =
    ["iss", "aud", "sub", "azp", "email", "email_verified", "hd", "iat", "nbf", "exp"];
/// How much of a value from outside is shown.
const LONGEST: usize = 300;

/// All that there is to say of one request.
pub struct Explanation {
    request: String,
    sender: Option<Sender>,
    fingerprint: Option<Fingerprint>,
    walk: Walk,
    regions: Vec<Region>,
    endpoint: Option<String>,
    now: UnixTime,
}

impl Explanation {
    /// Goes through all checks of a request at that time, with the key sets by
    /// the issuers' names.
    ///
    /// # Errors
    /// A document that is no key set, in words.
    pub fn new(
        subject: &Subject,
        captured: &Captured,
        keys: &HashMap<String, Vec<u8>>,
        now: UnixTime,
    ) -> Result<Self, String> {
        let authority = super::keys::authority(&subject.policy, keys)?;
        let walk = |target: Result<Target<'_>, TargetError>, headers: &HeaderMap| {
            subject.policy.walk(&authority, target, headers, now)
        };
        Ok(Self::by(walk, captured, subject.regions.clone(), now))
    }

    /// The same by any walk: by a running gateway's, with the keys that it has.
    pub(crate) fn by(
        walk: impl FnOnce(Result<Target<'_>, TargetError>, &HeaderMap) -> Walk,
        captured: &Captured,
        regions: Vec<Region>,
        now: UnixTime,
    ) -> Self {
        let target = captured.target();
        let request = match &target {
            Ok(target) => format!("{} https://{}{}", target.method(), target.host(), target.path()),
            Err(error) => format!("a request whose target can't be read: {error}"),
        };
        let endpoint = target.as_ref().ok().and_then(Target::whole_url);
        let walk = walk(target, &captured.headers);
        let rule = walk.rule.as_ref();
        let token = rule.and_then(|rule| {
            rule.places().find_map(|place| place.token(&captured.headers).ok().map(Fingerprint::of))
        });
        Self {
            request,
            sender: Sender::guess(&captured.headers),
            fingerprint: token,
            walk,
            regions,
            endpoint,
            now,
        }
    }

    /// Whether the request would be let through.
    #[must_use]
    pub fn is_admitted(&self) -> bool {
        self.walk.decision.is_ok()
    }

    /// What a near miss lacks.
    fn note(&self, step: &Step, claims: Option<&Claims>) -> Option<String> {
        let Outcome::Failed(refusal) = &step.outcome else { return None };
        let claims = claims?;
        let span = |from: UnixTime, to: UnixTime| humantime::format_duration(to.since(from));
        match refusal.reason {
            Reason::Expired => {
                Some(format!("it expired {} ago", span(claims.expires_at, self.now)))
            }
            Reason::NotYetValid => {
                let starts = [claims.not_before, claims.issued_at].into_iter().flatten().max()?;
                Some(format!("its time comes in {}", span(self.now, starts)))
            }
            reason if reason.is_about_audience() => self.note_of_audience(claims),
            _ => None,
        }
    }

    fn note_of_audience(&self, claims: &Claims) -> Option<String> {
        let audience = claims.audiences.first()?;
        let bare = audience.trim_end_matches('/');
        if let Some(region) = self.regions.iter().find(|it| it.audience == bare) {
            return Some(format!("it is that of {} in {}", region.service, region.name));
        }
        let (endpoint, sender) = (self.endpoint.as_deref()?, self.sender?);
        (endpoint == audience)
            .then(|| format!("it is the default of {}: the URL that was called", sender.name()))
    }

    /// As one JSON object. Holds claims, never a token.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let walk = &self.walk;
        let token = |token: &TokenWalk| {
            json!({
                "place": token.place,
                "checks": self.json_steps(&token.steps, token.claims.as_ref()),
                "claims": token.claims.as_ref().map(shown_claims),
            })
        };
        json!({
            "request": self.request,
            "at": self.now.to_string(),
            "looks_like": self.sender.map(Sender::name),
            "token": self.fingerprint.map(|print| print.to_string()),
            "admitted": self.is_admitted(),
            "verdict": walk.decision.as_ref().ok().map(|admission| admission.verdict().name()),
            "rule": walk.rule.as_ref().map(|rule| rule.name().to_string()),
            "checks": self.json_steps(&walk.steps, None),
            "tokens": walk.tokens.iter().map(token).collect::<Vec<_>>(),
            "refusal": self.refusal().map(Refusal::to_json),
        })
    }

    /// Why it is refused, or would be if its rule did not only report.
    fn refusal(&self) -> Option<&Refusal> {
        self.walk.decision.as_ref().map_or_else(Some, Admission::reported)
    }

    fn json_steps(&self, steps: &[Step], claims: Option<&Claims>) -> Vec<Value> {
        let step = |step: &Step| {
            let mut object = match &step.outcome {
                Outcome::Passed(found) => json!({"outcome": "passed", "found": cut(found)}),
                Outcome::Failed(refusal) => json!({
                    "outcome": "failed",
                    "reason": refusal.reason.code(),
                    "message": refusal.reason.summary(),
                    "expected": refusal.expectation().map(Expected::values),
                    "received": refusal.what_came(),
                    "note": self.note(step, claims),
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

    fn write_steps(
        &self,
        f: &mut impl Write,
        steps: &[Step],
        claims: Option<&Claims>,
    ) -> fmt::Result {
        for step in steps {
            let name = step.check.name();
            match &step.outcome {
                Outcome::Passed(found) => writeln!(f, "  ok     {name:<19} {}", cut(found))?,
                Outcome::Unknown(why) => writeln!(f, "  ?      {name:<19} not checked: {why}")?,
                Outcome::Failed(refusal) => {
                    let (code, summary) = (refusal.reason.code(), refusal.reason.summary());
                    writeln!(f, "  WRONG  {name:<19} {code}: {summary}")?;
                    for (number, value) in listed(refusal).iter().enumerate() {
                        let label = if number == 0 { "expected" } else { "or" };
                        writeln!(f, "         {:<19} {label:<9} {}", "", cut(value))?;
                    }
                    if let Some(received) = refusal.what_came() {
                        writeln!(f, "         {:<19} received  {}", "", cut(received))?;
                    }
                    if let Some(note) = self.note(step, claims) {
                        writeln!(f, "         {:<19} {note}", "")?;
                    }
                }
            }
        }
        Ok(())
    }

    fn write_end(&self, f: &mut impl Write) -> fmt::Result {
        let refusal = match &self.walk.decision {
            Ok(admission) => {
                let verdict = admission.verdict().name();
                return writeln!(
                    f,
                    "\nLET THROUGH ({verdict}), by rule {:?}.",
                    admission.rule().name()
                );
            }
            Err(refusal) => refusal,
        };
        let (code, status) = (refusal.reason.code(), refusal.answer().status());
        writeln!(f, "\nREFUSED with {status}: {code}, {}.", refusal.reason.summary())?;
        let remedy = refusal.remedy();
        writeln!(f, "What to do: {}.", remedy.advice)?;
        if let Some(command) = remedy.command {
            writeln!(f, "\n  {command}")?;
        }
        writeln!(f, "\nMore of it: remint reasons {code}")
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", cut(&self.request))?;
        writeln!(f, "at {}", self.now)?;
        if let Some(sender) = self.sender {
            writeln!(f, "looks like {}", sender.name())?;
        }
        writeln!(f)?;
        self.write_steps(f, &self.walk.steps, None)?;
        for token in &self.walk.tokens {
            writeln!(f, "\n{}", token.place)?;
            if let Some(claims) = &token.claims {
                for (name, value) in shown_claims(claims) {
                    writeln!(f, "  {name:<15} {}", cut(&told(&name, &value)))?;
                }
                writeln!(f)?;
            }
            self.write_steps(f, &token.steps, token.claims.as_ref())?;
        }
        self.write_end(f)
    }
}

/// The accepted values, some of them.
fn listed(refusal: &Refusal) -> Vec<String> {
    const LISTED: usize = 8;
    let values = refusal.expectation().map(Expected::values).unwrap_or_default();
    let mut shown: Vec<String> = values.iter().take(LISTED).cloned().collect();
    match values.len().saturating_sub(LISTED) {
        0 => {}
        more => shown.push(format!("one of {more} more")),
    }
    shown
}

fn shown_claims(claims: &Claims) -> Vec<(String, Value)> {
    let claim = |name: &&str| Some(((*name).to_owned(), claims.all().get(*name)?.clone()));
    SHOWN.iter().filter_map(claim).collect()
}

/// A claim's value as text; times as dates too.
fn told(name: &str, value: &Value) -> String {
    match (name, value) {
        ("iat" | "nbf" | "exp", Value::Number(number)) => match number.as_u64() {
            Some(seconds) => format!("{} ({seconds})", UnixTime(seconds)),
            None => number.to_string(),
        },
        (_, Value::String(text)) => text.clone(),
        (_, other) => other.to_string(),
    }
}

fn cut(text: &str) -> String {
    let text: String =
        text.chars().map(|it| if it.is_control() { '\u{fffd}' } else { it }).collect();
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    }
}
