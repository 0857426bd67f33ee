//! The IAM check in front of a private Cloud Run service.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use remint_idtoken::policy::TokenPlace;
use remint_idtoken::{Claims, Reason, UnixTime, UnverifiedToken};

use crate::config::{Service, ServiceRegion};
use crate::issuer::Issuer;
use crate::run::Urls;
use crate::sync::lock;
use crate::verifier::{Claimed, Verifier, read};

const SERVERLESS: HeaderName = HeaderName::from_static("x-serverless-authorization");

/// What the container sees in place of a signature.
pub(super) const SIGNATURE_REMOVED: &str = "SIGNATURE_REMOVED_BY_GOOGLE";

/// Checks tokens for one service in one region.
pub(crate) struct Iam {
    verifier: Verifier,
    audiences: HashSet<String>,
    /// The one audience of a function.
    function: String,
    bindings: Arc<Bindings>,
}

/// What can be changed of the check while it runs.
#[derive(Debug, Default)]
pub(crate) struct Bindings {
    /// Addresses that may call, in lower case.
    invokers: Mutex<HashSet<String>>,
    /// Tokens that were issued earlier are not believed.
    believed_from: AtomicU64,
}

impl Bindings {
    pub(crate) fn set_invokers<'e>(&self, emails: impl IntoIterator<Item = &'e str>) {
        let emails = emails.into_iter().map(str::to_ascii_lowercase);
        *lock(&self.invokers) = emails.collect();
    }

    pub(crate) fn believe_from(&self, at: UnixTime) {
        self.believed_from.store(at.0, Ordering::SeqCst);
    }

    fn believes(&self, claims: &Claims) -> bool {
        let from = self.believed_from.load(Ordering::SeqCst);
        claims.issued_at.is_some_and(|at| at.0 >= from)
    }

    fn may_call(&self, email: &str) -> bool {
        lock(&self.invokers).contains(&email.to_ascii_lowercase())
    }
}

/// What the check found.
pub(super) struct Checked {
    /// The token's audience and caller as claimed, if it could be read.
    pub(super) claimed: Option<Claimed>,
    /// What was admitted, or why the call is refused.
    pub(super) outcome: Result<Admitted, Reason>,
}

/// A token that the front end lets through.
pub(super) struct Admitted {
    /// The header that it came in.
    pub(super) header: HeaderName,
    /// The audience that counts.
    pub(super) audience: String,
    /// Whose it is.
    pub(super) caller: String,
}

impl Iam {
    pub(crate) fn new(
        issuer: Arc<Issuer>,
        service: &Service,
        region: &ServiceRegion,
        urls: &Urls,
    ) -> Self {
        let bindings = Bindings::default();
        let invokers = region.invokers.as_ref().unwrap_or(&service.invokers);
        let custom = region.custom_audiences.as_ref().unwrap_or(&service.custom_audiences);
        bindings.set_invokers(invokers.iter().map(String::as_str));
        Self {
            verifier: Verifier::new(issuer),
            audiences: urls.audiences().chain(custom.iter().cloned()).collect(),
            function: urls.function.clone(),
            bindings: Arc::new(bindings),
        }
    }

    /// What can be changed of it.
    pub(crate) fn bindings(&self) -> Arc<Bindings> {
        Arc::clone(&self.bindings)
    }

    /// Looks at `X-Serverless-Authorization` alone if it is there. No source
    /// says that functions of the first generation know it: they do not here.
    pub(super) fn check(&self, headers: &HeaderMap, is_function: bool) -> Checked {
        let header = match headers.contains_key(SERVERLESS) && !is_function {
            true => SERVERLESS,
            false => AUTHORIZATION,
        };
        let place = TokenPlace::bearer(header.as_str());
        let token = place.token(headers).and_then(read);
        let claimed = token.as_ref().ok().map(|token| Claimed::of(token.claims()));
        let outcome = token
            .and_then(|token| self.admit(token, is_function))
            .map(|(audience, caller)| Admitted { header, audience, caller });
        Checked { claimed, outcome }
    }

    /// The audience that counts and who calls.
    fn admit(
        &self,
        token: UnverifiedToken<'_>,
        is_function: bool,
    ) -> Result<(String, String), Reason> {
        let authentic = self.verifier.authenticate(token)?;
        let claims = authentic.claims();
        if !self.bindings.believes(claims) {
            return Err(Reason::KeyUnknown);
        }
        let is_own = |audience: &&String| match is_function {
            true => **audience == self.function,
            false => self.audiences.contains(*audience),
        };
        let audience = claims.audiences.iter().find(is_own);
        let audience = audience.ok_or(Reason::AudienceMismatch)?;
        let email = claims.verified_email().ok_or(Reason::CallerNotAllowed)?;
        match self.bindings.may_call(email) {
            true => Ok((audience.clone(), email.to_owned())),
            false => Err(Reason::CallerNotAllowed),
        }
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
