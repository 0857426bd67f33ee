//! The IAM check in front of a private Cloud Run service.

use std::sync::Arc;
use std::time::Duration;

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use remint_idtoken::policy::{GCLOUD_CLIENT, TokenPlace, audience_miss};
use remint_idtoken::{AuthenticToken, Reason, UnixTime, UnverifiedToken};

use super::bindings::Bindings;
use super::members::Members;
use super::url::Urls;
use crate::config::{Service, ServiceRegion};
use crate::issuer::Issuer;
use crate::verifier::{Claimed, Verifier, read};

const SERVERLESS: HeaderName = HeaderName::from_static("x-serverless-authorization");

/// What the container sees in place of a signature.
pub(super) const SIGNATURE_REMOVED: &str = "SIGNATURE_REMOVED_BY_GOOGLE";

/// Checks tokens for one service in one region.
pub(crate) struct Iam {
    verifier: Verifier,
    audiences: Vec<String>,
    /// The one audience of a function.
    function: [String; 1],
    bindings: Arc<Bindings>,
    /// Whether nothing is checked: `invokerIamDisabled`.
    is_off: bool,
}

/// What the check found.
pub(super) struct Checked {
    /// The token's audience and caller as claimed, if it could be read.
    pub(super) claimed: Option<Claimed>,
    /// What was admitted, or why the call is refused.
    pub(super) outcome: Result<Admitted, Reason>,
    /// When all front ends know of the change of invokers that decided here,
    /// if others would have decided otherwise.
    pub(super) propagating_until: Option<UnixTime>,
}

/// A call that the front end lets through.
pub(super) enum Admitted {
    /// Everybody may call. Nothing was checked, and nothing is changed.
    ///
    /// No page of Google's says what becomes of a token at a public service.
    /// That it passes is what ESPv2 on Cloud Run builds on, which verifies it
    /// itself behind `--allow-unauthenticated`
    /// (<https://github.com/GoogleCloudPlatform/esp-v2/issues/542>). There are
    /// reports of a public service that now and then answered a foreign JWT
    /// with 401 all the same: that is not reproduced.
    Anybody,
    /// A token was believed.
    Caller {
        /// The header that it came in.
        header: HeaderName,
        /// The audience that counts.
        audience: String,
        /// Whose it is.
        caller: String,
    },
}

/// A token that is believed and meant for this service.
struct Identity {
    authentic: AuthenticToken,
    audience: String,
}

impl Iam {
    pub(crate) fn new(
        issuer: Arc<Issuer>,
        propagation: Duration,
        (service, region): (&Service, &ServiceRegion),
        urls: &Urls,
    ) -> Self {
        let invokers = region.invokers.as_ref().unwrap_or(&service.invokers);
        let custom = region.custom_audiences.as_ref().unwrap_or(&service.custom_audiences);
        let invokers = invokers.iter().map(String::as_str);
        Self {
            bindings: Arc::new(Bindings::new(Arc::clone(&issuer), propagation, invokers)),
            verifier: Verifier::new(issuer),
            audiences: urls.audiences().chain(custom.iter().cloned()).collect(),
            function: [urls.function.clone()],
            is_off: service.invoker_iam_disabled,
        }
    }

    /// What can be changed of it.
    pub(crate) fn bindings(&self) -> Arc<Bindings> {
        Arc::clone(&self.bindings)
    }

    /// Looks at `X-Serverless-Authorization` alone if it is there. The pages on
    /// functions of the first generation do not know that header, nor do these
    /// front ends of theirs.
    ///
    /// `host` is the one that was called, without port.
    pub(super) fn check(&self, headers: &HeaderMap, host: &str, is_function: bool) -> Checked {
        let header = match headers.contains_key(SERVERLESS) && !is_function {
            true => SERVERLESS,
            false => AUTHORIZATION,
        };
        let place = TokenPlace::bearer(header.as_str());
        let token = place.token(headers).and_then(read);
        let claimed = token.as_ref().ok().map(|token| Claimed::of(token.claims()));
        let identity = token.and_then(|token| self.identify(token, host, is_function));
        let view = self.bindings.view();
        let may = |members: &Members| match &identity {
            Ok(identity) => members.include(identity.authentic.claims()),
            Err(_) => members.everybody,
        };
        let (is_let_in, is_public) = (may(&view.members), view.members.everybody);
        let depends = view.others.iter().any(|others| may(others) != is_let_in);
        let outcome = match identity {
            _ if is_public || self.is_off => Ok(Admitted::Anybody),
            Ok(identity) if is_let_in => Ok(identity.admitted(header)),
            Ok(_) => Err(Reason::InvokerMissing),
            Err(reason) => Err(reason),
        };
        let propagating_until = view.settled_at.filter(|_| depends);
        Checked { claimed, outcome, propagating_until }
    }

    /// Who calls, by a token for this service, or by one of a person's gcloud,
    /// which can't be for any: `gcloud auth print-identity-token` is how developers
    /// call private services (Cloud Run, "Authenticate developers"; the same of
    /// functions).
    fn identify(
        &self,
        token: UnverifiedToken<'_>,
        host: &str,
        is_function: bool,
    ) -> Result<Identity, Reason> {
        let authentic = self.verifier.authenticate(token)?;
        let claims = authentic.claims();
        if !self.bindings.believes(claims) {
            return Err(Reason::KeyUnknown);
        }
        let own: &[String] = if is_function { &self.function } else { &self.audiences };
        let is_accepted = |it: &&String| own.contains(it) || *it == GCLOUD_CLIENT;
        let audience = claims.audiences.iter().find(is_accepted).cloned();
        let audience = audience.ok_or_else(|| audience_miss(&claims.audiences, own, host))?;
        Ok(Identity { authentic, audience })
    }
}

/// 403 for no token or a caller who may not, 401 for a token that is not
/// believed or is meant for another audience.
pub(super) fn status_of(reason: Reason) -> StatusCode {
    match reason {
        Reason::TokenMissing | Reason::InvokerMissing => StatusCode::FORBIDDEN,
        _ => StatusCode::UNAUTHORIZED,
    }
}

/// The header's value with the signature removed, as the container sees it.
pub(super) fn without_signature(value: &HeaderValue) -> Option<HeaderValue> {
    let (signed, _) = value.to_str().ok()?.rsplit_once('.')?;
    HeaderValue::from_str(&format!("{signed}.{SIGNATURE_REMOVED}")).ok()
}

impl Identity {
    fn admitted(self, header: HeaderName) -> Admitted {
        let claims = self.authentic.claims();
        let caller = claims.verified_email().or(claims.subject.as_deref()).unwrap_or_default();
        Admitted::Caller { header, caller: caller.to_owned(), audience: self.audience }
    }
}
