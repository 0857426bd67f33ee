//! Tokens for tests, on demand.

use std::collections::HashSet;

use http::StatusCode;
use remint_emulator::issuer::testing::Flaw;
use serde_json::{Value, json};

use crate::support::{GATEWAY, Reply, World, get, post};

async fn mint(world: &World, body: &Value) -> Reply {
    post("/emulator/mint", body.to_string()).send(world.emulator.google_addr()).await
}

#[tokio::test]
async fn a_front_end_finds_every_flaw_that_is_one_and_nothing_wrong_without() {
    let world = World::start().await;
    let claims = json!({ "aud": world.us().url(), "email": GATEWAY });
    let status = async |token: &str| {
        let reply = get("/").bearer(token).send(world.us().addr()).await;
        reply.status.as_u16()
    };
    let good = mint(&world, &json!({ "claims": claims })).await;
    assert_eq!(good.headers["x-emulator-token"], "for testing only");
    assert_eq!(status(&good.text).await, 200);
    for (name, flaw) in Flaw::ALL {
        let token = mint(&world, &json!({ "claims": claims, "flaw": name })).await.text;
        let expected = match flaw {
            Flaw::NoEmail | Flaw::UnverifiedEmail => 403,
            // A key need not be named (RFC 7515, section 4.1.4): any published
            // one may have signed it.
            Flaw::NoKeyId => 200,
            _ => 401,
        };
        assert_eq!(status(&token).await, expected, "{name}");
    }
    let codes: HashSet<_> =
        world.emulator.timeline().calls().iter().map(|call| call.verdict.to_string()).collect();
    assert!(codes.len() > 6, "the reasons differ: {codes:?}");
}

#[tokio::test]
async fn mistakes_in_what_is_asked_for_are_told() {
    let world = World::start().await;
    let reply = mint(&world, &json!({ "claims": {}, "flaw": "none" })).await;
    assert_eq!(reply.status, StatusCode::BAD_REQUEST);
    let problems = reply.json()["problems"].clone();
    assert!(problems[0].as_str().unwrap().starts_with("flaw: \"none\" is not one of:"));
}
