//! Wycheproof's vectors through every way of checking a signature: aws-lc and
//! the filter's own code in this process, and in a real Envoy the host's
//! function and the module's code.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests"
)]

mod schemes;
mod sets;

use std::collections::BTreeMap;
use std::time::Duration;

use http::StatusCode;
use remint_filter::signature::ModuleSignatures;
use remint_idtoken::AwsLc;
use serde_json::json;
use wycheproof::TestResult;

use schemes::{Proxy, is_key, loads, natively};
use sets::{Case, Group, base64};

/// What must come of a vector. Wycheproof leaves only signatures open whose
/// algorithm lacks its NULL: RFC 8017 lets a verifier take them (section 8.2.2,
/// note 2), and none of ours does.
fn expected(case: &Case) -> &'static str {
    match case.expected {
        TestResult::Valid => "valid",
        TestResult::Invalid | TestResult::Acceptable => "invalid",
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn all_schemes_give_the_verdict_that_wycheproof_gives() {
    let folder = tempfile::tempdir().unwrap();
    let envoy = Proxy::start(folder.path()).await.unwrap();
    let (mut checked, mut skipped) = (BTreeMap::new(), BTreeMap::new());
    let mut wrong = Vec::new();
    for group in sets::all() {
        if !is_key(&group.key) {
            *skipped.entry(group.set).or_insert(0) += group.cases.len();
            continue;
        }
        *checked.entry(group.set).or_insert(0) += group.cases.len();
        let schemes = [
            ("aws-lc", natively(&AwsLc, &group)),
            ("module", natively(&ModuleSignatures, &group)),
            ("host in Envoy", envoy.verdicts("host", &group).await),
            ("module in Envoy", envoy.verdicts("module", &group).await),
        ];
        for (scheme, verdicts) in schemes {
            for (case, verdict) in group.cases.iter().zip(verdicts) {
                if verdict != expected(case) {
                    let (set, id, comment) = (group.set, case.id, &case.comment);
                    let asked = case.expected;
                    wrong.push(format!("{set} {id} ({comment}): {scheme} {verdict}, {asked:?}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
    println!("checked by each scheme: {checked:?}; key refused by policy: {skipped:?}");
    assert!(checked.len() == 5 && checked.values().sum::<usize>() >= 1_000, "{checked:?}");
    envoy.stop().await;
}

/// A key of each type, with vectors of both kinds.
fn samples() -> Vec<Group> {
    let mut groups = sets::all();
    groups.retain(|group| is_key(&group.key) && group.cases.len() > 5);
    groups.dedup_by_key(|group| group.set);
    groups.retain(|group| ["p256", "rsa_2048"].contains(&group.set));
    assert_eq!(groups.len(), 2);
    groups
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_without_the_function_gets_the_verdicts_of_the_module() {
    let folder = tempfile::tempdir().unwrap();
    let full = Proxy::start(folder.path()).await.unwrap();
    let bare = Proxy::start_without_functions(folder.path()).await.unwrap();
    for group in samples() {
        let expected: Vec<_> = group.cases.iter().map(expected).collect();
        assert!(expected.contains(&"valid") && expected.contains(&"invalid"), "{}", group.set);
        for (proxy, by) in [(&full, "host"), (&bare, "module")] {
            assert_eq!(proxy.verdicts("either", &group).await, expected, "{by}: {}", group.set);
            let answer = proxy.order("either", &group.key, &group.cases[..1], 1).await;
            assert_eq!(answer.header("checked-by"), by);
        }
        // A scheme that has nothing but the function accepts nothing.
        let refused = bare.verdicts("host", &group).await;
        assert!(!refused.contains(&"valid".to_owned()), "{refused:?}");
        assert!(refused.contains(&"unavailable".to_owned()), "{refused:?}");
    }
    bare.stop().await;
    full.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_point_that_is_not_on_the_curve_is_no_key_in_any_scheme() {
    let folder = tempfile::tempdir().unwrap();
    let envoy = Proxy::start(folder.path()).await.unwrap();
    let coordinate = |last| base64(&[&[0; 31][..], &[last]].concat());
    let point = |x, y| json!({"kty": "EC", "crv": "P-256", "x": coordinate(x), "y": coordinate(y)});
    // Twice no solution of the curve's equation, and what stands for infinity.
    for key in [point(1, 1), point(0, 0), point(5, 9)] {
        assert!(is_key(&key), "the reader of key sets leaves this to the schemes");
        assert!(!loads(&AwsLc, &key) && !loads(&ModuleSignatures, &key), "{key}");
        for scheme in ["module", "either"] {
            let answer = envoy.order(scheme, &key, &[], 1).await;
            assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{scheme}: {key}");
        }
    }
    envoy.stop().await;
}

/// The limit of Google's plugin host for a module's work in one call.
const LIMIT: Duration = Duration::from_millis(1);

#[tokio::test(flavor = "multi_thread")]
async fn a_check_in_the_module_fits_into_a_call_of_the_plugin_host() {
    let folder = tempfile::tempdir().unwrap();
    let envoy = Proxy::start(folder.path()).await.unwrap();
    for group in samples() {
        let case = group.cases.iter().find(|case| case.expected == TestResult::Valid).unwrap();
        let host = envoy.work("host", &group.key, case).await;
        let module = envoy.work("module", &group.key, case).await;
        println!("{}: {module:?} in the module, {host:?} by the host", group.set);
        assert!(module < LIMIT, "{}: {module:?}", group.set);
    }
    envoy.stop().await;
}
