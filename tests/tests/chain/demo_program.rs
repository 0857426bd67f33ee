//! The demo as a program: what it prints, and that it leaves nothing behind.

use std::path::PathBuf;

use nix::sys::signal::Signal;
use remint_kept::{keep_output, source};
use remint_tests::process::Process;
use serde_json::Value;
use tokio::process::Command;

fn demo() -> Command {
    Command::new(env!("CARGO_BIN_EXE_remint-demo"))
}

/// The processes whose command line names this folder.
fn left_over(folder: &str) -> Vec<PathBuf> {
    let processes = std::fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path());
    let mentions = |process: &PathBuf| {
        let line = std::fs::read(process.join("cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line).contains(folder)
    };
    processes.filter(mentions).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn for_machines_it_prints_one_object_per_part_and_a_verdict() {
    let output = demo().arg("--json").output().await.unwrap();
    keep_output(source::REMINT_DEMO, &output, None);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    let lines: Vec<Value> =
        text.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect();
    assert_eq!(lines.len(), 6, "{text}");
    assert!(lines.iter().all(|line| line["held"] == true), "{text}");
    assert!(lines[..5].iter().all(|line| !line["rows"].as_array().unwrap().is_empty()));
}

#[tokio::test(flavor = "multi_thread")]
async fn kept_running_it_tells_how_to_play_and_leaves_nothing_behind_when_stopped() {
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let folder = tempfile::tempdir().unwrap();
        let name = folder.path().to_str().unwrap().to_owned();
        let mut command = demo();
        command.arg("--keep").env("TMPDIR", folder.path());
        let mut process = Process::start(source::REMINT_DEMO, &mut command).unwrap();
        process.wait_for(|line| line.contains("curl -s http://").then_some(())).await.unwrap();
        assert!(left_over(&name).len() >= 2, "gateway and Envoy run from {name}");
        process.stop_by(signal).await.unwrap();
        assert_eq!(left_over(&name), Vec::<PathBuf>::new());
        let files = std::fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(files, 0, "files are left in {name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn stopped_in_the_middle_it_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let name = folder.path().to_str().unwrap().to_owned();
    let mut command = demo();
    command.env("TMPDIR", folder.path());
    let mut process = Process::start(source::REMINT_DEMO, &mut command).unwrap();
    process.wait_for(|line| line.contains("1. The problem").then_some(())).await.unwrap();
    process.stop_by(Signal::SIGINT).await.unwrap();
    assert_eq!(left_over(&name), Vec::<PathBuf>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn it_fails_when_a_part_can_t_be_started_and_says_which() {
    let output = demo().env("ENVOY", "/nowhere/envoy").output().await.unwrap();
    keep_output(source::REMINT_DEMO, &output, None);
    assert!(!output.status.success());
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(errors.contains("/nowhere/envoy is missing"), "{errors}");
}
