use clap::Parser;
use proptest::prelude::*;
use serde_json::json;

use super::*;

#[derive(Parser)]
struct Program {
    #[command(flatten)]
    service: OneService,
}

const COMPLETE: &str = "--host orders.example.com --audience https://orders.example.com/push \
                        --caller push@p.iam.gserviceaccount.com \
                        --region us-central1=https://orders-1.us-central1.run.app";

fn flags(line: &str) -> OneService {
    let words = std::iter::once("remint").chain(line.split_whitespace());
    Program::try_parse_from(words).unwrap().service
}

fn mistakes(line: &str) -> String {
    let written = flags(line).written().unwrap();
    read(&written, &Environment::default()).unwrap_err().to_string()
}

#[test]
fn flags_amount_to_a_configuration() {
    let line = format!(
        "{COMPLETE} --region europe-west1=https://orders-1.europe-west1.run.app --path-prefix /v1 \
         --sender pubsub --listen 127.0.0.1:1 --admin 127.0.0.1:2 --connect-to a:1=b:2"
    );
    let expected = r#"# Written by `remint serve --print-config`.
listen: "127.0.0.1:1"
admin: "127.0.0.1:2"
policy:
  rules:
    - name: main
      match: { hosts: ["orders.example.com"], paths: [{ prefix: "/v1" }] }
      audiences: ["https://orders.example.com/push"]
      callers: { emails: ["push@p.iam.gserviceaccount.com"] }
services:
  - name: main
    rules: [{ rule: main, sender: "pubsub" }]
    regions:
      - { name: "us-central1", url: "https://orders-1.us-central1.run.app" }
      - { name: "europe-west1", url: "https://orders-1.europe-west1.run.app" }
upstream:
  connect_to:
    "a:1": "b:2"
"#;
    let written = flags(&line).written().unwrap();
    assert_eq!(written.text, expected);
    let config = read(&written, &Environment::default()).unwrap();
    assert!(config.services[0].routes[0].attempts.at_least_once);
    assert_eq!(config.services[0].regions.len(), 2);
}

#[test]
fn nobody_may_call_unless_somebody_is_named() {
    let without = COMPLETE.replace("--caller push@p.iam.gserviceaccount.com", "");
    let error = flags(&without).written().err().unwrap();
    assert!(error.0.ends_with(": --caller EMAIL (or --any-caller, for the whole world)"));
    let open = flags(&format!("{without} --any-caller")).written().unwrap();
    assert!(open.text.contains("callers: { anyone: true }\n"), "{}", open.text);
    assert!(read(&open, &Environment::default()).is_ok());
    let both = format!("remint {COMPLETE} --any-caller");
    assert!(Program::try_parse_from(both.split_whitespace()).is_err());
}

#[test]
fn all_flags_that_are_missing_are_named_at_once() {
    let error = flags("--sender pubsub").written().err().unwrap().0;
    for flag in ["--host", "--audience", "--caller", "--region"] {
        assert!(error.contains(flag), "{error}");
    }
    assert!(!OneService::default().is_given());
}

#[test]
fn a_mistake_names_its_flag_and_which_one_if_there_are_several() {
    let line = format!(
        "{COMPLETE} --region europe-west1=ftp://x --region us-central1=https://y \
         --listen here --sender pigeon --ca-file /nowhere/ca.pem --connect-to x=y:1 \
         --path-prefix v1 --caller nobody"
    );
    let said = mistakes(&line);
    for part in [
        "--listen: \"here\" is no address",
        "--path-prefix: ",
        "--caller: \"nobody\"",
        "--sender: \"pigeon\" is not one of: pubsub",
        "--region \"europe-west1=ftp://x\": \"ftp://x\" is no URL",
        "--ca-file: /nowhere/ca.pem can't be read",
        "--connect-to: \"x\" is no HOST:PORT",
    ] {
        assert!(said.lines().any(|line| line.starts_with(part)), "{part}\nnot in\n{said}");
    }
    let twice = format!("{COMPLETE} --region us-central1=https://y.example");
    let said = mistakes(&twice);
    assert!(said.starts_with("--region") && said.contains("occurs twice"), "{said}");
}

#[test]
fn what_comes_from_the_environment_blames_no_flag() {
    let environment = Environment { port: Some("x".to_owned()), ..Environment::default() };
    let said = read(&flags(COMPLETE).written().unwrap(), &environment).unwrap_err().to_string();
    assert_eq!(said, "\"listen\" is not given and $PORT is no port number");
}

proptest! {
    #[test]
    fn whatever_the_values_are_they_stay_values(
        texts in proptest::collection::vec("[ -~]{0,8}|\\PC{0,8}|(?s).{0,8}", 6),
    ) {
        let [host, audience, caller, name, url, path] = texts.try_into().unwrap();
        let expected = json!({
            "policy": { "rules": [{
                "name": "main",
                "match": { "hosts": [host], "paths": [{ "prefix": path }] },
                "audiences": [audience],
                "callers": { "emails": [caller] },
            }] },
            "services": [{ "name": "main", "rules": ["main"], "regions": [{ "name": name, "url": url }] }],
        });
        let service = OneService {
            hosts: vec![host],
            path_prefix: Some(path),
            audiences: vec![audience],
            callers: vec![caller],
            regions: vec![(name, url)],
            ..OneService::default()
        };
        let text = service.written().unwrap().text;
        let tree: serde_json::Value = serde_saphyr::from_str(&text).unwrap();
        prop_assert_eq!(tree, expected);
    }
}
