//! Pub/Sub, set up and published to by Google's own client.

use std::path::Path;

use remint_kept::{keep_output, source};
use remint_tests::chain::PUSHER;
use remint_tests::process::PATIENCE;
use remint_tests::shipped::workspace;
use serde_json::json;
use tokio::process::Command;

use crate::flow::{Flow, URL};

/// Has Google's client create the topic and the subscription and publish, and
/// says the message's id.
async fn published(flow: &Flow) -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/flows/push_orders.py");
    let packages = workspace().join("target/python");
    assert!(packages.join("google/cloud/pubsub_v1").exists(), "cargo xtask setup");
    let mut command = Command::new("python3");
    command.env("PYTHONPATH", packages).env("PYTHONDONTWRITEBYTECODE", "1");
    command.env("PUBSUB_EMULATOR_HOST", flow.emulator.google_addr().to_string());
    command.arg(script).args(["demo-project", &format!("{URL}/push"), PUSHER, URL]);
    let output = tokio::time::timeout(PATIENCE, command.kill_on_drop(true).output());
    let output = output.await.unwrap().unwrap();
    keep_output(source::SCRIPTS, &output, None);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_published_by_google_s_client_arrives_by_the_subscription_that_it_made() {
    let flow = Flow::start(|_| {}).await;
    let id = published(&flow).await;
    flow.pushed("orders-push", |it| it.delivered == 1).await;
    let call = flow.calls().pop().unwrap();
    let region = flow.emulator.region("orders", &call.region).unwrap().url();
    let (got, _) = flow.accepted(region);
    assert_eq!((got.head.method.as_str(), got.head.uri.path()), ("POST", "/push"));
    let body = got.json();
    assert_eq!(body["message"]["data"], "YW4gb3JkZXI=");
    assert_eq!(body["message"]["attributes"], json!({"kind": "test"}));
    assert_eq!(body["message"]["messageId"], id.as_str());
    assert_eq!(body["subscription"], "projects/demo-project/subscriptions/orders-push");
    flow.stop().await;
}
