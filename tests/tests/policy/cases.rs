//! The table: requests, and what becomes of each.

use std::sync::Arc;

use http::Method;
use remint_emulator::{AssertionRequest, IapResource, Issuer, SystemClock, TokenRequest};
use remint_idtoken::{Algorithm, UnixTime};
use serde_json::{Map, Value, json};

/// A request and what must become of it.
pub struct Case {
    pub name: String,
    pub method: Method,
    pub host: &'static str,
    pub path: String,
    pub headers: Vec<(&'static str, String)>,
    pub expected: Expected,
}

/// What must become of a request: by which rule, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expected {
    /// It passes, with this verdict.
    Pass(&'static str, &'static str),
    /// It is refused for this reason; without a rule the rule is empty.
    Refuse(&'static str, &'static str),
}
use Expected::{Pass, Refuse};

/// Everybody who signs.
pub struct World<'a> {
    pub google: &'a Issuer,
    pub iap: Issuer,
    pub own: Issuer,
}

const ORDERS: &str = "orders.example.com";
const PEOPLE: &str = "people.example.com";
const US: &str = "https://orders-123456789012.us-central1.run.app";
const PUSHER: &str = "pusher@p.iam.gserviceaccount.com";

impl<'a> World<'a> {
    pub fn new(google: &'a Issuer) -> Self {
        let es256 = || Issuer::new(Algorithm::Es256, Arc::new(SystemClock)).unwrap();
        Self { google, iap: es256(), own: es256() }
    }

    /// The policy, filled in.
    pub fn policy(&self) -> Value {
        let folder = remint_tests::shipped::workspace().join("tests/tests/policy/policy.yaml");
        let mut policy = remint_tests::shipped::read(&folder).unwrap();
        fill(&mut policy, &|text| match text {
            "IAP_KEYS" => Some(self.iap.jwks()),
            // Some write a mapping, some a text that holds one.
            "OWN_KEYS" => Some(self.own.jwks().to_string().into()),
            "TODAY" => Some(UnixTime(self.google.now().0).to_string().into()),
            _ => None,
        });
        policy
    }

    fn claims(&self, email: &str, audience: &str) -> Map<String, Value> {
        let now = self.google.now().0;
        let claims = json!({
            "iss": "https://accounts.google.com", "aud": audience, "sub": "104", "azp": "104",
            "email": email, "email_verified": true, "iat": now, "exp": now + 3600,
        });
        claims.as_object().unwrap().clone()
    }

    fn token(&self, email: &str, audience: &str) -> String {
        self.google.sign_claims(&self.claims(email, audience).into())
    }

    fn token_with(&self, email: &str, audience: &str, more: &Value) -> String {
        let mut claims = self.claims(email, audience);
        claims.extend(more.as_object().unwrap().clone());
        self.google.sign_claims(&claims.into())
    }

    fn own(&self, issuer: &str) -> String {
        let mut claims = self.claims("me@own.example", "here");
        claims.insert("iss".to_owned(), issuer.into());
        self.own.sign_claims(&claims.into())
    }

    fn assertion(&self, email: &str, resource: IapResource) -> String {
        let domain = email.rsplit('@').next().unwrap();
        let request = AssertionRequest::new(email, resource);
        let request = if domain == "example.com" { request.hosted_domain(domain) } else { request };
        self.iap.mint_assertion(&request)
    }
}

fn fill(value: &mut Value, with: &impl Fn(&str) -> Option<Value>) {
    match value {
        Value::String(text) => {
            if let Some(filled) = with(text) {
                *value = filled;
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| fill(item, with)),
        Value::Object(members) => members.values_mut().for_each(|member| fill(member, with)),
        _ => {}
    }
}

fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}

fn case(
    name: &str,
    method: Method,
    host: &'static str,
    path: &str,
    headers: Vec<(&'static str, String)>,
    expected: Expected,
) -> Case {
    Case { name: name.to_owned(), method, host, path: path.to_owned(), headers, expected }
}

/// A `POST` with a Google token in `Authorization`.
fn post(name: &str, host: &'static str, path: &str, token: &str, expected: Expected) -> Case {
    case(name, Method::POST, host, path, vec![("authorization", bearer(token))], expected)
}

pub fn all(world: &World<'_>) -> Vec<Case> {
    [
        audiences(world),
        forgeries(world),
        callers(world),
        senders(world),
        places(world),
        iap(world),
        issuers(world),
        matching(world),
        modes(world),
        times(world),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn audiences(world: &World<'_>) -> Vec<Case> {
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
fn forgeries(world: &World<'_>) -> Vec<Case> {
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

fn callers(world: &World<'_>) -> Vec<Case> {
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

fn senders(world: &World<'_>) -> Vec<Case> {
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

fn places(world: &World<'_>) -> Vec<Case> {
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

fn iap(world: &World<'_>) -> Vec<Case> {
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

fn issuers(world: &World<'_>) -> Vec<Case> {
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

fn matching(world: &World<'_>) -> Vec<Case> {
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

fn modes(world: &World<'_>) -> Vec<Case> {
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

fn times(world: &World<'_>) -> Vec<Case> {
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
