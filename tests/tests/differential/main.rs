//! Some 250 good and malformed requests, through the filter in Envoy and
//! through Envoy's own `jwt_authn` beside it, configured alike.
//!
//! Wherever the native filter refuses, ours refuses, but for what is listed in
//! [`differences`]; where ours refuses more, that is listed too. A difference
//! that is not listed, and a listed one that does not occur, fail the test.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests"
)]

mod cases;
mod differences;

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;

use bytes::Bytes;
use http::{Request, header};
use remint_emulator::{Config, Emulator};
use remint_tests::chain::Envoy;
use remint_tests::client::send;
use remint_tests::shipped::EnvoyConfig;
use serde_json::{Value, json};

use cases::{AUDIENCE, Case};

/// What one filter did with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Admitted,
    Refused,
}

/// One Envoy with both filters, each on a listener of its own, in front of a
/// page that says 200.
async fn both_filters(emulator: &Emulator, folder: &std::path::Path) -> io::Result<Envoy> {
    let policy = json!({"rules": [{
        "name": "all", "match": {}, "audiences": [AUDIENCE], "callers": {"anyone": true},
    }]});
    let mut config = EnvoyConfig::filter_alone(emulator, policy, folder)?;
    let mut native = config.clone();
    *native.filter() = jwt_authn(&emulator.issuer().jwks());
    let mut listener = native.0["static_resources"]["listeners"][0].take();
    listener["name"] = json!("native");
    config.0["static_resources"]["listeners"].as_array_mut().expect("a list").push(listener);
    Envoy::start(&config, folder).await
}

/// Envoy's own filter, as close to ours as its settings allow.
fn jwt_authn(jwks: &Value) -> Value {
    json!({
        "name": "envoy.filters.http.jwt_authn",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication",
            "providers": {"google": {
                "issuer": "https://accounts.google.com",
                "audiences": [AUDIENCE],
                "local_jwks": {"inline_string": jwks.to_string()},
                "clock_skew_seconds": 30,
                "require_expiration": true,
                "max_lifetime": "86400s",
                "forward": true,
            }},
            "rules": [{"match": {"prefix": "/"}, "requires": {"provider_name": "google"}}],
        },
    })
}

async fn verdict(listener: SocketAddr, case: &Case) -> Verdict {
    let mut request =
        Request::get("/").header(header::HOST, "h.example").body(Bytes::new()).unwrap();
    for value in &case.authorization {
        request.headers_mut().append(header::AUTHORIZATION, value.clone());
    }
    let answer = send(listener, request).await.unwrap_or_else(|e| panic!("{}: {e}", case.name));
    match answer.status.as_u16() {
        200 => Verdict::Admitted,
        400 | 401 | 403 => Verdict::Refused,
        other => panic!("{}: answered {other}", case.name),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ours_refuses_whatever_the_native_filter_refuses_but_for_listed_exceptions() {
    let emulator = Emulator::start(Config::demo()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let envoy = both_filters(&emulator, folder.path()).await.unwrap();
    let (ours, native) = (envoy.address(), envoy.listener(1).await.unwrap());

    let cases = cases::all(emulator.issuer());
    assert!(cases.len() >= 200, "only {} cases", cases.len());
    let mut listed: BTreeMap<&str, bool> =
        differences::ALL.iter().map(|difference| (difference.case, false)).collect();
    assert_eq!(listed.len(), differences::ALL.len(), "a case is listed twice");
    let mut wrong = Vec::new();
    for case in &cases {
        let (our, its) = (verdict(ours, case).await, verdict(native, case).await);
        let expected = differences::of(&case.name);
        if our == Verdict::Admitted && !case.is_valid {
            wrong.push(format!("{}: ours admits what is not valid", case.name));
        }
        match expected {
            Some(difference) if (our, its) == difference.verdicts() => {
                listed.insert(difference.case, true);
            }
            None if our == its => {}
            _ => wrong.push(format!("{}: ours {our:?}, native {its:?}", case.name)),
        }
    }
    wrong.extend(
        listed.iter().filter(|(_, seen)| !**seen).map(|(case, _)| format!("{case}: no difference")),
    );
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
    println!("{} cases, {} differences:", cases.len(), differences::ALL.len());
    for difference in differences::ALL {
        println!("{:?} {}: {}", difference.verdicts(), difference.case, difference.why);
    }
    envoy.stop().await.unwrap();
    emulator.shutdown().await;
}
