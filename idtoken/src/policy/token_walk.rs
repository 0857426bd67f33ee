//! One token, check by check.

use std::sync::Arc;

use super::requirement::{Evidence, Requirement, Source, parse};
use super::walk::{Check, Outcome, Step, TokenWalk, failed, passed};
use crate::authority::AuthoritySteps;
use crate::cache::TokenCache;
use crate::claims::Claims;
use crate::fingerprint::Fingerprint;
use crate::refusal::{Reason, Refusal};
use crate::request::Headers;
use crate::signature::SignatureScheme;
use crate::time::UnixTime;
use crate::token::{UnverifiedToken, claims_of};

impl Requirement {
    /// What there is to say of the tokens in each of its places. `number` tells this
    /// requirement of the rule from the others.
    pub(super) fn walk<S: SignatureScheme>(
        &self,
        number: usize,
        evidence: &Evidence<'_, S, impl TokenCache, impl Headers>,
    ) -> Vec<TokenWalk> {
        let sources = self.sources.iter();
        sources.map(|source| self.walk_source(number, source, evidence)).collect()
    }

    fn walk_source<S: SignatureScheme>(
        &self,
        number: usize,
        source: &Source,
        evidence: &Evidence<'_, S, impl TokenCache, impl Headers>,
    ) -> TokenWalk {
        let (place, steps) = (source.place.shown(), Vec::new());
        let mut walk = TokenWalk { place, number, fingerprint: None, steps, claims: None };
        let bytes = match source.bytes(evidence.headers) {
            Ok(bytes) => bytes,
            Err(refusal) => {
                let is_there = !matches!(refusal.reason, Reason::TokenMissing | Reason::TokenTwice);
                let check = if is_there { Check::Form } else { Check::Token };
                if is_there {
                    walk.steps.push(passed(Check::Token, "there is one"));
                }
                walk.steps.push(failed(check, self.told(refusal, source)));
                return walk;
            }
        };
        walk.fingerprint = Some(Fingerprint::of(bytes));
        walk.steps.push(passed(Check::Token, "there is one"));
        let token = parse(bytes);
        walk.steps.push(match &token {
            Ok(_) => passed(Check::Form, "a signed JSON Web Token"),
            Err(refusal) => failed(Check::Form, refusal.clone()),
        });
        let token = token.ok();
        let claims =
            token.as_ref().map_or_else(|| claims_of(bytes), |it| Some(it.claims().clone()));
        if let Some(claims) = claims {
            self.walk_claims(&mut walk, source, token.as_ref(), claims, evidence);
        }
        walk.map_refusals(|refusal| self.told(refusal, source));
        walk
    }

    /// A refusal with what its commands need.
    fn told(&self, refusal: Refusal, source: &Source) -> Refusal {
        refusal.at(&source.place).wanting(self.audiences.shared(), &self.callers.shared())
    }

    /// What the issuer vouches for, and what the rule makes of it.
    fn walk_claims<S: SignatureScheme>(
        &self,
        walk: &mut TokenWalk,
        source: &Source,
        token: Option<&UnverifiedToken<'_>>,
        claims: Claims,
        evidence: &Evidence<'_, S, impl TokenCache, impl Headers>,
    ) {
        let origin = evidence.authority.steps(token, &claims, evidence.now);
        let claims = claims.vouched_for(origin.vouches_for_addresses);
        let takes = |issuer: &Arc<str>| source.takes(issuer);
        let takes = origin.issuer.as_ref().ok().map(takes);
        walk.steps.extend(steps_of_origin(origin, token, &claims, evidence.now));
        walk.steps.extend([
            step(Check::RuleIssuer, takes, || source.issuers.join(" or ")),
            match self.audiences.check(&claims, evidence.host) {
                Ok(place) => passed(
                    Check::Audience,
                    claims.audiences.get(place).cloned().unwrap_or_default(),
                ),
                Err(refusal) => failed(Check::Audience, refusal),
            },
            step(Check::Caller, Some(self.callers.check(&claims)), || claims.to_string()),
            step(Check::Claims, Some(self.check_claims(&claims)), || match self.claims.len() {
                0 => "none are asked for".to_owned(),
                _ => "as asked for".to_owned(),
            }),
        ]);
        // Who forged the signature may have made up the rest, which is to go into
        // commands; who has no keys holds the token in his own hands.
        let is_forged = walk.failures().any(|it| it.reason == Reason::SignatureBad);
        let key_id = token.and_then(|token| token.key_id.as_deref());
        walk.map_refusals(|refusal| match is_forged {
            true => refusal.key_id(key_id),
            false => refusal.key_id(key_id).caller(&claims),
        });
        walk.claims = Some(claims);
    }
}

fn steps_of_origin(
    origin: AuthoritySteps,
    token: Option<&UnverifiedToken<'_>>,
    claims: &Claims,
    now: UnixTime,
) -> [Step; 5] {
    let name = origin.issuer.as_ref().map_or_else(|_| String::new(), ToString::to_string);
    let algorithm = token.map(|token| token.algorithm.clone()).unwrap_or_default();
    let key_id = token.and_then(|token| token.key_id.clone()).unwrap_or_default();
    [
        step(Check::Issuer, Some(origin.issuer), || format!("{} ({name})", claims.issuer)),
        step(Check::Algorithm, origin.algorithm, || algorithm),
        step(Check::Times, Some(origin.times), || lifetime(claims, now)),
        step(Check::Key, origin.key, || key_id),
        step(Check::Signature, origin.signature, || "the key's".to_owned()),
    ]
    .map(|step| match (token, step) {
        (None, Step { check, outcome: Outcome::Unknown(_) }) => {
            let why = "only a whole token of a known issuer would tell".to_owned();
            Step { check, outcome: Outcome::Unknown(why) }
        }
        (_, step) => step,
    })
}

/// A check that found something good, something bad, or nobody to check by.
fn step<T>(
    check: Check,
    result: Option<Result<T, Refusal>>,
    found: impl FnOnce() -> String,
) -> Step {
    match result {
        Some(Ok(_)) => passed(check, found()),
        Some(Err(refusal)) if refusal.reason == Reason::KeysUnavailable => {
            let why = "the issuer's keys are not at hand".to_owned();
            Step { check, outcome: Outcome::Unknown(why) }
        }
        Some(Err(refusal)) => failed(check, refusal),
        None => {
            let why = "only an issuer of the policy could tell".to_owned();
            Step { check, outcome: Outcome::Unknown(why) }
        }
    }
}

/// For how long a token will be valid.
fn lifetime(claims: &Claims, now: UnixTime) -> String {
    let end = claims.expires_at;
    let over = humantime::format_duration(now.since(end));
    let left = humantime::format_duration(end.since(now));
    match end > now {
        true => format!("until {end}, {left} from then on"),
        false => format!("until {end}, {over} ago: forgiven, as clocks differ"),
    }
}
