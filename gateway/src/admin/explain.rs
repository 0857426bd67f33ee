//! A request that somebody wants explained, held against what runs. Nothing of it
//! is kept or logged.

use std::time::Duration;

use bytes::Bytes;
use http_body::Body;
use http_body_util::{BodyExt, Limited};
use serde::Deserialize;
use serde_json::Value;
use tokio::time::timeout;

use crate::explain::{CaptureError, Captured, Explanation, Pasted, Region};
use crate::gateway::Gateway;

/// The longest request that is read: a few tokens, or a command with a body.
pub(super) const MAX_BODY: usize = 64 << 10;
/// How long it may take to arrive.
const TIME: Duration = Duration::from_secs(10);

/// What is asked: a curl command, or a token with the rest of its request.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Question {
    curl: Option<String>,
    token: Option<String>,
    url: Option<String>,
    method: Option<String>,
    /// `NAME: VALUE` each.
    #[serde(default)]
    headers: Vec<String>,
}

/// Why there is no explanation. Holds nothing of what was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoQuestion {
    #[error("more than 64 KiB")]
    TooLong,
    #[error("the request did not arrive whole")]
    Incomplete,
    #[error(
        "expected an object with \"curl\", or with \"url\" and perhaps \"token\", \"method\" and \
         \"headers\" (a list of \"NAME: VALUE\")"
    )]
    Form,
    #[error("the URL is none of a request: expected https://HOST/PATH")]
    Url,
    #[error("the method is none: expected up to 20 letters, as in POST")]
    Method,
    #[error("the command has quotes that don't end")]
    Quotes,
    #[error("the command does not begin with curl: it is {0}")]
    NotCurl(&'static str),
    #[error("an option of the command has no value")]
    NoValue,
    #[error("the command has no URL")]
    NoUrl,
    #[error("the command has several requests: keep one URL")]
    Urls,
    #[error("the command takes a file of headers (-H @FILE): put its lines there, each behind -H")]
    HeaderFile,
    #[error("there is no token, but {0}")]
    NoToken(&'static str),
    #[error("there are {0} tokens: keep one")]
    Tokens(usize),
}

impl From<CaptureError> for NoQuestion {
    /// The errors of captured requests show what is wrong, which may be a token
    /// in the wrong place.
    fn from(error: CaptureError) -> Self {
        match error {
            CaptureError::Url(_) => Self::Url,
            CaptureError::Method => Self::Method,
            CaptureError::Quotes => Self::Quotes,
            CaptureError::NotCurl(what) => Self::NotCurl(what),
            CaptureError::Value(_) => Self::NoValue,
            CaptureError::NoUrl => Self::NoUrl,
            CaptureError::Urls => Self::Urls,
            CaptureError::HeaderFile => Self::HeaderFile,
            CaptureError::NoToken(what) => Self::NoToken(what),
            CaptureError::Tokens(count) => Self::Tokens(count),
            CaptureError::Json { .. } | CaptureError::Har | CaptureError::Entries { .. } => {
                Self::Form
            }
        }
    }
}

impl Question {
    /// Reads it.
    pub(super) async fn read<B>(body: B) -> Result<Self, NoQuestion>
    where
        B: Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>>,
    {
        let whole = timeout(TIME, Limited::new(body, MAX_BODY).collect()).await;
        let body = whole.map_err(|_| NoQuestion::Incomplete)?.map_err(|error| {
            let is_long = error.is::<http_body_util::LengthLimitError>();
            if is_long { NoQuestion::TooLong } else { NoQuestion::Incomplete }
        })?;
        // The error of the parser would show a part of it.
        serde_json::from_slice(&body.to_bytes()).map_err(|_| NoQuestion::Form)
    }

    fn captured(&self) -> Result<Captured, NoQuestion> {
        if let Some(command) = &self.curl {
            let is_all = self.token.is_none() && self.url.is_none() && self.headers.is_empty();
            let captured = Captured::from_curl(command.trim());
            return if is_all { Ok(captured?) } else { Err(NoQuestion::Form) };
        }
        let url = self.url.as_deref().ok_or(NoQuestion::Form)?;
        let method = self.method.as_deref().unwrap_or("POST");
        let mut captured = Captured::new(method, url.trim())?;
        if let Some(token) = &self.token {
            captured = captured.with_token(&Pasted::read(token)?);
        }
        self.headers.iter().for_each(|line| captured.add_header(line));
        Ok(captured)
    }

    /// Every check, by the policy and the keys that hold now.
    pub(super) fn answer(&self, gateway: &Gateway) -> Result<Value, NoQuestion> {
        let captured = self.captured()?;
        let proxy = &gateway.proxy;
        let now = proxy.clock.now();
        let regions = gateway.services.iter().flat_map(|service| {
            service.regions.iter().map(|region| Region {
                service: service.name.to_string(),
                name: region.name.to_string(),
                audience: region.token.audience().to_owned(),
            })
        });
        let explanation = Explanation::by(
            |target, headers| proxy.keyring.walk(&proxy.policy, target, headers, now),
            captured,
            &proxy.policy,
            regions.collect(),
            now,
        );
        Ok(explanation.to_json())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_no_question_is_told_without_what_it_was() {
        let read = async |text: &str| {
            let body = http_body_util::Full::new(Bytes::from(text.to_owned()));
            let question = Question::read(body).await;
            question.and_then(|it| it.captured()).map(drop)
        };
        for (text, expected) in [
            ("eyJ.eyJ.x", NoQuestion::Form),
            ("{}", NoQuestion::Form),
            (r#"{"url": "https://a.example", "eyJ": 1}"#, NoQuestion::Form),
            (r#"{"curl": "curl https://a.example", "token": "x"}"#, NoQuestion::Form),
            (r#"{"url": "eyJ.eyJ.x"}"#, NoQuestion::Url),
            (r#"{"curl": "curl https://a.example -H"}"#, NoQuestion::NoValue),
            (
                r#"{"curl": "eyJ.eyJ.x"}"#,
                NoQuestion::NotCurl("a token: say token in place of curl, with --url"),
            ),
            (
                r#"{"url": "https://a.example", "token": "eyJ.eyJ.x eyJ.eyJ.y"}"#,
                NoQuestion::Tokens(2),
            ),
            (&format!("{{\"url\": \"{}\"}}", "x".repeat(MAX_BODY)), NoQuestion::TooLong),
        ] {
            let error = read(text).await.unwrap_err();
            assert_eq!(error, expected, "{text}");
            assert!(!error.to_string().contains("eyJ"));
        }
        assert_eq!(read(r#"{"curl": " curl https://a.example -d x"}"#).await, Ok(()));
        assert_eq!(read(r#"{"url": "https://a.example", "headers": ["a: b"]}"#).await, Ok(()));
    }
}
