//! The filter and its keys: before the first ones, without any, and when they
//! change.

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use remint_emulator::{Config, Emulator, Fault};
use remint_tests::chain::Chain;
use serde_json::json;

use super::{good_token, push, push_request};

/// A chain whose filter can't have keys for now, and waits for them for so
/// long. The gateway has them: it was started before.
async fn chain_without_keys(fault: Fault, wait_for_keys: &str) -> Chain {
    let emulator = Emulator::start(Config::demo()).await.unwrap();
    Chain::around(emulator, |emulator, envoy| {
        emulator.faults().set_keys(Some(fault));
        envoy.plugin()["wait_for_keys"] = json!(wait_for_keys);
    })
    .await
    .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_before_the_first_keys_wait_for_them_and_pass() {
    let status = Fault::Status(StatusCode::SERVICE_UNAVAILABLE);
    let mut chain = chain_without_keys(status, "25s").await;
    let (edge, token) = (chain.edge(), good_token(&chain.emulator));
    let waiting: Vec<_> = (0..8)
        .map(|_| {
            let token = token.clone();
            tokio::spawn(async move { push(edge, &token).await.status })
        })
        .collect();
    chain.envoy.wait_for(|line| line.contains("could not be fetched").then_some(())).await.unwrap();
    assert!(waiting.iter().all(|request| !request.is_finished()));
    assert!(chain.emulator.timeline().calls().is_empty());
    chain.emulator.faults().clear();
    for request in waiting {
        assert_eq!(request.await.unwrap(), StatusCode::OK);
    }
    chain.stop().await.unwrap();
}

/// Requests that arrive all the time must not put off what ends their waiting.
#[tokio::test(flavor = "multi_thread")]
async fn a_stream_of_waiting_requests_does_not_keep_the_keys_from_being_fetched() {
    let status = Fault::Status(StatusCode::SERVICE_UNAVAILABLE);
    let mut chain = chain_without_keys(status, "25s").await;
    let (edge, token) = (chain.edge(), good_token(&chain.emulator));
    chain.envoy.wait_for(|line| line.contains("could not be fetched").then_some(())).await.unwrap();
    // Each of two workers gets one about every 8 ms, far more often than it
    // ticks.
    let mut rhythm = tokio::time::interval(Duration::from_millis(4));
    let mut requests = Vec::new();
    while chain.emulator.timeline().calls().is_empty() {
        rhythm.tick().await;
        let token = token.clone();
        requests.push(tokio::spawn(async move { push(edge, &token).await.status }));
        if requests.len() == 200 {
            chain.emulator.faults().clear();
        }
        assert!(requests.len() < 1500, "no request has passed in 6 s");
    }
    for request in requests {
        assert_eq!(request.await.unwrap(), StatusCode::OK);
    }
    chain.stop().await.unwrap();
}

/// Envoy can be told to hold back the headers alone while a filter waits. A
/// body that passes then takes them along.
#[tokio::test(flavor = "multi_thread")]
async fn a_waiting_request_s_body_does_not_pass_even_if_the_host_would_let_it() {
    let emulator = Emulator::start(Config::demo()).await.unwrap();
    let mut chain = Chain::around(emulator, |emulator, envoy| {
        emulator.faults().set_keys(Some(Fault::Status(StatusCode::SERVICE_UNAVAILABLE)));
        envoy.plugin()["wait_for_keys"] = json!("1s");
        envoy.filter()["typed_config"]["config"]["allow_on_headers_stop_iteration"] = json!(true);
    })
    .await
    .unwrap();
    let mut request = push_request(Some(&good_token(&chain.emulator)));
    *request.body_mut() = bytes::Bytes::from(vec![b'x'; 1 << 13]);
    let answer = remint_tests::client::send(chain.edge(), request).await.unwrap();
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(chain.emulator.timeline().calls().is_empty());
    assert_eq!(chain.gateway.counter("remint_requests_total").await.unwrap(), 0);
    chain.emulator.faults().clear();
    // The next attempt to fetch keys may be a few seconds away.
    let answer = loop {
        let mut waiting = push_request(Some(&good_token(&chain.emulator)));
        *waiting.body_mut() = bytes::Bytes::from(vec![b'x'; 1 << 13]);
        let answer = remint_tests::client::send(chain.edge(), waiting).await.unwrap();
        if answer.status != StatusCode::SERVICE_UNAVAILABLE {
            break answer;
        }
        assert!(chain.envoy.refusals().len() < 30, "no keys in half a minute");
    };
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.json().unwrap()["body_bytes"], 1 << 13);
    assert_eq!(chain.envoy.refusal_number(0).await.unwrap()["reason"], "keys_unavailable");
    chain.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn without_keys_requests_are_refused_at_their_deadline_and_may_be_sent_again() {
    for fault in [Fault::Hang, Fault::Status(StatusCode::INTERNAL_SERVER_ERROR)] {
        let mut chain = chain_without_keys(fault, "300ms").await;
        let answer = push(chain.edge(), &good_token(&chain.emulator)).await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(answer.header("retry-after"), "5");
        assert!(chain.emulator.timeline().calls().is_empty());
        let refusal = chain.envoy.refusal_number(0).await.unwrap();
        assert_eq!(refusal["reason"], "keys_unavailable");
        chain.stop().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_token_does_not_wait_for_keys() {
    let mut chain = chain_without_keys(Fault::Hang, "25s").await;
    let answer = push(chain.edge(), "not.a.token").await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    assert_eq!(chain.envoy.refusal_number(0).await.unwrap()["reason"], "malformed");
    chain.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_hangs_up_while_it_waits_does_no_harm() {
    let mut chain = chain_without_keys(Fault::Status(StatusCode::BAD_GATEWAY), "25s").await;
    let (edge, token) = (chain.edge(), good_token(&chain.emulator));
    let impatient: Vec<_> =
        (0..8).map(|_| tokio::spawn(send_and_forget(edge, token.clone()))).collect();
    chain.envoy.wait_for(|line| line.contains("could not be fetched").then_some(())).await.unwrap();
    for request in impatient {
        request.abort();
        assert!(request.await.unwrap_err().is_cancelled());
    }
    chain.emulator.faults().clear();
    assert_eq!(push(edge, &token).await.status, StatusCode::OK);
    chain.stop().await.unwrap();
}

async fn send_and_forget(edge: std::net::SocketAddr, token: String) {
    let _ = remint_tests::client::send(edge, push_request(Some(&token))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_fetched_once_by_envoy_and_once_by_the_gateway() {
    let chain = Chain::start().await.unwrap();
    let token = good_token(&chain.emulator);
    for _ in 0..50 {
        assert_eq!(push(chain.edge(), &token).await.status, StatusCode::OK);
    }
    assert_eq!(chain.emulator.jwks_fetches(), 2);
    chain.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_of_unknown_keys_do_not_storm_the_key_server() {
    let chain = Chain::start().await.unwrap();
    let token = good_token(&chain.emulator);
    assert_eq!(push(chain.edge(), &token).await.status, StatusCode::OK);
    let before = chain.emulator.jwks_fetches();
    let stranger = remint_emulator::Issuer::new(
        remint_idtoken::Algorithm::Rs256,
        Arc::new(remint_emulator::SystemClock),
    )
    .unwrap();
    let forged = stranger.mint(&remint_emulator::TokenRequest::new(
        remint_tests::chain::PUSHER,
        "https://orders.example.com",
    ));
    for _ in 0..50 {
        assert_eq!(push(chain.edge(), &forged).await.status, StatusCode::UNAUTHORIZED);
    }
    // Keys were fetched just now, and for an unknown one again half a minute
    // later at most, by one worker.
    let fetches = chain.emulator.jwks_fetches() - before;
    assert!(fetches <= 1, "{fetches} fetches");
    assert_eq!(push(chain.edge(), &token).await.status, StatusCode::OK);
    chain.stop().await.unwrap();
}
