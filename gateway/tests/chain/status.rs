//! What the admin listener tells, and to whom.

use bytes::Bytes;
use http::Request;
use http_body_util::Full;

use crate::client::{get, send};
use crate::support::Chain;

#[tokio::test]
async fn the_status_tells_all_but_tokens() {
    let chain = Chain::start().await;
    assert_eq!(chain.get("/").await.status, 200);
    chain.emulator.region("orders", "us-central1").unwrap().stop().await;
    for _ in 0..4 {
        assert_eq!(chain.get("/").await.status, 200);
    }
    let answer = get(chain.gateway.admin_address(), "/status").await;
    let (text, status) = (answer.text(), answer.json());
    let regions = status["services"][0]["regions"].as_array().unwrap();
    assert_eq!(regions.len(), 2, "{text}");
    for (region, at) in regions.iter().zip(chain.emulator.regions()) {
        let is_stopped = at.url().contains("us-central1");
        assert_eq!(region["ejected_until"].is_string(), is_stopped, "{text}");
        assert_eq!(region["is_ejected"], is_stopped, "{text}");
        assert!(region["token"]["last_error"].is_null(), "{text}");
        let token = &region["token"];
        assert_eq!(token["audience"], at.url());
        assert_eq!(token["account"], "gateway@demo-project.iam.gserviceaccount.com");
        assert!(token["expires_at"].as_str().unwrap() > token["next_attempt_at"].as_str().unwrap());
    }
    assert_eq!(status["services"][0]["panic"], false, "half of it is left");
    let keys = &status["key_sets"][0];
    assert_eq!(keys["issuer"], "google");
    assert_eq!(keys["key_ids"].as_array().unwrap().len(), 1, "{text}");
    assert_eq!(status["configuration"]["sha256"].as_str().unwrap().len(), 16);
    assert_eq!(status["not_ready"].as_array().unwrap().len(), 0, "{text}");
    // Every token begins with an encoded `{"`.
    assert!(!text.contains("eyJ") && !text.contains("Bearer"), "{text}");
}

#[tokio::test]
async fn pages_of_somebody_elses_read_nothing() {
    let chain = Chain::start().await;
    let admin = chain.gateway.admin_address();
    for page in ["/status", "/metrics", "/readyz", "/healthz"] {
        let request = Request::get(page).header("host", "evil.example").body(Full::default());
        assert_eq!(send(admin, request.unwrap()).await.status, 421);
        let request = Request::get(page).header("host", "localhost").body(Full::default());
        assert_eq!(send(admin, request.unwrap()).await.status, 200);
        let request = Request::post(page).header("host", "localhost");
        let request = request.body(Full::<Bytes>::default()).unwrap();
        assert_eq!(send(admin, request).await.status, 405);
    }
}
