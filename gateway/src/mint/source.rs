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
