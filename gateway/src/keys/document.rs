//! The document that holds a key set.

use http::{HeaderMap, StatusCode};
use remint_idtoken::keys::{JwksError, MAX_JWKS_BYTES};
use remint_idtoken::policy::KeyUrl;

use crate::config::Origin;
use crate::error::chain;
use crate::upstream::{Connector, ConnectorError, FetchError, Fetched, Fetcher};

/// Where an issuer's key set is, and the way there.
pub(super) struct KeyDocument {
    url: KeyUrl,
    fetcher: Fetcher,
}

/// Why there are no new keys.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeysError {
    #[error("the key set can't be fetched")]
    Fetch(#[from] FetchError),
    #[error("the key set's server answers {0}")]
    Status(StatusCode),
    #[error("the key set can't be read")]
    Jwks(#[from] JwksError),
}

/// Fetches a key set once, for whoever does not keep it fresh.
///
/// # Errors
/// Why it can't be had, in words.
pub(crate) async fn fetch_once(url: &KeyUrl, connector: &Connector) -> Result<Fetched, String> {
    let document = KeyDocument::new(url, connector).map_err(|error| chain(&error))?;
    document.fetch().await.map_err(|error| chain(&error))
}

/// Where a key set's server is.
pub(crate) fn key_origin(url: &KeyUrl) -> Result<Origin, ConnectorError> {
    let named = || ConnectorError::Name(url.authority().to_owned());
    Origin::of(url.scheme() == "https", url.authority()).ok_or_else(named)
}

impl KeyDocument {
    pub(super) fn new(url: &KeyUrl, connector: &Connector) -> Result<Self, ConnectorError> {
        let fetcher = Fetcher::to(&key_origin(url)?, connector)?;
        Ok(Self { url: url.clone(), fetcher })
    }

    pub(super) fn url(&self) -> &KeyUrl {
        &self.url
    }

    /// Fetches it once, as it is.
    pub(super) async fn fetch(&self) -> Result<Fetched, KeysError> {
        let path = self.url.path_and_query();
        let answer = self.fetcher.get(path, HeaderMap::new(), MAX_JWKS_BYTES).await?;
        match answer.status {
            StatusCode::OK => Ok(answer),
            status => Err(KeysError::Status(status)),
        }
    }
}
