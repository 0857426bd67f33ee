//! Rules: what is asked of a token, request by request.

use std::collections::HashSet;
use std::sync::Arc;

use serde_json::Value;

use super::audiences::Audiences;
use super::callers::Callers;
use super::issuer::Issuer;
use super::matching::Matching;
use crate::claims::Claims;
use crate::config::{Kind, Object, Reader};
use crate::refusal::{Reason, Refusal};
use crate::request::Target;
use crate::token::{AuthenticToken, VerifiedToken};

/// What is asked of the tokens of some requests.
#[derive(Clone, Debug)]
pub struct Rule {
    name: Arc<str>,
    matching: Matching,
    issuers: HashSet<String>,
    audiences: Audiences,
    claims: Vec<(String, Value)>,
    callers: Callers,
}

impl Rule {
    pub(crate) fn read(from: &Reader<'_>, issuers: Option<&[Issuer]>) -> Option<Self> {
        let mut object = from.object()?;
        let name = object.need("name").and_then(|name| name.text().map(Arc::from));
        let matching = object.need("match").and_then(|matching| Matching::read(&matching));
        // Without the issuers their names can't be checked; the rest can.
        let named = object.get("issuers");
        let issuers = issuers.and_then(|known| read_issuers(&object, named, known));
        let audiences = Audiences::read(&mut object);
        let claims = object.maybe("claims", read_claims);
        let callers = object.need("callers").and_then(|callers| Callers::read(&callers));
        object.finish();
        Some(Self {
            name: name?,
            matching: matching?,
            issuers: issuers?,
            audiences: audiences?,
            claims: claims?.unwrap_or_default(),
            callers: callers?,
        })
    }

    /// The name, which no other rule has.
    #[must_use]
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// The audiences, any of which is accepted, in the order of the
    /// configuration.
    #[must_use]
    pub fn audiences(&self) -> &[String] {
        self.audiences.shown()
    }

    pub(crate) fn is_for_everything(&self) -> bool {
        self.matching.is_for_everything()
    }

    pub(crate) fn matches(&self, target: &Target<'_>) -> bool {
        self.matching.matches(target)
    }

    /// Admits an authentic token if it is meant for this rule's audiences and
    /// its caller is one of this rule's.
    ///
    /// # Errors
    /// The [`Refusal`] that says what was expected instead.
    pub fn admit(&self, token: AuthenticToken) -> Result<VerifiedToken, Refusal> {
        match self.accepted_audience(&token) {
            Ok(audience) => Ok(token.admitted(self, audience)),
            Err(refusal) => {
                Err(refusal.caller(token.claims()).token(token.fingerprint(), token.key_id()))
            }
        }
    }

    fn accepted_audience(&self, token: &AuthenticToken) -> Result<String, Refusal> {
        if !self.issuers.contains(token.issuer()) {
            let mut names: Vec<_> = self.issuers.iter().map(String::as_str).collect();
            names.sort_unstable();
            return Err(Refusal::from(Reason::IssuerUnknown)
                .expected_text(format!("the issuer {}", names.join(" or ")))
                .received(token.issuer()));
        }
        let claims = token.claims();
        let audience = self.audiences.check(claims)?;
        self.callers.check(claims)?;
        self.check_claims(claims)?;
        Ok(audience.to_owned())
    }

    /// Further claims must be there with exactly these values.
    fn check_claims(&self, claims: &Claims) -> Result<(), Refusal> {
        let differs = |(name, value): &&(String, Value)| claims.all().get(name) != Some(value);
        let Some((name, value)) = self.claims.iter().find(differs) else { return Ok(()) };
        let received = claims.all().get(name).map_or("nothing".to_owned(), Value::to_string);
        Err(Refusal::from(Reason::ClaimMismatch)
            .expected_text(format!("{name} = {value}"))
            .received(format!("{name} = {received}")))
    }
}

/// Claims by name, each a text, a whole number, or true or false.
fn read_claims(from: &Reader<'_>) -> Option<Vec<(String, Value)>> {
    let value = |reader: &Reader<'_>| match &reader.node().kind {
        Kind::Text(text) => Some(Value::from(text.as_str())),
        Kind::Bool(flag) => Some(Value::from(*flag)),
        Kind::Number(number) => whole(*number).map(Value::from).or_else(|| {
            reader.problem("is no whole number that a claim can be compared with");
            None
        }),
        other => {
            let found = other.name();
            reader.problem(format!("expected a text, a number, or true or false, found {found}"));
            None
        }
    };
    let entries = from.object()?.entries();
    let claims: Vec<_> =
        entries.iter().map(|(name, it)| Some(((*name).to_owned(), value(it)?))).collect();
    claims.into_iter().collect()
}

/// Whole numbers that a double holds exactly, in the type that JSON gives them.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the range is checked before"
)]
fn whole(number: f64) -> Option<serde_json::Number> {
    let exact = (-9_007_199_254_740_991.0..=9_007_199_254_740_991.0).contains(&number);
    match number {
        _ if !exact || number.fract() != 0.0 => None,
        number if number < 0.0 => Some((number as i64).into()),
        number => Some((number as u64).into()),
    }
}

/// The issuers that a rule takes. Where there are several, each rule says
/// which it means: an issuer of one's own may claim any address.
fn read_issuers(
    object: &Object<'_>,
    named: Option<Reader<'_>>,
    known: &[Issuer],
) -> Option<HashSet<String>> {
    let names: Vec<_> = known.iter().map(|issuer| (issuer.name(), issuer.name())).collect();
    match (named, names.as_slice()) {
        (Some(named), names) => {
            let named = named.list(|name| name.choice(names))?;
            Some(named.into_iter().map(str::to_owned).collect())
        }
        (None, [(only, _)]) => Some(HashSet::from([(*only).to_owned()])),
        (None, _) => {
            object.reader().problem("\"issuers\" is missing: name those that this rule accepts");
            None
        }
    }
}
