//! Why a request is not let through, for its operator.

mod catalogue;
mod reason;
mod teller;

use std::fmt;
use std::sync::Arc;

use serde_json::{Value, json};

pub use catalogue::Entry;
pub use reason::{Answer, Reason};
pub use teller::Teller;

use crate::fingerprint::Fingerprint;
use crate::policy::{KeyUrl, TokenPlace};
use crate::request::{Headers, Target, TargetError};
use crate::safe::safe;
use crate::sender::Sender;

/// What would have been accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expected {
    /// In words.
    Text(String),
    /// Any of these values, shared with the policy.
    AnyOf(Arc<[String]>),
}

impl Expected {
    /// The values, or the words.
    #[must_use]
    pub fn values(&self) -> &[String] {
        match self {
            Self::Text(text) => std::slice::from_ref(text),
            Self::AnyOf(values) => values,
        }
    }
}

/// How many accepted values a message lists.
const LISTED: usize = 8;
/// How much of a value from outside a message shows.
const SHOWN_CHARS: usize = 256;

/// Why one request is not let through. Holds claims, never a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The reason.
    pub reason: Reason,
    details: Box<Details>,
}

/// What is known beside the reason.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Details {
    rule: Option<Arc<str>>,
    issuer: Option<Arc<str>>,
    expected: Option<Expected>,
    received: Option<String>,
    caller: Option<String>,
    key_id: Option<String>,
    place: Option<Arc<TokenPlace>>,
    fingerprint: Option<Fingerprint>,
    sender: Option<Sender>,
    /// What of the sender's has sent it: a queue, a job, a subscription.
    source: Option<String>,
    wanted: Wanted,
    /// Where the issuer's keys are.
    keys_url: Option<String>,
    endpoint: Option<String>,
    /// The URL as the sender has it, which may go into a command.
    whole_url: Option<String>,
}

/// What the rule takes, for commands; nothing without a rule.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Wanted {
    audiences: Arc<[String]>,
    callers: Arc<[String]>,
}

impl From<Reason> for Refusal {
    fn from(reason: Reason) -> Self {
        Self { reason, details: Box::default() }
    }
}

impl Refusal {
    /// With what would have been accepted.
    #[must_use]
    pub(crate) fn expected(mut self, expected: Expected) -> Self {
        self.details.expected = Some(expected);
        self
    }

    /// With what would have been accepted, in words.
    #[must_use]
    pub(crate) fn expected_text(self, expected: impl Into<String>) -> Self {
        self.expected(Expected::Text(expected.into()))
    }

    /// With what came instead. Long values are cut.
    #[must_use]
    pub(crate) fn received(mut self, received: impl Into<String>) -> Self {
        self.details.received = Some(cut(received.into()));
        self
    }

    /// With the key that the token says it was signed with.
    #[must_use]
    pub(crate) fn key_id(mut self, key_id: Option<&str>) -> Self {
        self.details.key_id = key_id.map(|id| cut(id.to_owned()));
        self
    }

    /// With the place where the token was, or should have been.
    #[must_use]
    pub(crate) fn at(mut self, place: &Arc<TokenPlace>) -> Self {
        self.details.place = Some(Arc::clone(place));
        self
    }

    /// With the issuer that the token claims to be from.
    #[must_use]
    pub(crate) fn issuer(mut self, issuer: Arc<str>) -> Self {
        self.details.issuer = Some(issuer);
        self
    }

    /// With the caller, who has been authenticated.
    #[must_use]
    pub(crate) fn caller(mut self, caller: impl fmt::Display) -> Self {
        self.details.caller = Some(cut(caller.to_string()));
        self
    }

    /// With the audiences and callers that the rule takes, for commands.
    #[must_use]
    pub(crate) fn wanting(mut self, audiences: &Arc<[String]>, callers: &Arc<[String]>) -> Self {
        self.details.wanted =
            Wanted { audiences: Arc::clone(audiences), callers: Arc::clone(callers) };
        self
    }

    /// With the URL of the issuer's keys, if they are fetched.
    #[must_use]
    pub(crate) fn keys_at(mut self, url: Option<&KeyUrl>) -> Self {
        self.details.keys_url = url.map(ToString::to_string);
        self
    }

    /// As if that sender had sent the request: what would mend it there.
    #[must_use]
    pub fn sent_by(mut self, sender: Option<Sender>) -> Self {
        self.details.sender = sender;
        self
    }

    /// With the rule that was to be fulfilled.
    #[must_use]
    pub(crate) fn rule(mut self, rule: &Arc<str>) -> Self {
        self.details.rule = Some(Arc::clone(rule));
        self
    }

    /// With what the request was for, whose it looks like, and its token's
    /// fingerprint. Whoever writes a refusal down adds it: most are not written
    /// down, and it takes time.
    #[must_use]
    pub fn about(
        mut self,
        target: &Result<Target<'_>, TargetError>,
        headers: &impl Headers,
    ) -> Self {
        self.details.sender = Sender::guess(headers);
        let source = self.details.sender.and_then(|sender| sender.source(headers));
        self.details.source = source.map(str::to_owned);
        let token = self.details.place.as_ref().and_then(|place| place.token(headers).ok());
        self.details.fingerprint = token.map(Fingerprint::of);
        if let Ok(target) = target {
            let endpoint = format!("https://{}{}", target.host(), target.path());
            let shown = safe(&endpoint);
            // What is not fit to be shown is not fit for a command either.
            self.details.whole_url = target.whole_url().filter(|_| shown == endpoint);
            self.details.endpoint = Some(shown);
        }
        self
    }

    /// A token of an unknown key, when that may be due to an outage of the key
    /// server: the caller is asked to try again instead of told off.
    #[must_use]
    pub fn for_lack_of_keys(mut self) -> Self {
        if self.reason == Reason::KeyUnknown {
            self.reason = Reason::KeysUnavailable;
        }
        self
    }

    /// What is told to the caller.
    #[must_use]
    pub fn answer(&self) -> Answer {
        self.reason.answer()
    }

    /// The rule that was to be fulfilled, if one was found.
    #[must_use]
    pub fn rule_name(&self) -> Option<&str> {
        self.details.rule.as_deref()
    }

    /// The name of the configured issuer whose keys were asked for or missing.
    #[must_use]
    pub fn issuer_name(&self) -> Option<&str> {
        self.details.issuer.as_deref()
    }

    /// What would have been accepted.
    #[must_use]
    pub fn expectation(&self) -> Option<&Expected> {
        self.details.expected.as_ref()
    }

    /// What came instead.
    #[must_use]
    pub fn what_came(&self) -> Option<&str> {
        self.details.received.as_deref()
    }

    /// The authenticated caller.
    #[must_use]
    pub fn caller_name(&self) -> Option<&str> {
        self.details.caller.as_deref()
    }

    /// Whom the request looks like.
    #[must_use]
    pub fn sender(&self) -> Option<Sender> {
        self.details.sender
    }

    /// The URL that was called, without its query.
    #[must_use]
    pub fn endpoint(&self) -> Option<&str> {
        self.details.endpoint.as_deref()
    }

    /// The rule's audiences, if there is a rule.
    pub(crate) fn wanted_audiences(&self) -> &[String] {
        &self.details.wanted.audiences
    }

    /// The callers that the rule lists, as messages show them.
    pub(crate) fn wanted_callers(&self) -> &[String] {
        &self.details.wanted.callers
    }

    /// Where the issuer's keys are fetched.
    pub(crate) fn keys_url(&self) -> Option<&str> {
        self.details.keys_url.as_deref()
    }

    /// The queue, job or subscription for a command, as [its
    /// URL](Self::url_for_command): only from a caller who has been authenticated.
    pub(crate) fn source_for_command(&self) -> Option<&str> {
        self.details.source.as_deref().filter(|_| self.details.caller.is_some())
    }

    /// The URL for a command that changes a sender's settings: only as it was
    /// called, whole, and by a caller who has been authenticated. Anybody else
    /// could make up what operators are to paste into a shell.
    pub(crate) fn url_for_command(&self) -> Option<&str> {
        let url = self.details.whole_url.as_deref()?;
        (self.details.caller.is_some() && url.len() <= SHOWN_CHARS).then_some(url)
    }

    /// All of it as one JSON object, for one line of a log.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let details = &*self.details;
        let mut object = json!({
            "reason": self.reason.code(),
            "message": self.reason.summary(),
            "status": self.answer().status(),
            "docs": self.reason.docs(),
        });
        let remedy = self.remedy();
        let fields = [
            ("rule", details.rule.as_deref().map(Value::from)),
            ("expected", details.expected.as_ref().map(|e| listed(e.values()).into())),
            ("received", details.received.as_deref().map(Value::from)),
            ("caller", details.caller.as_deref().map(Value::from)),
            ("key_id", details.key_id.as_deref().map(Value::from)),
            ("token", details.fingerprint.map(|print| print.to_string().into())),
            ("looks_like", details.sender.map(|sender| sender.name().into())),
            ("endpoint", details.endpoint.as_deref().map(Value::from)),
            ("remedy", Some(remedy.advice.into())),
            ("command", remedy.command.map(Value::from)),
        ];
        if let Some(object) = object.as_object_mut() {
            let known = fields.into_iter().filter_map(|(name, value)| Some((name, value?)));
            object.extend(known.map(|(name, value)| (name.to_owned(), value)));
        }
        object
    }
}

/// The first few values, and how many more there are.
fn listed(values: &[String]) -> Vec<String> {
    let mut shown: Vec<String> = values.iter().take(LISTED).cloned().collect();
    match values.len().saturating_sub(LISTED) {
        0 => {}
        more => shown.push(format!("… and {more} more")),
    }
    shown
}

fn cut(mut text: String) -> String {
    if let Some((end, _)) = text.char_indices().nth(SHOWN_CHARS) {
        text.truncate(end);
        text.push('…');
    }
    text
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let details = &*self.details;
        write!(f, "{}: {}", self.reason.code(), self.reason.summary())?;
        if let Some(rule) = &details.rule {
            write!(f, "; rule {rule:?}")?;
        }
        if let Some(expected) = &details.expected {
            write!(f, "; expected {}", listed(expected.values()).join(" or "))?;
        }
        if let Some(received) = &details.received {
            write!(f, "; received {received:?}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_values_from_outside_are_cut_and_long_lists_are_counted() {
        let many: Arc<[String]> = (0..100).map(|n| n.to_string()).collect();
        let refusal = Refusal::from(Reason::AudienceMismatch)
            .expected(Expected::AnyOf(many))
            .received("ä".repeat(10_000));
        let json = refusal.to_json();
        assert_eq!(json["expected"].as_array().unwrap().len(), 9);
        assert_eq!(json["expected"][8], "… and 92 more");
        assert_eq!(json["received"].as_str().unwrap().chars().count(), 257);
    }
}
