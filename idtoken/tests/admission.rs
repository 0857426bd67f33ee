//! What a policy admits and what it refuses, with real signatures.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests"
)]

use std::sync::Arc;

use proptest::prelude::*;
use remint_emulator::{Issuer, ManualClock};
use remint_idtoken::keys::{KeySet, parse_jwks};
use remint_idtoken::{
    Algorithm, Authority, AwsLc, Headers, NoCache, Policy, Reason, Refusal, Target, UnixTime,
    VerifiedToken,
};
use serde_json::{Value, json};

const NOW: u64 = 1_790_000_000;

const POLICY: &str = r#"{
    "issuers": [
        {"preset": "google"},
        {"name": "own", "issuer": "https://issuer.example",
         "jwks_uri": "https://issuer.example/keys", "algorithms": ["ES256"]}
    ],
    "rules": [
        {"name": "push", "match": {"hosts": ["orders.example.com"],
            "paths": [{"prefix": "/push"}], "methods": ["POST"]},
         "issuers": ["google"],
         "audiences": ["https://orders.example.com", "https://orders-1.us-central1.run.app"],
         "callers": {"emails": ["Pusher@p.iam.gserviceaccount.com"]}},
        {"name": "own", "match": {"paths": [{"prefix": "/own"}]},
         "issuers": ["own"], "audiences": ["here"], "callers": {"anyone": true}}
    ]
}"#;

/// Two issuers with their keys, and the policy that believes them.
struct World {
    google: Issuer,
    own: Issuer,
    policy: Policy,
    authority: Authority<AwsLc>,
}

struct OneHeader(Vec<u8>);

impl Headers for OneHeader {
    fn values<'h>(&'h self, name: &'h str) -> impl Iterator<Item = &'h [u8]> {
        (name == "authorization").then_some(self.0.as_slice()).into_iter()
    }
}

impl World {
    fn new() -> Self {
        let clock = Arc::new(ManualClock::new(UnixTime(NOW)));
        let google = Issuer::new(Algorithm::Rs256, clock.clone()).unwrap();
        let own = Issuer::new(Algorithm::Es256, clock).unwrap();
        let policy = Policy::from_json(POLICY).unwrap();
        let mut authority = Authority::new(&policy, AwsLc);
        for (name, issuer) in [("google", &google), ("own", &own)] {
            let jwks = parse_jwks(issuer.jwks().to_string().as_bytes()).unwrap();
            let (keys, _) = KeySet::load(&AwsLc, &jwks).unwrap();
            authority.set_keys(name, Some(Arc::new(keys)));
        }
        Self { google, own, policy, authority }
    }

    fn admit(&self, path: &str, token: &str, now: u64) -> Result<VerifiedToken, Refusal> {
        let headers = OneHeader(format!("Bearer {token}").into_bytes());
        let target = Target::parse("orders.example.com", path, "POST");
        let admission =
            self.policy.admit(&self.authority, &NoCache, target, &headers, UnixTime(now))?;
        Ok(admission.caller().unwrap().clone())
    }

    fn reason(&self, token: &str) -> Reason {
        self.admit("/push", token, NOW).unwrap_err().reason
    }
}

fn claims() -> Value {
    json!({
        "iss": "https://accounts.google.com", "aud": "https://orders.example.com",
        "sub": "104", "azp": "104", "email": "pusher@p.iam.gserviceaccount.com",
        "email_verified": true, "iat": NOW, "exp": NOW + 3600,
    })
}

fn with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[name] = value;
    claims
}

#[test]
fn a_token_that_fits_its_rule_is_admitted_with_its_caller_and_audience() {
    let world = World::new();
    let token = world.admit("/push/a?b=c", &world.google.sign_claims(&claims()), NOW).unwrap();
    assert_eq!(token.rule(), "push");
    assert_eq!(token.audience(), "https://orders.example.com");
    assert_eq!(token.claims().verified_email(), Some("pusher@p.iam.gserviceaccount.com"));
}

#[test]
fn whatever_google_issues_is_admitted_in_each_of_its_forms() {
    let world = World::new();
    for good in [
        with("iss", json!("accounts.google.com")),
        with("aud", json!(["https://elsewhere.example", "https://orders-1.us-central1.run.app"])),
        with("email", json!("PUSHER@P.iam.gserviceaccount.com")),
        with("nbf", json!(NOW + 30)),
        with("iat", json!(NOW + 30)),
        with("exp", json!(NOW - 29)),
    ] {
        let result = world.admit("/push", &world.google.sign_claims(&good), NOW);
        assert!(result.is_ok(), "{good}: {}", result.unwrap_err());
    }
}

#[test]
fn each_claim_that_does_not_fit_is_refused_for_its_own_reason() {
    let world = World::new();
    let no_email = {
        let mut claims = claims();
        claims.as_object_mut().unwrap().remove("email");
        claims
    };
    for (claims, reason) in [
        (with("iss", json!("https://evil.example")), Reason::IssuerUnknown),
        (with("iss", json!("HTTPS://accounts.google.com")), Reason::IssuerUnknown),
        (with("aud", json!("https://orders.example.com/")), Reason::AudienceTrailingSlash),
        (with("aud", json!("https://ORDERS.example.com")), Reason::AudienceMismatch),
        (with("aud", json!([])), Reason::AudienceMismatch),
        (with("exp", json!(NOW - 30)), Reason::Expired),
        (with("nbf", json!(NOW + 31)), Reason::NotYetValid),
        (with("iat", json!(NOW + 31)), Reason::NotYetValid),
        (with("exp", json!(NOW + 86_401)), Reason::LifetimeTooLong),
        (with("email_verified", json!(false)), Reason::EmailUnverified),
        (with("email", json!("other@p.iam.gserviceaccount.com")), Reason::CallerNotAllowed),
        (no_email, Reason::CallerNotAllowed),
        (with("email_verified", json!("true")), Reason::Malformed),
        (with("exp", json!("1790003600")), Reason::Malformed),
    ] {
        assert_eq!(world.reason(&world.google.sign_claims(&claims)), reason, "{claims}");
    }
}

#[test]
fn the_key_fixes_the_algorithm_and_not_the_token() {
    let world = World::new();
    let header = |alg: &str| {
        let mut header = world.google.header();
        header["alg"] = json!(alg);
        header
    };
    for alg in ["none", "HS256", "ES256", "RS384", "rs256", "PS256", ""] {
        let token = world.google.sign(&header(alg), &claims());
        assert_eq!(world.reason(&token), Reason::AlgorithmNotAllowed, "{alg}");
    }
}

#[test]
fn a_key_of_one_issuer_does_not_sign_for_another() {
    let world = World::new();
    // The other issuer's key, under the id of one that Google has.
    let mut header = world.google.header();
    header["alg"] = json!("RS256");
    let impostor =
        Issuer::new(Algorithm::Rs256, Arc::new(ManualClock::new(UnixTime(NOW)))).unwrap();
    assert_eq!(world.reason(&impostor.sign(&header, &claims())), Reason::SignatureBad);
    assert_eq!(world.reason(&impostor.sign_claims(&claims())), Reason::KeyUnknown);
    let own = world.own.sign_claims(&with("iss", json!("https://issuer.example")));
    assert_eq!(world.reason(&own), Reason::IssuerUnknown, "the rule takes Google alone");
}

#[test]
fn an_issuer_that_signs_with_es256_is_verified_too() {
    let world = World::new();
    let mut claims = with("iss", json!("https://issuer.example"));
    claims["aud"] = json!("here");
    let token = world.own.sign_claims(&claims);
    assert!(world.admit("/own", &token, NOW).is_ok());
    let forged = Issuer::new(Algorithm::Es256, Arc::new(ManualClock::new(UnixTime(NOW)))).unwrap();
    let refusal = world.admit("/own", &forged.sign(&world.own.header(), &claims), NOW);
    assert_eq!(refusal.unwrap_err().reason, Reason::SignatureBad);
}

#[test]
fn without_keys_nothing_is_admitted() {
    let mut world = World::new();
    let token = world.google.sign_claims(&claims());
    world.authority.set_keys("google", None);
    assert_eq!(world.reason(&token), Reason::KeysUnavailable);
}

#[test]
fn a_request_that_no_rule_is_for_is_refused_whatever_its_token() {
    let world = World::new();
    let token = world.google.sign_claims(&claims());
    for path in ["/", "/pushed", "/other"] {
        assert_eq!(world.admit(path, &token, NOW).unwrap_err().reason, Reason::NoRule, "{path}");
    }
    for path in
        ["/push/../own", "//push", "/push%2f..", "/push/%2e%2e/own", "/push;x/a", "/own%3bx/a"]
    {
        let refusal = world.admit(path, &token, NOW).unwrap_err();
        assert_eq!(refusal.reason, Reason::TargetUnsafe, "{path}");
    }
}

#[test]
fn a_refusal_tells_its_operator_everything_and_never_the_token() {
    let world = World::new();
    let token = world.google.sign_claims(&with("aud", json!("https://orders.example.com/push")));
    let refusal = world.admit("/push", &token, NOW).unwrap_err();
    let shown = format!("{refusal} {refusal:?} {}", refusal.to_json());
    assert!(token.split('.').all(|part| !shown.contains(part)), "{shown}");
    assert_eq!(refusal.rule_name(), Some("push"));
    assert_eq!(refusal.what_came(), Some("https://orders.example.com/push"));
    assert_eq!(refusal.expectation().unwrap().values()[0], "https://orders.example.com");
    assert_eq!(refusal.caller_name(), Some("pusher@p.iam.gserviceaccount.com"));
}

#[test]
fn a_caller_is_named_only_after_the_signature_was_checked() {
    let world = World::new();
    let expired = world.google.sign_claims(&with("exp", json!(NOW - 3600)));
    assert_eq!(world.admit("/push", &expired, NOW).unwrap_err().caller_name(), None);
}

/// A rule's members, the claims that differ from the usual ones, and the reason
/// of the refusal, if there is one.
const RULES: &[(&str, &str, Option<Reason>)] = &[
    (r#""callers": {"email_domains": ["p.iam.gserviceaccount.com"]}"#, "{}", None),
    (
        r#""callers": {"email_domains": ["iam.gserviceaccount.com"]}"#,
        "{}",
        Some(Reason::CallerNotAllowed),
    ),
    (r#""callers": {"projects": ["p"]}"#, "{}", None),
    (r#""callers": {"projects": ["q"]}"#, "{}", Some(Reason::CallerNotAllowed)),
    (
        r#""callers": {"projects": ["example.com:q"]}"#,
        r#"{"email": "a@q.example.com.iam.gserviceaccount.com"}"#,
        None,
    ),
    (
        r#""callers": {"projects": ["p"]}"#,
        r#"{"email_verified": false}"#,
        Some(Reason::EmailUnverified),
    ),
    (r#""callers": {"subjects": ["104"]}"#, r#"{"email_verified": false}"#, None),
    (r#""callers": {"subjects": ["105"]}"#, "{}", Some(Reason::CallerNotAllowed)),
    (r#""callers": {"hosted_domains": ["Example.com"]}"#, r#"{"hd": "example.com"}"#, None),
    (r#""callers": {"hosted_domains": ["example.com"]}"#, "{}", Some(Reason::CallerNotAllowed)),
    (
        r#""callers": {"email_domains": ["example.com"]}"#,
        r#"{"email": "\"a@example.com\"@evil.example"}"#,
        Some(Reason::CallerNotAllowed),
    ),
    (r#""callers": {"emails": ["a@b.example"], "subjects": ["104"]}"#, "{}", None),
    (r#""claims": {"level": 3, "team": "x"}"#, r#"{"level": 3, "team": "x"}"#, None),
    (r#""claims": {"level": 3}"#, r#"{"level": "3"}"#, Some(Reason::ClaimMismatch)),
    (r#""claims": {"admin": true}"#, "{}", Some(Reason::ClaimMismatch)),
    (r#""claims": {"team": "x"}"#, r#"{"team": ["x"]}"#, Some(Reason::ClaimMismatch)),
    (r#""audience_match": "origin""#, r#"{"aud": "https://orders.example.com/push?a=b"}"#, None),
    (r#""audience_match": "origin""#, r#"{"aud": "https://orders.example.com:443"}"#, None),
    (
        r#""audience_match": "origin""#,
        r#"{"aud": "http://orders.example.com/"}"#,
        Some(Reason::AudienceMismatch),
    ),
    (
        r#""audience_match": "origin""#,
        r#"{"aud": "https://orders.example.com@evil.example"}"#,
        Some(Reason::AudienceMismatch),
    ),
    (
        r#""audience_match": "ignore_trailing_slash""#,
        r#"{"aud": "https://orders.example.com/"}"#,
        None,
    ),
    (
        r#""audience_match": "ignore_trailing_slash""#,
        r#"{"aud": "https://orders.example.com//"}"#,
        Some(Reason::AudienceTrailingSlash),
    ),
    (
        r#""audience_match": "exact""#,
        r#"{"aud": "https://orders.example.com/"}"#,
        Some(Reason::AudienceTrailingSlash),
    ),
    (r#""match": {"hosts": ["*.example.com"]}"#, "{}", None),
    (r#""match": {"hosts": ["*.orders.example.com"]}"#, "{}", Some(Reason::NoRule)),
    (r#""match": {"paths": [{"exact": "/push"}]}"#, "{}", None),
    (r#""match": {"paths": [{"exact": "/push/"}]}"#, "{}", Some(Reason::NoRule)),
    (r#""match": {"paths": [{"template": "/{any}"}]}"#, "{}", None),
];

#[test]
fn every_kind_of_rule_admits_what_it_says_and_nothing_else() {
    let world = World::new();
    for (members, changes, expected) in RULES {
        let given: Value = serde_json::from_str(&format!("{{{members}}}")).unwrap();
        let mut rule = json!({"name": "r", "match": {}, "audiences": ["https://orders.example.com"],
            "callers": {"anyone": true}});
        rule.as_object_mut().unwrap().extend(given.as_object().unwrap().clone());
        let policy = json!({"rules": [rule]}).to_string();
        let policy = Policy::from_json(&policy).unwrap_or_else(|e| panic!("{members}: {e:?}"));
        let mut claims = claims();
        let changes: Value = serde_json::from_str(changes).unwrap();
        claims.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        let token = world.google.sign_claims(&claims);
        let headers = OneHeader(format!("Bearer {token}").into_bytes());
        let target = Target::parse("orders.example.com", "/push", "POST");
        let result = policy.admit(&world.authority, &NoCache, target, &headers, UnixTime(NOW));
        let reason = result.err().map(|refusal| refusal.reason);
        assert_eq!(reason, *expected, "{members} with {changes}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_changed_byte_of_a_token_is_refused(place in 0usize..2000, change in 1u8..) {
        thread_local! { static WORLD: World = World::new(); }
        WORLD.with(|world| {
            let token = world.google.sign_claims(&claims());
            let mut bytes = token.clone().into_bytes();
            let place = place % bytes.len();
            bytes[place] ^= change;
            let headers = OneHeader([b"Bearer ".as_slice(), &bytes].concat());
            let target = Target::parse("orders.example.com", "/push", "POST");
            let result = world.policy.admit(&world.authority, &NoCache, target, &headers, UnixTime(NOW));
            prop_assert!(result.is_err(), "byte {place} changed by {change}");
            Ok(())
        })?;
    }
}

/// What a policy of two rules without tokens makes of a browser's question.
fn preflight(path: &str, first: &Value) -> Result<String, Reason> {
    let rest = json!({"name": "rest", "match": {"methods": ["POST"]}, "anonymous": true,
        "cors_preflight": "allow"});
    let policy = Policy::from_json(&json!({"rules": [first, rest]}).to_string()).unwrap();
    let headers: http::HeaderMap =
        [("origin", "https://web.example"), ("access-control-request-method", "POST")]
            .map(|(name, value)| {
                (http::HeaderName::from_static(name), http::HeaderValue::from_static(value))
            })
            .into_iter()
            .collect();
    let authority = Authority::new(&policy, AwsLc);
    let target = Target::parse("h.example", path, "OPTIONS");
    let admission = policy.admit(&authority, &NoCache, target, &headers, UnixTime(NOW));
    admission.map(|it| it.rule().name().to_string()).map_err(|refusal| refusal.reason)
}

#[test]
fn a_browser_s_question_is_answered_by_the_rule_for_what_it_wants_to_send() {
    let admin = json!({"name": "admin", "match": {"paths": [{"prefix": "/admin"}],
        "methods": ["POST"]}, "audiences": ["a"], "callers": {"anyone": true}});
    assert_eq!(preflight("/open", &admin).as_deref(), Ok("rest"));
    assert_eq!(preflight("/admin/a", &admin), Err(Reason::NoRule));
    // Who cuts the parameter off sees the other rule's path.
    assert_eq!(preflight("/admin;x/a", &admin), Err(Reason::TargetUnsafe));
    // A rule for OPTIONS that stands first decides as about any request.
    let options = json!({"name": "options", "match": {"methods": ["OPTIONS"]},
        "audiences": ["a"], "callers": {"anyone": true}});
    assert_eq!(preflight("/open", &options), Err(Reason::TokenMissing));
}
