//! What a schema refuses its reader refuses too, for every way to spoil a
//! right document at one place; and what only the reader refuses is no more
//! than a schema can't say.

use serde_json::{Value, json};

use super::documents::{Kind, PolicyKind, places, unescaped};

/// What a schema can't say: what depends on other members or on the machine,
/// and forms that no pattern describes.
const BEYOND_A_SCHEMA: &[&str] = &[
    // Names that stand elsewhere in the document.
    "is no group of",
    "is no service: ",
    "is no sender with accounts",
    "is not the name of an issuer of the policy",
    "is no rule of the policy",
    "is no account of \"accounts\"",
    "is no service of \"services\"",
    "is no topic of \"pubsub.topics\"",
    "is no region of ",
    "is no host of a service here",
    "is nobody here",
    "belongs to no service",
    "say which cluster leads to",
    "its keys stand in the policy",
    "needs \"inline_keys\"",
    "\"keys\" is missing",
    "\"issuers\" is missing: name those that this rule accepts",
    // Things that must differ, or fit.
    "occurs twice",
    "is taken already",
    "can do nothing",
    "is never reached",
    "is longer than",
    "is out of bounds",
    "must be longer than nothing",
    "must not be more than",
    "is above max_backoff",
    "gives no region a weight",
    "a body is not allowed with",
    "is a function of the first generation",
    "is no origin",
    "is no audience of an IAP assertion",
    "is where tokens are read",
    "the abbreviation of",
    "is no part of a run.app URL",
    "tokens would travel in clear text",
    // Forms.
    "is no endpoint",
    "is no schedule in unix-cron format",
    "is no time zone",
    "is no key set",
    "is no path",
    "is no template",
    // Files.
    "can't be read",
];

fn is_beyond_a_schema(mistake: &str) -> bool {
    let names_an_issuer = mistake.contains("issuers[") && mistake.contains("is not one of: ");
    let of_a_header = mistake.starts_with("claim_headers") && mistake.contains("is not one of: ");
    names_an_issuer || of_a_header || BEYOND_A_SCHEMA.iter().any(|it| mistake.contains(it))
}

/// What stands where something else should.
fn wrong_values() -> Vec<Value> {
    let texts =
        ["", "x", "a b", "*", "/x", "X", "30s", "forever", "cookie", "a@b", "http://x.example"];
    let others =
        json!([null, true, false, 7, -1, 1.5, [], ["x"], [""], [[]], [{}], {}, {"x": "y"}]);
    texts.map(Value::from).into_iter().chain(others.as_array().unwrap().clone()).collect()
}

/// Members that do not go with others, and some that do.
const ADDED: &[(&str, &str, &str)] = &[
    ("/rules/0", "audiences", r#"["x"]"#),
    ("/rules/0", "callers", r#"{"anyone": true}"#),
    ("/rules/0", "all_of", "[]"),
    ("/rules/1", "anonymous", "true"),
    ("/rules/1", "all_of", "[]"),
    ("/rules/2", "anonymous", "true"),
    ("/rules/2", "anonymous", "false"),
    ("/rules/2", "claims", "{}"),
    ("/rules/1/callers", "anyone", "true"),
    ("/rules/2/all_of/0/callers", "emails", r#"["a@b"]"#),
    ("/rules/2/all_of/0/callers", "anyone", "false"),
    ("/rules/2/all_of/0", "anonymous", "true"),
    ("/rules/0/match/paths/0", "prefix", r#""/health""#),
    ("/issuers/0", "algorithms", r#"["RS256"]"#),
    ("/issuers/0", "issuer", r#""x""#),
    ("/issuers/1", "jwks_uri", r#""https://k.example""#),
    ("/issuers/2", "preset", r#""google""#),
    ("/issuers/0/inline_keys", "as_of", r#""yesterday""#),
    ("/audience_groups/all/1", "group", r#""all""#),
    ("/rules/2/all_of/1/audiences/0", "service", r#""orders""#),
];

fn additions(kind: Kind) -> Vec<(String, Value)> {
    let added = ADDED.iter().filter(|_| kind == PolicyKind).filter_map(|(place, name, value)| {
        let mut document = kind.everything();
        let value: Value = serde_json::from_str(value).unwrap();
        document.pointer_mut(place)?[*name] = value;
        Some((format!("{place} with {name}"), document))
    });
    added.collect()
}

/// The document spoilt in every way at one place.
fn spoilt_at(document: &Value, place: &str) -> Vec<(String, Value)> {
    let mut all = Vec::new();
    for value in wrong_values() {
        let mut spoilt = document.clone();
        *spoilt.pointer_mut(place).unwrap() = value.clone();
        all.push((format!("{place} = {value}"), spoilt));
    }
    let mut unknown = document.clone();
    if let Some(Value::Object(members)) = unknown.pointer_mut(place) {
        members.insert("x".to_owned(), json!("x"));
        all.push((format!("{place} with x"), unknown));
    }
    let (parent, name) = place.rsplit_once('/').unwrap_or_default();
    let name = unescaped(name);
    let mut without = document.clone();
    match without.pointer_mut(parent).unwrap() {
        Value::Object(members) if !place.is_empty() => {
            let value = members.remove(&name).unwrap();
            let mut misspelt = without.clone();
            misspelt.pointer_mut(parent).unwrap()[format!("{name}x")] = value;
            all.push((format!("{place} misspelt"), misspelt));
            all.push((format!("without {place}"), without));
        }
        Value::Array(items) => {
            items.remove(name.parse().unwrap());
            all.push((format!("without {place}"), without));
        }
        _ => {}
    }
    all
}

pub fn spoilt(kind: Kind) -> Vec<(String, Value)> {
    let document = kind.everything();
    // The policy inside of the others is the same.
    let own = places(&document).into_iter().filter(|place| !place.starts_with("/policy/"));
    let all: Vec<_> = own.flat_map(|place| spoilt_at(&document, &place)).collect();
    all.into_iter().chain(additions(kind)).collect()
}

#[test]
fn a_spoilt_document_is_refused_by_both_or_by_the_reader_for_what_no_schema_can_say() {
    for kind in Kind::ALL {
        let validator = kind.validator();
        let mut wrong = Vec::new();
        for (how, document) in spoilt(kind) {
            let mistakes = kind.mistakes(&document);
            match (validator.is_valid(&document), mistakes.is_empty()) {
                (false, true) => wrong.push(format!("only the schema refuses {how}")),
                (true, false) if !mistakes.iter().all(|it| is_beyond_a_schema(it)) => {
                    wrong.push(format!("only the reader refuses {how}: {mistakes:?}"));
                }
                _ => {}
            }
        }
        assert!(wrong.is_empty(), "{kind:?}:\n{}", wrong.join("\n"));
    }
}
