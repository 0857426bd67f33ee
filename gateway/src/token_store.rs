//! The callers' tokens that were found authentic, for all threads.

use std::sync::{Mutex, PoisonError};

use prometheus_client::metrics::counter::Counter;
use remint_idtoken::{AuthenticToken, CacheBounds, TokenCache, TokenMemory};

/// So many threads can look for different tokens at once.
const SHARDS: usize = 16;

/// Remembers tokens. What is asked for is copied out, so a lock is held for a
/// look into a table and never for anything that waits.
pub(crate) struct TokenStore {
    shards: [Mutex<TokenMemory>; SHARDS],
    looks: Looks,
}

/// How often a token was looked for.
#[derive(Clone, Default)]
pub(crate) struct Looks {
    /// It was remembered.
    pub(crate) hits: Counter,
    /// It was not.
    pub(crate) misses: Counter,
}

impl TokenStore {
    pub(crate) fn new(bounds: CacheBounds, looks: Looks) -> Self {
        let each = CacheBounds {
            max_entries: bounds.max_entries.div_ceil(SHARDS),
            max_bytes: bounds.max_bytes / SHARDS,
        };
        Self { shards: std::array::from_fn(|_| Mutex::new(TokenMemory::new(each))), looks }
    }

    /// A token's end is part of its signature, and as good as random. Its last
    /// character may not be: it holds what is left over of the last byte.
    fn with<T>(&self, token: &[u8], act: impl FnOnce(&mut TokenMemory) -> T) -> Option<T> {
        let place =
            token.iter().rev().skip(1).take(4).fold(0, |place: usize, byte| {
                place.wrapping_mul(31).wrapping_add(usize::from(*byte))
            });
        let shard = self.shards.get(place % SHARDS)?;
        Some(act(&mut shard.lock().unwrap_or_else(PoisonError::into_inner)))
    }
}

impl TokenCache for TokenStore {
    fn get(&self, token: &[u8]) -> Option<AuthenticToken> {
        let found = self.with(token, |memory| memory.get(token)).flatten();
        match found {
            Some(_) => self.looks.hits.inc(),
            None => self.looks.misses.inc(),
        };
        found
    }

    fn put(&self, token: &AuthenticToken) {
        self.with(token.bytes(), |memory| memory.put(token));
    }
}
