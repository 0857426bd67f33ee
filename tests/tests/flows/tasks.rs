//! Cloud Tasks, by Google's own client, to a service that only the VPC network
//! reaches.

use std::path::Path;
use std::time::Duration;

use remint_emulator::tasks::TaskOutcome;
use remint_emulator::{Agent, Attempt, Ingress, Origin, Part, QueueConfig, Verdict};
use remint_kept::{keep_output, source};
use remint_tests::chain::PUSHER;
use remint_tests::process::PATIENCE;
use remint_tests::shipped::workspace;
use serde_json::json;
use tokio::process::Command;

use crate::flow::{Flow, Plan, URL, rule};

const LOCATION: &str = "projects/demo-project/locations/us-central1";

/// A service with `ingress: internal`, and a queue that attempts a task twice.
/// Below `/exact` the audience is compared letter by letter.
fn plan(plan: &mut Plan) {
    plan.google.services[0].ingress = Ingress::Internal;
    let mut queue = QueueConfig::new("orders", "us-central1");
    queue.retry.max_attempts = Some(2);
    queue.retry.backoff.min = Duration::from_millis(10);
    plan.google.tasks = vec![queue];
    let mut origin = rule("flow", "/orders");
    origin["audience_match"] = json!("origin");
    origin["match"]["methods"] = json!(["PUT"]);
    plan.policy["rules"] = json!([origin, rule("exact", "/exact")]);
    let rule = |name: &str| json!({"rule": name, "sender": "tasks"});
    plan.service["rules"] = json!([rule("flow"), rule("exact")]);
}

/// Creates a task for each URL with Google's client, and says their names.
async fn created(flow: &Flow, urls: &[&str]) -> Vec<String> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/flows/create_tasks.py");
    let packages = workspace().join("target/python");
    assert!(packages.join("google/cloud/tasks_v2").exists(), "cargo xtask setup");
    let mut command = Command::new("python3");
    command.env("PYTHONPATH", packages).env("PYTHONDONTWRITEBYTECODE", "1");
    command.arg(script).arg(flow.emulator.google_addr().to_string()).arg(PUSHER);
    for url in urls {
        command.args([&format!("{LOCATION}/queues/orders"), *url]);
    }
    let output = tokio::time::timeout(PATIENCE, command.kill_on_drop(true).output());
    let output = output.await.unwrap().unwrap();
    keep_output(source::SCRIPTS, &output, None);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

async fn finished(flow: &Flow, task: &str) -> (TaskOutcome, Vec<Attempt>) {
    let report = tokio::time::timeout(PATIENCE, flow.emulator.tasks().finished(task)).await;
    let report = report.unwrap().unwrap();
    (report.outcome, report.attempts)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_with_the_default_audience_reaches_an_internal_service() {
    let mut flow = Flow::start(|it| {
        plan(it);
        it.is_in_vpc = true;
    })
    .await;
    let url = format!("{URL}/orders/7?now=1");
    let tasks = created(&flow, &[&url, &format!("{URL}/exact")]).await;
    let refused = [401, 401].map(Attempt::Answered);
    assert_eq!(finished(&flow, &tasks[1]).await, (TaskOutcome::GivenUp, refused.into()));
    flow.refused(&["aud_has_path", "aud_has_path"]).await;
    let answered = vec![Attempt::Answered(200)];
    assert_eq!(finished(&flow, &tasks[0]).await, (TaskOutcome::Succeeded, answered));

    let call = flow.calls().pop().unwrap();
    let region = flow.emulator.region("orders", &call.region).unwrap().url();
    let (got, call) = flow.accepted(region);
    assert_eq!(call.origin, Some(Origin::Vpc));
    assert_eq!(
        (got.head.method.as_str(), got.head.uri.to_string().as_str()),
        ("PUT", "/orders/7?now=1")
    );
    assert_eq!(&*got.body, b"an order");
    let (_, id) = tasks[0].rsplit_once('/').unwrap();
    for (name, value) in [
        ("x-cloudtasks-queuename", "orders"),
        ("x-cloudtasks-taskname", id),
        ("x-cloudtasks-taskretrycount", "0"),
        ("x-cloudtasks-taskexecutioncount", "0"),
        ("user-agent", "Google-Cloud-Tasks"),
        ("content-type", "text/plain"),
        ("x-order", "7"),
        ("x-forwarded-host", "orders.example.com"),
    ] {
        assert_eq!(got.header(name), value, "{name}");
    }
    assert!(got.header("x-cloudtasks-tasketa").parse::<f64>().is_ok());
    let is_sent = |call: &remint_emulator::timeline::Call| {
        call.part == Part::Sender(Agent::CloudTasks) && call.path == "/orders/7"
    };
    let sent = flow.emulator.timeline().select(is_sent).pop().unwrap();
    assert_eq!((sent.audience, sent.caller.as_deref()), (Some(url), Some(PUSHER)));
    flow.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_outside_the_vpc_network_does_not_reach_an_internal_service() {
    let flow = Flow::start(plan).await;
    let tasks = created(&flow, &[&format!("{URL}/orders")]).await;
    let not_found = [404, 404].map(Attempt::Answered);
    assert_eq!(finished(&flow, &tasks[0]).await, (TaskOutcome::GivenUp, not_found.into()));
    assert!(flow.receiver.got().is_empty());
    let calls = flow.calls();
    // Cloud Run's page might be one that an application passes on, but a PUT may be
    // sent twice: each attempt goes to both regions.
    assert_eq!(calls.len(), 4, "{calls:?}");
    for call in calls {
        let refused = Verdict::Refused { status: 404, code: "ingress_refused" };
        assert_eq!((call.verdict, call.origin), (refused, Some(Origin::Internet)));
    }
    flow.stop().await;
}
