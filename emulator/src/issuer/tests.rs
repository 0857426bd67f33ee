use base64::engine::general_purpose::STANDARD;
use remint_idtoken::keys::{KeySet, parse_jwks};
use remint_idtoken::{AuthenticToken, Authority, AwsLc, Policy, Reason, UnverifiedToken};

use super::*;
use crate::clock::ManualClock;

const NOW: UnixTime = UnixTime(1_790_000_000);
const PUSHER: &str = "pusher@p.iam.gserviceaccount.com";

fn issuer(algorithm: Algorithm) -> Issuer {
    Issuer::new(algorithm, Arc::new(ManualClock::new(NOW))).unwrap()
}

/// Has the core check a token against the keys that the issuer publishes.
fn authenticate(issuer: &Issuer, token: &str) -> Result<AuthenticToken, Reason> {
    let ours = json!({
        "name": "ours", "issuer": "https://ours.example",
        "jwks_uri": "https://ours.example/keys", "algorithms": ["ES256"],
    });
    let policy = json!({
        "issuers": [{ "preset": "google" }, ours],
        "rules": [{ "name": "r", "match": {}, "issuers": ["google"], "audiences": ["a"],
                    "callers": { "anyone": true } }],
    });
    let policy = Policy::from_json(&policy.to_string()).unwrap();
    let mut authority = Authority::new(&policy, AwsLc);
    let jwks = parse_jwks(issuer.jwks().to_string().as_bytes()).unwrap();
    assert!(jwks.left_out().is_empty());
    let (keys, _) = KeySet::load(&AwsLc, &jwks).unwrap();
    let keys = Arc::new(keys);
    authority.set_keys("google", Some(Arc::clone(&keys)));
    authority.set_keys("ours", Some(keys));
    let token = UnverifiedToken::parse(token.as_bytes()).unwrap();
    authority.authenticate(token, NOW).map_err(|refusal| refusal.reason)
}

#[test]
fn a_minted_token_has_google_s_claims_and_the_core_believes_it() {
    let issuer = issuer(Algorithm::Rs256);
    let token = issuer.mint(&TokenRequest::new(PUSHER, "https://a.example"));
    let token = authenticate(&issuer, &token).unwrap();
    let claims = token.claims();
    assert_eq!(claims.verified_email(), Some(PUSHER));
    assert_eq!(claims.audiences, ["https://a.example"]);
    assert_eq!(claims.all()["azp"], claims.all()["sub"]);
    assert_eq!(claims.subject.as_deref().map(str::len), Some(21));
    assert_eq!(claims.expires_at, UnixTime(NOW.0 + 3600));
    assert_eq!(claims.issued_at, Some(NOW));
}

#[test]
fn a_token_without_email_tells_no_address() {
    let issuer = issuer(Algorithm::Rs256);
    let token = issuer.mint(&TokenRequest::new(PUSHER, "a").without_email());
    let token = authenticate(&issuer, &token).unwrap();
    assert!(token.claims().claimed_email().is_none());
    assert!(!token.claims().all().contains_key("email_verified"));
}

#[test]
fn an_es256_issuer_signs_tokens_that_the_core_believes() {
    let issuer = issuer(Algorithm::Es256);
    let exp = NOW.0 + 600;
    let claims = json!({ "iss": "https://ours.example", "aud": "a", "iat": NOW.0, "exp": exp });
    let token = issuer.sign(&issuer.header(), &claims);
    assert_eq!(authenticate(&issuer, &token).unwrap().issuer(), "ours");
}

#[test]
fn the_old_key_stays_published_until_it_is_retired() {
    let issuer = issuer(Algorithm::Rs256);
    let request = TokenRequest::new(PUSHER, "a");
    let (old, old_id) = (issuer.mint(&request), issuer.key_id());
    let before = issuer.generation();
    issuer.rotate().unwrap();
    assert_ne!(issuer.key_id(), old_id);
    assert_ne!(issuer.generation(), before);
    assert!(authenticate(&issuer, &old).is_ok());
    issuer.retire_old();
    assert_eq!(authenticate(&issuer, &old).unwrap_err(), Reason::KeyUnknown);
    assert!(authenticate(&issuer, &issuer.mint(&request)).is_ok());
}

#[test]
fn whoever_needs_a_key_that_is_being_made_waits_for_it() {
    let clock = Arc::new(ManualClock::new(NOW));
    let issuer = Issuer::in_background(Algorithm::Rs256, clock);
    let token = issuer.mint(&TokenRequest::new(PUSHER, "a"));
    assert!(authenticate(&issuer, &token).is_ok());
}

#[tokio::test]
async fn a_key_that_is_being_made_is_waited_for_without_blocking() {
    let clock = Arc::new(ManualClock::new(NOW));
    let issuer = Issuer::in_background(Algorithm::Rs256, clock);
    let (first, second) = tokio::join!(issuer.ready(), issuer.ready());
    assert!(first.is_ok() && second.is_ok());
    assert_eq!(issuer.jwks()["keys"].as_array().unwrap().len(), 1);
    assert!(issuer.ready().await.is_ok());
}

#[test]
fn keys_keep_to_their_schedule() {
    let clock = Arc::new(ManualClock::new(NOW));
    let [every, overlap] = [1000, 100].map(Duration::from_secs);
    let issuer = Issuer::new(Algorithm::Es256, clock.clone()).unwrap();
    let issuer = issuer.with_rotation(Some(Rotation { every, overlap }));
    let at = |seconds| {
        clock.set(NOW.plus(Duration::from_secs(seconds)));
        issuer.keep_to_schedule().unwrap();
        let ids = issuer.published(|key| key.id.clone());
        assert_eq!(ids[0], issuer.key_id(), "the one that signs comes first");
        ids
    };
    let first = at(0);
    assert_eq!(first.len(), 1);
    let before = issuer.generation();
    assert_eq!((at(899), issuer.generation()), (first.clone(), before));
    let both = at(900);
    assert_eq!((both.len(), &both[0]), (2, &first[0]), "published before it signs");
    assert_ne!(issuer.generation(), before);
    assert_eq!(at(1000), [both[1].clone(), both[0].clone()], "now it signs");
    assert_eq!(at(1100), [both[1].clone()], "the old one is gone");
    issuer.rotate().unwrap();
    let ids = at(1101);
    assert_eq!((ids.len(), &ids[1]), (2, &both[1]), "replaced before its time");
    issuer.retire_old();
    assert_eq!(at(1102), [ids[0].clone()]);
    assert_eq!(at(500).len(), 1, "a clock may be set back");
}

#[test]
fn a_header_is_signed_exactly_as_it_is_given() {
    let issuer = issuer(Algorithm::Rs256);
    let token = issuer.sign(&json!({ "alg": "none", "kid": 7 }), &json!({ "x": [] }));
    let header = URL_SAFE_NO_PAD.decode(token.split('.').next().unwrap()).unwrap();
    assert_eq!(header, br#"{"alg":"none","kid":7}"#);
}

#[test]
fn the_pem_map_holds_a_certificate_of_the_published_key() {
    let issuer = issuer(Algorithm::Rs256);
    let map = issuer.pem_map();
    let pem = map[issuer.key_id()].as_str().unwrap();
    assert!(pem.starts_with("-----BEGIN CERTIFICATE-----"));
    let der = decode_pem(pem);
    let key = issuer.public_key_der();
    assert!(der.windows(key.len()).any(|part| part == key));
    assert_eq!(decode_pem(&issuer.public_key_pem()), key);
}

fn decode_pem(pem: &str) -> Vec<u8> {
    let lines = pem.lines().filter(|line| !line.starts_with("-----"));
    STANDARD.decode(lines.collect::<String>()).unwrap()
}
