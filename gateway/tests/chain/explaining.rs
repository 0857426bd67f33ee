//! `remint explain`, with tokens of the emulator's.

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
const REFUSED: Option<i32> = Some(3);

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
        let mut command = remint();
        command.arg("explain").arg(SHIPPED).args(arguments).arg("--keys").arg(self.folder.path());
        let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = piped.spawn().unwrap();
        // Who is called wrongly ends without reading.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
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
}

#[tokio::test]
async fn near_misses_are_named_with_how_near_they_are_and_what_mends_them() {
    let world = World::new().await;
    let late = world.claims(&json!({"iat": now() - 7200, "exp": now() - 3600}));
    let early = world.claims(&json!({"nbf": now() + 600, "iat": now() + 600, "exp": now() + 900}));
    let elsewhere = "https://orders-123456789012.asia-east1.run.app";
    let marks = ["-H", "User-Agent: CloudPubSub-Google"];
    for (token, more, parts) in [
        (world.token("https://orders.example.com/"), &[][..], &["aud_trailing_slash"][..]),
        (
            world.token(URL),
            &marks,
            &[
                "aud_has_path",
                "the default of Pub/Sub push: the URL that was called",
                "--push-auth-token-audience=https://orders.example.com",
            ],
        ),
        (world.token(elsewhere), &[], &["aud_other_region", elsewhere]),
        (late, &[], &["expired", "it expired 1h", "REFUSED with 401"]),
        (early, &[], &["not_yet_valid", "its time comes in "]),
        (world.claims(&json!({"email": "o@example.com"})), &[], &["caller_not_allowed", "403"]),
        ("a.b.c".to_owned(), &[], &["malformed"]),
        ("ya29.access".to_owned(), &[], &["malformed", "an access token is not one"]),
    ] {
        let output = world.explain_token(&token, more);
        let text = text(&output);
        assert_eq!(output.status.code(), REFUSED, "{text}");
        for part in parts {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
}

#[tokio::test]
async fn an_audience_of_a_configured_region_is_named_as_that_region_s() {
    let world = World::new().await;
    let changed = std::fs::read_to_string(SHIPPED).unwrap().replacen(
        "        - https://orders-123456789012.europe-west1.run.app\n",
        "",
        1,
    );
    let file = world.folder.write("one-region.yaml", &changed);
    let token = world.token("https://orders-123456789012.europe-west1.run.app");
    let mut command = remint();
    command.arg("explain").arg(file).arg("--keys").arg(world.folder.path());
    command.args(["token", "--url", URL]).arg(world.folder.write("token", &token));
    let text = text(&said(&mut command));
    assert!(text.contains("aud_other_region"), "{text}");
    assert!(text.contains("it is that of orders in europe-west1"), "{text}");
}

#[tokio::test]
async fn without_keys_the_rest_is_checked_and_what_could_not_be_is_said() {
    let world = World::new().await;
    std::fs::remove_file(Path::new(world.folder.path()).join("google.json")).unwrap();
    let output = world.explain_token(&world.token("https://orders.example.com/"), &[]);
    let text = text(&output);
    assert_eq!(output.status.code(), REFUSED, "{text}");
    assert!(text.contains("not checked: the issuer's keys are not at hand"), "{text}");
    assert!(text.contains("aud_trailing_slash"), "{text}");
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
async fn a_curl_command_and_a_har_entry_are_the_same_request() {
    let world = World::new().await;
    let token = world.token("https://orders.example.com:443");
    let curl =
        format!("curl -X POST '{URL}?a=b' \\\n -H 'Authorization: Bearer {token}' -d '{{}}'");
    let har = json!({"log": {"entries": [{"request": {"method": "POST", "url": URL,
        "headers": [{"name": "authorization", "value": format!("Bearer {token}")}]}}]}});
    let by_curl = world.explain(&curl, &["curl", "-", "--json"]);
    let by_har = world.explain(&har.to_string(), &["har", "-", "--json"]);
    let [curl, har]: [Value; 2] =
        [&by_curl, &by_har].map(|it| serde_json::from_slice(&it.stdout).unwrap());
    assert_eq!(curl["refusal"]["reason"], "aud_has_port");
    assert_eq!(curl["rule"], "orders-push");
    assert_eq!(curl["admitted"], false);
    for member in ["rule", "checks", "tokens", "admitted", "request"] {
        assert_eq!(curl[member], har[member], "{member}");
    }
}

#[tokio::test]
async fn no_part_of_a_token_is_printed_whatever_is_wrong_with_it() {
    let world = World::new().await;
    let good = world.token("https://orders.example.com");
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let spoilt = format!("{signed}.{}", signature.chars().rev().collect::<String>());
    for token in [&good, &spoilt, &format!("{good} {good}"), &signed.to_owned()] {
        for more in [&[][..], &["--json"]] {
            let output = world.explain_token(token, more);
            let text = text(&output);
            assert!(!text.contains(signature) && !text.contains(signed), "{text}");
            assert!(!text.contains(&signed[..20]), "{text}");
        }
    }
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
fn what_can_not_be_read_is_told_in_one_line() {
    for (arguments, why) in [
        (&["token", "-", "--url", "orders.example.com"][..], "no URL of a request"),
        (&["curl", "/nowhere"], "/nowhere can't be read"),
        (&["har", "-"], "not JSON"),
    ] {
        let mut command = remint();
        let command = command.arg("explain").arg(SHIPPED).args(arguments).stdin(Stdio::null());
        let output = said(command);
        assert_eq!(output.status.code(), Some(1));
        let text = text(&output);
        assert!(text.contains(why) && text.trim_end().lines().count() == 1, "{text}");
    }
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
