//! When the gateway says that it is ready.

use std::time::Duration;

use remint_emulator::Fault;

use crate::client::get;
use crate::support::{CALLER, Chain, Google, eventually};

const OFTEN: &str = "reload_interval: 20ms\n";
const DOWN: Fault = Fault::Status(http::StatusCode::SERVICE_UNAVAILABLE);
/// Longer than keys are used.
const LONG: Duration = Duration::from_secs(40 * 3600);

/// Adds IAP as an issuer, and a rule of its own for it.
fn with_iap(text: &str, google: std::net::SocketAddr) -> String {
    let rule = format!(
        "    - name: inner\n      match: {{ hosts: [inner.example.com] }}\n      issuers: [iap]\n      \
         audiences: [/projects/1/global/backendServices/2]\n      callers: {{ emails: [\"{CALLER}\"] }}\n"
    );
    text.replace("policy:\n", "policy:\n  issuers: [{ preset: google }, { preset: iap }]\n")
        .replace(
            "    - name: push\n",
            &format!("{rule}    - name: push\n      issuers: [google]\n"),
        )
        .replace(
            "connect_to:\n",
            &format!("connect_to:\n    \"www.gstatic.com:443\": \"{google}\"\n"),
        )
        .replace("rules: [push]", "rules: [push, inner]")
}

/// The same with a service for that rule alone.
fn in_two_services(text: &str) -> String {
    let (before, rest) = text.split_once("  - name: orders\n").unwrap();
    let (orders, after) = rest.split_once("upstream:").unwrap();
    let orders = orders.replace("rules: [push, inner]", "rules: [push]");
    let inner = orders.replace("rules: [push]", "rules: [inner]");
    format!("{before}  - name: orders\n{orders}  - name: inner\n{inner}upstream:{after}")
}

async fn chain(google: Google, change: impl FnOnce(String) -> String) -> Chain {
    let regions = google.regions();
    Chain::before(google, &regions, |text| change(text) + OFTEN).await
}

async fn page(chain: &Chain) -> (u16, String) {
    let answer = get(chain.gateway.admin_address(), "/readyz").await;
    (answer.status.as_u16(), answer.text())
}

async fn lacking(chain: &Chain) -> String {
    get(chain.gateway.admin_address(), "/status").await.json()["lacking"].to_string()
}

#[tokio::test]
async fn one_issuers_dead_key_server_delays_a_service_that_has_others_and_no_more() {
    let google = Google::start().await;
    google.emulator.faults().set_iap_keys(Some(DOWN));
    let address = google.emulator.google_addr();
    let chain = chain(google, |text| with_iap(&text, address)).await;
    let (status, text) = page(&chain).await;
    assert_eq!(status, 503);
    assert!(text.contains("no keys of the issuer iap"), "{text}");
    chain.ready().await;
    assert_eq!(chain.get("/").await.status, 200);
    assert_eq!(lacking(&chain).await, "[\"no keys of the issuer iap\"]");
}

#[tokio::test]
async fn each_service_is_waited_for_at_the_start_and_then_one_is_enough() {
    let google = Google::start().await;
    google.emulator.faults().set_iap_keys(Some(DOWN));
    let address = google.emulator.google_addr();
    let chain = chain(google, |text| in_two_services(&with_iap(&text, address))).await;
    assert_eq!(chain.get("/").await.status, 200);
    let long_after = std::time::Instant::now() + Duration::from_secs(6);
    eventually("the start takes long", async || {
        let (status, text) = page(&chain).await;
        assert_eq!(status, 503, "{text}");
        assert!(text.contains("no keys for any rule of inner"), "{text}");
        std::time::Instant::now() > long_after
    })
    .await;
    chain.emulator.faults().clear();
    chain.ready().await;
    chain.emulator.faults().set_iap_keys(Some(DOWN));
    chain.clock.jump(LONG);
    assert_eq!(chain.get("/").await.status, 200);
    assert_eq!(page(&chain).await.0, 200);
    assert!(lacking(&chain).await.contains("no keys for any rule of inner"));
    chain.emulator.faults().keys_down();
    chain.clock.jump(LONG);
    assert_eq!(chain.get("/").await.status, 503);
    let (status, text) = page(&chain).await;
    assert_eq!(status, 503);
    assert!(text.contains("no keys for any rule of orders"), "{text}");
}

#[tokio::test]
async fn an_issuer_that_a_reload_brings_is_only_reported() {
    let google = Google::start().await;
    google.emulator.faults().set_iap_keys(Some(DOWN));
    let address = google.emulator.google_addr();
    let chain = chain(google, |text| text).await;
    chain.ready().await;
    let text = in_two_services(&with_iap(&chain.text, address));
    chain.rewrite(&text, "applied").await;
    assert_eq!(page(&chain).await.0, 200);
    assert_eq!(chain.get("/").await.status, 200);
    assert!(lacking(&chain).await.contains("no keys of the issuer iap"));
}
