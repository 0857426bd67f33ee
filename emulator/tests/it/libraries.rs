//! What Google's libraries turned out to rely on.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::StatusCode;
use remint_emulator::{AccountKey, Grant};
use serde_json::{Value, json};

use crate::support::{GATEWAY, NOW, PUSHER, World, get, post};

const METADATA: &str = "/computeMetadata/v1/";

/// An assertion as Node's library makes it: its header names no key.
fn assertion(key: &AccountKey) -> String {
    signed(
        key,
        &json!({
            "iss": GATEWAY,
            "aud": "https://oauth2.googleapis.com/token",
            "iat": NOW.0,
            "exp": NOW.0 + 3600,
            "target_audience": "a",
        }),
    )
}

fn signed(key: &AccountKey, claims: &Value) -> String {
    let file: Value = serde_json::from_str(&key.file("http://unused.example")).unwrap();
    let pem = file["private_key"].as_str().unwrap();
    let der = pem.lines().filter(|line| !line.starts_with("--")).collect::<String>();
    let pair = RsaKeyPair::from_pkcs8(&STANDARD.decode(der).unwrap()).unwrap();
    let encode = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
    let signed = format!("{}.{}", encode(&json!({"alg": "RS256"})), encode(claims));
    let mut signature = vec![0; pair.public_modulus_len()];
    let random = SystemRandom::new();
    pair.sign(&RSA_PKCS1_SHA256, &random, signed.as_bytes(), &mut signature).unwrap();
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

#[tokio::test]
async fn an_assertion_that_names_no_key_may_be_signed_by_any_of_the_accounts() {
    let world = World::start().await;
    let keys = [(); 3].map(|()| world.emulator.new_account_key(GATEWAY).unwrap());
    let stranger = AccountKey::generate(GATEWAY).unwrap();
    for (key, status) in keys.iter().map(|key| (key, 200)).chain([(&stranger, 400)]) {
        let grant = "urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer";
        let body = format!("grant_type={grant}&assertion={}", assertion(key));
        let reply = post("/token", body).send(world.emulator.google_addr()).await;
        assert_eq!(reply.status, status, "{}", reply.text);
    }
}

#[tokio::test]
async fn a_token_that_an_account_has_signed_is_as_good_as_an_access_token() {
    let world = World::start().await;
    let key = world.emulator.new_account_key(GATEWAY).unwrap();
    let stranger = AccountKey::generate(GATEWAY).unwrap();
    // The hour of Rust's library is widened for clocks that go wrong.
    let good = json!({
        "iss": GATEWAY, "sub": GATEWAY, "iat": NOW.0 - 10, "exp": NOW.0 + 3610,
        "scope": "https://www.googleapis.com/auth/cloud-platform",
    });
    let with = |name: &str, value: Value| {
        let mut claims = good.clone();
        claims[name] = value;
        claims
    };
    let api = |name: &str| {
        let mut claims = with("aud", json!(format!("https://{name}.googleapis.com/")));
        claims.as_object_mut().unwrap().remove("scope");
        claims
    };
    allow(&world, "serviceAccountOpenIdTokenCreator");
    let path = format!("/v1/projects/-/serviceAccounts/{PUSHER}:generateIdToken");
    for (key, claims, status) in [
        (&key, good.clone(), 200),
        (&key, api("iamcredentials"), 200),
        (&key, api("pubsub"), 401),
        (&key, with("scope", json!("https://www.googleapis.com/auth/pubsub")), 403),
        (&key, with("sub", json!(PUSHER)), 401),
        (&key, with("exp", json!(NOW.0)), 401),
        (&key, with("exp", json!(NOW.0 + 7200)), 401),
        (&stranger, good.clone(), 401),
    ] {
        let call = post(&path, r#"{"audience": "a"}"#).bearer(&signed(key, &claims));
        assert_eq!(call.send(world.emulator.google_addr()).await.status, status, "{claims}");
    }
}

/// Gives the gateway's account a role on the pusher's.
fn allow(world: &World, role: &str) {
    world.emulator.grant(Grant {
        member: format!("serviceAccount:{GATEWAY}"),
        role: format!("roles/iam.{role}"),
        account: PUSHER.into(),
    });
}

/// The machine's access token, which is the gateway's.
async fn access_token(world: &World) -> String {
    let path = format!("{METADATA}instance/service-accounts/default/token");
    let call = get(&path).header("metadata-flavor", "Google");
    let reply = call.send(world.emulator.google_addr()).await.json();
    reply["access_token"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn fields_that_are_null_are_not_set() {
    let world = World::start().await;
    let token = access_token(&world).await;
    allow(&world, "serviceAccountOpenIdTokenCreator");
    let path = format!("/v1/projects/-/serviceAccounts/{PUSHER}:generateIdToken");
    let ask = |body: Value| {
        post(&path, body.to_string()).bearer(&token).send(world.emulator.google_addr())
    };
    let body = json!({"audience": "a", "delegates": null, "includeEmail": null});
    assert_eq!(ask(body).await.status, StatusCode::OK);
    let body = json!({"audience": null, "delegates": null});
    assert_eq!(ask(body).await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn the_project_is_told_by_its_id_and_its_number_to_who_has_an_access_token() {
    let world = World::start().await;
    let google = world.emulator.google_addr();
    let token = access_token(&world).await;
    for name in ["demo-project", "123456789012"] {
        let path = format!("/v1/projects/{name}");
        let reply = get(&path).bearer(&token).send(google).await;
        assert_eq!(reply.status, StatusCode::OK);
        assert_eq!(reply.json()["projectId"], "demo-project");
        assert_eq!(reply.json()["projectNumber"], "123456789012");
        assert_eq!(get(&path).bearer("made up").send(google).await.status, 401);
    }
    let reply = get("/v1/projects/other").bearer(&token).send(google).await;
    assert_eq!(reply.json()["error"]["status"], "PERMISSION_DENIED");
}

#[tokio::test]
async fn what_is_not_played_is_an_error_in_json_as_libraries_read_it() {
    let world = World::start().await;
    let reply = get("/v1/nothing").send(world.emulator.google_addr()).await;
    assert_eq!(reply.status, StatusCode::NOT_FOUND);
    assert_eq!(reply.json()["error"]["status"], "NOT_FOUND");
}
