//! The table: requests, and what becomes of each.

mod callers;
mod requests;
mod tokens;

use std::sync::Arc;

use http::Method;
use remint_emulator::{AssertionRequest, IapResource, Issuer, SystemClock};
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
        let folder = remint_tests::shipped::workspace().join("tests/tests/reasons/policy.yaml");
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
        tokens::audiences(world),
        tokens::forgeries(world),
        callers::callers(world),
        callers::senders(world),
        requests::places(world),
        callers::iap(world),
        tokens::issuers(world),
        requests::matching(world),
        requests::modes(world),
        tokens::times(world),
    ]
    .into_iter()
    .flatten()
    .collect()
}
