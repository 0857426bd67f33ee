//! The gateway's own errors, as callers read them.

use bytes::Bytes;
use http::request::Builder;
use http::{Request, Response, Version};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use remint_emulator::{Message, PushSubscription};
use remint_kept::{keep, source};
use tokio::net::TcpStream;

use crate::support::{AUDIENCE, CALLER, Chain, Google, HOST};

#[tokio::test]
async fn a_failure_is_a_problem_in_json_and_a_refusal_tells_no_reason() {
    let chain = Chain::start().await;
    for region in chain.emulator.regions() {
        region.stop().await;
    }
    let answer = chain.send(chain.request("/").header("x-request-id", "id/1")).await;
    assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    assert_eq!(answer.header("x-remint-request-id"), Some("id/1"));
    let problem = answer.json();
    assert_eq!(
        (&problem["type"], &problem["status"]),
        (&"urn:remint:problem:no_region".into(), &503.into())
    );
    assert_eq!(problem["instance"], "urn:remint:request:id%2F1");
    let mut bodies = Vec::new();
    for token in ["a.b.c", "eyJ"] {
        let request = Request::get("/").header("host", HOST).header("x-request-id", "1");
        let answer = chain.send(request.header("authorization", format!("Bearer {token}"))).await;
        assert_eq!((answer.status.as_u16(), answer.header("x-remint-reason")), (401, None));
        bodies.push(answer.json());
    }
    let none = Request::get("/").header("host", HOST).header("x-request-id", "1");
    bodies.push(chain.send(none).await.json());
    assert!(bodies.iter().all(|body| body == &bodies[0]), "{bodies:?}");
    assert_eq!(bodies[0]["type"], "urn:remint:problem:unauthenticated");
}

/// A gateway whose rule says whether its callers speak gRPC.
async fn chain_for(grpc: bool) -> Chain {
    let google = Google::start().await;
    let regions = google.regions();
    let rules = format!("rules: [{{ rule: push, grpc: {grpc} }}]");
    let change = |text: String| text.replace("    rules: [push]\n", &format!("    {rules}\n"));
    let chain = Chain::before(google, &regions, change).await;
    chain.ready().await;
    chain
}

fn call() -> Builder {
    Request::post(format!("http://{HOST}/orders.Orders/Get"))
        .version(Version::HTTP_2)
        .header("content-type", "application/grpc")
        .header("te", "trailers")
}

async fn send(chain: &Chain, request: Builder) -> Response<Incoming> {
    let io = TokioIo::new(TcpStream::connect(chain.gateway.address()).await.unwrap());
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), io).await.unwrap();
    tokio::spawn(connection);
    let answer = sender.send_request(request.body(Empty::<Bytes>::new()).unwrap()).await.unwrap();
    keep(source::GATEWAY_ANSWERS, format!("{answer:?}"));
    answer
}

#[tokio::test]
async fn a_grpc_call_gets_a_grpc_status_where_the_rule_says_so() {
    let chain = chain_for(true).await;
    let refused = send(&chain, call()).await;
    assert_eq!(
        (refused.status().as_u16(), &refused.headers()["grpc-status"]),
        (200, &"16".parse().unwrap())
    );
    assert_eq!(refused.headers()["content-type"], "application/grpc");
    assert!(refused.headers().contains_key("grpc-message"));
    assert!(refused.into_body().collect().await.unwrap().to_bytes().is_empty());
    for region in chain.emulator.regions() {
        region.stop().await;
    }
    let token = format!("Bearer {}", chain.token());
    let failed = send(&chain, call().header("authorization", token)).await;
    assert_eq!(failed.headers()["grpc-status"], "14");
    assert_eq!(failed.headers()["x-remint-reason"], "no_region");
}

/// A publisher may name its attributes as headers, so it may try to make a
/// failure look like gRPC, and so like an acknowledgement.
#[tokio::test]
async fn a_push_that_fails_is_never_acknowledged_whatever_its_attributes_say() {
    let chain = chain_for(true).await;
    for region in chain.emulator.regions() {
        region.stop().await;
    }
    let endpoint = format!("http://{HOST}/push").parse().unwrap();
    let mut subscription = PushSubscription::new("orders", endpoint, CALLER);
    subscription.connect_to = Some(chain.gateway.address());
    subscription.audience = Some(AUDIENCE.to_owned());
    subscription.wrapped = false;
    subscription.give_up_after = Some(2);
    let message = Message::from("7").with("content-type", "application/grpc");
    let report = chain.emulator.push(&subscription, vec![message.with("te", "trailers")]).await;
    assert_eq!(report.delivered(), 0, "{:?}", report.statuses());
    assert_eq!(report.statuses().keys().collect::<Vec<_>>(), [&503]);
}

#[tokio::test]
async fn a_failure_is_no_success_to_anybody_who_may_not_know_grpc() {
    let unasked = chain_for(false).await;
    assert_eq!(send(&unasked, call()).await.status(), 401);
    let chain = chain_for(true).await;
    for (name, value) in [
        ("user-agent", "APIs-Google; (+https://developers.google.com/webmasters/APIs-Google.html)"),
        ("x-goog-pubsub-subscription-name", "projects/p/subscriptions/s"),
        ("x-cloudtasks-queuename", "q"),
    ] {
        assert_eq!(send(&chain, call().header(name, value)).await.status(), 401, "{name}");
    }
    let get = Request::get(format!("http://{HOST}/"))
        .version(Version::HTTP_2)
        .header("content-type", "application/grpc");
    assert_eq!(send(&chain, get).await.status(), 401);
}
