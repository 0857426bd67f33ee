//! Building answers.

use std::error::Error;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderValue, Response, StatusCode};
use http_body::Body as _;
use http_body_util::{BodyExt, Empty, Full, combinators::UnsyncBoxBody};
use serde_json::Value;

/// Why a body that is passed through broke off.
pub(crate) type BoxError = Box<dyn Error + Send + Sync>;
/// What every listener answers with: a text of ours, or a body passed through.
pub(crate) type Body = UnsyncBoxBody<Bytes, BoxError>;
/// A whole answer.
pub(crate) type Answer = Response<Body>;

/// Marks an answer that is never sent: the connection is reset for it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reset;

/// No answer: the connection is reset.
pub(crate) fn reset() -> Answer {
    let mut answer = text(StatusCode::BAD_GATEWAY, "");
    answer.extensions_mut().insert(Reset);
    answer
}

/// A body that is passed through.
pub(crate) fn passed<B>(body: B) -> Body
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    body.map_err(Into::into).boxed_unsync()
}

/// An answer of that content type.
pub(crate) fn answer(
    status: StatusCode,
    content_type: &'static str,
    body: impl Into<Bytes>,
) -> Answer {
    let body = Full::new(body.into()).map_err(|never| match never {});
    let mut answer = Response::new(body.boxed_unsync());
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    answer
}

/// The same without its body, as an answer to `HEAD` is. hyper sees to that
/// itself in HTTP/1.1 only.
pub(crate) fn without_body(mut answer: Answer) -> Answer {
    if let Some(length) = answer.body().size_hint().exact() {
        answer.headers_mut().entry(CONTENT_LENGTH).or_insert(length.into());
    }
    answer.map(|_| Empty::new().map_err(|never| match never {}).boxed_unsync())
}

/// A line of plain text.
pub(crate) fn text(status: StatusCode, body: impl Into<Bytes>) -> Answer {
    answer(status, "text/plain; charset=utf-8", body)
}

/// A JSON document.
pub(crate) fn json(status: StatusCode, body: &Value) -> Answer {
    answer(status, "application/json; charset=UTF-8", format!("{body:#}\n"))
}
