//! A gateway that calls a revision by its traffic tag: the audience stays the
//! URL without it.

use remint_emulator::{Attempt, Verdict};
use serde_json::json;

use crate::flow::{Flow, Plan, URL};
use crate::scheduler_to_cloud_run::{job, run};

const UNTAGGED: &str = "https://orders-123456789012.us-central1.run.app";
const TAGGED: &str = "https://green---orders-123456789012.us-central1.run.app";

fn tagged(plan: &mut Plan) {
    plan.google.services[0].tags = vec!["green".to_owned()];
    plan.regions(&json!([{"name": "us-central1", "url": TAGGED}]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_reaches_a_tag_by_the_audience_without_it() {
    let mut flow = Flow::start(tagged).await;
    let refused = run(&flow, &job("direct", "/", Some(TAGGED))).await;
    assert_eq!(refused, [401, 401].map(Attempt::Answered));
    flow.refused(&["aud_mismatch", "aud_mismatch"]).await;
    flow.untouched();

    let answered = run(&flow, &job("nightly", "/reports", Some(URL))).await;
    assert_eq!(answered, [Attempt::Answered(200)]);
    let (got, call) = flow.accepted(UNTAGGED);
    assert_eq!(call.note.as_deref(), Some("tag green"));
    assert_eq!(got.header("host"), TAGGED.trim_start_matches("https://"));
    assert_eq!(&*got.body, b"last night");
    flow.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tag_refuses_a_gateway_whose_audience_has_it() {
    let flow = Flow::start(|plan| {
        tagged(plan);
        plan.service["regions"][0]["audience"] = json!(TAGGED);
    })
    .await;
    let refused = run(&flow, &job("nightly", "/reports", Some(URL))).await;
    assert_eq!(refused, [401, 401].map(Attempt::Answered));
    assert!(flow.receiver.got().is_empty());
    let is_refused = |verdict| matches!(verdict, Verdict::Refused { status: 401, .. });
    assert!(flow.calls().iter().all(|it| is_refused(it.verdict)), "{:?}", flow.calls());
    flow.stop().await;
}
