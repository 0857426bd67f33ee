//! Who gets past Cloud Run's front end.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::StatusCode;
use remint_emulator::{TokenRequest, Verdict};
use serde_json::{Value, json};

use crate::support::{GATEWAY, NOW, PUSHER, World, get, post};

const CUSTOM: &str = "https://orders.example.com";

/// Calls us-central1 with a token in a header; tells the status and what the
/// timeline has of it.
async fn call(world: &World, header: &'static str, token: &str) -> (u16, Verdict) {
    let reply = get("/").header(header, &format!("Bearer {token}"));
    let reply = reply.send(world.us().addr()).await;
    let last = world.emulator.timeline().calls().pop().unwrap();
    (reply.status.as_u16(), last.verdict)
}

fn refused(status: u16, code: &'static str) -> (u16, Verdict) {
    (status, Verdict::Refused { status, code })
}

const ACCEPTED: (u16, Verdict) = (200, Verdict::Accepted);

async fn world() -> World {
    World::with(|config| config.services[0].custom_audiences = vec![CUSTOM.to_owned()]).await
}

#[tokio::test]
async fn only_the_region_s_own_urls_and_custom_audiences_are_accepted() {
    let world = world().await;
    let (url, hash_url) = (world.us().url(), world.us().hash_url());
    let missed = |code| refused(401, code);
    let mismatch = missed("aud_mismatch");
    let cases = [
        (url.to_owned(), ACCEPTED),
        (format!("{url}/"), ACCEPTED),
        (hash_url.to_owned(), ACCEPTED),
        (format!("{hash_url}/"), ACCEPTED),
        (CUSTOM.to_owned(), ACCEPTED),
        (world.eu().url().to_owned(), missed("aud_other_region")),
        (world.eu().hash_url().to_owned(), missed("aud_other_region")),
        ("https://lb.example.com".to_owned(), mismatch),
        (format!("{url}?a=b"), missed("aud_has_path")),
        (format!("{url}/?a=b"), missed("aud_has_path")),
        (format!("{url}#a"), mismatch),
        (format!("{url}/push"), missed("aud_has_path")),
        (url.to_uppercase(), mismatch),
        (url.replace("https", "http"), mismatch),
        (format!("{CUSTOM}/"), missed("aud_trailing_slash")),
        (String::new(), mismatch),
        ("https://host.example/".to_owned(), missed("aud_is_load_balancer")),
        (url.replace("https://", ""), missed("aud_no_scheme")),
        (format!("{url}:443"), missed("aud_has_port")),
        ("https://internal-orders.run.app".to_owned(), missed("aud_invented_host")),
        ("1-a.apps.googleusercontent.com".to_owned(), missed("aud_is_iap_client")),
        // A person's gcloud, whose tokens can't be for a service.
        ("32555940559.apps.googleusercontent.com".to_owned(), ACCEPTED),
    ];
    for (audience, expected) in cases {
        let token = world.token(&audience);
        for header in ["authorization", "x-serverless-authorization"] {
            let found = call(&world, header, &token).await;
            assert_eq!(found, expected, "{audience} in {header}");
        }
    }
}

#[tokio::test]
async fn a_caller_needs_to_be_an_invoker_with_a_verified_address() {
    let world = World::with(|config| config.services[0].invokers = vec![GATEWAY.to_uppercase()]);
    let world = world.await;
    let url = world.us().url();
    let issuer = world.emulator.issuer();
    let gateway = TokenRequest::new(GATEWAY, url);
    let mut unverified = issuer.claims(&gateway);
    unverified.insert("email_verified".into(), false.into());
    let not_allowed = refused(403, "invoker_missing");
    let cases = [
        (issuer.mint(&gateway), ACCEPTED),
        (issuer.mint(&TokenRequest::new(PUSHER, url)), not_allowed),
        (issuer.mint(&gateway.without_email()), not_allowed),
        (issuer.sign_claims(&unverified.into()), not_allowed),
    ];
    for (token, expected) in cases {
        assert_eq!(call(&world, "authorization", &token).await, expected);
    }
}

#[tokio::test]
async fn a_service_without_invokers_admits_nobody() {
    let world = World::with(|config| config.services[0].invokers.clear()).await;
    let token = world.token(world.us().url());
    let found = call(&world, "authorization", &token).await;
    assert_eq!(found, refused(403, "invoker_missing"));
}

#[tokio::test]
async fn a_token_that_is_not_believed_gets_401() {
    let world = World::start().await;
    let issuer = world.emulator.issuer();
    let good = issuer.claims(&TokenRequest::new(GATEWAY, world.us().url()));
    let with = |name: &str, value: Value| {
        let mut claims = good.clone();
        claims.insert(name.to_owned(), value);
        issuer.sign_claims(&claims.into())
    };
    let token = with("x", 1.into());
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let mut forged = json!(good);
    forged["email"] = "admin@demo-project.iam.gserviceaccount.com".into();
    let forged = URL_SAFE_NO_PAD.encode(forged.to_string());
    let header = signed.split('.').next().unwrap();
    let none = json!({ "alg": "none", "kid": issuer.key_id() });
    let other_key = json!({ "alg": "RS256", "kid": "other" });
    let cases = [
        (with("iss", "https://evil.example".into()), "iss_unknown"),
        (with("exp", (NOW.0 - 60).into()), "expired"),
        (with("iat", (NOW.0 + 60).into()), "not_yet_valid"),
        (with("aud", 7.into()), "malformed"),
        (format!("{header}.{forged}.{signature}"), "sig_bad"),
        (issuer.sign(&none, &good.clone().into()), "alg_not_allowed"),
        (issuer.sign(&other_key, &good.clone().into()), "kid_unknown"),
        (format!("{signed}.SIGNATURE_REMOVED_BY_GOOGLE"), "sig_removed_by_google"),
        ("garbage".to_owned(), "malformed"),
    ];
    for (token, code) in cases {
        let found = call(&world, "authorization", &token).await;
        assert_eq!(found, refused(401, code));
    }
    assert_eq!(call(&world, "authorization", &token).await, ACCEPTED);
}

#[tokio::test]
async fn no_token_gets_403() {
    let world = World::start().await;
    let addr = world.us().addr();
    for call in [get("/"), get("/").header("authorization", "Basic YTpi")] {
        let reply = call.send(addr).await;
        assert_eq!(reply.status, StatusCode::FORBIDDEN);
        assert!(!reply.headers.contains_key("www-authenticate"));
    }
}

#[tokio::test]
async fn a_refusal_is_google_s_page_with_the_path_and_its_query_escaped() {
    let world = World::start().await;
    let reply = get("/a&b'c?d=e").bearer(&world.token("https://other.example"));
    let reply = reply.send(world.us().addr()).await;
    assert_eq!(reply.status, StatusCode::UNAUTHORIZED);
    assert_eq!(
        reply.headers["www-authenticate"],
        "Bearer error=\"invalid_token\" error_description=\"The access token could not be verified\""
    );
    let sentence =
        "does not have permission to the requested URL <code>/a&amp;b&#39;c?d=e</code>.</h2>";
    assert!(reply.text.contains(sentence), "{}", reply.text);
    assert!(reply.headers["content-type"].to_str().unwrap().starts_with("text/html"));
    let reply = get("/a&b'c?d=e").send(world.us().addr()).await;
    let sentence = "does not have permission to get URL <code>/a&amp;b&#39;c?d=e</code> from this server.</h2>";
    assert!(reply.text.contains(sentence), "{}", reply.text);
}

#[tokio::test]
async fn all_answers_name_google_s_server() {
    let world = World::start().await;
    let good = world.token(world.us().url());
    for call in [get("/").bearer(&good), get("/")] {
        assert_eq!(call.send(world.us().addr()).await.headers["server"], "Google Frontend");
    }
}

#[tokio::test]
async fn with_both_headers_only_the_serverless_one_counts_and_the_other_passes_untouched() {
    let world = World::start().await;
    let (good, other) = (world.token(world.us().url()), world.token("https://lb.example"));
    let addr = world.us().addr();
    let both = |serverless: &str, authorization: &str| {
        get("/")
            .header("x-serverless-authorization", &format!("bearer {serverless}"))
            .bearer(authorization)
    };
    let reply = both(&good, &other).send(addr).await;
    let headers = &reply.json()["headers"];
    let checked = &headers["x-serverless-authorization"];
    assert_eq!(checked["signature"], "SIGNATURE_REMOVED_BY_GOOGLE");
    assert_eq!(checked["claims"]["aud"], world.us().url());
    assert_eq!(headers["authorization"]["signature"], "(kept)");
    assert_eq!(headers["authorization"]["claims"]["aud"], "https://lb.example");
    let refused = both(&other, &good).send(addr).await;
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn the_timeline_has_every_call_with_its_claims() {
    let world = World::start().await;
    let other = world.token("https://lb.example");
    let call = post("/push?a=b", "").bearer(&other);
    let call = call.header("x-request-id", "r1").send(world.us().addr());
    call.await;
    let timeline = world.emulator.timeline();
    let last = timeline.calls().pop().unwrap();
    assert_eq!(last.at, NOW);
    assert_eq!((last.method.as_str(), last.path.as_str()), ("POST", "/push"));
    assert_eq!(last.audience.as_deref(), Some("https://lb.example"));
    assert_eq!(last.caller.as_deref(), Some(GATEWAY));
    assert_eq!(last.request_id.as_deref(), Some("r1"));
    assert_eq!(timeline.refused("us-central1"), 1);
    assert_eq!(timeline.refused("europe-west1"), 0);
}
