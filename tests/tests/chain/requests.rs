//! What happens to single requests on their way through the chain.

use bytes::Bytes;
use http::{Method, StatusCode, header};
use remint_emulator::TokenRequest;
use remint_tests::attack;
use remint_tests::chain::{Chain, DOMAIN, REGIONS, region_url};
use remint_tests::client::send;
use serde_json::json;

use super::{good_token, push, push_request};

#[tokio::test(flavor = "multi_thread")]
async fn a_region_sees_the_gateway_as_caller_and_no_token_of_anybody_else() {
    let chain = Chain::start().await.unwrap();
    let token = good_token(&chain.emulator);
    let mut request = push_request(Some(&token));
    for name in ["x-serverless-authorization", "x-goog-iap-jwt-assertion", "x-remint-assertion"] {
        request
            .headers_mut()
            .insert(name, header::HeaderValue::from_static("Bearer made.up.token"));
    }
    let answer = send(chain.edge(), request).await.unwrap();
    assert_eq!(answer.status, StatusCode::OK);
    let seen = answer.json().unwrap();
    assert_eq!(seen["caller"], "gateway@demo-project.iam.gserviceaccount.com");
    let region = seen["region"].as_str().unwrap();
    let url = region_url(&chain.emulator, region);
    assert_eq!(seen["audience"], url);
    assert_eq!(seen["host"], url.trim_start_matches("https://"));
    let headers = seen["headers"].to_string();
    assert!(!headers.contains("made.up.token") && !headers.contains(&token), "{headers}");
    assert!(seen["headers"]["authorization"].is_null(), "{headers}");
    let minted = &seen["headers"]["x-serverless-authorization"];
    assert!(minted.to_string().contains("SIGNATURE_REMOVED_BY_GOOGLE"), "{headers}");
    chain.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_filter_lets_no_identity_of_the_caller_s_own_making_pass() {
    let chain = Chain::start().await.unwrap();
    // What reaches the gateway is seen by a region in its place.
    let region = chain.emulator.region("orders", REGIONS[0]).unwrap().addr();
    let envoy = remint_tests::shipped::EnvoyConfig::shipped("envoy.yaml").unwrap();
    let ca = chain.folder().join("ca.pem");
    let config = envoy
        .cluster("gateway", &[region])
        .cluster("google_keys", &[chain.emulator.google_addr()])
        .trusted_ca(&ca)
        .module(&remint_tests::shipped::built("remint_filter.wasm").unwrap());
    let envoy = remint_tests::chain::Envoy::start(&config, chain.folder()).await.unwrap();
    let audience = region_url(&chain.emulator, REGIONS[0]);
    let request = TokenRequest::new(remint_tests::chain::PUSHER, audience);
    let mut request = push_request(Some(&chain.emulator.issuer().mint(&request)));
    let names = [
        "x-serverless-authorization",
        "x-goog-iap-jwt-assertion",
        "x-goog-authenticated-user-email",
    ];
    for name in names {
        request.headers_mut().insert(name, header::HeaderValue::from_static("ceo@example.com"));
    }
    let answer = send(envoy.address(), request).await.unwrap();
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    let seen = answer.json().unwrap();
    assert!(names.iter().all(|name| seen["headers"][name].is_null()), "{seen}");
    envoy.stop().await.unwrap();
    chain.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn each_of_the_rule_s_audiences_is_accepted_at_each_region() {
    let chain = Chain::start().await.unwrap();
    let mut audiences: Vec<String> =
        REGIONS.iter().map(|region| region_url(&chain.emulator, region)).collect();
    audiences.push(format!("https://{DOMAIN}"));
    for audience in audiences {
        let token = chain
            .emulator
            .issuer()
            .mint(&TokenRequest::new(remint_tests::chain::PUSHER, &audience));
        for _ in REGIONS {
            assert_eq!(push(chain.edge(), &token).await.status, StatusCode::OK, "{audience}");
        }
    }
    assert!(REGIONS.iter().all(|region| chain.emulator.timeline().accepted(region) >= 2));
    chain.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn paths_and_methods_without_a_rule_are_refused_by_the_filter() {
    let mut chain = Chain::start().await.unwrap();
    let token = good_token(&chain.emulator);
    for (method, path, reason) in [
        (Method::GET, "/push", "no_rule"),
        (Method::POST, "/", "no_rule"),
        (Method::POST, "/pushed", "no_rule"),
        // Envoy resolves the dots before the filter sees the path.
        (Method::POST, "/push/../admin", "no_rule"),
        (Method::POST, "/push/a%00b", "target_unsafe"),
    ] {
        let before = chain.envoy.refusals().len();
        let mut request = push_request(Some(&token));
        *request.method_mut() = method;
        *request.uri_mut() = path.parse().unwrap();
        let answer = send(chain.edge(), request).await.unwrap();
        if answer.status == StatusCode::BAD_REQUEST {
            continue; // Envoy itself refused it.
        }
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{path}");
        assert_eq!(chain.envoy.refusal_number(before).await.unwrap()["reason"], reason, "{path}");
    }
    assert!(chain.emulator.timeline().calls().is_empty());
    chain.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_body_streams_through_the_whole_chain_and_back() {
    let chain = Chain::start().await.unwrap();
    let mut request = push_request(Some(&good_token(&chain.emulator)));
    request.headers_mut().insert("x-echo-stream", header::HeaderValue::from_static("1"));
    let body: Vec<u8> = (0..32_u32 << 20).map(|n| n.to_le_bytes()[1]).collect();
    *request.body_mut() = Bytes::from(body.clone());
    let answer = send(chain.edge(), request).await.unwrap();
    assert_eq!(answer.status, StatusCode::OK);
    assert!(answer.body == body, "the body came back changed");
    chain.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backend_s_own_status_reaches_the_caller_unchanged() {
    let chain = Chain::start().await.unwrap();
    for status in [200, 404, 409, 418, 500, 503] {
        let mut request = push_request(Some(&good_token(&chain.emulator)));
        *request.uri_mut() = format!("/push/status/{status}").parse().unwrap();
        let answer = send(chain.edge(), request).await.unwrap();
        assert_eq!(answer.status.as_u16(), status);
    }
    chain.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_filter_strips_the_token_unless_it_is_told_to_forward_it() {
    let mut chain = Chain::start_with(remint_emulator::Config::demo(), |envoy| {
        envoy.plugin().as_object_mut().unwrap().remove("token");
    })
    .await
    .unwrap();
    let answer = push(chain.edge(), &good_token(&chain.emulator)).await;
    // The gateway behind it verifies for itself, and finds no token.
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    assert!(chain.envoy.refusals().is_empty());
    chain.gateway.wait_for(|line| line.contains("token_missing").then_some(())).await.unwrap();
    chain.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_bad_requests_is_refused_whole_and_logged_in_part() {
    let mut chain = Chain::start().await.unwrap();
    let mut sent = 0;
    let left_out = loop {
        assert_eq!(push(chain.edge(), "not.a.token").await.status, StatusCode::UNAUTHORIZED);
        sent += 1;
        let refusals = chain.envoy.refusals();
        if let Some(left_out) = refusals.iter().find_map(|it| it["left_out"].as_u64()) {
            break left_out;
        }
        assert!(sent < 20_000, "{} of {sent} are in the log", refusals.len());
    };
    assert!(left_out > 0);
    // The metrics of the gateway are not touched: none of it got there.
    assert_eq!(chain.gateway.counter("remint_requests_total").await.unwrap(), 0);
    chain.envoy.refusal_number(0).await.unwrap();
    chain.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn no_log_of_any_part_holds_a_token() {
    let mut chain = Chain::start().await.unwrap();
    let good = good_token(&chain.emulator);
    let bad = chain.emulator.issuer().mint(&TokenRequest::new("nobody@example.com", "elsewhere"));
    assert_eq!(push(chain.edge(), &good).await.status, StatusCode::OK);
    assert_eq!(push(chain.edge(), &bad).await.status, StatusCode::UNAUTHORIZED);
    let direct = send(chain.gateway.address(), push_request(Some(&bad))).await.unwrap();
    assert_eq!(direct.status, StatusCode::UNAUTHORIZED);
    chain.envoy.refusal_number(0).await.unwrap();
    chain.gateway.wait_for(|line| line.contains("aud_mismatch").then_some(())).await.unwrap();
    let metrics = remint_tests::client::get(chain.gateway.admin(), "/metrics").await.unwrap();
    let all = [
        chain.envoy.lines().join("\n"),
        chain.gateway.lines().join("\n"),
        metrics.text(),
        json!(chain.emulator.timeline().calls()).to_string(),
        direct.text(),
    ]
    .join("\n");
    // Whatever begins like a JSON object in base64url and has a dot behind it.
    let mut words = all.split(|c: char| !c.is_ascii_alphanumeric() && !"-_.".contains(c));
    assert!(!words.any(|word| word.starts_with("eyJ") && word.contains('.')), "{all}");
    for token in [good, bad] {
        assert!(token.split('.').all(|part| !all.contains(part)));
    }
    chain.stop().await.unwrap();
}

/// Whoever gets past Envoy some other way meets the same policy again.
#[tokio::test(flavor = "multi_thread")]
async fn the_gateway_refuses_every_attack_for_the_same_reason_as_the_filter() {
    let mut chain = Chain::start().await.unwrap();
    let issuer = std::sync::Arc::clone(chain.emulator.issuer());
    let clock = std::sync::Arc::new(remint_emulator::SystemClock);
    let impostor = remint_emulator::Issuer::new(remint_idtoken::Algorithm::Rs256, clock).unwrap();
    for (place, attack) in attack::all(&issuer, &impostor, issuer.now().0).iter().enumerate() {
        let mut request = push_request(None);
        for value in &attack.authorization {
            request.headers_mut().append(header::AUTHORIZATION, value.clone());
        }
        let answer = send(chain.gateway.address(), request).await.unwrap();
        assert_eq!(answer.status.as_u16(), attack.status, "{}", attack.name);
        assert!(answer.header("www-authenticate").starts_with("Bearer"), "{}", attack.name);
        let refusal = chain.gateway.refusal_number(place).await.unwrap();
        assert_eq!(refusal["reason"], attack.reason, "{}", attack.name);
        assert_eq!(refusal["rule"], "orders-push", "{}", attack.name);
    }
    assert!(chain.emulator.timeline().calls().is_empty());
    chain.stop().await.unwrap();
}
