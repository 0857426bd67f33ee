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
