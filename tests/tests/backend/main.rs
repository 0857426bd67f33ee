//! What backends, access logs, statistics and callers are told by the filter
//! in a real Envoy.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests"
)]

mod answers;
mod telling;

use std::net::SocketAddr;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, header};
use remint_emulator::{AssertionRequest, Config, Emulator, IapResource, TokenRequest};
use remint_kept::Exception;
use remint_tests::chain::{DOMAIN, Envoy, PUSHER};
use remint_tests::client::{Answer, send_to_echo};
use remint_tests::server::Server;
use remint_tests::shipped::{EnvoyConfig, built};
use serde_json::{Value, json};
use tempfile::TempDir;

const USER: &str = "user@example.com";

/// The shipped Envoy with rules of every kind, in front of a backend that
/// shows what it gets. Keys of Google and of IAP are fetched.
struct World {
    emulator: Emulator,
    envoy: Envoy,
    _backend: Server,
    _folder: TempDir,
}

impl World {
    /// Starts it, with these settings of the plugin beside the policy.
    async fn start(workers: u32, settings: Value) -> Self {
        let emulator = Emulator::start(Config::demo()).await.unwrap();
        let backend = Server::echo().await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let ca = folder.path().join("ca.pem");
        std::fs::write(&ca, emulator.ca_pem()).unwrap();
        let mut config = EnvoyConfig::shipped("envoy.yaml")
            .unwrap()
            .cluster("gateway", &[backend.address()])
            .cluster("google_keys", &[emulator.google_addr()])
            .trusted_ca(&ca)
            .module(&built("remint_filter.wasm").unwrap())
            .plain_cluster("iap_keys", emulator.google_addr());
        config.manager()["http2_protocol_options"] = json!({});
        *config.plugin() = plugin(&settings);
        let envoy = Envoy::with_workers(workers, &config, folder.path()).await.unwrap();
        Self { emulator, envoy, _backend: backend, _folder: folder }
    }

    fn address(&self) -> SocketAddr {
        self.envoy.address()
    }

    fn token(&self, account: &str) -> String {
        let audience = format!("https://{DOMAIN}");
        self.emulator.issuer().mint(&TokenRequest::new(account, audience))
    }

    fn assertion(&self) -> String {
        let resource = IapResource::BackendService { project: 1, id: 2 };
        self.emulator.iap().mint_assertion(&AssertionRequest::new(USER, resource))
    }

    /// A `POST` with these headers.
    async fn post(&self, path: &str, headers: &[(&'static str, &str)]) -> Answer {
        let mut request =
            Request::post(path).header(header::HOST, DOMAIN).body(Bytes::new()).unwrap();
        for (name, value) in headers {
            let value = HeaderValue::from_str(value).unwrap();
            request.headers_mut().append(HeaderName::from_static(name), value);
        }
        let meant = Exception::EchoShowsWhatItGot;
        send_to_echo(self.address(), request, meant).await.unwrap()
    }

    async fn stop(self) {
        self.envoy.stop().await.unwrap();
        self.emulator.shutdown().await;
    }
}

fn plugin(settings: &Value) -> Value {
    let google = json!({"issuers": ["google"], "audiences": [format!("https://{DOMAIN}")],
        "callers": {"emails": [PUSHER]}});
    let iap = json!({"issuers": ["iap"], "callers": {"emails": [USER]},
        "audiences": ["/projects/1/global/backendServices/2"]});
    let rule = |name: &str, more: &Value| {
        let matching = json!({"paths": [{"prefix": format!("/{name}")}]});
        let mut rule = json!({"name": name, "match": matching});
        for (name, value) in more.as_object().unwrap() {
            rule[name] = value.clone();
        }
        rule
    };
    let mut trial = google.clone();
    trial["mode"] = json!("report");
    let mut plugin = json!({
        "policy": {
            "issuers": [
                {"preset": "google"},
                {"preset": "iap", "jwks_uri": "http://127.0.0.1/iap/verify/public_key-jwk"},
            ],
            "rules": [
                rule("push", &google),
                rule("people", &iap),
                rule("both", &json!({"all_of": [iap, google]})),
                rule("trial", &trial),
                rule("open", &json!({"anonymous": true})),
            ],
        },
        "keys": {"google": {"cluster": "google_keys"}, "iap": {"cluster": "iap_keys"}},
        "wait_for_keys": "20s",
        "properties": true,
    });
    for (name, value) in settings.as_object().unwrap() {
        plugin[name] = value.clone();
    }
    plugin
}

fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}
