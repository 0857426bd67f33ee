//! Audiences that are no URLs, on both sides of the gateway.

use std::sync::Arc;

use remint_emulator::Message;
use serde_json::json;

use crate::flow::{Flow, GATEWAY};
use crate::pubsub_to_function::subscription;
use crate::receiver::verified;

const AT_THE_EDGE: &str = "team:orders/push.v1";
const IN_THE_REGION: &str = "urn:orders:receiver#7";

#[tokio::test(flavor = "multi_thread")]
async fn a_message_reaches_a_receiver_whose_audience_is_any_text() {
    let mut flow = Flow::start(|plan| {
        plan.rule()["audiences"] = json!([AT_THE_EDGE]);
        let url = format!("http://{}", plan.receiver);
        plan.regions(&json!([
            {"name": "own", "kind": "other", "url": url, "audience": IN_THE_REGION},
        ]));
        plan.google.pubsub.topics = ["orders", "wrong"].map(str::to_owned).into();
        plan.google.pubsub.subscriptions = vec![
            subscription("orders", "/push", Some(AT_THE_EDGE)),
            subscription("wrong", "/push", Some("team:Orders/push.v1")),
        ];
    })
    .await;
    let policy = json!({"rules": [{
        "name": "receiver", "match": {}, "audiences": [IN_THE_REGION],
        "callers": {"emails": [GATEWAY]},
    }]});
    let google = Arc::clone(flow.emulator.issuer());
    flow.receiver
        .checks(move |headers| verified(&policy, "google", &google.jwks(), headers, google.now()));
    flow.emulator.publish("wrong", "an order").unwrap();
    flow.pushed("wrong", |it| it.failed_attempts >= 2).await;
    assert_eq!(flow.envoy.refusal_number(0).await.unwrap()["reason"], "aud_mismatch");
    flow.untouched();

    flow.emulator.publish("orders", Message::new("an order")).unwrap();
    flow.pushed("orders", |it| it.delivered == 1).await;
    let got = flow.received();
    assert!(flow.receiver.refused().is_empty());
    assert_eq!(got.json()["message"]["data"], "YW4gb3JkZXI=");
    let tokens = got.tokens();
    assert_eq!(tokens.len(), 1, "{tokens:?}");
    assert_eq!(tokens[0].0["aud"], IN_THE_REGION);
    flow.stop().await;
}
