//! The gateway: its log, its figures, what it tells its callers.

use std::collections::BTreeMap;
use std::path::Path;

use remint_emulator::{Config, Emulator};
use remint_idtoken::{Reason, Teller};
use remint_tests::chain::Gateway;
use remint_tests::client::get;
use serde_json::{Value, json};

use crate::cases::{Case, Expected, World};
use crate::told::{Told, figure, holds_none_of, is_well_told, reason};
use crate::{ask, front_ends, outcome};

/// A gateway with the policy of the table.
async fn gateway(emulator: &Emulator, world: &World<'_>, folder: &Path) -> Gateway {
    let ca = folder.join("ca.pem");
    std::fs::write(&ca, emulator.ca_pem()).unwrap();
    let policy = world.policy();
    let rules: Vec<Value> =
        policy["rules"].as_array().unwrap().iter().map(|rule| rule["name"].clone()).collect();
    let start = Gateway::launch(None, emulator, folder, &ca, |config| {
        config["policy"] = policy;
        config["services"][0]["rules"] = json!(rules);
    });
    start.await.unwrap()
}

/// All figures, in Prometheus form.
pub async fn figures(gateway: &Gateway) -> String {
    get(gateway.admin(), "/metrics").await.unwrap().text()
}

fn tokens(cases: &[Case]) -> impl Iterator<Item = &str> {
    cases.iter().flat_map(|case| &case.headers).map(|(_, value)| value.as_str())
}

#[tokio::test(flavor = "multi_thread")]
async fn it_decides_as_the_table_says_and_tells_every_reason_in_log_and_figures() {
    let mut told = Told::by(Teller::Gateway);
    let emulator = Emulator::start(Config::demo()).await.unwrap();
    let world = World::new(emulator.issuer());
    let folder = tempfile::tempdir().unwrap();
    let mut gateway = gateway(&emulator, &world, folder.path()).await;
    gateway.ready().await.unwrap();
    let (mut refusals, mut reported) = (0, 0);
    let mut counts = BTreeMap::<(&str, &str), u64>::new();
    let cases = crate::cases::all(&world);
    for case in &cases {
        let answer = ask(gateway.address(), case).await;
        match case.expected {
            Expected::Pass(verdict, _) => {
                assert_eq!(answer.status, 200, "{}", case.name);
                // Those who pass only on trial are logged like refusals.
                refusals += usize::from(verdict == "reported");
                reported += u64::from(verdict == "reported");
            }
            Expected::Refuse(code, rule) => {
                let refusal = gateway.refusal_number(refusals).await.unwrap();
                refusals += 1;
                assert_eq!(outcome(&refusal), (code, rule), "{}: {refusal}", case.name);
                assert_eq!(answer.status.as_u16(), refusal["status"], "{}", case.name);
                assert!(!answer.text().contains(code), "its caller is told no reason");
                is_well_told(&refusal, reason(code), &case.name);
                told.add(reason(code));
                *counts.entry((rule, code)).or_default() += 1;
            }
        }
    }
    assert_eq!(gateway.counter("remint_reported_total").await.unwrap(), reported);
    let text = figures(&gateway).await;
    for ((rule, code), count) in counts {
        let labels = [("rule", rule), ("reason", code)];
        assert_eq!(figure(&text, "remint_refusals_total", &labels), count, "{rule} {code}");
    }
    holds_none_of(&gateway.lines().join("\n"), tokens(&cases));
    gateway.stop().await.unwrap();
    emulator.shutdown().await;
    told.add(an_outage_of_the_key_server_is_told().await);
    for reason in front_ends::are_told().await {
        told.add(reason);
    }
    told.add(front_ends::a_mint_that_is_denied_is_told().await);
    told.hears_all();
}

async fn an_outage_of_the_key_server_is_told() -> Reason {
    let emulator = Emulator::start(Config::demo()).await.unwrap();
    emulator.faults().keys_down();
    let world = World::new(emulator.issuer());
    let folder = tempfile::tempdir().unwrap();
    let mut gateway = gateway(&emulator, &world, folder.path()).await;
    let cases = crate::cases::all(&world);
    let of_google = Expected::Pass("verified", "senders");
    let case = cases.iter().find(|case| case.expected == of_google).unwrap();
    let answer = ask(gateway.address(), case).await;
    assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (503, "5"));
    let refusal = gateway.refusal_number(0).await.unwrap();
    is_well_told(&refusal, Reason::KeysUnavailable, "an outage");
    let url = "https://www.googleapis.com/oauth2/v3/certs";
    assert_eq!(refusal["command"], format!("curl --silent --show-error --include {url}"));
    let labels = [("rule", "senders"), ("reason", Reason::KeysUnavailable.code())];
    assert_eq!(figure(&figures(&gateway).await, "remint_refusals_total", &labels), 1);
    holds_none_of(&gateway.lines().join("\n"), tokens(&cases));
    gateway.stop().await.unwrap();
    emulator.shutdown().await;
    Reason::KeysUnavailable
}
