//! Requests that go through.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::{Request, Version};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use remint_emulator::TokenRequest;
use tokio::net::TcpStream;

use crate::support::{CALLER, Chain, HOST};

#[tokio::test]
async fn each_request_reaches_a_region_with_that_regions_own_audience() {
    let chain = Chain::start().await;
    let mut by_region = BTreeMap::<_, usize>::new();
    for _ in 0..10 {
        let answer = chain.get("/orders/7?a=b&c=%20").await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let seen = answer.json();
        let region = seen["region"].as_str().unwrap().to_owned();
        let own = chain.emulator.region("orders", &region).unwrap().url();
        assert_eq!(seen["audience"], own);
        assert_eq!(format!("https://{}", seen["host"].as_str().unwrap()), own);
        assert_eq!((&seen["path"], &seen["query"]), (&"/orders/7".into(), &"a=b&c=%20".into()));
        *by_region.entry(region).or_insert(0) += 1;
    }
    let is_near_half = |count: &usize| (3..=7).contains(count);
    assert!(by_region.len() == 2 && by_region.values().all(is_near_half), "{by_region:?}");
    assert_eq!(chain.figure("remint_requests_total", "outcome=\"2xx\"").await, 10);
    assert_eq!(chain.figure("remint_mints_total", "outcome=\"minted\"").await, 2);
    assert_eq!(chain.figure("remint_retries_total", "").await, 0);
}

#[tokio::test]
async fn the_region_learns_the_way_of_the_request_and_no_token_of_the_caller() {
    let chain = Chain::start().await;
    let evil = chain.emulator.issuer().mint(&TokenRequest::new(CALLER, "https://evil.example"));
    let request = chain
        .request("/")
        .header("x-serverless-authorization", format!("Bearer {evil}"))
        .header("x-goog-iap-jwt-assertion", &evil)
        .header("x-remint-assertion", &evil)
        .header("x-request-id", "abc-1")
        .header("x-forwarded-for", "203.0.113.9")
        .header("connection", "close, x-private")
        .header("x-private", "1");
    let seen = chain.send(request).await.json();
    let headers = &seen["headers"];
    let minted = &headers["x-serverless-authorization"]["claims"];
    assert_eq!(minted["aud"], seen["audience"]);
    assert_eq!(minted["email"], "gateway@demo-project.iam.gserviceaccount.com");
    for gone in ["authorization", "x-goog-iap-jwt-assertion", "x-remint-assertion", "x-private"] {
        assert!(headers.get(gone).is_none(), "{gone}: {headers}");
    }
    assert_eq!(headers["x-request-id"], "abc-1");
    assert_eq!(headers["x-forwarded-for"], "203.0.113.9, 127.0.0.1");
    assert_eq!(headers["x-forwarded-host"], HOST);
    assert_eq!(headers["via"], "1.1 remint");
}

#[tokio::test]
async fn the_regions_answer_is_passed_on_as_it_is() {
    let chain = Chain::start().await;
    for status in [204, 302, 404, 418, 500, 503] {
        let answer = chain.get(&format!("/status/{status}")).await;
        assert_eq!(answer.status, status);
        assert_eq!(answer.header("x-remint-reason"), None);
    }
    assert_eq!(chain.figure("remint_attempts_total", "").await, 6, "none was sent twice");
}

#[tokio::test]
async fn callers_may_speak_http_2_without_tls() {
    let chain = Chain::start().await;
    let io = TokioIo::new(TcpStream::connect(chain.gateway.address()).await.unwrap());
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), io).await.unwrap();
    tokio::spawn(connection);
    let request = Request::get(format!("http://{HOST}/a?b"))
        .version(Version::HTTP_2)
        .header("authorization", format!("Bearer {}", chain.token()))
        .body(Empty::<Bytes>::new())
        .unwrap();
    let answer = sender.send_request(request).await.unwrap();
    assert_eq!(answer.status(), 200);
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    let seen: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert_eq!((&seen["path"], &seen["headers"]["via"]), (&"/a".into(), &"2 remint".into()));
}

#[tokio::test]
async fn the_issuers_new_key_is_fetched_for_the_first_token_that_names_it() {
    let chain = Chain::start().await;
    assert_eq!(chain.get("/").await.status, 200);
    let before = chain.emulator.jwks_fetches();
    chain.emulator.issuer().rotate().unwrap();
    chain.clock.jump(std::time::Duration::from_secs(31));
    let answers = tokio::join!(chain.get("/"), chain.get("/"), chain.get("/"));
    for answer in [answers.0, answers.1, answers.2] {
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    assert_eq!(chain.emulator.jwks_fetches(), before + 1);
}
