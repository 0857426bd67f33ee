//! Cloud Scheduler to an application of one's own, which verifies the gateway's
//! token itself.

use std::sync::Arc;

use remint_emulator::Attempt;
use remint_idtoken::Reason;
use serde_json::json;

use crate::flow::{Flow, GATEWAY, Plan, URL};
use crate::receiver::verified;
use crate::scheduler_to_cloud_run::{job, run};

/// A plain server beside Google's, with an audience of its own.
fn application(plan: &mut Plan) {
    let url = format!("http://{}", plan.receiver);
    plan.regions(&json!([{"name": "own", "kind": "other", "url": url, "audience": "orders-app"}]));
}

/// Has it verify that the gateway calls, by a token for that audience.
fn verifies(flow: &Flow, audience: &str) {
    let policy = json!({"rules": [{
        "name": "application", "match": {}, "audiences": [audience],
        "callers": {"emails": [GATEWAY]},
    }]});
    let google = Arc::clone(flow.emulator.issuer());
    flow.receiver
        .checks(move |headers| verified(&policy, "google", &google.jwks(), headers, google.now()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_reaches_an_application_that_verifies_the_gateways_token_itself() {
    let mut flow = Flow::start(application).await;
    verifies(&flow, "orders-app");
    let refused = run(&flow, &job("wrong", "/reports", Some("orders-app"))).await;
    assert_eq!(refused, [401, 401].map(Attempt::Answered));
    flow.refused(&["aud_mismatch", "aud_mismatch"]).await;
    flow.untouched();

    let answered = run(&flow, &job("nightly", "/reports?of=sales", Some(URL))).await;
    assert_eq!(answered, [Attempt::Answered(200)]);
    let got = flow.received();
    assert!(flow.receiver.refused().is_empty());
    assert_eq!(got.head.uri.to_string(), "/reports?of=sales");
    assert_eq!(&*got.body, b"last night");
    assert_eq!(got.header("x-cloudscheduler"), "true");
    let tokens = got.tokens();
    assert_eq!(tokens.len(), 1, "{tokens:?}");
    assert_eq!(
        (&tokens[0].0["aud"], &tokens[0].0["email"]),
        (&json!("orders-app"), &json!(GATEWAY))
    );
    flow.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_application_refuses_is_its_own_answer() {
    let flow = Flow::start(application).await;
    verifies(&flow, "Orders-App");
    let refused = run(&flow, &job("nightly", "/reports", Some(URL))).await;
    assert_eq!(refused, [401, 401].map(Attempt::Answered));
    assert_eq!(flow.receiver.refused(), [Reason::AudienceMismatch; 2], "once for each attempt");
    flow.untouched();
    flow.stop().await;
}
