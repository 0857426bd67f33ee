//! The ways of checking a signature, in this process and in a real Envoy.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode, header};
use remint_idtoken::keys::parse_jwks;
use remint_idtoken::{PublicKey, SignatureScheme};
use remint_tests::chain::Envoy;
use remint_tests::client::{Answer, send};
use remint_tests::shipped::{EnvoyConfig, test_module};
use serde_json::{Value, json};

use crate::sets::{Case, Group, base64};

/// Cases in one request: each has less than 6 kB, and Envoy holds 1 MiB.
const BATCH: usize = 100;

/// The key of a JWK, unless the reader of key sets refuses it.
fn key(jwk: &Value) -> Option<PublicKey> {
    let set = parse_jwks(json!({"keys": [jwk]}).to_string().as_bytes()).ok()?;
    Some(set.keys()[0].1.clone())
}

/// The calls, in both directions, that a bare host and the module have in
/// common.
const ALLOWED: [&str; 12] = [
    "proxy_on_memory_allocate",
    "proxy_on_context_create",
    "proxy_on_vm_start",
    "proxy_on_configure",
    "proxy_on_request_headers",
    "proxy_on_request_body",
    "proxy_on_done",
    "proxy_on_log",
    "proxy_on_delete",
    "proxy_log",
    "proxy_get_buffer_bytes",
    "proxy_send_local_response",
];

/// Whether the reader of key sets takes this key.
pub(crate) fn is_key(jwk: &Value) -> bool {
    key(jwk).is_some()
}

/// Whether a scheme in this process takes this key.
pub(crate) fn loads<S: SignatureScheme>(scheme: &S, jwk: &Value) -> bool {
    scheme.load(&key(jwk).unwrap()).is_ok()
}

/// What a scheme in this process says of each case: `valid` or `invalid`.
pub(crate) fn natively<S: SignatureScheme>(scheme: &S, group: &Group) -> Vec<String> {
    let key = scheme.load(&key(&group.key).unwrap()).unwrap();
    let verdict = |case: &Case| match scheme.verify(&key, &case.message, &case.signature) {
        Ok(()) => "valid".to_owned(),
        Err(_) => "invalid".to_owned(),
    };
    group.cases.iter().map(verdict).collect()
}

/// An Envoy with the module that checks signatures by order.
pub(crate) struct Proxy(Envoy);

impl Proxy {
    /// One that gives its modules whatever they ask for.
    pub(crate) async fn start(folder: &Path) -> io::Result<Self> {
        Self::start_with(config()?, folder).await
    }

    /// One that keeps its functions to itself, as Google's plugin host does.
    pub(crate) async fn start_without_functions(folder: &Path) -> io::Result<Self> {
        let mut config = config()?;
        config.allow_only(&ALLOWED);
        Self::start_with(config, folder).await
    }

    async fn start_with(config: EnvoyConfig, folder: &Path) -> io::Result<Self> {
        Envoy::start(&config, folder).await.map(Self)
    }

    /// What a scheme in this Envoy says of each case.
    pub(crate) async fn verdicts(&self, scheme: &str, group: &Group) -> Vec<String> {
        let mut verdicts = Vec::new();
        for cases in group.cases.chunks(BATCH) {
            let answer = self.order(scheme, &group.key, cases, 1).await;
            assert_eq!(answer.status, StatusCode::OK, "{}: {}", group.set, answer.text());
            let words: Vec<String> = serde_json::from_slice(&answer.body).unwrap();
            assert_eq!(words.len(), cases.len(), "{}", group.set);
            verdicts.extend(words);
        }
        verdicts
    }

    /// How long Envoy works on one check of this case: the difference that
    /// many make, so that all the rest does not count.
    pub(crate) async fn work(&self, scheme: &str, key: &Value, case: &Case) -> Duration {
        const MORE: u32 = 500;
        let case = std::slice::from_ref(case);
        let mut best = [Duration::MAX; 2];
        for _ in 0..5 {
            for (best, times) in best.iter_mut().zip([1, 1 + MORE]) {
                let before = self.0.worked().unwrap();
                self.order(scheme, key, case, times).await;
                *best = (self.0.worked().unwrap() - before).min(*best);
            }
        }
        best[1].saturating_sub(best[0]) / MORE
    }

    /// Sends one order.
    pub(crate) async fn order(
        &self,
        scheme: &str,
        key: &Value,
        cases: &[Case],
        times: u32,
    ) -> Answer {
        let case = |case: &Case| json!({"message": base64(&case.message), "signature": base64(&case.signature)});
        let cases: Vec<Value> = cases.iter().map(case).collect();
        let order = json!({"scheme": scheme, "key": key, "times": times, "cases": cases});
        post(self.0.address(), order.to_string()).await.unwrap()
    }

    pub(crate) async fn stop(self) {
        self.0.stop().await.unwrap();
    }
}

fn config() -> io::Result<EnvoyConfig> {
    let mut config =
        EnvoyConfig::shipped("envoy.yaml")?.module(&test_module("remint_vectors.wasm")?);
    // No backend: the module answers everything.
    config.answer_200();
    // The module reads whole bodies.
    config.0["static_resources"]["listeners"][0]["per_connection_buffer_limit_bytes"] =
        json!(1 << 20);
    *config.plugin() = json!({});
    // Without this Envoy keeps the body from a module that has stopped the
    // headers, and would answer by itself for one that has not.
    config.filter()["typed_config"]["config"]["allow_on_headers_stop_iteration"] = json!(true);
    Ok(config)
}

async fn post(to: SocketAddr, body: String) -> io::Result<Answer> {
    let request = Request::post("/").header(header::HOST, "vectors.example");
    send(to, request.body(Bytes::from(body)).unwrap()).await
}
