//! Tokens from the metadata server of the machine.

use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use remint_idtoken::UnixTime;

use super::MintedToken;
use super::access::AccessToken;
use super::error::{MintError, Remedy};
use super::remote::{Answer, Remote};
use crate::config::{Endpoint, HostPort, Origin};
use crate::percent::encoded;
use crate::upstream::{Connector, ConnectorError};

/// Proves that the request was made on purpose: no browser or redirect sends
/// it (Compute Engine, "About VM metadata").
pub(crate) const FLAVOR: (HeaderName, HeaderValue) =
    (HeaderName::from_static("metadata-flavor"), HeaderValue::from_static("Google"));
const ACCOUNT: &str = "/computeMetadata/v1/instance/service-accounts/default";
const NAME: &str = "the metadata server";

/// The metadata server.
pub(crate) struct MetadataServer(Remote);

impl MetadataServer {
    pub(super) fn new(host: &HostPort, connector: &Connector) -> Result<Self, ConnectorError> {
        // It speaks no TLS: what it says never leaves the machine.
        let endpoint = Endpoint::at(Origin::plain(host), "/");
        Ok(Self(Remote::new(NAME, &endpoint, connector)?))
    }

    pub(super) async fn id_token(
        &self,
        audience: &Arc<str>,
        now: UnixTime,
    ) -> Result<MintedToken, MintError> {
        // `full` adds the account's address, which is for messages.
        let path =
            format!("{ACCOUNT}/identity?format=full&audience={}", encoded(audience.as_bytes()));
        let answer = self.get(&path, now).await?;
        MintedToken::read(&answer.body, audience, now)
    }

    pub(super) async fn access_token(&self, now: UnixTime) -> Result<AccessToken, MintError> {
        let answer = self.get(&format!("{ACCOUNT}/token"), now).await?;
        AccessToken::read(&answer.json()?, now)
    }

    async fn get(&self, path: &str, now: UnixTime) -> Result<Answer, MintError> {
        let answer = self.0.get(path, HeaderMap::from_iter([FLAVOR]), now).await;
        answer.map_err(|error| {
            error
                .with_remedy(StatusCode::FORBIDDEN, || {
                    Remedy::by(FORBIDDEN, IDENTITY_OF_GKE.to_owned())
                })
                .with_remedy(StatusCode::NOT_FOUND, || NOT_FOUND.into())
        })
    }
}

const NOT_FOUND: &str = "no service account is attached to this machine";
/// On GKE a Kubernetes account speaks for a service account only if that one
/// lets it (GKE, "Workload Identity Federation for GKE").
const FORBIDDEN: &str = "check that a service account is attached to this machine; on GKE";
const IDENTITY_OF_GKE: &str = "gcloud iam service-accounts add-iam-policy-binding ACCOUNT --member='serviceAccount:PROJECT.svc.id.goog[NAMESPACE/KUBERNETES_ACCOUNT]' --role=roles/iam.workloadIdentityUser";
