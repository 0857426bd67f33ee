//! Identities, keys, clocks, and what may not be read.

use http::StatusCode;
use remint_emulator::{Fault, FaultSetting, Grant, Server};

use crate::support::{Case, GATEWAY};

const RUNNER: &str = "runner@demo-project.iam.gserviceaccount.com";
const MIDDLE: &str = "middle@demo-project.iam.gserviceaccount.com";

fn grant(member: &str, account: &str, role: &str) -> Grant {
    Grant {
        member: format!("serviceAccount:{member}"),
        account: account.to_owned(),
        role: format!("roles/iam.{role}"),
    }
}

/// The machine's own account is another than the one whose tokens are minted.
fn impersonating(name: &'static str, delegates: &'static str, grants: Vec<Grant>) -> Case {
    Case::new(name)
        .google(move |it| {
            it.accounts.extend([RUNNER, MIDDLE].map(str::to_owned));
            it.default_account = RUNNER.to_owned();
            it.grants = grants;
        })
        .text(move |text, emulator| {
            let google = emulator.google_addr();
            let source = format!("{{ metadata: {{ host: \"{google}\" }} }}");
            let delegates = match delegates {
                "" => String::new(),
                delegates => format!("delegates: [{delegates}], "),
            };
            let identity = format!(
                "identity: {{ impersonate: {{ service_account: {GATEWAY}, {delegates}source: {source} }} }}"
            );
            text.replace(&format!("identity: {source}"), &identity)
        })
}

#[tokio::test]
async fn the_roles_that_an_impersonation_lacks_are_named_and_no_others() {
    let subject = "identity of orders";
    impersonating("no role", "", Vec::new())
        .turns_red([
            "mint_denied",
            "mint_denied",
            subject,
            &format!("gcloud iam service-accounts add-iam-policy-binding {GATEWAY} --member='serviceAccount:{RUNNER}' --role=roles/iam.serviceAccountOpenIdTokenCreator"),
        ])
        .await;
    let first = grant(RUNNER, MIDDLE, "serviceAccountTokenCreator");
    let second = grant(MIDDLE, GATEWAY, "serviceAccountTokenCreator");
    let command = |it: &Grant| {
        format!(
            "gcloud iam service-accounts add-iam-policy-binding {} --member='{}' --role={}",
            it.account, it.member, it.role
        )
    };
    impersonating("the second of a chain", MIDDLE, vec![first.clone()])
        .turns_red(["mint_denied", "mint_denied", subject, &command(&second)])
        .await;
    impersonating("the first of a chain", MIDDLE, vec![second.clone()])
        .turns_red(["mint_denied", "mint_denied", subject, &command(&first)])
        .await;
    let report = impersonating("whole", MIDDLE, vec![first, second]).report().await;
    assert!(report.findings.is_empty(), "{report}");
}

#[tokio::test]
async fn keys_that_cant_be_had_or_read_are_red() {
    for fault in [Fault::Status(StatusCode::SERVICE_UNAVAILABLE), Fault::NotJson] {
        Case::new("keys")
            .google(move |it| it.faults = vec![FaultSetting::Server(Server::Keys, fault)])
            .turns_red([
                "keys_unavailable",
                "keys_unavailable",
                "keys of google",
                "curl --silent --show-error --include https://www.googleapis.com/oauth2/v3/certs",
            ])
            .await;
    }
}

#[tokio::test]
async fn a_clock_that_differs_from_google_s_is_red() {
    for offset in [90, -90] {
        Case::new("clock")
            .google(move |it| it.faults = vec![FaultSetting::Clock { offset }])
            .turns_red(["clock_off", "", "clock", "timedatectl set-ntp true"])
            .await;
    }
    let report = Case::new("a little")
        .google(|it| it.faults = vec![FaultSetting::Clock { offset: 20 }])
        .report()
        .await;
    assert!(report.findings.is_empty(), "{report}");
}
