//! IAP: its keys and its assertions.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use remint_emulator::{AssertionRequest, IapResource, Issuer};
use remint_idtoken::keys::{KeySet, max_age, parse_jwks};
use remint_idtoken::{Authority, AwsLc, NoCache, Policy, Reason, Target, UnixTime, VerifiedToken};
use serde_json::json;

use crate::support::{NOW, World, get, post};

const JWKS: &str = "/iap/verify/public_key-jwk";
const PEM: &str = "/iap/verify/public_key";
const USER: &str = "user@example.com";
const AUDIENCE: &str = "/projects/123456789012/global/backendServices/42";

fn resource() -> IapResource {
    IapResource::BackendService { project: 123_456_789_012, id: 42 }
}

/// Has the core verify an assertion with the keys that the emulator serves.
async fn verify(world: &World, token: &str, now: UnixTime) -> Result<VerifiedToken, Reason> {
    let policy = json!({
        "issuers": [{ "preset": "iap" }],
        "rules": [{ "name": "r", "match": {}, "audiences": [AUDIENCE],
                    "callers": { "hosted_domains": ["example.com"] } }],
    });
    let policy = Policy::from_json(&policy.to_string()).unwrap();
    let mut authority = Authority::new(&policy, AwsLc);
    let served = get(JWKS).send(world.emulator.google_addr()).await.text;
    let (keys, _) = KeySet::load(&AwsLc, &parse_jwks(served.as_bytes()).unwrap()).unwrap();
    authority.set_keys("iap", Some(Arc::new(keys)));
    let headers = HeaderMap::from_iter([(
        HeaderName::from_static("x-goog-iap-jwt-assertion"),
        HeaderValue::from_str(token).unwrap(),
    )]);
    let target = Target::parse("h.example", "/", "GET");
    match policy.admit(&authority, &NoCache, target, &headers, now) {
        Ok(admission) => Ok(admission.caller().unwrap().clone()),
        Err(refusal) => Err(refusal.reason),
    }
}

fn assertion(world: &World) -> String {
    let request = AssertionRequest::new(USER, resource()).hosted_domain("example.com");
    world.emulator.iap().mint_assertion(&request)
}

#[tokio::test]
async fn an_assertion_is_verified_by_the_keys_that_are_served_for_ten_minutes() {
    let world = World::start().await;
    let token = assertion(&world);
    let verified = verify(&world, &token, NOW).await.unwrap();
    assert_eq!(verified.claims().claimed_email(), Some(USER));
    assert_eq!(verified.claims().verified_email(), Some(USER), "IAP vouches for it");
    let late = UnixTime(NOW.0 + 600 + 31);
    assert_eq!(verify(&world, &token, late).await.unwrap_err(), Reason::Expired);
}

#[tokio::test]
async fn google_and_iap_do_not_know_each_other_s_keys() {
    let world = World::start().await;
    let (google, iap) = (world.emulator.issuer(), world.emulator.iap());
    assert_ne!(google.key_id(), iap.key_id());
    let ids = |issuer: &Issuer| issuer.pem_map().as_object().unwrap().keys().count();
    assert_eq!((ids(google), ids(iap)), (1, 1));
    let claims = iap.assertion_claims(&AssertionRequest::new(USER, resource()));
    let forged = google.sign(&iap.header(), &claims.into());
    assert_eq!(verify(&world, &forged, NOW).await.unwrap_err(), Reason::SignatureBad);
}

#[tokio::test]
async fn rotated_keys_are_published_beside_the_old_ones_until_those_are_retired() {
    let world = World::start().await;
    let old = assertion(&world);
    world.emulator.iap().rotate().unwrap();
    for token in [&old, &assertion(&world)] {
        assert!(verify(&world, token, NOW).await.is_ok());
    }
    world.emulator.iap().retire_old();
    assert_eq!(verify(&world, &old, NOW).await.unwrap_err(), Reason::KeyUnknown);
    assert!(verify(&world, &assertion(&world), NOW).await.is_ok());
}

#[tokio::test]
async fn both_key_documents_hold_the_same_keys_and_their_requests_are_counted() {
    let world = World::with(|config| config.keys_max_age = 7).await;
    let addr = world.emulator.google_addr();
    let (jwks, pem) = (get(JWKS).send(addr).await, get(PEM).send(addr).await);
    let id = world.emulator.iap().key_id();
    assert_eq!(jwks.json()["keys"][0]["kid"], id.as_str());
    assert_eq!(jwks.json()["keys"][0]["crv"], "P-256");
    let key = pem.json()[&id].as_str().unwrap().to_owned();
    assert!(key.starts_with("-----BEGIN PUBLIC KEY-----"), "{key}");
    for reply in [jwks, pem] {
        let caching = reply.headers["cache-control"].to_str().unwrap();
        assert_eq!(max_age(caching), Some(Duration::from_secs(7)));
    }
    assert_eq!(world.emulator.iap_jwks_fetches(), 1);
    assert_eq!(world.emulator.fetches(PEM), 1);
    assert_eq!(world.emulator.jwks_fetches(), 0);
}

#[tokio::test]
async fn assertions_can_be_minted_on_demand() {
    let world = World::start().await;
    let addr = world.emulator.google_addr();
    let claims = json!({ "aud": AUDIENCE, "email": USER, "hd": "example.com" });
    let reply = post("/emulator/iap/mint", claims.to_string()).send(addr).await;
    assert_eq!(reply.status, StatusCode::OK);
    let verified = verify(&world, &reply.text, NOW).await.unwrap();
    let subject = remint_emulator::issuer::iap_subject_of(USER);
    assert_eq!(verified.claims().subject.as_deref(), Some(subject.as_str()));
}
