//! Every example is right, by its schema and to its reader.

use remint_tests::shipped::{EnvoyConfig, read, workspace};
use serde_json::{Map, Value, json};

use super::documents::{Emulator, Gateway, Kind, Plugin, PolicyKind};

fn shipped_plugin() -> Value {
    EnvoyConfig::shipped("envoy.yaml").unwrap().plugin().take()
}

fn shipped_gateway() -> Value {
    read(&workspace().join("envoy/remint.yaml")).unwrap()
}

fn istio_plugin() -> Value {
    let mut manifest = read(&workspace().join("deploy/istio/wasm-plugin.yaml")).unwrap();
    manifest["spec"]["pluginConfig"].take()
}

/// The policy of the table of requests, with a date where one is filled in.
fn policy_of_the_table() -> Value {
    let file = workspace().join("tests/tests/reasons/policy.yaml");
    let text = std::fs::read_to_string(file).unwrap();
    serde_saphyr::from_str(&text.replace("TODAY", "\"2026-01-31T12:00:00Z\"")).unwrap()
}

/// What stands in a page between fences for YAML.
fn blocks_of(page: &str) -> Vec<Map<String, Value>> {
    let page = std::fs::read_to_string(workspace().join(page)).unwrap();
    let blocks = page.split("```yaml\n").skip(1);
    let blocks = blocks.map(|rest| rest.split_once("```").unwrap().0);
    // One is a comment, which is nothing to a reader.
    blocks.filter_map(|block| serde_saphyr::from_str::<Option<_>>(block).unwrap()).collect()
}

/// A block that shows some members, with the shipped document around it.
fn around(mut shipped: Value, block: Map<String, Value>) -> Value {
    for (name, value) in block {
        shipped[name] = value;
    }
    shipped
}

#[track_caller]
fn assert_right(kind: Kind, document: &Value) {
    assert_eq!(kind.violations(document), [""; 0], "by the schema: {document}");
    assert_eq!(kind.mistakes(document), [""; 0], "to the reader: {document}");
}

#[test]
fn the_documents_with_every_member_are_right() {
    for kind in Kind::ALL {
        assert_right(kind, &kind.everything());
    }
}

#[test]
fn what_is_shipped_is_right() {
    assert_right(Plugin, &shipped_plugin());
    assert_right(Plugin, &istio_plugin());
    assert_right(Gateway, &shipped_gateway());
    // Its keys are filled in by the table itself, so no reader reads it as it is.
    assert_eq!(PolicyKind.violations(&policy_of_the_table()), [""; 0]);
}

/// There keys stand in the policy, and nothing is fetched or waited for.
#[test]
fn a_plugin_in_google_s_load_balancer_needs_no_more_than_a_policy_with_keys() {
    let mut plugin = Plugin.everything();
    plugin["host"] = json!("service-extensions");
    assert_ne!(Plugin.violations(&plugin), [""; 0]);
    for name in ["keys", "wait_for_keys", "properties", "claim_headers"] {
        plugin.as_object_mut().unwrap().remove(name);
    }
    let frozen = plugin["policy"]["issuers"][3].take();
    let health = plugin["policy"]["rules"][0].take();
    plugin["policy"] = json!({"issuers": [frozen], "rules": [health]});
    assert_right(Plugin, &plugin);
}

#[test]
fn every_configuration_in_the_readme_is_right() {
    let blocks = blocks_of("README.md");
    assert!(blocks.iter().any(|block| block.contains_key("policy")));
    for mut block in blocks {
        match block.remove("policy") {
            Some(policy) => assert_right(PolicyKind, &policy),
            None => assert_right(Plugin, &around(shipped_plugin(), block)),
        }
    }
}

#[test]
fn every_configuration_in_the_gateways_guide_is_right() {
    let blocks = blocks_of("docs/gateway.md");
    assert!(blocks.len() > 8);
    for block in blocks {
        assert_right(Gateway, &around(shipped_gateway(), block));
    }
}

#[test]
fn every_configuration_in_the_emulators_guide_is_right() {
    let blocks = blocks_of("docs/emulator.md");
    assert!(blocks.len() > 2);
    for block in blocks {
        assert_right(Emulator, &around(json!({}), block));
    }
}

#[test]
fn the_emulators_examples_are_right() {
    let entries = std::fs::read_dir(workspace().join("emulator/examples")).unwrap();
    let files = entries.map(|entry| entry.unwrap().path());
    for file in files.filter(|file| file.extension().is_some_and(|it| it == "yaml")) {
        assert_right(Emulator, &read(&file).unwrap());
    }
}

#[test]
fn the_emulators_guide_names_every_member_that_the_schema_has() {
    let guide = std::fs::read_to_string(workspace().join("docs/emulator.md")).unwrap();
    let schema = Emulator.schema();
    let definitions = schema["$defs"].as_object().unwrap().values();
    let sections = schema["properties"].as_object().unwrap().values();
    for mapping in definitions.chain(sections).chain([&schema]) {
        for member in mapping["properties"].as_object().into_iter().flat_map(Map::keys) {
            let named = [format!("{member}:"), format!("`{member}`")];
            assert!(
                named.iter().any(|it| guide.contains(it)),
                "{member} is not in docs/emulator.md"
            );
        }
    }
}

/// Whatever the reader takes by default is what the guide says.
#[test]
fn the_guide_names_every_member_that_the_schema_has() {
    let guide = std::fs::read_to_string(workspace().join("docs/gateway.md")).unwrap();
    for name in ["services", "identity", "upstream", "limits", "tls", "region", "token_cache"] {
        let members = &Gateway.schema()["properties"][name]["properties"];
        for member in members.as_object().into_iter().flat_map(Map::keys) {
            assert!(guide.contains(member.as_str()), "{name}.{member} is not in docs/gateway.md");
        }
    }
}
