//! Who called, in a form that a region's container can check: Cloud Run
//! removes the signature of every token before the container sees it.
//!
//! The assertion is an ES256 JWT (RFC 7519) for one region's audience, signed
//! with a key that all instances share. Only verified callers get one: a
//! request that passes without a token, or by a rule that only reports, goes on
//! without, and a container that needs it refuses.

mod cache;
mod keys;

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use remint_idtoken::{UnixTime, VerifiedToken};
use serde::Serialize;
use serde_json::json;
use tracing::error;

pub use keys::new_key;
pub(crate) use keys::{AssertionKeys, MAX_KEY_FILE};

use crate::config::Assertion;
use crate::upstream::{ResponseBody, asks_for_tunnel};
use cache::{Cache, Signed};

/// Where the public keys are.
pub(crate) const KEYS_PATH: &str = "/.well-known/remint/jwks.json";
/// Short: a new key is published before it signs, and must be known by then.
const KEYS_MAX_AGE: HeaderValue = HeaderValue::from_static("public, max-age=300");

/// How long an assertion counts.
const LIFETIME: Duration = Duration::from_secs(60);
/// How old one may be that is sent: half of its life is left for the way.
const MAX_AGE: Duration = Duration::from_secs(30);

/// Makes assertions.
pub(crate) struct Asserter {
    issuer: Arc<str>,
    keys: Arc<AssertionKeys>,
    /// The JWT's first part, with the dot.
    head: String,
    jwks: Bytes,
    cache: Cache,
}

/// What is said of one caller to one region, but for the time.
#[derive(Serialize)]
struct Facts<'a> {
    iss: &'a str,
    aud: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    sub: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    email_verified: Option<bool>,
    /// Whose the subject is: another issuer may give the same one.
    original_iss: &'a str,
    original_aud: &'a str,
    rule: &'a str,
    region: &'a str,
}

impl Asserter {
    pub(crate) fn new(settings: &Assertion) -> Self {
        let keys = Arc::clone(&settings.keys);
        let head = json!({"alg": "ES256", "kid": keys.signer().id(), "typ": "JWT"});
        Self {
            issuer: Arc::clone(&settings.issuer),
            head: URL_SAFE_NO_PAD.encode(head.to_string()) + ".",
            jwks: keys.jwks().to_string().into(),
            keys,
            cache: Cache::default(),
        }
    }

    /// An assertion for a region of that name, whose audience it is for. None
    /// if it can't be signed: the container then knows no caller.
    pub(crate) fn assertion(
        &self,
        caller: &VerifiedToken,
        region: &str,
        audience: &str,
        now: UnixTime,
    ) -> Option<HeaderValue> {
        let claims = caller.claims();
        let email = claims.verified_email();
        let facts = serde_json::to_string(&Facts {
            iss: &self.issuer,
            aud: audience,
            sub: claims.subject.as_deref(),
            email,
            email_verified: email.map(|_| true),
            original_iss: &claims.issuer,
            original_aud: caller.audience(),
            rule: caller.rule(),
            region,
        })
        .ok()?;
        let is_fresh = |it: &Signed| it.at <= now && now.since(it.at) < MAX_AGE;
        if let Some(signed) = self.cache.get(&facts).filter(is_fresh) {
            return Some(signed.header);
        }
        let Some(header) = self.sign(&facts, now) else {
            error!("an assertion can't be signed: the request goes on without");
            return None;
        };
        self.cache.put(facts, Signed { header: header.clone(), at: now });
        Some(header)
    }

    fn sign(&self, facts: &str, now: UnixTime) -> Option<HeaderValue> {
        let (from, until) = (now.0, now.plus(LIFETIME).0);
        let open = facts.strip_suffix('}')?;
        let claims = format!(r#"{open},"iat":{from},"exp":{until}}}"#);
        let signed = format!("{}{}", self.head, URL_SAFE_NO_PAD.encode(claims));
        let signature = self.keys.signer().sign(signed.as_bytes()).ok()?;
        let mut header = HeaderValue::try_from(format!("{signed}.{signature}")).ok()?;
        header.set_sensitive(true);
        Some(header)
    }

    /// The answer to a request for the public keys. None if it is another one.
    pub(crate) fn published<B>(&self, request: &Request<B>) -> Option<Response<ResponseBody>> {
        if request.uri().path() != KEYS_PATH {
            return None;
        }
        let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
        if is_read && !asks_for_tunnel(request) {
            return Some(self.keys_page().map(ResponseBody::Own));
        }
        let mut response = Response::new(ResponseBody::from(""));
        *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        Some(response)
    }

    /// The public keys, as a JWK set (RFC 7517, section 8.5.2).
    pub(crate) fn keys_page(&self) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::new(self.jwks.clone()));
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/jwk-set+json"));
        headers.insert(CACHE_CONTROL, KEYS_MAX_AGE);
        response
    }
}

#[cfg(test)]
mod tests;
