//! Pub/Sub to a service with a custom audience, which is the same in all its
//! regions.

use remint_emulator::{Message, Verdict};
use serde_json::json;

use crate::flow::{Flow, Plan, URL};
use crate::pubsub_to_function::subscription;

fn plan(plan: &mut Plan) {
    for region in plan.service["regions"].as_array_mut().unwrap() {
        region["audience"] = json!(URL);
    }
    plan.google.pubsub.topics = ["orders", "wrong"].map(str::to_owned).into();
    plan.google.pubsub.subscriptions = vec![
        subscription("orders", "/push", Some(URL)),
        subscription("wrong", "/push", Some("https://orders.example.com/")),
    ];
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_reaches_a_service_by_its_custom_audience() {
    let mut flow = Flow::start(|it| {
        plan(it);
        it.google.services[0].custom_audiences = vec![URL.to_owned()];
    })
    .await;
    flow.emulator.publish("wrong", "an order").unwrap();
    flow.pushed("wrong", |it| it.failed_attempts >= 2).await;
    let refusal = flow.envoy.refusal_number(0).await.unwrap();
    assert_eq!(refusal["reason"], "aud_trailing_slash");
    flow.untouched();

    flow.emulator.publish("orders", Message::new("an order").with("kind", "test")).unwrap();
    flow.pushed("orders", |it| it.delivered == 1).await;
    let (got, call) = flow.accepted(URL);
    let region = flow.emulator.region("orders", &call.region).unwrap().url();
    assert_eq!(got.header("host"), region.trim_start_matches("https://"));
    assert_eq!(got.json()["message"]["data"], "YW4gb3JkZXI=");
    flow.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn regions_that_do_not_know_the_audience_refuse_the_gateway_and_the_message_waits() {
    let mut flow = Flow::start(plan).await;
    flow.emulator.publish("orders", "an order").unwrap();
    flow.pushed("orders", |it| it.failed_attempts >= 1).await;
    assert!(flow.receiver.got().is_empty());
    let calls = flow.calls();
    let is_refused = |verdict| matches!(verdict, Verdict::Refused { status: 401, .. });
    assert!(calls.iter().all(|it| is_refused(it.verdict)), "{calls:?}");
    let regions: std::collections::BTreeSet<_> = calls.iter().map(|it| &it.region).collect();
    assert_eq!(regions.len(), 2, "one was tried after the other");
    let told = |line: &str| line.contains("gcloud run services update").then(|| line.to_owned());
    let line = flow.gateway.wait_for(told).await.unwrap();
    assert!(line.contains(&format!("--add-custom-audiences={URL}")), "{line}");
    flow.stop().await;
}
