//! Admissions for tests: made by a policy, as all are.

use std::sync::Arc;

use http::HeaderMap;
use remint_emulator::{Issuer, TokenRequest};
use remint_idtoken::keys::{KeySet, parse_jwks};
use remint_idtoken::{
    Admission, Algorithm, Authority, AwsLc, NoCache, Policy, SystemClock, Target, UnixTime,
};
use serde_json::json;

/// The rules `usual` (Google's tokens and own ones), `own` (these alone),
/// `open` (none) and `report`, each for the path of its name.
const POLICY: &str = r#"{
    "issuers": [
        {"preset": "google"},
        {"name": "own", "issuer": "https://own.example", "jwks_uri": "https://own.example/keys",
         "algorithms": ["RS256"], "tokens": [{"header": "x-own"}]}
    ],
    "rules": [
        {"name": "usual", "match": {"paths": [{"exact": "/usual"}]}, "issuers": ["google", "own"],
         "audiences": ["https://a.example"], "callers": {"anyone": true}},
        {"name": "own", "match": {"paths": [{"exact": "/own"}]}, "issuers": ["own"],
         "audiences": ["https://a.example"], "callers": {"anyone": true}},
        {"name": "open", "match": {"paths": [{"exact": "/open"}]}, "anonymous": true},
        {"name": "report", "match": {"paths": [{"exact": "/report"}]}, "issuers": ["google", "own"],
         "audiences": ["https://a.example"], "callers": {"anyone": true}, "mode": "report"}
    ]
}"#;

pub(crate) const RULES: [&str; 4] = ["usual", "own", "open", "report"];
pub(crate) const CALLER: &str = "pusher@demo-project.iam.gserviceaccount.com";

/// Two issuers with one set of keys, and a policy that knows them.
pub(crate) struct Callers {
    pub(crate) policy: Policy,
    issuer: Issuer,
    authority: Authority<AwsLc>,
}

impl Callers {
    pub(crate) fn new() -> Self {
        let policy = Policy::from_json(POLICY).unwrap();
        let issuer = Issuer::new(Algorithm::Rs256, Arc::new(SystemClock)).unwrap();
        let jwks = parse_jwks(issuer.jwks().to_string().as_bytes()).unwrap();
        let keys = Arc::new(KeySet::load(&AwsLc, &jwks).unwrap().0);
        let mut authority = Authority::new(&policy, AwsLc);
        authority.set_keys("google", Some(Arc::clone(&keys)));
        authority.set_keys("own", Some(keys));
        Self { policy, issuer, authority }
    }

    pub(crate) fn now(&self) -> UnixTime {
        self.issuer.now()
    }

    /// A token of Google's.
    pub(crate) fn token(&self) -> String {
        self.token_of(CALLER)
    }

    pub(crate) fn token_of(&self, account: &str) -> String {
        self.issuer.mint(&TokenRequest::new(account, "https://a.example"))
    }

    /// A token of the own issuer's.
    pub(crate) fn own_token(&self) -> String {
        let mut claims = self.issuer.claims(&TokenRequest::new(CALLER, "https://a.example"));
        claims.insert("iss".to_owned(), json!("https://own.example"));
        self.issuer.sign_claims(&claims.into())
    }

    /// By the rule of that name.
    pub(crate) fn admit(&self, rule: &str, headers: &HeaderMap) -> Admission {
        let path = format!("/{rule}");
        let target = Target::parse("a.example", &path, "POST");
        self.policy.admit(&self.authority, &NoCache, target, headers, self.now()).unwrap()
    }
}
