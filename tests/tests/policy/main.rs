//! One policy and one table of requests: the core, the filter in Envoy and the
//! gateway decide alike about each of them.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    missing_docs,
    unreachable_pub,
    reason = "tests"
)]

mod cases;

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, header};
use remint_emulator::{Config, Emulator};
use remint_idtoken::keys::{KeySet, parse_jwks};
use remint_idtoken::{Authority, AwsLc, NoCache, Policy, Reason, Target};
use remint_kept::{keep_output, source};
use remint_tests::chain::{Envoy, Gateway};
use remint_tests::client::{Answer, send};
use remint_tests::shipped::{EnvoyConfig, built};
use serde_json::{Value, json};

use cases::{Case, Expected, World};

fn headers(case: &Case) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in &case.headers {
        headers.append(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
    }
    headers
}

async fn ask(to: SocketAddr, case: &Case) -> Answer {
    let mut request = Request::new(Bytes::new());
    *request.method_mut() = case.method.clone();
    *request.uri_mut() = case.path.parse().unwrap();
    *request.headers_mut() = headers(case);
    request.headers_mut().insert(header::HOST, HeaderValue::from_static(case.host));
    send(to, request).await.unwrap_or_else(|error| panic!("{}: {error}", case.name))
}

/// What became of a request, as its status and its log line tell.
fn outcome(refusal: &Value) -> (&str, &str) {
    (refusal["reason"].as_str().unwrap(), refusal["rule"].as_str().unwrap_or_default())
}

#[test]
fn the_core_decides_as_the_table_says() {
    let clock = Arc::new(remint_emulator::SystemClock);
    let google = remint_emulator::Issuer::new(remint_idtoken::Algorithm::Rs256, clock).unwrap();
    let world = World::new(&google);
    let policy = Policy::from_json(&world.policy().to_string()).unwrap();
    let mut authority = Authority::new(&policy, AwsLc);
    let (keys, _) =
        KeySet::load(&AwsLc, &parse_jwks(google.jwks().to_string().as_bytes()).unwrap()).unwrap();
    authority.set_keys("google", Some(Arc::new(keys)));
    let cases = cases::all(&world);
    assert!(cases.len() > 80, "{} cases", cases.len());
    for case in cases {
        let path = case.path.as_str();
        let target = Target::parse(case.host, path, case.method.as_str());
        let headers = headers(&case);
        let decision = policy.admit(&authority, &NoCache, target, &headers, google.now());
        let (name, expected) = (&case.name, &case.expected);
        match (&decision, expected) {
            (Ok(admission), Expected::Pass(verdict, rule)) => {
                assert_eq!(admission.verdict().name(), *verdict, "{name}");
                assert_eq!(&**admission.rule().name(), *rule, "{name}");
                assert_eq!(admission.caller().is_some(), *verdict == "verified", "{name}");
            }
            (Err(refusal), Expected::Refuse(reason, rule)) => {
                assert_eq!(refusal.reason.code(), *reason, "{name}: {refusal}");
                assert_eq!(refusal.rule_name().unwrap_or_default(), *rule, "{name}");
            }
            _ => panic!("{name}: expected {expected:?}, got {decision:?}"),
        }
    }
}

#[test]
fn every_reason_that_is_found_out_here_is_in_the_table() {
    let clock = Arc::new(remint_emulator::SystemClock);
    let google = remint_emulator::Issuer::new(remint_idtoken::Algorithm::Rs256, clock).unwrap();
    let cases = cases::all(&World::new(&google));
    let told = |reason: &Reason| {
        cases
            .iter()
            .any(|case| matches!(case.expected, Expected::Refuse(code, _) if code == reason.code()))
    };
    // Those take an outage, or a host without crypto: other tests have them.
    let of_outages = [Reason::KeysUnavailable, Reason::CheckUnavailable];
    let here = Reason::ALL.into_iter().filter(|it| it.is_of_verification());
    let missing: Vec<_> =
        here.filter(|it| !of_outages.contains(it) && !told(it)).map(Reason::code).collect();
    assert_eq!(missing, Vec::<&str>::new());
}

/// The request as a curl command.
fn curl(case: &Case) -> String {
    let quoted = |text: &str| format!("'{}'", text.replace('\'', r"'\''"));
    let url = quoted(&format!("https://{}{}", case.host, case.path));
    let header =
        |(name, value): &(&str, String)| format!("-H {}", quoted(&format!("{name}: {value}")));
    let headers: Vec<_> = case.headers.iter().map(header).collect();
    format!("curl -A test -X {} {url} {}", case.method, headers.join(" "))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_explainer_decides_as_the_table_says_and_prints_no_token() {
    let clock = Arc::new(remint_emulator::SystemClock);
    let google = remint_emulator::Issuer::new(remint_idtoken::Algorithm::Rs256, clock).unwrap();
    let world = World::new(&google);
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    let policy = json!({"policy": world.policy()}).to_string();
    std::fs::write(file("policy.yaml"), policy).unwrap();
    std::fs::write(file("google.json"), google.jwks().to_string()).unwrap();
    let program = built("remint").unwrap();
    for case in cases::all(&world) {
        // A URL can't be written as some of them are sent.
        if case.path.contains(|letter: char| !letter.is_ascii_graphic()) {
            continue;
        }
        std::fs::write(file("request"), curl(&case)).unwrap();
        let mut command = std::process::Command::new(&program);
        command.arg("explain").arg(file("policy.yaml")).arg("--keys").arg(folder.path());
        let output = command.args(["curl", "--json"]).arg(file("request")).output().unwrap();
        keep_output(source::REMINT, &output, None);
        let text = String::from_utf8(output.stdout).unwrap();
        let failed = String::from_utf8(output.stderr).unwrap();
        assert!(failed.is_empty(), "{}: {failed}", case.name);
        let told: Value = serde_json::from_str(&text).unwrap();
        match case.expected {
            Expected::Pass(..) => assert_eq!(told["admitted"], true, "{}: {text}", case.name),
            Expected::Refuse(reason, rule) => {
                assert_eq!(outcome(&told["refusal"]), (reason, rule), "{}: {text}", case.name);
            }
        }
        for (_, value) in &case.headers {
            let token = value.rsplit(' ').next().unwrap_or_default();
            let has_parts = token.matches('.').count() == 2 && token.len() > 100;
            assert!(!has_parts || !text.contains(token), "{}", case.name);
        }
    }
}

/// An Envoy that hands paths to the filter as they came, so that the filter
/// itself has to tell the unsafe ones.
async fn envoy(emulator: &Emulator, policy: Value, folder: &std::path::Path) -> Envoy {
    let ca = folder.join("ca.pem");
    std::fs::write(&ca, emulator.ca_pem()).unwrap();
    let mut config = EnvoyConfig::shipped("envoy.yaml")
        .unwrap()
        .cluster("google_keys", &[emulator.google_addr()])
        .trusted_ca(&ca)
        .module(&built("remint_filter.wasm").unwrap());
    config.plugin()["policy"] = policy;
    let manager = config.manager();
    manager["normalize_path"] = json!(false);
    manager["merge_slashes"] = json!(false);
    manager["path_with_escaped_slashes_action"] = json!("KEEP_UNCHANGED");
    config.answer_200();
    Envoy::start(&config, folder).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_filter_decides_as_the_table_says() {
    let emulator = Emulator::start(Config::demo()).await.unwrap();
    let world = World::new(emulator.issuer());
    let folder = tempfile::tempdir().unwrap();
    let mut envoy = envoy(&emulator, world.policy(), folder.path()).await;
    let mut refusals = 0;
    for case in cases::all(&world) {
        let answer = ask(envoy.address(), &case).await;
        match case.expected {
            Expected::Pass(..) => assert_eq!(answer.status, 200, "{}", case.name),
            Expected::Refuse(..) if answer.status == 400 => {
                // Envoy itself refuses NUL and the like.
                assert!(case.path.contains("%00"), "{}", case.name);
            }
            Expected::Refuse(reason, rule) => {
                let refusal = envoy.refusal_number(refusals).await.unwrap();
                refusals += 1;
                assert_eq!(outcome(&refusal), (reason, rule), "{}: {refusal}", case.name);
                assert_eq!(answer.status.as_u16(), refusal["status"], "{}", case.name);
            }
        }
    }
    envoy.stop().await.unwrap();
    emulator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_gateway_decides_as_the_table_says() {
    let emulator = Emulator::start(Config::demo()).await.unwrap();
    let world = World::new(emulator.issuer());
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("ca.pem");
    std::fs::write(&ca, emulator.ca_pem()).unwrap();
    let policy = world.policy();
    let rules: Vec<Value> =
        policy["rules"].as_array().unwrap().iter().map(|rule| rule["name"].clone()).collect();
    let mut gateway = Gateway::start_with(&emulator, folder.path(), &ca, |config| {
        config["policy"] = policy;
        config["services"][0]["rules"] = json!(rules);
    })
    .await
    .unwrap();
    let (mut refusals, mut reported) = (0, 0);
    for case in cases::all(&world) {
        let answer = ask(gateway.address(), &case).await;
        match case.expected {
            Expected::Pass(verdict, _) => {
                assert_eq!(answer.status, 200, "{}", case.name);
                // Those who pass only on trial are logged like refusals.
                refusals += usize::from(verdict == "reported");
                reported += u64::from(verdict == "reported");
            }
            Expected::Refuse(reason, rule) => {
                let refusal = gateway.refusal_number(refusals).await.unwrap();
                refusals += 1;
                assert_eq!(outcome(&refusal), (reason, rule), "{}: {refusal}", case.name);
                assert_eq!(answer.status.as_u16(), refusal["status"], "{}", case.name);
            }
        }
    }
    assert_eq!(gateway.counter("remint_reported_total").await.unwrap(), reported);
    gateway.stop().await.unwrap();
    emulator.shutdown().await;
}
