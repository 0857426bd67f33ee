//! One request, followed through all logs by its id.

use bytes::Bytes;
use http::Request;
use remint_emulator::timeline::Call;
use remint_emulator::{Config, Emulator, Verdict};
use remint_tests::chain::{Chain, REGIONS, SERVICE};
use remint_tests::client::{Answer, send};
use serde_json::{Value, json};

use super::{good_token, push_request};

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// The filter lets everything below `/push` pass, the gateway only a part of it.
async fn start() -> Chain {
    let emulator = Emulator::start(Config::demo()).await.unwrap();
    let gateway = |config: &mut Value| {
        config["logs"] = json!({"access": "all", "project": "demo-project"});
        config["policy"]["rules"][0]["match"]["paths"] = json!([{"prefix": "/push/yes"}]);
    };
    Chain::before(emulator, gateway, |_, _| {}).await.unwrap()
}

fn request(path: &str, token: Option<&str>) -> Request<Bytes> {
    let mut request = push_request(token);
    *request.uri_mut() = path.parse().unwrap();
    request.headers_mut().insert("traceparent", PARENT.parse().unwrap());
    request
}

async fn ask(chain: &Chain, path: &str, token: Option<&str>) -> Answer {
    send(chain.edge(), request(path, token)).await.unwrap()
}

fn as_json(line: &str) -> Option<Value> {
    serde_json::from_str(line).ok()
}

/// What Envoy's access log has of the request for a path.
async fn at_envoy(chain: &mut Chain, path: &str) -> Value {
    let is_it = |line: &str| as_json(line).filter(|line| line["path"] == path);
    chain.envoy.wait_for(is_it).await.unwrap()
}

async fn at_gateway(chain: &mut Chain, id: &Value) -> Value {
    let is_it = |line: &str| {
        as_json(line).filter(|line| line["request_id"] == *id && line["httpRequest"].is_object())
    };
    chain.gateway.wait_for(is_it).await.unwrap()
}

fn at_regions(chain: &Chain, id: &Value) -> Vec<Call> {
    chain.emulator.timeline().select(|call| call.request_id.as_deref() == id.as_str())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_found_by_its_id_in_every_log_that_it_reached() {
    let mut chain = start().await;
    let token = good_token(&chain.emulator);
    assert_eq!(ask(&chain, "/push/yes/accepted", Some(&token)).await.status, 200);
    assert_eq!(ask(&chain, "/push/yes/stranger", None).await.status, 401);
    assert_eq!(ask(&chain, "/push/no", Some(&token)).await.status, 403);
    let refusing = chain.emulator.region(SERVICE, REGIONS[0]).unwrap();
    refusing.set_invokers([]);
    let before = chain.emulator.timeline().refused(REGIONS[0]);
    let mut retried = String::new();
    for number in 0..100 {
        retried = format!("/push/yes/retried/{number}");
        assert_eq!(ask(&chain, &retried, Some(&token)).await.status, 200);
        if chain.emulator.timeline().refused(REGIONS[0]) > before {
            break;
        }
    }

    let line = at_envoy(&mut chain, "/push/yes/accepted").await;
    let id = line["request_id"].clone();
    assert_eq!((&line["verdict"], &line["status"]), (&"verified".into(), &200.into()), "{line}");
    assert_eq!(line["trace_id"], PARENT[3..35], "{line}");
    assert_eq!(
        (&line["span_id"], &line["trace_sampled"]),
        (&PARENT[36..52].into(), &"true".into())
    );
    let line = at_gateway(&mut chain, &id).await;
    assert_eq!((&line["attempts"], &line["httpRequest"]["status"]), (&1.into(), &200.into()));
    let trace = format!("projects/demo-project/traces/{}", &PARENT[3..35]);
    assert_eq!(line["logging.googleapis.com/trace"], trace);
    let calls = at_regions(&chain, &id);
    assert_eq!((calls.len(), calls[0].verdict), (1, Verdict::Accepted));
    assert_eq!(line["region"], calls[0].region);
    assert_eq!(line["audience"].as_str(), calls[0].audience.as_deref());

    let line = at_envoy(&mut chain, &retried).await;
    let id = line["request_id"].clone();
    let line = at_gateway(&mut chain, &id).await;
    assert_eq!((&line["attempts"], &line["region"]), (&2.into(), &REGIONS[1].into()), "{line}");
    let calls = at_regions(&chain, &id);
    let verdicts: Vec<_> = calls.iter().map(|call| (&*call.region, call.verdict)).collect();
    assert_eq!(verdicts[0].0, REGIONS[0]);
    assert!(matches!(verdicts[0].1, Verdict::Refused { status: 403, .. }), "{calls:?}");
    assert_eq!(verdicts[1..], [(REGIONS[1], Verdict::Accepted)]);

    let line = at_envoy(&mut chain, "/push/yes/stranger").await;
    let id = line["request_id"].clone();
    assert_eq!((&line["verdict"], &line["reason"]), (&"refused".into(), &"token_missing".into()));
    let refusal = chain.envoy.refusal_number(0).await.unwrap();
    assert_eq!((&refusal["request_id"], &refusal["trace_id"]), (&id, &PARENT[3..35].into()));
    assert!(at_regions(&chain, &id).is_empty());
    assert!(!chain.gateway.lines().join("\n").contains(id.as_str().unwrap()));

    let line = at_envoy(&mut chain, "/push/no").await;
    let id = line["request_id"].clone();
    assert_eq!((&line["verdict"], &line["status"]), (&"verified".into(), &403.into()), "{line}");
    let line = at_gateway(&mut chain, &id).await;
    assert_eq!((&line["message"], &line["reason"]), (&"refused".into(), &"no_rule".into()));
    assert!(at_regions(&chain, &id).is_empty());
    chain.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_malformed_trace_passes_and_is_in_no_log() {
    let mut chain = start().await;
    let mut odd = request("/push/yes/odd", Some(&good_token(&chain.emulator)));
    odd.headers_mut().insert("traceparent", "00-evil".parse().unwrap());
    odd.headers_mut().insert("x-cloud-trace-context", "evil/1;o=1".parse().unwrap());
    let answer = send(chain.edge(), odd).await.unwrap();
    let seen = answer.json().unwrap();
    assert_eq!(seen["headers"]["traceparent"], "00-evil", "{seen}");
    assert_eq!(seen["headers"]["x-cloud-trace-context"], "evil/1;o=1");
    let line = at_envoy(&mut chain, "/push/yes/odd").await;
    assert!(line["trace_id"].is_null(), "{line}");
    at_gateway(&mut chain, &line["request_id"]).await;
    let logs = [chain.envoy.lines(), chain.gateway.lines()].concat().join("\n");
    assert!(!logs.contains("evil"), "{logs}");
    chain.stop().await.unwrap();
}
