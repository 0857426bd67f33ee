//! Front ends that refuse the gateway, and services that refuse a caller.

use std::time::Duration;

use bytes::Bytes;
use http::HeaderName;
use http_body_util::Full;
use remint_gateway::clock::Clock;

use crate::client::{Answer, send};
use crate::raw_region::{Habit, RawRegion};
use crate::support::{Chain, Google};

const REFUSALS: &str = "remint_front_end_refusals_total";
const REASON: &str = "x-remint-reason";
const GATEWAY: &str = "gateway@demo-project.iam.gserviceaccount.com";

/// Not idempotent, and with a body.
async fn post(chain: &Chain) -> Answer {
    let name = HeaderName::from_static("content-length");
    chain.send(chain.request("/").method("POST").header(name, "0")).await
}

#[tokio::test]
async fn a_token_that_was_refused_is_replaced_and_the_same_region_tried_again() {
    let google = Google::start().await;
    let only = google.regions()[..1].to_vec();
    let chain = Chain::before(google, &only, |text| text).await;
    chain.ready().await;
    assert_eq!(post(&chain).await.status, 200);
    // The source has a new token from four minutes before the end on, and the
    // gateway asks a quarter of a minute later.
    chain.clock.jump(Duration::from_secs(3600 - 238));
    let region = chain.emulator.region("orders", "us-central1").unwrap();
    region.refuse_tokens_before(chain.clock.now());
    let answer = post(&chain).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(chain.emulator.timeline().refused("us-central1"), 1);
    assert_eq!(chain.figure("remint_retries_total", "cause=\"front_end_401\"").await, 1);
    assert_eq!(chain.figure(REFUSALS, "region=\"r0\",status=\"401\"").await, 1);
    assert_eq!(post(&chain).await.status, 200);
    assert_eq!(chain.emulator.timeline().refused("us-central1"), 1, "it is kept");
}

#[tokio::test]
async fn a_refusal_that_an_application_passes_on_is_its_own_answer() {
    let regions = [RawRegion::start(Habit::Relay).await, RawRegion::start(Habit::Relay).await];
    let entries = regions.each_ref().map(RawRegion::entry);
    let chain = Chain::before(Google::start().await, &entries, |text| text).await;
    chain.ready().await;
    let answer = post(&chain).await;
    assert_eq!((answer.status.as_u16(), answer.header(REASON)), (403, None));
    assert_eq!(regions[0].requests() + regions[1].requests(), 1, "it was processed");
    assert_eq!(chain.figure(REFUSALS, "").await, 0);
}

#[tokio::test]
async fn a_refusal_that_no_other_token_mends_is_passed_on_and_says_whose_it_is() {
    let google = Google::start().await;
    let url = google.regions()[0].0.clone();
    let wrong = [(url, "https://wrong.example".to_owned())];
    let chain = Chain::before(google, &wrong, |text| text).await;
    chain.ready().await;
    for _ in 0..4 {
        let answer = post(&chain).await;
        assert_eq!(answer.status, 401);
        assert_eq!(answer.header(REASON), Some("region_refused_gateway"));
        assert!(answer.header("www-authenticate").unwrap().starts_with("Bearer"));
        let page = answer.text();
        assert!(page.contains("does not have permission") && page.ends_with("</html>\n"), "{page}");
    }
    assert_eq!(chain.emulator.timeline().refused("us-central1"), 4, "each was sent once");
    assert!(chain.emulator.identity_fetches() <= 2, "the source is not asked each time");
}

#[tokio::test]
async fn where_the_gateway_is_no_invoker_its_requests_go_elsewhere_and_the_operator_is_told() {
    let chain = Chain::start().await;
    let refusing = chain.emulator.region("orders", "us-central1").unwrap();
    refusing.set_invokers(["somebody@else.example"]);
    let mut answers = 0;
    while chain.emulator.timeline().refused("us-central1") < 3 {
        answers += 1;
        assert!(answers < 100, "the region was never chosen");
        let answer = post(&chain).await;
        assert_eq!((answer.status.as_u16(), answer.header(REASON)), (200, None));
        assert_eq!(answer.json()["region"], "europe-west1");
    }
    let before = chain.emulator.timeline().refused("us-central1");
    for size in [1000, 100_000] {
        for _ in 0..4 {
            let body = Bytes::from(vec![7; size]);
            let request = chain.request("/").method("POST").header("x-echo-stream", "1");
            let request = request.body(Full::new(body.clone())).unwrap();
            let answer = send(chain.gateway.address(), request).await;
            assert_eq!((answer.status.as_u16(), answer.body == body), (200, true), "{size}");
        }
    }
    let refused = chain.emulator.timeline().refused("us-central1");
    assert!(refused > before);
    let figure = chain.figure(REFUSALS, "region=\"r0\",status=\"403\"").await;
    assert_eq!(figure, refused as u64);
    assert_eq!(chain.figure(REFUSALS, "region=\"r1\"").await, 0);
    chain.emulator.region("orders", "europe-west1").unwrap().set_invokers([]);
    let answer = post(&chain).await;
    assert_eq!(answer.status, 403);
    assert_eq!(answer.header(REASON), Some("region_refused_gateway"));
    refusing.set_invokers([GATEWAY]);
    let answer = post(&chain).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
}

#[tokio::test]
async fn what_the_service_itself_refuses_is_passed_on_and_not_sent_again() {
    let chain = Chain::start().await;
    for status in [401, 403, 429, 503] {
        let answer = chain.get(&format!("/status/{status}")).await;
        assert_eq!((answer.status.as_u16(), answer.header(REASON)), (status, None));
        assert_eq!(answer.json()["service"], "orders");
    }
    assert_eq!(chain.emulator.timeline().calls().len(), 4);
    assert_eq!(chain.figure(REFUSALS, "").await, 0);
    assert_eq!(chain.figure("remint_retries_total", "").await, 0);
}
