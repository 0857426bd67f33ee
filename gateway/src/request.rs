//! Requests as they arrive and as they go on, and answers as they go back.

use std::sync::atomic::{AtomicU64, Ordering};

use http::header::HOST;
use http::uri::{Authority, PathAndQuery};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri, Version};
use remint_idtoken::{Target, TargetError, holds_secret};

use crate::headers::{self, Arrival, Passage, REQUEST_ID, TokenPlaces};
use crate::random;
use crate::server::Incoming;
use crate::upstream::{RegionBody, RequestBody, confirm};

/// The longest request id that is taken over from outside.
const MAX_REQUEST_ID: usize = 128;

/// What the request is for. What is to be a tunnel to some other place, or of
/// some other protocol, is for nothing here.
pub(crate) fn target(request: &Request<Incoming>) -> Result<Target<'_>, TargetError> {
    if request.method() == Method::CONNECT {
        return Err(TargetError::Path);
    }
    let authority = authority(request.uri(), request.headers())?;
    let path = request.uri().path_and_query().map_or("", PathAndQuery::as_str);
    Target::parse(authority, path, request.method().as_str())
}

/// The host that the request names. Two that differ are none: what lies
/// behind could go by the other.
fn authority<'r>(uri: &'r Uri, headers: &'r HeaderMap) -> Result<&'r str, TargetError> {
    let mut hosts = headers.get_all(HOST).iter();
    let header = match hosts.next().map(HeaderValue::to_str) {
        None => None,
        Some(Ok(host)) => Some(host),
        Some(Err(_)) => return Err(TargetError::Host),
    };
    if hosts.next().is_some() {
        return Err(TargetError::Host);
    }
    match (uri.authority().map(Authority::as_str), header) {
        (Some(one), Some(other)) if !one.eq_ignore_ascii_case(other) => Err(TargetError::Host),
        (Some(host), _) | (None, Some(host)) => Ok(host),
        (None, None) => Err(TargetError::Host),
    }
}

/// The request as any region gets it.
pub(crate) fn prepared(
    request: Request<Incoming>,
    peer: &HeaderValue,
    id: &HeaderValue,
    passage: &Passage<'_>,
    places: &TokenPlaces,
) -> Request<RequestBody> {
    let is_http_2 = request.version() == Version::HTTP_2;
    let mut request = request.map(|body| RequestBody::new(body, is_http_2, places.clone()));
    let host = match request.uri().authority() {
        Some(authority) => HeaderValue::from_str(authority.as_str()).ok(),
        None => request.headers().get(HOST).cloned(),
    };
    let arrival = Arrival { peer, host, id: id.clone(), version: request.version() };
    headers::prepare(request.headers_mut(), passage, arrival);
    // HTTP/2 and proxies name the host in the target; which host a region is
    // told, and where, is not decided here.
    if request.uri().authority().is_some() {
        let path = request.uri().path_and_query().cloned();
        *request.uri_mut() = path.map_or_else(Uri::default, Uri::from);
    }
    request
}

/// A request id in a log line.
pub(crate) fn shown(id: &HeaderValue) -> &str {
    id.to_str().unwrap_or_default()
}

/// The region's answer as the caller gets it.
pub(crate) fn answered(mut response: Response<RegionBody>) -> Response<RegionBody> {
    headers::remove_hop_by_hop(response.headers_mut());
    headers::remove_own(response.headers_mut());
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        confirm(response.headers_mut());
    }
    let version = response.version();
    headers::append_via(response.headers_mut(), version);
    *response.version_mut() = Version::HTTP_11;
    response
}

/// Gives names to requests that have none.
pub(crate) struct RequestIds {
    instance: u64,
    count: AtomicU64,
}

impl RequestIds {
    pub(crate) fn new() -> Self {
        Self { instance: random::bits(), count: 0.into() }
    }

    /// The request's own name if it has a sane one, else a new one.
    pub(crate) fn of(&self, headers: &HeaderMap) -> HeaderValue {
        // It stands in every log: what somebody takes a token for is no name.
        let is_sane = |id: &&HeaderValue| {
            (1..=MAX_REQUEST_ID).contains(&id.len())
                && id.as_bytes().iter().all(u8::is_ascii_graphic)
                && !holds_secret(shown(id))
        };
        if let Some(id) = headers.get(REQUEST_ID).filter(is_sane) {
            return id.clone();
        }
        let count = self.count.fetch_add(1, Ordering::Relaxed);
        let id = format!("{:016x}{count:016x}", self.instance);
        HeaderValue::try_from(id).unwrap_or_else(|_| HeaderValue::from_static("unnamed"))
    }
}

#[cfg(test)]
mod tests;
