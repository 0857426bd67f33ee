//! The assertions that reach what is behind IAP, and the wrong ones that it can
//! be tested with.

use std::sync::Arc;
use std::time::Duration;

use remint_idtoken::Algorithm;
use serde_json::Value;

use crate::clock::Clock;
use crate::issuer::{AssertionRequest, IapResource, Issuer, KeyError};

/// How far off the times of wrong assertions are.
const OFF: Duration = Duration::from_secs(86_400);

pub(super) struct Assertions {
    iap: Arc<Issuer>,
    /// Somebody whose signature is not to be believed.
    stranger: Issuer,
    audience: String,
}

impl Assertions {
    /// For what is behind that resource.
    pub(super) fn new(
        iap: Arc<Issuer>,
        clock: Arc<dyn Clock>,
        resource: IapResource,
    ) -> Result<Self, KeyError> {
        let stranger = Issuer::new(Algorithm::Es256, clock)?;
        Ok(Self { iap, stranger, audience: resource.into() })
    }

    /// An assertion about a caller; a wrong one if a test is asked for by its
    /// type, one of those of "Query parameters and headers", "Testing JWT
    /// verification".
    pub(super) fn about(&self, email: &str, test: Option<&str>) -> String {
        let mut claims = self.iap.assertion_claims(&AssertionRequest::new(email, &self.audience));
        let now = self.iap.now();
        let mut set = |name: &str, value: Value| drop(claims.insert(name.to_owned(), value));
        match test {
            Some("FUTURE_ISSUE") => set("iat", now.plus(OFF).0.into()),
            Some("PAST_EXPIRATION") => set("exp", now.minus(OFF).0.into()),
            Some("ISSUER") => set("iss", "https://wrong.example".into()),
            Some("AUDIENCE") => set("aud", "/projects/0/global/backendServices/0".into()),
            Some("SIGNATURE") => return self.stranger.sign(&self.iap.header(), &claims.into()),
            _ => {}
        }
        self.iap.sign_claims(&claims.into())
    }
}
