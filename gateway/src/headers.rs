//! What happens to headers on their way, as pure functions.

use http::header::{
    AUTHORIZATION, CONNECTION, CONTENT_LENGTH, EXPECT, HOST, PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION, TE, TRANSFER_ENCODING, UPGRADE, VIA,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Version};

/// The header that Cloud Run checks alone if it is there.
pub(crate) const SERVERLESS_AUTHORIZATION: HeaderName =
    HeaderName::from_static("x-serverless-authorization");
/// Follows a request through the logs of all hops.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");

/// Headers that are for the next hop alone (RFC 9110, section 7.6.1).
const HOP_BY_HOP: [HeaderName; 8] = [
    CONNECTION,
    KEEP_ALIVE,
    PROXY_CONNECTION,
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    TE,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// Names and beginnings of names of headers that say who somebody is. Only
/// Google's proxies and this gateway may set them; a Pub/Sub publisher can,
/// through the attributes of an unwrapped message.
const IDENTITY: [&str; 4] =
    ["x-serverless-authorization", "x-goog-authenticated-user-", "x-goog-iap-", "x-remint-"];

/// What a request's headers are completed with.
pub(crate) struct Arrival<'a> {
    /// The address of the hop before this one.
    pub(crate) peer: &'a HeaderValue,
    /// The host that the request was for.
    pub(crate) host: Option<HeaderValue>,
    pub(crate) id: HeaderValue,
    pub(crate) version: Version,
}

/// Makes the headers of a request ready for any region. What differs from
/// region to region is left to [`address`].
pub(crate) fn prepare(headers: &mut HeaderMap, arrival: Arrival<'_>) {
    let wants_trailers = has_token(headers, &TE, "trailers");
    remove_hop_by_hop(headers);
    remove_identity(headers);
    // The caller's token was read from there, and its signature must not be
    // passed on; `Expect` was met by this gateway's own server.
    headers.remove(AUTHORIZATION);
    headers.remove(EXPECT);
    if wants_trailers {
        headers.insert(TE, HeaderValue::from_static("trailers"));
        headers.insert(CONNECTION, HeaderValue::from_static("te"));
    }
    let via = match arrival.version {
        Version::HTTP_2 => "2 remint",
        Version::HTTP_10 => "1.0 remint",
        _ => "1.1 remint",
    };
    headers.append(VIA, HeaderValue::from_static(via));
    headers.insert(REQUEST_ID, arrival.id);
    set_forwarded(headers, arrival.peer, arrival.host);
}

fn set_forwarded(headers: &mut HeaderMap, peer: &HeaderValue, host: Option<HeaderValue>) {
    let hops = joined(headers.get_all(FORWARDED_FOR).iter(), peer);
    headers.insert(FORWARDED_FOR, hops);
    // The hop that took TLS off says so. Anything else is not to be believed.
    let known =
        headers.get(FORWARDED_PROTO).is_some_and(|proto| proto == "https" || proto == "http");
    if !known {
        headers.insert(FORWARDED_PROTO, HeaderValue::from_static("http"));
    }
    match host {
        Some(host) => drop(headers.insert(FORWARDED_HOST, host)),
        None => drop(headers.remove(FORWARDED_HOST)),
    }
}

/// All values as one, since many servers read the first line of several.
fn joined<'h>(values: impl Iterator<Item = &'h HeaderValue>, last: &HeaderValue) -> HeaderValue {
    let mut all = Vec::new();
    for value in values {
        all.extend_from_slice(value.as_bytes());
        all.extend_from_slice(b", ");
    }
    if all.is_empty() {
        return last.clone();
    }
    all.extend_from_slice(last.as_bytes());
    HeaderValue::from_bytes(&all).unwrap_or_else(|_| last.clone())
}

/// Addresses a request to one region, whose token must be in it alone.
pub(crate) fn address(headers: &mut HeaderMap, host: HeaderValue, token: HeaderValue) {
    headers.insert(HOST, host);
    headers.insert(SERVERLESS_AUTHORIZATION, token);
}

/// Says how the body is delimited where the body alone does not tell the
/// HTTP/1.1 client: it takes a `GET` without a length for one without a body,
/// and Google's front end asks for a length where there could be a body.
pub(crate) fn set_framing(headers: &mut HeaderMap, method: &Method, is_empty: bool) {
    if headers.contains_key(CONTENT_LENGTH) {
        return;
    }
    if !is_empty {
        headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    } else if matches!(*method, Method::POST | Method::PUT | Method::PATCH) {
        headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
    }
}

/// Removes what was meant for this hop, and what it names as such.
pub(crate) fn remove_hop_by_hop(headers: &mut HeaderMap) {
    if headers.contains_key(CONNECTION) {
        let named: Vec<HeaderName> = headers
            .get_all(CONNECTION)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .filter_map(|name| name.trim().parse().ok())
            .collect();
        named.iter().for_each(|name| drop(headers.remove(name)));
    }
    HOP_BY_HOP.iter().for_each(|name| drop(headers.remove(name)));
}

fn remove_identity(headers: &mut HeaderMap) {
    let is_identity = |name: &&HeaderName| is_identity(name.as_str());
    let named: Vec<HeaderName> = headers.keys().filter(is_identity).cloned().collect();
    named.iter().for_each(|name| drop(headers.remove(name)));
}

/// Frameworks that put headers into variables can't tell `_` from `-`.
fn is_identity(name: &str) -> bool {
    let starts_with = |start: &str| {
        let same = |(a, b): (u8, u8)| a == b || (a == b'_' && b == b'-');
        name.len() >= start.len() && name.bytes().zip(start.bytes()).all(same)
    };
    // Most names are told by their first letter.
    name.starts_with('x') && IDENTITY.iter().any(|start| starts_with(start))
}

fn has_token(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    let mut values = headers.get_all(name).iter();
    values.any(|value| {
        let text = value.to_str().unwrap_or_default();
        text.split(',').any(|it| it.trim().eq_ignore_ascii_case(token))
    })
}

#[cfg(test)]
mod tests;
