//! The filter in Envoy: its log, its figures, the access log.

use std::collections::BTreeMap;
use std::path::Path;

use remint_emulator::{Config, Emulator, TokenRequest};
use remint_idtoken::{Algorithm, Reason, Teller};
use remint_tests::attack::bearer;
use remint_tests::chain::{DOMAIN, Edge, Envoy, PUSHER};
use remint_tests::client::{get, send};
use remint_tests::process::PATIENCE;
use remint_tests::server::KeyServer;
use remint_tests::shipped::EnvoyConfig;
use serde_json::{Value, json};

use crate::cases::{Expected, World};
use crate::told::{Told, figure, holds_none_of, is_well_told, reason};
use crate::{ask, outcome};

/// How often each reason was told, by rule.
type Counts = BTreeMap<(String, &'static str), u64>;

/// An Envoy that hands paths to the filter as they came, so that the filter
/// itself has to tell the unsafe ones.
async fn envoy(emulator: &Emulator, policy: Value, folder: &Path) -> Envoy {
    let mut config = EnvoyConfig::filter_alone(emulator, policy, folder).unwrap();
    let manager = config.manager();
    manager["normalize_path"] = json!(false);
    manager["merge_slashes"] = json!(false);
    manager["path_with_escaped_slashes_action"] = json!("KEEP_UNCHANGED");
    Envoy::start(&config, folder).await.unwrap()
}

/// Waits until Envoy's figures say so: it is told of requests at the filter's
/// next tick.
async fn are_counted(envoy: &Envoy, counts: &Counts) {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    let mut pause = tokio::time::interval(std::time::Duration::from_millis(50));
    loop {
        let text = get(envoy.admin(), "/stats/prometheus").await.unwrap().text();
        let counted = |(rule, code): &(String, &str)| {
            let labels = [("rule", rule.as_str()), ("verdict", "refused"), ("reason", *code)];
            figure(&text, "remint_requests", &labels)
        };
        let wrong: Vec<_> = counts.iter().filter(|(key, count)| counted(key) != **count).collect();
        if wrong.is_empty() {
            return;
        }
        assert!(tokio::time::Instant::now() < deadline, "{wrong:?} in\n{text}");
        pause.tick().await;
    }
}

/// The access log's line about the same request has the same code.
async fn is_in_the_access_log(envoy: &mut Envoy, refusal: &Value, code: &str) {
    let found = envoy.wait_for(|line| {
        let line: Value = serde_json::from_str(line).ok()?;
        let is_it = line["request_id"] == refusal["request_id"] && line["verdict"] == "refused";
        is_it.then(|| line["reason"].clone())
    });
    assert_eq!(found.await.unwrap(), code, "{refusal}");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_decides_as_the_table_says_and_tells_every_reason_in_log_figures_and_access_log() {
    let emulator = Emulator::start(Config::demo()).await.unwrap();
    let world = World::new(emulator.issuer());
    let folder = tempfile::tempdir().unwrap();
    let mut envoy = envoy(&emulator, world.policy(), folder.path()).await;
    let (mut refusals, mut told, mut counts) = (0, Told::by(Teller::Filter), Counts::new());
    let (cases, mut logged) = (crate::cases::all(&world), Vec::new());
    for case in &cases {
        let answer = ask(envoy.address(), case).await;
        match case.expected {
            Expected::Pass(..) => assert_eq!(answer.status, 200, "{}", case.name),
            Expected::Refuse(..) if answer.status == 400 => {
                // Envoy itself refuses NUL and the like.
                assert!(case.path.contains("%00"), "{}", case.name);
            }
            Expected::Refuse(code, rule) => {
                let refusal = envoy.refusal_number(refusals).await.unwrap();
                refusals += 1;
                assert_eq!(outcome(&refusal), (code, rule), "{}: {refusal}", case.name);
                assert_eq!(answer.status.as_u16(), refusal["status"], "{}", case.name);
                is_well_told(&refusal, reason(code), &case.name);
                logged.push((refusal, code));
                told.add(reason(code));
                let rule = if rule.is_empty() { "none" } else { rule };
                *counts.entry((rule.to_owned(), code)).or_default() += 1;
            }
        }
    }
    are_counted(&envoy, &counts).await;
    // Envoy writes it every ten seconds.
    for (refusal, code) in &logged {
        is_in_the_access_log(&mut envoy, refusal, code).await;
    }
    let tokens = cases.iter().flat_map(|case| &case.headers).map(|(_, value)| value.as_str());
    holds_none_of(&envoy.lines().join("\n"), tokens);
    envoy.stop().await.unwrap();
    emulator.shutdown().await;
    told.add(an_outage_of_the_key_server_is_told().await);
    told.hears_all();
}

async fn an_outage_of_the_key_server_is_told() -> Reason {
    let keys = KeyServer::start(Algorithm::Rs256).await.unwrap();
    keys.goes_down();
    let issuers = [("google", "https://accounts.google.com", &keys)];
    let start = Edge::start(1, &issuers, json!({}), |config| {
        config.plugin()["wait_for_keys"] = json!("0s");
        config.plugin()["properties"] = json!(true);
    });
    let mut edge = start.await.unwrap();
    let token = keys.issuer.mint(&TokenRequest::new(PUSHER, format!("https://{DOMAIN}")));
    let request = http::Request::post("/push")
        .header("host", DOMAIN)
        .header("authorization", bearer(&token))
        .body(bytes::Bytes::new());
    let answer = send(edge.address(), request.unwrap()).await.unwrap();
    assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (503, "5"));
    let refusal = edge.envoy.refusal_number(0).await.unwrap();
    is_well_told(&refusal, Reason::KeysUnavailable, "an outage");
    let fetch = format!("curl --silent --show-error --include {}", keys.url());
    assert_eq!(refusal["command"], fetch);
    is_in_the_access_log(&mut edge.envoy, &refusal, Reason::KeysUnavailable.code()).await;
    let counts = [(("push".to_owned(), Reason::KeysUnavailable.code()), 1)];
    are_counted(&edge.envoy, &Counts::from(counts)).await;
    edge.stop().await.unwrap();
    Reason::KeysUnavailable
}
