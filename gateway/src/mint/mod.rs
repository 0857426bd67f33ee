//! ID tokens of the gateway's own, one for each audience.

mod access;
mod base;
mod cache;
mod error;
mod external;
mod impersonation;
mod key;
mod metadata;
mod remote;
mod schedule;
mod source;
mod user;

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use http::HeaderValue;
use remint_idtoken::{TokenError, UnixTime, UnverifiedToken};

pub(crate) use access::AccessToken;
pub(crate) use base::AccessTokens;
pub(crate) use cache::{Ended, Slot, keep_fresh};
pub(crate) use error::{MintError, Said};
pub(crate) use metadata::FLAVOR;
pub(crate) use source::Source;

/// Makes ID tokens.
pub(crate) trait TokenSource: Send + Sync + 'static {
    /// A token for that audience, checked to be one.
    fn mint(
        &self,
        audience: &Arc<str>,
        now: UnixTime,
    ) -> impl Future<Output = Result<MintedToken, MintError>> + Send;
}

/// A token that is for one audience. Made by [`MintedToken::read`] alone, so
/// that none is sent whose audience or time was not looked at.
#[derive(Clone)]
pub(crate) struct MintedToken {
    /// Ready for the wire, and marked as a secret.
    header: HeaderValue,
    audience: Arc<str>,
    account: Option<Arc<str>>,
    expires_at: UnixTime,
}

impl MintedToken {
    /// Reads a token that a source has made for `audience`.
    ///
    /// Its signature is not checked: it came over a connection to whoever
    /// made it, and the region checks it.
    pub(crate) fn read(
        token: &[u8],
        audience: &Arc<str>,
        now: UnixTime,
    ) -> Result<Self, MintError> {
        let token = token.trim_ascii();
        let parsed = UnverifiedToken::parse(token)?;
        let claims = parsed.claims();
        if claims.audiences != [&**audience] {
            return Err(MintError::Audience {
                expected: Arc::clone(audience),
                received: claims.audiences.join(", "),
            });
        }
        if claims.expires_at <= now {
            return Err(MintError::Expired(claims.expires_at));
        }
        // Three parts of base64url were just read: they fit into a header.
        let bytes = [b"Bearer ", token].concat();
        let mut header = HeaderValue::from_bytes(&bytes).map_err(|_| TokenError::Parts)?;
        header.set_sensitive(true);
        Ok(Self {
            header,
            audience: Arc::clone(audience),
            account: claims.verified_email().map(Arc::from),
            expires_at: claims.expires_at,
        })
    }

    /// The value of the header that carries it.
    pub(crate) fn header(&self) -> HeaderValue {
        self.header.clone()
    }

    /// Whom it is for.
    pub(crate) fn audience(&self) -> &str {
        &self.audience
    }

    /// Whose it is, if it tells.
    pub(crate) fn account(&self) -> Option<&str> {
        self.account.as_deref()
    }

    /// When it ends.
    pub(crate) fn expires_at(&self) -> UnixTime {
        self.expires_at
    }

    /// Whether it is the same token, not only one like it.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.header == other.header
    }
}

impl fmt::Debug for MintedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MintedToken")
            .field("audience", &self.audience)
            .field("expires_at", &self.expires_at.to_string())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
