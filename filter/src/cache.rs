//! The tokens that a worker has found authentic.

use std::cell::RefCell;
use std::collections::HashMap;

use remint_idtoken::{AuthenticToken, TokenCache};

/// About how much memory the tokens of one generation may take.
const MOST_BYTES: usize = 2 << 20;
/// A token is kept with its claims, which take a few times its size.
const COPIES: usize = 4;

/// Remembers tokens within bounds: when the young generation is full it becomes
/// the old one, and what was old and not asked for since is forgotten.
///
/// Only tokens that an issuer has signed get in, so nobody else can fill it.
#[derive(Default)]
pub(crate) struct Cache(RefCell<Generations>);

#[derive(Default)]
struct Generations {
    young: HashMap<Box<[u8]>, AuthenticToken>,
    young_bytes: usize,
    old: HashMap<Box<[u8]>, AuthenticToken>,
}

impl Generations {
    fn put(&mut self, token: Box<[u8]>, authentic: AuthenticToken) {
        let bytes = token.len().saturating_mul(COPIES);
        if self.young_bytes.saturating_add(bytes) > MOST_BYTES {
            self.old = std::mem::take(&mut self.young);
            self.young_bytes = 0;
        }
        self.young_bytes = self.young_bytes.saturating_add(bytes);
        self.young.insert(token, authentic);
    }
}

impl TokenCache for Cache {
    fn get(&self, token: &[u8]) -> Option<AuthenticToken> {
        let mut generations = self.0.borrow_mut();
        if let Some(authentic) = generations.young.get(token) {
            return Some(authentic.clone());
        }
        let (bytes, authentic) = generations.old.remove_entry(token)?;
        generations.put(bytes, authentic.clone());
        Some(authentic)
    }

    fn put(&self, token: &[u8], authentic: &AuthenticToken) {
        self.0.borrow_mut().put(token.into(), authentic.clone());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use remint_emulator::{Issuer, SystemClock, TokenRequest};
    use remint_idtoken::keys::{KeySet, parse_jwks};
    use remint_idtoken::policy::Issuer as PolicyIssuer;
    use remint_idtoken::{Algorithm, Authority, AwsLc, Timing, UnverifiedToken};

    use super::*;

    fn authentic() -> (String, AuthenticToken) {
        let issuer = Issuer::new(Algorithm::Rs256, Arc::new(SystemClock)).unwrap();
        let token = issuer.mint(&TokenRequest::new("a@b.example", "here"));
        let mut authority = Authority::of(&[PolicyIssuer::google()], Timing::default(), AwsLc);
        let jwks = parse_jwks(issuer.jwks().to_string().as_bytes()).unwrap();
        let (keys, _) = KeySet::load(&AwsLc, &jwks).unwrap();
        authority.set_keys("google", Some(Arc::new(keys)));
        let parsed = UnverifiedToken::parse(token.as_bytes()).unwrap();
        let authentic = authority.authenticate(parsed, issuer.now()).unwrap();
        (token, authentic)
    }

    #[test]
    fn a_token_is_found_by_all_of_its_bytes_alone() {
        let (token, authentic) = authentic();
        let cache = Cache::default();
        cache.put(token.as_bytes(), &authentic);
        assert!(cache.get(token.as_bytes()).is_some());
        for place in 0..token.len() {
            let mut other = token.clone().into_bytes();
            other[place] ^= 1;
            assert!(cache.get(&other).is_none(), "byte {place} differs");
            assert!(cache.get(&token.as_bytes()[..place]).is_none(), "cut at {place}");
        }
    }

    #[test]
    fn memory_is_bounded_and_what_is_asked_for_stays() {
        let (_, authentic) = authentic();
        let cache = Cache::default();
        let name = |number: u32| [number.to_le_bytes().as_slice(), &[b'x'; 1200]].concat();
        for number in 0..10_000 {
            cache.put(&name(number), &authentic);
            assert!(cache.get(&name(0)).is_some(), "after {number}");
        }
        let generations = cache.0.borrow();
        let kept = generations.young.len() + generations.old.len();
        assert!(kept <= 2 * MOST_BYTES / (COPIES * 1200), "{kept} tokens are kept");
        assert!(generations.young_bytes <= MOST_BYTES);
    }
}
