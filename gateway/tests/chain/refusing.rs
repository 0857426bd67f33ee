//! Requests that must not go through.

use remint_emulator::TokenRequest;
use serde_json::json;

use crate::client::get;
use crate::support::{AUDIENCE, CALLER, Chain, HOST};

/// Tokens that are refused, with the status.
fn bad_tokens(chain: &Chain) -> Vec<(&'static str, Option<String>, u16)> {
    let issuer = chain.emulator.issuer();
    let good = chain.token();
    let request = TokenRequest::new(CALLER, AUDIENCE);
    let changed = |name: &str, value: serde_json::Value| {
        let mut claims = issuer.claims(&request);
        claims.insert(name.to_owned(), value);
        Some(issuer.sign_claims(&claims.into()))
    };
    let mint =
        |account: &str, audience: &str| Some(issuer.mint(&TokenRequest::new(account, audience)));
    let forged = format!("{}AAAA", &good[..good.len() - 4]);
    let unsigned = issuer.sign(&json!({"alg": "none"}), &issuer.claims(&request).into());
    vec![
        ("none", None, 401),
        ("forged", Some(forged), 401),
        ("alg none", Some(unsigned), 401),
        ("expired", changed("exp", json!(1_700_000_000)), 401),
        ("other issuer", changed("iss", json!("https://evil.example")), 401),
        ("other audience", mint(CALLER, "https://other.example"), 401),
        ("unknown caller", mint("eve@evil.example", AUDIENCE), 403),
        ("junk", Some("a.b.c".to_owned()), 401),
    ]
}

#[tokio::test]
async fn refused_tokens_never_reach_a_region_and_learn_nothing() {
    let chain = Chain::start().await;
    for (what, token, status) in bad_tokens(&chain) {
        let mut request = http::Request::post("/push").header("host", HOST);
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let answer = chain.send(request).await;
        assert_eq!(answer.status, status, "{what}");
        assert!(answer.header("www-authenticate").unwrap().starts_with("Bearer"), "{what}");
        assert_eq!(answer.header("x-remint-request-id").unwrap().len(), 32, "{what}");
        assert!(!answer.text().contains(CALLER) && !answer.text().contains(AUDIENCE), "{what}");
    }
    assert_eq!(chain.emulator.timeline().calls().len(), 0);
    assert_eq!(chain.figure("remint_refusals_total", "").await, 8);
    assert_eq!(chain.figure("remint_requests_total", "outcome=\"refused\"").await, 8);
    assert_eq!(chain.figure("remint_attempts_total", "").await, 0);
}

#[tokio::test]
async fn what_can_be_read_in_two_ways_is_refused() {
    let chain = Chain::start().await;
    for path in ["/a/../b", "/a//b", "/a%2fb"] {
        assert_eq!(chain.get(path).await.status, 403, "{path}");
    }
    let two_hosts = chain.request("/").header("host", HOST);
    assert_eq!(chain.send(two_hosts).await.status, 403);
    let good = format!("Bearer {}", chain.token());
    let two_tokens = chain.request("/").header("authorization", good.replace('.', ".x"));
    assert_eq!(chain.send(two_tokens).await.status, 401);
    assert_eq!(chain.emulator.timeline().calls().len(), 0);
}

#[tokio::test]
async fn a_host_without_a_rule_is_nobodys() {
    let chain = Chain::start().await;
    let request = http::Request::get("/")
        .header("host", "other.example.com")
        .header("authorization", format!("Bearer {}", chain.token()));
    assert_eq!(chain.send(request).await.status, 403);
    let admin = chain.gateway.admin_address();
    assert_eq!(get(admin, "/healthz").await.text(), "ok\n");
    assert_eq!(get(admin, "/nowhere").await.status, 404);
}
