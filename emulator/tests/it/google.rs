//! Key documents, minting on demand, and faults.

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use remint_emulator::{Config, Emulator, Fault, StartError};
use remint_idtoken::keys::{KeySet, max_age, parse_jwks};
use remint_idtoken::{Authority, AwsLc, Policy, UnverifiedToken};
use serde_json::json;

use crate::support::{GATEWAY, NOW, World, get, post};

const JWKS: &str = "/oauth2/v3/certs";

#[tokio::test]
async fn the_jwk_set_is_one_with_which_the_core_verifies_tokens() {
    let world = World::start().await;
    let reply = get(JWKS).send(world.emulator.google_addr()).await;
    assert_eq!(reply.headers["cache-control"], "public, max-age=24442, must-revalidate");
    assert_eq!(reply.headers["content-type"], "application/json; charset=UTF-8");
    let policy =
        r#"{"rules":[{"name":"r","match":{},"audiences":["a"],"callers":{"anyone":true}}]}"#;
    let policy = Policy::from_json(policy).unwrap();
    let (keys, _) = KeySet::load(&AwsLc, &parse_jwks(reply.text.as_bytes()).unwrap()).unwrap();
    let mut authority = Authority::new(&policy, AwsLc);
    authority.set_keys("google", Some(Arc::new(keys)));
    let token = world.token("a");
    let token = UnverifiedToken::parse(token.as_bytes()).unwrap();
    assert!(authority.authenticate(token, NOW).is_ok());
}

#[tokio::test]
async fn the_lifetime_of_the_key_documents_is_configurable() {
    let world = World::with(|config| config.keys_max_age = 7).await;
    for path in [JWKS, "/oauth2/v1/certs"] {
        let reply = get(path).send(world.emulator.google_addr()).await;
        let caching = reply.headers["cache-control"].to_str().unwrap();
        assert_eq!(max_age(caching), Some(Duration::from_secs(7)), "{path}");
    }
}

#[tokio::test]
async fn rotated_keys_are_published_beside_the_old_ones_and_front_ends_know_them() {
    let world = World::start().await;
    let issuer = world.emulator.issuer();
    let old = world.token(world.us().url());
    issuer.rotate().unwrap();
    let new = world.token(world.us().url());
    let status = async |token: &str| {
        let reply = get("/").bearer(token).send(world.us().addr()).await;
        reply.status.as_u16()
    };
    assert_eq!((status(&old).await, status(&new).await), (200, 200));
    issuer.retire_old();
    assert_eq!((status(&old).await, status(&new).await), (401, 200));
    let reply = get("/oauth2/v1/certs").send(world.emulator.google_addr()).await;
    let map = reply.json();
    let ids: Vec<_> = map.as_object().unwrap().keys().collect();
    assert_eq!(ids, [&issuer.key_id()]);
}

#[tokio::test]
async fn the_key_server_can_go_down_and_its_requests_are_counted() {
    let world = World::start().await;
    let addr = world.emulator.google_addr();
    world.emulator.faults().keys_down();
    let reply = get(JWKS).send(addr).await;
    assert_eq!(reply.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(!reply.headers.contains_key("cache-control"));
    world.emulator.faults().clear();
    assert_eq!(get(JWKS).send(addr).await.status, StatusCode::OK);
    assert_eq!(world.emulator.jwks_fetches(), 2);
    assert_eq!(world.emulator.fetches("/oauth2/v1/certs"), 0);
}

#[tokio::test]
async fn a_server_that_hangs_takes_requests_and_never_answers() {
    let world = World::start().await;
    let addr = world.emulator.google_addr();
    world.emulator.faults().set_keys(Some(Fault::Hang));
    let patience = Duration::from_millis(100);
    let reply = tokio::time::timeout(patience, get(JWKS).send(addr)).await;
    assert!(reply.is_err());
    assert_eq!(world.emulator.jwks_fetches(), 1);
}

#[tokio::test]
async fn any_claims_can_be_minted_on_demand() {
    let world = World::start().await;
    let addr = world.emulator.google_addr();
    let claims = json!({ "aud": world.us().url(), "email": GATEWAY });
    let token = post("/emulator/mint", claims.to_string()).send(addr).await.text;
    let reply = get("/").bearer(&token).send(world.us().addr()).await;
    assert_eq!(reply.status, StatusCode::OK);
    let expired = json!({ "aud": world.us().url(), "email": GATEWAY, "exp": 1 });
    let token = post("/emulator/mint", expired.to_string()).send(addr).await.text;
    let reply = get("/").bearer(&token).send(world.us().addr()).await;
    assert_eq!(reply.status, StatusCode::UNAUTHORIZED);
    for bad in ["[]", "aud=a"] {
        let reply = post("/emulator/mint", bad).send(addr).await;
        assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{bad}");
    }
}

#[tokio::test]
async fn names_that_can_not_be_are_refused_at_the_start() {
    let mut service = Config::demo().services.remove(0);
    service.name = "Orders!".to_owned();
    let result = Emulator::start(Config { services: vec![service], ..Config::demo() }).await;
    assert!(matches!(result, Err(StartError::Name(name)) if name == "Orders!"));
}

#[tokio::test]
async fn google_s_own_hosts_are_the_same_in_any_case() {
    let world = World::start().await;
    let call = get(JWKS).header("host", "WWW.GoogleAPIs.com");
    let reply = call.send(world.emulator.google_addr()).await;
    assert_eq!(reply.status, StatusCode::OK);
}

#[tokio::test]
async fn pages_of_other_sites_get_public_keys_and_nothing_else() {
    let world = World::start().await;
    let addr = world.emulator.google_addr();
    let identity = "/computeMetadata/v1/instance/service-accounts/default/identity?audience=a";
    let rebound = get(identity).header("metadata-flavor", "Google").header("host", "evil.example");
    assert_eq!(rebound.send(addr).await.status, StatusCode::MISDIRECTED_REQUEST);
    for path in ["/v1/projects/p/topics/t:publish", "/v2/projects/p/locations/l/queues", "/token"] {
        let reply = post(path, "{}").header("origin", "https://evil.example").send(addr).await;
        assert_eq!(reply.status, StatusCode::FORBIDDEN, "{path}");
    }
    let keys = get(JWKS).header("origin", "https://evil.example").send(addr).await;
    assert_eq!(keys.status, StatusCode::OK);
}
