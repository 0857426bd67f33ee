//! The filter in a host that can do as little as Google's load balancer, with
//! the configuration that `remint plugin-config` renders for it.
//!
//! A real Envoy plays that host: `capability_restriction_config` takes away all
//! that Service Extensions has not.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    missing_docs,
    unreachable_pub,
    reason = "tests"
)]

mod crowd;
mod keys;
mod narrow;
mod refusals;
mod rendering;

use bytes::Bytes;
use http::{Request, header};
use remint_emulator::{AssertionRequest, Emulator, TokenRequest};
use remint_tests::attack::bearer;
use remint_tests::chain::{DOMAIN, PUSHER};
use serde_json::{Value, json};

const PEOPLE: &str = "people.example.com";
const BOTH: &str = "both.example.com";
const APP: &str = "/projects/123456789012/global/backendServices/42";
const PERSON: &str = "ada@example.com";

/// A rule for machines, one for people behind IAP, and one that asks for both.
fn document() -> Value {
    let machine = json!({"issuers": ["google"], "audiences": [format!("https://{DOMAIN}")],
        "callers": {"emails": [PUSHER]}});
    let person = json!({"issuers": ["iap"], "audiences": [APP],
        "callers": {"hosted_domains": ["example.com"]}});
    let rule = |name: &str, host: &str, requirement: &Value| {
        let mut rule = json!({"name": name, "match": {"hosts": [host]}});
        rule.as_object_mut().unwrap().extend(requirement.as_object().unwrap().clone());
        rule
    };
    json!({
        "policy": {
            "issuers": [{"preset": "google"}, {"preset": "iap"}],
            "rules": [
                rule("push", DOMAIN, &machine),
                rule("people", PEOPLE, &person),
                rule("both", BOTH, &json!({"all_of": [machine, person]})),
            ],
        },
        "keys": {"google": {"cluster": "google_keys"}, "iap": {"cluster": "iap_keys"}},
        "wait_for_keys": "5s",
        "properties": true,
        "claim_headers": [{"claim": "email", "header": "x-caller"}],
        "payload_header": "x-payload",
    })
}

fn token(google: &Emulator) -> String {
    google.issuer().mint(&TokenRequest::new(PUSHER, format!("https://{DOMAIN}")))
}

fn assertion(google: &Emulator) -> String {
    google.iap().mint_assertion(&AssertionRequest::new(PERSON, APP).hosted_domain("example.com"))
}

fn request(host: &str, token: Option<&str>, assertion: Option<&str>) -> Request<Bytes> {
    let mut request = Request::post("/push").header(header::HOST, host);
    if let Some(token) = token {
        request = request.header(header::AUTHORIZATION, bearer(token));
    }
    if let Some(assertion) = assertion {
        request = request.header("x-goog-iap-jwt-assertion", assertion);
    }
    // What a caller says of itself must not get through.
    request.header("x-caller", "root@example.com").body(Bytes::from_static(b"{}")).unwrap()
}
