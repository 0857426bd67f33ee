//! What attackers send, and what nobody should have to send by mistake.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderValue;
use remint_emulator::Issuer;
use serde_json::{Value, json};

use crate::chain::{DOMAIN, PUSHER};

/// One attempt to get in.
pub struct Attack {
    /// What it is.
    pub name: &'static str,
    /// The reason code with which it must be refused.
    pub reason: &'static str,
    /// The status that the caller must see.
    pub status: u16,
    /// The values of its `Authorization` headers.
    pub authorization: Vec<HeaderValue>,
}

/// The claims of the token that the demo's subscription sends, made now.
#[must_use]
pub fn good_claims(now: u64) -> Value {
    json!({
        "iss": "https://accounts.google.com",
        "aud": format!("https://{DOMAIN}"),
        "azp": "104029384756102938475",
        "sub": "104029384756102938475",
        "email": PUSHER,
        "email_verified": true,
        "iat": now,
        "exp": now + 3600,
    })
}

/// All attacks. `issuer` is Google, `impostor` somebody who signs with keys of
/// their own under the same key ids.
#[must_use]
pub fn all(issuer: &Issuer, impostor: &Issuer, now: u64) -> Vec<Attack> {
    let good = good_claims(now);
    let with = |name: &str, value: Value| {
        let mut claims = good.clone();
        claims[name] = value;
        claims
    };
    let header = issuer.header();
    let sign = |claims: Value| issuer.sign(&header, &claims);
    let mut expired = with("exp", json!(now - 3600));
    expired["iat"] = json!(now - 7200);
    let attack = |name, reason, status, tokens: &[String]| Attack {
        name,
        reason,
        status,
        authorization: tokens.iter().map(|token| bearer(token)).collect(),
    };
    let valid = sign(good.clone());
    let other = sign(with("jti", json!("another")));
    vec![
        attack("forged signature", "sig_bad", 401, &[impostor.sign(&header, &good)]),
        attack("alg: none", "alg_not_allowed", 401, &[unsigned(&header, &good)]),
        attack("HS256 with the public key", "alg_not_allowed", 401, &[hs256(issuer, &good)]),
        attack("expired", "expired", 401, &[sign(expired)]),
        attack(
            "wrong issuer",
            "iss_unknown",
            401,
            &[sign(with("iss", json!("https://evil.example")))],
        ),
        attack("wrong audience", "aud_has_path", 401, &[sign(with("aud", push_url()))]),
        attack("unknown caller", "caller_not_allowed", 403, &[sign(with("email", stranger()))]),
        attack("no token", "token_missing", 401, &[]),
        attack("two tokens", "token_twice", 401, &[valid, other]),
    ]
}

/// The audience that Pub/Sub uses when none is set: the endpoint's URL.
fn push_url() -> Value {
    json!(format!("https://{DOMAIN}/push"))
}

fn stranger() -> Value {
    json!("stranger@another-project.iam.gserviceaccount.com")
}

/// A token as the value of `Authorization`.
///
/// # Panics
/// If it can't stand in a header.
#[must_use]
#[expect(clippy::expect_used, reason = "tokens are base64url and dots")]
pub fn bearer(token: &str) -> HeaderValue {
    HeaderValue::from_str(&format!("Bearer {token}")).expect("a token fits into a header")
}

/// The first two parts of a token.
fn signing_input(header: &Value, claims: &Value) -> String {
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}", encode(header), encode(claims))
}

fn unsigned(header: &Value, claims: &Value) -> String {
    let mut header = header.clone();
    header["alg"] = json!("none");
    format!("{}.", signing_input(&header, claims))
}

/// The classic: the public key, which everybody has, as the secret of an HMAC.
fn hs256(issuer: &Issuer, claims: &Value) -> String {
    let mut header = issuer.header();
    header["alg"] = json!("HS256");
    let input = signing_input(&header, claims);
    let secret =
        aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, issuer.public_key_pem().as_bytes());
    let tag = aws_lc_rs::hmac::sign(&secret, input.as_bytes());
    format!("{input}.{}", URL_SAFE_NO_PAD.encode(tag))
}
