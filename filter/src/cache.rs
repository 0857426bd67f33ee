//! The tokens that a worker has found authentic.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;

use remint_idtoken::config::Reader;
use remint_idtoken::{AuthenticToken, TokenCache};

use crate::config::Home;

/// A token is kept with its claims, which take a few times its size.
const COPIES: usize = 3;
/// How much of a token's end finds its place: it is part of the signature, so
/// no two tokens of an issuer have the same.
const TAIL: usize = 16;

/// How many tokens are remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bounds {
    /// At most so many; none at all if this is 0.
    pub(crate) max_entries: usize,
    /// In about so much memory.
    pub(crate) max_bytes: usize,
}

impl Bounds {
    /// What fits into a proxy of that kind: Google's load balancer gives a
    /// module 16 MiB for all that it does.
    pub(crate) fn of(home: Home) -> Self {
        let max_bytes = match home {
            Home::Envoy => 16 << 20,
            Home::ServiceExtensions => 2 << 20,
        };
        Self { max_entries: 10_000, max_bytes }
    }

    /// Reads `token_cache`.
    pub(crate) fn read(from: &Reader<'_>, home: Home) -> Option<Self> {
        let usual = Self::of(home);
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

/// Remembers tokens within bounds: when the young generation is full it becomes
/// the old one, and what was old and not asked for since is forgotten.
///
/// Only tokens that an issuer has signed get in, so nobody else can fill it.
pub(crate) struct Cache {
    generations: RefCell<Generations>,
    /// Of one generation.
    bounds: Bounds,
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

type Tail = [u8; TAIL];

#[derive(Default)]
struct Generations {
    young: HashMap<Tail, AuthenticToken>,
    young_bytes: usize,
    old: HashMap<Tail, AuthenticToken>,
}

impl Cache {
    pub(crate) fn new(Bounds { max_entries, max_bytes }: Bounds) -> Self {
        let bounds = Bounds { max_entries: max_entries.div_ceil(2), max_bytes: max_bytes / 2 };
        Self { generations: RefCell::default(), bounds, looks: Cell::default() }
    }

    /// How often tokens were looked for since the last call of this.
    pub(crate) fn take_looks(&self) -> Looks {
        self.looks.take()
    }

    fn find(&self, token: &[u8]) -> Option<AuthenticToken> {
        let tail = token.last_chunk()?;
        let mut generations = self.generations.borrow_mut();
        if let Some(known) = generations.young.get(tail) {
            return (known.bytes() == token).then(|| known.clone());
        }
        generations.old.get(tail).filter(|known| known.bytes() == token)?;
        let known = generations.old.remove(tail)?;
        generations.put(*tail, known.clone(), self.bounds);
        Some(known)
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
        *self.generations.borrow_mut() = Generations::default();
    }
}

impl Generations {
    fn put(&mut self, tail: Tail, known: AuthenticToken, bounds: Bounds) {
        let bytes = known.bytes().len().saturating_mul(COPIES);
        let sum = self.young_bytes.saturating_add(bytes);
        if sum > bounds.max_bytes || self.young.len() >= bounds.max_entries {
            self.old = std::mem::take(&mut self.young);
            self.young_bytes = 0;
        }
        self.young_bytes = self.young_bytes.saturating_add(bytes);
        self.young.insert(tail, known);
    }
}

impl TokenCache for Cache {
    fn get(&self, token: &[u8]) -> Option<AuthenticToken> {
        let found = self.find(token);
        self.count(found.is_some());
        found
    }

    fn put(&self, token: &AuthenticToken) {
        let tail = token.bytes().last_chunk().filter(|_| self.bounds.max_entries > 0);
        if let Some(tail) = tail {
            self.generations.borrow_mut().put(*tail, token.clone(), self.bounds);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use remint_emulator::{AssertionRequest, IapResource, Issuer, SystemClock};
    use remint_idtoken::keys::{KeySet, parse_jwks};
    use remint_idtoken::policy::Issuer as PolicyIssuer;
    use remint_idtoken::{Algorithm, Authority, AwsLc, Timing, UnverifiedToken};

    use super::*;

    /// So many different tokens.
    fn tokens(count: usize) -> Vec<AuthenticToken> {
        let issuer = Issuer::new(Algorithm::Es256, Arc::new(SystemClock)).unwrap();
        let mut authority = Authority::of(&[PolicyIssuer::iap()], Timing::default(), AwsLc);
        let jwks = parse_jwks(issuer.jwks().to_string().as_bytes()).unwrap();
        let (keys, _) = KeySet::load(&AwsLc, &jwks).unwrap();
        authority.set_keys("iap", Some(Arc::new(keys)));
        let token = |number: usize| {
            let resource = IapResource::BackendService { project: 1, id: 2 };
            let request = AssertionRequest::new(format!("{number:09}@b.example"), resource);
            let token = issuer.mint_assertion(&request);
            let parsed = UnverifiedToken::parse(token.as_bytes()).unwrap();
            authority.authenticate(parsed, issuer.now()).unwrap()
        };
        (0..count).map(token).collect()
    }

    fn kept(cache: &Cache) -> usize {
        let generations = cache.generations.borrow();
        generations.young.len() + generations.old.len()
    }

    #[test]
    fn a_token_is_found_by_all_of_its_bytes_alone() {
        let [token] = tokens(1).try_into().unwrap();
        let cache = Cache::new(Bounds::of(Home::Envoy));
        cache.put(&token);
        let bytes = token.bytes();
        assert!(cache.get(bytes).is_some());
        for place in 0..bytes.len() {
            let mut other = bytes.to_vec();
            other[place] ^= 1;
            assert!(cache.get(&other).is_none(), "byte {place} differs");
            assert!(cache.get(&bytes[..place]).is_none(), "cut at {place}");
        }
        // The end alone finds its place, and does not make it the same token.
        assert!(cache.get(&[b"x", bytes].concat()).is_none());
        cache.clear();
        assert!(cache.get(bytes).is_none());
    }

    #[test]
    fn memory_is_bounded_and_what_is_asked_for_stays() {
        let tokens = tokens(1000);
        let bounds = Bounds { max_bytes: 1 << 18, ..Bounds::of(Home::Envoy) };
        let cache = Cache::new(bounds);
        for (number, token) in tokens.iter().enumerate() {
            cache.put(token);
            assert!(cache.get(tokens[0].bytes()).is_some(), "after {number}");
        }
        let most = bounds.max_bytes / (COPIES * tokens[0].bytes().len());
        let kept = kept(&cache);
        assert!((most / 2..=most).contains(&kept), "{kept} of at most {most} tokens are kept");
    }

    #[test]
    fn tokens_are_bounded_in_number_too_and_none_is_kept_where_none_may_be() {
        let tokens = tokens(40);
        for max_entries in [0, 1, 10] {
            let cache = Cache::new(Bounds { max_entries, ..Bounds::of(Home::Envoy) });
            tokens.iter().for_each(|token| cache.put(token));
            let kept = kept(&cache);
            assert!(kept <= max_entries + max_entries % 2, "{kept} for {max_entries}");
            assert_eq!(kept > 0, max_entries > 0);
        }
    }
}
