//! The Google listener: key documents, metadata server, and the emulator's own
//! endpoints.

mod metadata;
mod own;
mod query;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use http::header::CACHE_CONTROL;
use http::{HeaderValue, Method, Request, StatusCode};
use hyper::body::Incoming;
use serde_json::Value;

use crate::answers::{Answer, json, text};
use crate::config::Config;
use crate::faults::{Fault, Faults};
use crate::hits::Hits;
use crate::issuer::Issuer;
use crate::listener::Handler;
use crate::timeline::Timeline;
use metadata::Metadata;

/// Google's JWK set.
pub(crate) const JWKS_PATH: &str = "/oauth2/v3/certs";
const PEM_PATH: &str = "/oauth2/v1/certs";
/// IAP's JWK set, on `www.gstatic.com`
/// (<https://cloud.google.com/iap/docs/signed-headers-howto>).
pub(crate) const IAP_JWKS_PATH: &str = "/iap/verify/public_key-jwk";
const IAP_PEM_PATH: &str = "/iap/verify/public_key";

/// Everything behind the Google listener.
pub(crate) struct Google {
    pub(crate) issuer: Arc<Issuer>,
    pub(crate) iap: Arc<Issuer>,
    pub(crate) timeline: Arc<Timeline>,
    pub(crate) faults: Faults,
    pub(crate) hits: Hits,
    /// The `max-age` of all key documents, in seconds.
    pub(crate) keys_max_age: AtomicU64,
    metadata: Metadata,
}

impl Google {
    /// The names that its certificate is for.
    pub(crate) const NAMES: [&'static str; 3] =
        ["www.googleapis.com", "www.gstatic.com", "metadata.google.internal"];

    pub(crate) fn new(
        config: &Config,
        issuer: Arc<Issuer>,
        iap: Arc<Issuer>,
        timeline: Arc<Timeline>,
    ) -> Self {
        Self {
            metadata: Metadata::new(config, Arc::clone(&issuer)),
            issuer,
            iap,
            timeline,
            faults: Faults::default(),
            hits: Hits::default(),
            keys_max_age: config.keys_max_age.into(),
        }
    }

    async fn google_keys(&self, form: impl FnOnce(&Issuer) -> Value) -> Answer {
        self.keys(form(&self.issuer), self.faults.of_keys()).await
    }

    async fn iap_keys(&self, form: impl FnOnce(&Issuer) -> Value) -> Answer {
        self.keys(form(&self.iap), self.faults.of_iap_keys()).await
    }

    async fn keys(&self, document: Value, fault: Option<Fault>) -> Answer {
        let mut answer = match fault {
            None => json(StatusCode::OK, &document),
            Some(fault) => fault.answer(&document.to_string()).await,
        };
        let max_age = self.keys_max_age.load(Ordering::Relaxed);
        let caching = format!("public, max-age={max_age}, must-revalidate");
        if let (StatusCode::OK, Ok(caching)) = (answer.status(), HeaderValue::from_str(&caching)) {
            answer.headers_mut().insert(CACHE_CONTROL, caching);
        }
        answer
    }
}

impl Handler for Google {
    async fn handle(self: Arc<Self>, request: Request<Incoming>) -> Answer {
        let path = request.uri().path();
        self.hits.count(path);
        match (request.method(), path) {
            (&Method::GET, JWKS_PATH) => self.google_keys(Issuer::jwks).await,
            (&Method::GET, PEM_PATH) => self.google_keys(Issuer::pem_map).await,
            (&Method::GET, IAP_JWKS_PATH) => self.iap_keys(Issuer::jwks).await,
            (&Method::GET, IAP_PEM_PATH) => self.iap_keys(Issuer::pem_map).await,
            (&Method::POST, own::MINT_PATH) => own::mint(&self.issuer, request.into_body()).await,
            (&Method::POST, own::MINT_ASSERTION_PATH) => {
                own::mint_assertion(&self.iap, request.into_body()).await
            }
            (&Method::GET, own::TIMELINE_PATH) => own::timeline(&self.timeline),
            (_, path) if Metadata::serves(path) => match self.faults.of_metadata() {
                Some(fault) => metadata::flavored(fault.answer("").await),
                None => self.metadata.answer(&request),
            },
            _ => text(StatusCode::NOT_FOUND, "no such page on this emulator\n"),
        }
    }
}
