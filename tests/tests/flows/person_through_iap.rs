//! A person signs in; IAP stands in front of Envoy, whose filter verifies what
//! IAP says, and the region learns who it is.

use bytes::Bytes;
use http::{HeaderMap, Method, Request, header};
use remint_emulator::{
    Backend, Iap, IapIdentity, LoadBalancer, Picking, Protocol, Service, ServiceRegion,
};
use remint_tests::chain::DOMAIN;
use remint_tests::client::{Answer, get, send};
use remint_tests::shipped::workspace;
use serde_json::{Value, json};

use crate::flow::{Flow, IAP_AGENT, Plan};
use crate::receiver::verified;

const PERSON: &str = "person@example.com";
const GUEST: &str = "guest@example.com";
const AUDIENCE: &str = "/projects/123456789012/global/backendServices/42";
const GATEWAY_S: &str = "https://gateway.example.com";
const ASSERTION: &str = "x-goog-iap-jwt-assertion";

/// IAP before a service whose container is Envoy. It lets in both of them, the
/// policy the person alone.
fn behind_iap(plan: &mut Plan) {
    plan.google.services.push(Service {
        name: "edge".to_owned(),
        regions: vec![ServiceRegion::new("us-central1")],
        invokers: vec![IAP_AGENT.to_owned()],
        backend: Backend::Address { addr: plan.edge, protocol: Protocol::Http1 },
        ..Service::default()
    });
    plan.google.hosts.clear();
    plan.google.load_balancers = vec![LoadBalancer {
        host: DOMAIN.to_owned(),
        port: 0,
        service: "edge".to_owned(),
        picking: Picking::Nearest,
        iap: Some(Iap {
            enabled: true,
            client_id: "123-abc.apps.googleusercontent.com".to_owned(),
            backend_service: 42,
            users: [PERSON, GUEST].map(str::to_owned).into(),
            identity: IapIdentity::ServiceAgent,
        }),
    }];
    plan.policy["issuers"] = json!([{"preset": "iap"}]);
    plan.rule()["audiences"] = json!([AUDIENCE]);
    plan.rule()["callers"] = json!({"emails": [PERSON]});
    plan.service["rules"] = json!([{"rule": "flow", "pass_caller_token": true}]);
    let keys = workspace().join("tests/tests/configuration/assertion-keys.json");
    plan.gateway = json!({"assertion": {"issuer": GATEWAY_S, "keys": keys}});
}

/// A browser, which keeps cookies.
struct Browser<'f> {
    flow: &'f Flow,
    cookies: Vec<(String, String)>,
}

impl<'f> Browser<'f> {
    fn new(flow: &'f Flow) -> Self {
        Self { flow, cookies: Vec::new() }
    }

    async fn ask(&mut self, method: Method, path: &str, body: &str) -> Answer {
        let cookies: Vec<String> =
            self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, DOMAIN)
            .header(header::ACCEPT, "text/html,*/*;q=0.8")
            .header(header::COOKIE, cookies.join("; "))
            .body(Bytes::from(body.to_owned()))
            .unwrap();
        let balancer = self.flow.emulator.load_balancer(DOMAIN).unwrap();
        let answer = send(balancer, request).await.unwrap();
        for set in answer.headers.get_all(header::SET_COOKIE) {
            let set = set.to_str().unwrap();
            let (name, value) = set.split(';').next().unwrap().split_once('=').unwrap();
            self.cookies.retain(|(other, _)| other != name);
            if !set.contains("Max-Age=0") {
                self.cookies.push((name.to_owned(), value.to_owned()));
            }
        }
        answer
    }

    /// Asks for a page, is led to the sign-in, and picks somebody there; then
    /// follows where that leads.
    async fn sign_in(&mut self, path: &str, email: &str) -> Answer {
        let led = self.ask(Method::GET, path, "").await;
        assert_eq!(led.status, 302, "{}", led.text());
        let page = led.header("location").to_owned();
        let shown = self.ask(Method::GET, &page, "").await;
        assert_eq!(shown.status, 200);
        let (_, state) = page.split_once("state=").unwrap();
        let form = format!("state={state}&email={}", email.replace('@', "%40"));
        let signed_in = self.ask(Method::POST, "/_gcp_iap/sign_in", &form).await;
        assert_eq!(signed_in.status, 303, "{}", signed_in.text());
        let back = signed_in.header("location").to_owned();
        self.ask(Method::GET, &back, "").await
    }
}

/// What the gateway says of the caller, verified by its public keys.
async fn checked(flow: &Flow, assertion: &str, region: &str) {
    let jwks = get(flow.gateway.admin(), "/.well-known/remint/jwks.json").await.unwrap();
    let policy = json!({
        "issuers": [{
            "name": "gateway", "issuer": GATEWAY_S, "algorithms": ["ES256"],
            "inline_keys": {"jwks": jwks.json().unwrap(), "valid_for": "forever"},
            "tokens": [{"header": "x-remint-assertion"}],
        }],
        "rules": [{
            "name": "region", "match": {}, "audiences": [region], "callers": {"emails": [PERSON]},
        }],
    });
    let mut headers = HeaderMap::new();
    headers.insert("x-remint-assertion", assertion.parse().unwrap());
    let now = flow.emulator.issuer().now();
    assert_eq!(verified(&policy, "gateway", &jwks.json().unwrap(), &headers, now), Ok(()));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_signs_in_at_iap_is_known_in_the_region() {
    let flow = Flow::start(behind_iap).await;
    let mut browser = Browser::new(&flow);
    let page = browser.sign_in("/orders?page=2", PERSON).await;
    assert_eq!(page.status, 200, "{}", page.text());

    let call = flow.calls().pop().unwrap();
    let region = flow.emulator.region("orders", &call.region).unwrap().url().to_owned();
    let (got, _) = flow.accepted(&region);
    assert_eq!(got.head.uri.to_string(), "/orders?page=2");
    assert!(got.header("cookie").is_empty(), "the session is IAP's alone");
    let tokens = got.tokens();
    let of = |issuer: &str| {
        let mut all = tokens.iter().filter(|(claims, _)| claims["iss"] == issuer);
        let found = all.next().unwrap_or_else(|| panic!("{issuer}: {tokens:?}"));
        assert!(all.next().is_none(), "{tokens:?}");
        found.0.clone()
    };
    let iap = of("https://cloud.google.com/iap");
    assert_eq!((&iap["email"], &iap["aud"]), (&json!(PERSON), &json!(AUDIENCE)));
    let iap_s = json!({"preset": "iap", "inline_keys": {"jwks": flow.emulator.iap().jwks(), "valid_for": "forever"}});
    let policy: Value = json!({
        "issuers": [iap_s],
        "rules": [{"name": "r", "match": {}, "audiences": [AUDIENCE], "callers": {"emails": [PERSON]}}],
    });
    let now = flow.emulator.issuer().now();
    let passed = verified(&policy, "iap", &flow.emulator.iap().jwks(), &got.head.headers, now);
    assert_eq!(passed, Ok(()), "IAP's assertion comes whole");
    let said = of(GATEWAY_S);
    assert_eq!((&said["email"], &said["original_aud"]), (&json!(PERSON), &json!(AUDIENCE)));
    assert_eq!(said["original_iss"], "https://cloud.google.com/iap");
    checked(&flow, got.header("x-remint-assertion"), &region).await;
    flow.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_iap_or_the_policy_does_not_know_does_not_reach_a_region() {
    let mut flow = Flow::start(behind_iap).await;
    let stranger = Browser::new(&flow).sign_in("/orders", "stranger@example.com").await;
    assert_eq!(stranger.status, 403);
    assert_eq!(stranger.header("x-goog-iap-generated-response"), "true");
    assert!(flow.emulator.timeline().calls().is_empty(), "IAP has refused it");
    let guest = Browser::new(&flow).sign_in("/orders", GUEST).await;
    assert_eq!(guest.status, 403);
    assert_eq!(guest.header("x-goog-iap-generated-response"), "");
    // Past IAP nobody can say that they are somebody.
    assert_eq!(flow.post(&[]).await.status, 401);
    assert_eq!(
        flow.post(&[("x-goog-authenticated-user-email", PERSON.to_owned())]).await.status,
        401
    );
    let forged = flow.post(&[(ASSERTION, flow.token(AUDIENCE).await)]).await;
    assert_eq!(forged.status, 401);
    flow.refused(&["caller_not_allowed", "token_missing", "token_missing", "iss_unknown"]).await;
    flow.untouched();
    flow.stop().await;
}
