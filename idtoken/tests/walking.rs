//! A request, check by check, says what was decided of it.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "tests"
)]

use std::sync::{Arc, LazyLock};

use http::{HeaderMap, HeaderValue};
use proptest::prelude::*;
use remint_emulator::{Issuer, ManualClock};
use remint_idtoken::keys::{KeySet, parse_jwks};
use remint_idtoken::policy::{Check, Outcome, Walk};
use remint_idtoken::{Algorithm, Authority, AwsLc, Policy, Reason, Target, UnixTime};
use serde_json::{Value, json};

const NOW: UnixTime = UnixTime(1_790_000_000);
const POLICY: &str = r#"{"rules": [{
    "name": "push", "match": {"hosts": ["orders.example.com"], "paths": [{"prefix": "/push"}]},
    "audiences": ["https://orders-1.us-central1.run.app"],
    "callers": {"emails": ["pusher@p.iam.gserviceaccount.com"]}, "claims": {"level": 3}
}]}"#;

static ISSUER: LazyLock<Issuer> =
    LazyLock::new(|| Issuer::new(Algorithm::Rs256, Arc::new(ManualClock::new(NOW))).unwrap());

fn walk(claims: &Value, path: &str, has_keys: bool, spoil: bool) -> Walk {
    let policy = Policy::from_json(POLICY).unwrap();
    let mut authority = Authority::new(&policy, AwsLc);
    if has_keys {
        let jwks = parse_jwks(ISSUER.jwks().to_string().as_bytes()).unwrap();
        authority.set_keys("google", Some(Arc::new(KeySet::load(&AwsLc, &jwks).unwrap().0)));
    }
    let mut token = ISSUER.sign_claims(claims);
    if spoil {
        let forged = ISSUER.sign_claims(&json!({}));
        let signature = forged.rsplit_once('.').unwrap().1;
        token = format!("{}.{signature}", token.rsplit_once('.').unwrap().0);
    }
    let mut headers = HeaderMap::new();
    headers.insert("authorization", HeaderValue::from_str(&format!("Bearer {token}")).unwrap());
    policy.walk(&authority, Target::parse("orders.example.com", path, "POST"), &headers, NOW)
}

fn claims(changes: &Value) -> Value {
    let mut claims = json!({
        "iss": "https://accounts.google.com", "aud": "https://orders-1.us-central1.run.app",
        "sub": "104", "email": "pusher@p.iam.gserviceaccount.com", "email_verified": true,
        "iat": NOW.0, "exp": NOW.0 + 3600, "level": 3,
    });
    claims.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    claims
}

/// The checks that are not passed, with their reasons; none for one that could
/// not be made.
fn faults(walk: &Walk) -> Vec<(Check, Option<Reason>)> {
    let all = walk.steps.iter().chain(walk.tokens.iter().flat_map(|token| &token.steps));
    let fault = |step: &remint_idtoken::policy::Step| match &step.outcome {
        Outcome::Passed(_) => None,
        Outcome::Failed(refusal) => Some((step.check, Some(refusal.reason))),
        Outcome::Unknown(_) => Some((step.check, None)),
    };
    all.filter_map(fault).collect()
}

#[test]
fn a_good_request_passes_every_check() {
    let walk = walk(&claims(&json!({})), "/push", true, false);
    assert_eq!(faults(&walk), []);
    assert!(walk.decision.is_ok());
    assert_eq!(walk.tokens[0].steps.len(), 11);
}

#[test]
fn everything_that_is_wrong_is_told_at_once() {
    let changes = json!({
        "exp": NOW.0 - 60, "iat": NOW.0 - 3660, "email": "other@example.com",
        "aud": "https://orders-1.europe-west1.run.app", "level": 2,
    });
    let walk = walk(&claims(&changes), "/push", true, true);
    assert_eq!(
        faults(&walk),
        [
            (Check::Times, Some(Reason::Expired)),
            (Check::Signature, Some(Reason::SignatureBad)),
            (Check::Audience, Some(Reason::AudienceOtherRegion)),
            (Check::Caller, Some(Reason::CallerNotAllowed)),
            (Check::Claims, Some(Reason::ClaimMismatch)),
        ]
    );
    assert_eq!(walk.decision.err().map(|it| it.reason), Some(Reason::Expired));
}

#[test]
fn what_can_not_be_checked_without_keys_is_said_and_the_rest_is_checked() {
    let changes = json!({"aud": "https://orders-1.us-central1.run.app/"});
    let walk = walk(&claims(&changes), "/push", false, false);
    assert_eq!(
        faults(&walk),
        [
            (Check::Key, None),
            (Check::Signature, None),
            (Check::Audience, Some(Reason::AudienceTrailingSlash)),
        ]
    );
}

#[test]
fn what_would_be_decided_with_keys_is_told_where_only_they_are_missing() {
    let walk = |changes: &Value, has_keys| walk(&claims(changes), "/push", has_keys, false);
    let good = json!({});
    assert!(matches!(walk(&good, false).given_keys(), Some(Ok(()))));
    assert!(walk(&good, true).given_keys().is_none(), "nothing hangs on keys");
    let wrong = walk(&json!({"aud": "x", "level": 2}), false);
    let reason = wrong.given_keys().and_then(Result::err).map(|it| it.reason);
    assert_eq!(reason, Some(Reason::AudienceMismatch));
    let expired = walk(&json!({"exp": NOW.0 - 60, "iat": NOW.0 - 3660}), false);
    assert!(expired.given_keys().is_none(), "that is decided before keys are asked for");
}

#[test]
fn a_token_without_its_signature_is_read_all_the_same() {
    let token = ISSUER.sign_claims(&claims(&json!({"aud": "x"})));
    let signed = token.rsplit_once('.').unwrap().0;
    for (token, reason) in [
        (format!("{signed}.SIGNATURE_REMOVED_BY_GOOGLE"), Reason::SignatureRemoved),
        (signed.to_owned(), Reason::Malformed),
    ] {
        let policy = Policy::from_json(POLICY).unwrap();
        let mut headers = HeaderMap::new();
        headers.insert("authorization", HeaderValue::from_str(&format!("Bearer {token}")).unwrap());
        let target = Target::parse("orders.example.com", "/push", "POST");
        let walk = policy.walk(&Authority::new(&policy, AwsLc), target, &headers, NOW);
        assert_eq!(
            faults(&walk),
            [
                (Check::Form, Some(reason)),
                (Check::Algorithm, None),
                (Check::Key, None),
                (Check::Signature, None),
                (Check::Audience, Some(Reason::AudienceMismatch)),
            ]
        );
        assert!(walk.tokens[0].claims.is_some());
        assert_eq!(walk.decision.err().map(|it| it.reason), Some(reason));
    }
}

#[test]
fn the_other_rules_are_told_with_what_they_are_not_for() {
    let rule = |name: &str, matching: &str| {
        format!(r#"{{"name": "{name}", "match": {matching}, "anonymous": true}}"#)
    };
    let rules = [
        rule("health", r#"{"paths": [{"exact": "/health"}], "methods": ["GET"]}"#),
        rule("push", r#"{"hosts": ["orders.example.com"]}"#),
        rule("all", "{}"),
    ];
    let policy = Policy::from_json(&format!(r#"{{"rules": [{}]}}"#, rules.join(", "))).unwrap();
    let target = Target::parse("orders.example.com", "/push", "POST");
    let walk = policy.walk(&Authority::new(&policy, AwsLc), target, &HeaderMap::new(), NOW);
    let parts = |other: &remint_idtoken::policy::Other| {
        other.misses.iter().map(|miss| miss.part).collect::<Vec<_>>()
    };
    let told: Vec<_> = walk.others.iter().map(|other| (&*other.name, parts(other))).collect();
    assert_eq!(told, [("health", vec!["path", "method"]), ("all", vec![])]);
    assert_eq!(walk.others[0].misses[0].expected, ["/health"]);
}

#[test]
fn a_request_without_a_rule_ends_there() {
    let walk = walk(&claims(&json!({})), "/other", true, false);
    assert_eq!(faults(&walk), [(Check::Rule, Some(Reason::NoRule))]);
    assert!(walk.tokens.is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn the_first_check_that_fails_is_the_reason_of_the_refusal(
        exp in prop_oneof![Just(3600_i64), Just(-60), Just(100_000)],
        aud in prop_oneof![
            Just("https://orders-1.us-central1.run.app"), Just("x"), Just("https://orders.example.com")
        ],
        email in prop_oneof![Just("pusher@p.iam.gserviceaccount.com"), Just("o@example.com")],
        verified: bool,
        iss in prop_oneof![Just("https://accounts.google.com"), Just("https://evil.example")],
        level in 2_u64..4,
        has_keys: bool,
        spoil: bool,
    ) {
        let exp = NOW.0.checked_add_signed(exp).unwrap();
        let changes = json!({"exp": exp, "aud": aud, "email": email, "email_verified": verified,
            "iss": iss, "level": level});
        let walk = walk(&claims(&changes), "/push", has_keys, spoil);
        let first = faults(&walk).first().copied();
        let refused = walk.decision.err().map(|refusal| refusal.reason);
        match first {
            Some((_, Some(reason))) => prop_assert_eq!(refused, Some(reason)),
            Some((_, None)) => prop_assert_eq!(refused, Some(Reason::KeysUnavailable)),
            None => prop_assert_eq!(refused, None),
        }
    }
}
