//! What the program says and does when it is called: its commands, their
//! exit codes, and a gateway that flags alone describe.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Command, Output, Stdio};

use http::Request;
use http_body_util::Full;
use remint_emulator::{Emulator, TokenRequest};
use remint_kept::{source, stdio};
use serde_json::Value;

use crate::binary::{Program, address, remint};
use crate::client::{Answer, get, send};
use crate::kept::said;
use crate::support::{AUDIENCE, CALLER, Folder, Google, HOST, eventually};

const OTHER: &str = "other@demo-project.iam.gserviceaccount.com";
const USAGE: Option<i32> = Some(2);

fn stdout(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).unwrap()
}

fn stderr(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).unwrap()
}

fn output(arguments: &[&str]) -> Output {
    said(remint().args(arguments))
}

/// `remint serve` with flags for the emulator's service in its regions.
fn serve(google: &Google, folder: &Folder) -> Command {
    let emulator = &google.emulator;
    let mut command = remint();
    command.env("GCE_METADATA_HOST", emulator.google_addr().to_string());
    command.args(["serve", "--host", HOST, "--audience", AUDIENCE, "--sender", "pubsub"]);
    command.args(["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]);
    command.arg("--ca-file").arg(folder.write("ca.pem", emulator.ca_pem()));
    let keys = format!("www.googleapis.com:443={}", emulator.google_addr());
    command.arg("--connect-to").arg(keys);
    for region in emulator.regions() {
        let host = region.url().trim_start_matches("https://");
        command.arg("--region").arg(format!("{}={}", region.region(), region.url()));
        command.arg("--connect-to").arg(format!("{host}:443={}", region.addr()));
    }
    command
}

/// The program once it is ready, and where it takes requests.
async fn started(mut command: Command) -> (Program, SocketAddr) {
    let command = command.stdout(Stdio::piped()).stderr(stdio(source::REMINT));
    let mut program = Program(command.spawn().unwrap());
    let mut lines = BufReader::new(program.0.stdout.take().unwrap()).lines();
    let front = address(&mut lines, "remint: listening on http://");
    let admin = address(&mut lines, "remint: admin on http://");
    eventually("it is ready", async || get(admin, "/readyz").await.status == 200).await;
    (program, front)
}

async fn call(front: SocketAddr, emulator: &Emulator, caller: &str) -> Answer {
    let token = emulator.issuer().mint(&TokenRequest::new(caller, AUDIENCE));
    let request = Request::get("/").header("host", HOST);
    let request = request.header("authorization", format!("Bearer {token}"));
    send(front, request.body(Full::default()).unwrap()).await
}

/// Requests reach every region.
async fn serves_everywhere(front: SocketAddr, emulator: &Emulator) {
    let mut reached = BTreeSet::new();
    for _ in 0..20 {
        let answer = call(front, emulator, CALLER).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        reached.insert(answer.json()["region"].as_str().unwrap().to_owned());
    }
    let all: BTreeSet<_> = emulator.regions().iter().map(|it| it.region().to_owned()).collect();
    assert_eq!(reached, all);
}

#[tokio::test]
async fn flags_alone_make_a_gateway_that_serves_in_two_regions() {
    let (google, folder) = (Google::start().await, Folder::new());
    let mut command = serve(&google, &folder);
    command.args(["--caller", CALLER]);
    let (_program, front) = started(command).await;
    serves_everywhere(front, &google.emulator).await;
    assert_eq!(call(front, &google.emulator, OTHER).await.status, 403);
}

#[tokio::test]
async fn everybody_may_call_only_if_that_is_said() {
    let (google, folder) = (Google::start().await, Folder::new());
    let refused = said(&mut serve(&google, &folder));
    assert_eq!(refused.status.code(), USAGE);
    assert!(stderr(&refused).contains("--caller EMAIL (or --any-caller"), "{}", stderr(&refused));
    let mut command = serve(&google, &folder);
    command.arg("--any-caller");
    let (_program, front) = started(command).await;
    assert_eq!(call(front, &google.emulator, OTHER).await.status, 200);
}

#[tokio::test]
async fn the_configuration_that_flags_amount_to_serves_as_they_do() {
    let (google, folder) = (Google::start().await, Folder::new());
    let printed = said(serve(&google, &folder).args(["--caller", CALLER, "--print-config"]));
    assert_eq!(printed.status.code(), Some(0), "{}", stderr(&printed));
    let file = folder.write("remint.yaml", stdout(&printed));
    let mut command = remint();
    command.env("GCE_METADATA_HOST", google.emulator.google_addr().to_string());
    command.arg("serve").arg("--config").arg(file);
    let (_program, front) = started(command).await;
    serves_everywhere(front, &google.emulator).await;
    assert_eq!(call(front, &google.emulator, OTHER).await.status, 403);
}

#[test]
fn what_cannot_be_served_is_refused_at_the_start() {
    let nothing = output(&["serve"]);
    assert_eq!(nothing.status.code(), USAGE);
    assert!(stderr(&nothing).contains("give --config FILE"), "{}", stderr(&nothing));
    let both = said(remint().args(["serve", "--host", "x"]).env("REMINT_CONFIG", "x.yaml"));
    assert_eq!(both.status.code(), USAGE);
    assert!(stderr(&both).contains("only one of them can hold"), "{}", stderr(&both));
    let emptied = said(remint().args(["serve", "--host", "x"]).env("REMINT_CONFIG", ""));
    assert!(stderr(&emptied).contains("--audience AUDIENCE"), "as if it was not set");
    let part = output(&["serve", "--host", "x", "--print-config"]);
    assert_eq!(part.status.code(), USAGE);
    assert!(stderr(&part).contains("--audience AUDIENCE, --caller EMAIL"), "{}", stderr(&part));
}

#[test]
fn a_wrong_flag_is_named_with_what_is_wrong() {
    let wrong = output(&[
        "serve",
        "--host",
        "x",
        "--audience",
        "y",
        "--caller",
        "a@b",
        "--region",
        "r=https://x/path",
        "--admin",
        "here",
    ]);
    assert_eq!(wrong.status.code(), Some(1));
    let lines: Vec<_> = stderr(&wrong).lines().collect();
    assert!(lines[0].starts_with("--admin: \"here\" is no address"), "{lines:?}");
    assert!(lines[1].starts_with("--region \"r=https://x/path\": "), "{lines:?}");
    assert_eq!(lines.len(), 2, "{lines:?}");
}

#[test]
fn a_schema_is_printed_for_each_configuration() {
    for (arguments, title) in [
        (&["schema"][..], "Configuration of Remint's gateway"),
        (&["schema", "gateway"], "Configuration of Remint's gateway"),
        (&["schema", "policy"], "Policy of Remint"),
        (&["schema", "plugin"], "Plugin configuration of Remint's filter"),
    ] {
        let output = output(arguments);
        assert_eq!(output.status.code(), Some(0));
        let schema: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(schema["title"], title);
        assert!(!stdout(&output).contains("policy.json"));
    }
    assert_eq!(output(&["schema", "backend"]).status.code(), USAGE);
}

#[test]
fn every_help_has_an_example_and_fits_a_terminal() {
    let commands = ["serve", "check", "schema", "assertion-key", "plugin-config"];
    for command in commands.map(|it| vec![it]).into_iter().chain([vec![]]) {
        let help = output(&[command.as_slice(), &["--help"]].concat());
        let text = stdout(&help);
        let example = format!("remint {}", command.first().unwrap_or(&"serve"));
        let is_example = |line: &str| line.starts_with("    ") && line.contains(&example);
        assert!(text.lines().any(is_example), "no example of {command:?} in {text}");
        for line in text.lines() {
            assert!(line.len() <= 100, "{command:?} has a long line: {line}");
        }
    }
}

#[test]
fn whoever_reads_the_output_may_stop_early() {
    let mut command = remint();
    let mut child = command.arg("schema").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let child = child.as_mut().unwrap();
    // Whether it has begun to write or not: there is more than a pipe holds.
    drop(child.stdout.take());
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let said = std::io::read_to_string(child.stderr.take().unwrap()).unwrap();
    assert_eq!(said, "");
}
