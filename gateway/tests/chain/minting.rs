//! Minting that fails, and tokens that end under way.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use remint_emulator::{Config, Fault};
use remint_gateway::clock::Clock;
use serde_json::json;
use tokio::task::JoinHandle;

use crate::client::get;
use crate::identity::{chain, google, google_with, grant};
use crate::support::{Chain, Google, eventually};

const GATEWAY: &str = "gateway@demo-project.iam.gserviceaccount.com";
const RUNNER: &str = "serviceAccount:runner@demo-project.iam.gserviceaccount.com";
const ID_TOKENS: &str = "roles/iam.serviceAccountOpenIdTokenCreator";

async fn has_failed(chain: &Chain, times: u64) {
    eventually("minting has failed", async || {
        chain.figure("remint_mints_total", "outcome=\"failed\"").await >= times
    })
    .await;
}

/// The machine's account speaks for the gateway's, if it may.
async fn impersonating(google: Google) -> Chain {
    let host = google.emulator.google_addr().to_string();
    let source = json!({ "metadata": { "host": host } });
    chain(google, &json!({ "impersonate": { "service_account": GATEWAY, "source": source } })).await
}

#[tokio::test]
async fn a_metadata_server_that_asks_for_time_gets_it() {
    let google = Google::start().await;
    google.emulator.faults().set_metadata(Some(Fault::SlowDown(120)));
    let chain = Chain::unready(google).await;
    has_failed(&chain, 2).await;
    chain.emulator.faults().clear();
    for _ in 0..3 {
        let answer = chain.get("/").await;
        assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (503, Some("5")));
        assert_eq!(answer.header("x-remint-reason"), Some("no_token"));
    }
    assert_eq!(chain.emulator.identity_fetches(), 2, "it is left alone");
    chain.clock.jump(Duration::from_secs(120));
    assert_eq!(chain.get("/").await.status, 200);
}

#[tokio::test]
async fn a_deadline_that_passes_while_a_token_is_waited_for_is_told_as_one() {
    let google = Google::start().await;
    google.emulator.faults().set_metadata(Some(Fault::Hang));
    let chain = Chain::unready(google).await;
    let request = chain.request("/").header("content-type", "application/grpc");
    let answer = chain.send(request.header("grpc-timeout", "100m")).await;
    assert_eq!(answer.status, 504, "{}", answer.text());
    assert_eq!(answer.header("x-remint-reason"), Some("timeout"));
    assert_eq!(chain.figure("remint_requests_total", "outcome=\"timeout\"").await, 1);
}

#[tokio::test]
async fn a_token_without_exp_is_none_and_the_next_one_is_taken() {
    let google = Google::start().await;
    google.emulator.faults().leave_out_exp(true);
    let chain = Chain::unready(google).await;
    has_failed(&chain, 4).await;
    assert_eq!(get(chain.gateway.admin_address(), "/readyz").await.status, 503);
    // Google's server hands out the same token for an hour: a new one comes
    // with the next hour.
    chain.emulator.faults().clear();
    chain.clock.jump(Duration::from_secs(3600));
    assert_eq!(chain.get("/").await.status, 200);
}

/// A token of half a minute, of which a new one is asked for after a quarter.
async fn outlives(fault: Fault) {
    let lifetime = |config: &mut Config| config.token_lifetime = Duration::from_secs(30);
    let chain = Chain::unready(Google::with(lifetime).await).await;
    chain.ready().await;
    let before = chain.emulator.identity_fetches();
    chain.emulator.faults().set_metadata(Some(fault));
    eventually("both tokens were asked for again, in vain", async || {
        chain.emulator.identity_fetches() >= before + 2
    })
    .await;
    let answer = chain.get("/").await;
    assert_eq!(answer.status, 200, "{fault:?}: {}", answer.text());
    chain.emulator.faults().clear();
    chain.clock.jump(Duration::from_secs(3600));
    assert_eq!(chain.get("/").await.status, 200, "{fault:?}");
}

#[tokio::test]
async fn tokens_that_are_still_valid_serve_while_nothing_can_be_minted() {
    tokio::join!(
        outlives(Fault::Hang),
        outlives(Fault::NotJson),
        outlives(Fault::Reset),
        outlives(Fault::Status(http::StatusCode::FORBIDDEN)),
    );
}

#[tokio::test]
async fn a_role_that_is_granted_late_is_noticed() {
    let chain = impersonating(google(&[]).await).await;
    has_failed(&chain, 2).await;
    let answer = get(chain.gateway.admin_address(), "/readyz").await;
    assert!(answer.text().contains("no token for any region of orders"), "{}", answer.text());
    let last_error = async || {
        let status = get(chain.gateway.admin_address(), "/status").await.json();
        status["services"][0]["regions"][0]["token"]["last_error"].clone()
    };
    let error = last_error().await.to_string();
    assert!(error.contains("add-iam-policy-binding") && error.contains(ID_TOKENS), "{error}");
    chain.emulator.grant(grant(RUNNER, ID_TOKENS, GATEWAY));
    chain.ready().await;
    assert_eq!(chain.get("/").await.status, 200);
    assert!(last_error().await.is_null());
}

#[tokio::test]
async fn an_access_token_that_is_not_believed_any_more_is_replaced() {
    let google = google(&[grant(RUNNER, ID_TOKENS, GATEWAY)]).await;
    let failing = Fault::Status(http::StatusCode::INTERNAL_SERVER_ERROR);
    google.emulator.faults().set_iam(Some(failing));
    let chain = impersonating(google).await;
    has_failed(&chain, 2).await;
    let access = "/computeMetadata/v1/instance/service-accounts/default/token";
    assert_eq!(chain.emulator.fetches(access), 1, "the access token is kept");
    chain.emulator.revoke_access_tokens();
    chain.emulator.faults().clear();
    chain.ready().await;
    assert_eq!(chain.get("/").await.status, 200);
    assert_eq!(chain.emulator.fetches(access), 2);
}

#[tokio::test]
async fn iam_credentials_that_fail_are_asked_again() {
    for fault in [Fault::SlowDown(1), Fault::NotJson, Fault::Reset, Fault::Oversized] {
        let google = google(&[grant(RUNNER, ID_TOKENS, GATEWAY)]).await;
        google.emulator.faults().set_iam(Some(fault));
        let chain = impersonating(google).await;
        has_failed(&chain, 2).await;
        chain.emulator.faults().clear();
        let answer = chain.get("/").await;
        assert_eq!(answer.status, 200, "{fault:?}: {}", answer.text());
    }
}

#[tokio::test]
async fn a_process_that_slept_past_all_its_tokens_renews_them_for_the_first_request() {
    let chain = impersonating(google(&[grant(RUNNER, ID_TOKENS, GATEWAY)]).await).await;
    chain.ready().await;
    let before = chain.emulator.generated_id_tokens();
    chain.clock.jump(Duration::from_secs(5 * 3600));
    let answers = tokio::join!(chain.get("/"), chain.get("/"), chain.get("/"));
    for answer in [answers.0, answers.1, answers.2] {
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    let both_were_asked_once = async || chain.emulator.generated_id_tokens() == before + 2;
    eventually("both tokens are new", both_were_asked_once).await;
}

#[tokio::test]
async fn a_region_whose_token_cant_be_minted_is_out_while_the_other_serves() {
    let google = Google::start().await;
    let regions = google.regions();
    google.emulator.faults().mint_nothing_for(Some(&regions[0].1));
    let chain = Chain::unready(google).await;
    eventually("the gateway waits for the token of each region", async || {
        let page = get(chain.gateway.admin_address(), "/readyz").await;
        page.status == 503 && page.text().contains("no token yet for r0 of orders")
    })
    .await;
    chain.ready().await;
    for _ in 0..6 {
        let answer = chain.get("/").await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(answer.json()["audience"], regions[1].1);
    }
    chain.emulator.faults().clear();
    eventually("the region is back", async || {
        chain.get("/").await.json()["audience"] == regions[0].1
    })
    .await;
}

/// Sends requests until it is over; each must be served, by a token that has
/// not ended and is for its region.
async fn call_until(chain: &Chain, is_over: &AtomicBool) {
    while !is_over.load(Ordering::Relaxed) {
        let sent_at = chain.clock.now();
        let answer = chain.get("/").await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let seen = answer.json();
        let region = seen["region"].as_str().unwrap();
        let claims = &seen["headers"]["x-serverless-authorization"]["claims"];
        assert_eq!(claims["aud"], chain.emulator.region("orders", region).unwrap().url());
        assert!(claims["exp"].as_u64().unwrap() >= sent_at.0, "an old token was sent");
    }
}

#[tokio::test]
async fn tokens_are_renewed_under_load_without_one_refusal() {
    let grants = [grant(RUNNER, ID_TOKENS, GATEWAY)];
    let lifetime = |config: &mut Config| config.token_lifetime = Duration::from_secs(4);
    let chain = Arc::new(impersonating(google_with(&grants, lifetime).await).await);
    chain.ready().await;
    let is_over = Arc::new(AtomicBool::new(false));
    let worker = || {
        let (chain, is_over) = (Arc::clone(&chain), Arc::clone(&is_over));
        tokio::spawn(async move { call_until(&chain, &is_over).await })
    };
    let workers: Vec<_> = (0..8).map(|_| worker()).collect();
    eventually("each token was renewed several times", async || {
        chain.emulator.generated_id_tokens() >= 2 * 4 || workers.iter().any(JoinHandle::is_finished)
    })
    .await;
    is_over.store(true, Ordering::Relaxed);
    for worker in workers {
        worker.await.unwrap();
    }
    assert_eq!(chain.figure("remint_requests_total", "outcome=\"no_token\"").await, 0);
}
