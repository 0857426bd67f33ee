//! The assertions with which Identity-Aware Proxy (IAP) tells a backend who
//! called.
//!
//! Header and claims are those of "Securing your app with signed headers"
//! (<https://cloud.google.com/iap/docs/signed-headers-howto>): ES256, and `exp`,
//! `iat`, `aud`, `iss`, `hd` and `google.access_levels`, beside the caller's
//! `sub` and `email`. There is no `email_verified`: neither that page nor the
//! assertions that people have published have one. Newer ones of Cloud Run were
//! seen with an `azp` (the same as `aud`) and an `identity_source` too, which
//! are not documented and are left out here.

use std::fmt;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::{Issuer, subject_of};

/// How IAP spells itself in `iss`.
pub const IAP: &str = "https://cloud.google.com/iap";

/// `exp - iat` of an assertion. Google documents ten minutes as the longest
/// lifetime, to which clock skew is added twice.
pub const ASSERTION_LIFETIME: Duration = Duration::from_secs(600);

/// What IAP stands in front of; shown as the `aud` of its assertions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IapResource {
    /// A load balancer's backend service, in front of Compute Engine, GKE, or
    /// Cloud Run.
    BackendService {
        /// The project's number.
        project: u64,
        /// The backend service's number.
        id: u64,
    },
    /// An App Engine application.
    AppEngine {
        /// The project's number.
        project: u64,
        /// The project's id.
        id: String,
    },
    /// A Cloud Run service with IAP of its own.
    CloudRun {
        /// The project's number.
        project: u64,
        /// The service's region.
        region: String,
        /// The service's name.
        service: String,
    },
}

impl fmt::Display for IapResource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BackendService { project, id } => {
                write!(f, "/projects/{project}/global/backendServices/{id}")
            }
            Self::AppEngine { project, id } => write!(f, "/projects/{project}/apps/{id}"),
            Self::CloudRun { project, region, service } => {
                write!(f, "/projects/{project}/locations/{region}/services/{service}")
            }
        }
    }
}

impl From<IapResource> for String {
    fn from(resource: IapResource) -> Self {
        resource.to_string()
    }
}

/// An assertion about a caller whom IAP has let through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AssertionRequest {
    /// The caller's address.
    pub email: String,
    /// The assertion's `aud`, an [`IapResource`]'s name.
    pub audience: String,
    /// The caller's Workspace domain; other callers have none.
    pub hosted_domain: Option<String>,
    /// The access levels that the call meets, in the form
    /// `accessPolicies/NUMBER/accessLevels/NAME`. Without any there is no claim.
    pub access_levels: Vec<String>,
}

impl AssertionRequest {
    /// An assertion about a caller without domain and access levels, for an
    /// [`IapResource`] or its name.
    #[must_use]
    pub fn new(email: impl Into<String>, audience: impl Into<String>) -> Self {
        Self {
            email: email.into(),
            audience: audience.into(),
            hosted_domain: None,
            access_levels: Vec::new(),
        }
    }

    /// The same about a caller of that Workspace domain.
    #[must_use]
    pub fn hosted_domain(self, domain: impl Into<String>) -> Self {
        Self { hosted_domain: Some(domain.into()), ..self }
    }

    /// The same with one more access level.
    #[must_use]
    pub fn access_level(mut self, level: impl Into<String>) -> Self {
        self.access_levels.push(level.into());
        self
    }
}

/// Meant for the issuer whose keys are IAP's:
/// [`Emulator::iap`](crate::Emulator::iap).
impl Issuer {
    /// The claims of an assertion, in IAP's form.
    #[must_use]
    pub fn assertion_claims(&self, request: &AssertionRequest) -> Map<String, Value> {
        let now = self.now();
        let mut claims = Map::from_iter([
            ("iss".to_owned(), IAP.into()),
            ("aud".to_owned(), request.audience.clone().into()),
            ("sub".to_owned(), iap_subject_of(&request.email).into()),
            ("email".to_owned(), request.email.clone().into()),
            ("iat".to_owned(), now.0.into()),
            ("exp".to_owned(), now.plus(ASSERTION_LIFETIME).0.into()),
        ]);
        if let Some(domain) = &request.hosted_domain {
            claims.insert("hd".to_owned(), domain.clone().into());
        }
        if !request.access_levels.is_empty() {
            let levels = json!({ "access_levels": request.access_levels });
            claims.insert("google".to_owned(), levels);
        }
        claims
    }

    /// A well-formed assertion, as it comes in `X-Goog-IAP-JWT-Assertion`.
    #[must_use]
    pub fn mint_assertion(&self, request: &AssertionRequest) -> String {
        self.sign_claims(&self.assertion_claims(request).into())
    }
}

/// How IAP names an account: by its numeric id, which is the `sub` of the
/// account's ID tokens, behind the name of who manages it.
#[must_use]
pub fn iap_subject_of(account: &str) -> String {
    format!("accounts.google.com:{}", subject_of(account))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use remint_idtoken::{Algorithm, UnixTime};

    use super::*;
    use crate::clock::ManualClock;

    const USER: &str = "user@example.com";

    fn claims(request: &AssertionRequest) -> Value {
        let clock = Arc::new(ManualClock::new(UnixTime(1_790_000_000)));
        Issuer::new(Algorithm::Es256, clock).unwrap().assertion_claims(request).into()
    }

    #[test]
    fn an_assertion_tells_the_address_without_calling_it_verified() {
        let request = AssertionRequest::new(USER, "/projects/1/apps/p");
        let subject = format!("accounts.google.com:{}", subject_of(USER));
        assert_eq!(
            claims(&request),
            json!({
                "iss": "https://cloud.google.com/iap", "aud": "/projects/1/apps/p",
                "sub": subject, "email": USER, "iat": 1_790_000_000, "exp": 1_790_000_600,
            })
        );
    }

    #[test]
    fn domain_and_access_levels_are_there_if_they_are_asked_for() {
        let request = AssertionRequest::new(USER, "/projects/1/apps/p")
            .hosted_domain("example.com")
            .access_level("accessPolicies/1/accessLevels/office")
            .access_level("accessPolicies/1/accessLevels/laptop");
        let claims = claims(&request);
        assert_eq!(claims["hd"], "example.com");
        let levels =
            ["office", "laptop"].map(|name| format!("accessPolicies/1/accessLevels/{name}"));
        assert_eq!(claims["google"], json!({ "access_levels": levels }));
    }

    #[test]
    fn an_audience_has_one_of_the_documented_forms() {
        let project = 123;
        let run = IapResource::CloudRun {
            project,
            region: "us-central1".into(),
            service: "orders".into(),
        };
        for (resource, audience) in [
            (
                IapResource::BackendService { project, id: 456 },
                "/projects/123/global/backendServices/456",
            ),
            (IapResource::AppEngine { project, id: "p".into() }, "/projects/123/apps/p"),
            (run, "/projects/123/locations/us-central1/services/orders"),
        ] {
            assert_eq!(AssertionRequest::new(USER, resource).audience, audience);
        }
    }
}
