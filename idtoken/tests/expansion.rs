//! Lists of which any member counts, and names that stand for several values,
//! mean the same in any order.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests"
)]

use std::sync::{Arc, LazyLock};

use http::{HeaderMap, HeaderValue};
use proptest::prelude::*;
use remint_emulator::{Issuer, ManualClock, TokenRequest};
use remint_idtoken::keys::{KeySet, parse_jwks};
use remint_idtoken::{Algorithm, Authority, AwsLc, NoCache, Policy, Target, UnixTime};
use serde_json::{Value, json};

const NOW: UnixTime = UnixTime(1_790_000_000);

static ISSUER: LazyLock<Issuer> =
    LazyLock::new(|| Issuer::new(Algorithm::Rs256, Arc::new(ManualClock::new(NOW))).unwrap());

/// A policy whose lists and mappings stand in the order that `order` gives.
fn policy(order: &impl Fn(&mut Vec<Value>)) -> Policy {
    let list = |mut items: Vec<Value>| {
        order(&mut items);
        Value::Array(items)
    };
    let texts = |items: &[&str]| list(items.iter().map(|item| json!(item)).collect());
    let mapping = |members: Vec<(&str, Value)>| {
        let mut members: Vec<Value> = members.iter().map(|(n, v)| json!([n, v])).collect();
        order(&mut members);
        let text: Vec<_> =
            members.iter().map(|member| format!("{}:{}", member[0], member[1])).collect();
        format!("{{{}}}", text.join(","))
    };
    let regions = texts(&["us-central1", "europe-west1", "asia-east1"]);
    let services = mapping(vec![
        ("a", json!({"project_number": "1", "hash": "h", "regions": regions})),
        ("b", json!({"project_number": "2", "regions": regions})),
    ]);
    let audience_groups = mapping(vec![
        ("g", list(vec![json!("https://one.example"), json!({"service": "a"})])),
        ("h", texts(&["https://two.example", "https://three.example"])),
    ]);
    let caller_groups = mapping(vec![
        ("x", json!({"emails": texts(&["a@p.example", "b@p.example"])})),
        ("y", json!({"projects": texts(&["p", "q"]), "email_domains": texts(&["d.example"])})),
    ]);
    let audiences = list(vec![
        json!({"group": "g"}),
        json!({"group": "h"}),
        json!({"service": "b"}),
        json!("https://four.example"),
    ]);
    let callers = json!({"groups": texts(&["x", "y"]), "emails": texts(&["c@p.example"])});
    let rule = json!({"name": "r", "match": {}, "audiences": audiences, "callers": callers});
    let text = format!(
        r#"{{"services":{services},"audience_groups":{audience_groups},
            "caller_groups":{caller_groups},"rules":[{rule}]}}"#
    );
    Policy::from_json(&text).unwrap_or_else(|problems| panic!("{problems:?}"))
}

/// What the policy makes of each of many tokens.
fn verdicts(policy: &Policy, tokens: &[String]) -> Vec<Result<String, &'static str>> {
    let mut authority = Authority::new(policy, AwsLc);
    let jwks = parse_jwks(ISSUER.jwks().to_string().as_bytes()).unwrap();
    authority.set_keys("google", Some(Arc::new(KeySet::load(&AwsLc, &jwks).unwrap().0)));
    let verdict = |token: &String| {
        let mut headers = HeaderMap::new();
        let value = HeaderValue::from_str(&format!("Bearer {token}")).unwrap();
        headers.insert("authorization", value);
        let target = Target::parse("h.example", "/", "GET");
        match policy.admit(&authority, &NoCache, target, &headers, NOW) {
            Ok(admission) => Ok(admission.caller().unwrap().audience().to_owned()),
            Err(refusal) => Err(refusal.reason.code()),
        }
    };
    tokens.iter().map(verdict).collect()
}

static TOKENS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let audiences = [
        "https://one.example",
        "https://two.example",
        "https://four.example",
        "https://a-1.us-central1.run.app",
        "https://a-h-de.a.run.app",
        "https://b-2.asia-east1.run.app",
        "https://b-h-de.a.run.app",
        "https://other.example",
    ];
    let callers =
        ["a@p.example", "c@p.example", "s@q.iam.gserviceaccount.com", "n@d.example", "z@z.example"];
    let mint = |account: &str, audience: &str| ISSUER.mint(&TokenRequest::new(account, audience));
    callers.iter().flat_map(|caller| audiences.map(|audience| mint(caller, audience))).collect()
});

#[test]
fn the_policy_of_these_tests_admits_some_and_refuses_some() {
    let verdicts = verdicts(&policy(&|_| {}), &TOKENS);
    assert_eq!(verdicts.iter().filter(|verdict| verdict.is_ok()).count(), 4 * 6);
    assert!(
        verdicts.contains(&Err("aud_mismatch")) && verdicts.contains(&Err("caller_not_allowed"))
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn the_order_of_audiences_callers_groups_services_and_regions_does_not_count(
        seeds in proptest::collection::vec(0_usize.., 1..6),
    ) {
        // Rotates and reverses each list in its own way.
        let order = |items: &mut Vec<Value>| {
            let seed = seeds[items.len() % seeds.len()];
            let by = seed % items.len();
            items.rotate_left(by);
            if seed % 2 == 1 {
                items.reverse();
            }
        };
        prop_assert_eq!(verdicts(&policy(&order), &TOKENS), verdicts(&policy(&|_| {}), &TOKENS));
    }
}
