//! Cloud Scheduler to a function of the first generation.

use remint_emulator::{Attempt, Kind, Verdict};
use serde_json::json;

use crate::flow::{Flow, Plan, URL};
use crate::scheduler_to_cloud_run::{job, run};

const FUNCTION: &str = "https://us-central1-demo-project.cloudfunctions.net/orders";

/// The function `orders` in one region.
pub(crate) fn function(plan: &mut Plan) {
    let service = &mut plan.google.services[0];
    service.kind = Kind::Function;
    service.regions.truncate(1);
    plan.regions(&json!([{"name": "us-central1", "kind": "cloud_function", "url": FUNCTION}]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_reaches_a_function_by_its_url_with_the_path_as_audience() {
    let mut flow = Flow::start(function).await;
    // The function's own URL is not what the gateway's callers are to ask for.
    let refused = run(&flow, &job("direct", "/", Some(FUNCTION))).await;
    assert_eq!(refused, [401, 401].map(Attempt::Answered));
    flow.refused(&["aud_mismatch", "aud_mismatch"]).await;
    flow.untouched();

    let answered = run(&flow, &job("nightly", "/reports?of=sales", Some(URL))).await;
    assert_eq!(answered, [Attempt::Answered(200)]);
    let (got, call) = flow.accepted(FUNCTION);
    assert_eq!(call.path, "/orders/reports");
    assert_eq!(got.head.uri.to_string(), "/reports?of=sales", "without the function's name");
    assert_eq!(&*got.body, b"last night");
    assert_eq!(got.header("x-cloudscheduler-jobname"), "nightly");
    assert_eq!(got.header("user-agent"), "Google-Cloud-Scheduler");
    flow.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_refuses_a_gateway_whose_audience_lacks_the_path() {
    let mut flow = Flow::start(|plan| {
        function(plan);
        let (origin, _) = FUNCTION.rsplit_once('/').unwrap();
        plan.service["regions"][0]["audience"] = json!(origin);
    })
    .await;
    let refused = run(&flow, &job("nightly", "/reports", Some(URL))).await;
    assert_eq!(refused, [401, 401].map(Attempt::Answered));
    assert!(flow.receiver.got().is_empty());
    let calls = flow.calls();
    assert!(!calls.is_empty());
    assert!(calls.iter().all(|it| matches!(it.verdict, Verdict::Refused { status: 401, .. })));
    let refused = "the region's front end refused the gateway\"";
    let told = |line: &str| line.contains(refused).then(|| line.to_owned());
    let line = flow.gateway.wait_for(told).await.unwrap();
    assert!(!line.contains("gcloud"), "a function has no custom audiences: {line}");
    flow.stop().await;
}
