//! Parts of the world that fail, and come back.

use std::time::Duration;

use http::StatusCode;
use remint_emulator::Fault;

use crate::client::get;
use crate::support::{Chain, Google, eventually};

#[tokio::test]
async fn when_a_region_dies_the_other_one_gets_every_request_with_its_own_audience() {
    let chain = Chain::start().await;
    for _ in 0..4 {
        assert_eq!(chain.get("/").await.status, 200);
    }
    let dead = chain.emulator.region("orders", "us-central1").unwrap();
    dead.stop().await;
    let own = chain.emulator.region("orders", "europe-west1").unwrap().url();
    for _ in 0..10 {
        let answer = chain.get("/").await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(answer.json()["audience"], own);
    }
    assert_eq!(chain.figure("remint_retries_total", "").await, 1, "then it was left alone");
    assert_eq!(chain.figure("remint_region_ejected", "").await, 1);
    assert_eq!(chain.figure("remint_attempts_total", "outcome=\"unreachable\"").await, 1);
}

#[tokio::test]
async fn when_all_regions_are_dead_the_caller_is_told_to_try_again() {
    let chain = Chain::start().await;
    for region in chain.emulator.regions() {
        region.stop().await;
    }
    for _ in 0..3 {
        let answer = chain.get("/").await;
        assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (503, Some("5")));
        assert_eq!(answer.header("x-remint-reason"), Some("no_region"));
    }
    for region in chain.emulator.regions() {
        region.start().await.unwrap();
    }
    assert_eq!(chain.get("/").await.status, 200, "all are tried though all are ejected");
}

#[tokio::test]
async fn without_a_token_no_request_goes_out_and_the_first_one_heals_it() {
    for status in [403, 429, 500] {
        let google = Google::start().await;
        let fault = Fault::Status(StatusCode::from_u16(status).unwrap());
        google.emulator.faults().set_metadata(Some(fault));
        let chain = Chain::unready(google).await;
        let admin = chain.gateway.admin_address();
        eventually("minting has failed", async || {
            let failed = chain.figure("remint_mints_total", "outcome=\"failed\"").await;
            failed >= 2 && chain.emulator.jwks_fetches() > 0
        })
        .await;
        let page = get(admin, "/readyz").await;
        assert_eq!(page.status, 503);
        assert!(page.text().contains("no token for any region of orders"), "{}", page.text());
        // Waits for the next attempt, which finds the fault gone.
        let (answer, ()) = tokio::join!(chain.get("/"), async {
            chain.emulator.faults().clear();
        });
        assert_eq!(answer.status, 200, "{status}: {}", answer.text());
        chain.ready().await;
    }
}

#[tokio::test]
async fn who_waits_in_vain_for_a_token_is_told_to_try_again() {
    let google = Google::start().await;
    google.emulator.faults().set_metadata(Some(Fault::Hang));
    let chain = Chain::unready(google).await;
    let answer = chain.get("/").await;
    assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (503, Some("5")));
    assert_eq!(answer.header("x-remint-reason"), Some("no_token"));
    assert_eq!(chain.emulator.timeline().calls().len(), 0);
}

#[tokio::test]
async fn a_request_before_the_first_keys_waits_for_them() {
    let google = Google::start().await;
    google.emulator.faults().keys_down();
    let chain = Chain::unready(google).await;
    eventually("keys were asked for", async || chain.emulator.jwks_fetches() > 0).await;
    let page = get(chain.gateway.admin_address(), "/readyz").await.text();
    assert!(page.contains("no keys of the issuer google"), "{page}");
    let (answer, ()) = tokio::join!(chain.get("/"), async {
        chain.emulator.faults().clear();
    });
    assert_eq!(answer.status, 200, "{}", answer.text());
}

#[tokio::test]
async fn who_waits_in_vain_for_keys_is_told_to_try_again() {
    let google = Google::start().await;
    google.emulator.faults().keys_down();
    let chain = Chain::unready(google).await;
    let answer = chain.get("/").await;
    assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (503, Some("5")));
    assert_eq!(chain.emulator.timeline().calls().len(), 0);
}

#[tokio::test]
async fn a_key_that_may_be_in_the_set_that_cant_be_fetched_is_no_fault_of_the_sender() {
    let chain = Chain::start().await;
    assert_eq!(chain.get("/").await.status, 200);
    chain.emulator.issuer().rotate().unwrap();
    chain.emulator.faults().keys_down();
    chain.clock.jump(Duration::from_secs(31));
    let answer = chain.get("/").await;
    assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (503, Some("5")));
    chain.emulator.faults().clear();
    assert_eq!(chain.get("/").await.status, 200);
}

#[tokio::test]
async fn a_process_that_slept_past_its_tokens_serves_the_next_requests_without_a_refusal() {
    let chain = Chain::start().await;
    assert_eq!(chain.get("/").await.status, 200);
    let before = chain.emulator.identity_fetches();
    chain.clock.jump(Duration::from_secs(5 * 3600));
    let answers = tokio::join!(chain.get("/"), chain.get("/"), chain.get("/"));
    for answer in [answers.0, answers.1, answers.2] {
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    let both_were_asked_once = async || chain.emulator.identity_fetches() == before + 2;
    eventually("both tokens are new", both_were_asked_once).await;
    assert_eq!(chain.figure("remint_requests_total", "outcome=\"2xx\"").await, 4);
}
