//! Typical mistakes in a plugin configuration: what is said of each, and that
//! Envoy does not start with them.

use remint_tests::chain::Envoy;
use remint_tests::shipped::{EnvoyConfig, built};
use serde_json::{Value, json};

use super::documents::{Kind, Plugin, unescaped};

/// The place in the document with every member, what stands there instead, or
/// nothing, and what is said about it.
const MISTAKES: &[(&str, Option<&str>, &[&str])] = &[
    // Names.
    ("/policies", Some("{}"), &[r#"policies: is not a setting; did you mean "policy"?"#]),
    (
        "/policy/rules/1/audience",
        Some(r#"["x"]"#),
        &[r#"policy.rules[1].audience: is not a setting; did you mean "audiences"?"#],
    ),
    (
        "/policy/issuers/2/algorithm",
        Some(r#"["RS256"]"#),
        &[r#"policy.issuers[2].algorithm: is not a setting; did you mean "algorithms"?"#],
    ),
    (
        "/policy/rules/1/callers/email",
        Some(r#"["a@b"]"#),
        &[r#"policy.rules[1].callers.email: is not a setting; did you mean "emails"?"#],
    ),
    (
        "/claim_headers/0/value",
        Some(r#""x""#),
        &["claim_headers[0].value: is not a setting; known here: claim, header, issuer"],
    ),
    // Types.
    (
        "/policy/rules/0/anonymous",
        Some(r#""yes""#),
        &["policy.rules[0].anonymous: expected true or false, found a text"],
    ),
    (
        "/policy/rules/1/match/hosts",
        Some(r#""orders.example.com""#),
        &["policy.rules[1].match.hosts: expected a list, found a text"],
    ),
    (
        "/policy/rules/2/all_of/1/claims/level",
        Some("1.5"),
        &[
            "policy.rules[2].all_of[1].claims.level: is no whole number that a claim can be compared with",
        ],
    ),
    ("/properties", Some(r#""on""#), &["properties: expected true or false, found a text"]),
    (
        "/policy/services/orders/project_number",
        Some("123456789012"),
        &["policy.services.orders.project_number: expected a text, found a number"],
    ),
    // Times.
    (
        "/wait_for_keys",
        Some("5"),
        &["wait_for_keys: expected a time span such as 30s, 5m or 1h, found a number"],
    ),
    (
        "/policy/clock_skew",
        Some(r#""30""#),
        &[r#"policy.clock_skew: "30" is no time span: write it as 30s, 5m or 1h"#],
    ),
    (
        "/policy/max_lifetime",
        Some(r#""1 fortnight""#),
        &[r#"policy.max_lifetime: "1 fortnight" is no time span: write it as 30s, 5m or 1h"#],
    ),
    (
        "/keys/google/timeout",
        Some(r#""5min""#),
        &["keys.google.timeout: 5min is out of bounds: from 100ms to 1m"],
    ),
    (
        "/policy/key_sets/min_refresh",
        Some(r#""1day""#),
        &["policy.key_sets.min_refresh: 1day is out of bounds: from 1s to 1h"],
    ),
    (
        "/policy/key_sets",
        Some(r#"{"min_refresh": "1h", "max_refresh": "5m"}"#),
        &[r#"policy.key_sets: "min_refresh" is longer than "max_refresh""#],
    ),
    // Missing parts of a rule.
    ("/policy/rules/1/callers", None, &[r#"policy.rules[1]: "callers" is missing"#]),
    ("/policy/rules/1/audiences", None, &[r#"policy.rules[1]: "audiences" is missing"#]),
    ("/policy/rules/1/name", None, &[r#"policy.rules[1]: "name" is missing"#]),
    ("/policy/rules/1/match", None, &[r#"policy.rules[1]: "match" is missing"#]),
    (
        "/policy/rules/1/issuers",
        None,
        &[r#"policy.rules[1]: "issuers" is missing: name those that this rule accepts"#],
    ),
    // What rules call by name.
    (
        "/policy/rules/1/issuers/1",
        Some(r#""gogle""#),
        &[r#"policy.rules[1].issuers[1]: "gogle" is not one of: google, people, own, frozen"#],
    ),
    (
        "/policy/rules/2/all_of/1/audiences/0",
        Some(r#"{"group": "orders"}"#),
        &[
            r#"policy.rules[2].all_of[1].audiences[0].group: "orders" is no group of audiences: all"#,
        ],
    ),
    (
        "/policy/rules/2/all_of/1/audiences/1",
        Some(r#"{"service": "item"}"#),
        &[r#"policy.rules[2].all_of[1].audiences[1].service: "item" is no service: items, orders"#],
    ),
    (
        "/policy/audience_groups/all/1",
        Some(r#"{"group": "all"}"#),
        &[
            r#"policy.audience_groups.all[1]: takes one of "service" and "group""#,
            "policy.audience_groups.all[1].group: is not a setting; known here: service",
        ],
    ),
    (
        "/policy/rules/1/callers/groups/0",
        Some(r#""stuff""#),
        &[r#"policy.rules[1].callers.groups[0]: "stuff" is no group of callers: staff"#],
    ),
    (
        "/policy/rules/1/callers/senders/0",
        Some(r#""pub/sub""#),
        &[
            r#"policy.rules[1].callers.senders[0]: "pub/sub" is not one of: pubsub, tasks, scheduler, eventarc"#,
        ],
    ),
    (
        "/policy/senders/tasks",
        None,
        &[
            r#"policy.rules[1].callers.senders[1]: "tasks" is no sender with accounts under "senders": eventarc, pubsub, scheduler"#,
        ],
    ),
    // For which requests.
    (
        "/policy/rules/1/match/hosts/0",
        Some(r#"".*\\.example\\.com""#),
        &[r#"policy.rules[1].match.hosts[0]: ".*\\.example\\.com" is no host name"#],
    ),
    (
        "/policy/rules/0/match/hosts/0",
        Some(r#""https://orders.example.com""#),
        &[r#"policy.rules[0].match.hosts[0]: "https://orders.example.com" is no host name"#],
    ),
    (
        "/policy/rules/0/match/hosts/1",
        Some(r#""Orders.example.com:443""#),
        &[
            "policy.rules[0].match.hosts[1]: write the host without port and in lower case: orders.example.com",
        ],
    ),
    (
        "/policy/rules/1/match/paths/0/prefix",
        Some(r#""push""#),
        &[
            r#"policy.rules[1].match.paths[0].prefix: "push" is no path: the path is not one that begins with a slash, in ASCII"#,
        ],
    ),
    (
        "/policy/rules/1/match/paths/1/template",
        Some(r#""/v1/item-{id}""#),
        &[
            r#"policy.rules[1].match.paths[1].template: "/v1/item-{id}" is no template: braces stand around a whole segment, as {id}"#,
        ],
    ),
    (
        "/policy/rules/0/match/paths/0/exact",
        Some(r#""/a/../health""#),
        &[
            r#"policy.rules[0].match.paths[0].exact: "/a/../health" is no path: the path holds a dot segment"#,
        ],
    ),
    (
        "/policy/rules/0/match/methods/0",
        Some(r#""get""#),
        &[
            r#"policy.rules[0].match.methods[0]: "get" is no method: write it in capitals, as in GET"#,
        ],
    ),
    // For whom, and who.
    (
        "/policy/rules/1/audiences/0",
        Some(r#""https://*.example.com""#),
        &[
            r#"policy.rules[1].audiences[0]: "https://*.example.com" is no audience: it is compared letter by letter"#,
        ],
    ),
    (
        "/policy/rules/2/all_of/0/audiences/0",
        Some(r#""123-abc.apps.googleusercontent.com""#),
        &[
            r#"policy.rules[2].all_of[0].audiences[0]: "123-abc.apps.googleusercontent.com" is no audience of an IAP assertion: expected /projects/NUMBER/global/backendServices/ID, /projects/NUMBER/apps/ID or /projects/NUMBER/locations/REGION/services/NAME (an OAuth client ID is the audience of tokens sent to IAP)"#,
        ],
    ),
    (
        "/policy/rules/1/callers/anyone",
        Some("true"),
        &[r#"policy.rules[1].callers: takes "anyone: true" or lists, not both"#],
    ),
    (
        "/policy/rules/2/all_of/0/callers/anyone",
        Some("false"),
        &[
            r#"policy.rules[2].all_of[0].callers: admits nobody: list "emails", or say "anyone: true""#,
        ],
    ),
    (
        "/policy/rules/1/callers/emails/0",
        Some(r#""*@example.com""#),
        &[r#"policy.rules[1].callers.emails[0]: "*@example.com" is no address of an account"#],
    ),
    (
        "/policy/rules/0/audiences",
        Some(r#"["https://orders.example.com"]"#),
        &[
            r#"policy.rules[0].audiences: does not go with "anonymous: true": it would not be looked at"#,
        ],
    ),
    (
        "/policy/rules/0/all_of",
        Some("[]"),
        &[
            r#"policy.rules[0].all_of: does not go with "anonymous: true": it would not be looked at"#,
            "policy.rules[0].all_of: must not be empty",
        ],
    ),
    (
        "/policy/rules/2/callers",
        Some(r#"{"anyone": true}"#),
        &[r#"policy.rules[2].callers: does not go with "all_of": it would not be looked at"#],
    ),
    // Issuers and their keys.
    (
        "/policy/issuers/0/preset",
        Some(r#""gogle""#),
        &[r#"policy.issuers[0].preset: "gogle" is not one of: google, iap"#],
    ),
    (
        "/policy/issuers/1/jwks_uri",
        Some(r#""https://keys.example""#),
        &[r#"policy.issuers[1]: takes "jwks_uri" or "inline_keys", not both"#],
    ),
    (
        "/policy/issuers/2/jwks_uri",
        Some(r#""http://keys.example/jwks""#),
        &[
            r#"policy.issuers[2].jwks_uri: "http://keys.example/jwks": whoever is on the way could change the keys; use https"#,
        ],
    ),
    (
        "/policy/issuers/2/algorithms/0",
        Some(r#""HS256""#),
        &[r#"policy.issuers[2].algorithms[0]: "HS256" is not one of: RS256, ES256"#],
    ),
    (
        "/policy/issuers/1/inline_keys/as_of",
        None,
        &[
            r#"policy.issuers[1].inline_keys: "as_of" is missing: say when the keys were fetched, as 2026-01-31T12:00:00Z, or "valid_for: forever""#,
        ],
    ),
    (
        "/policy/issuers/3/inline_keys/jwks",
        Some(r#"{"keys": [{"kty": "RSA", "n": "AQAB", "e": "AQAB"}]}"#),
        &["policy.issuers[3].inline_keys.jwks: is no key set: no usable key among 1"],
    ),
    (
        "/policy/issuers/0/tokens/1/header",
        Some(r#""Cookie""#),
        &[
            r#"policy.issuers[0].tokens[1].header: a token is never read from or written to "Cookie""#,
        ],
    ),
    (
        "/policy/issuers/3/issuer",
        Some(r#""https://issuer.example""#),
        &[r#"policy.issuers: the issuer "https://issuer.example" occurs twice"#],
    ),
    // Rules as a whole.
    (
        "/policy/rules/1/name",
        Some(r#""health""#),
        &[r#"policy.rules: the name "health" occurs twice"#],
    ),
    (
        "/policy/rules/0/match",
        Some("{}"),
        &[
            r#"policy.rules: the rule "one" is never reached: "health" before it is for every request"#,
        ],
    ),
    // The filter's own settings.
    (
        "/keys/own",
        None,
        &[r#"keys: "own" is missing: say which cluster leads to http://127.0.0.1:8080/keys"#],
    ),
    (
        "/keys/people",
        Some(r#"{"cluster": ""}"#),
        &[
            "keys.people.cluster: must not be empty",
            "keys.people: its keys stand in the policy: there is nothing to fetch",
        ],
    ),
    (
        "/keys/gogle",
        Some(r#"{"cluster": "google_keys"}"#),
        &["keys.gogle: is not the name of an issuer of the policy"],
    ),
    ("/host", Some(r#""gke""#), &[r#"host: "gke" is not one of: envoy, service-extensions"#]),
    (
        "/token_cache/max_bytes",
        Some(r#""8MB""#),
        &["token_cache.max_bytes: expected a whole number, found a text"],
    ),
    ("/token", Some(r#""keep""#), &[r#"token: "keep" is not one of: strip, forward"#]),
    (
        "/token",
        Some(r#"{"move_to": "Authorization"}"#),
        &[r#"token.move_to: "authorization" is where tokens are read: set another header"#],
    ),
    (
        "/claim_headers/1/header",
        Some(r#""x-token""#),
        &[r#"claim_headers[1].header: "x-token" is where tokens are read: set another header"#],
    ),
    (
        "/claim_headers/0/issuer",
        Some(r#""gogle""#),
        &[r#"claim_headers[0].issuer: "gogle" is not one of: google, people, own, frozen"#],
    ),
    ("/payload_header", Some(r#""x-caller""#), &[r#"the header "x-caller" occurs twice"#]),
];

/// Writes a value into a document, or takes what is there away.
fn change(document: &mut Value, place: &str, value: Option<&str>) {
    let (parent, name) = place.rsplit_once('/').unwrap();
    let value = value.map(|value| serde_json::from_str(value).unwrap());
    match (document.pointer_mut(parent).unwrap(), value) {
        (Value::Array(items), Some(value)) => items[name.parse::<usize>().unwrap()] = value,
        (Value::Object(members), Some(value)) => {
            members.insert(unescaped(name), value);
        }
        (members, None) => {
            members.as_object_mut().unwrap().remove(name).unwrap();
        }
        (other, _) => panic!("{place}: {other}"),
    }
}

#[test]
fn each_mistake_is_named_where_it_is() {
    for (place, value, expected) in MISTAKES {
        let mut document = Plugin.everything();
        change(&mut document, place, *value);
        assert_eq!(Plugin.mistakes(&document), *expected, "{place}: {value:?}");
    }
}

/// A document with as many of the mistakes as do not hide each other.
fn with_many_mistakes() -> Value {
    let mut document = Plugin.everything();
    let mut changed: Vec<&str> = Vec::new();
    for (place, value, _) in MISTAKES {
        let touches = |other: &&str| place.starts_with(*other) || other.starts_with(place);
        if !changed.iter().any(touches) {
            change(&mut document, place, *value);
            changed.push(place);
        }
    }
    document
}

#[tokio::test(flavor = "multi_thread")]
async fn envoy_does_not_start_with_mistakes_and_its_log_has_each_with_its_path() {
    let document = with_many_mistakes();
    let mistakes = Plugin.mistakes(&document);
    assert!(mistakes.len() > 35, "{mistakes:#?}");
    let mut config =
        EnvoyConfig::shipped("envoy.yaml").unwrap().module(&built("remint_filter.wasm").unwrap());
    *config.plugin() = document;
    let folder = tempfile::tempdir().unwrap();
    let log = Envoy::refusing(&config, folder.path()).await.unwrap();
    for mistake in mistakes {
        assert!(log.contains(&mistake), "{mistake} is not in:\n{log}");
    }
}

/// What a misspelt document looks like to an editor.
#[test]
fn a_schema_tells_where_a_misspelt_member_is() {
    for kind in Kind::ALL {
        let mut document = kind.everything();
        let place = match kind {
            Kind::Policy => "/rules/0",
            Kind::Plugin | Kind::Gateway => "/policy/rules/0",
            Kind::Emulator => "/services/0",
        };
        document.pointer_mut(place).unwrap()["audience"] = json!(["x"]);
        let found = kind.violations(&document);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with(place) && found[0].contains("audience"), "{found:?}");
    }
}
