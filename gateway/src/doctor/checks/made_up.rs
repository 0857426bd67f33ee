//! Tokens that are made up, to see what a rule says of them. Nobody believes one:
//! its signature is none, and no key is at hand.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName, HeaderValue};
use remint_idtoken::policy::{Check as Step, Outcome, Policy, Step as Made};
use remint_idtoken::{Authority, AwsLc, Refusal, Rule, Target, TargetError, UnixTime};
use serde_json::json;

use crate::doctor::facts::OidcToken;
use crate::doctor::protected::protected;

/// Any time will do: what is looked at of a token is its audience and caller.
pub(super) const TIME: UnixTime = UnixTime(1_790_000_000);
/// Somebody whom no rule takes.
pub(super) const STRANGER: &str = "nobody@invalid";
const ASSERTION: HeaderName = HeaderName::from_static("x-goog-iap-jwt-assertion");

/// The header with such a token as Google's senders bring. Without an audience
/// it is the URL that is called.
pub(super) fn bearer(token: &OidcToken, url: &str) -> HeaderMap {
    let claims = json!({
        "iss": "https://accounts.google.com",
        "aud": token.audience.as_deref().unwrap_or(url),
        "azp": "0",
        "sub": "0",
        "email": token.account,
        "email_verified": true,
        "iat": TIME.0,
        "exp": TIME.0.saturating_add(3600),
    });
    let value = HeaderValue::from_str(&format!("Bearer {}", unsigned("RS256", &claims)));
    value.map(|value| HeaderMap::from_iter([(AUTHORIZATION, value)])).unwrap_or_default()
}

/// Somebody who is let through to a rule by IAP, as IAM writes it.
pub(super) fn caller_through_iap(policy: &Policy, rule: &Rule) -> Option<String> {
    let example = rule.example()?;
    let claims = json!({
        "iss": "https://cloud.google.com/iap",
        "aud": rule.audiences().find(|it| protected(it).is_some())?,
        "sub": "0",
        "email": STRANGER,
        "iat": TIME.0,
        "exp": TIME.0.saturating_add(600),
    });
    let value = HeaderValue::from_str(&unsigned("ES256", &claims)).ok()?;
    let headers = HeaderMap::from_iter([(ASSERTION, value)]);
    let method = example.method.as_deref().unwrap_or("GET");
    let target = Target::parse(&example.host, &example.path, method);
    member(&expected(policy, target, &headers)?)
}

/// A caller that a rule says it takes, as IAM writes it; if it is an address.
/// Accounts of a sender have the sender's name behind them.
pub(super) fn member(shown: &str) -> Option<String> {
    let address = shown.split(' ').next().filter(|it| it.contains('@'))?;
    let kind = if address.ends_with(".gserviceaccount.com") { "serviceAccount" } else { "user" };
    Some(format!("{kind}:{address}"))
}

/// The first address of those that a rule says it expected of a stranger.
pub(super) fn expected(
    policy: &Policy,
    target: Result<Target<'_>, TargetError>,
    headers: &HeaderMap,
) -> Option<String> {
    let walk = policy.walk(&Authority::new(policy, AwsLc), target, headers, TIME);
    address(walk.tokens.iter().flat_map(|it| &it.steps).find_map(refused)?)
}

/// A token that nobody has signed.
fn unsigned(algorithm: &str, claims: &serde_json::Value) -> String {
    let header = json!({ "alg": algorithm, "kid": "none", "typ": "JWT" });
    let [header, claims] = [&header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
    format!("{header}.{claims}.AAAA")
}

/// A failed check of what a token says; that nobody has signed it is no news.
pub(super) fn refused(step: &Made) -> Option<&Refusal> {
    let counts = [Step::Issuer, Step::RuleIssuer, Step::Audience, Step::Caller, Step::Claims];
    match &step.outcome {
        Outcome::Failed(refusal) if counts.contains(&step.check) => Some(refusal),
        _ => None,
    }
}

/// The first address among those that a rule takes.
pub(super) fn address(refusal: &Refusal) -> Option<String> {
    let member = refusal.expectation()?.values().iter().find_map(|it| member(it))?;
    member.split_once(':').map(|(_, address)| address.to_owned())
}
