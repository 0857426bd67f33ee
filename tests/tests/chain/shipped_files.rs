//! The configurations that are shipped are right, and stay so.

use std::process::{Command, Output};

use remint_kept::{keep_output, source};
use remint_tests::chain::envoy_program;
use remint_tests::shipped::{EnvoyConfig, built, read, workspace};
use serde_json::{Value, json};

fn validated(config: &Value) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("envoy.json");
    std::fs::write(&file, config.to_string()).unwrap();
    let mut envoy = Command::new(envoy_program().unwrap());
    let output = envoy.args(["--mode", "validate", "--config-path"]).arg(&file).output().unwrap();
    keep_output(source::ENVOY, &output, None);
    output
}

fn shipped() -> EnvoyConfig {
    let module = built("remint_filter.wasm").unwrap();
    EnvoyConfig::shipped("envoy.yaml").unwrap().module(&module)
}

#[test]
fn envoy_accepts_the_shipped_configurations() {
    let plain = read(&workspace().join("envoy/plain-load-balancer.yaml")).unwrap();
    for config in [shipped().0, plain] {
        let output = validated(&config);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn the_gateway_accepts_the_shipped_configuration() {
    let mut check = Command::new(built("remint").unwrap());
    let output = check.arg("check").arg(workspace().join("envoy/remint.yaml")).output().unwrap();
    keep_output(source::REMINT, &output, None);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn filter_and_gateway_are_shipped_with_the_same_policy() {
    let gateway = read(&workspace().join("envoy/remint.yaml")).unwrap();
    assert_eq!(shipped().plugin()["policy"], gateway["policy"]);
}

#[test]
fn the_shipped_envoy_leaves_no_path_to_interpretation() {
    let config = read(&workspace().join("envoy/envoy.yaml")).unwrap();
    let manager = &config["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0];
    let manager = &manager["typed_config"];
    assert_eq!(manager["normalize_path"], true);
    assert_eq!(manager["merge_slashes"], true);
    assert_eq!(manager["path_with_escaped_slashes_action"], "REJECT_REQUEST");
}

#[test]
fn a_wrong_plugin_configuration_keeps_envoy_from_starting_and_says_all_that_is_wrong() {
    let mut config = shipped();
    config.plugin()["policy"]["rules"][0]["audience"] = json!(["https://x"]);
    config.plugin()["policy"]["rules"][0]["callers"] = json!({});
    config.plugin()["wait"] = json!("5s");
    config.plugin()["keys"]["google"] = json!({"timeout": "5s"});
    let output = validated(&config.0);
    assert!(!output.status.success());
    let log = String::from_utf8_lossy(&output.stderr);
    for mistake in [
        "policy.rules[0].audience: is not a setting; did you mean \"audiences\"?",
        "policy.rules[0].callers: admits nobody",
        "wait: is not a setting",
        "keys.google: \"cluster\" is missing",
    ] {
        assert!(log.contains(mistake), "{mistake} is not in:\n{log}");
    }
}

#[test]
fn the_readme_shows_what_the_demo_prints() {
    let readme = std::fs::read_to_string(workspace().join("README.md")).unwrap();
    for part in ["1. The problem", "3. A region dies", "5. Explained", "Everything went as told"] {
        assert!(readme.contains(part), "{part}");
    }
}

#[test]
fn the_readme_s_policy_is_one() {
    let readme = std::fs::read_to_string(workspace().join("README.md")).unwrap();
    let (_, policy) = readme.split_once("```yaml\npolicy:").unwrap();
    let (policy, _) = policy.split_once("```").unwrap();
    let policy: Value = serde_saphyr::from_str(&format!("policy:{policy}")).unwrap();
    let read = remint_idtoken::Policy::from_json(&policy["policy"].to_string());
    assert!(read.is_ok(), "{:?}", read.err());
}
