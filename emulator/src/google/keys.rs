//! Key documents: Google's, IAP's and those of service accounts.

use std::sync::atomic::Ordering;
use std::time::{Duration, UNIX_EPOCH};

use http::header::{CACHE_CONTROL, DATE, EXPIRES};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode};
use serde_json::{Value, json as object};

use super::{Google, query};
use crate::answers::{Answer, json, text};
use crate::faults::Server;
use crate::issuer::Issuer;

/// Google's JWK set.
pub(crate) const JWKS_PATH: &str = "/oauth2/v3/certs";
const PEM_PATH: &str = "/oauth2/v1/certs";
/// IAP's JWK set, on `www.gstatic.com`
/// (<https://cloud.google.com/iap/docs/signed-headers-howto>).
pub(crate) const IAP_JWKS_PATH: &str = "/iap/verify/public_key-jwk";
const IAP_PEM_PATH: &str = "/iap/verify/public_key";
/// What the paths of service accounts' public keys begin with.
const ACCOUNT_KEYS: &str = "/service_accounts/v1/";
/// The public keys of a service account, on `www.googleapis.com`; the first two
/// are those that the reference of `signJwt` names.
const ACCOUNT_PEM_PATH: &str = "/service_accounts/v1/metadata/x509/";
const ACCOUNT_JWKS_PATHS: [&str; 2] =
    ["/service_accounts/v1/metadata/jwk/", "/service_accounts/v1/jwk/"];

/// Whether a request is for public keys, which other sites' pages may have too.
pub(super) fn are_asked<B>(request: &Request<B>) -> bool {
    let path = request.uri().path();
    let is_one = [JWKS_PATH, PEM_PATH, IAP_JWKS_PATH, IAP_PEM_PATH].contains(&path);
    request.method() == Method::GET && (is_one || path.starts_with(ACCOUNT_KEYS))
}

impl Google {
    /// The document of that path.
    pub(super) async fn key_document(&self, path: &str) -> Answer {
        let (google, iap) = (&*self.issuer, &*self.iap);
        match path {
            JWKS_PATH => self.keys(Server::Keys, google, async || Some(google.jwks())).await,
            PEM_PATH => self.keys(Server::Keys, google, async || Some(google.pem_map())).await,
            IAP_JWKS_PATH => self.keys(Server::IapKeys, iap, async || Some(iap.jwks())).await,
            IAP_PEM_PATH => self.keys(Server::IapKeys, iap, async || Some(iap.pem_map())).await,
            path => self.account_keys(path).await,
        }
    }

    /// A key document. Google's own clock says until when it may be kept.
    async fn keys(
        &self,
        server: Server,
        issuer: &Issuer,
        document: impl AsyncFnOnce() -> Option<Value>,
    ) -> Answer {
        let honest = async {
            // Without a key the document is there, with nothing in it.
            let _ = issuer.ready().await;
            match document().await {
                Some(document) => json(StatusCode::OK, &document),
                None => text(StatusCode::NOT_FOUND, "no such account\n"),
            }
        };
        let mut answer = self.or_fault(server, None, honest).await;
        if answer.status() == StatusCode::OK {
            let max_age = self.keys_max_age.load(Ordering::Relaxed);
            self.cached(answer.headers_mut(), max_age);
        }
        answer
    }

    fn cached(&self, headers: &mut HeaderMap, max_age: u64) {
        let now = self.issuer.now();
        let date = |seconds| {
            let moment = UNIX_EPOCH.checked_add(Duration::from_secs(seconds));
            // No date of HTTP is later than the year 9999.
            let moment = moment.filter(|_| seconds < 253_402_300_800);
            moment.map(httpdate::fmt_http_date).unwrap_or_default()
        };
        for (name, value) in [
            (CACHE_CONTROL, format!("public, max-age={max_age}, must-revalidate")),
            (DATE, date(now.0)),
            (EXPIRES, date(now.0.saturating_add(max_age))),
        ] {
            if let (Ok(value), false) = (HeaderValue::from_str(&value), value.is_empty()) {
                headers.insert(name, value);
            }
        }
    }

    /// The public keys of a service account, in one of two forms.
    async fn account_keys(&self, path: &str) -> Answer {
        let document = async || {
            let pem = path.strip_prefix(ACCOUNT_PEM_PATH);
            let jwk = ACCOUNT_JWKS_PATHS.iter().find_map(|root| path.strip_prefix(root));
            let email = self.accounts.email(&query::decode_path(pem.or(jwk)?))?;
            let _ = self.accounts.managed(&email).ready().await;
            let (jwks, pems) = self.accounts.public_keys(&email);
            Some(if pem.is_some() { pems.into() } else { object!({ "keys": jwks }) })
        };
        self.keys(Server::Keys, &self.issuer, document).await
    }
}
