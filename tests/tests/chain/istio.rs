//! The manifests for Istio are right: by the schemas that Istio publishes, and
//! to the filter.

use std::collections::BTreeSet;

use http::StatusCode;
use remint_emulator::{Config, TokenRequest};
use remint_tests::chain::{Chain, PUSHER};
use remint_tests::shipped::{EnvoyConfig, read, workspace};
use serde_json::{Value, json};

use super::{good_token, push};

const KINDS: [&str; 3] = ["WasmPlugin", "ServiceEntry", "DestinationRule"];

/// All documents of all files.
fn manifests() -> Vec<Value> {
    let files = std::fs::read_dir(workspace().join("deploy/istio")).unwrap();
    let files = files.map(|file| file.unwrap().path());
    let yaml = files.filter(|file| file.extension().is_some_and(|it| it == "yaml"));
    yaml.flat_map(|file| {
        let text = std::fs::read_to_string(file).unwrap();
        serde_saphyr::from_multiple::<Value>(&text).unwrap()
    })
    .collect()
}

fn of_kind(kind: &str) -> Vec<Value> {
    manifests().into_iter().filter(|it| it["kind"] == kind).collect()
}

fn plugin() -> Value {
    of_kind("WasmPlugin").remove(0)
}

/// What is wrong with a document, by the schema of its kind.
fn mistakes(document: &Value) -> Vec<String> {
    let kind = document["kind"].as_str().unwrap();
    let mut schema = read(&workspace().join(format!("tests/schemas/istio/{kind}.json"))).unwrap();
    close(&mut schema);
    let validator = jsonschema::validator_for(&schema).unwrap();
    let errors = validator.iter_errors(document);
    errors.map(|error| format!("{}: {error}", error.instance_path())).collect()
}

/// Kubernetes drops fields that a schema does not declare. Here they are
/// mistakes, but where the schema says that there may be others.
fn close(schema: &mut Value) {
    match schema {
        Value::Array(parts) => parts.iter_mut().for_each(close),
        Value::Object(parts) => {
            for (keyword, part) in parts.iter_mut() {
                match (keyword.as_str(), part) {
                    ("properties" | "$defs", Value::Object(named)) => {
                        named.values_mut().for_each(close);
                    }
                    (_, part) => close(part),
                }
            }
            if parts.contains_key("properties") {
                parts.entry("additionalProperties").or_insert(json!(false));
            }
        }
        _ => {}
    }
}

#[test]
fn every_manifest_is_one_by_istio_s_schema_of_its_kind() {
    let manifests = manifests();
    let kinds: BTreeSet<_> = manifests.iter().map(|it| it["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, BTreeSet::from(KINDS));
    for manifest in manifests {
        assert_eq!(mistakes(&manifest), [""; 0], "{}", manifest["metadata"]["name"]);
    }
}

#[test]
fn misspelt_fields_and_values_are_not_overlooked() {
    for (kind, place, name, value) in [
        ("WasmPlugin", "", "specs", json!({})),
        ("WasmPlugin", "/metadata", "lables", json!({})),
        ("WasmPlugin", "/spec", "failStrategi", json!("FAIL_CLOSE")),
        ("WasmPlugin", "/spec", "failStrategy", json!("FAIL_CLOSED")),
        ("WasmPlugin", "/spec", "sha256", json!("sha256:00")),
        ("WasmPlugin", "/spec/selector", "matchLabel", json!({})),
        ("ServiceEntry", "/spec", "host", json!("www.googleapis.com")),
        ("ServiceEntry", "/spec/ports/0", "protocoll", json!("HTTPS")),
        ("DestinationRule", "/spec/trafficPolicy/tls", "subjectAltName", json!([])),
        ("DestinationRule", "/spec/trafficPolicy/tls", "mode", json!("TLS")),
    ] {
        let mut manifest = of_kind(kind).remove(0);
        assert_eq!(mistakes(&manifest), [""; 0]);
        manifest.pointer_mut(place).unwrap()[name] = value;
        assert_eq!(mistakes(&manifest).len(), 1, "{place}/{name}: {:?}", mistakes(&manifest));
    }
    let mut plugin = plugin();
    plugin["spec"].as_object_mut().unwrap().remove("url");
    assert_eq!(mistakes(&plugin), ["/spec: \"url\" is a required property"]);
}

#[test]
fn the_filter_is_configured_as_in_the_shipped_envoy_but_for_the_cluster() {
    let mut ours = plugin()["spec"]["pluginConfig"].clone();
    let mut envoy = EnvoyConfig::shipped("envoy.yaml").unwrap();
    let cluster = |keys: &mut Value| keys["keys"]["google"]["cluster"].take();
    assert_eq!(cluster(&mut ours), "outbound|443||www.googleapis.com");
    cluster(envoy.plugin());
    assert_eq!(&ours, envoy.plugin());
    assert_eq!(plugin()["spec"]["phase"], "AUTHN");
    assert_eq!(plugin()["spec"]["failStrategy"], "FAIL_CLOSE");
}

#[test]
fn every_key_server_is_reached_by_tls_that_is_verified() {
    let entry = of_kind("ServiceEntry").remove(0);
    assert_eq!(entry["spec"]["hosts"], json!(["www.googleapis.com", "www.gstatic.com"]));
    assert_eq!(entry["spec"]["ports"][0]["number"], 443);
    let rules = of_kind("DestinationRule");
    let hosts: Vec<_> = rules.iter().map(|rule| rule["spec"]["host"].clone()).collect();
    assert_eq!(json!(hosts), entry["spec"]["hosts"]);
    for manifest in rules.iter().chain([&entry]) {
        // Elsewhere TLS to these hosts would be spoken twice.
        assert_eq!(manifest["spec"]["exportTo"], json!(["."]));
        assert_eq!(manifest["metadata"]["namespace"], plugin()["metadata"]["namespace"]);
    }
    for rule in rules {
        let (host, tls) = (&rule["spec"]["host"], &rule["spec"]["trafficPolicy"]["tls"]);
        assert_eq!(tls["mode"], "SIMPLE");
        assert_eq!(&tls["sni"], host);
        assert_eq!(tls["subjectAltNames"], json!([host]));
        assert!(tls["caCertificates"].is_string() && tls["insecureSkipVerify"].is_null());
    }
}

/// Makes Envoy's configuration what Istio would make of the manifests: the
/// cluster has Istio's name and the destination rule's TLS, and the plugin
/// configuration comes as JSON in a `StringValue`
/// (<https://github.com/istio/istio/pull/33374>).
fn as_istio_would(config: &mut EnvoyConfig) {
    let rules = of_kind("DestinationRule");
    let tls = &rules.iter().find(|it| it["spec"]["host"] == "www.googleapis.com").unwrap()["spec"]
        ["trafficPolicy"]["tls"];
    let clusters = config.0["static_resources"]["clusters"].as_array_mut().unwrap();
    let keys = clusters.iter_mut().find(|cluster| cluster["name"] == "google_keys").unwrap();
    keys["name"] = json!("outbound|443||www.googleapis.com");
    keys["load_assignment"]["cluster_name"] = keys["name"].clone();
    let context = &mut keys["transport_socket"]["typed_config"];
    context["sni"] = tls["sni"].clone();
    let exact = &tls["subjectAltNames"][0];
    context["common_tls_context"]["validation_context"]["match_typed_subject_alt_names"] =
        json!([{"san_type": "DNS", "matcher": {"exact": exact}}]);
    config.filter()["typed_config"]["config"]["configuration"] = json!({
        "@type": "type.googleapis.com/google.protobuf.StringValue",
        "value": plugin()["spec"]["pluginConfig"].to_string(),
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn the_filter_works_with_what_istio_makes_of_the_manifests() {
    let mut chain = Chain::start_with(Config::demo(), as_istio_would).await.unwrap();
    let good = push(chain.edge(), &good_token(&chain.emulator)).await;
    assert_eq!(good.status, StatusCode::OK);
    let elsewhere = TokenRequest::new(PUSHER, "https://elsewhere.example");
    let bad = push(chain.edge(), &chain.emulator.issuer().mint(&elsewhere)).await;
    assert_eq!(bad.status, StatusCode::UNAUTHORIZED);
    let refusal = chain.envoy.refusal_number(0).await.unwrap();
    assert_eq!(refusal["reason"], "aud_mismatch");
    assert_eq!(refusal["rule"], "orders-push");
    chain.stop().await.unwrap();
}
