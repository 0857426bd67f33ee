//! Faults, keys, grants and invokers over HTTP.

use http::Method;
use remint_emulator::{FaultSetting, RegionFault, RegionSetting};
use serde_json::{Value, json};

use crate::support::{GATEWAY, PUSHER, Reply, World, call, get, post};

async fn ask(world: &World, method: Method, path: &str, body: &Value) -> Reply {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    call(method, &format!("/emulator/{path}"), body).send(world.emulator.google_addr()).await
}

async fn keys_status(world: &World) -> u16 {
    get("/oauth2/v3/certs").send(world.emulator.google_addr()).await.status.as_u16()
}

#[tokio::test]
async fn faults_are_replaced_added_told_and_ended() {
    let world = World::start().await;
    let down = json!({ "what": "keys", "how": { "status": 503 } });
    let slow = json!({ "what": "metadata", "how": { "slow_down": "7s" } });
    let reply = ask(&world, Method::PUT, "faults", &json!([down])).await;
    assert_eq!((reply.status.as_u16(), reply.json()), (200, json!({ "faults": [down] })));
    assert_eq!(keys_status(&world).await, 503);
    let reply = ask(&world, Method::POST, "faults", &slow).await;
    assert_eq!(reply.json(), json!({ "faults": [down, slow] }));
    let told = ask(&world, Method::GET, "faults", &Value::Null).await.json();
    assert_eq!(told, json!({ "faults": [down, slow] }));
    ask(&world, Method::PUT, "faults", &json!({ "faults": [slow] })).await;
    assert_eq!(keys_status(&world).await, 200);
    let reply = ask(&world, Method::DELETE, "faults", &Value::Null).await;
    assert_eq!(reply.json(), json!({ "faults": [] }));
}

#[tokio::test]
async fn mistakes_are_told_all_at_once_and_change_nothing() {
    let world = World::start().await;
    let keys = json!({ "what": "keys", "how": "hangs" });
    let reply = ask(&world, Method::PUT, "faults", &json!([keys, { "what": "x" }])).await;
    assert_eq!(reply.status, 400);
    assert_eq!(reply.json()["problems"].as_array().unwrap().len(), 3, "{}", reply.text);
    let keys = json!({ "what": "keys", "how": "not_json" });
    let region = json!({ "what": { "service": "orders", "region": "x" }, "how": "down" });
    let reply = ask(&world, Method::PUT, "faults", &json!([keys, region])).await;
    assert_eq!(reply.status, 404);
    assert_eq!(reply.json()["problems"][0], "there is no service \"orders\" in \"x\"");
    assert_eq!(world.emulator.faults_in_force().await, []);
}

#[tokio::test]
async fn a_region_fails_and_comes_back() {
    let world = World::start().await;
    let us = json!({ "service": "orders", "region": "us-central1" });
    let status = async |region: &remint_emulator::Region| {
        let token = world.token(region.url());
        get("/").bearer(&token).send(region.addr()).await.status.as_u16()
    };
    let fault = |how: Value| json!([{ "what": us, "how": how }]);
    ask(&world, Method::PUT, "faults", &fault(json!({ "front_end": 503 }))).await;
    assert_eq!((status(world.us()).await, status(world.eu()).await), (503, 200));
    ask(&world, Method::PUT, "faults", &fault("down".into())).await;
    assert!(tokio::net::TcpStream::connect(world.us().addr()).await.is_err());
    let told = ask(&world, Method::GET, "faults", &Value::Null).await.json();
    assert_eq!(told["faults"], fault("down".into()));
    ask(&world, Method::DELETE, "faults", &Value::Null).await;
    assert_eq!(status(world.us()).await, 200);
    let old = world.token(world.us().url());
    world.clock.set(crate::support::NOW.plus(std::time::Duration::from_secs(5)));
    ask(&world, Method::PUT, "faults", &fault("refuse_tokens_before_now".into())).await;
    let refused = get("/").bearer(&old).send(world.us().addr()).await;
    assert_eq!((refused.status.as_u16(), status(world.us()).await), (401, 200));
    ask(&world, Method::DELETE, "faults", &Value::Null).await;
    assert_eq!(get("/").bearer(&old).send(world.us().addr()).await.status, 200);
}

#[tokio::test]
async fn faults_can_be_in_force_from_the_start() {
    let region = |fault| FaultSetting::Region {
        service: "orders".into(),
        region: "us-central1".into(),
        fault: RegionSetting::Fault(fault),
    };
    let faults = vec![region(RegionFault::Reset), FaultSetting::Clock { offset: -60 }];
    let world = World::with(|config| config.faults = faults.clone()).await;
    let mut told = world.emulator.faults_in_force().await;
    told.reverse();
    assert_eq!(told, faults);
    world.emulator.set_faults(&[]).await.unwrap();
    assert_eq!(world.emulator.faults_in_force().await, []);
}

#[tokio::test]
async fn keys_are_called_something_else_or_too_long_with_what_was_asked_for_in_them() {
    let world = World::start().await;
    let fault = json!([{ "what": "keys", "how": "wrong_content_type" }]);
    ask(&world, Method::PUT, "faults", &fault).await;
    let reply = get("/oauth2/v3/certs").send(world.emulator.google_addr()).await;
    assert_eq!(reply.headers["content-type"], "text/html; charset=utf-8");
    assert_eq!(reply.json(), world.emulator.issuer().jwks());
}

#[tokio::test]
async fn keys_are_rotated_on_demand() {
    let world = World::start().await;
    let old = world.token(world.us().url());
    let status =
        async |token: &str| get("/").bearer(token).send(world.us().addr()).await.status.as_u16();
    let reply = ask(&world, Method::POST, "keys/rotate", &Value::Null).await;
    assert_eq!(reply.json()["key_id"], world.emulator.issuer().key_id());
    assert_eq!(status(&old).await, 200);
    ask(&world, Method::POST, "keys/rotate?issuer=google&retire=true", &Value::Null).await;
    assert_eq!(status(&old).await, 401);
    let iap = world.emulator.iap().key_id();
    ask(&world, Method::POST, "keys/rotate?issuer=iap", &Value::Null).await;
    assert_ne!(world.emulator.iap().key_id(), iap);
    for query in ["issuer=x", "retire=1"] {
        let reply = ask(&world, Method::POST, &format!("keys/rotate?{query}"), &Value::Null).await;
        assert_eq!(reply.status, 400, "{query}");
    }
}

#[tokio::test]
async fn roles_are_granted_and_taken_away() {
    let world = World::start().await;
    let grant = json!({
        "member": format!("serviceAccount:{GATEWAY}"),
        "role": "roles/iam.serviceAccountTokenCreator", "account": PUSHER,
    });
    let reply = ask(&world, Method::POST, "grants", &grant).await;
    assert_eq!(reply.json(), json!({ "grants": [grant] }));
    let told = ask(&world, Method::GET, "grants", &Value::Null).await.json();
    assert_eq!(told, json!({ "grants": [grant] }));
    let reply = ask(&world, Method::DELETE, "grants", &grant).await;
    assert_eq!(reply.json(), json!({ "grants": [] }));
    assert_eq!(ask(&world, Method::DELETE, "grants", &grant).await.status, 404);
    let reply = ask(&world, Method::POST, "grants", &json!({ "member": 7 })).await;
    assert_eq!(reply.json()["problems"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn invokers_are_changed_in_one_region() {
    let world = World::start().await;
    let path = "services/orders/regions/us-central1/invokers";
    let reply = ask(&world, Method::PUT, path, &json!([])).await;
    assert_eq!(reply.status, 200);
    let token = world.token(world.us().url());
    assert_eq!(get("/").bearer(&token).send(world.us().addr()).await.status, 403);
    let token = world.token(world.eu().url());
    assert_eq!(get("/").bearer(&token).send(world.eu().addr()).await.status, 200);
    let path = "services/orders/regions/x/invokers";
    assert_eq!(ask(&world, Method::PUT, path, &json!([GATEWAY])).await.status, 404);
}

#[tokio::test]
async fn a_web_page_can_neither_mint_nor_set_faults() {
    let world = World::start().await;
    let addr = world.emulator.google_addr();
    for (path, method) in [("mint", Method::POST), ("faults", Method::DELETE)] {
        let path = format!("/emulator/{path}");
        let asked = || call(method.clone(), &path, "{}");
        let foreign = asked().header("origin", "https://evil.example").send(addr).await;
        assert_eq!(foreign.status, 403, "{path}");
        let rebound = asked().header("host", "evil.example").send(addr).await;
        assert_eq!(rebound.status, 421, "{path}");
        let own = asked().header("origin", "http://localhost").send(addr).await;
        assert_eq!(own.status, 200, "{path}");
    }
    let named = post("/emulator/mint", "{}").header("host", "host.docker.internal:8800");
    assert_eq!(named.send(addr).await.status, 200);
}
