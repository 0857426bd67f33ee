//! Asking a server that makes tokens.

use std::time::Duration;

use http::header::{AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, StatusCode};
use remint_idtoken::UnixTime;
use serde_json::Value;

use super::error::{MintError, Refused, Remedy, Said};
use crate::config::Endpoint;
use crate::percent::encoded;
use crate::upstream::{Connector, ConnectorError, Fetched, Fetcher};

/// The longest answer that is read. An ID token has about 1,200 bytes, and
/// federated access tokens some more.
pub(super) const MAX_ANSWER: usize = 64 * 1024;

/// A server, and the way there.
pub(super) struct Remote {
    /// What it is called in messages.
    name: &'static str,
    fetcher: Fetcher,
}

impl Remote {
    pub(super) fn new(
        name: &'static str,
        endpoint: &Endpoint,
        connector: &Connector,
    ) -> Result<Self, ConnectorError> {
        Ok(Self { name, fetcher: Fetcher::to(endpoint.origin(), connector)? })
    }

    pub(super) async fn get(
        &self,
        path: &str,
        headers: HeaderMap,
        now: UnixTime,
    ) -> Result<Answer, MintError> {
        let answer = self.fetcher.get(path, headers, MAX_ANSWER).await;
        self.read(answer.map_err(|error| MintError::Fetch(self.name, error))?, now)
    }

    /// Sends a form (RFC 6749, appendix B).
    pub(super) async fn post_form(
        &self,
        path: &str,
        fields: &[(&str, &str)],
        now: UnixTime,
    ) -> Result<Answer, MintError> {
        let pairs =
            fields.iter().map(|(name, value)| format!("{name}={}", encoded(value.as_bytes())));
        let body = pairs.collect::<Vec<_>>().join("&");
        let kind = HeaderValue::from_static("application/x-www-form-urlencoded");
        self.post(path, HeaderMap::from_iter([(CONTENT_TYPE, kind)]), body, now).await
    }

    /// Sends a JSON document in the name of whoever the access token is of.
    pub(super) async fn post_json(
        &self,
        path: &str,
        authorization: HeaderValue,
        document: &Value,
        now: UnixTime,
    ) -> Result<Answer, MintError> {
        let kind = HeaderValue::from_static("application/json");
        let headers = [(CONTENT_TYPE, kind), (AUTHORIZATION, authorization)];
        self.post(path, HeaderMap::from_iter(headers), document.to_string(), now).await
    }

    async fn post(
        &self,
        path: &str,
        headers: HeaderMap,
        body: String,
        now: UnixTime,
    ) -> Result<Answer, MintError> {
        let answer = self.fetcher.post(path, headers, body.into(), MAX_ANSWER).await;
        self.read(answer.map_err(|error| MintError::Fetch(self.name, error))?, now)
    }

    fn read(&self, answer: Fetched, now: UnixTime) -> Result<Answer, MintError> {
        if answer.status == StatusCode::OK {
            return Ok(Answer { server: self.name, body: answer.body });
        }
        Err(MintError::Refused(Box::new(Refused {
            server: self.name,
            status: answer.status,
            retry_after: retry_after(&answer.headers, now),
            said: Said::read(&answer.body),
            remedy: Remedy::default(),
        })))
    }
}

/// A good answer.
pub(super) struct Answer {
    server: &'static str,
    pub(super) body: bytes::Bytes,
}

impl Answer {
    /// As a JSON document.
    pub(super) fn json(&self) -> Result<Document, MintError> {
        let lacks = |_| MintError::Answer(self.server, "JSON");
        let document = serde_json::from_slice(&self.body).map_err(lacks)?;
        Ok(Document { server: self.server, document })
    }
}

/// A JSON document of a server's. Never shown: it holds a token.
pub(super) struct Document {
    server: &'static str,
    document: Value,
}

impl Document {
    pub(super) fn text(&self, name: &'static str) -> Result<&str, MintError> {
        let text = self.document.get(name).and_then(Value::as_str);
        text.ok_or(MintError::Answer(self.server, name))
    }

    pub(super) fn seconds(&self, name: &'static str) -> Result<Duration, MintError> {
        let seconds = self.document.get(name).and_then(Value::as_u64);
        seconds.map(Duration::from_secs).ok_or(MintError::Answer(self.server, name))
    }

    pub(super) fn lacks(&self, name: &'static str) -> MintError {
        MintError::Answer(self.server, name)
    }
}

/// `Retry-After`: seconds, or a date (RFC 9110, section 10.2.3).
fn retry_after(headers: &HeaderMap, now: UnixTime) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(value).ok()?;
    let since_1970 = date.duration_since(std::time::UNIX_EPOCH).ok()?;
    Some(UnixTime(since_1970.as_secs()).since(now))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_read_as_seconds_and_as_a_date() {
        let now = UnixTime(1_792_567_670);
        let read = |value| {
            retry_after(
                &HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_static(value))]),
                now,
            )
        };
        assert_eq!(read("7"), Some(Duration::from_secs(7)));
        assert_eq!(read("Wed, 21 Oct 2026 07:28:00 GMT"), Some(Duration::from_secs(10)));
        assert_eq!(read("Wed, 21 Oct 2020 07:28:00 GMT"), Some(Duration::ZERO));
        for bad in ["", "-1", "soon", "7.5"] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
