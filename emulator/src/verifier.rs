//! Believing what Google has signed, with the keys that the emulator's issuer
//! publishes.

use std::sync::{Arc, Mutex};

use remint_idtoken::keys::{KeySet, parse_jwks};
use remint_idtoken::policy::Issuer as GoogleIssuer;
use remint_idtoken::{
    AuthenticToken, Authority, AwsLc, Claims, Reason, Timing, TokenError, UnverifiedToken,
};

use crate::issuer::Issuer;
use crate::sync::lock;

/// Has the core verify tokens: issuer, times, signature; not what they are for.
pub(crate) struct Verifier {
    issuer: Arc<Issuer>,
    authority: Mutex<Keyed>,
}

/// An authority and the generation of the issuer's keys that it has.
struct Keyed {
    authority: Arc<Authority<AwsLc>>,
    generation: Option<u64>,
}

/// What a token claims, for the timeline.
pub(crate) struct Claimed {
    pub(crate) audience: String,
    pub(crate) caller: Option<String>,
}

impl Verifier {
    pub(crate) fn new(issuer: Arc<Issuer>) -> Self {
        let google = [GoogleIssuer::google()];
        let authority = Arc::new(Authority::of(&google, Timing::default(), AwsLc));
        Self { issuer, authority: Mutex::new(Keyed { authority, generation: None }) }
    }

    pub(crate) fn authenticate(
        &self,
        token: UnverifiedToken<'_>,
    ) -> Result<AuthenticToken, Reason> {
        let authentic = self.authority().authenticate(token, self.issuer.now());
        authentic.map_err(|refusal| refusal.reason)
    }

    /// The authority with the keys that the issuer publishes now. Google's
    /// front ends know a new key before it is used; so do these.
    fn authority(&self) -> Arc<Authority<AwsLc>> {
        let mut keyed = lock(&self.authority);
        let generation = Some(self.issuer.generation());
        if keyed.generation != generation {
            let keys = parse_jwks(self.issuer.jwks().to_string().as_bytes())
                .ok()
                .and_then(|keys| KeySet::load(&AwsLc, &keys).ok())
                .map(|(keys, _)| keys);
            let mut authority = Authority::clone(&keyed.authority);
            authority.set_keys("google", keys.map(Arc::new));
            keyed.authority = Arc::new(authority);
            keyed.generation = generation;
        }
        Arc::clone(&keyed.authority)
    }
}

/// Reads a token, believing nothing.
pub(crate) fn read(bytes: &[u8]) -> Result<UnverifiedToken<'_>, Reason> {
    UnverifiedToken::parse(bytes).map_err(|error| match error {
        TokenError::SignatureRemoved => Reason::SignatureRemoved,
        _ => Reason::Malformed,
    })
}

impl Claimed {
    pub(crate) fn of(claims: &Claims) -> Self {
        let caller = claims.claimed_email().or(claims.subject.as_deref());
        Self { audience: claims.audiences.join(", "), caller: caller.map(str::to_owned) }
    }
}
