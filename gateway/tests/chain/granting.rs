//! The bindings that `remint check --print-iam` lists are those with which the
//! gateway serves: with one less it does not.

use std::path::Path;
use std::process::Command;

use remint_emulator::Grant;
use serde_json::{Value, json};

use crate::binary::remint;
use crate::identity::{GATEWAY, MIDDLE, RUNNER, chain, google, grant, with_identity};
use crate::kept::said;
use crate::support::{Chain, Folder, Google, configuration, eventually};

/// Stands for the machine's account, which the configuration does not tell.
const MACHINE: &str = "ACCOUNT_OF_THIS_MACHINE";

/// A binding as `gcloud` is told of it.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Binding {
    OnAccount(Grant),
    OnService { region: String, member: String },
}

/// The machine's account gets tokens of another one, by way of a third.
fn identity(google: &Google) -> Value {
    json!({ "impersonate": {
        "service_account": GATEWAY,
        "delegates": [MIDDLE],
        "source": { "metadata": { "host": google.emulator.google_addr().to_string() } },
    }})
}

fn script_for(file: &Path) -> String {
    let output = said(remint().arg("check").arg(file).arg("--print-iam"));
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// What a shell makes of a script: the arguments of each `gcloud` in it.
fn calls(script: &str) -> Vec<Vec<String>> {
    let recorder = "set -eu\ngcloud() { printf '%s\\n' \"$@\"; echo; }\n";
    let output = Command::new("sh").arg("-c").arg(format!("{recorder}{script}")).output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let calls = text.trim_end().split("\n\n");
    calls.map(|call| call.lines().map(str::to_owned).collect()).collect()
}

impl Binding {
    fn of(call: &[String]) -> Self {
        let words: Vec<&str> = call.iter().map(String::as_str).collect();
        let flag = |name: &str| {
            let value = |word: &&str| word.strip_prefix(name).map(str::to_owned);
            words.iter().find_map(value).unwrap_or_else(|| panic!("no {name} in {words:?}"))
        };
        let (member, role) = (flag("--member="), flag("--role="));
        match words[..4] {
            ["iam", "service-accounts", "add-iam-policy-binding", account] => {
                Self::OnAccount(grant(&member, &role, account))
            }
            ["run", "services", "add-iam-policy-binding", "orders"] => {
                assert_eq!(role, "roles/run.invoker");
                Self::OnService { region: flag("--region="), member }
            }
            _ => panic!("{words:?}"),
        }
    }

    /// A Google in which these bindings hold, and no others.
    async fn applied(all: &[Self]) -> Google {
        let grants: Vec<_> = all.iter().filter_map(Self::on_account).collect();
        let google = google(&grants).await;
        for region in google.emulator.regions() {
            let members = all.iter().filter_map(|it| it.on_service(region.region()));
            region.set_invokers(members.map(|it| it.strip_prefix("serviceAccount:").unwrap()));
        }
        google
    }

    fn on_account(&self) -> Option<Grant> {
        match self {
            Self::OnAccount(grant) => Some(grant.clone()),
            Self::OnService { .. } => None,
        }
    }

    fn on_service(&self, wanted: &str) -> Option<&str> {
        match self {
            Self::OnService { region, member } if region == wanted => Some(member),
            _ => None,
        }
    }
}

async fn listed() -> Vec<Binding> {
    let (google, folder) = (google(&[]).await, Folder::new());
    folder.write("ca.pem", google.emulator.ca_pem());
    let text =
        with_identity(&configuration(&google.emulator, &google.regions()), &identity(&google));
    let script = script_for(&folder.write("remint.yaml", &text));
    assert!(script.contains(&format!("# {MACHINE}: ")), "{script}");
    let calls = calls(&script.replace(MACHINE, RUNNER));
    calls.iter().map(|call| Binding::of(call)).collect()
}

/// A gateway before a Google in which these bindings hold.
async fn chain_with(bindings: &[Binding]) -> Chain {
    let google = Binding::applied(bindings).await;
    let identity = identity(&google);
    chain(google, &identity).await
}

/// How often Google has refused something to the gateway.
async fn refusals(chain: &Chain) -> u64 {
    chain.figure("remint_front_end_refusals_total", "").await
        + chain.figure("remint_mints_total", "outcome=\"failed\"").await
}

#[tokio::test]
async fn the_listed_bindings_are_enough() {
    let bindings = listed().await;
    assert_eq!(bindings.len(), 4, "{bindings:?}");
    let chain = chain_with(&bindings).await;
    chain.ready().await;
    for _ in 0..6 {
        assert_eq!(chain.get("/").await.status, 200);
    }
    let calls = chain.emulator.timeline().calls();
    assert_eq!(calls.len(), 6, "none was refused");
    assert_eq!(refusals(&chain).await, 0);
}

#[tokio::test]
async fn none_of_the_listed_bindings_is_too_many() {
    let bindings = listed().await;
    for left_out in &bindings {
        let rest: Vec<_> = bindings.iter().filter(|it| *it != left_out).cloned().collect();
        let chain = chain_with(&rest).await;
        eventually(&format!("{left_out:?} is missed"), async || {
            chain.get("/").await;
            refusals(&chain).await > 0
        })
        .await;
    }
}
