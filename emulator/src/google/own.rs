//! What the emulator offers beside Google's own endpoints.

use http::StatusCode;
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use serde_json::{Map, Value, json};

use crate::answers::{Answer, answer, json, text};
use crate::issuer::{GOOGLE, Issuer, LIFETIME, subject_of};
use crate::timeline::Timeline;

pub(super) const MINT_PATH: &str = "/emulator/mint";
pub(super) const TIMELINE_PATH: &str = "/emulator/timeline";

/// The longest set of claims that is read.
const MAX_CLAIMS: usize = 64 * 1024;

/// Signs whatever claims it is sent, for testing only: who can reach this
/// endpoint can be anybody whom the emulator's issuer vouches for. `iss`,
/// `iat` and `exp` are filled in where they are missing, and, beside an
/// `email`, `email_verified`, `sub` and `azp`.
pub(super) async fn mint(issuer: &Issuer, body: Incoming) -> Answer {
    let Ok(body) = Limited::new(body, MAX_CLAIMS).collect().await else {
        return text(StatusCode::PAYLOAD_TOO_LARGE, "too many claims\n");
    };
    match serde_json::from_slice(&body.to_bytes()) {
        Ok(claims) => {
            let token = issuer.sign_claims(&completed(claims, issuer).into());
            answer(StatusCode::OK, "text/plain", token)
        }
        Err(error) => {
            text(StatusCode::BAD_REQUEST, format!("expected a JSON object of claims: {error}\n"))
        }
    }
}

fn completed(mut claims: Map<String, Value>, issuer: &Issuer) -> Map<String, Value> {
    let now = issuer.now();
    let mut usual = vec![
        ("iss", Value::from(GOOGLE)),
        ("iat", now.0.into()),
        ("exp", now.plus(LIFETIME).0.into()),
    ];
    if let Some(email) = claims.get("email").and_then(Value::as_str) {
        let subject = Value::from(subject_of(email));
        usual.extend([("email_verified", true.into()), ("sub", subject.clone()), ("azp", subject)]);
    }
    for (name, value) in usual {
        claims.entry(name).or_insert(value);
    }
    claims
}

/// The calls that the front ends have seen.
pub(super) fn timeline(timeline: &Timeline) -> Answer {
    json(StatusCode::OK, &json!({ "calls": timeline.calls() }))
}
