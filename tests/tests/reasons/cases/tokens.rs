//! Of the token itself: for whom it is, who made it and when.

use http::Method;
use remint_emulator::TokenRequest;
use serde_json::{Value, json};

use super::Expected::{Pass, Refuse};
use super::{Case, Expected, ORDERS, PEOPLE, PUSHER, US, World, bearer, case, post};

pub(super) fn audiences(world: &World<'_>) -> Vec<Case> {
    let hashed = "https://orders-abcdefghij-ew.a.run.app";
    let eu = "https://orders-123456789012.europe-west1.run.app";
    let asia = "https://orders-123456789012.asia-east1.run.app";
    let invented = "https://internal-orders.us-central1.run.app";
    let cases = [
        ("/push", US, Pass("verified", "senders")),
        ("/push", eu, Pass("verified", "senders")),
        ("/push", hashed, Pass("verified", "senders")),
        ("/push", "https://orders.example.com", Pass("verified", "senders")),
        ("/push", "https://orders.example.com/", Refuse("aud_trailing_slash", "senders")),
        ("/push", "https://ORDERS.example.com", Refuse("aud_mismatch", "senders")),
        ("/push", "orders.example.com", Refuse("aud_no_scheme", "senders")),
        ("/push", "https://orders.example.com:443", Refuse("aud_has_port", "senders")),
        ("/push", asia, Refuse("aud_other_region", "senders")),
        ("/push", "1-a.apps.googleusercontent.com", Refuse("aud_is_iap_client", "senders")),
        ("/push", remint_idtoken::policy::GCLOUD_CLIENT, Refuse("aud_is_gcloud_client", "senders")),
        ("/push", invented, Refuse("aud_invented_host", "senders")),
        (
            "/default/a",
            "https://orders.example.com/default/a?b=c",
            Pass("verified", "default-audience"),
        ),
        ("/default/a", "https://orders.example.com:443", Pass("verified", "default-audience")),
        ("/default/a", "http://orders.example.com/", Refuse("aud_mismatch", "default-audience")),
        (
            "/default/a",
            "https://orders.example.com@evil.example/",
            Refuse("aud_mismatch", "default-audience"),
        ),
        ("/slash", "https://orders.example.com/", Pass("verified", "slash")),
        ("/slash", "https://orders.example.com", Pass("verified", "slash")),
        ("/slash", "https://orders.example.com//", Refuse("aud_trailing_slash", "slash")),
        ("/slash", "https://orders.example.com/push", Refuse("aud_has_path", "slash")),
    ];
    let case = |(path, audience, expected): (&str, &str, Expected)| {
        let name = format!("{path} for {audience}");
        post(&name, ORDERS, path, &world.token(PUSHER, audience), expected)
    };
    let called = world.token(PUSHER, "https://people.example.com/subject");
    let called = post(
        "the address that was called",
        PEOPLE,
        "/subject",
        &called,
        Refuse("aud_is_load_balancer", "subject"),
    );
    cases.map(case).into_iter().chain([called]).collect()
}

/// Tokens of Google's form that Google did not sign.
pub(super) fn forgeries(world: &World<'_>) -> Vec<Case> {
    let refuse = |code| Refuse(code, "senders");
    let good = world.token(PUSHER, US);
    let (signed, _) = good.rsplit_once('.').unwrap();
    let other = world.token(PUSHER, "elsewhere");
    let (_, signature) = other.rsplit_once('.').unwrap();
    let claims = Value::from(world.google.claims(&TokenRequest::new(PUSHER, US)));
    let header = json!({"alg": "RS256", "kid": "nobody-s", "typ": "JWT"});
    let unknown = world.google.sign(&header, &claims);
    let spoilt = format!("{signed}.{signature}");
    vec![
        post("the signature of another token", ORDERS, "/push", &spoilt, refuse("sig_bad")),
        post("a key that nobody has", ORDERS, "/push", &unknown, refuse("kid_unknown")),
    ]
}

pub(super) fn times(world: &World<'_>) -> Vec<Case> {
    let now = world.google.now().0;
    let cases = [
        ("just expired", json!({"exp": now - 20, "iat": now - 3620}), Pass("verified", "senders")),
        ("expired", json!({"exp": now - 60, "iat": now - 3660}), Refuse("expired", "senders")),
        ("nbf in the future", json!({"nbf": now + 600}), Refuse("not_yet_valid", "senders")),
        ("iat in the future", json!({"iat": now + 600}), Refuse("not_yet_valid", "senders")),
        ("valid for too long", json!({"exp": now + 7300}), Refuse("lifetime_too_long", "senders")),
    ];
    let case = |(name, more, expected): (&str, Value, Expected)| {
        post(name, ORDERS, "/push", &world.token_with(PUSHER, US, &more), expected)
    };
    cases.map(case).into()
}

pub(super) fn issuers(world: &World<'_>) -> Vec<Case> {
    let own = |issuer| format!("Own {}", world.own(issuer));
    let either = |name: &str, headers, expected| {
        case(name, Method::GET, PEOPLE, "/either", headers, expected)
    };
    let mut short = world.claims("a@b.example", "here");
    short.insert("iss".to_owned(), "accounts.google.com".into());
    let short = bearer(&world.google.sign_claims(&short.into()));
    let mut forged = world.claims("a@b.example", "here");
    forged.insert("iss".to_owned(), "https://issuer.example".into());
    let forged = bearer(&world.google.sign_claims(&forged.into()));
    let own_token = world.own("https://issuer.example");
    vec![
        either(
            "an issuer of one's own",
            vec![("x-own-token", own("https://issuer.example"))],
            Pass("verified", "either"),
        ),
        either("Google's short name", vec![("authorization", short)], Pass("verified", "either")),
        either(
            "in the place of another issuer",
            vec![("authorization", bearer(&own_token))],
            Refuse("iss_unknown", "either"),
        ),
        either(
            "Google's key and another's name",
            vec![("authorization", forged)],
            Refuse("alg_not_allowed", "either"),
        ),
        either(
            "an unknown issuer",
            vec![("x-own-token", own("https://evil.example"))],
            Refuse("iss_unknown", "either"),
        ),
        post(
            "keys that are too old",
            PEOPLE,
            "/stale",
            &world.own("https://stale.example"),
            Refuse("keys_expired", "stale"),
        ),
    ]
}
