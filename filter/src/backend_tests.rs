//! What the backend gets to see, with real tokens.

use std::sync::Arc;

use remint_emulator::{AssertionRequest, IapResource, Issuer as Signer, ManualClock};
use remint_idtoken::config::{Node, Problems};
use remint_idtoken::{Algorithm, Authority, AwsLc, NoCache, UnixTime};
use serde_json::json;

use super::*;

const NOW: UnixTime = UnixTime(1_790_000_000);

/// A policy with a rule for one token, one for two and one that only reports.
struct World {
    google: Signer,
    iap: Signer,
    policy: Policy,
    authority: Authority<AwsLc>,
}

impl World {
    fn new() -> Self {
        Self::with(|_| {})
    }

    fn with(change: impl FnOnce(&mut Value)) -> Self {
        let clock = Arc::new(ManualClock::new(NOW));
        let google = Signer::new(Algorithm::Rs256, clock.clone()).unwrap();
        let iap = Signer::new(Algorithm::Es256, clock).unwrap();
        let keys = |issuer: &Signer| json!({"jwks": issuer.jwks(), "valid_for": "forever"});
        let anyone = json!({"anyone": true});
        let assertion = json!({"issuers": ["iap"], "callers": anyone,
            "audiences": ["/projects/1/global/backendServices/2"]});
        let token = json!({"issuers": ["google"], "audiences": ["here"], "callers": anyone});
        let mut policy = json!({
            "issuers": [
                {"preset": "google", "inline_keys": keys(&google),
                 "tokens": [{"header": "authorization"}, {"header": "x-serverless-authorization"}]},
                {"preset": "iap", "inline_keys": keys(&iap)},
            ],
            "rules": [
                {"name": "both", "match": {"paths": [{"exact": "/both"}]},
                 "all_of": [assertion, token]},
                {"name": "report", "mode": "report", "match": {"paths": [{"exact": "/report"}]},
                 "issuers": ["google"], "audiences": ["here"], "callers": anyone},
                {"name": "all", "match": {}, "issuers": ["google"], "audiences": ["here"],
                 "callers": anyone},
            ],
        });
        change(&mut policy);
        let policy = Policy::from_json(&policy.to_string()).unwrap();
        let authority = Authority::new(&policy, AwsLc);
        Self { google, iap, policy, authority }
    }

    fn token(&self, more: &Value) -> String {
        let mut claims = json!({"iss": "https://accounts.google.com", "aud": "here", "sub": "104",
            "email": "a@b.example", "email_verified": true, "iat": NOW.0, "exp": NOW.0 + 3600});
        for (name, value) in more.as_object().unwrap() {
            claims[name] = value.clone();
        }
        self.google.sign_claims(&claims)
    }

    fn assertion(&self) -> String {
        let resource = IapResource::BackendService { project: 1, id: 2 };
        self.iap.mint_assertion(&AssertionRequest::new("user@b.example", resource))
    }

    /// What is changed of a request, in words.
    fn changes(&self, settings: &Value, path: &str, headers: &[(&str, &str)]) -> Vec<String> {
        let backend = self.backend(settings).unwrap();
        let mut all = vec![(":authority", "h.example"), (":path", path), (":method", "GET")];
        all.extend(headers);
        let owned = all.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec()));
        let head = RequestHead::new(owned.collect());
        let admission =
            self.policy.admit(&self.authority, &NoCache, head.target(), &head, NOW).unwrap();
        let shown = |change: &Change<'_>| match change {
            Change::Remove(name) => format!("-{name}"),
            Change::Set(name, value) => format!("{name}={value}"),
        };
        backend.changes(&admission, &head).iter().map(shown).collect()
    }

    fn backend(&self, settings: &Value) -> Result<Backend, Vec<String>> {
        let node: Node = serde_json::from_str(&settings.to_string()).unwrap();
        let problems = Problems::default();
        let mut object = Reader::root(&node, &problems).object().unwrap();
        let backend = Backend::read(&mut object, Some(&self.policy));
        object.finish();
        problems.finish(backend).map_err(|all| all.iter().map(ToString::to_string).collect())
    }
}

fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}

#[test]
fn a_verified_token_is_stripped_forwarded_or_moved_by_choice() {
    let world = World::new();
    let token = bearer(&world.token(&json!({})));
    let headers = [("authorization", token.as_str())];
    assert_eq!(world.changes(&json!({}), "/", &headers), ["-authorization"]);
    assert_eq!(world.changes(&json!({"token": "forward"}), "/", &headers), [""; 0]);
    let moved = world.changes(&json!({"token": {"move_to": "X-Caller-Token"}}), "/", &headers);
    assert_eq!(moved, [format!("x-caller-token={token}"), "-authorization".to_owned()]);
}

#[test]
fn claims_are_passed_on_in_headers_that_nobody_else_can_set() {
    let world = World::new();
    let groups = json!(["a", "b"]);
    let token = bearer(&world.token(&json!({"level": 3, "groups": groups, "evil": "a\r\nb: c"})));
    let claim = |claim, header| json!({"claim": claim, "header": header});
    let settings = json!({"token": "forward", "claim_headers": [
        claim("email", "x-email"), claim("level", "X-Level"), claim("groups", "x-groups"),
        claim("evil", "x-evil"), claim("absent", "x-absent"),
    ]});
    let headers = [
        ("authorization", token.as_str()),
        ("x-absent", "forged"),
        ("x_email", "forged"),
        ("x-evil", "forged"),
        ("x-other", "kept"),
    ];
    assert_eq!(
        world.changes(&settings, "/", &headers),
        [
            "-x-absent",
            "-x_email",
            "-x-evil",
            "x-email=a@b.example",
            "x-level=3",
            &format!("x-groups={}", URL_SAFE_NO_PAD.encode(r#"["a","b"]"#)),
        ]
    );
}

#[test]
fn an_address_that_is_not_verified_is_not_passed_on() {
    let world = World::new();
    let token = bearer(&world.token(&json!({"email_verified": false})));
    let settings = json!({"token": "forward",
        "claim_headers": [{"claim": "email", "header": "x-email"}]});
    assert_eq!(world.changes(&settings, "/", &[("authorization", &token)]), [""; 0]);
}

#[test]
fn a_spelling_of_a_token_s_header_that_nobody_looks_at_does_not_pass() {
    let world = World::with(|policy| {
        policy["issuers"][0]["tokens"] = json!([{"header": "x-token"}]);
    });
    let token = world.token(&json!({}));
    let headers = [("x-token", token.as_str()), ("x_token", "forged.for.somebody")];
    assert_eq!(world.changes(&json!({"token": "forward"}), "/", &headers), ["-x_token"]);
}

#[test]
fn a_claim_that_no_header_may_hold_is_not_passed_on_whatever_it_is_called() {
    let world = World::new();
    let token = bearer(&world.token(&json!({"email": "a@b.example\r\nx-role: admin"})));
    let settings = json!({"token": "forward",
        "claim_headers": [{"claim": "email", "header": "x-email"}]});
    assert_eq!(world.changes(&settings, "/", &[("authorization", &token)]), [""; 0]);
}

#[test]
fn a_header_that_is_the_place_of_two_issuers_keeps_its_verified_token() {
    let world = World::with(|policy| {
        policy["issuers"][1]["tokens"] = json!([{"header": "authorization", "prefix": "Token "}]);
        policy["rules"][2]["issuers"] = json!(["google", "iap"]);
        policy["rules"][2]["audiences"] = json!(["here", "/projects/1/global/backendServices/2"]);
    });
    let token = format!("Token {}", world.assertion());
    let changes = world.changes(&json!({"token": "forward"}), "/", &[("authorization", &token)]);
    assert_eq!(changes, [""; 0]);
}

#[test]
fn no_identity_and_no_token_passes_in_trailers() {
    let world = World::new();
    let settings = json!({"claim_headers": [{"claim": "email", "header": "x-email"}]});
    let backend = world.backend(&settings).unwrap();
    for name in ["x-goog-iap-x", "x_goog_iap_x", "x-email", "x_email", "authorization"] {
        assert!(backend.is_untrusted_trailer(name, &world.policy), "{name}");
    }
    assert!(!backend.is_untrusted_trailer("grpc-status", &world.policy));
}

#[test]
fn the_payload_is_passed_on_as_it_was_signed() {
    let world = World::new();
    let token = world.token(&json!({}));
    let payload = token.split('.').nth(1).unwrap();
    let changes = world.changes(
        &json!({"payload_header": "x-payload"}),
        "/",
        &[("authorization", &bearer(&token)), ("x-payload", "forged")],
    );
    assert_eq!(
        changes,
        ["-x-payload".to_owned(), "-authorization".to_owned(), format!("x-payload={payload}")]
    );
}

#[test]
fn of_two_tokens_each_claim_is_taken_from_the_one_that_is_meant() {
    let world = World::new();
    let (assertion, token) = (world.assertion(), bearer(&world.token(&json!({}))));
    let settings = json!({"claim_headers": [
        {"claim": "email", "header": "x-user"},
        {"claim": "email", "header": "x-service", "issuer": "google"},
    ]});
    let headers = [("x-goog-iap-jwt-assertion", assertion.as_str()), ("authorization", &token)];
    assert_eq!(
        world.changes(&settings, "/both", &headers),
        [
            "-x-goog-iap-jwt-assertion",
            "-authorization",
            "x-user=user@b.example",
            "x-service=a@b.example"
        ]
    );
}

#[test]
fn what_a_rule_looked_at_and_did_not_verify_never_passes() {
    let world = World::new();
    let token = bearer(&world.token(&json!({})));
    let headers = [
        ("authorization", token.as_str()),
        ("x-serverless-authorization", "Bearer forged.for.somebody"),
        ("x-goog-iap-jwt-assertion", "forged.assertion.too"),
        ("x_serverless-authorization", "Bearer forged.for.others"),
    ];
    let changes = world.changes(&json!({"token": "forward"}), "/", &headers);
    assert_eq!(
        changes,
        ["-x-goog-iap-jwt-assertion", "-x_serverless-authorization", "-x-serverless-authorization"]
    );
}

#[test]
fn a_rule_that_only_reports_leaves_tokens_alone_and_passes_no_claims_on() {
    let world = World::new();
    let settings = json!({"claim_headers": [{"claim": "email", "header": "x-email"}]});
    let headers = [
        ("authorization", "Bearer forged.for.somebody"),
        ("x-email", "forged"),
        ("x-goog-authenticated-user-email", "forged"),
    ];
    let changes = world.changes(&settings, "/report", &headers);
    assert_eq!(changes, ["-x-email", "-x-goog-authenticated-user-email"]);
}

#[test]
fn a_header_is_set_once_and_never_where_tokens_are_read() {
    let world = World::new();
    let claim = |header| json!({"claim": "email", "header": header});
    for (settings, mistake) in [
        (json!({"claim_headers": [claim("x-a"), claim("X-A")]}), "\"x-a\" occurs twice"),
        (json!({"claim_headers": [claim("authorization")]}), "is where tokens are read"),
        (json!({"payload_header": "cookie"}), "never read from or written to"),
        (json!({"token": {"move_to": "a b"}}), "is no name of a header"),
        (json!({"token": "keep"}), "is not one of: strip, forward"),
        (
            json!({"claim_headers": [{"claim": "email", "header": "x-a", "issuer": "other"}]}),
            "is not one of: google, iap",
        ),
    ] {
        let found = world.backend(&settings).unwrap_err().join("\n");
        assert!(found.contains(mistake), "{settings}: {found}");
    }
}
