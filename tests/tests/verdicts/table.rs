//! The table: requests, and what becomes of each at Cloud Run's front end and
//! here.

use std::fmt::Write;

use http::HeaderName;
use http::header::AUTHORIZATION;
use remint_emulator::Issuer;
use remint_emulator::issuer::testing::{Flaw, Form, TestToken};
use remint_tests::chain::PUSHER;
use serde_json::{Value, json};

/// The service's custom audience.
pub const DOMAIN: &str = "https://orders.example.com";
pub const URL: &str = "https://orders-123456789012.us-central1.run.app";
const OTHER_REGION: &str = "https://orders-123456789012.europe-west1.run.app";
const SERVERLESS: HeaderName = HeaderName::from_static("x-serverless-authorization");

/// A request, and what must become of it.
pub struct Case {
    pub name: &'static str,
    pub headers: Vec<(HeaderName, String)>,
    /// The status at Cloud Run's front end, as the emulator plays it.
    pub cloud_run: u16,
    /// The status at the filter and at the gateway.
    pub here: u16,
    /// The reason in the logs of filter and gateway. Empty for what passes.
    pub code: &'static str,
    /// What there is to say. A difference must have its reason.
    pub note: &'static str,
}

/// All requests. `hash_url` is the region's other URL.
pub fn cases(google: &Issuer, hash_url: &str) -> Vec<Case> {
    let now = google.now().0;
    let token = |claims: Value, flaw: Option<Flaw>| {
        let claims = claims.as_object().cloned().unwrap_or_default();
        google.mint_for_testing(Form::IdToken, &TestToken { claims, flaw, ..TestToken::default() })
    };
    let with = |more: Value| {
        let mut claims = json!({"aud": URL, "email": PUSHER});
        claims.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap_or_default());
        bearer(&token(claims, None))
    };
    let flawed = |flaw| bearer(&token(json!({"aud": URL, "email": PUSHER}), Some(flaw)));
    let good = || with(json!({}));
    let one = |value: String| vec![(AUTHORIZATION, value)];
    let audience = |audience: &str| one(with(json!({"aud": audience})));
    let lifetime = 25 * 3600;
    vec![
        passes("the region's URL", audience(URL), ""),
        passes("the same with a slash", audience(&format!("{URL}/")), ""),
        passes("the region's other URL", audience(hash_url), ""),
        passes("the custom audience", audience(DOMAIN), ""),
        passes("Google's short `iss`", one(with(json!({"iss": "accounts.google.com"}))), ""),
        refused("the other region's URL", audience(OTHER_REGION), (401, 401), "aud_other_region"),
        refused(
            "a path behind the URL",
            audience(&format!("{URL}/push")),
            (401, 401),
            "aud_has_path",
        ),
        refused(
            "a load balancer's domain",
            audience("https://lb.example.net"),
            (401, 401),
            "aud_mismatch",
        ),
        refused(
            "an account that is no invoker",
            one(with(json!({"email": "other@demo-project.iam.gserviceaccount.com"}))),
            (403, 403),
            "caller_not_allowed",
        ),
        Case {
            note: "IAM knows the account by `sub` too, which the emulator does not look at: unsure",
            ..refused(
                "an address that is not verified",
                one(flawed(Flaw::UnverifiedEmail)),
                (403, 403),
                "email_unverified",
            )
        },
        Case {
            note: "no token is no permission to Cloud Run; by RFC 6750 it is a matter of a challenge",
            ..refused("no token", vec![], (403, 401), "token_missing")
        },
        Case {
            note: "another scheme is no token: as above",
            ..refused(
                "`Basic` in `Authorization`",
                one("Basic bWU6bWU=".to_owned()),
                (403, 401),
                "token_missing",
            )
        },
        refused("a forged signature", one(flawed(Flaw::ForeignSignature)), (401, 401), "sig_bad"),
        refused(
            "the signature removed by Google",
            one(flawed(Flaw::SignatureRemoved)),
            (401, 401),
            "sig_removed_by_google",
        ),
        refused("`alg: none`", one(flawed(Flaw::AlgNone)), (401, 401), "alg_not_allowed"),
        refused(
            "HS256 with the public key",
            one(flawed(Flaw::Hs256PublicKey)),
            (401, 401),
            "alg_not_allowed",
        ),
        refused("expired an hour ago", one(flawed(Flaw::Expired)), (401, 401), "expired"),
        passes(
            "expired ten seconds ago",
            one(with(json!({"iat": now - 3610, "exp": now - 10}))),
            "`clock_skew` is 30 s here, and so in the emulator; how much Cloud Run allows is not documented",
        ),
        Case {
            note: "`max_lifetime` is 24 h here, and so in the emulator; Google's own ID tokens live an hour",
            ..refused(
                "good for 25 hours",
                one(with(json!({"iat": now, "exp": now + lifetime}))),
                (401, 401),
                "lifetime_too_long",
            )
        },
        passes(
            "good in `X-Serverless-Authorization`, the application's own in `Authorization`",
            vec![(SERVERLESS, good()), (AUTHORIZATION, "Bearer of-the-application".to_owned())],
            "",
        ),
        Case {
            cloud_run: 401,
            ..passes(
                "bad in `X-Serverless-Authorization`, good in `Authorization`",
                vec![(SERVERLESS, flawed(Flaw::ForeignSignature)), (AUTHORIZATION, good())],
                "Cloud Run looks at `X-Serverless-Authorization` alone if it is there; here a good token in any of the rule's places will do",
            )
        },
    ]
}

fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}

fn passes(name: &'static str, headers: Vec<(HeaderName, String)>, note: &'static str) -> Case {
    Case { name, headers, cloud_run: 200, here: 200, code: "", note }
}

fn refused(
    name: &'static str,
    headers: Vec<(HeaderName, String)>,
    (cloud_run, here): (u16, u16),
    code: &'static str,
) -> Case {
    Case { name, headers, cloud_run, here, code, note: "" }
}

/// The table as the documentation has it.
pub fn markdown(cases: &[Case]) -> String {
    let mut table = "\
        | request | Cloud Run's front end | filter | gateway | reason in their logs | |\n\
        |---|---|---|---|---|---|\n"
        .to_owned();
    for Case { name, cloud_run, here, code, note, .. } in cases {
        let code = match *code {
            "" => String::new(),
            code => format!("[`{code}`](reasons.md#{code})"),
        };
        let _ = writeln!(table, "| {name} | {cloud_run} | {here} | {here} | {code} | {note} |");
    }
    table
}
