//! The tokens that programs send.
//!
//! "Programmatic authentication": an ID token whose audience is the OAuth client
//! ID. IAP also takes assertions that a service account signs itself, for the
//! URL; those it does not know here.

use std::sync::Arc;

use http::HeaderMap;
use remint_idtoken::policy::TokenPlace;
use remint_idtoken::{Reason, UnverifiedToken};

use super::PROXY_AUTHORIZATION;
use crate::issuer::Issuer;
use crate::verifier::{Claimed, Verifier, read};

pub(super) struct Tokens {
    verifier: Verifier,
    client_id: String,
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
    pub(super) fn new(google: Arc<Issuer>, client_id: &str) -> Self {
        Self {
            verifier: Verifier::new(google),
            client_id: client_id.to_owned(),
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
        if !claims.audiences.contains(&self.client_id) {
            return Err(Reason::AudienceMismatch);
        }
        claims.verified_email().map(str::to_owned).ok_or(Reason::EmailUnverified)
    }
}
