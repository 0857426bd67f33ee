//! HTTP targets and what else Cloud Tasks and Cloud Scheduler have in common:
//! how their APIs write things, how they wait between attempts, and how they
//! send.

mod backoff;
mod error;
mod headers;
mod mask;
mod names;
mod rest;
mod sending;
mod status;
pub(crate) mod wire;

use http::Method;

use crate::endpoint::Endpoint;
pub use backoff::Backoff;
pub use error::ApiError;
pub(crate) use headers::sendable;
pub(crate) use mask::updated;
pub(crate) use names::{chosen_id, is_id, parts, random_id};
pub(crate) use rest::{Page, document, no_such_method, query};
pub(crate) use sending::Targets;
pub(crate) use status::{Status, status_of};

/// What a task or a job calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpTarget {
    /// The URL.
    pub endpoint: Endpoint,
    /// The method.
    pub method: Method,
    /// The user's own headers. Those that Google sets itself are left out when
    /// the request is made.
    pub headers: Vec<(String, String)>,
    /// The body; empty unless the method is `POST`, `PUT` or `PATCH`.
    pub body: Vec<u8>,
    /// Whose token goes along, if one does.
    pub oidc: Option<OidcToken>,
}

/// The token that goes along with a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OidcToken {
    /// The service account's address.
    pub account: String,
    /// The audience; by default the target's full URI, path and query included
    /// (Cloud Tasks API, `OidcToken.audience`: "If not specified, the URI
    /// specified in target will be used").
    pub audience: Option<String>,
}

impl HttpTarget {
    /// A `POST` without body and without token.
    #[must_use]
    pub fn new(endpoint: Endpoint) -> Self {
        Self { endpoint, method: Method::POST, headers: Vec::new(), body: Vec::new(), oidc: None }
    }

    /// With a token of that account, for the default audience.
    #[must_use]
    pub fn with_token_of(mut self, account: impl Into<String>) -> Self {
        self.oidc = Some(OidcToken { account: account.into(), audience: None });
        self
    }
}
