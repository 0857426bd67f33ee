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

/// Who makes the tokens.
struct Minting<'a>(&'a Issuer);

impl Minting<'_> {
    fn token(&self, more: &Value, flaw: Option<Flaw>) -> String {
        let mut claims = json!({"aud": URL, "email": PUSHER}).as_object().cloned().unwrap();
        claims.extend(more.as_object().cloned().unwrap_or_default());
        let token = TestToken { claims, flaw, ..TestToken::default() };
        format!("Bearer {}", self.0.mint_for_testing(Form::IdToken, &token))
    }

    /// A token with other claims than the usual ones, in `Authorization`.
    fn with(&self, more: &Value) -> Vec<(HeaderName, String)> {
        vec![(AUTHORIZATION, self.token(more, None))]
    }

    fn audience(&self, audience: &str) -> Vec<(HeaderName, String)> {
        self.with(&json!({"aud": audience}))
    }

    fn flawed(&self, flaw: Flaw) -> Vec<(HeaderName, String)> {
        vec![(AUTHORIZATION, self.token(&json!({}), Some(flaw)))]
    }
}

/// All requests. `hash_url` is the region's other URL.
pub fn cases(google: &Issuer, hash_url: &str) -> Vec<Case> {
    let minting = Minting(google);
    let groups = [
        audiences(&minting, hash_url),
        callers(&minting),
        forgeries(&minting),
        times(&minting),
        places(&minting),
    ];
    groups.into_iter().flatten().collect()
}

fn audiences(minting: &Minting<'_>, hash_url: &str) -> Vec<Case> {
    let audience = |it: &str| minting.audience(it);
    let wrong = |name, aud: &str, code| refused(name, audience(aud), (401, 401), code);
    vec![
        passes("the region's URL", audience(URL), ""),
        passes("the same with a slash", audience(&format!("{URL}/")), ""),
        passes("the region's other URL", audience(hash_url), ""),
        passes("the custom audience", audience(DOMAIN), ""),
        wrong("the other region's URL", OTHER_REGION, "aud_other_region"),
        wrong("a path behind the URL", &format!("{URL}/push"), "aud_has_path"),
        wrong("a load balancer's domain", "https://lb.example.net", "aud_mismatch"),
    ]
}

fn callers(minting: &Minting<'_>) -> Vec<Case> {
    let other = json!({"email": "other@demo-project.iam.gserviceaccount.com"});
    let unverified = minting.flawed(Flaw::UnverifiedEmail);
    let basic = vec![(AUTHORIZATION, "Basic bWU6bWU=".to_owned())];
    vec![
        refused(
            "an account that is no invoker",
            minting.with(&other),
            (403, 403),
            "caller_not_allowed",
        ),
        Case {
            note: "IAM knows the account by `sub` too, which the emulator does not look at: unsure",
            ..refused("an address that is not verified", unverified, (403, 403), "email_unverified")
        },
        Case {
            note: "no token is no permission to Cloud Run; by RFC 6750 it is a matter of a challenge",
            ..refused("no token", vec![], (403, 401), "token_missing")
        },
        Case {
            note: "another scheme is no token: as above",
            ..refused("`Basic` in `Authorization`", basic, (403, 401), "token_missing")
        },
    ]
}

fn forgeries(minting: &Minting<'_>) -> Vec<Case> {
    let flawed = |name, flaw, code| refused(name, minting.flawed(flaw), (401, 401), code);
    let short = minting.with(&json!({"iss": "accounts.google.com"}));
    vec![
        passes("Google's short `iss`", short, ""),
        flawed("another `iss`", Flaw::WrongIssuer, "iss_unknown"),
        flawed("a forged signature", Flaw::ForeignSignature, "sig_bad"),
        flawed("the signature removed by Google", Flaw::SignatureRemoved, "sig_removed_by_google"),
        flawed("`alg: none`", Flaw::AlgNone, "alg_not_allowed"),
        flawed("HS256 with the public key", Flaw::Hs256PublicKey, "alg_not_allowed"),
    ]
}

fn times(minting: &Minting<'_>) -> Vec<Case> {
    let now = minting.0.now().0;
    let lived = |from: u64, to: u64| minting.with(&json!({"iat": from, "exp": to}));
    vec![
        refused("expired an hour ago", minting.flawed(Flaw::Expired), (401, 401), "expired"),
        passes(
            "expired ten seconds ago",
            lived(now - 3610, now - 10),
            "`clock_skew` is 30 s here, and so in the emulator; how much Cloud Run allows is not documented",
        ),
        Case {
            note: "`max_lifetime` is 24 h here, and so in the emulator; Google's own ID tokens live an hour",
            ..refused(
                "good for 25 hours",
                lived(now, now + 25 * 3600),
                (401, 401),
                "lifetime_too_long",
            )
        },
    ]
}

fn places(minting: &Minting<'_>) -> Vec<Case> {
    let good = || minting.token(&json!({}), None);
    let bad = minting.token(&json!({}), Some(Flaw::ForeignSignature));
    let application = "Bearer of-the-application".to_owned();
    vec![
        passes(
            "good in `X-Serverless-Authorization`, the application's own in `Authorization`",
            vec![(SERVERLESS, good()), (AUTHORIZATION, application)],
            "",
        ),
        Case {
            cloud_run: 401,
            ..passes(
                "bad in `X-Serverless-Authorization`, good in `Authorization`",
                vec![(SERVERLESS, bad), (AUTHORIZATION, good())],
                "Cloud Run looks at `X-Serverless-Authorization` alone if it is there; here a good token in any of the rule's places will do",
            )
        },
    ]
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
