use super::*;

use remint_emulator::{Config, Emulator, Fault};
use serde_json::{Value, json};

const POLICY: &str = r#"policy:
  issuers: [{ preset: google }, { preset: iap, name: people }]
  rules:
    - name: orders-push
      match: { hosts: [orders.example.com] }
      issuers: [google]
      audiences: [https://orders.example.com]
      callers: { emails: [push@p.iam.gserviceaccount.com] }
      claims: { level: 3 }
    - name: people
      match: { hosts: [people.example.com] }
      issuers: [people]
      audiences: [/projects/1/apps/a]
      callers: { anyone: true }
"#;
const PLUGIN: &str = r#"keys: { google: { cluster: google_keys }, people: { cluster: people_keys } }
wait_for_keys: 5s
properties: true
token: forward
claim_headers: [{ claim: email, header: x-caller }]
token_cache: { max_entries: 100 }
"#;
const GATEWAY: &str = "listen: 127.0.0.1:0\nservices: []\nanything: else\n";
const NOW: UnixTime = UnixTime(1_790_000_000);

fn plan(text: &str) -> Plan {
    Plan::read(text, Host::ServiceExtensions).unwrap()
}

fn mistakes(text: &str) -> Vec<String> {
    let file = Path::new("f.yaml");
    let found = Plan::read(text, Host::ServiceExtensions).unwrap_err();
    FileError::new(file, found).to_string().lines().map(str::to_owned).collect()
}

/// The way to that Google, and the file with its certificate authority.
fn upstream(google: &Emulator) -> Upstream {
    let file = std::env::temp_dir().join(format!("remint-{:x}.pem", crate::random::bits()));
    std::fs::write(&file, google.ca_pem()).unwrap();
    let extra_roots = crate::config::load_roots(&file).unwrap();
    std::fs::remove_file(&file).unwrap();
    let address = |text: &str| crate::config::HostPort::parse(text, None).unwrap();
    let here = address(&google.google_addr().to_string());
    let hosts = ["www.googleapis.com:443", "www.gstatic.com:443"];
    let connect_to = hosts.map(|host| (address(host), here.clone())).into();
    Upstream { extra_roots, connect_to, ..Upstream::default() }
}

async fn rendered(text: &str, host: Host) -> Value {
    let google = Emulator::start(Config::demo()).await.unwrap();
    let plan = Plan::read(text, host).unwrap();
    let valid_for = "7d".parse().unwrap();
    let rendered = plan.render(&upstream(&google), &valid_for, NOW).await.unwrap();
    assert_eq!(rendered.usable_until, Some(UnixTime(NOW.0 + 7 * 86_400)));
    assert!(rendered.notes.is_empty(), "{:?}", rendered.notes);
    google.shutdown().await;
    serde_json::from_str(&rendered.text).unwrap()
}

#[tokio::test]
async fn keys_take_the_place_of_urls_and_what_the_host_has_not_is_dropped() {
    let config = rendered(&format!("{PLUGIN}{POLICY}"), Host::ServiceExtensions).await;
    let mut names: Vec<_> = config.as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["claim_headers", "host", "policy", "token", "token_cache"]);
    assert_eq!(config["host"], "service-extensions");
    let issuers = &config["policy"]["issuers"];
    for (place, kty) in ["RSA", "EC"].iter().enumerate() {
        let keys = &issuers[place]["inline_keys"];
        assert_eq!((&keys["as_of"], &keys["valid_for"]), (&json!(NOW.to_string()), &json!("7d")));
        assert_eq!(&keys["jwks"]["keys"][0]["kty"], kty);
    }
    assert_eq!(issuers[1]["name"], "people");
    assert_eq!(config["policy"]["rules"][0]["claims"], json!({"level": 3}));
}

#[tokio::test]
async fn an_envoy_keeps_what_it_has_and_needs_no_way_to_the_keys() {
    let config = rendered(&format!("{PLUGIN}{POLICY}"), Host::Envoy).await;
    assert_eq!((&config["host"], &config["properties"]), (&json!("envoy"), &json!(true)));
    assert_eq!((&config["keys"], &config["wait_for_keys"]), (&Value::Null, &json!("5s")));
}

#[tokio::test]
async fn of_the_gateway_s_configuration_the_policy_alone_is_used() {
    let policy =
        POLICY.replace("  issuers: [{ preset: google }, { preset: iap, name: people }]\n", "");
    let policy = policy.split("    - name: people").next().unwrap();
    let config = rendered(&format!("{GATEWAY}{policy}"), Host::ServiceExtensions).await;
    assert_eq!(config.as_object().unwrap().len(), 2);
    // Without a list of issuers there is Google.
    let google = &config["policy"]["issuers"][0];
    assert_eq!(google["preset"], "google");
    assert_eq!(google["inline_keys"]["jwks"]["keys"][0]["kty"], "RSA");
}

#[test]
fn every_mistake_is_told_with_its_place_before_anything_is_fetched() {
    let text = format!("{PLUGIN}{POLICY}")
        .replace("token: forward", "tokn: forward")
        .replace("header: x-caller", "header: \"x caller\"")
        .replace("preset: iap,", "preset: iap, jwks_uri: nowhere,")
        .replace("callers: { anyone: true }", "callers: {}");
    let found = mistakes(&text);
    let starts = [
        "f.yaml:4:1: tokn: is not a setting",
        "f.yaml:5:41: claim_headers[0].header: \"x caller\" is no name",
        "f.yaml:8:58: policy.issuers[1].jwks_uri: \"nowhere\" is no URL",
        "f.yaml:20:16: policy.rules[1].callers: admits nobody",
    ];
    assert_eq!(found.len(), starts.len(), "{found:#?}");
    for (line, start) in found.iter().zip(starts) {
        assert!(line.starts_with(start), "{start}: {found:#?}");
    }
}

#[test]
fn a_file_without_a_policy_is_told_so() {
    for text in ["", "token: strip", "services: []", "policy: 1", "[]", "a: ["] {
        assert!(!mistakes(text).is_empty(), "{text}");
    }
    assert!(mistakes("token: strip")[0].contains("\"policy\" is missing"));
}

#[tokio::test]
async fn without_the_keys_of_one_issuer_nothing_is_rendered() {
    let google = Emulator::start(Config::demo()).await.unwrap();
    let upstream = upstream(&google);
    let valid_for: ValidFor = "7d".parse().unwrap();
    let faults = [
        (Fault::Status(http::StatusCode::SERVICE_UNAVAILABLE), "answers 503"),
        (Fault::NotJson, "can't be read"),
        (Fault::Oversized, "longer than"),
        (Fault::Reset, "can't be fetched"),
    ];
    for (fault, why) in faults {
        google.faults().set_iap_keys(Some(fault));
        let error = plan(POLICY).render(&upstream, &valid_for, NOW).await.unwrap_err();
        let shown = error.to_string();
        assert!(
            shown.starts_with("no keys of \"people\" from https://www.gstatic.com/"),
            "{shown}"
        );
        assert!(shown.contains(why), "{shown}");
    }
    google.shutdown().await;
    let error = plan(POLICY).render(&upstream, &valid_for, NOW).await.unwrap_err();
    assert!(error.to_string().contains("no connection to 127.0.0.1"), "{error}");
}

#[tokio::test]
async fn keys_of_the_file_s_own_stay_and_their_age_is_told() {
    let google = Emulator::start(Config::demo()).await.unwrap();
    let as_of = NOW.minus(std::time::Duration::from_secs(8 * 86_400));
    let own = format!(
        "preset: iap, inline_keys: {{ jwks: {}, as_of: \"{as_of}\" }},",
        google.iap().jwks()
    );
    let text = POLICY.replace("preset: iap,", &own);
    let valid_for = "1h".parse().unwrap();
    let rendered = plan(&text).render(&upstream(&google), &valid_for, NOW).await.unwrap();
    assert!(rendered.notes[0].contains("\"people\" stand in the file and are too old"));
    let config: Value = serde_json::from_str(&rendered.text).unwrap();
    let kept = &config["policy"]["issuers"][1]["inline_keys"]["as_of"];
    assert_eq!(kept, &json!(as_of.to_string()));
    google.shutdown().await;
}

#[test]
fn what_is_too_large_or_not_to_the_filter_s_taste_is_an_error() {
    let long = format!("{{\"policy\": \"{}\"}}", "x".repeat(MAX_CONFIGURATION_BYTES));
    assert!(matches!(checked(&long), Err(RenderError::TooLarge(_))));
    assert!(matches!(checked("{\"policy\": 1}"), Err(RenderError::Refused(_))));
}

#[test]
fn the_keys_time_is_within_what_the_filter_takes() {
    for good in ["1h", "7d", "366d", "30days"] {
        assert!(good.parse::<ValidFor>().is_ok(), "{good}");
    }
    for bad in ["", "7", "59m", "367d", "forever"] {
        assert!(bad.parse::<ValidFor>().is_err(), "{bad}");
    }
}

#[test]
fn only_public_members_of_usable_keys_are_taken() {
    let mut document = remint_emulator_jwks();
    let key = document["keys"][0].as_object_mut().unwrap();
    key.extend([("x5c".to_owned(), json!(["MII"])), ("d".to_owned(), json!("secret"))]);
    let secret = json!({"kty": "oct", "kid": "shared", "k": "secret"});
    // Without an id, and for another use than verifying.
    let other = json!({"kty": "EC", "crv": "P-256", "key_ops": ["deriveBits"],
        "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"});
    document["keys"].as_array_mut().unwrap().extend([secret, other]);
    let public = jwks::public(document.to_string().as_bytes()).unwrap();
    assert_eq!(public.left_out.len(), 2);
    let keys = public.keys.to_json()["keys"].clone();
    assert_eq!(keys.as_array().unwrap().len(), 1);
    let mut names: Vec<_> = keys[0].as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["alg", "e", "kid", "kty", "n", "use"]);
}

fn remint_emulator_jwks() -> Value {
    let clock = std::sync::Arc::new(remint_idtoken::SystemClock);
    remint_emulator::Issuer::new(remint_idtoken::Algorithm::Rs256, clock).unwrap().jwks()
}

#[test]
fn a_file_is_replaced_whole_or_not_at_all() {
    let folder = std::env::temp_dir().join(format!("remint-{:x}", crate::random::bits()));
    std::fs::create_dir(&folder).unwrap();
    let file = folder.join("plugin.json");
    for text in ["{}", "{\"longer\": true}", "{}"] {
        replace(&file, text).unwrap();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), text);
    }
    assert!(replace(&folder, "{}").is_err());
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1);
    std::fs::remove_dir_all(&folder).unwrap();
}
