//! What a cache may spare, and what it must not.

#![allow(clippy::arithmetic_side_effects, clippy::unwrap_used, reason = "tests")]

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use remint_emulator::{Issuer, ManualClock, TokenRequest};
use remint_idtoken::keys::{KeySet, parse_jwks};
use remint_idtoken::{
    Algorithm, AuthenticToken, Authority, AwsLc, Headers, Policy, PublicKey, Reason,
    SignatureError, SignatureScheme, Target, TokenCache, UnixTime,
};

const NOW: u64 = 1_790_000_000;
const POLICY: &str = r#"{"rules": [
    {"name": "a", "match": {"paths": [{"prefix": "/a"}]}, "audiences": ["here"],
     "callers": {"emails": ["a@p.example"]}},
    {"name": "b", "match": {"paths": [{"prefix": "/b"}]}, "audiences": ["there"],
     "callers": {"anyone": true}}
]}"#;

/// Counts the signatures that are checked.
struct Counting(Rc<Cell<usize>>);

impl SignatureScheme for Counting {
    type Key = <AwsLc as SignatureScheme>::Key;

    fn load(&self, key: &PublicKey) -> Result<Self::Key, SignatureError> {
        AwsLc.load(key)
    }

    fn verify(&self, key: &Self::Key, signed: &[u8], sig: &[u8]) -> Result<(), SignatureError> {
        self.0.set(self.0.get() + 1);
        AwsLc.verify(key, signed, sig)
    }
}

#[derive(Default)]
struct Everything(RefCell<HashMap<Vec<u8>, AuthenticToken>>);

impl TokenCache for Everything {
    fn get(&self, token: &[u8]) -> Option<AuthenticToken> {
        self.0.borrow().get(token).cloned()
    }

    fn put(&self, token: &AuthenticToken) {
        self.0.borrow_mut().insert(token.bytes().to_vec(), token.clone());
    }
}

struct OneHeader(String);

impl Headers for OneHeader {
    fn values<'h>(&'h self, name: &'h str) -> impl Iterator<Item = &'h [u8]> {
        (name == "authorization").then_some(self.0.as_bytes()).into_iter()
    }
}

struct World {
    issuer: Issuer,
    policy: Policy,
    authority: Authority<Counting>,
    cache: Everything,
    checked: Rc<Cell<usize>>,
}

impl World {
    fn new() -> Self {
        let clock = Arc::new(ManualClock::new(UnixTime(NOW)));
        let policy = Policy::from_json(POLICY).unwrap();
        let checked = Rc::new(Cell::new(0));
        let mut world = Self {
            issuer: Issuer::new(Algorithm::Rs256, clock).unwrap(),
            authority: Authority::new(&policy, Counting(Rc::clone(&checked))),
            policy,
            cache: Everything::default(),
            checked,
        };
        world.fetch_keys();
        world
    }

    fn fetch_keys(&mut self) {
        let jwks = parse_jwks(self.issuer.jwks().to_string().as_bytes()).unwrap();
        let (keys, _) = KeySet::load(&AwsLc, &jwks).unwrap();
        self.authority.set_keys("google", Some(Arc::new(keys)));
    }

    fn token(&self) -> String {
        self.issuer.mint(&TokenRequest::new("a@p.example", "here"))
    }

    fn admit(&self, path: &str, token: &str, now: u64) -> Result<(), Reason> {
        let headers = OneHeader(format!("Bearer {token}"));
        let target = Target::parse("h.example", path, "GET");
        let (authority, cache) = (&self.authority, &self.cache);
        let result = self.policy.admit(authority, cache, target, &headers, UnixTime(now));
        result.map(drop).map_err(|refusal| refusal.reason)
    }
}

#[test]
fn the_signature_of_a_token_is_checked_once() {
    let world = World::new();
    let token = world.token();
    for _ in 0..10 {
        assert_eq!(world.admit("/a", &token, NOW), Ok(()));
    }
    assert_eq!(world.checked.get(), 1);
}

#[test]
fn a_remembered_token_expires_like_any_other() {
    let world = World::new();
    let token = world.token();
    assert_eq!(world.admit("/a", &token, NOW + 3600), Ok(()));
    assert_eq!(world.admit("/a", &token, NOW + 3630), Err(Reason::Expired));
    assert_eq!(world.admit("/a", &token, NOW - 31), Err(Reason::NotYetValid));
}

#[test]
fn a_remembered_token_has_to_fit_each_rule_for_itself() {
    let world = World::new();
    let token = world.token();
    assert_eq!(world.admit("/a", &token, NOW), Ok(()));
    assert_eq!(world.admit("/b", &token, NOW), Err(Reason::AudienceMismatch));
    assert_eq!(world.admit("/c", &token, NOW), Err(Reason::NoRule));
}

#[test]
fn other_keys_make_everything_be_checked_again() {
    let mut world = World::new();
    let token = world.token();
    assert_eq!(world.admit("/a", &token, NOW), Ok(()));
    world.fetch_keys();
    assert_eq!(world.admit("/a", &token, NOW), Ok(()));
    assert_eq!(world.checked.get(), 2);
    world.issuer.rotate().unwrap();
    world.issuer.retire_old();
    world.fetch_keys();
    assert_eq!(world.admit("/a", &token, NOW), Err(Reason::KeyUnknown));
    world.authority.set_keys("google", None);
    assert_eq!(world.admit("/a", &token, NOW), Err(Reason::KeysUnavailable));
}

#[test]
fn nothing_that_was_refused_is_remembered() {
    let world = World::new();
    let stranger =
        Issuer::new(Algorithm::Rs256, Arc::new(ManualClock::new(UnixTime(NOW)))).unwrap();
    let claims = stranger.claims(&TokenRequest::new("a@p.example", "here"));
    let forged = stranger.sign(&world.issuer.header(), &claims.into());
    for _ in 0..2 {
        assert_eq!(world.admit("/a", &forged, NOW), Err(Reason::SignatureBad));
    }
    assert!(world.cache.0.borrow().is_empty());
    assert_eq!(world.checked.get(), 2);
}
