//! Key sets in the filter, in a real Envoy with one worker and with two: one
//! fetch for all workers, rotation, outages, odd documents, and other
//! configurations while requests go on.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests"
)]

mod documents;
mod inline;
mod outages;
mod reloads;
mod rotation;
mod sharing;

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, StatusCode, header};
use remint_emulator::{Issuer, TokenRequest};
use remint_idtoken::Algorithm;
use remint_tests::attack::bearer;
use remint_tests::chain::{DOMAIN, Edge, PUSHER};
use remint_tests::client::send;
use remint_tests::load::Load;
use remint_tests::process::PATIENCE;
use remint_tests::server::KeyServer;
use serde_json::{Value, json};

const GOOGLE: &str = "https://accounts.google.com";
/// How many connections a load has: enough that each worker gets some.
const CONNECTIONS: usize = 8;

async fn keys() -> KeyServer {
    KeyServer::start(Algorithm::Rs256).await.unwrap()
}

async fn edge(workers: u32, keys: &KeyServer, times: Value) -> Edge {
    Edge::start(workers, &[("google", GOOGLE, keys)], times, |_| {}).await.unwrap()
}

fn token(issuer: &Issuer) -> String {
    issuer.mint(&TokenRequest::new(PUSHER, format!("https://{DOMAIN}")))
}

fn request(token: &str) -> Request<Bytes> {
    Request::post("/push")
        .header(header::HOST, DOMAIN)
        .header(header::AUTHORIZATION, bearer(token))
        .body(Bytes::from_static(b"{}"))
        .unwrap()
}

async fn status(edge: &Edge, token: &str) -> StatusCode {
    send(edge.address(), request(token)).await.unwrap().status
}

fn load(edge: &Edge, issuer: &Issuer) -> Load {
    Load::start(edge.address(), CONNECTIONS, request(&token(issuer)))
}

/// Stops a load: not one of its requests may have been refused.
async fn nothing_was_refused(load: Load) {
    let (wrong, answered) = load.stop().await;
    assert!(answered > 100, "only {answered} answers");
    assert!(wrong.is_empty(), "{} of {answered} were refused: {:?}", wrong.len(), wrong[0]);
}

/// Waits until something holds.
async fn until(what: &str, holds: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    let mut rhythm = tokio::time::interval(Duration::from_millis(10));
    while !holds() {
        assert!(Instant::now() < deadline, "in vain: {what}");
        rhythm.tick().await;
    }
}

/// Waits until that much time has passed: where what must hold is that nothing
/// happens in it.
async fn passes(time: Duration) {
    let start = Instant::now();
    until("time passes", || start.elapsed() >= time).await;
}

/// Keys that are looked for every second.
fn short_lived() -> Value {
    json!({"min_refresh": "1s", "max_refresh": "2s", "unknown_key_interval": "1s"})
}
