//! Of the request: where its token is, and which rule is for it.

use http::Method;
use serde_json::json;

use super::Expected::{Pass, Refuse};
use super::{Case, ORDERS, PUSHER, US, World, bearer, case, post};

pub(super) fn places(world: &World<'_>) -> Vec<Case> {
    let (good, other) = (world.token(PUSHER, US), world.token(PUSHER, US));
    let other = format!("{other}x");
    let (signed, _) = good.rsplit_once('.').unwrap();
    let removed = format!("{signed}.SIGNATURE_REMOVED_BY_GOOGLE");
    let pass = || Pass("verified", "senders");
    let refuse = |reason| Refuse(reason, "senders");
    let (authorization, serverless) = ("authorization", "x-serverless-authorization");
    let cases = [
        ("in Authorization", vec![(authorization, bearer(&good))], pass()),
        ("in X-Serverless-Authorization", vec![(serverless, bearer(&good))], pass()),
        ("in Proxy-Authorization", vec![("proxy-authorization", bearer(&good))], pass()),
        (
            "in a header that is not looked at",
            vec![("x-token", bearer(&good))],
            refuse("token_missing"),
        ),
        ("in a cookie", vec![("cookie", format!("token={good}"))], refuse("token_missing")),
        ("without its scheme", vec![(authorization, good.clone())], refuse("token_missing")),
        (
            "two in one place",
            vec![(authorization, bearer(&good)), (authorization, bearer(&other))],
            refuse("token_twice"),
        ),
        (
            "the same one twice",
            vec![(authorization, bearer(&good)), (authorization, bearer(&good))],
            pass(),
        ),
        (
            "what IAP leaves behind beside it",
            vec![(authorization, bearer(&good)), (serverless, bearer(&removed))],
            pass(),
        ),
        (
            "what IAP leaves behind alone",
            vec![(serverless, bearer(&removed))],
            refuse("sig_removed_by_google"),
        ),
        (
            "its signature removed",
            vec![(authorization, bearer(&removed))],
            refuse("sig_removed_by_google"),
        ),
        (
            "a bad one first and a good one second",
            vec![(authorization, bearer(&other)), (serverless, bearer(&good))],
            pass(),
        ),
        ("no token at all", vec![(authorization, "Bearer x".to_owned())], refuse("malformed")),
    ];
    let case =
        |(name, headers, expected)| case(name, Method::POST, ORDERS, "/push", headers, expected);
    let mut cases: Vec<_> = cases.map(case).into();
    let query = format!("/push?access_token={good}");
    cases.push(self::case(
        "in the query",
        Method::POST,
        ORDERS,
        &query,
        vec![],
        refuse("token_missing"),
    ));
    cases
}

pub(super) fn matching(world: &World<'_>) -> Vec<Case> {
    let token = world.token_with("boss@example.com", "items", &json!({"level": 3}));
    let get = |host, path: &str, expected| {
        let headers = vec![("authorization", bearer(&token))];
        case(&format!("{host}{path}"), Method::GET, host, path, headers, expected)
    };
    let none = || Refuse("no_rule", "");
    let unsafe_ = || Refuse("target_unsafe", "");
    vec![
        get("a.b.example.com", "/v1/x", Pass("verified", "item")),
        get("A.Example.COM:8443", "/v1/x", Pass("verified", "item")),
        get("example.com", "/v1/x", none()),
        get("a.example.com", "/v1/x/y", none()),
        get("a.example.com", "/v1/", none()),
        get("a.example.com", "/v1", none()),
        get("a.example.com", "/%761/x", Pass("verified", "item")),
        get("a.example.com", "/v1/x%2Fy", unsafe_()),
        get("a.example.com", "/v1/../v1/x", unsafe_()),
        get("a.example.com", "/v1//x", unsafe_()),
        get("a.example.com", "/v1/%2e%2e", unsafe_()),
        get("a.example.com", "/;x/v1/x", unsafe_()),
        get("a.example.com", "/v1/;/x", unsafe_()),
        get("a.example.com", "/v1/x%00", unsafe_()),
        get("a.example.com", "/v1/x%5Cy", unsafe_()),
        post("another method", "a.example.com", "/v1/x", &token, none()),
    ]
}

pub(super) fn modes(world: &World<'_>) -> Vec<Case> {
    let preflight = |path: &str, method: &str, expected| {
        let headers = vec![
            ("origin", "https://web.example".to_owned()),
            ("access-control-request-method", method.to_owned()),
        ];
        let name = format!("a browser asks for {method} {path}");
        case(&name, Method::OPTIONS, "a.example.com", path, headers, expected)
    };
    let bare = |method, path: &str, expected| case(path, method, ORDERS, path, vec![], expected);
    let trial = |email: &str, expected| {
        post(email, ORDERS, "/trial", &world.token(email, "here"), expected)
    };
    vec![
        bare(Method::GET, "/health", Pass("anonymous", "health")),
        bare(Method::POST, "/health", Refuse("no_rule", "")),
        bare(Method::GET, "/health/x", Refuse("no_rule", "")),
        preflight("/v1/x", "GET", Pass("preflight", "item")),
        preflight("/v1/x", "DELETE", Refuse("no_rule", "")),
        preflight("/trial", "GET", Pass("reported", "trial")),
        bare(Method::OPTIONS, "/v1/x", Refuse("no_rule", "")),
        trial(PUSHER, Pass("verified", "trial")),
        trial("stranger@example.com", Pass("reported", "trial")),
        bare(Method::GET, "/trial", Pass("reported", "trial")),
    ]
}
