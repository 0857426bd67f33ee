//! Whose access tokens IAM Credentials are asked with.

use std::future::Future;
use std::pin::Pin;

use remint_idtoken::UnixTime;

use super::access::{AccessCache, AccessToken};
use super::error::MintError;
use super::external::Federation;
use super::impersonation::Impersonated;
use super::key::KeyGrant;
use super::metadata::MetadataServer;
use super::user::UserGrant;
use crate::config::AccessSource;
use crate::upstream::{Connector, ConnectorError};

/// Where access tokens come from.
enum Base {
    Metadata(MetadataServer),
    Key(KeyGrant),
    User(UserGrant),
    External(Box<Federation>),
    Impersonated(Box<Impersonated>),
}

impl Base {
    fn new(source: &AccessSource, connector: &Connector) -> Result<Self, ConnectorError> {
        Ok(match source {
            AccessSource::Metadata { host } => {
                Self::Metadata(MetadataServer::new(host, connector)?)
            }
            AccessSource::Key(key) => Self::Key(KeyGrant::new(key, connector)?),
            AccessSource::User(user) => Self::User(UserGrant::new(user, connector)?),
            AccessSource::External(external) => {
                Self::External(Box::new(Federation::new(external, connector)?))
            }
            AccessSource::Impersonated(inner) => {
                Self::Impersonated(Box::new(Impersonated::new(inner, connector)?))
            }
        })
    }

    async fn fetch(&self, now: UnixTime) -> Result<AccessToken, MintError> {
        match self {
            Self::Metadata(server) => server.access_token(now).await,
            Self::Key(key) => key.access_token(now).await,
            Self::User(user) => user.access_token(now).await,
            Self::External(federation) => federation.access_token(now).await,
            Self::Impersonated(inner) => inner.access_token(now).await,
        }
    }
}

/// A token on its way.
type Fetch<'t> = Pin<Box<dyn Future<Output = Result<AccessToken, MintError>> + Send + 't>>;

/// The access tokens of one source.
pub(crate) struct AccessTokens {
    base: Base,
    cache: AccessCache,
}

impl AccessTokens {
    pub(crate) fn new(
        source: &AccessSource,
        connector: &Connector,
    ) -> Result<Self, ConnectorError> {
        Ok(Self { base: Base::new(source, connector)?, cache: AccessCache::default() })
    }

    /// A token that is valid now. In a box, because below an impersonation
    /// there may be access tokens again.
    pub(crate) fn get(&self, now: UnixTime) -> Fetch<'_> {
        Box::pin(self.cache.get(now, self.base.fetch(now)))
    }

    /// Forgets a token that was not believed.
    pub(super) async fn forget(&self, token: &AccessToken) {
        self.cache.forget(token).await;
    }
}
