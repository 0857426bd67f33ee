//! The chain of a flow, and what holds of each call that gets through it.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use bytes::Bytes;
use http::{Request, header};
use remint_emulator::timeline::Call;
use remint_emulator::{Backend, Config, Emulator, HostMapping, Protocol, Verdict};
use remint_kept::{keep, source};
use remint_tests::chain::{DOMAIN, Envoy, Gateway, PUSHER, SERVICE};
use remint_tests::client::{Answer, send};
use remint_tests::process::PATIENCE;
use remint_tests::shipped::{EnvoyConfig, built};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpSocket;

use crate::receiver::{Got, Receiver};

/// The gateway's account.
pub(crate) const GATEWAY: &str = "gateway@demo-project.iam.gserviceaccount.com";
/// As whom IAP calls what is behind it.
pub(crate) const IAP_AGENT: &str = "service-123456789012@gcp-sa-iap.iam.gserviceaccount.com";
/// The usual audience of the senders.
pub(crate) const URL: &str = "https://orders.example.com";

/// What differs from flow to flow.
pub(crate) struct Plan {
    pub(crate) google: Config,
    /// The policy of filter and gateway.
    pub(crate) policy: Value,
    /// The gateway's service.
    pub(crate) service: Value,
    /// What else its configuration has.
    pub(crate) gateway: Value,
    /// Whether it calls from the project's VPC network.
    pub(crate) is_in_vpc: bool,
    /// Where Envoy is going to listen.
    pub(crate) edge: SocketAddr,
    /// Where the receiver listens.
    pub(crate) receiver: SocketAddr,
}

impl Plan {
    /// The demo, whose service lets in the gateway alone and is the receiver.
    fn new(edge: SocketAddr, receiver: SocketAddr) -> Self {
        let mut google = Config::demo();
        google.hosts = vec![HostMapping { host: DOMAIN.to_owned(), addr: edge }];
        google.services[0].invokers = vec![GATEWAY.to_owned()];
        google.services[0].backend = Backend::Address { addr: receiver, protocol: Protocol::Http1 };
        let service = &google.services[0];
        let region = |it: &remint_emulator::ServiceRegion| json!({"name": it.name, "url": google.url(service, it)});
        let regions: Vec<Value> = service.regions.iter().map(region).collect();
        Self {
            policy: json!({"rules": [rule("flow", "/")]}),
            service: json!({"name": SERVICE, "rules": ["flow"], "regions": regions}),
            gateway: json!({}),
            is_in_vpc: false,
            google,
            edge,
            receiver,
        }
    }

    /// The first rule of the policy.
    pub(crate) fn rule(&mut self) -> &mut Value {
        &mut self.policy["rules"][0]
    }

    /// The gateway's regions in the place of the demo's.
    pub(crate) fn regions(&mut self, regions: &Value) {
        self.service["regions"] = regions.clone();
    }
}

/// A rule for the sender's account and the usual audience.
pub(crate) fn rule(name: &str, prefix: &str) -> Value {
    json!({
        "name": name,
        "match": {"hosts": [DOMAIN], "paths": [{"prefix": prefix}]},
        "audiences": [URL],
        "callers": {"emails": [PUSHER]},
    })
}

/// A running chain.
pub(crate) struct Flow {
    pub(crate) emulator: Emulator,
    pub(crate) gateway: Gateway,
    pub(crate) envoy: Envoy,
    pub(crate) receiver: Receiver,
    /// Keeps Envoy's port for it: the emulator has to know it before Envoy can
    /// know the emulator's.
    _port: TcpSocket,
    _folder: TempDir,
}

impl Flow {
    pub(crate) async fn start(change: impl FnOnce(&mut Plan)) -> Self {
        let port = TcpSocket::new_v4().unwrap();
        // Envoy's listeners share their ports in the same way.
        port.set_reuseport(true).unwrap();
        port.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let edge = port.local_addr().unwrap();
        let receiver = Receiver::start().await;
        let mut plan = Plan::new(edge, receiver.addr);
        change(&mut plan);
        let emulator = Emulator::start(plan.google.clone()).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let ca = folder.path().join("ca.pem");
        std::fs::write(&ca, emulator.ca_pem()).unwrap();
        let connect_to = connect_to(&emulator, &plan);
        let gateway = Gateway::start_with(&emulator, folder.path(), &ca, |config| {
            config["policy"] = plan.policy.clone();
            config["services"] = json!([plan.service]);
            config["upstream"]["connect_to"] = json!(connect_to);
            for (name, value) in plan.gateway.as_object().unwrap() {
                config[name] = value.clone();
            }
        })
        .await
        .unwrap();
        let config = envoy_config(&plan.policy, edge, emulator.google_addr(), gateway.address());
        let envoy = Envoy::with_workers(1, &config.trusted_ca(&ca), folder.path()).await.unwrap();
        assert_eq!(envoy.address(), edge);
        Self { emulator, gateway, envoy, receiver, _port: port, _folder: folder }
    }

    /// The calls that front ends of the service have seen.
    pub(crate) fn calls(&self) -> Vec<Call> {
        let calls = self.emulator.timeline().calls().into_iter();
        calls.filter(|call| call.service == SERVICE).collect()
    }

    /// The one call that a region has seen. It let it in as the gateway's, for
    /// that audience.
    pub(crate) fn accepted(&self, audience: &str) -> (Got, Call) {
        let (got, call) = self.accepted_from(GATEWAY);
        assert_eq!(call.audience.as_deref(), Some(audience));
        (got, call)
    }

    /// The same of another caller, whatever the audience.
    pub(crate) fn accepted_from(&self, caller: &str) -> (Got, Call) {
        let calls = self.calls();
        let [call] = <[Call; 1]>::try_from(calls).expect("one call");
        assert_eq!((call.verdict, call.caller.as_deref()), (Verdict::Accepted, Some(caller)));
        (self.received(), call)
    }

    /// The one request that the receiver has got. It has come through Envoy and
    /// the gateway, and no token of the sender's has come along.
    pub(crate) fn received(&self) -> Got {
        let [got] = <[Got; 1]>::try_from(self.receiver.got()).expect("one request");
        assert!(!got.header("x-envoy-expected-rq-timeout-ms").is_empty(), "{got:?}");
        let mut via = got.head.headers.get_all("via").iter();
        assert!(via.any(|value| value == "1.1 remint"), "{got:?}");
        let tokens = got.tokens();
        assert!(tokens.iter().all(|(claims, _)| claims["email"] != PUSHER), "{tokens:?}");
        got
    }

    /// The filter has refused requests for these reasons, in this order, and no
    /// others. None was left to the gateway.
    pub(crate) async fn refused(&mut self, codes: &[&str]) {
        for (place, code) in codes.iter().enumerate() {
            let refusal = self.envoy.refusal_number(place).await.unwrap();
            assert_eq!(refusal["reason"], *code, "{refusal}");
        }
        assert_eq!(self.envoy.refusals().len(), codes.len());
        let by_gateway = self.gateway.counter("remint_refusals_total").await.unwrap();
        assert_eq!(by_gateway, 0, "all were refused by the filter");
    }

    /// Nothing has got to a region.
    pub(crate) fn untouched(&self) {
        assert!(self.calls().is_empty(), "{:?}", self.calls());
        assert!(self.receiver.got().is_empty(), "{:?}", self.receiver.got());
    }

    /// Asks the emulator's metadata server for a token of the sender's account.
    pub(crate) async fn token(&self, audience: &str) -> String {
        let path = format!(
            "/computeMetadata/v1/instance/service-accounts/{PUSHER}/identity?audience={audience}&format=full"
        );
        let request = Request::get(path)
            .header(header::HOST, "metadata.google.internal")
            .header("metadata-flavor", "Google")
            .body(Bytes::new())
            .unwrap();
        let answer = send(self.emulator.google_addr(), request).await.unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.text()
    }

    /// Sends Envoy what `POST /orders` has with these headers.
    pub(crate) async fn post(&self, headers: &[(&str, String)]) -> Answer {
        let mut request = Request::post("/orders?id=7").header(header::HOST, DOMAIN);
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        send(self.envoy.address(), request.body(Bytes::from_static(b"an order")).unwrap())
            .await
            .unwrap()
    }

    /// Sends an API of Google's a document of that type, which is JSON.
    pub(crate) async fn api(&self, path: &str, kind: &str, document: &Value) -> Value {
        let request = Request::post(path)
            .header(header::HOST, "localhost")
            .header(header::CONTENT_TYPE, kind)
            .body(Bytes::from(document.to_string()))
            .unwrap();
        let answer = send(self.emulator.google_addr(), request).await.unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json().unwrap()
    }

    /// Waits until a subscription's messages fare like this.
    pub(crate) async fn pushed(
        &self,
        subscription: &str,
        like: impl Fn(&remint_emulator::pubsub::Counters) -> bool,
    ) {
        let mut deliveries = self.emulator.subscription(subscription).unwrap();
        let waited = tokio::time::timeout(PATIENCE, deliveries.wait_for(like)).await;
        let timeline = || self.emulator.timeline().all();
        assert!(waited.is_ok_and(|it| it.is_some()), "{:?} {:?}", deliveries, timeline());
    }

    pub(crate) async fn stop(self) {
        self.envoy.stop().await.unwrap();
        self.gateway.stop().await.unwrap();
        keep(source::TIMELINE, format!("{:?}", self.emulator.timeline().calls()));
        self.emulator.shutdown().await;
    }
}

/// Where the hosts of the gateway's configuration are on this machine.
fn connect_to(emulator: &Emulator, plan: &Plan) -> BTreeMap<String, String> {
    let google = emulator.google_addr();
    let to = if plan.is_in_vpc { emulator.vpc_addr() } else { google };
    let regions = plan.service["regions"].as_array().unwrap().iter();
    let hosts = regions.filter_map(|region| region["url"].as_str()?.strip_prefix("https://"));
    let hosts = hosts.map(|rest| (rest.split('/').next().unwrap_or_default(), to));
    let keys = ["www.googleapis.com", "www.gstatic.com"].map(|host| (host, google));
    hosts.chain(keys).map(|(host, to)| (format!("{host}:443"), to.to_string())).collect()
}

/// The shipped configuration at that address, with another policy.
fn envoy_config(
    policy: &Value,
    edge: SocketAddr,
    google: SocketAddr,
    gateway: SocketAddr,
) -> EnvoyConfig {
    let mut config = EnvoyConfig::shipped("envoy.yaml")
        .unwrap()
        .cluster("gateway", &[gateway])
        .cluster("google_keys", &[google])
        .module(&built("remint_filter.wasm").unwrap());
    let listener = &mut config.0["static_resources"]["listeners"][0];
    listener["address"]["socket_address"]["port_value"] = json!(edge.port());
    let clusters = config.0["static_resources"]["clusters"].as_array_mut().unwrap();
    let of_google = clusters.iter().find(|it| it["name"] == "google_keys").unwrap();
    clusters.push(of_iap(of_google));
    let plugin = config.plugin();
    plugin["policy"] = policy.clone();
    plugin["wait_for_keys"] = json!("20s");
    let named = policy["issuers"].as_array();
    let presets = named.map_or(vec!["google"], |all| {
        all.iter().map(|issuer| issuer["preset"].as_str().unwrap()).collect()
    });
    plugin["keys"] = presets
        .into_iter()
        .map(|name| (name.to_owned(), json!({"cluster": format!("{name}_keys"), "timeout": "5s"})))
        .collect::<serde_json::Map<_, _>>()
        .into();
    config
}

/// The cluster of IAP's keys, which are on another host.
fn of_iap(of_google: &Value) -> Value {
    let text = of_google.to_string();
    let text =
        text.replace("google_keys", "iap_keys").replace("www.googleapis.com", "www.gstatic.com");
    serde_json::from_str(&text).unwrap()
}
