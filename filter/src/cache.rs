//! The tokens that a worker has found authentic.

use std::cell::{Cell, RefCell};

use remint_idtoken::{AuthenticToken, CacheBounds, TokenCache, TokenMemory};

use crate::config::Home;

/// What fits into a proxy of that kind: Google's load balancer gives a
/// module 16 MiB for all that it does.
pub(crate) fn usual_bounds(home: Home) -> CacheBounds {
    let max_bytes = match home {
        Home::Envoy => 16 << 20,
        Home::ServiceExtensions => 2 << 20,
    };
    CacheBounds { max_entries: 10_000, max_bytes }
}

/// Remembers tokens, and counts how often it did.
pub(crate) struct Cache {
    memory: RefCell<TokenMemory>,
    looks: Cell<Looks>,
}

/// How often tokens were looked for, since the last time that somebody asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Looks {
    /// They were remembered.
    pub(crate) hits: u32,
    /// They were not.
    pub(crate) misses: u32,
}

impl Cache {
    pub(crate) fn new(bounds: CacheBounds) -> Self {
        Self { memory: RefCell::new(TokenMemory::new(bounds)), looks: Cell::default() }
    }

    /// How often tokens were looked for since the last call of this.
    pub(crate) fn take_looks(&self) -> Looks {
        self.looks.take()
    }

    fn count(&self, is_hit: bool) {
        let Looks { hits, misses } = self.looks.get();
        self.looks.set(match is_hit {
            true => Looks { hits: hits.saturating_add(1), misses },
            false => Looks { hits, misses: misses.saturating_add(1) },
        });
    }

    /// Forgets everything: other keys are in use.
    pub(crate) fn clear(&self) {
        self.memory.borrow_mut().clear();
    }
}

impl TokenCache for Cache {
    fn get(&self, token: &[u8]) -> Option<AuthenticToken> {
        let found = self.memory.borrow_mut().get(token);
        self.count(found.is_some());
        found
    }

    fn put(&self, token: &AuthenticToken) {
        self.memory.borrow_mut().put(token);
    }
}
