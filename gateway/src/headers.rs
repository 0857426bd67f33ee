//! What happens to headers on their way, as pure functions.

use http::header::{
    AUTHORIZATION, CONNECTION, COOKIE, EXPECT, FORWARDED, HOST, PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION, TE, TRANSFER_ENCODING, UPGRADE, VIA,
};
use http::{HeaderMap, HeaderName, HeaderValue, Version};
use remint_idtoken::policy::TokenPlace;
use remint_idtoken::{is_identity_header, is_own_header, is_same_header};

use crate::config::TokenHeader;

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
    remove_untold(headers);
    // It was met by this gateway's own server.
    headers.remove(EXPECT);
    join_cookies(headers);
    if wants_trailers {
        headers.insert(TE, HeaderValue::from_static("trailers"));
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

/// Removes what callers do not tell regions, from headers and from trailers:
/// some servers merge these into those (RFC 9110, section 6.5.1).
pub(crate) fn remove_untold(headers: &mut HeaderMap) {
    remove_hop_by_hop(headers);
    remove_named(headers, is_identity_header);
    // The caller's token was read from there, and its signature must not be
    // passed on.
    headers.remove(AUTHORIZATION);
    // Says what the X-Forwarded headers say (RFC 7239), and anybody outside
    // can write it. A region must not have to choose whom to believe.
    headers.remove(FORWARDED);
}

/// Removes the headers in which tokens were looked for, verified or not, also
/// as they are spelt with `_`.
pub(crate) fn remove_places<'p>(
    headers: &mut HeaderMap,
    places: &(impl Iterator<Item = &'p TokenPlace> + Clone),
) {
    remove_named(headers, |name| places.clone().any(|place| is_same_header(name, place.header())));
}

/// HTTP/2 callers may split cookies into several fields, which HTTP/1.1 does
/// not allow (RFC 9113, section 8.2.3).
fn join_cookies(headers: &mut HeaderMap) {
    let lines = || headers.get_all(COOKIE).iter();
    if lines().nth(1).is_some()
        && let Some(one) = joined(lines(), b"; ")
    {
        headers.insert(COOKIE, one);
    }
}

fn set_forwarded(headers: &mut HeaderMap, peer: &HeaderValue, host: Option<HeaderValue>) {
    // As one, since many servers read the first line of several.
    let hops = joined(headers.get_all(FORWARDED_FOR).iter().chain([peer]), b", ");
    headers.insert(FORWARDED_FOR, hops.unwrap_or_else(|| peer.clone()));
    // The hop that took TLS off says so, and it is the last one that wrote.
    // Anything else is not to be believed.
    let proto = match headers.get_all(FORWARDED_PROTO).iter().next_back() {
        Some(proto) if proto == "https" => "https",
        _ => "http",
    };
    headers.insert(FORWARDED_PROTO, HeaderValue::from_static(proto));
    match host {
        Some(host) => drop(headers.insert(FORWARDED_HOST, host)),
        None => drop(headers.remove(FORWARDED_HOST)),
    }
}

/// All values as one. What is made of valid ones is valid.
fn joined<'h>(
    values: impl Iterator<Item = &'h HeaderValue>,
    separator: &[u8],
) -> Option<HeaderValue> {
    let values: Vec<&[u8]> = values.map(HeaderValue::as_bytes).collect();
    HeaderValue::from_bytes(&values.join(separator)).ok()
}

/// Addresses a request to one region, whose token must be in it alone: another
/// region's may be there from an attempt before.
pub(crate) fn address(
    headers: &mut HeaderMap,
    host: HeaderValue,
    token: HeaderValue,
    place: TokenHeader,
) {
    headers.insert(HOST, host);
    for name in [AUTHORIZATION, PROXY_AUTHORIZATION, SERVERLESS_AUTHORIZATION] {
        headers.remove(name);
    }
    let name = match place {
        TokenHeader::Serverless => SERVERLESS_AUTHORIZATION,
        TokenHeader::Authorization => AUTHORIZATION,
        TokenHeader::ProxyAuthorization => PROXY_AUTHORIZATION,
    };
    headers.insert(name, token);
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

/// Removes from a region's answer what only this gateway says.
pub(crate) fn remove_own(headers: &mut HeaderMap) {
    remove_named(headers, is_own_header);
}

fn remove_named(headers: &mut HeaderMap, is_meant: impl Fn(&str) -> bool) {
    let named: Vec<HeaderName> =
        headers.keys().filter(|name| is_meant(name.as_str())).cloned().collect();
    named.iter().for_each(|name| drop(headers.remove(name)));
}

/// Whether a header that is a list has that token, in any case.
pub(crate) fn has_token(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    let mut values = headers.get_all(name).iter();
    values.any(|value| {
        let text = value.to_str().unwrap_or_default();
        text.split(',').any(|it| it.trim().eq_ignore_ascii_case(token))
    })
}

#[cfg(test)]
mod tests;
