//! Pub/Sub to a function of the first generation.

use std::time::Duration;

use remint_emulator::{Message, Subscription};
use remint_tests::chain::PUSHER;
use serde_json::json;

use crate::flow::{Flow, URL};
use crate::scheduler_to_function::function;

/// A topic and its subscription of the same name, which retries at once.
pub(crate) fn subscription(name: &str, path: &str, audience: Option<&str>) -> Subscription {
    Subscription {
        audience: audience.map(str::to_owned),
        min_backoff: Some(Duration::from_millis(10)),
        max_backoff: Some(Duration::from_millis(50)),
        ..Subscription::new(name, name).pushing(format!("{URL}{path}"), PUSHER)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_waits_until_its_audience_is_right_and_then_reaches_a_function_once() {
    let mut flow = Flow::start(|plan| {
        function(plan);
        plan.google.pubsub.topics = vec!["orders".to_owned()];
        // The default audience is the endpoint with its path.
        plan.google.pubsub.subscriptions = vec![subscription("orders", "/push", None)];
    })
    .await;
    let id = flow.emulator.publish("orders", Message::new("an order").with("kind", "test"));
    flow.pushed("orders", |it| it.failed_attempts >= 2).await;
    assert_eq!(flow.envoy.refusal_number(0).await.unwrap()["reason"], "aud_has_path");
    flow.untouched();

    let push = json!({
        "pushEndpoint": format!("{URL}/push"),
        "oidcToken": {"serviceAccountEmail": PUSHER, "audience": URL},
    });
    let path = "/v1/projects/demo-project/subscriptions/orders:modifyPushConfig";
    flow.api(path, "application/json", &json!({"pushConfig": push})).await;
    flow.pushed("orders", |it| it.delivered == 1).await;
    let (got, _) = flow.accepted("https://us-central1-demo-project.cloudfunctions.net/orders");
    assert_eq!((got.head.method.as_str(), got.head.uri.path()), ("POST", "/push"));
    assert_eq!(got.header("user-agent"), "CloudPubSub-Google");
    let body = got.json();
    assert_eq!(body["message"]["data"], "YW4gb3JkZXI=");
    assert_eq!(body["message"]["attributes"], json!({"kind": "test"}));
    assert_eq!(body["message"]["messageId"], id.unwrap().as_str());
    assert_eq!(body["subscription"], "projects/demo-project/subscriptions/orders");
    flow.stop().await;
}
