//! Front ends that refuse the gateway, and services that refuse a caller.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, StatusCode};
use http_body_util::Full;
use remint_emulator::RegionFault;
use remint_gateway::clock::Clock;

use crate::client::{Answer, send};
use crate::logging::Logged;
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

/// A gateway before a region that says 404 and one that serves; the first is
/// asked first.
async fn beside(habit: Habit) -> (Chain, RawRegion, RawRegion) {
    let [absent, serving] = [RawRegion::start(habit).await, RawRegion::start(Habit::Answer).await];
    let entries = [absent.entry(), serving.entry()];
    let change = |text: String| format!("{text}region: r0\n");
    let chain = Chain::before(Google::start().await, &entries, change).await;
    chain.ready().await;
    (chain, absent, serving)
}

#[tokio::test]
async fn a_404_that_names_the_path_has_reached_no_service_and_goes_elsewhere() {
    let (chain, absent, serving) = beside(Habit::NotFoundThere).await;
    assert_eq!(post(&chain).await.status, 200);
    assert_eq!((absent.requests(), serving.requests()), (1, 1));
    assert_eq!(chain.figure(REFUSALS, "region=\"r0\",status=\"404\"").await, 1);
    assert_eq!(chain.figure("remint_retries_total", "cause=\"front_end_404\"").await, 1);
    // Not for this path: that is what the application says.
    let request = chain.request("/other").method("POST");
    let answer = chain.send(request.header("content-length", "0")).await;
    assert_eq!((answer.status.as_u16(), answer.header(REASON)), (404, None));
    assert_eq!(serving.requests(), 1);
    assert_eq!(chain.figure(REFUSALS, "status=\"404\"").await, 1);
}

#[tokio::test]
async fn a_404_that_an_application_may_have_passed_on_goes_elsewhere_only_if_that_does_no_harm() {
    let (chain, absent, serving) = beside(Habit::NotFound).await;
    let answer = post(&chain).await;
    assert_eq!((answer.status.as_u16(), answer.header(REASON)), (404, None));
    assert_eq!((absent.requests(), serving.requests()), (1, 0), "it may have been processed");
    assert_eq!(chain.get("/").await.status, 200);
    assert_eq!((absent.requests(), serving.requests()), (2, 1));
    assert_eq!(chain.figure(REFUSALS, "region=\"r0\",status=\"404\"").await, 2);
    assert_eq!(chain.figure("remint_retries_total", "cause=\"front_end_404_likely\"").await, 1);
    assert_eq!(chain.figure("remint_ejections_total", "").await, 0);
}

#[tokio::test]
async fn a_region_without_a_free_instance_is_counted_and_keeps_its_traffic() {
    let google = Google::start().await;
    let regions = google.regions();
    let change = |text: String| format!("{text}region: r0\n");
    let chain = Chain::before(google, &regions, change).await;
    chain.ready().await;
    let full = chain.emulator.region("orders", "us-central1").unwrap();
    full.set_fault(Some(RegionFault::FrontEnd(StatusCode::TOO_MANY_REQUESTS)));
    let answer = post(&chain).await;
    assert_eq!((answer.status.as_u16(), answer.header(REASON)), (429, None));
    assert_eq!(answer.text(), "Rate exceeded.", "it is passed on as it came");
    assert_eq!(chain.get("/").await.json()["region"], "europe-west1");
    assert_eq!(chain.figure(REFUSALS, "region=\"r0\",status=\"429\"").await, 2);
    assert_eq!(chain.figure("remint_ejections_total", "").await, 0);
    full.set_fault(None);
    assert_eq!(post(&chain).await.json()["region"], "us-central1");
}

#[tokio::test]
async fn a_refusal_is_logged_with_its_reason_and_the_command_that_mends_it() {
    let logged = Logged::start("region: r0\n").await;
    let update = "gcloud run services update orders --region=us-central1";
    let region = logged.google.emulator.region("orders", "us-central1").unwrap();
    region.set_invokers([]);
    let request = logged.request("/", true).header("x-request-id", "first");
    assert_eq!(logged.send(request).await.status, 200);
    let line = logged.wait_for(|line| line["reason"] == "invoker_missing").await;
    assert_eq!((&line["region"], &line["status"]), (&"r0".into(), &403.into()), "{line}");
    assert_eq!((&line["request_id"], &line["severity"]), (&"first".into(), &"WARNING".into()));
    assert_eq!(line["docs"], "docs/reasons.md#invoker_missing");
    let grant = format!(
        "gcloud run services add-iam-policy-binding orders --region=us-central1 \
         --member=serviceAccount:{GATEWAY} --role=roles/run.invoker"
    );
    assert_eq!(line["command"], grant);
    // Others of this region's are left out for a while.
    logged.send(logged.request("/", true)).await;
    let other = logged.google.emulator.region("orders", "europe-west1").unwrap();
    other.set_fault(Some(RegionFault::FrontEnd(StatusCode::TOO_MANY_REQUESTS)));
    logged.send(logged.request("/", true).header("x-request-id", "both")).await;
    let line = logged.wait_for(|line| line["status"] == 429).await;
    assert_eq!(line["reason"], "region_full");
    assert_eq!(line["docs"], "docs/reasons.md#region_full");
    assert_eq!(
        line["command"],
        update.replace("us-central1", "europe-west1") + " --max-instances=MAX_INSTANCES"
    );
    other.set_fault(None);
    other.set_invokers([]);
    let request = logged.request("/", true).header("x-request-id", "refused");
    assert_eq!(logged.send(request).await.status, 403);
    let line = logged.line_of("refused").await;
    // It was let in a moment ago.
    assert_eq!((&line["reason"], &line["attempts"]), (&"iam_propagating".into(), &2.into()));
    let told = |line: &&serde_json::Value| !line["command"].is_null();
    assert_eq!(logged.lines().iter().filter(told).count(), 2);
}
