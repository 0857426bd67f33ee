//! The Google listener: key documents, metadata server, IAM Credentials, token
//! endpoint, STS, and the emulator's own endpoints.

mod accounts;
mod iam_credentials;
mod metadata;
mod oauth;
mod own;
mod projects;
mod query;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use http::header::{CACHE_CONTROL, HOST};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Version};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use serde_json::{Value, json};

use crate::answers::{Answer, json, text};
use crate::config::Config;
use crate::faults::{Fault, Faults};
use crate::forward::{Protocol, forward};
use crate::grpc;
use crate::hits::Hits;
use crate::issuer::{Issuer, KeyError};
use crate::listener::Handler;
use crate::network::Network;
use crate::origin::Origin;
use crate::timeline::Timeline;
pub(crate) use accounts::Accounts;
use iam_credentials::Method as IamMethod;
use metadata::Metadata;
use oauth::Oauth;
use projects::Project;

/// Google's JWK set.
pub(crate) const JWKS_PATH: &str = "/oauth2/v3/certs";
const PEM_PATH: &str = "/oauth2/v1/certs";
/// IAP's JWK set, on `www.gstatic.com`
/// (<https://cloud.google.com/iap/docs/signed-headers-howto>).
pub(crate) const IAP_JWKS_PATH: &str = "/iap/verify/public_key-jwk";
const IAP_PEM_PATH: &str = "/iap/verify/public_key";

/// The longest body of a request for a token.
const MAX_BODY: usize = 64 * 1024;

/// Everything behind the Google listener.
pub(crate) struct Google {
    pub(crate) issuer: Arc<Issuer>,
    pub(crate) iap: Arc<Issuer>,
    pub(crate) timeline: Arc<Timeline>,
    pub(crate) faults: Arc<Faults>,
    pub(crate) accounts: Arc<Accounts>,
    pub(crate) network: Arc<Network>,
    pub(crate) hits: Hits,
    /// The `max-age` of all key documents, in seconds.
    pub(crate) keys_max_age: AtomicU64,
    metadata: Metadata,
    project: Project,
}

impl Google {
    /// The names that it answers to, and its certificate is for: all that
    /// Google's libraries call for tokens and keys, and the APIs of what the
    /// emulator plays.
    pub(crate) const NAMES: [&'static str; 17] = [
        "www.googleapis.com",
        "www.gstatic.com",
        "metadata.google.internal",
        // The metadata server's address, where libraries look for it first.
        "169.254.169.254",
        "accounts.google.com",
        "oauth2.googleapis.com",
        "openidconnect.googleapis.com",
        "sts.googleapis.com",
        "iam.googleapis.com",
        "iamcredentials.googleapis.com",
        "cloudresourcemanager.googleapis.com",
        "run.googleapis.com",
        "pubsub.googleapis.com",
        "cloudtasks.googleapis.com",
        "cloudscheduler.googleapis.com",
        "eventarc.googleapis.com",
        "eventarcpublishing.googleapis.com",
    ];

    pub(crate) fn new(
        config: &Config,
        issuer: Arc<Issuer>,
        iap: Arc<Issuer>,
        timeline: Arc<Timeline>,
    ) -> Result<Self, KeyError> {
        let faults = Arc::new(Faults::default());
        let accounts = Arc::new(Accounts::new(config)?);
        let metadata =
            Metadata::new(config, Arc::clone(&issuer), Arc::clone(&accounts), Arc::clone(&faults));
        Ok(Self {
            metadata,
            project: Project::new(config),
            accounts,
            issuer,
            iap,
            timeline,
            faults,
            network: Arc::new(Network::new(&config.hosts)),
            hits: Hits::default(),
            keys_max_age: config.keys_max_age.into(),
        })
    }

    /// IAM Credentials, the token endpoint or STS: the path decides.
    async fn tokens(&self, request: Request<Incoming>) -> Answer {
        let (head, body) = request.into_parts();
        let path = head.uri.path();
        let method = IamMethod::of(path);
        let fault = match (&method, path) {
            (Some(_), _) => self.faults.of_iam(),
            (None, oauth::TOKEN_PATH) => self.faults.of_token_endpoint(),
            _ => self.faults.of_sts(),
        };
        if let Some(fault) = fault {
            return fault.answer("{}").await;
        }
        let Ok(body) = Limited::new(body, MAX_BODY).collect().await else {
            return text(StatusCode::PAYLOAD_TOO_LARGE, "too long\n");
        };
        let body = body.to_bytes();
        let (accounts, issuer, faults) = (&*self.accounts, &*self.issuer, &*self.faults);
        let form = String::from_utf8_lossy(&body);
        let oauth = Oauth { accounts, issuer, faults };
        match (method, path) {
            (Some(method), _) => method.answer(accounts, issuer, faults, &head.headers, &body),
            (None, oauth::TOKEN_PATH) => oauth.token(&own_url(&head.headers), &form),
            _ => oauth.exchange(&form),
        }
    }

    /// The answer of the service or load balancer that a request names, as
    /// Google's front ends give it for all of them at one address.
    async fn of_a_service(&self, request: Request<Incoming>) -> Result<Answer, Request<Incoming>> {
        let Some(host) = host_of(&request).filter(|host| !Self::NAMES.contains(host)) else {
            return Err(request);
        };
        let Some(place) = self.network.place(host) else {
            return Err(request);
        };
        let origin = request.extensions().get::<Origin>().copied().unwrap_or(Origin::Internet);
        let connected = place.connect(origin).await;
        let (parts, body) = request.into_parts();
        let protocol = match parts.version {
            Version::HTTP_2 => Protocol::Http2,
            _ => Protocol::Http1,
        };
        let answer = match connected {
            Ok(stream) => forward(Box::new(stream), protocol, parts, body).await.ok(),
            Err(_) => None,
        };
        Ok(answer.unwrap_or_else(|| text(StatusCode::BAD_GATEWAY, "the region does not answer\n")))
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

/// The host that a request names, without a port.
fn host_of<B>(request: &Request<B>) -> Option<&str> {
    let header = || request.headers().get(HOST)?.to_str().ok();
    let named = request.uri().authority().map(http::uri::Authority::as_str).or_else(header)?;
    Some(named.split(':').next().unwrap_or(named))
}

/// What the emulator does not play. In JSON, as Google's libraries read the
/// errors of all APIs.
fn not_found() -> Answer {
    let message = "no such page on this emulator";
    let error = json!({ "code": 404, "message": message, "status": "NOT_FOUND" });
    json(StatusCode::NOT_FOUND, &json!({ "error": error }))
}

/// The token endpoint as its client has called it: on this machine without TLS.
fn own_url(headers: &HeaderMap) -> String {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    format!("http://{host}{}", oauth::TOKEN_PATH)
}

impl Handler for Google {
    async fn handle(self: Arc<Self>, request: Request<Incoming>) -> Answer {
        let request = match self.of_a_service(request).await {
            Ok(answer) => return answer,
            Err(request) => request,
        };
        if grpc::is_grpc(&request) {
            return grpc::unimplemented(request.uri().path());
        }
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
            (&Method::GET, own::EXTERNAL_PATH) => own::external_token(&self.accounts, &request),
            (&Method::GET, own::TIMELINE_PATH) => own::timeline(&self.timeline),
            (&Method::POST, oauth::TOKEN_PATH | oauth::STS_PATH) => self.tokens(request).await,
            (&Method::POST, path) if IamMethod::of(path).is_some() => self.tokens(request).await,
            (&Method::GET, path) if Project::serves(path) => {
                self.project.answer(&self.accounts, &self.issuer, request.headers(), path)
            }
            (_, path) if Metadata::serves(path) => match self.faults.of_metadata() {
                Some(fault) => metadata::flavored(fault.answer("").await),
                None => self.metadata.answer(&request),
            },
            _ => not_found(),
        }
    }
}
