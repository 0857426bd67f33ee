//! The gate with real keys and tokens, at chosen times.

use std::sync::Arc;
use std::time::Duration;

use remint_emulator::{Issuer, ManualClock, TokenRequest};
use remint_idtoken::{Algorithm, AwsLc};

use super::*;
use crate::config::Config;
use crate::keys::{FakeSharedData, KeyAnswer};

const NOW: UnixTime = UnixTime(1_790_000_000);

const CONFIG: &str = r#"{
    "policy": {"rules": [{"name": "r", "match": {}, "audiences": ["here"],
        "callers": {"emails": ["a@p.iam.gserviceaccount.com"]}}]},
    "keys": {"google": {"cluster": "google_keys"}}
}"#;

fn gate() -> Gate<AwsLc> {
    let Ok(config) = Config::parse(CONFIG.as_bytes()) else { panic!("a right configuration") };
    Gate::new(config.policy, config.key_sources, config.token_cache, AwsLc)
}

fn issuer() -> Issuer {
    Issuer::new(Algorithm::Rs256, Arc::new(ManualClock::new(NOW))).unwrap()
}

fn request(issuer: &Issuer) -> RequestHead {
    let token = issuer.mint(&TokenRequest::new("a@p.iam.gserviceaccount.com", "here"));
    let headers = [
        (":authority", "h.example".to_owned()),
        (":path", "/".to_owned()),
        (":method", "GET".to_owned()),
        ("authorization", format!("Bearer {token}")),
    ];
    RequestHead::new(headers.map(|(name, value)| (name.to_owned(), value.into_bytes())).into())
}

/// What comes of a fetch, whether or not one was due.
fn answer(gate: &mut Gate<AwsLc>, status: &str, body: &str, now: UnixTime) -> Result<(), String> {
    let answer = KeyAnswer {
        status: Some(status.to_owned()),
        cache_control: Some("public, max-age=1000".to_owned()),
        body: body.as_bytes().to_vec(),
    };
    let shared = FakeSharedData::default();
    let Gate { keys, authority, .. } = gate;
    // The first look puts back what the gate knows, as nothing is there.
    keys[0].look(&shared, authority, now);
    keys[0].look(&shared, authority, now);
    keys[0].answered(&shared, authority, &answer, now, 0.0).map(drop)
}

fn verdict(gate: &mut Gate<AwsLc>, head: &RequestHead, now: UnixTime) -> &'static str {
    match gate.decide(head, now) {
        Decision::Admit(_) => "admit",
        Decision::Wait(_) => "wait",
        Decision::Refuse(refusal) => refusal.reason.code(),
    }
}

fn later(seconds: u64) -> UnixTime {
    NOW.plus(Duration::from_secs(seconds))
}

#[test]
fn a_request_before_the_first_keys_waits_and_is_admitted_with_them() {
    let (mut gate, issuer) = (gate(), issuer());
    let head = request(&issuer);
    assert_eq!(verdict(&mut gate, &head, NOW), "wait");
    answer(&mut gate, "200", &issuer.jwks().to_string(), NOW).unwrap();
    assert_eq!(verdict(&mut gate, &head, NOW), "admit");
}

#[test]
fn an_answer_without_good_keys_changes_nothing() {
    let (mut gate, issuer) = (gate(), issuer());
    let head = request(&issuer);
    answer(&mut gate, "200", &issuer.jwks().to_string(), NOW).unwrap();
    for (status, body) in [("503", "{}"), ("200", "<html>"), ("200", r#"{"keys": []}"#)] {
        assert!(answer(&mut gate, status, body, later(2)).is_err());
        assert_eq!(verdict(&mut gate, &head, later(2)), "admit");
    }
}

#[test]
fn keys_that_outlive_a_long_outage_are_dropped() {
    let (mut gate, issuer) = (gate(), issuer());
    answer(&mut gate, "200", &issuer.jwks().to_string(), NOW).unwrap();
    let Gate { keys, authority, .. } = &mut gate;
    let shared = FakeSharedData::default();
    keys[0].look(&shared, authority, later(24 * 3600));
    assert!(authority.has_all_keys());
    keys[0].look(&shared, authority, later(24 * 3600 + 1));
    assert!(!authority.has_all_keys());
}

#[test]
fn a_token_of_a_new_key_waits_for_one_fetch_and_no_more() {
    let (mut gate, issuer) = (gate(), issuer());
    answer(&mut gate, "200", &issuer.jwks().to_string(), NOW).unwrap();
    issuer.rotate().unwrap();
    let head = request(&issuer);
    assert_eq!(verdict(&mut gate, &head, later(1)), "kid_unknown", "just fetched");
    assert_eq!(verdict(&mut gate, &head, later(60)), "wait");
    answer(&mut gate, "200", &issuer.jwks().to_string(), later(60)).unwrap();
    assert_eq!(verdict(&mut gate, &head, later(60)), "admit");
}

#[test]
fn while_the_key_server_is_down_a_new_key_is_not_called_unknown() {
    let (mut gate, issuer) = (gate(), issuer());
    answer(&mut gate, "200", &issuer.jwks().to_string(), NOW).unwrap();
    issuer.rotate().unwrap();
    let head = request(&issuer);
    answer(&mut gate, "503", "", later(60)).unwrap_err();
    let Decision::Wait(refusal) = gate.decide(&head, later(61)) else { panic!("not waiting") };
    assert_eq!(refusal.reason, Reason::KeysUnavailable);
    answer(&mut gate, "200", &issuer.jwks().to_string(), later(62)).unwrap();
    assert_eq!(verdict(&mut gate, &head, later(62)), "admit");
}

#[test]
fn a_token_that_nobody_signed_does_not_wait_twice() {
    let (mut gate, issuer, stranger) = (gate(), issuer(), self::issuer());
    answer(&mut gate, "200", &issuer.jwks().to_string(), NOW).unwrap();
    let head = request(&stranger);
    assert_eq!(verdict(&mut gate, &head, later(60)), "wait");
    answer(&mut gate, "200", &issuer.jwks().to_string(), later(60)).unwrap();
    assert_eq!(verdict(&mut gate, &head, later(60)), "kid_unknown");
}

#[test]
fn a_bad_request_never_waits() {
    let (mut gate, issuer) = (gate(), issuer());
    let mut expired = request(&issuer);
    assert_eq!(verdict(&mut gate, &expired, later(7200)), "expired");
    expired = RequestHead::new(Vec::new());
    assert_eq!(verdict(&mut gate, &expired, NOW), "target_unsafe");
}

proptest::proptest! {
    #[test]
    fn arbitrary_headers_never_trap(
        names in proptest::collection::vec("(:authority|:path|:method|authorization|user-agent)", 0..8),
        values in proptest::collection::vec(proptest::collection::vec(0u8.., 0..60), 8),
    ) {
        let headers = names.into_iter().zip(values).collect();
        let verdict = verdict(&mut gate(), &RequestHead::new(headers), NOW);
        proptest::prop_assert_ne!(verdict, "admit");
    }
}

proptest::proptest! {
    /// A panic would take the module down.
    #[test]
    fn whatever_headers_come_are_decided_about(
        names in proptest::collection::vec(
            ":authority|:path|:method|authorization|x-goog-iap-jwt-assertion|x-request-id|\\PC{0,8}",
            0..8,
        ),
        values in proptest::collection::vec(proptest::collection::vec(0_u8.., 0..64), 8),
        token in "(Bearer )?[A-Za-z0-9_=.-]{0,80}",
        path in "/[ -~]{0,40}",
    ) {
        let mut gate = gate();
        let mut headers: Vec<_> = names.into_iter().zip(values).collect();
        headers.extend([
            (":authority".to_owned(), b"h.example".to_vec()),
            (":path".to_owned(), path.into_bytes()),
            (":method".to_owned(), b"GET".to_vec()),
            ("authorization".to_owned(), token.into_bytes()),
        ]);
        let head = RequestHead::new(headers);
        let refusal = match gate.decide(&head, NOW) {
            Decision::Refuse(refusal) | Decision::Wait(refusal) => refusal,
            Decision::Admit(_) => panic!("nobody has signed this"),
        };
        proptest::prop_assert!(!refusal.to_json().to_string().is_empty());
        let _ = head.request_id();
    }
}
