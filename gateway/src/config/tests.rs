use super::*;

pub(super) const GOOD: &str = r#"
listen: 127.0.0.1:0
policy:
  rules:
    - name: orders-push
      match: { hosts: [orders.example.com] }
      audiences: [https://orders.example.com/push]
      callers: { emails: [push@p.iam.gserviceaccount.com] }
    - name: admin
      match: { hosts: [admin.example.com] }
      audiences: [https://admin.example.com]
      callers: { emails: [push@p.iam.gserviceaccount.com] }
identity:
  metadata: {}
services:
  - name: orders
    rules: [orders-push, admin]
    regions:
      - name: us-central1
        url: https://orders-1.us-central1.run.app
      - name: europe-west1
        url: https://green---orders-1.europe-west1.run.app
      - name: third
        url: http://127.0.0.1:9000
        audience: https://other.example
upstream:
  connect_timeout: 1s
  connect_to: { "orders-1.us-central1.run.app:443": "127.0.0.1:4000" }
drain_timeout: 3s
"#;

pub(super) fn read(text: &str) -> Result<Config, Vec<String>> {
    let environment = Environment {
        port: Some("9090".into()),
        metadata_host: Some("127.0.0.1:9999".into()),
        ..Environment::default()
    };
    Config::read(text, Path::new("/nowhere"), &environment)
        .map_err(|problems| problems.iter().map(ToString::to_string).collect())
}

fn metadata(host: &str) -> Identity {
    Identity::Metadata { host: HostPort::parse(host, None).unwrap() }
}

/// The problems of the good text after one replacement.
pub(super) fn problems_of(from: &str, to: &str) -> Vec<String> {
    assert!(GOOD.contains(from), "{from}");
    read(&GOOD.replacen(from, to, 1)).unwrap_err()
}

#[test]
fn a_good_configuration_is_read_and_completed() {
    let config = read(GOOD).unwrap();
    let audiences: Vec<_> =
        config.services[0].regions.iter().map(|region| &*region.audience).collect();
    let expected = [
        "https://orders-1.us-central1.run.app",
        "https://orders-1.europe-west1.run.app",
        "https://other.example",
    ];
    assert_eq!(audiences, expected);
    assert_eq!(config.admin.to_string(), "127.0.0.1:8081");
    assert_eq!((config.drain_delay, config.drain_timeout.as_secs()), (Duration::ZERO, 3));
    assert_eq!(config.upstream.response_timeout, Duration::from_secs(300));
    assert_eq!(config.services[0].identity, metadata("127.0.0.1:9999"));
    let (from, to) = config.upstream.connect_to.iter().next().unwrap();
    assert_eq!(from.to_string(), "orders-1.us-central1.run.app:443");
    assert_eq!(to.to_string(), "127.0.0.1:4000");
}

#[test]
fn limits_are_the_defaults_where_nothing_is_said() {
    assert_eq!(read(GOOD).unwrap().limits, Limits::default());
    let limits = read(&format!("{GOOD}limits: {{ max_headers: 7, queue_timeout: 3s }}\n"));
    let mut expected = Limits { max_headers: 7, ..Limits::default() };
    expected.in_flight.queue_timeout = Duration::from_secs(3);
    assert_eq!(limits.unwrap().limits, expected);
    let routes =
        GOOD.replace("[orders-push, admin]", "[{ rule: orders-push, max_body: 2MiB }, admin]");
    let routes = read(&routes).unwrap().services[0].routes.clone();
    assert_eq!(routes.iter().map(|it| it.max_body).collect::<Vec<_>>(), [Some(2 << 20), None]);
}

#[test]
fn limits_that_would_stop_everything_are_mistakes() {
    for wrong in ["max_connections: 0", "max_in_flight: 0", "body_timeout: 0s", "max_headers: x"] {
        let problems = read(&format!("{GOOD}limits: {{ {wrong} }}\n")).unwrap_err();
        let name = wrong.split(':').next().unwrap();
        assert!(problems.len() == 1 && problems[0].contains(name), "{problems:?}");
    }
    let problems = read(&format!("{GOOD}reload_interval: 1ms\n")).unwrap_err();
    assert!(problems[0].contains("at least 10ms"), "{problems:?}");
    let problems =
        problems_of("[orders-push, admin]", "[{ rule: orders-push, max_body: 2MB }, admin]");
    assert!(problems[0].contains("is no size"), "{problems:?}");
}

#[test]
fn what_is_left_out_comes_from_the_environment_or_a_default() {
    let text = GOOD.replace("listen: 127.0.0.1:0\n", "").replace("identity:\n  metadata: {}\n", "");
    let config = read(&text).unwrap();
    assert_eq!(config.listen.to_string(), "0.0.0.0:9090");
    assert_eq!(config.services[0].identity, metadata("127.0.0.1:9999"));
    let text = GOOD.replace("metadata: {}", "metadata: { host: meta.example }");
    assert_eq!(read(&text).unwrap().services[0].identity, metadata("meta.example:80"));
}

#[test]
fn it_has_stopped_before_cloud_run_kills_it() {
    let text = GOOD.replace("drain_timeout: 3s\n", "");
    let seconds = |is_cloud_run| {
        let environment = Environment { is_cloud_run, ..Environment::default() };
        let config = Config::read(&text, Path::new("/nowhere"), &environment).unwrap();
        (config.drain_delay + config.drain_timeout).as_secs()
    };
    assert_eq!((seconds(true), seconds(false)), (9, 25));
}

#[test]
fn tokens_travel_in_clear_text_only_where_that_is_asked_for() {
    let elsewhere = "url: http://10.0.0.1:9000\n        allow_plaintext: true";
    let config = read(&GOOD.replace("url: http://127.0.0.1:9000", elsewhere)).unwrap();
    assert_eq!(config.services[0].regions[2].origin.to_string(), "http://10.0.0.1:9000");
}

/// What is written, what instead, and the first problem then.
const MISTAKES: [(&str, &str, &str); 18] = [
    ("listen: 127.0.0.1:0", "listen: 8080", "2:9: listen: expected a text, found a number"),
    (
        "listen: 127.0.0.1:0",
        "listen: localhost",
        "2:9: listen: \"localhost\" is no address with port, such as 127.0.0.1:8080",
    ),
    (
        "drain_timeout: 3s",
        "drain_timeout: soon",
        "29:16: drain_timeout: \"soon\" is no time span: write it as 30s, 5m or 1h",
    ),
    (
        "drain_timeout: 3s",
        "drain_timout: 3s",
        "29:1: drain_timout: is not a setting; did you mean \"drain_timeout\"?",
    ),
    (
        "[orders-push, admin]",
        "[orders-push, amdin, admin]",
        "17:26: services[0].rules[1]: \"amdin\" is no rule of the policy, which has: orders-push, admin",
    ),
    (
        "[orders-push, admin]",
        "[orders-push]",
        "16:3: services: the policy's rule \"admin\" belongs to no service: name it in one's \"rules\"",
    ),
    (
        "[orders-push, admin]",
        "[orders-push, admin, admin]",
        "16:3: services: the rule \"admin\" occurs twice",
    ),
    (
        "https://orders-1.us-central1.run.app",
        "orders-1.us-central1.run.app",
        "20:14: services[0].regions[0].url: \"orders-1.us-central1.run.app\" is no URL of a region: expected https://HOST",
    ),
    (
        "https://orders-1.us-central1.run.app",
        "https://orders-1.us-central1.run.app/x",
        "20:14: services[0].regions[0].url: \"https://orders-1.us-central1.run.app/x\" goes on after the host: leave \"/x\" out, the path comes from the request",
    ),
    (
        "http://127.0.0.1:9000",
        "http://10.0.0.1:9000",
        "24:14: services[0].regions[2].url: \"http://10.0.0.1:9000\": tokens would travel in clear text; use https://, or say \"allow_plaintext: true\"",
    ),
    (
        "audience: https://other.example",
        "allow_plaintext: 1",
        "25:26: services[0].regions[2].allow_plaintext: expected true or false, found a number",
    ),
    (
        "name: third",
        "name: europe-west1",
        "19:7: services[0].regions: the name \"europe-west1\" occurs twice",
    ),
    (
        "metadata: {}",
        "metadta: {}",
        "14:3: identity: needs one of these, and only one: metadata, service_account_key, impersonate, external_account, default",
    ),
    (
        "connect_timeout: 1s",
        "connect_timeout: 0s",
        "27:20: upstream.connect_timeout: must be longer than nothing",
    ),
    (
        "connect_timeout: 1s",
        "ca_file: ca.pem",
        "27:12: upstream.ca_file: /nowhere/ca.pem can't be read: I/O error: No such file or directory (os error 2)",
    ),
    (
        "\"127.0.0.1:4000\"",
        "\"127.0.0.1\"",
        "28:53: upstream.connect_to.orders-1.us-central1.run.app:443: \"127.0.0.1\" is no HOST:PORT",
    ),
    (
        "audience: https://other.example",
        "audience: a b",
        "25:19: services[0].regions[2].audience: \"a b\" is no audience: it is compared letter by letter",
    ),
    (
        "    - name: orders-push\n",
        "    - name: orders-push\n      name: again\n",
        "6:7: policy.rules[0].name: occurs twice: keep one",
    ),
];

#[test]
fn typical_mistakes_are_reported_with_line_and_column() {
    for (from, to, expected) in MISTAKES {
        assert_eq!(problems_of(from, to)[0], expected);
    }
}

#[test]
fn all_mistakes_are_reported_together_in_the_order_of_the_file() {
    let text = GOOD
        .replace("127.0.0.1:0", "nowhere")
        .replace("connect_timeout: 1s", "connect_timeout: 1")
        .replace("url: http://127.0.0.1:9000", "uri: http://127.0.0.1:9000")
        .replace("drain_timeout", "drain");
    let found = read(&text).unwrap_err();
    let paths: Vec<_> = found.iter().map(|line| line.split(": ").nth(1).unwrap()).collect();
    let expected = [
        "listen",
        "services[0].regions[2]",
        "services[0].regions[2].uri",
        "upstream.connect_timeout",
        "drain",
    ];
    assert_eq!(paths, expected);
}

#[test]
fn a_mistake_is_printed_with_its_file() {
    let file = std::env::temp_dir().join(format!("remint-{:x}.yaml", crate::random::bits()));
    std::fs::write(&file, "listen: 1\n").unwrap();
    let error = Config::load(&file, &Environment::default()).unwrap_err();
    let shown = error.to_string();
    let expected = format!("{}:1:9: listen: expected a text", file.display());
    assert!(shown.contains(&expected), "{shown}");
    assert!(shown.lines().count() >= 3, "{shown}");
    std::fs::remove_file(&file).unwrap();
    let error = Config::load(&file, &Environment::default()).unwrap_err();
    let expected = format!("{}: can't be read: ", file.display());
    assert!(error.to_string().starts_with(&expected), "{error}");
}

#[test]
fn what_is_told_is_read_with_its_defaults() {
    let config = read(GOOD).unwrap();
    let service = &config.services[0];
    assert_eq!(service.regions[0].token_header, TokenHeader::XServerlessAuthorization);
    assert_eq!(service.host, HostHeader::Region);
    let usual = Telling { pass_caller_token: false, assertion: true, grpc: false };
    assert!(service.routes.iter().all(|route| route.telling == usual));
    assert!(config.assertion.is_none());
    let text = GOOD
        .replace("rules: [orders-push, admin]", "rules: [orders-push, {rule: admin, grpc: true, assertion: false, pass_caller_token: true}]")
        .replace("    regions:\n", "    host: preserve\n    regions:\n");
    let service = &read(&text).unwrap().services[0];
    assert_eq!(service.host, HostHeader::Preserve);
    let told = Telling { pass_caller_token: true, assertion: false, grpc: true };
    assert_eq!((service.routes[0].telling, service.routes[1].telling), (usual, told));
}

#[test]
fn a_callers_token_that_could_not_go_on_is_a_mistake() {
    let passed =
        GOOD.replace("orders-push, admin]", "{rule: orders-push, pass_caller_token: true}, admin]");
    assert!(read(&passed).is_ok());
    let taken = passed.replace("    regions:\n", "    token_header: authorization\n    regions:\n");
    let problems = read(&taken).unwrap_err();
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(
        problems[0].contains("\"pass_caller_token\" of the rule \"orders-push\""),
        "{problems:?}"
    );
    let open = passed.replace(
        "      audiences: [https://orders.example.com/push]\n      callers: { emails: [push@p.iam.gserviceaccount.com] }\n",
        "      anonymous: true\n",
    );
    assert!(read(&open).unwrap_err()[0].contains("can do nothing"));
}

#[test]
fn assertions_are_signed_with_keys_of_a_file_and_only_a_laptop_makes_its_own() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/tests/configuration");
    let with = |keys: &str, dev| {
        let text = format!("{GOOD}assertion: {{ issuer: me, keys: {keys} }}\n");
        let read = Config::read(&text, &folder, &Environment { dev, ..Environment::default() });
        read.map_err(|problems| problems[0].to_string())
    };
    let asserted = with("assertion-keys.json", false).unwrap().assertion.unwrap();
    assert_eq!(&*asserted.issuer, "me");
    assert!(!format!("{asserted:?}").contains("jpsQ"), "no private key is shown");
    let made = || with("dev", true).unwrap().assertion.unwrap().keys;
    assert!(std::sync::Arc::ptr_eq(&made(), &made()), "to read it again makes no other key");
    let refused = with("dev", false).unwrap_err();
    assert!(refused.contains("assertion.keys: ") && refused.contains("--dev"), "{refused}");
    assert!(with("ca.pem", false).unwrap_err().contains("it holds no private key"));
    assert!(with("nowhere.pem", false).unwrap_err().contains("nowhere.pem can't be read"));
}
