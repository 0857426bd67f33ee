//! How long a region's answer is waited for, and what is not.

use std::time::Duration;

use http::StatusCode;
use remint_emulator::{Fault, RegionFault};

use crate::support::{Chain, Google, eventually};

const RETRIES: &str = "remint_retries_total";

/// Two regions of the emulator's, with these settings of the rule and the
/// service.
async fn two_regions(google: Google, rule: &str, service: &str) -> Chain {
    let regions = google.regions();
    let rules = format!("rules: [{{ rule: push{rule} }}]\n    {service}");
    let change = |text: String| text.replace("rules: [push]", &rules);
    let chain = Chain::before(google, &regions, change).await;
    chain.ready().await;
    chain
}

#[tokio::test]
async fn a_handler_that_works_for_long_is_asked_once_where_no_try_has_a_time_of_its_own() {
    let chain = two_regions(Google::start().await, ", sender: pubsub", "").await;
    for region in chain.emulator.regions() {
        region.set_fault(Some(RegionFault::Latency(Duration::from_millis(5500))));
    }
    assert_eq!(chain.send(chain.request("/").method("POST")).await.status, 200);
    assert_eq!(chain.emulator.timeline().calls().len(), 1);
    assert_eq!(chain.figure("remint_attempts_total", "outcome=\"timeout\"").await, 0);
}

#[tokio::test]
async fn an_attempt_goes_on_where_the_only_other_region_is_left_alone() {
    let settings = "outlier_detection: { base_ejection_time: 1h }";
    let chain = two_regions(Google::start().await, ", per_try_timeout: 200ms", settings).await;
    let [slow, dead] = chain.emulator.regions() else { panic!("two") };
    dead.stop().await;
    let is_ejected = async || {
        assert_eq!(chain.get("/").await.status, 200);
        chain.figure("remint_region_ejected", "").await == 1
    };
    eventually("it is left alone", is_ejected).await;
    let retries = chain.figure(RETRIES, "").await;
    slow.set_fault(Some(RegionFault::Latency(Duration::from_secs(1))));
    assert_eq!(chain.get("/").await.status, 200);
    assert_eq!(chain.figure(RETRIES, "").await, retries);
    assert_eq!(chain.figure("remint_attempts_total", "outcome=\"timeout\"").await, 0);
}

#[tokio::test]
async fn an_answer_that_is_at_hand_does_not_wait_for_another_region_s_token() {
    let google = Google::start().await;
    let other = google.regions()[1].1.clone();
    google.emulator.faults().mint_nothing_for(Some(&other));
    let chain = two_regions(google, "", "").await;
    let failing = &chain.emulator.regions()[0];
    failing.set_fault(Some(RegionFault::FrontEnd(StatusCode::SERVICE_UNAVAILABLE)));
    let (answer, ()) = tokio::join!(chain.get("/"), async {
        let has_failed = async || !chain.emulator.timeline().calls().is_empty();
        eventually("the region has failed", has_failed).await;
        chain.emulator.faults().mint_nothing_for(None);
    });
    assert_eq!(answer.status, 503);
    assert_eq!(chain.figure(RETRIES, "").await, 0);
}

#[tokio::test]
async fn a_deadline_that_passes_while_a_token_is_waited_for_is_a_time_out() {
    let google = Google::start().await;
    google.emulator.faults().set_metadata(Some(Fault::Hang));
    let change = |text: String| text.replace("[push]", "[{ rule: push, timeout: 300ms }]");
    let regions = google.regions();
    let chain = Chain::before(google, &regions, change).await;
    let answer = chain.get("/").await;
    assert_eq!((answer.status.as_u16(), answer.header("x-remint-reason")), (504, Some("timeout")));
}
