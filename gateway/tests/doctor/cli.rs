//! The program: what it prints, and how it ends.

use std::process::{Command, Output};

use remint_emulator::Emulator;
use serde_json::Value;

use crate::kept::said;
use crate::support::{Folder, GATEWAY, configuration, google};

async fn doctor(emulator: &Emulator, arguments: &[&str]) -> Output {
    run(emulator, configuration(emulator), arguments, &[]).await
}

/// Runs the program with a configuration, in an environment without credentials
/// but for these variables.
pub(crate) async fn run(
    emulator: &Emulator,
    configuration: String,
    arguments: &[&str],
    variables: &[(&str, &str)],
) -> Output {
    let folder = Folder::new();
    std::fs::write(folder.0.join("ca.pem"), emulator.ca_pem()).unwrap();
    let file = folder.0.join("remint.yaml");
    std::fs::write(&file, configuration).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_remint"));
    for variable in ["GOOGLE_CLOUD_PROJECT", "GOOGLE_APPLICATION_CREDENTIALS", "CLOUDSDK_CONFIG"] {
        command.env_remove(variable);
    }
    command.env("HOME", &folder.0).envs(variables.iter().copied());
    command.arg("doctor").arg(file).args(arguments);
    let output = tokio::task::spawn_blocking(move || (said(&mut command), folder)).await.unwrap();
    output.0
}

pub(crate) fn out(output: &Output) -> String {
    String::from_utf8([&output.stdout[..], &output.stderr[..]].concat()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_right_deployment_ends_well() {
    let emulator = Emulator::start(google()).await.unwrap();
    let output = doctor(&emulator, &["--probe=/"]).await;
    let text = out(&output);
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(text.contains("ok     region orders/us-central1\n"), "{text}");
    let start = format!("project: demo-project, read as {GATEWAY}\nok     ");
    assert!(text.starts_with(&start), "{text}");
    assert!(text.ends_with("8 ok, 0 to look at, 0 wrong\n") && !text.contains('\x1b'), "{text}");
    assert!(!text.contains("ya29") && !text.contains("eyJ"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn something_wrong_ends_with_3_and_says_so_in_words_and_in_json() {
    let mut google = google();
    google.services[0].regions[1].invokers = Some(Vec::new());
    let emulator = Emulator::start(google).await.unwrap();
    let output = doctor(&emulator, &[]).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(out(&output).contains("WRONG  region orders/europe-west1  invoker_missing: "));
    let output = doctor(&emulator, &["--json"]).await;
    assert_eq!(output.status.code(), Some(1));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&report["level"], &report["findings"][0]["check"]),
        (&"red".into(), &"invoker_missing".into())
    );
    assert_eq!(report["findings"][0]["reason"], "invoker_missing");
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nothing_can_be_read_it_ends_with_1() {
    let emulator = Emulator::start(google()).await.unwrap();
    let fault = remint_emulator::Fault::Status(http::StatusCode::FORBIDDEN);
    emulator.faults().set_metadata(Some(fault));
    let output = doctor(&emulator, &[]).await;
    let text = out(&output);
    assert_eq!(output.status.code(), Some(2), "{text}");
    let start = "remint: nothing could be looked at: there is no access token to ask with: \
                 the metadata server answers 403";
    assert!(text.starts_with(start), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_flag_or_no_path_ends_with_2() {
    let emulator = Emulator::start(google()).await.unwrap();
    for wrong in ["--prob", "--probe=healthz", "--gateway-in=moon"] {
        let output = doctor(&emulator, &[wrong]).await;
        let text = out(&output);
        assert_eq!(output.status.code(), Some(2), "{wrong}: {text}");
        assert!(text.contains(wrong.split('=').next().unwrap()), "{text}");
    }
}

#[test]
fn the_page_of_checks_is_printed_without_a_configuration() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_remint"));
    let output = said(command.env_remove("REMINT_CONFIG").args(["doctor", "--markdown"]));
    assert_eq!(output.status.code(), Some(0));
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/doctor.md");
    let page = std::fs::read_to_string(file).unwrap();
    assert!(String::from_utf8(output.stdout).unwrap() == page, "docs/doctor.md is another page");
}
