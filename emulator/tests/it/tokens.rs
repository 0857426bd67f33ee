//! IAM Credentials, the token endpoint and STS.

use std::time::Duration;

use http::StatusCode;
use remint_emulator::{Fault, Grant, Provider, User};
use remint_idtoken::UnverifiedToken;
use serde_json::{Value, json};

use crate::support::{GATEWAY, NOW, PUSHER, Reply, World, get, post};

const PROVIDER: &str = "//iam.googleapis.com/projects/123456789012/locations/global/workloadIdentityPools/pool/providers/laptop";
const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

async fn world() -> World {
    World::with(|config| {
        config.users = vec![User { email: "dev@example.com".into(), refresh_token: "1//r".into() }];
        config.providers = vec![Provider {
            pool: "pool".into(),
            id: "laptop".into(),
            issuer: "https://issuer.example".into(),
        }];
    })
    .await
}

/// The machine's access token, which is the gateway's.
async fn access(world: &World) -> String {
    let path = "/computeMetadata/v1/instance/service-accounts/default/token";
    let reply = get(path).header("metadata-flavor", "Google").send(world.emulator.google_addr());
    let answer = reply.await.json();
    assert_eq!((&answer["expires_in"], &answer["token_type"]), (&json!(3600), &json!("Bearer")));
    answer["access_token"].as_str().unwrap().to_owned()
}

async fn generate(world: &World, what: &str, access: &str, body: &Value) -> Reply {
    let path = format!("/v1/projects/-/serviceAccounts/{what}");
    post(&path, body.to_string()).bearer(access).send(world.emulator.google_addr()).await
}

fn grant(member: &str, role: &str, account: &str) -> Grant {
    Grant { member: member.into(), role: format!("roles/iam.{role}"), account: account.into() }
}

fn machine(role: &str, account: &str) -> Grant {
    grant(&format!("serviceAccount:{GATEWAY}"), role, account)
}

async fn form(world: &World, path: &str, fields: &[(&str, &str)]) -> Reply {
    let encode = |text: &str| text.replace('/', "%2F").replace('+', "%2B").replace(':', "%3A");
    let pairs = fields.iter().map(|(name, value)| format!("{name}={}", encode(value)));
    let body = pairs.collect::<Vec<_>>().join("&");
    post(path, body).send(world.emulator.google_addr()).await
}

#[tokio::test]
async fn an_id_token_of_another_account_takes_a_role_on_it() {
    let world = world().await;
    let access = access(&world).await;
    let body = json!({ "audience": "a", "includeEmail": true });
    let what = format!("{PUSHER}:generateIdToken");
    let denied = generate(&world, &what, &access, &body).await;
    assert_eq!(denied.status, StatusCode::FORBIDDEN);
    let error = &denied.json()["error"];
    assert_eq!(error["status"], "PERMISSION_DENIED");
    let said =
        "Permission 'iam.serviceAccounts.getOpenIdToken' denied on resource (or it may not exist).";
    assert_eq!(error["message"], said);
    for role in
        ["serviceAccountOpenIdTokenCreator", "serviceAccountTokenCreator", "workloadIdentityUser"]
    {
        let grant = machine(role, PUSHER);
        world.emulator.grant(grant.clone());
        let reply = generate(&world, &what, &access, &body).await.json();
        let token = reply["token"].as_str().unwrap();
        let token = UnverifiedToken::parse(token.as_bytes()).unwrap();
        assert_eq!(token.claims().verified_email(), Some(PUSHER));
        assert_eq!(token.claims().audiences, ["a"]);
        world.emulator.revoke(&grant);
    }
    world.emulator.grant(machine("serviceAccountUser", PUSHER));
    assert_eq!(generate(&world, &what, &access, &body).await.status, 403, "another role");
}

#[tokio::test]
async fn what_is_wrong_with_a_call_of_iam_credentials_is_told() {
    let world = world().await;
    world.emulator.grant(machine("serviceAccountTokenCreator", PUSHER));
    let good = access(&world).await;
    let id_token = format!("{PUSHER}:generateIdToken");
    let scope = json!({ "scope": ["https://www.googleapis.com/auth/cloud-platform"] });
    for (what, token, body, status) in [
        (&*id_token, "ya29.unknown", json!({ "audience": "a" }), 401),
        (&*id_token, &*good, json!({}), 400),
        (&*id_token, &*good, json!({ "audience": "a", "delegates": ["x@y"] }), 400),
        ("nobody@x:generateIdToken", &*good, json!({ "audience": "a" }), 404),
        (&*format!("{PUSHER}:generateAccessToken"), &*good, json!({}), 400),
        (&*format!("{PUSHER}:generateAccessToken"), &*good, scope, 200),
        (&*format!("{PUSHER}:signBlob"), &*good, json!({}), 400),
        (&*format!("{PUSHER}:signJwt"), &*good, json!({ "payload": "[]" }), 400),
        (&*format!("{PUSHER}:generateAll"), &*good, json!({}), 404),
    ] {
        let reply = generate(&world, what, token, &body).await;
        assert_eq!(reply.status.as_u16(), status, "{what} {body}: {}", reply.text);
    }
    world.clock.set(NOW.plus(Duration::from_secs(3600)));
    let body = json!({ "audience": "a" });
    assert_eq!(generate(&world, &id_token, &good, &body).await.status, 401, "it has ended");
}

#[tokio::test]
async fn each_one_of_a_chain_needs_the_token_creators_role_on_the_next() {
    let world = World::with(|config| config.accounts.push("middle@p".into())).await;
    let access = access(&world).await;
    let body = json!({ "audience": "a", "delegates": ["projects/-/serviceAccounts/middle@p"] });
    let what = format!("{PUSHER}:generateIdToken");
    let status = async || generate(&world, &what, &access, &body).await.status.as_u16();
    assert_eq!(status().await, 403);
    world.emulator.grant(machine("serviceAccountTokenCreator", "middle@p"));
    assert_eq!(status().await, 403);
    world.emulator.grant(grant(
        "serviceAccount:middle@p",
        "serviceAccountOpenIdTokenCreator",
        PUSHER,
    ));
    assert_eq!(status().await, 403, "in a chain that role is not enough");
    world.emulator.grant(grant("serviceAccount:middle@p", "serviceAccountTokenCreator", PUSHER));
    assert_eq!(status().await, 200);
}

#[tokio::test]
async fn revoked_access_tokens_are_neither_believed_nor_handed_out_again() {
    let world = world().await;
    world.emulator.grant(machine("serviceAccountTokenCreator", PUSHER));
    let old = access(&world).await;
    assert_eq!(access(&world).await, old, "the same until shortly before its end");
    world.emulator.revoke_access_tokens();
    let body = json!({ "audience": "a" });
    let what = format!("{PUSHER}:generateIdToken");
    assert_eq!(generate(&world, &what, &old, &body).await.status, 401);
    let new = access(&world).await;
    assert_eq!(generate(&world, &what, &new, &body).await.status, 200);
}

#[tokio::test]
async fn a_refresh_token_of_a_person_gets_an_access_token() {
    let world = world().await;
    world.emulator.grant(grant("user:dev@example.com", "serviceAccountTokenCreator", PUSHER));
    let fields = |token| [("grant_type", "refresh_token"), ("refresh_token", token)];
    let answer = form(&world, "/token", &fields("1//r")).await.json();
    let access = answer["access_token"].as_str().unwrap();
    let body = json!({ "audience": "a" });
    let what = format!("{PUSHER}:generateIdToken");
    assert_eq!(generate(&world, &what, access, &body).await.status, 200);
    let refused = form(&world, "/token", &fields("1//other")).await;
    assert_eq!((refused.status.as_u16(), &refused.json()["error"]), (400, &"invalid_grant".into()));
}

#[tokio::test]
async fn assertions_that_no_key_of_the_account_has_signed_are_refused() {
    let world = world().await;
    let key = world.emulator.new_account_key(GATEWAY).unwrap();
    let file: Value =
        serde_json::from_str(&key.file("https://oauth2.googleapis.com/token")).unwrap();
    assert_eq!(
        (&file["type"], &file["client_email"]),
        (&"service_account".into(), &GATEWAY.into())
    );
    // Right in all but the signature, which is Google's own.
    let claims = json!({
        "iss": GATEWAY, "aud": "https://oauth2.googleapis.com/token", "target_audience": "a",
        "iat": NOW.0, "exp": NOW.0 + 3600,
    });
    let header = json!({ "alg": "RS256", "kid": key.id });
    let forged = world.emulator.issuer().sign(&header, &claims);
    for (assertion, said) in [
        (&*forged, "Invalid JWT Signature."),
        ("a.b.c", "Invalid JWT Signature."),
        (&*world.token("a"), "Invalid grant: account not found"),
    ] {
        let reply =
            form(&world, "/token", &[("grant_type", JWT_BEARER), ("assertion", assertion)]).await;
        assert_eq!(reply.status, 400);
        let said = json!({ "error": "invalid_grant", "error_description": said });
        assert_eq!(reply.json(), said);
    }
    let other = form(&world, "/token", &[("grant_type", "password")]).await.json();
    assert_eq!(other["error"], "unsupported_grant_type");
}

#[tokio::test]
async fn sts_exchanges_tokens_of_a_trusted_issuer_alone() {
    let world = world().await;
    let good = world.emulator.external_token("pool", "laptop", "s").unwrap();
    assert_eq!(world.emulator.external_token("pool", "other", "s"), None);
    let exchange = async |audience: &str, token: &str| {
        let fields = [
            ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
            ("audience", audience),
            ("scope", "https://www.googleapis.com/auth/cloud-platform"),
            ("requested_token_type", "urn:ietf:params:oauth:token-type:access_token"),
            ("subject_token", token),
            ("subject_token_type", "urn:ietf:params:oauth:token-type:jwt"),
        ];
        form(&world, "/v1/token", &fields).await
    };
    let answer = exchange(PROVIDER, &good).await.json();
    assert_eq!(answer["issued_token_type"], "urn:ietf:params:oauth:token-type:access_token");
    let member = PROVIDER.replace("providers/laptop", "subject/s");
    world.emulator.grant(grant(&format!("principal:{member}"), "workloadIdentityUser", PUSHER));
    let access = answer["access_token"].as_str().unwrap();
    let body = json!({ "audience": "a" });
    let what = format!("{PUSHER}:generateIdToken");
    assert_eq!(generate(&world, &what, access, &body).await.status, 200);
    let own = world.token(&format!("https:{PROVIDER}"));
    for (audience, token, error) in [
        ("//iam.googleapis.com/other", &good, "invalid_target"),
        (PROVIDER, &own, "invalid_grant"),
        (PROVIDER, &"junk".to_owned(), "invalid_grant"),
    ] {
        let reply = exchange(audience, token).await;
        assert_eq!((reply.status.as_u16(), &reply.json()["error"]), (400, &error.into()));
    }
    for (options, status) in [("%7B%22userProject%22:%221%22%7D", 200), ("x", 400)] {
        let scope = "https://www.googleapis.com/auth/cloud-platform";
        let body = format!(
            "grant_type=urn:ietf:params:oauth:grant-type:token-exchange&audience={PROVIDER}&scope={scope}&requested_token_type=urn:ietf:params:oauth:token-type:access_token&subject_token={good}&subject_token_type=urn:ietf:params:oauth:token-type:id_token&options={options}"
        );
        let reply = post("/v1/token", body).header("x-goog-user-project", "1");
        assert_eq!(reply.send(world.emulator.google_addr()).await.status, status, "{options}");
    }
    world.clock.set(NOW.plus(Duration::from_secs(3600)));
    assert_eq!(exchange(PROVIDER, &good).await.status, 400, "it has ended");
}

#[tokio::test]
async fn a_workload_gets_its_token_if_it_asks_on_purpose() {
    let world = world().await;
    let addr = world.emulator.google_addr();
    let path = "/emulator/external-token?pool=pool&provider=laptop&subject=s";
    assert_eq!(get(path).send(addr).await.status, 403);
    let reply = get(path).header("metadata", "True").send(addr).await.json();
    let token = reply["value"].as_str().unwrap();
    let token = UnverifiedToken::parse(token.as_bytes()).unwrap();
    assert_eq!(token.claims().subject.as_deref(), Some("s"));
    let other = path.replace("laptop", "other");
    assert_eq!(get(&other).header("metadata", "True").send(addr).await.status, 404);
}

#[tokio::test]
async fn each_server_of_tokens_fails_apart_from_the_others() {
    let world = world().await;
    let faults = world.emulator.faults();
    let statuses = async || {
        let iam = generate(&world, &format!("{PUSHER}:generateIdToken"), "x", &json!({})).await;
        let [token, sts] = ["/token", "/v1/token"].map(|path| form(&world, path, &[]));
        [iam.status, token.await.status, sts.await.status].map(|status| status.as_u16())
    };
    assert_eq!(statuses().await, [401, 400, 400]);
    faults.set_iam(Some(Fault::SlowDown(7)));
    assert_eq!(statuses().await, [429, 400, 400]);
    let slow = generate(&world, &format!("{PUSHER}:generateIdToken"), "x", &json!({})).await;
    assert_eq!(slow.headers["retry-after"], "7");
    faults.clear();
    faults.set_token_endpoint(Some(Fault::SlowDown(7)));
    assert_eq!(statuses().await, [401, 429, 400]);
    faults.clear();
    faults.set_sts(Some(Fault::SlowDown(7)));
    assert_eq!(statuses().await, [401, 400, 429]);
}

#[tokio::test]
async fn id_tokens_can_lack_exp_live_shortly_or_not_be_had_at_all() {
    let world = World::with(|config| config.token_lifetime = Duration::from_secs(8)).await;
    let identity = async |audience: &str| {
        let path = format!(
            "/computeMetadata/v1/instance/service-accounts/default/identity?audience={audience}"
        );
        let call = get(&path).header("metadata-flavor", "Google");
        call.send(world.emulator.google_addr()).await
    };
    let token = identity("a").await.text;
    let expires_at = UnverifiedToken::parse(token.as_bytes()).unwrap().claims().expires_at;
    assert_eq!(expires_at, NOW.plus(Duration::from_secs(8)));
    world.emulator.faults().leave_out_exp(true);
    let token = identity("b").await.text;
    let error = UnverifiedToken::parse(token.as_bytes()).err().unwrap().to_string();
    assert_eq!(error, "the claim \"exp\" is missing");
    world.emulator.faults().mint_nothing_for(Some("c"));
    assert_eq!(
        (identity("c").await.status, identity("d").await.status.as_u16()),
        (StatusCode::INTERNAL_SERVER_ERROR, 200)
    );
}
