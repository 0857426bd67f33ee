//! What is asked of one token.

use std::sync::Arc;

use serde_json::Value;

use super::audiences::Audiences;
use super::callers::Callers;
use super::issuer::{Issuer, Kind as IssuerKind};
use super::names::Names;
use super::place::TokenPlace;
use crate::authority::Authority;
use crate::cache::TokenCache;
use crate::claims::Claims;
use crate::config::{Kind, Object, Reader, whole};
use crate::refusal::{Reason, Refusal};
use crate::request::Headers;
use crate::signature::SignatureScheme;
use crate::time::UnixTime;
use crate::token::{AuthenticToken, TokenError, UnverifiedToken, VerifiedToken};

/// One token: where it is, whose it is, for whom, about whom.
#[derive(Clone, Debug)]
pub(super) struct Requirement {
    pub(super) sources: Vec<Source>,
    pub(super) audiences: Audiences,
    pub(super) claims: Vec<(String, Value)>,
    pub(super) callers: Callers,
    /// All places, for messages.
    wanted: Arc<str>,
}

/// A place, and whose tokens count there. A token of one issuer in the place
/// of another is not one.
#[derive(Clone, Debug)]
pub(super) struct Source {
    pub(super) place: Arc<TokenPlace>,
    pub(super) issuers: Vec<Arc<str>>,
}

/// What tokens are checked with.
pub(super) struct Evidence<'a, S: SignatureScheme, C, H> {
    pub(super) authority: &'a Authority<S>,
    pub(super) cache: &'a C,
    pub(super) headers: &'a H,
    pub(super) now: UnixTime,
    /// The host that was called.
    pub(super) host: &'a str,
}

impl Requirement {
    /// Reads what the mapping says of one token.
    pub(super) fn read(object: &mut Object<'_>, names: &Names) -> Option<Self> {
        // Without the issuers their names can't be checked; the rest can.
        let named = object.get("issuers");
        let issuers = names.issuers.as_deref();
        let issuers = issuers.and_then(|known| read_issuers(object, named, known));
        let is_iap = |issuer: &&Issuer| issuer.kind() == IssuerKind::Iap;
        let are_of_iap = issuers.as_ref().is_some_and(|all| all.iter().all(is_iap));
        let audiences = Audiences::read(object, names, are_of_iap);
        let claims = object.maybe("claims", read_claims);
        let callers = object.need("callers").and_then(|callers| Callers::read(&callers, names));
        let sources = sources(&issuers?);
        let places: Vec<_> = sources.iter().map(|source| source.place.shown()).collect();
        Some(Self {
            wanted: places.join(", or ").into(),
            sources,
            audiences: audiences?,
            claims: claims?.unwrap_or_default(),
            callers: callers?,
        })
    }

    pub(super) fn audiences(&self) -> &[String] {
        self.audiences.shown()
    }

    /// How many callers it lists; none if it takes anyone.
    pub(super) fn callers(&self) -> Option<usize> {
        self.callers.count()
    }

    /// Whether a token can fulfil it while only these issuers have keys.
    pub(super) fn can_be_fulfilled(&self, has_keys: impl Fn(&str) -> bool) -> bool {
        self.sources.iter().flat_map(|source| &source.issuers).any(|issuer| has_keys(issuer))
    }

    /// Where the token is looked for.
    pub(super) fn places(&self) -> impl Iterator<Item = &TokenPlace> + Clone {
        self.sources.iter().map(|source| &*source.place)
    }

    /// The first token that fulfils this, place by place.
    pub(super) fn find<S: SignatureScheme>(
        &self,
        rule: &Arc<str>,
        evidence: &Evidence<'_, S, impl TokenCache, impl Headers>,
    ) -> Result<VerifiedToken, Refusal> {
        let mut first: Option<Refusal> = None;
        let mut leftover = None;
        for source in &self.sources {
            let refusal = match self.find_at(source, rule, evidence) {
                Ok(token) => return Ok(token),
                Err(refusal) => refusal.at(&source.place),
            };
            match refusal.reason {
                Reason::TokenMissing => {}
                // What IAP leaves behind beside its assertion: no token at all,
                // unless there is no other.
                Reason::SignatureRemoved if source.place.may_hold_leftover() => {
                    leftover = Some(refusal);
                }
                _ => {
                    let may_change = |it: &Refusal| it.reason.is_for_lack_of_keys();
                    let is_better = first
                        .as_ref()
                        .is_none_or(|first| may_change(&refusal) && !may_change(first));
                    first = if is_better { Some(refusal) } else { first };
                }
            }
        }
        Err(first
            .or(leftover)
            .unwrap_or_else(|| Refusal::from(Reason::TokenMissing).expected_text(&*self.wanted))
            .wanting(self.audiences.shared(), &self.callers.shared()))
    }

    fn find_at<S: SignatureScheme>(
        &self,
        source: &Source,
        rule: &Arc<str>,
        evidence: &Evidence<'_, S, impl TokenCache, impl Headers>,
    ) -> Result<VerifiedToken, Refusal> {
        let token = source.authentic(evidence)?;
        match self.accepted_audience(source, &token, evidence.host) {
            Ok(audience) => Ok(token.admitted(rule, audience, &source.place)),
            Err(refusal) => Err(refusal.caller(token.claims()).key_id(token.key_id())),
        }
    }

    fn accepted_audience(
        &self,
        source: &Source,
        token: &AuthenticToken,
        host: &str,
    ) -> Result<usize, Refusal> {
        source.takes(token.issuer())?;
        let claims = token.claims();
        let audience = self.audiences.check(claims, host)?;
        self.callers.check(claims)?;
        self.check_claims(claims)?;
        Ok(audience)
    }

    /// Further claims must be there with exactly these values.
    pub(super) fn check_claims(&self, claims: &Claims) -> Result<(), Refusal> {
        let differs = |(name, value): &&(String, Value)| claims.all().get(name) != Some(value);
        let Some((name, value)) = self.claims.iter().find(differs) else { return Ok(()) };
        let received = claims.all().get(name).map_or("nothing".to_owned(), Value::to_string);
        Err(Refusal::from(Reason::ClaimMismatch)
            .expected_text(format!("{name} = {value}"))
            .received(format!("{name} = {received}")))
    }
}

impl Source {
    /// The token that is there, checked by the authority now or not long ago.
    fn authentic<S: SignatureScheme>(
        &self,
        evidence: &Evidence<'_, S, impl TokenCache, impl Headers>,
    ) -> Result<AuthenticToken, Refusal> {
        let Evidence { authority, cache, headers, now, .. } = evidence;
        let bytes = self.bytes(*headers)?;
        if let Some(known) = cache.get(bytes).filter(|it| authority.still_vouches_for(it, *now)) {
            return Ok(known);
        }
        let authentic = authority.authenticate(parse(bytes)?, *now)?;
        cache.put(&authentic);
        Ok(authentic)
    }

    pub(super) fn bytes<'h>(&'h self, headers: &'h impl Headers) -> Result<&'h [u8], Refusal> {
        let token = self.place.token(headers);
        token.map_err(|reason| Refusal::from(reason).expected_text(self.place.shown()))
    }

    /// Whether tokens of that issuer count here.
    pub(super) fn takes(&self, issuer: &str) -> Result<(), Refusal> {
        if self.issuers.iter().any(|it| **it == *issuer) {
            return Ok(());
        }
        Err(Refusal::from(Reason::IssuerUnknown)
            .expected_text(format!("the issuer {}", self.issuers.join(" or ")))
            .received(issuer))
    }
}

pub(super) fn parse(bytes: &[u8]) -> Result<UnverifiedToken<'_>, Refusal> {
    UnverifiedToken::parse(bytes).map_err(|error| {
        let reason = match error {
            TokenError::SignatureRemoved => Reason::SignatureRemoved,
            _ => Reason::Malformed,
        };
        Refusal::from(reason).received(error.to_string())
    })
}

/// The places of all issuers in their order, each once.
fn sources(issuers: &[&Issuer]) -> Vec<Source> {
    let mut sources: Vec<Source> = Vec::new();
    for issuer in issuers {
        for place in issuer.places() {
            match sources.iter_mut().find(|source| source.place == *place) {
                Some(source) => source.issuers.push(issuer.shared_name()),
                None => sources
                    .push(Source { place: Arc::clone(place), issuers: vec![issuer.shared_name()] }),
            }
        }
    }
    sources
}

/// The issuers that a rule takes. Where there are several, each rule says
/// which it means: an issuer of one's own may claim any address.
fn read_issuers<'i>(
    object: &Object<'_>,
    named: Option<Reader<'_>>,
    known: &'i [Issuer],
) -> Option<Vec<&'i Issuer>> {
    let names: Vec<_> = known.iter().map(|issuer| (issuer.name(), issuer)).collect();
    match (named, names.as_slice()) {
        (Some(named), names) => {
            let issuers = named.list(|name| name.choice(names))?;
            named.distinct("issuer", issuers.iter().map(|issuer| issuer.name()));
            Some(issuers)
        }
        (None, [(_, only)]) => Some(vec![*only]),
        (None, _) => {
            object.reader().problem("\"issuers\" is missing: name those that this rule accepts");
            None
        }
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
