//! Signatures of accounts by IAM Credentials, what can be learnt of tokens, and
//! what the timeline tells of those who ask for them.

use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use remint_emulator::{Grant, Part, User, issuer::subject_of};
use remint_idtoken::UnverifiedToken;
use serde_json::{Value, json};

use crate::support::{GATEWAY, NOW, PUSHER, Reply, World, get, post};

const CLOUD_PLATFORM: &str = "https://www.googleapis.com/auth/cloud-platform";

async fn world() -> World {
    World::with(|config| {
        config.users = vec![User { email: "dev@example.com".into(), refresh_token: "1//r".into() }];
        config.grants = vec![Grant {
            member: format!("serviceAccount:{GATEWAY}"),
            role: "roles/iam.serviceAccountTokenCreator".into(),
            account: PUSHER.into(),
        }];
    })
    .await
}

async fn access(world: &World, query: &str) -> String {
    let path = format!("/computeMetadata/v1/instance/service-accounts/default/token{query}");
    let reply = get(&path).header("metadata-flavor", "Google");
    let answer = reply.send(world.emulator.google_addr()).await.json();
    answer["access_token"].as_str().unwrap().to_owned()
}

async fn ask(world: &World, account: &str, method: &str, body: &Value) -> Reply {
    let path = format!("/v1/projects/-/serviceAccounts/{account}:{method}");
    let call = post(&path, body.to_string()).bearer(&access(world, "").await);
    call.send(world.emulator.google_addr()).await
}

/// Whether the published key of that id has signed these bytes.
async fn is_signed(world: &World, path: &str, id: &Value, bytes: &[u8], signature: &[u8]) -> bool {
    let reply = get(&format!("{path}{PUSHER}")).send(world.emulator.google_addr()).await;
    let keys = reply.json()["keys"].as_array().unwrap().clone();
    let key = keys.iter().find(|key| &key["kid"] == id).expect("the key is published");
    let number = |name: &str| URL_SAFE_NO_PAD.decode(key[name].as_str().unwrap()).unwrap();
    let key = RsaPublicKeyComponents { n: number("n"), e: number("e") };
    key.verify(&RSA_PKCS1_2048_8192_SHA256, bytes, signature).is_ok()
}

#[tokio::test]
async fn a_blob_is_signed_by_a_key_that_google_publishes_of_the_account() {
    let world = world().await;
    let body = json!({ "payload": STANDARD.encode("hello") });
    let reply = ask(&world, PUSHER, "signBlob", &body).await.json();
    let signature = STANDARD.decode(reply["signedBlob"].as_str().unwrap()).unwrap();
    for path in ["/service_accounts/v1/jwk/", "/service_accounts/v1/metadata/jwk/"] {
        assert!(is_signed(&world, path, &reply["keyId"], b"hello", &signature).await, "{path}");
    }
    let path = format!("/service_accounts/v1/metadata/x509/{}", PUSHER.replace('@', "%40"));
    let pems = get(&path).send(world.emulator.google_addr()).await.json();
    let pem = pems[reply["keyId"].as_str().unwrap()].as_str().unwrap();
    assert!(pem.starts_with("-----BEGIN CERTIFICATE-----"));
    let key = world.emulator.new_account_key(PUSHER).unwrap();
    let pems = get(&path).send(world.emulator.google_addr()).await.json();
    assert!(pems.as_object().unwrap().contains_key(&key.id), "the user's keys are there too");
    let unknown = get("/service_accounts/v1/jwk/nobody@x").send(world.emulator.google_addr()).await;
    assert_eq!(unknown.status, 404);
}

#[tokio::test]
async fn a_signed_jwt_is_as_good_as_one_of_a_key_file() {
    let world = world().await;
    let claims = json!({
        "iss": PUSHER, "aud": "https://oauth2.googleapis.com/token", "target_audience": "a",
        "iat": NOW.0, "exp": NOW.0 + 600,
    });
    let reply = ask(&world, PUSHER, "signJwt", &json!({ "payload": claims.to_string() })).await;
    let jwt = reply.json()["signedJwt"].as_str().unwrap().to_owned();
    let body = format!("grant_type=urn:ietf:params:oauth:grant-type:jwt-bearer&assertion={jwt}");
    let reply = post("/token", body).send(world.emulator.google_addr()).await.json();
    let token = reply["id_token"].as_str().unwrap();
    let token = UnverifiedToken::parse(token.as_bytes()).unwrap();
    assert_eq!(token.claims().verified_email(), Some(PUSHER));
}

#[tokio::test]
async fn a_jwt_ends_within_twelve_hours() {
    let world = world().await;
    let sign = async |claims: Value| {
        ask(&world, PUSHER, "signJwt", &json!({ "payload": claims.to_string() })).await
    };
    let jwt = sign(json!({ "aud": "a", "iss": "x" })).await.json();
    let claims = URL_SAFE_NO_PAD
        .decode(jwt["signedJwt"].as_str().unwrap().split('.').nth(1).unwrap())
        .unwrap();
    let claims: Value = serde_json::from_slice(&claims).unwrap();
    assert_eq!(claims["exp"], NOW.0 + 3600, "an hour if nothing is said");
    for (end, status) in [
        (json!(NOW.0 + 12 * 3600), 200),
        (json!(NOW.0 + 12 * 3600 + 1), 400),
        (json!(NOW.0), 400),
        (json!("soon"), 400),
    ] {
        assert_eq!(sign(json!({ "exp": end })).await.status.as_u16(), status, "{end}");
    }
}

#[tokio::test]
async fn an_access_token_lives_as_long_as_is_asked_up_to_an_hour() {
    let world = world().await;
    let generate = async |lifetime: &str| {
        let body = json!({ "scope": [CLOUD_PLATFORM], "lifetime": lifetime });
        ask(&world, &subject_of(PUSHER), "generateAccessToken", &body).await
    };
    let answer = generate("300s").await.json();
    assert_eq!(answer["expireTime"], NOW.plus(std::time::Duration::from_secs(300)).to_string());
    let token = answer["accessToken"].as_str().unwrap();
    let info = get(&format!("/tokeninfo?access_token={token}"));
    let info = info.send(world.emulator.google_addr()).await.json();
    assert_eq!((&info["expires_in"], &info["email"]), (&json!("300"), &json!(PUSHER)));
    assert_eq!(
        (&info["scope"], &info["azp"]),
        (&json!(CLOUD_PLATFORM), &json!(subject_of(PUSHER)))
    );
    for lifetime in ["3601s", "0s", "1h", "300"] {
        assert_eq!(generate(lifetime).await.status, 400, "{lifetime}");
    }
}

#[tokio::test]
async fn an_access_token_is_good_for_its_scopes_alone() {
    let world = world().await;
    let narrow = access(&world, "?scopes=https://www.googleapis.com/auth/pubsub,openid").await;
    assert_ne!(narrow, access(&world, "").await);
    let path = format!("/v1/projects/-/serviceAccounts/{PUSHER}:generateIdToken");
    let call = post(&path, json!({ "audience": "a" }).to_string()).bearer(&narrow);
    let reply = call.send(world.emulator.google_addr()).await;
    assert_eq!(reply.status, 403);
    let details = &reply.json()["error"]["details"][0];
    assert_eq!(details["reason"], "ACCESS_TOKEN_SCOPE_INSUFFICIENT");
    let method = "google.iam.credentials.v1.IAMCredentials.GenerateIdToken";
    assert_eq!(details["metadata"]["method"], method);
    let missing = post(&path, "{}").send(world.emulator.google_addr()).await.json();
    assert_eq!(missing["error"]["details"][0]["reason"], "CREDENTIALS_MISSING");
}

#[tokio::test]
async fn a_person_gets_an_id_token_for_the_oauth_client() {
    let world = world().await;
    let body = "grant_type=refresh_token&refresh_token=1//r&client_id=c&client_secret=any";
    let answer = post("/token", body).send(world.emulator.google_addr()).await.json();
    let token = answer["id_token"].as_str().unwrap().to_owned();
    let claims = UnverifiedToken::parse(token.as_bytes()).unwrap().claims().clone();
    assert_eq!(
        (claims.audiences.as_slice(), claims.verified_email()),
        (&["c".to_owned()][..], Some("dev@example.com"))
    );
    assert!(answer["scope"].as_str().unwrap().contains("openid"));
    let info = get(&format!("/tokeninfo?id_token={token}")).send(world.emulator.google_addr());
    let info = info.await.json();
    assert_eq!((&info["aud"], &info["email_verified"]), (&json!("c"), &json!("true")));
    assert_eq!((&info["alg"], &info["exp"]), (&json!("RS256"), &json!((NOW.0 + 3600).to_string())));
    let narrow = format!("{body}&scope={CLOUD_PLATFORM}");
    let answer = post("/token", narrow).send(world.emulator.google_addr()).await.json();
    assert_eq!(answer.get("id_token"), None);
}

#[tokio::test]
async fn of_a_token_that_is_not_good_nothing_is_told() {
    let world = world().await;
    let other = world.emulator.iap().sign_claims(&json!({ "exp": NOW.0 + 60 }));
    let expired = world.emulator.issuer().sign_claims(&json!({ "exp": NOW.0 }));
    for query in [
        format!("id_token={other}"),
        format!("id_token={expired}"),
        "access_token=ya29.x".to_owned(),
        String::new(),
    ] {
        let reply = get(&format!("/tokeninfo?{query}")).send(world.emulator.google_addr()).await;
        let error = if query.is_empty() { "invalid_request" } else { "invalid_token" };
        assert_eq!((reply.status.as_u16(), &reply.json()["error"]), (400, &json!(error)));
    }
}

#[tokio::test]
async fn the_timeline_tells_who_asked_for_what_and_why_it_was_not_given() {
    let world = world().await;
    ask(&world, PUSHER, "generateIdToken", &json!({ "audience": "a" })).await;
    ask(&world, GATEWAY, "generateIdToken", &json!({ "audience": "a" })).await;
    post("/token", "grant_type=refresh_token&refresh_token=x")
        .send(world.emulator.google_addr())
        .await;
    post("/v1/token", "").send(world.emulator.google_addr()).await;
    let all = world.emulator.timeline().all();
    let told: Vec<_> = all
        .iter()
        .filter(|call| call.part != Part::Metadata)
        .map(|call| (call.part, call.service.as_str(), call.verdict.to_string()))
        .collect();
    let expected = [
        (Part::IamCredentials, "generateIdToken", "accepted"),
        (Part::IamCredentials, "generateIdToken", "403 mint_denied"),
        (Part::TokenEndpoint, "token", "400 invalid_grant"),
        (Part::Sts, "token exchange", "400 unsupported_grant_type"),
    ];
    assert_eq!(told, expected.map(|(part, what, verdict)| (part, what, verdict.to_owned())));
    let denied = all.iter().find(|call| call.verdict.to_string().contains("mint_denied")).unwrap();
    let caller = format!("serviceAccount:{GATEWAY}");
    assert_eq!(denied.caller.as_deref(), Some(caller.as_str()));
    let note = denied.note.as_deref().unwrap();
    assert_eq!(note, format!("{caller} lacks iam.serviceAccounts.getOpenIdToken on {GATEWAY}"));
    let text = serde_json::to_string(&all).unwrap();
    assert!(!text.contains("ya29.") && !text.contains("eyJ"), "{text}");
}
