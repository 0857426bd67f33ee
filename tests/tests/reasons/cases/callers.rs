//! Of who calls, by IAP and otherwise.

use http::Method;
use remint_emulator::IapResource;
use serde_json::{Value, json};

use super::Expected::{Pass, Refuse};
use super::{Case, Expected, ORDERS, PEOPLE, US, World, bearer, case, post};

pub(super) fn callers(world: &World<'_>) -> Vec<Case> {
    let refused = |reason| Refuse(reason, "item");
    let level = json!({"level": 3});
    let cases = [
        ("boss@example.com", level.clone(), Pass("verified", "item")),
        ("BOSS@example.com", level.clone(), Pass("verified", "item")),
        ("who@gmail.com", json!({"level": 3, "hd": "example.com"}), Pass("verified", "item")),
        ("who@example.com", level.clone(), refused("caller_not_allowed")),
        ("any@p.iam.gserviceaccount.com", level.clone(), Pass("verified", "item")),
        (
            "any@p.iam.gserviceaccount.com.evil.example",
            level.clone(),
            refused("caller_not_allowed"),
        ),
        ("any@q.iam.gserviceaccount.com", level, refused("caller_not_allowed")),
        ("boss@example.com", json!({"level": 2}), refused("claim_mismatch")),
        ("boss@example.com", json!({"level": "3"}), refused("claim_mismatch")),
        ("boss@example.com", json!({}), refused("claim_mismatch")),
        (
            "boss@example.com",
            json!({"level": 3, "email_verified": false}),
            refused("email_unverified"),
        ),
    ];
    let case = |(email, more, expected): (&str, Value, Expected)| {
        let token = world.token_with(email, "items", &more);
        let headers = vec![("authorization", bearer(&token))];
        case(&format!("{email} {more}"), Method::GET, "a.example.com", "/v1/7", headers, expected)
    };
    let subject = |sub: &str, expected| {
        let token = world.token_with("x@y.example", "here", &json!({"sub": sub}));
        post(&format!("subject {sub}"), PEOPLE, "/subject", &token, expected)
    };
    let mut cases: Vec<_> = cases.map(case).into();
    cases.push(subject("104", Pass("verified", "subject")));
    cases.push(subject("1040", Refuse("caller_not_allowed", "subject")));
    cases
}

pub(super) fn senders(world: &World<'_>) -> Vec<Case> {
    let profiles = [
        ("pusher", vec![("user-agent", "CloudPubSub-Google".to_owned())]),
        ("tasks", vec![("x-cloudtasks-queuename", "q".to_owned())]),
        ("scheduler", vec![("x-cloudscheduler", "true".to_owned())]),
        ("eventarc", vec![("ce-specversion", "1.0".to_owned()), ("ce-type", "t".to_owned())]),
    ];
    let mut cases = Vec::new();
    for (name, marks) in profiles {
        for (account, expected) in [
            (name, Pass("verified", "senders")),
            ("other", Refuse("caller_not_allowed", "senders")),
        ] {
            let token = world.token(&format!("{account}@p.iam.gserviceaccount.com"), US);
            let mut headers = marks.clone();
            headers.push(("authorization", bearer(&token)));
            let title = format!("{account} as {name}");
            cases.push(case(&title, Method::PUT, ORDERS, "/push/a", headers, expected));
        }
        let title = format!("the marks of {name} alone");
        let refused = Refuse("token_missing", "senders");
        cases.push(case(&title, Method::POST, ORDERS, "/push", marks, refused));
    }
    cases
}

pub(super) fn iap(world: &World<'_>) -> Vec<Case> {
    let backend = |id| IapResource::BackendService { project: 1, id };
    let app = IapResource::AppEngine { project: 1, id: "app".to_owned() };
    let (region, service) = ("us-central1".to_owned(), "orders".to_owned());
    let run = IapResource::CloudRun { project: 1, region, service };
    let header = "x-goog-iap-jwt-assertion";
    let person = |name: &str, email: &str, resource, expected| {
        let headers = vec![(header, world.assertion(email, resource))];
        case(name, Method::GET, PEOPLE, "/iap/page", headers, expected)
    };
    let assertion = world.assertion("me@example.com", backend(2));
    let proxy = world.token("proxy@p.iam.gserviceaccount.com", "https://orders.example.com");
    let both =
        |name: &str, headers, expected| case(name, Method::GET, PEOPLE, "/both", headers, expected);
    vec![
        person("behind a load balancer", "me@example.com", backend(2), Pass("verified", "people")),
        person("on App Engine", "me@example.com", app, Pass("verified", "people")),
        person("on Cloud Run", "guest@other.example", run, Pass("verified", "people")),
        person(
            "of another backend",
            "me@example.com",
            backend(3),
            Refuse("aud_mismatch", "people"),
        ),
        person(
            "somebody else",
            "x@other.example",
            backend(2),
            Refuse("caller_not_allowed", "people"),
        ),
        post(
            "an assertion in Authorization",
            PEOPLE,
            "/iap",
            &assertion,
            Refuse("token_missing", "people"),
        ),
        both(
            "both tokens",
            vec![(header, assertion.clone()), ("authorization", bearer(&proxy))],
            Pass("verified", "both"),
        ),
        both(
            "the assertion alone",
            vec![(header, assertion.clone())],
            Refuse("token_missing", "both"),
        ),
        both(
            "the token alone",
            vec![("authorization", bearer(&proxy))],
            Refuse("token_missing", "both"),
        ),
        both(
            "the assertion as both",
            vec![(header, assertion.clone()), ("authorization", bearer(&assertion))],
            Refuse("iss_unknown", "both"),
        ),
        both(
            "the token as both",
            vec![(header, proxy.clone()), ("authorization", bearer(&proxy))],
            Refuse("iss_unknown", "both"),
        ),
    ]
}
