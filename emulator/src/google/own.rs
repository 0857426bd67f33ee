//! What the emulator offers beside Google's own endpoints.

use std::time::Duration;

use http::{Request, StatusCode};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use serde_json::{Map, Value, json};

use super::accounts::Accounts;
use super::query;
use crate::answers::{Answer, answer, json, text};
use crate::issuer::{
    ASSERTION_LIFETIME, GOOGLE, IAP, Issuer, LIFETIME, iap_subject_of, subject_of,
};

pub(super) const MINT_PATH: &str = "/emulator/mint";
pub(super) const MINT_ASSERTION_PATH: &str = "/emulator/iap/mint";

/// Where a workload gets its token of another issuer.
pub(super) const EXTERNAL_PATH: &str = "/emulator/external-token";

/// The longest set of claims that is read.
const MAX_CLAIMS: usize = 64 * 1024;

/// Signs whatever claims it is sent, for testing only: who can reach this
/// endpoint can be anybody whom the emulator's issuer vouches for. `iss`,
/// `iat` and `exp` are filled in where they are missing, and, beside an
/// `email`, `email_verified`, `sub` and `azp`.
pub(super) async fn mint(issuer: &Issuer, body: Incoming) -> Answer {
    sign(issuer, body, with_google_s).await
}

/// The same with IAP's key: `iss`, `iat` and `exp` are IAP's, and beside an
/// `email` a missing `sub` is filled in.
pub(super) async fn mint_assertion(iap: &Issuer, body: Incoming) -> Answer {
    sign(iap, body, with_iap_s).await
}

type Claims = Map<String, Value>;

async fn sign(issuer: &Issuer, body: Incoming, complete: fn(Claims, &Issuer) -> Claims) -> Answer {
    let Ok(body) = Limited::new(body, MAX_CLAIMS).collect().await else {
        return text(StatusCode::PAYLOAD_TOO_LARGE, "too many claims\n");
    };
    match serde_json::from_slice(&body.to_bytes()) {
        Ok(claims) => {
            let token = issuer.sign_claims(&complete(claims, issuer).into());
            answer(StatusCode::OK, "text/plain", token)
        }
        Err(error) => {
            text(StatusCode::BAD_REQUEST, format!("expected a JSON object of claims: {error}\n"))
        }
    }
}

fn with_google_s(claims: Claims, issuer: &Issuer) -> Claims {
    let mut usual = usual(GOOGLE, LIFETIME, issuer);
    if let Some(email) = claims.get("email").and_then(Value::as_str) {
        let subject = Value::from(subject_of(email));
        usual.extend([("email_verified", true.into()), ("sub", subject.clone()), ("azp", subject)]);
    }
    completed(claims, usual)
}

fn with_iap_s(claims: Claims, issuer: &Issuer) -> Claims {
    let mut usual = usual(IAP, ASSERTION_LIFETIME, issuer);
    if let Some(email) = claims.get("email").and_then(Value::as_str) {
        usual.push(("sub", iap_subject_of(email).into()));
    }
    completed(claims, usual)
}

fn usual(name: &str, lifetime: Duration, issuer: &Issuer) -> Vec<(&'static str, Value)> {
    let now = issuer.now();
    vec![("iss", name.into()), ("iat", now.0.into()), ("exp", now.plus(lifetime).0.into())]
}

fn completed(mut claims: Claims, usual: Vec<(&str, Value)>) -> Claims {
    for (name, value) in usual {
        claims.entry(name).or_insert(value);
    }
    claims
}

/// A token of a workload identity provider's issuer for `?subject=`, in a
/// document, as Azure's and GitHub's servers give it. Like theirs this one wants
/// a header, which a program that was tricked into the request does not send.
pub(super) fn external_token<B>(accounts: &Accounts, request: &Request<B>) -> Answer {
    if request.headers().get("metadata").is_none_or(|value| value != "True") {
        return text(StatusCode::FORBIDDEN, "the header Metadata: True is missing\n");
    }
    let field = |name| query::value(request.uri().query(), name).unwrap_or_default();
    let (pool, provider) = (field("pool"), field("provider"));
    match accounts.external_token(&pool, &provider, &field("subject")) {
        Some(token) => json(StatusCode::OK, &json!({ "value": token })),
        None => text(StatusCode::NOT_FOUND, "no such provider\n"),
    }
}
