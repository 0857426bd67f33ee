//! The examples do what they say.

use std::path::Path;

use serde_json::{Value, json};

use crate::binary::{Folder, Running, pasted};
use crate::sink::Sink;
use crate::support::{Call, GATEWAY, eventually, get, post};

fn text(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let text = std::fs::read_to_string(folder.join(name)).unwrap();
    assert!(!text.contains("listen:"), "examples are at the usual ports");
    text
}

/// At free ports, so that tests don't meet.
async fn started(name: &str, text: &str) -> Running {
    let text = format!("{text}listen: {{ google_port: 0, vpc_port: 0 }}\n");
    let folder = Folder::with(name, &text);
    let running = Running::start(&["--config", &folder.file()]).await;
    pasted(&running.after("Try it:").replace("curl -H", "curl -sf -H")).await;
    running
}

/// The call that a comment of the example shows, beginning with that URL.
async fn shown(running: &Running, text: &str, url: &str) -> String {
    let lines = text.lines().filter_map(|line| line.strip_prefix('#'));
    let comment: String = lines.map(|line| format!("{line}\n")).collect();
    let calls = comment.split("    curl ").skip(1);
    let call = calls.into_iter().find(|call| call.contains(url)).unwrap();
    let call = call.split("\n\n").next().unwrap().replace("127.0.0.1:8800", running.google());
    pasted(&format!("curl -sf {call}")).await
}

#[tokio::test]
async fn services_of_examples_can_be_tried() {
    for name in ["two-regions.yaml", "your-service.yaml"] {
        started(name, &text(name)).await.stop().await;
    }
}

#[tokio::test]
async fn each_sender_of_the_example_delivers() {
    let text = text("senders.yaml");
    let yours = Sink::start(&[]).await;
    let file = text.replace("127.0.0.1:9000", &yours.addr.to_string());
    let running = started("senders", &file).await;
    shown(&running, &text, "topics/orders:publish").await;
    assert_eq!(shown(&running, &text, "eventarc/publish").await, "{\n  \"triggers\": 1\n}\n");
    shown(&running, &text, "jobs/report:run").await;
    for sender in ["Pub/Sub", "Cloud+Tasks", "Cloud+Scheduler"] {
        let path = format!("/emulator/timeline?verdict=answered&part={sender}");
        let count = if sender == "Pub/Sub" { 2 } else { 1 };
        let ask = async || get(&path).send(running.google().parse().unwrap()).await.json();
        let calls = |told: &Value| told["calls"].as_array().map_or(0, Vec::len) == count;
        let told = eventually(ask, calls).await;
        let mut verdicts = told["calls"].as_array().unwrap().iter().map(|it| &it["verdict"]);
        assert!(verdicts.all(|it| *it == "answered 200" || *it == "answered 204"), "{told}");
    }
    let report = &yours.wait(1).await[0];
    assert_eq!(report.head.uri, "/report");
    assert_eq!(report.header("host"), Some("hooks.example.com"));
    assert!(report.header("authorization").unwrap().starts_with("Bearer "));
    running.stop().await;
}

#[tokio::test]
async fn who_may_gets_through_the_example_s_iap() {
    let running = started("iap", &text("iap.yaml")).await;
    let google = running.google().parse().unwrap();
    let to = |call: Call| call.header("host", "admin.example.com").send(google);
    assert_eq!(to(get("/")).await.status, 401);
    let client = "123-abc.apps.googleusercontent.com";
    for (who, status) in [(GATEWAY, 200), ("nobody@demo-project.iam.gserviceaccount.com", 403)] {
        let claims = json!({ "aud": client, "email": who }).to_string();
        let token = post("/emulator/mint", claims).send(google).await.text;
        assert_eq!(to(get("/").bearer(token.trim())).await.status, status, "{who}");
    }
    running.stop().await;
}
