//! What the backend is told: which headers are taken away, and which are added.
//!
//! Whatever can be taken for the word of this filter is removed first where it
//! came from outside: identity headers, the headers that this filter sets, and
//! tokens that a rule looks at and has not verified.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use remint_idtoken::config::{Object, Reader};
use remint_idtoken::policy::{Issuer, TokenPlace, header_name};
use remint_idtoken::{Admission, Policy, VerifiedToken, is_identity_header, is_same_header};
use serde_json::Value;

use crate::head::RequestHead;

/// What the backend is told of a verified caller.
#[derive(Clone, Debug, Default)]
pub(crate) struct Backend {
    token: TokenHandling,
    claims: Vec<ClaimHeader>,
    payload: Option<String>,
    /// The names of all headers that are set here.
    own: Vec<String>,
}

/// What becomes of a verified token behind the filter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum TokenHandling {
    /// It is removed, as Envoy's `jwt_authn` does by default.
    #[default]
    Strip,
    /// It is passed on, for a backend that verifies again.
    Forward,
    /// It is passed on in another header, with all that stands before it.
    Move(String),
}

/// A claim that is passed on in a header.
#[derive(Clone, Debug, PartialEq, Eq)]
struct ClaimHeader {
    claim: String,
    header: String,
    /// Whose token it is taken from; of the first one if that is not said.
    issuer: Option<String>,
}

/// A change of the request's headers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change<'r> {
    /// Every header of that name goes.
    Remove(&'r str),
    /// The header gets this value, whatever it had.
    Set(&'r str, String),
}

impl Backend {
    /// Reads `token`, `claim_headers` and `payload_header`.
    pub(crate) fn read(object: &mut Object<'_>, policy: Option<&Policy>) -> Option<Self> {
        let token = object.maybe("token", |token| TokenHandling::read(token, policy));
        let claims = object
            .maybe("claim_headers", |list| list.list(|claim| ClaimHeader::read(claim, policy)));
        let payload = object.maybe("payload_header", |name| own_header(name, policy));
        let place = object.reader().clone();
        let (token, claims, payload) = (token?.unwrap_or_default(), claims?, payload?);
        let claims = claims.unwrap_or_default();
        let names = || {
            let moved = match &token {
                TokenHandling::Move(header) => Some(header),
                _ => None,
            };
            let claims = claims.iter().map(|claim| &claim.header);
            claims.chain(&payload).chain(moved).map(String::as_str)
        };
        place.distinct("header", names());
        let own = names().map(str::to_owned).collect();
        Some(Self { token, claims, payload, own })
    }

    /// What is done with the headers of a request that may pass.
    pub(crate) fn changes<'r>(
        &'r self,
        admission: &'r Admission,
        head: &'r RequestHead,
    ) -> Vec<Change<'r>> {
        let mut changes = Vec::new();
        let untrusted = head.names().filter(|name| self.is_untrusted(name, admission));
        changes.extend(untrusted.map(Change::Remove));
        let unverified = admission.unverified_places().map(TokenPlace::header);
        changes.extend(unverified.filter(|name| head.has(name)).map(Change::Remove));
        for (place, token) in admission.tokens().enumerate() {
            let header = token.place().header();
            match &self.token {
                TokenHandling::Forward => continue,
                TokenHandling::Move(to) if place == 0 => {
                    changes
                        .extend(head.text(header).map(|value| Change::Set(to, value.to_owned())));
                }
                _ => {}
            }
            changes.push(Change::Remove(header));
        }
        let claims = self.claims.iter();
        changes.extend(claims.filter_map(|claim| claim.change(admission)));
        if let (Some(header), Some(token)) = (&self.payload, admission.caller()) {
            changes.push(Change::Set(header, token.payload().to_owned()));
        }
        changes
    }

    /// Whether a header could be taken for the word of this filter or of a
    /// proxy of Google's, and nobody has verified it.
    fn is_untrusted(&self, name: &str, admission: &Admission) -> bool {
        // Where a rule looks for a token, that rule decides what becomes of it.
        let is_place = |name: &str| admission.rule().places().any(|it| it.header() == name);
        if is_place(name) {
            return false;
        }
        // A spelling that some take for one of these places, and nobody looks at.
        let mut places = admission.rule().places();
        let is_like_place = places.any(|it| is_same_header(name, it.header()));
        is_identity_header(name) || is_like_place || self.is_own(name)
    }

    /// Whether a trailer could be taken for a header that says who somebody
    /// is: some servers merge the two (RFC 9110, section 6.5.1). No token is
    /// read from trailers, so none may pass in them.
    pub(crate) fn is_untrusted_trailer(&self, name: &str, policy: &Policy) -> bool {
        let mut places = policy.issuers().iter().flat_map(Issuer::places);
        is_identity_header(name)
            || self.is_own(name)
            || places.any(|place| is_same_header(name, place.header()))
    }

    fn is_own(&self, name: &str) -> bool {
        self.own.iter().any(|own| is_same_header(name, own))
    }
}

impl TokenHandling {
    /// `strip`, `forward`, or `{move_to: HEADER}`.
    fn read(from: &Reader<'_>, policy: Option<&Policy>) -> Option<Self> {
        if !from.is_mapping() {
            let words = [("strip", false), ("forward", true)];
            let is_forward = from.choice(&words)?;
            return Some(if is_forward { Self::Forward } else { Self::Strip });
        }
        let mut object = from.object()?;
        let header = object.need("move_to").and_then(|name| own_header(&name, policy));
        object.finish();
        Some(Self::Move(header?))
    }
}

impl ClaimHeader {
    /// Without a policy the issuer can't be checked; the rest can.
    fn read(from: &Reader<'_>, policy: Option<&Policy>) -> Option<Self> {
        let mut object = from.object()?;
        let claim = object.need("claim").and_then(|claim| claim.text().map(str::to_owned));
        let header = object.need("header").and_then(|name| own_header(&name, policy));
        let issuer = object.maybe("issuer", |name| {
            let known: Vec<_> =
                policy?.issuers().iter().map(|issuer| (issuer.name(), issuer.name())).collect();
            name.choice(&known).map(str::to_owned)
        });
        object.finish();
        Some(Self { claim: claim?, header: header?, issuer: issuer? })
    }

    fn change(&self, admission: &Admission) -> Option<Change<'_>> {
        let is_meant = |token: &&VerifiedToken| {
            self.issuer.as_deref().is_none_or(|issuer| issuer == token.issuer())
        };
        let claims = admission.tokens().find(is_meant)?.claims();
        let value = match self.claim.as_str() {
            // An address that nobody has verified is nobody's address.
            "email" => header_value(&Value::from(claims.verified_email()?))?,
            name => header_value(claims.all().get(name)?)?,
        };
        Some(Change::Set(&self.header, value))
    }
}

/// The name of a header that is set here. It can't be one that holds a token
/// which is to be verified.
fn own_header(from: &Reader<'_>, policy: Option<&Policy>) -> Option<String> {
    let name = from.parsed(header_name)?;
    let mut places = policy.into_iter().flat_map(Policy::issuers).flat_map(Issuer::places);
    if places.any(|place| place.header() == name) {
        from.problem(format!("{name:?} is where tokens are read: set another header"));
        return None;
    }
    Some(name)
}

/// A claim as a header's value: texts, numbers and flags as they are, lists and
/// objects as base64url of their JSON, as Envoy's `jwt_authn` has it. Nothing
/// for a text that no header may hold (RFC 9110, section 5.5).
fn header_value(claim: &Value) -> Option<String> {
    match claim {
        Value::Null => None,
        Value::String(text) => {
            let is_value = !text.chars().any(char::is_control) && text.trim() == text;
            (is_value && !text.is_empty()).then(|| text.clone())
        }
        Value::Bool(_) | Value::Number(_) => Some(claim.to_string()),
        Value::Array(_) | Value::Object(_) => Some(URL_SAFE_NO_PAD.encode(claim.to_string())),
    }
}

#[cfg(test)]
#[path = "backend_tests.rs"]
mod tests;
