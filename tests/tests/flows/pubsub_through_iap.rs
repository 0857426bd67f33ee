//! Pub/Sub to regions behind IAP, each with a load balancer of its own.

use remint_emulator::{Iap, IapIdentity, LoadBalancer, Message, Part, Picking, Verdict};
use serde_json::json;

use crate::flow::{Flow, GATEWAY, IAP_AGENT, Plan, URL};
use crate::pubsub_to_function::subscription;

const CLIENT: &str = "123-abc.apps.googleusercontent.com";
const BACKEND: u64 = 42;
const REGIONS: [&str; 2] = ["us-central1", "europe-west1"];

fn host(region: &str) -> String {
    format!("{region}.orders.example.com")
}

/// Each region behind a load balancer with IAP, which lets in the gateway.
fn behind_iap(plan: &mut Plan) {
    plan.google.services[0].invokers = vec![IAP_AGENT.to_owned()];
    plan.google.load_balancers = REGIONS
        .map(|region| LoadBalancer {
            host: host(region),
            port: 0,
            service: "orders".to_owned(),
            picking: Picking::Weighted(vec![(region.to_owned(), 1)]),
            iap: Some(Iap {
                enabled: true,
                client_id: CLIENT.to_owned(),
                backend_service: BACKEND,
                users: vec![GATEWAY.to_owned()],
                identity: IapIdentity::ServiceAgent,
            }),
        })
        .into();
    let region = |name| {
        let url = format!("https://{}", host(name));
        json!({"name": name, "kind": "iap", "url": url, "client_id": CLIENT})
    };
    plan.regions(&json!(REGIONS.map(region)));
    plan.google.pubsub.topics = ["orders", "wrong"].map(str::to_owned).into();
    plan.google.pubsub.subscriptions = vec![
        subscription("orders", "/push", Some(URL)),
        // It is the gateway that calls IAP, not Pub/Sub.
        subscription("wrong", "/push", Some(CLIENT)),
    ];
}

/// What the region in the place has seen of the one message.
fn arrived(flow: &Flow, region: &str) {
    let (got, call) = flow.accepted_from(IAP_AGENT);
    assert_eq!(call.region, region);
    assert_eq!(got.json()["message"]["data"], "YW4gb3JkZXI=");
    let email = format!("accounts.google.com:{GATEWAY}");
    assert_eq!(got.header("x-goog-authenticated-user-email"), email);
    let tokens = got.tokens();
    let audience = format!("/projects/123456789012/global/backendServices/{BACKEND}");
    let assertion = tokens.iter().find(|(claims, _)| claims["aud"] == audience.as_str());
    assert_eq!(assertion.unwrap().0["email"], GATEWAY, "{tokens:?}");
    let is_iap_s = |call: &remint_emulator::timeline::Call| call.part == Part::Iap;
    let iap = flow.emulator.timeline().select(is_iap_s);
    let admitted = iap.iter().filter(|it| it.verdict == Verdict::Accepted);
    for call in admitted {
        assert_eq!(
            (call.audience.as_deref(), call.caller.as_deref()),
            (Some(CLIENT), Some(GATEWAY))
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_reaches_the_region_behind_iap_that_lives() {
    for (dead, alive) in [(REGIONS[0], REGIONS[1]), (REGIONS[1], REGIONS[0])] {
        let mut flow = Flow::start(behind_iap).await;
        flow.emulator.publish("wrong", "an order").unwrap();
        flow.pushed("wrong", |it| it.failed_attempts >= 2).await;
        let refusal = flow.envoy.refusal_number(0).await.unwrap();
        assert_eq!(refusal["reason"], "aud_is_iap_client");
        flow.untouched();

        flow.emulator.region("orders", dead).unwrap().stop().await;
        flow.emulator.publish("orders", Message::new("an order")).unwrap();
        flow.pushed("orders", |it| it.delivered == 1).await;
        arrived(&flow, alive);
        flow.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_run_invoker_for_iap_a_message_is_retried_until_the_role_is_granted() {
    let flow = Flow::start(|plan| {
        behind_iap(plan);
        plan.google.services[0].invokers = vec![GATEWAY.to_owned()];
    })
    .await;
    flow.emulator.publish("orders", Message::new("an order")).unwrap();
    flow.pushed("orders", |it| it.failed_attempts >= 2).await;
    assert!(flow.receiver.got().is_empty());
    let calls = flow.calls();
    assert!(calls.iter().all(|it| it.caller.as_deref() == Some(IAP_AGENT)), "{calls:?}");
    let refused = Verdict::Refused { status: 403, code: "invoker_missing" };
    assert!(calls.iter().all(|it| it.verdict == refused), "{calls:?}");
    let is_balancer_s = |call: &remint_emulator::timeline::Call| call.part == Part::LoadBalancer;
    for call in flow.emulator.timeline().select(is_balancer_s) {
        let note = call.note.unwrap_or_default();
        assert!(note.starts_with("iap_invoker_missing") && note.contains(IAP_AGENT), "{note}");
    }
    for region in flow.emulator.regions() {
        region.set_invokers([IAP_AGENT]);
    }
    flow.pushed("orders", |it| it.delivered == 1).await;
    assert_eq!(flow.receiver.got().len(), 1);
    let accepted = flow.calls().into_iter().filter(|it| it.verdict == Verdict::Accepted);
    assert_eq!(accepted.count(), 1);
    flow.stop().await;
}
