//! Remembering tokens that were found authentic, so that the signature of each
//! is checked once.

use crate::token::AuthenticToken;

/// Remembers authentic tokens by all of their bytes: no other token can be
/// taken for one of them.
///
/// Whoever asks has to ask the authority whether it
/// [still vouches](crate::Authority::still_vouches_for) for what it gets. One
/// cache belongs to one authority and its clones.
pub trait TokenCache {
    /// The token with exactly these bytes, if it is remembered.
    fn get(&self, token: &[u8]) -> Option<AuthenticToken>;

    /// Remembers a token, if there is room.
    fn put(&self, token: &AuthenticToken);
}

/// Remembers nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoCache;

impl TokenCache for NoCache {
    fn get(&self, _: &[u8]) -> Option<AuthenticToken> {
        None
    }

    fn put(&self, _: &AuthenticToken) {}
}
