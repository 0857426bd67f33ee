//! Access tokens, which IAM Credentials are asked with.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::HeaderValue;
use remint_idtoken::UnixTime;
use tokio::sync::Mutex;

use super::error::MintError;
use super::remote::Document;

/// What access tokens are good for; what they may do is IAM's to say.
pub(super) const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";

/// New ones are fetched this long before the end, as Google's libraries do.
const AHEAD: Duration = Duration::from_secs(225);

/// An access token with its time.
#[derive(Clone)]
pub(crate) struct AccessToken {
    /// Ready for the wire, and marked as a secret.
    header: HeaderValue,
    expires_at: UnixTime,
    renewed_at: UnixTime,
}

impl AccessToken {
    /// Reads the answer of a token endpoint (RFC 6749, section 5.1).
    pub(super) fn read(answer: &Document, now: UnixTime) -> Result<Self, MintError> {
        let lifetime = answer.seconds("expires_in")?;
        Self::new(answer.text("access_token")?, now, now.plus(lifetime))
            .ok_or_else(|| answer.lacks("access_token"))
    }

    /// None if it fits into no header.
    pub(super) fn new(token: &str, now: UnixTime, expires_at: UnixTime) -> Option<Self> {
        let mut header = HeaderValue::from_str(&format!("Bearer {token}")).ok()?;
        header.set_sensitive(true);
        let left = expires_at.since(now);
        let renewed_at = expires_at.minus(AHEAD.min(left.div_f64(2.0)));
        Some(Self { header, expires_at, renewed_at })
    }

    /// The value of the header that carries it.
    pub(crate) fn header(&self) -> HeaderValue {
        self.header.clone()
    }
}

impl fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessToken")
            .field("expires_at", &self.expires_at.to_string())
            .finish_non_exhaustive()
    }
}

/// The access token of one source: fetched when it is needed, once for all who
/// need it.
#[derive(Default)]
pub(super) struct AccessCache {
    /// Counts the fetches that have ended, so that whoever waited for one knows.
    fetches: AtomicU64,
    last: Mutex<Last>,
}

#[derive(Default)]
struct Last {
    token: Option<AccessToken>,
    error: Option<Arc<MintError>>,
}

impl AccessCache {
    /// A token that is valid now; `fetch` makes another. An old one serves
    /// through an outage until it expires.
    pub(super) async fn get(
        &self,
        now: UnixTime,
        fetch: impl Future<Output = Result<AccessToken, MintError>> + Send,
    ) -> Result<AccessToken, MintError> {
        let seen = self.fetches.load(Ordering::Acquire);
        let mut last = self.last.lock().await;
        let is_fresh = |token: &&AccessToken| token.renewed_at > now;
        if let Some(token) = last.token.as_ref().filter(is_fresh) {
            return Ok(token.clone());
        }
        let was_fetched = self.fetches.load(Ordering::Acquire) != seen;
        // Who waited for a fetch shares what came of it; who comes later tries
        // again.
        if !was_fetched || last.error.is_none() {
            match fetch.await {
                Ok(token) => *last = Last { token: Some(token), error: None },
                Err(error) => last.error = Some(Arc::new(error)),
            }
            self.fetches.fetch_add(1, Ordering::Release);
        }
        let is_valid = |token: &&AccessToken| token.expires_at > now;
        match (last.token.as_ref().filter(is_valid), &last.error) {
            (Some(token), _) => Ok(token.clone()),
            (None, Some(error)) => Err(MintError::Access(Arc::clone(error))),
            (None, None) => Err(MintError::Expired(now)),
        }
    }

    /// Forgets a token that was not believed, if it is still the last one.
    pub(super) async fn forget(&self, token: &AccessToken) {
        let mut last = self.last.lock().await;
        last.token.take_if(|it| it.header == token.header);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::test::START;

    type Fetched = Result<AccessToken, MintError>;

    /// A fetch that takes a moment.
    async fn slowly(fetched: Fetched) -> Fetched {
        tokio::task::yield_now().await;
        fetched
    }

    /// A fetch that must not be made.
    async fn never() -> Fetched {
        panic!("a token was at hand")
    }

    fn failed() -> Fetched {
        Err(MintError::Signature)
    }

    fn later(seconds: u64) -> UnixTime {
        START.plus(Duration::from_secs(seconds))
    }

    fn good(name: &str, from: u64, until: u64) -> Result<AccessToken, MintError> {
        Ok(AccessToken::new(name, later(from), later(until)).unwrap())
    }

    fn name(token: &AccessToken) -> &str {
        token.header.to_str().unwrap().trim_start_matches("Bearer ")
    }

    #[tokio::test]
    async fn a_token_is_kept_until_shortly_before_its_end() {
        let cache = AccessCache::default();
        let first = cache.get(START, slowly(good("a", 0, 3600))).await.unwrap();
        let kept = cache.get(later(3374), never()).await.unwrap();
        let next = cache.get(later(3375), slowly(good("b", 3375, 7200))).await.unwrap();
        assert_eq!([name(&first), name(&kept), name(&next)], ["a", "a", "b"]);
    }

    #[tokio::test]
    async fn an_old_token_serves_through_an_outage_until_it_ends() {
        let cache = AccessCache::default();
        cache.get(START, slowly(good("a", 0, 3600))).await.unwrap();
        let old = cache.get(later(3599), slowly(failed())).await.unwrap();
        assert_eq!(name(&old), "a");
        let ended = cache.get(later(3600), slowly(failed())).await;
        assert!(matches!(ended, Err(MintError::Access(_))));
    }

    #[tokio::test]
    async fn many_at_once_cause_one_fetch_and_share_its_end_but_errors_are_not_kept() {
        let cache = AccessCache::default();
        let (first, second) =
            tokio::join!(cache.get(START, slowly(failed())), cache.get(START, never()));
        assert!(first.is_err() && second.is_err());
        let (first, second) =
            tokio::join!(cache.get(START, slowly(good("a", 0, 3600))), cache.get(START, never()));
        assert!(first.is_ok() && second.is_ok());
    }

    #[tokio::test]
    async fn a_token_that_is_not_believed_is_forgotten_once() {
        let cache = AccessCache::default();
        let first = cache.get(START, slowly(good("a", 0, 3600))).await.unwrap();
        cache.forget(&first).await;
        cache.get(START, slowly(good("b", 0, 3600))).await.unwrap();
        cache.forget(&first).await;
        assert_eq!(name(&cache.get(START, never()).await.unwrap()), "b");
    }

    #[test]
    fn an_access_token_is_shown_to_nobody() {
        let shown = format!("{:?}", good("secret", 0, 1).unwrap());
        assert!(!shown.contains("secret"), "{shown}");
    }
}
