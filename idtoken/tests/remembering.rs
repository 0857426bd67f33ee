//! What is remembered of tokens, and how much.

#![forbid(unsafe_code)]
#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "tests may"
)]

use std::sync::Arc;

use remint_emulator::{AssertionRequest, IapResource, Issuer, SystemClock};
use remint_idtoken::keys::{KeySet, parse_jwks};
use remint_idtoken::policy::Issuer as PolicyIssuer;
use remint_idtoken::{
    Algorithm, AuthenticToken, Authority, AwsLc, CacheBounds, Timing, TokenMemory, UnverifiedToken,
};

const USUAL: CacheBounds = CacheBounds { max_entries: 10_000, max_bytes: 16 << 20 };

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

#[test]
fn a_token_is_found_by_all_of_its_bytes_alone() {
    let [token] = tokens(1).try_into().unwrap();
    let mut cache = TokenMemory::new(USUAL);
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
    let bounds = CacheBounds { max_bytes: 1 << 18, ..USUAL };
    let mut cache = TokenMemory::new(bounds);
    for (number, token) in tokens.iter().enumerate() {
        cache.put(token);
        assert!(cache.get(tokens[0].bytes()).is_some(), "after {number}");
    }
    let most = bounds.max_bytes / (3 * tokens[0].bytes().len());
    let kept = cache.len();
    assert!((most / 2..=most).contains(&kept), "{kept} of at most {most} tokens are kept");
}

#[test]
fn tokens_are_bounded_in_number_too_and_none_is_kept_where_none_may_be() {
    let tokens = tokens(40);
    for max_entries in [0, 1, 10] {
        let mut cache = TokenMemory::new(CacheBounds { max_entries, ..USUAL });
        tokens.iter().for_each(|token| cache.put(token));
        let kept = cache.len();
        assert!(kept <= max_entries + max_entries % 2, "{kept} for {max_entries}");
        assert_eq!(kept > 0, max_entries > 0);
    }
}
