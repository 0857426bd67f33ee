//! Tokens from the metadata server of the machine.

use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use http::header::RETRY_AFTER;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use remint_idtoken::{MAX_TOKEN_BYTES, UnixTime};

use super::{MintError, MintedToken, TokenSource};
use crate::upstream::Fetcher;

/// Proves that the request was made on purpose: no browser or redirect sends
/// it (Compute Engine, "About VM metadata").
pub(crate) const FLAVOR: (HeaderName, HeaderValue) =
    (HeaderName::from_static("metadata-flavor"), HeaderValue::from_static("Google"));
/// `full` adds the account's address, which is for messages.
const PATH: &str =
    "/computeMetadata/v1/instance/service-accounts/default/identity?format=full&audience=";

/// The metadata server.
pub(crate) struct MetadataServer(Fetcher);

impl MetadataServer {
    pub(crate) fn new(fetcher: Fetcher) -> Self {
        Self(fetcher)
    }
}

impl TokenSource for MetadataServer {
    async fn mint(&self, audience: &Arc<str>, now: UnixTime) -> Result<MintedToken, MintError> {
        let headers = HeaderMap::from_iter([FLAVOR]);
        let answer = self.0.get(&path(audience), headers, MAX_TOKEN_BYTES).await?;
        if answer.status != StatusCode::OK {
            return Err(MintError::Status {
                status: answer.status,
                retry_after: retry_after(&answer.headers),
            });
        }
        MintedToken::read(&answer.body, audience, now)
    }
}

/// `Retry-After` in seconds; the form with a date is not used by Google.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?;
    value.trim().parse().ok().map(Duration::from_secs)
}

/// The path that mints for `audience`, all of which but letters, digits and
/// `-._~` is percent-encoded (RFC 3986, section 2.3).
fn path(audience: &str) -> String {
    let mut path = String::from(PATH);
    for byte in audience.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                path.push(char::from(byte));
            }
            // Writing to a string does not fail.
            _ => {
                let _ = write!(path, "%{byte:02X}");
            }
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_audience_is_one_value_of_the_query_whatever_it_holds() {
        let path = path("https://h:1/p?a=b&format=x#ä");
        let audience = path.rsplit_once("audience=").unwrap().1;
        assert_eq!(audience, "https%3A%2F%2Fh%3A1%2Fp%3Fa%3Db%26format%3Dx%23%C3%A4");
    }

    #[test]
    fn only_seconds_are_read_as_retry_after() {
        let read = |value| {
            retry_after(&HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_static(value))]))
        };
        assert_eq!(read("7"), Some(Duration::from_secs(7)));
        assert_eq!(read("Wed, 21 Oct 2026 07:28:00 GMT"), None);
    }
}
