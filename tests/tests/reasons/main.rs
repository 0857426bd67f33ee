//! Every reason, and every part that tells it: provoked with the real programs,
//! seen in log, figures and output with its remedy, and without a token.
//!
//! One policy and one table of requests has the reasons that are found out here:
//! the core, the filter in Envoy, the gateway and `remint explain` decide alike
//! about each of them. The others come from front ends, senders and mints. What
//! each part has told in its test is held against what the catalogue says it
//! tells ([`Told::hears_all`]), so that a reason without a test fails.
//!
//! [`Told::hears_all`]: told::Told::hears_all

#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    missing_docs,
    unreachable_pub,
    reason = "tests"
)]

mod cases;
mod doctor;
mod explainer;
mod filter;
mod front_ends;
mod gateway;
mod timeline;
mod told;

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, header};
use remint_emulator::{Issuer, SystemClock};
use remint_idtoken::keys::{KeySet, parse_jwks};
use remint_idtoken::{Algorithm, Authority, AwsLc, NoCache, Policy, Target};
use remint_tests::client::{Answer, send};
use serde_json::Value;

use cases::{Case, Expected, World};

fn google() -> Issuer {
    Issuer::new(Algorithm::Rs256, Arc::new(SystemClock)).unwrap()
}

fn headers(case: &Case) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in &case.headers {
        headers.append(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
    }
    headers
}

async fn ask(to: SocketAddr, case: &Case) -> Answer {
    let mut request = Request::new(Bytes::new());
    *request.method_mut() = case.method.clone();
    *request.uri_mut() = case.path.parse().unwrap();
    *request.headers_mut() = headers(case);
    request.headers_mut().insert(header::HOST, HeaderValue::from_static(case.host));
    send(to, request).await.unwrap_or_else(|error| panic!("{}: {error}", case.name))
}

/// What became of a request, as its log line tells: the reason and the rule.
fn outcome(refusal: &Value) -> (&str, &str) {
    (refusal["reason"].as_str().unwrap(), refusal["rule"].as_str().unwrap_or_default())
}

#[test]
fn the_core_decides_as_the_table_says() {
    let google = google();
    let world = World::new(&google);
    let policy = Policy::from_json(&world.policy().to_string()).unwrap();
    let mut authority = Authority::new(&policy, AwsLc);
    let (keys, _) =
        KeySet::load(&AwsLc, &parse_jwks(google.jwks().to_string().as_bytes()).unwrap()).unwrap();
    authority.set_keys("google", Some(Arc::new(keys)));
    let cases = cases::all(&world);
    assert!(cases.len() > 80, "{} cases", cases.len());
    for case in cases {
        let path = case.path.as_str();
        let target = Target::parse(case.host, path, case.method.as_str());
        let headers = headers(&case);
        let decision = policy.admit(&authority, &NoCache, target, &headers, google.now());
        let (name, expected) = (&case.name, &case.expected);
        match (&decision, expected) {
            (Ok(admission), Expected::Pass(verdict, rule)) => {
                assert_eq!(admission.verdict().name(), *verdict, "{name}");
                assert_eq!(&**admission.rule().name(), *rule, "{name}");
                assert_eq!(admission.caller().is_some(), *verdict == "verified", "{name}");
            }
            (Err(refusal), Expected::Refuse(reason, rule)) => {
                assert_eq!(refusal.reason.code(), *reason, "{name}: {refusal}");
                assert_eq!(refusal.rule_name().unwrap_or_default(), *rule, "{name}");
            }
            _ => panic!("{name}: expected {expected:?}, got {decision:?}"),
        }
    }
}
