use std::sync::Arc;

use remint_idtoken::UnixTime;
use remint_idtoken::config::{Node, Problems};
use serde_json::json;

use super::*;
use crate::clock::ManualClock;
use crate::redact::claims_of;

const NOW: u64 = 1_790_000_000;

fn issuer() -> Issuer {
    Issuer::new(Algorithm::Es256, Arc::new(ManualClock::new(UnixTime(NOW)))).unwrap()
}

fn read(json: &Value) -> Result<TestToken, Vec<String>> {
    let node: Node = serde_json::from_value(json.clone()).unwrap();
    let problems = Problems::default();
    let token = TestToken::read(&Reader::root(&node, &problems));
    problems.finish(token).map_err(|found| found.iter().map(ToString::to_string).collect())
}

fn parts(token: &str) -> (Value, Value, String) {
    let mut parts = token.split('.');
    let mut json = || {
        let part = URL_SAFE_NO_PAD.decode(parts.next().unwrap()).unwrap();
        serde_json::from_slice::<Value>(&part).unwrap()
    };
    let (header, claims) = (json(), json());
    (header, claims, parts.next().unwrap().to_owned())
}

fn minted(json: &Value) -> (Value, Value, String) {
    parts(&issuer().mint_for_testing(Form::IdToken, &read(json).unwrap()))
}

#[test]
fn plain_claims_are_told_from_a_request_with_a_flaw() {
    let plain = json!({ "aud": "a", "flaw": 7 });
    assert_eq!(read(&plain).unwrap().claims.len(), 2);
    let form = read(&json!({ "claims": { "aud": "a" }, "flaw": "expired" })).unwrap();
    assert_eq!((form.claims["aud"].as_str(), form.flaw), (Some("a"), Some(Flaw::Expired)));
    assert_eq!(read(&json!({})).unwrap(), TestToken::default());
}

#[test]
fn every_mistake_in_a_request_is_told() {
    let problems = read(&json!({ "claims": {}, "header": 7, "flaw": "late", "x": 1 }));
    let problems = problems.unwrap_err();
    assert_eq!(problems.len(), 3, "{problems:?}");
    assert!(problems[0].starts_with("header: expected a mapping"), "{problems:?}");
    assert!(problems[1].contains("is not one of: expired, "), "{problems:?}");
    assert!(read(&json!([])).is_err());
}

#[test]
fn a_header_s_members_are_replaced_added_and_taken_away() {
    let header = json!({ "kid": null, "alg": 7, "crit": ["x"] });
    let (header, ..) = minted(&json!({ "claims": {}, "header": header }));
    assert_eq!(header, json!({ "alg": 7, "crit": ["x"], "typ": "JWT" }));
}

#[test]
fn a_flaw_is_in_the_claims_whatever_they_say() {
    let claims = json!({ "aud": "a", "email": "a@b", "exp": NOW + 60 });
    let flawed = |flaw| minted(&json!({ "claims": claims, "flaw": flaw })).1;
    assert!(flawed("expired")["exp"].as_u64().unwrap() < NOW - 300);
    assert!(flawed("not_yet_valid")["iat"].as_u64().unwrap() > NOW + 300);
    assert_eq!(flawed("no_expiry").get("exp"), None);
    assert!(flawed("text_times")["exp"].is_string());
    assert_eq!(flawed("wrong_issuer")["iss"], "https://issuer.example");
    assert_eq!(flawed("wrong_audience")["aud"], "https://audience.example");
    assert_eq!(flawed("number_audience")["aud"], 7);
    assert_eq!(flawed("unverified_email")["email_verified"], false);
    assert_eq!(flawed("no_email").get("email"), None);
}

#[test]
fn a_flaw_is_in_the_header_or_the_signature() {
    let issuer = issuer();
    let mint = |flaw| {
        let token = TestToken { flaw, ..TestToken::default() };
        issuer.mint_for_testing(Form::Assertion, &token)
    };
    let header = |flaw| parts(&mint(Some(flaw))).0;
    assert_eq!(header(Flaw::AlgNone)["alg"], "none");
    assert_eq!(parts(&mint(Some(Flaw::AlgNone))).2, "");
    assert_eq!(header(Flaw::Hs256PublicKey)["alg"], "HS256");
    assert_eq!(header(Flaw::NoKeyId).get("kid"), None);
    for flaw in [Flaw::UnknownKey, Flaw::UnknownKeyId] {
        assert_ne!(header(flaw)["kid"], issuer.key_id());
    }
    assert_eq!(header(Flaw::ForeignSignature)["kid"], issuer.key_id());
    assert!(mint(Some(Flaw::SignatureRemoved)).ends_with(".SIGNATURE_REMOVED_BY_GOOGLE"));
    assert_eq!(claims_of(&mint(None)).unwrap()["iss"], IAP);
}

#[test]
fn every_flaw_has_a_name_of_its_own() {
    let names: std::collections::HashSet<_> = Flaw::ALL.iter().map(|(name, _)| name).collect();
    let flaws: std::collections::HashSet<_> = Flaw::ALL.iter().map(|(_, flaw)| flaw).collect();
    assert_eq!((names.len(), flaws.len()), (Flaw::ALL.len(), Flaw::ALL.len()));
}
