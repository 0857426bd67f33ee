//! The IAM check in front of a private Cloud Run service.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use remint_idtoken::config::Problem;
use remint_idtoken::keys::{KeySet, parse_jwks};
use remint_idtoken::{
    Authority, AwsLc, Claims, Headers, Policy, Reason, Rule, TokenError, UnverifiedToken,
    VerifiedToken, bearer_token,
};
use serde_json::json;

use crate::config::Service;
use crate::issuer::Issuer;
use crate::run::Urls;
use crate::sync::lock;

const SERVERLESS: HeaderName = HeaderName::from_static("x-serverless-authorization");

/// What the container sees in place of a signature.
pub(super) const SIGNATURE_REMOVED: &str = "SIGNATURE_REMOVED_BY_GOOGLE";

/// Checks tokens for one service in one region.
pub(crate) struct Iam {
    issuer: Arc<Issuer>,
    rule: Arc<Rule>,
    invokers: HashSet<String>,
    authority: Mutex<Keyed>,
}

/// An authority and the generation of the issuer's keys that it has.
struct Keyed {
    authority: Arc<Authority<AwsLc>>,
    generation: Option<u64>,
}

/// What the check found.
pub(super) struct Checked {
    /// The token's audience and caller as claimed, if it could be read.
    pub(super) claimed: Option<Claimed>,
    /// The header and the token that count, or why the call is refused.
    pub(super) outcome: Result<(HeaderName, VerifiedToken), Reason>,
}

/// What a token claims, for the timeline.
pub(super) struct Claimed {
    pub(super) audience: String,
    pub(super) caller: Option<String>,
}

impl Iam {
    /// # Errors
    /// The mistakes of a custom audience that can't be one.
    pub(crate) fn new(
        issuer: Arc<Issuer>,
        service: &Service,
        urls: &Urls,
    ) -> Result<Self, Vec<Problem>> {
        let audiences: Vec<String> =
            urls.audiences().chain(service.custom_audiences.iter().cloned()).collect();
        // Who may invoke is checked below: a service may have no invoker at
        // all, which a policy would call a mistake.
        let policy = json!({ "rules": [{
            "name": service.name, "match": {}, "audiences": audiences,
            "callers": { "anyone": true },
        }]});
        let policy = Policy::from_json(&policy.to_string())?;
        let rule = policy.rules().first().cloned().ok_or_else(Vec::new)?;
        let invokers = service.invokers.iter();
        Ok(Self {
            issuer,
            rule,
            invokers: invokers.map(|email| email.to_ascii_lowercase()).collect(),
            authority: Mutex::new(Keyed {
                authority: Arc::new(Authority::new(&policy, AwsLc)),
                generation: None,
            }),
        })
    }

    /// Looks at `X-Serverless-Authorization` alone if it is there.
    pub(super) fn check(&self, headers: &HeaderMap) -> Checked {
        let header = match headers.contains_key(SERVERLESS) {
            true => SERVERLESS,
            false => AUTHORIZATION,
        };
        let headers = View(headers);
        let token = bearer_token(&headers, header.as_str())
            .and_then(|bytes| UnverifiedToken::parse(bytes).map_err(|error| reason_of(&error)));
        let claimed = token.as_ref().ok().map(|token| Claimed::of(token.claims()));
        let outcome = token.and_then(|token| self.admit(&token)).map(|token| (header, token));
        Checked { claimed, outcome }
    }

    fn admit(&self, token: &UnverifiedToken<'_>) -> Result<VerifiedToken, Reason> {
        let authentic = self.authority().authenticate(token, self.issuer.now());
        let admitted =
            authentic.and_then(|token| self.rule.admit(token)).map_err(|refusal| refusal.reason)?;
        let email = admitted.claims().verified_email();
        let may = email.is_some_and(|email| self.invokers.contains(&email.to_ascii_lowercase()));
        may.then_some(admitted).ok_or(Reason::CallerNotAllowed)
    }

    /// The authority with the keys that the issuer publishes now. Google's
    /// front ends know a new key before it is used; so do these.
    fn authority(&self) -> Arc<Authority<AwsLc>> {
        let mut keyed = lock(&self.authority);
        let generation = Some(self.issuer.generation());
        if keyed.generation != generation {
            let keys = parse_jwks(self.issuer.jwks().to_string().as_bytes())
                .ok()
                .and_then(|keys| KeySet::load(&AwsLc, &keys).ok());
            let mut authority = Authority::clone(&keyed.authority);
            authority.set_keys("google", keys.map(Arc::new));
            keyed.authority = Arc::new(authority);
            keyed.generation = generation;
        }
        Arc::clone(&keyed.authority)
    }
}

/// 403 for no token or a caller who may not, 401 for a token that is not
/// believed or is meant for another audience.
pub(super) fn status_of(reason: Reason) -> StatusCode {
    match reason {
        Reason::TokenMissing | Reason::CallerNotAllowed => StatusCode::FORBIDDEN,
        _ => StatusCode::UNAUTHORIZED,
    }
}

/// The header's value with the signature removed, as the container sees it.
pub(super) fn without_signature(value: &HeaderValue) -> Option<HeaderValue> {
    let (signed, _) = value.to_str().ok()?.rsplit_once('.')?;
    HeaderValue::from_str(&format!("{signed}.{SIGNATURE_REMOVED}")).ok()
}

fn reason_of(error: &TokenError) -> Reason {
    match error {
        TokenError::SignatureRemoved => Reason::SignatureRemoved,
        _ => Reason::Malformed,
    }
}

impl Claimed {
    fn of(claims: &Claims) -> Self {
        let caller = claims.claimed_email().or(claims.subject.as_deref());
        Self { audience: claims.audiences.join(", "), caller: caller.map(str::to_owned) }
    }
}

/// The headers, as the core asks for them.
struct View<'h>(&'h HeaderMap);

impl Headers for View<'_> {
    fn values<'h>(&'h self, name: &str) -> impl Iterator<Item = &'h [u8]> {
        self.0.get_all(name).iter().map(HeaderValue::as_bytes)
    }
}
