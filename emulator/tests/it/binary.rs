//! The program itself.

use std::process::Stdio;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

use crate::support::get;

const DEADLINE: Duration = Duration::from_secs(20);

#[tokio::test]
async fn it_tells_where_it_listens_and_ends_when_it_is_told_to() {
    let ca_file = std::env::temp_dir().join(format!("remint-ca-{}.pem", std::process::id()));
    let mut program = Command::new(env!("CARGO_BIN_EXE_remint-emulator"))
        .arg("--ca-file")
        .arg(&ca_file)
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(program.stdout.take().unwrap()).lines();
    let told = async {
        let mut told = Vec::new();
        while let Some(line) = lines.next_line().await.unwrap() {
            let is_last = line.contains("curl -H");
            told.push(line);
            if is_last {
                break;
            }
        }
        told
    };
    let told = tokio::time::timeout(DEADLINE, told).await.unwrap();
    let keys = told.iter().find(|line| line.contains("/oauth2/v3/certs"));
    let authority = keys.unwrap().split('/').nth(2).unwrap();
    let reply = get("/oauth2/v3/certs").send(authority.parse().unwrap()).await;
    assert_eq!(reply.status, 200);
    assert!(told.iter().any(|line| line.contains("us-central1.run.app")));
    let pem = std::fs::read_to_string(&ca_file).unwrap();
    std::fs::remove_file(&ca_file).unwrap();
    assert!(pem.starts_with("-----BEGIN CERTIFICATE-----"));
    let id = i32::try_from(program.id().unwrap()).unwrap();
    kill(Pid::from_raw(id), Signal::SIGTERM).unwrap();
    let status = tokio::time::timeout(DEADLINE, program.wait()).await;
    assert!(status.unwrap().unwrap().success());
}

#[tokio::test]
async fn it_tells_why_it_does_not_start() {
    let program = Command::new(env!("CARGO_BIN_EXE_remint-emulator"))
        .args(["--service", "Not A Name"])
        .output();
    let output = tokio::time::timeout(DEADLINE, program).await.unwrap().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("\"Not A Name\" is no name of a service"), "{told}");
}
