//! The whole chain, end to end: emulated Google, a real Envoy with the filter
//! and the shipped configuration, the gateway, two regions.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests"
)]

mod demo_program;
mod following;
mod istio;
mod keys;
mod parts;
mod requests;
mod shipped_files;

use std::net::SocketAddr;

use bytes::Bytes;
use http::{Request, header};
use remint_emulator::{Emulator, TokenRequest};
use remint_tests::attack::bearer;
use remint_tests::chain::{DOMAIN, PUSHER};
use remint_tests::client::{Answer, send};

/// A request that the policy is for, with a token or without.
fn push_request(token: Option<&str>) -> Request<Bytes> {
    let mut request = Request::post("/push")
        .header(header::HOST, DOMAIN)
        .header("user-agent", "CloudPubSub-Google")
        .body(Bytes::from_static(b"{}"))
        .unwrap();
    if let Some(token) = token {
        request.headers_mut().insert(header::AUTHORIZATION, bearer(token));
    }
    request
}

/// A token that the policy admits.
fn good_token(emulator: &Emulator) -> String {
    emulator.issuer().mint(&TokenRequest::new(PUSHER, format!("https://{DOMAIN}")))
}

async fn push(edge: SocketAddr, token: &str) -> Answer {
    send(edge, push_request(Some(token))).await.unwrap()
}
