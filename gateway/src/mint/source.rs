//! The sources of ID tokens.

use std::sync::Arc;

use remint_idtoken::UnixTime;

use super::impersonation::Impersonated;
use super::key::KeyGrant;
use super::metadata::MetadataServer;
use super::{MintError, MintedToken, TokenSource};
use crate::config::Identity;
use crate::upstream::{Connector, ConnectorError};

/// Who makes ID tokens.
pub(crate) enum Source {
    Metadata(MetadataServer),
    Key(KeyGrant),
    Impersonated(Box<Impersonated>),
}

impl Source {
    pub(crate) fn new(identity: &Identity, connector: &Connector) -> Result<Self, ConnectorError> {
        Ok(match identity {
            Identity::Metadata { host } => Self::Metadata(MetadataServer::new(host, connector)?),
            Identity::Key(key) => Self::Key(KeyGrant::new(key, connector)?),
            Identity::Impersonated(settings) => {
                Self::Impersonated(Box::new(Impersonated::new(settings, connector)?))
            }
        })
    }
}

impl TokenSource for Source {
    async fn mint(&self, audience: &Arc<str>, now: UnixTime) -> Result<MintedToken, MintError> {
        match self {
            Self::Metadata(server) => server.id_token(audience, now).await,
            Self::Key(key) => key.id_token(audience, now).await,
            Self::Impersonated(account) => account.id_token(audience, now).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use remint_emulator::{Config, Emulator, Fault, Grant};

    use super::*;
    use crate::clock::{Clock, SystemClock};
    use crate::config::{AccessSource, HostPort, Impersonation, Origin, Upstream};
    use crate::error::chain;

    const TARGET: &str = "pusher@demo-project.iam.gserviceaccount.com";

    /// What the log says of an attempt.
    async fn said(identity: &Identity) -> String {
        let connector = Connector::new(&Upstream::default()).unwrap();
        let source = Source::new(identity, &connector).unwrap();
        let minted = source.mint(&Arc::from("https://a.example"), SystemClock.now()).await;
        minted.map_or_else(|error| chain(&error), |token| format!("{token:?}"))
    }

    fn impersonating(emulator: &Emulator, delegates: &[&str]) -> Identity {
        let addr = emulator.google_addr().to_string();
        Identity::Impersonated(Impersonation {
            account: TARGET.to_owned(),
            delegates: delegates.iter().map(|it| (*it).to_owned()).collect(),
            endpoint: Origin::of(false, &addr).unwrap(),
            source: AccessSource::Metadata { host: HostPort::parse(&addr, None).unwrap() },
        })
    }

    #[tokio::test]
    async fn a_missing_role_is_reported_with_the_command_that_grants_it() {
        let emulator = Emulator::start(Config::demo()).await.unwrap();
        let text = said(&impersonating(&emulator, &[])).await;
        let expected = format!(
            "IAM Credentials answers 403 Forbidden (Permission 'iam.serviceAccounts.getOpenIdToken' \
             denied on resource (or it may not exist).); a role is missing, or was granted minutes \
             ago and is not in force yet: gcloud iam service-accounts add-iam-policy-binding {TARGET} \
             --member='serviceAccount:ACCOUNT_OF_THIS_MACHINE' \
             --role=roles/iam.serviceAccountOpenIdTokenCreator"
        );
        assert_eq!(text, expected);
        emulator.grant(Grant {
            member: "serviceAccount:gateway@demo-project.iam.gserviceaccount.com".to_owned(),
            role: "roles/iam.serviceAccountOpenIdTokenCreator".to_owned(),
            account: TARGET.to_owned(),
        });
        assert!(said(&impersonating(&emulator, &[])).await.starts_with("MintedToken"));
        let text = said(&impersonating(&emulator, &[TARGET])).await;
        assert!(text.contains(&format!("&& gcloud iam service-accounts add-iam-policy-binding {TARGET} --member='serviceAccount:{TARGET}' --role=roles/iam.serviceAccountTokenCreator")), "{text}");
    }

    #[tokio::test]
    async fn a_failure_below_an_impersonation_is_told_with_its_cause() {
        let emulator = Emulator::start(Config::demo()).await.unwrap();
        emulator.faults().set_metadata(Some(Fault::Status(http::StatusCode::FORBIDDEN)));
        let text = said(&impersonating(&emulator, &[])).await;
        let expected = "there is no access token to ask with: the metadata server answers 403 Forbidden; check that a service account is attached";
        assert!(text.starts_with(expected), "{text}");
        emulator.faults().set_metadata(Some(Fault::NotJson));
        let text = said(&impersonating(&emulator, &[])).await;
        assert_eq!(
            text,
            "there is no access token to ask with: the answer of the metadata server holds no JSON"
        );
    }
}
