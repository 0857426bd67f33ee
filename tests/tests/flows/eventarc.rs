//! Eventarc: an event reaches a region with its attributes in headers.

use remint_emulator::{Destination, Trigger};
use remint_tests::chain::PUSHER;
use serde_json::{Value, json};

use crate::flow::{Flow, URL, rule};

const FINALIZED: &str = "google.cloud.storage.object.v1.finalized";

/// A trigger for the uploads to a bucket, which calls that path.
fn trigger(bucket: &str, path: &str) -> Trigger {
    let filter = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    Trigger {
        name: bucket.to_owned(),
        location: "us-central1".to_owned(),
        filters: [("type", FINALIZED), ("bucket", bucket)].map(filter).into(),
        service_account: Some(PUSHER.to_owned()),
        destination: Destination::Http { uri: format!("{URL}{path}") },
        topic: None,
        channel: None,
    }
}

/// Has Cloud Storage tell of an upload, and says how many triggers it is for.
async fn upload(flow: &Flow, bucket: &str) -> Value {
    let event = json!({
        "specversion": "1.0",
        "id": "7",
        "source": format!("//storage.googleapis.com/projects/_/buckets/{bucket}"),
        "type": FINALIZED,
        "subject": "objects/an order",
        "time": "2026-09-21T14:13:20Z",
        "bucket": bucket,
        "data": {"name": "an order"},
    });
    let kind = "application/cloudevents+json";
    flow.api("/emulator/eventarc/publish", kind, &event).await["triggers"].clone()
}

/// The name of the subscription of that trigger.
async fn subscription(flow: &Flow, trigger: &str) -> String {
    let path = format!("/v1/projects/demo-project/locations/us-central1/triggers/{trigger}");
    let answer = remint_tests::client::get(flow.emulator.google_addr(), &path).await.unwrap();
    let trigger = answer.json().unwrap();
    trigger["transport"]["pubsub"]["subscription"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_reaches_a_region_with_its_attributes_as_headers() {
    let mut flow = Flow::start(|plan| {
        plan.google.eventarc = vec![trigger("uploads", "/events"), trigger("exact", "/exact")];
        let mut events = rule("flow", "/events");
        // Eventarc's audience is the destination with its path.
        events["audiences"] = json!([format!("{URL}/events")]);
        plan.policy["rules"] = json!([events, rule("exact", "/exact")]);
        plan.service["rules"] = json!(["flow", "exact"]);
    })
    .await;
    let exact = subscription(&flow, "exact").await;
    assert_eq!(upload(&flow, "exact").await, 1);
    flow.pushed(&exact, |it| it.failed_attempts == 1).await;
    flow.refused(&["aud_has_path"]).await;
    flow.untouched();
    let counters = flow.emulator.subscription(&exact).unwrap().counters();
    assert_eq!(counters.outstanding(), 1, "it is tried again after ten seconds");

    let uploads = subscription(&flow, "uploads").await;
    assert_eq!(upload(&flow, "uploads").await, 1);
    flow.pushed(&uploads, |it| it.delivered == 1).await;
    let call = flow.calls().pop().unwrap();
    let region = flow.emulator.region("orders", &call.region).unwrap().url();
    let (got, _) = flow.accepted(region);
    assert_eq!(got.head.uri.path(), "/events");
    for (name, value) in [
        ("ce-id", "7"),
        ("ce-source", "//storage.googleapis.com/projects/_/buckets/uploads"),
        ("ce-specversion", "1.0"),
        ("ce-type", FINALIZED),
        ("ce-subject", "objects/an%20order"),
        ("ce-time", "2026-09-21T14:13:20Z"),
        ("ce-bucket", "uploads"),
        ("content-type", "application/json"),
    ] {
        assert_eq!(got.header(name), value, "{name}");
    }
    assert_eq!(got.json(), json!({"name": "an order"}));
    flow.stop().await;
}
