//! `remint explain`, with tokens of the emulator's.

mod captures;
mod leaks;
mod misses;
mod pastes;
mod without;

use std::io::Write;
use std::path::Path;
use std::process::{Output, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use remint_emulator::TokenRequest;
use remint_kept::{keep_output, source};
use serde_json::{Value, json};

use crate::binary::remint;
use crate::kept::said;
use crate::support::{Folder, Google};

const SHIPPED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../envoy/remint.yaml");
const PUSHER: &str = "pusher@demo-project.iam.gserviceaccount.com";
const URL: &str = "https://orders.example.com/push";
const ADMITTED: Option<i32> = Some(0);
const REFUSED: Option<i32> = Some(1);
const UNREADABLE: Option<i32> = Some(2);
const NOT_DECIDED: Option<i32> = Some(3);

/// The emulator, and a folder with its keys.
struct World {
    google: Google,
    folder: Folder,
}

impl World {
    async fn new() -> Self {
        let (google, folder) = (Google::start().await, Folder::new());
        folder.write("google.json", &google.emulator.issuer().jwks().to_string());
        Self { google, folder }
    }

    fn token(&self, audience: &str) -> String {
        self.google.emulator.issuer().mint(&TokenRequest::new(PUSHER, audience))
    }

    fn claims(&self, changes: &Value) -> String {
        let issuer = self.google.emulator.issuer();
        let request = TokenRequest::new(PUSHER, "https://orders.example.com");
        let mut claims = issuer.claims(&request);
        claims.extend(changes.as_object().unwrap().clone());
        issuer.sign_claims(&claims.into())
    }

    fn explain(&self, input: &str, arguments: &[&str]) -> Output {
        self.explain_by(Some(Path::new(SHIPPED)), input.as_bytes(), arguments)
    }

    fn explain_by(&self, config: Option<&Path>, input: &[u8], arguments: &[&str]) -> Output {
        let mut command = remint();
        command.arg("explain").args(config).args(arguments).arg("--keys").arg(self.folder.path());
        let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = piped.spawn().unwrap();
        // Who is called wrongly ends without reading.
        let _ = child.stdin.take().unwrap().write_all(input);
        let output = child.wait_with_output().unwrap();
        keep_output(source::REMINT, &output, None);
        output
    }

    fn explain_token(&self, token: &str, more: &[&str]) -> Output {
        let arguments = [&["token", "-", "--url", URL][..], more].concat();
        self.explain(token, &arguments)
    }
}

fn text(output: &Output) -> String {
    String::from_utf8([&output.stdout[..], &output.stderr[..]].concat()).unwrap()
}

/// Says whether all of these stand in the first lines, where people look.
fn begins(output: &Output, parts: &[&str]) {
    let text = text(output);
    let head = text.split("\n\n  ok ").next().unwrap();
    for part in parts {
        assert!(head.contains(part), "{part}: {text}");
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

#[tokio::test]
async fn a_request_that_would_be_let_through_says_by_which_rule() {
    let world = World::new().await;
    let output = world.explain_token(&world.token("https://orders.example.com"), &[]);
    let text = text(&output);
    assert_eq!(output.status.code(), ADMITTED, "{text}");
    assert!(text.contains("LET THROUGH (verified), by rule \"orders-push\""), "{text}");
    assert!(!text.contains("WRONG") && !text.contains("not checked"), "{text}");
    assert!(text.starts_with("LET THROUGH"), "{text}");
}

#[tokio::test]
async fn without_keys_the_rest_is_checked_and_what_could_not_be_is_said() {
    let world = World::new().await;
    std::fs::remove_file(Path::new(world.folder.path()).join("google.json")).unwrap();
    let output = world.explain_token(&world.token("https://orders.example.com/"), &[]);
    let text = text(&output);
    assert_eq!(output.status.code(), REFUSED, "{text}");
    assert!(text.contains("not checked: the issuer's keys are not at hand"), "{text}");
    assert!(text.contains("REFUSED with 401: aud_trailing_slash"), "{text}");
    let good = world.explain_token(&world.token("https://orders.example.com"), &[]);
    assert_eq!(good.status.code(), NOT_DECIDED);
    begins(
        &good,
        &["NOT DECIDED: nothing wrong was found; not checked: key, signature", "--fetch"],
    );
}

#[tokio::test]
async fn one_key_set_may_be_given_as_a_file() {
    let world = World::new().await;
    let file = world.folder.write("certs.json", &world.google.emulator.issuer().jwks().to_string());
    let token = world.folder.write("token", &world.token("https://orders.example.com"));
    let mut command = remint();
    command.args(["explain", SHIPPED, "token", "--url", URL]).arg(token).arg("--keys").arg(file);
    assert_eq!(said(&mut command).status.code(), ADMITTED);
}

#[tokio::test]
async fn keys_that_can_not_be_fetched_are_said_and_those_that_are_kept_are_used() {
    let world = World::new().await;
    let token = world.token("https://orders.example.com");
    let to = ["--fetch", "--connect-to", "www.googleapis.com:443=127.0.0.1:1"];
    let kept = world.explain_token(&token, &to);
    assert_eq!(kept.status.code(), ADMITTED, "{}", text(&kept));
    std::fs::remove_file(Path::new(world.folder.path()).join("google.json")).unwrap();
    let without = world.explain_token(&token, &to);
    assert_eq!(without.status.code(), NOT_DECIDED);
    let text = text(&without);
    assert!(text.contains("note: the keys of \"google\" at https://www.google"), "{text}");
}

// The emulator answers while this waits for the program.
#[tokio::test(flavor = "multi_thread")]
async fn fetched_keys_are_kept_for_the_next_time() {
    let world = World::new().await;
    std::fs::remove_file(Path::new(world.folder.path()).join("google.json")).unwrap();
    let emulator = &world.google.emulator;
    let ca = world.folder.write("ca.pem", emulator.ca_pem()).display().to_string();
    let to = format!("www.googleapis.com:443={}", emulator.google_addr());
    let token = world.token("https://orders.example.com");
    let fetched = world.explain_token(&token, &["--fetch", "--ca-file", &ca, "--connect-to", &to]);
    assert_eq!(fetched.status.code(), ADMITTED, "{}", text(&fetched));
    let kept = world.explain_token(&token, &[]);
    assert_eq!(kept.status.code(), ADMITTED, "{}", text(&kept));
}

#[tokio::test]
async fn a_request_out_of_a_log_is_held_against_its_own_time() {
    let world = World::new().await;
    let token = world.token("https://orders.example.com");
    let later = (now() + 7200).to_string();
    let output = world.explain_token(&token, &["--at", &later]);
    assert!(text(&output).contains("expired"), "{}", text(&output));
    assert_eq!(world.explain_token(&token, &["--at", "soon"]).status.code(), Some(2));
}

#[test]
fn every_reason_can_be_looked_up() {
    let all = said(remint().arg("reasons"));
    let all = text(&all);
    assert!(all.lines().count() > 30);
    for line in all.lines() {
        let code = line.split(' ').next().unwrap();
        let one = said(remint().args(["reasons", code]));
        assert!(text(&one).starts_with(&format!("### {code}\n")), "{code}");
    }
    assert_eq!(said(remint().args(["reasons", "aud_has_pth"])).status.code(), Some(2));
}
