//! The Google listener: key documents, metadata server, and the emulator's own
//! endpoints.

mod metadata;
mod own;
mod query;

use std::sync::Arc;

use http::header::CACHE_CONTROL;
use http::{HeaderValue, Method, Request, StatusCode};
use hyper::body::Incoming;
use serde_json::Value;

use crate::answers::{Answer, json, text};
use crate::config::Config;
use crate::faults::Faults;
use crate::hits::Hits;
use crate::issuer::Issuer;
use crate::listener::Handler;
use crate::timeline::Timeline;
use metadata::Metadata;

/// Google's JWK set.
pub(crate) const JWKS_PATH: &str = "/oauth2/v3/certs";
const PEM_PATH: &str = "/oauth2/v1/certs";

/// Everything behind the Google listener.
pub(crate) struct Google {
    pub(crate) issuer: Arc<Issuer>,
    pub(crate) timeline: Arc<Timeline>,
    pub(crate) faults: Faults,
    pub(crate) hits: Hits,
    keys_max_age: u64,
    metadata: Metadata,
}

impl Google {
    /// The names that its certificate is for.
    pub(crate) const NAMES: [&'static str; 2] = ["www.googleapis.com", "metadata.google.internal"];

    pub(crate) fn new(config: &Config, issuer: Arc<Issuer>, timeline: Arc<Timeline>) -> Self {
        Self {
            metadata: Metadata::new(config, Arc::clone(&issuer)),
            issuer,
            timeline,
            faults: Faults::default(),
            hits: Hits::default(),
            keys_max_age: config.keys_max_age,
        }
    }

    async fn keys(&self, document: impl FnOnce(&Issuer) -> Value) -> Answer {
        if let Some(fault) = self.faults.of_keys().await {
            return fault;
        }
        let mut answer = json(StatusCode::OK, &document(&self.issuer));
        let caching = format!("public, max-age={}, must-revalidate", self.keys_max_age);
        if let Ok(caching) = HeaderValue::from_str(&caching) {
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
            (&Method::GET, JWKS_PATH) => self.keys(Issuer::jwks).await,
            (&Method::GET, PEM_PATH) => self.keys(Issuer::pem_map).await,
            (&Method::POST, own::MINT_PATH) => own::mint(&self.issuer, request.into_body()).await,
            (&Method::GET, own::TIMELINE_PATH) => own::timeline(&self.timeline),
            (_, path) if Metadata::serves(path) => match self.faults.of_metadata().await {
                Some(fault) => metadata::flavored(fault),
                None => self.metadata.answer(&request),
            },
            _ => text(StatusCode::NOT_FOUND, "no such page on this emulator\n"),
        }
    }
}
