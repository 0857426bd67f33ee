//! Remembering tokens that were found authentic, so that the signature of each
//! is checked once.

use std::collections::HashMap;

use crate::config::Reader;
use crate::token::AuthenticToken;

/// A token is kept with its claims, which take a few times its size.
const COPIES: usize = 3;
/// How much of a token's end finds its place: it is part of the signature, so
/// no two tokens of an issuer have the same.
const TAIL: usize = 16;

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

/// How many tokens are remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CacheBounds {
    /// At most so many; none at all if this is 0.
    pub max_entries: usize,
    /// In about so much memory, in bytes.
    pub max_bytes: usize,
}

impl CacheBounds {
    /// Reads `max_entries` and `max_bytes`; one that is not given is `usual`.
    ///
    /// # Errors
    /// None if there are mistakes, which the reader has written down.
    pub fn read(from: &Reader<'_>, usual: Self) -> Option<Self> {
        let mut object = from.object()?;
        let max_entries = object.maybe("max_entries", |it| it.whole_within(0, 1_000_000));
        let max_bytes = object.maybe("max_bytes", |it| it.whole_within(1 << 16, 1 << 30));
        object.finish();
        Some(Self {
            max_entries: max_entries?.unwrap_or(usual.max_entries),
            max_bytes: max_bytes?.unwrap_or(usual.max_bytes),
        })
    }
}

/// Tokens within bounds: when the young generation is full it becomes the old
/// one, and what was old and not asked for since is forgotten.
///
/// Only tokens that an issuer has signed get in, so nobody else can fill it.
/// It is for one thread at a time: a [`TokenCache`] puts what it needs around.
#[derive(Debug)]
pub struct TokenMemory {
    young: HashMap<Tail, AuthenticToken>,
    young_bytes: usize,
    old: HashMap<Tail, AuthenticToken>,
    /// Of one generation.
    bounds: CacheBounds,
}

type Tail = [u8; TAIL];

impl TokenMemory {
    /// An empty one.
    #[must_use]
    pub fn new(CacheBounds { max_entries, max_bytes }: CacheBounds) -> Self {
        let bounds = CacheBounds { max_entries: max_entries.div_ceil(2), max_bytes: max_bytes / 2 };
        Self { young: HashMap::new(), young_bytes: 0, old: HashMap::new(), bounds }
    }

    /// The token with exactly these bytes.
    pub fn get(&mut self, token: &[u8]) -> Option<AuthenticToken> {
        let tail = token.last_chunk()?;
        if let Some(known) = self.young.get(tail) {
            return (known.bytes() == token).then(|| known.clone());
        }
        self.old.get(tail).filter(|known| known.bytes() == token)?;
        let known = self.old.remove(tail)?;
        self.put(&known);
        Some(known)
    }

    /// Remembers a token.
    pub fn put(&mut self, token: &AuthenticToken) {
        let tail = token.bytes().last_chunk().filter(|_| self.bounds.max_entries > 0);
        let Some(tail) = tail else {
            return;
        };
        let bytes = token.bytes().len().saturating_mul(COPIES);
        let sum = self.young_bytes.saturating_add(bytes);
        if sum > self.bounds.max_bytes || self.young.len() >= self.bounds.max_entries {
            self.old = std::mem::take(&mut self.young);
            self.young_bytes = 0;
        }
        self.young_bytes = self.young_bytes.saturating_add(bytes);
        self.young.insert(*tail, token.clone());
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        *self = Self {
            young: HashMap::new(),
            young_bytes: 0,
            old: HashMap::new(),
            bounds: self.bounds,
        };
    }

    /// How many it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.young.len().saturating_add(self.old.len())
    }

    /// Whether it holds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
