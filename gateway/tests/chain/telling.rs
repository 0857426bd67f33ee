//! What regions are told of a request, and what not.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use http_body_util::{BodyExt, Full};
use remint_emulator::{Message, PushSubscription, TokenRequest};

use crate::client::exchange;
use crate::raw_region::{Habit, RawRegion};
use crate::support::{AUDIENCE, CALLER, Chain, Google, HOST};

/// Callers' tokens are looked for in another header.
const ELSEWHERE: &str = "policy:
  issuers: [{ preset: google, tokens: [{ header: x-id-token }] }]
";

/// A gateway with something of its configuration changed.
async fn chain_with(changes: &[(&str, &str)]) -> Chain {
    let google = Google::start().await;
    let regions = google.regions();
    let change = |mut text: String| {
        for (from, to) in changes {
            assert!(text.contains(from), "{from}");
            text = text.replacen(from, to, 1);
        }
        text
    };
    let chain = Chain::before(google, &regions, change).await;
    chain.ready().await;
    chain
}

const SERVICE: &str = "  - name: orders\n    rules: [push]\n";

#[tokio::test]
async fn a_service_may_take_its_token_in_authorization_and_then_gets_no_other() {
    let to = "  - name: orders\n    token_header: authorization\n    rules: [push]\n";
    let chain = chain_with(&[(SERVICE, to)]).await;
    let evil = chain.emulator.issuer().mint(&TokenRequest::new(CALLER, "https://evil.example"));
    for name in ["x-serverless-authorization", "x_serverless_authorization", "proxy-authorization"]
    {
        let request = chain.request("/").header(name, format!("Bearer {evil}"));
        let answer = chain.send(request).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let seen = answer.json();
        let headers = &seen["headers"];
        assert_eq!(headers["authorization"]["claims"]["aud"], seen["audience"]);
        let account = "gateway@demo-project.iam.gserviceaccount.com";
        assert_eq!(headers["authorization"]["claims"]["email"], account);
        assert!(headers.get(name).is_none(), "{name}: {headers}");
    }
}

#[tokio::test]
async fn an_applications_own_authorization_reaches_it() {
    let chain = chain_with(&[("policy:\n", ELSEWHERE)]).await;
    let request = http::Request::get("/")
        .header("host", HOST)
        .header("x-id-token", chain.token())
        .header("authorization", "Basic dXNlcjpwYXNz");
    let answer = chain.send(request).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let headers = &answer.json()["headers"];
    // The container shows no credentials that are not claims.
    assert_eq!(headers["authorization"], "(redacted)");
    assert!(headers.get("x-id-token").is_none(), "{headers}");
}

#[tokio::test]
async fn a_callers_token_goes_on_where_the_rule_says_so() {
    let to = "  - name: orders\n    rules: [{ rule: push, pass_caller_token: true }]\n";
    let chain = chain_with(&[(SERVICE, to)]).await;
    let answer = chain.get("/").await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let headers = &answer.json()["headers"];
    assert_eq!(headers["authorization"]["claims"]["email"], CALLER);
    assert_eq!(headers["authorization"]["signature"], "(kept)");
    let minted = &headers["x-serverless-authorization"]["claims"];
    assert_eq!(minted["email"], "gateway@demo-project.iam.gserviceaccount.com");
}

#[tokio::test]
async fn a_region_may_be_asked_for_the_host_that_the_caller_asked_for() {
    let to = "  - name: orders\n    host: preserve\n    rules: [push]\n";
    let chain = chain_with(&[(SERVICE, to)]).await;
    let seen = chain.get("/").await.json();
    assert_eq!((&seen["host"], &seen["headers"]["x-forwarded-host"]), (&HOST.into(), &HOST.into()));
}

#[tokio::test]
async fn a_publishers_attributes_say_nothing_that_only_google_or_a_proxy_says() {
    let region = RawRegion::start(Habit::Answer).await;
    let chain = Chain::before(Google::start().await, &[region.entry()], |text| text).await;
    chain.ready().await;
    let endpoint = format!("http://{HOST}/push").parse().unwrap();
    let mut subscription = PushSubscription::new("orders", endpoint, CALLER);
    subscription.connect_to = Some(chain.gateway.address());
    subscription.audience = Some(AUDIENCE.to_owned());
    subscription.wrapped = false;
    let hostile = [
        "x-serverless-authorization",
        "x_serverless_authorization",
        "x-goog-authenticated-user-email",
        "x-goog_authenticated-user-id",
        "x-goog-iap-jwt-assertion",
        "x-remint-assertion",
        "x-remint-caller",
        "x-forwarded-user",
        "x-forwarded-client-cert",
        "x_forwarded_for",
        "forwarded",
        "proxy-authorization",
        "proxy_authorization",
        "keep-alive",
        "transfer_encoding",
        "x-original-url",
        "x-http-method-override",
        "x-host",
        "x-cloudtasks-queuename",
        "x-cloudscheduler",
        "x-appengine-user-email",
    ];
    let message = Message::from("").with("order-id", "7").with("order_kind", "new");
    let message = hostile.iter().fold(message, |message, name| message.with(*name, "boss"));
    let delivered = chain.emulator.push(&subscription, vec![message]).await;
    assert!(delivered.all_delivered(), "{:?}", delivered.statuses());
    let told = region.text().to_ascii_lowercase();
    assert!(told.contains("order-id: 7") && told.contains("order_kind: new"), "{told}");
    assert!(told.contains("x-goog-pubsub-"), "{told}");
    assert!(!told.contains("boss"), "{told}");
}

#[tokio::test]
async fn no_place_of_a_token_passes_in_trailers() {
    let region = RawRegion::start(Habit::Hang).await;
    let change = |text: String| {
        text.replace("policy:\n", ELSEWHERE)
            .replace("connect_timeout: 5s", "response_timeout: 500ms")
    };
    let chain = Chain::before(Google::start().await, &[region.entry()], change).await;
    chain.ready().await;
    let names =
        ["x-sum", "x-id-token", "x_id_token", "x-forwarded-for"].map(HeaderName::from_static);
    let trailers: HeaderMap =
        names.iter().map(|name| (name.clone(), HeaderValue::from_static("1"))).collect();
    let body = Full::new(Bytes::from("all of it")).with_trailers(async { Some(Ok(trailers)) });
    let request = http::Request::post("/")
        .header("host", HOST)
        .header("x-id-token", chain.token())
        .header("transfer-encoding", "chunked")
        .header("trailer", names.map(|it| it.to_string()).join(", "));
    let request = request.body(body.map_err(|never| match never {})).unwrap();
    assert_eq!(exchange(chain.gateway.address(), request).await.status(), 504);
    let text = region.text();
    assert!(text.ends_with("all of it\r\n0\r\nx-sum: 1\r\n\r\n"), "{text}");
}

#[tokio::test]
async fn answers_say_that_they_came_through_the_gateway() {
    let chain = Chain::start().await;
    // By the version of HTTP that the region answers in.
    assert_eq!(chain.get("/").await.header("via"), Some("2 remint"));
}
