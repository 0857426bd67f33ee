//! The tokens that programs send.
//!
//! "Programmatic authentication": an ID token whose audience is the OAuth client
//! ID. IAP also takes assertions that a service account signs itself, for the
//! URL; those it does not know here.

use std::sync::Arc;

use http::HeaderMap;
use remint_idtoken::policy::{TokenPlace, audience_miss};
use remint_idtoken::{Reason, UnverifiedToken};

use super::PROXY_AUTHORIZATION;
use crate::issuer::Issuer;
use crate::verifier::{Claimed, Verifier, read};

pub(super) struct Tokens {
    verifier: Verifier,
    client_id: [String; 1],
    /// The load balancer's.
    host: String,
    proxy_authorization: TokenPlace,
    authorization: TokenPlace,
}

/// A token that somebody has sent.
pub(super) struct Presented {
    pub(super) claimed: Option<Claimed>,
    /// The caller's address, or what is wrong with the token.
    pub(super) outcome: Result<String, Reason>,
}

impl Tokens {
    pub(super) fn new(google: Arc<Issuer>, client_id: &str, host: &str) -> Self {
        Self {
            verifier: Verifier::new(google),
            client_id: [client_id.to_owned()],
            host: host.to_ascii_lowercase(),
            proxy_authorization: TokenPlace::bearer(PROXY_AUTHORIZATION),
            authorization: TokenPlace::bearer("authorization"),
        }
    }

    pub(super) fn in_proxy_authorization(&self, headers: &HeaderMap) -> Option<Presented> {
        self.at(&self.proxy_authorization, headers)
    }

    pub(super) fn in_authorization(&self, headers: &HeaderMap) -> Option<Presented> {
        self.at(&self.authorization, headers)
    }

    /// None if there is no bearer token in that place.
    fn at(&self, place: &TokenPlace, headers: &HeaderMap) -> Option<Presented> {
        let token = match place.token(headers) {
            Err(Reason::TokenMissing) => return None,
            token => token.and_then(read),
        };
        let claimed = token.as_ref().ok().map(|token| Claimed::of(token.claims()));
        Some(Presented { claimed, outcome: token.and_then(|token| self.caller_of(token)) })
    }

    fn caller_of(&self, token: UnverifiedToken<'_>) -> Result<String, Reason> {
        let authentic = self.verifier.authenticate(token)?;
        let claims = authentic.claims();
        if !claims.audiences.iter().any(|audience| self.client_id.contains(audience)) {
            return Err(match audience_miss(&claims.audiences, &self.client_id, &self.host) {
                // An OAuth client's is what it has to be: another one's.
                Reason::AudienceIsIapClient => Reason::AudienceMismatch,
                reason => reason,
            });
        }
        claims.verified_email().map(str::to_owned).ok_or(Reason::EmailUnverified)
    }
}
