//! The container behind a front end: it tells what reached it.

use std::time::Duration;

use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use http_body_util::BodyExt;
use serde_json::{Map, Value, json};

use super::backend::{Behind, Way, pass_on};
use super::iam::SIGNATURE_REMOVED;
use super::limits::{Bounded, MAX_HTTP_1};
use super::{events, headers, page};
use crate::answers::{Answer, BoxError, json, passed, text};
use crate::forward::Protocol;
use crate::named;
use crate::redact::{claims_of, without_tokens};
use crate::websocket;

/// Requests with this header get their own body back.
const ECHO_STREAM: &str = "x-echo-stream";

/// Headers whose values are shown as claims or not at all.
const CREDENTIALS: [&str; 6] = [
    "authorization",
    "x-serverless-authorization",
    "proxy-authorization",
    "x-goog-iap-jwt-assertion",
    "x-remint-assertion",
    "cookie",
];

/// The built-in service, or the way to the user's own.
pub(crate) struct Container {
    pub(crate) service: String,
    pub(crate) region: String,
    pub(crate) behind: Behind,
}

/// What the front end knows of an accepted call.
#[derive(Default)]
pub(super) struct Arrival {
    /// The audience that counted, and whose the token is, if one was checked.
    pub(super) audience: Option<String>,
    pub(super) caller: Option<String>,
    /// The traffic tag that was called.
    pub(super) tag: Option<String>,
}

impl Container {
    /// The largest request that it takes. The built-in container is one that
    /// speaks HTTP/2, which has no limit.
    pub(super) fn max_body(&self) -> Option<u64> {
        self.behind.protocol().filter(|it| *it == Protocol::Http1).map(|_| MAX_HTTP_1)
    }

    pub(super) async fn answer(
        &self,
        way: Way,
        mut parts: Parts,
        body: Bounded,
        arrival: Arrival,
    ) -> Answer {
        let added = headers::added(&parts.headers);
        match way {
            Way::Within => self.own_answer(parts, body, arrival, &added).await,
            Way::Server(stream, protocol) => {
                headers::add(&mut parts.headers, added);
                pass_on(stream, protocol, parts, body).await
            }
        }
    }

    async fn own_answer(
        &self,
        mut parts: Parts,
        body: Bounded,
        arrival: Arrival,
        added: &HeaderMap,
    ) -> Answer {
        if let Some(wait) = number_after(parts.uri.path(), "delay") {
            tokio::time::sleep(Duration::from_millis(wait)).await;
        }
        if let Some(answer) = websocket::accept(&mut parts) {
            return answer;
        }
        if let Some(count) = number_after(parts.uri.path(), "events") {
            return events::events(count, &parts, body);
        }
        if parts.headers.contains_key(ECHO_STREAM) {
            return stream_back(&parts.headers, body);
        }
        let overrun = body.overrun();
        let body_bytes = match count(body).await {
            Ok(body_bytes) => body_bytes,
            Err(_) if overrun.has_happened() => return page::too_large(),
            Err(_) => return text(StatusCode::BAD_REQUEST, "the body broke off\n"),
        };
        let mut seen = self.seen(&parts, arrival);
        seen.insert("added".to_owned(), shown_headers(added));
        seen.insert("body_bytes".to_owned(), body_bytes.into());
        json(asked_status(parts.uri.path()), &seen.into())
    }

    /// `headers` are as the front end got them, but for the token that it has
    /// checked; what it adds or puts in their place comes beside them.
    fn seen(&self, parts: &Parts, arrival: Arrival) -> Map<String, Value> {
        let host = named::host(&parts.uri, &parts.headers);
        let entries = [
            ("service", self.service.clone().into()),
            ("region", self.region.clone().into()),
            ("method", parts.method.as_str().into()),
            ("version", format!("{:?}", parts.version).into()),
            ("path", without_tokens(parts.uri.path()).into()),
            ("query", parts.uri.query().map(without_tokens).into()),
            ("host", host.map(without_tokens).into()),
            ("headers", shown_headers(&parts.headers)),
            ("audience", arrival.audience.into()),
            ("caller", arrival.caller.into()),
            ("tag", arrival.tag.into()),
        ];
        entries.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }
}

fn stream_back(headers: &HeaderMap, body: Bounded) -> Answer {
    let mut answer = Response::new(passed(body));
    if let Some(content_type) = headers.get(CONTENT_TYPE) {
        answer.headers_mut().insert(CONTENT_TYPE, content_type.clone());
    }
    answer
}

/// Reads a body to its end, keeping none of it.
async fn count(mut body: Bounded) -> Result<u64, BoxError> {
    let mut bytes = 0_u64;
    while let Some(frame) = body.frame().await {
        let length = frame?.data_ref().map_or(0, bytes::Bytes::len);
        bytes = bytes.saturating_add(u64::try_from(length).unwrap_or(u64::MAX));
    }
    Ok(bytes)
}

/// `/status/503`, below any path, asks for 503; everything else gets 200.
fn asked_status(path: &str) -> StatusCode {
    number_after(path, "status")
        .and_then(|number| u16::try_from(number).ok())
        .filter(|status| *status >= 200)
        .and_then(|status| StatusCode::from_u16(status).ok())
        .unwrap_or(StatusCode::OK)
}

/// The segment after the one of that name, wherever in the path it stands.
fn number_after(path: &str, name: &str) -> Option<u64> {
    let mut segments = path.split('/');
    segments.find(|segment| *segment == name)?;
    segments.next()?.parse().ok()
}

/// One value as a text, several as a list.
fn shown_headers(headers: &HeaderMap) -> Value {
    let shown = |name: &http::HeaderName| {
        let values = headers.get_all(name).iter();
        let mut values: Vec<Value> =
            values.map(|value| shown_value(name.as_str(), value)).collect();
        match values.len() {
            1 => values.pop().unwrap_or_default(),
            _ => values.into(),
        }
    };
    let entries = headers.keys().map(|name| (name.to_string(), shown(name)));
    Value::Object(entries.collect())
}

fn shown_value(name: &str, value: &HeaderValue) -> Value {
    let value = String::from_utf8_lossy(value.as_bytes());
    if !CREDENTIALS.contains(&name) {
        return without_tokens(&value).into();
    }
    let token = value.rsplit(' ').next().unwrap_or_default();
    match claims_of(token) {
        Some(claims) => {
            let removed = token.ends_with(&format!(".{SIGNATURE_REMOVED}"));
            json!({ "claims": claims, "signature": if removed { SIGNATURE_REMOVED } else { "(kept)" } })
        }
        None => "(redacted)".into(),
    }
}
