//! The same requests at Cloud Run's front end as the emulator plays it, at the
//! filter in Envoy and at the gateway, by a policy that says what the front end
//! goes by: they decide alike, but where the table says why not.

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

mod table;

use std::net::SocketAddr;
use std::path::Path;

use bytes::Bytes;
use http::{HeaderValue, Request, header};
use remint_emulator::{Config, Emulator};
use remint_tests::chain::{Envoy, Gateway, REGIONS, SERVICE};
use remint_tests::client::{Answer, send};
use remint_tests::shipped::{EnvoyConfig, workspace};
use serde_json::{Value, json};

use table::{Case, DOMAIN, URL, cases, markdown};

/// A service in two regions, of which the first is called.
async fn google() -> Emulator {
    let mut config = Config::demo();
    config.services[0].custom_audiences = vec![DOMAIN.to_owned()];
    let emulator = Emulator::start(config).await.unwrap();
    emulator.ready().await.unwrap();
    emulator
}

fn hash_url(emulator: &Emulator) -> &str {
    emulator.region(SERVICE, REGIONS[0]).unwrap().hash_url()
}

fn table_of(emulator: &Emulator) -> Vec<Case> {
    cases(emulator.issuer(), hash_url(emulator))
}

/// What the front end goes by, as a policy: the region's URLs with and without
/// a slash, the custom audience, the invokers, and both headers.
fn policy(emulator: &Emulator) -> Value {
    let hashed = hash_url(emulator);
    json!({
        "issuers": [{ "preset": "google", "tokens": [
            { "header": "authorization" }, { "header": "x-serverless-authorization" },
        ]}],
        "rules": [{
            "name": "orders",
            "match": { "paths": [{ "prefix": "/push" }] },
            "audiences": [URL, format!("{URL}/"), hashed, format!("{hashed}/"), DOMAIN],
            "callers": { "emails": Config::demo().services[0].invokers },
        }],
    })
}

async fn ask(to: SocketAddr, case: &Case) -> Answer {
    let mut request = Request::post("/push").body(Bytes::new()).unwrap();
    let headers = request.headers_mut();
    let host = URL.trim_start_matches("https://");
    headers.insert(header::HOST, HeaderValue::from_static(host));
    for (name, value) in &case.headers {
        headers.append(name, value.parse().unwrap());
    }
    send(to, request).await.unwrap_or_else(|error| panic!("{}: {error}", case.name))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_emulator_s_front_end_decides_as_the_table_says() {
    let emulator = google().await;
    let region = emulator.region(SERVICE, REGIONS[0]).unwrap();
    assert_eq!(region.url(), URL);
    for case in table_of(&emulator) {
        let answer = ask(region.addr(), &case).await;
        assert_eq!(answer.status.as_u16(), case.cloud_run, "{}", case.name);
    }
    emulator.shutdown().await;
}

async fn envoy(emulator: &Emulator, folder: &Path) -> Envoy {
    let config = EnvoyConfig::filter_alone(emulator, policy(emulator), folder).unwrap();
    Envoy::start(&config, folder).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_filter_decides_as_the_table_says() {
    let emulator = google().await;
    let folder = tempfile::tempdir().unwrap();
    let mut envoy = envoy(&emulator, folder.path()).await;
    let mut refusals = 0;
    for case in table_of(&emulator) {
        let answer = ask(envoy.address(), &case).await;
        assert_eq!(answer.status.as_u16(), case.here, "{}", case.name);
        if case.here != 200 {
            let refusal = envoy.refusal_number(refusals).await.unwrap();
            assert_eq!(refusal["reason"], case.code, "{}: {refusal}", case.name);
            refusals += 1;
        }
    }
    assert_eq!(envoy.refusals().len(), refusals);
    envoy.stop().await.unwrap();
    emulator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_gateway_decides_as_the_table_says() {
    let emulator = google().await;
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("ca.pem");
    std::fs::write(&ca, emulator.ca_pem()).unwrap();
    let mut gateway = Gateway::start_with(&emulator, folder.path(), &ca, |config| {
        config["policy"] = policy(&emulator);
        config["services"][0]["rules"] = json!(["orders"]);
    })
    .await
    .unwrap();
    let mut refusals = 0;
    for case in table_of(&emulator) {
        let answer = ask(gateway.address(), &case).await;
        assert_eq!(answer.status.as_u16(), case.here, "{}", case.name);
        if case.here != 200 {
            let refusal = gateway.refusal_number(refusals).await.unwrap();
            assert_eq!(refusal["reason"], case.code, "{}: {refusal}", case.name);
            refusals += 1;
        }
    }
    gateway.stop().await.unwrap();
    emulator.shutdown().await;
}

#[tokio::test]
async fn every_difference_has_its_reason() {
    let emulator = google().await;
    let cases = table_of(&emulator);
    assert!(cases.len() >= 20, "{} requests", cases.len());
    for case in &cases {
        let differs = case.cloud_run != case.here;
        assert!(!differs || !case.note.is_empty(), "{}", case.name);
        assert_eq!(case.code.is_empty(), case.here == 200, "{}", case.name);
    }
    emulator.shutdown().await;
}

/// Written anew with `UPDATE_DOCS=1 cargo test -p remint-tests --test verdicts`.
#[tokio::test]
async fn the_documentation_shows_the_table() {
    let emulator = google().await;
    let table = markdown(&table_of(&emulator));
    emulator.shutdown().await;
    let file = workspace().join("docs/emulator.md");
    let shipped = std::fs::read_to_string(&file).unwrap();
    let first = table.lines().next().unwrap();
    let start = shipped.find(first).expect("a table of requests");
    let end = shipped[start..].find("\n\n").map_or(shipped.len(), |end| start + end + 1);
    if std::env::var_os("UPDATE_DOCS").is_some() {
        let updated = [&shipped[..start], &table, &shipped[end..]].concat();
        std::fs::write(&file, updated).unwrap();
    } else {
        assert!(
            shipped[start..end] == table,
            "docs/emulator.md does not show the table: run this test with UPDATE_DOCS=1"
        );
    }
}
