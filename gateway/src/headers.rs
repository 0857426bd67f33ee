//! What happens to headers on their way, as pure functions.

mod passage;
mod untold;

use http::header::{
    AUTHORIZATION, CONNECTION, COOKIE, HOST, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE,
    TRANSFER_ENCODING, UPGRADE, VIA,
};
use http::{HeaderMap, HeaderName, HeaderValue, Version};
use remint_idtoken::is_own_header;

pub(crate) use passage::{Passage, TokenPlaces, may_pass_token};

/// The header that Cloud Run checks alone if it is there.
const SERVERLESS_AUTHORIZATION: HeaderName = HeaderName::from_static("x-serverless-authorization");
/// Follows a request through the logs of all hops.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Says who the verified caller is, signed by this gateway.
const ASSERTION: HeaderName = HeaderName::from_static("x-remint-assertion");
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

/// The header in which a region finds the gateway's token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TokenHeader {
    /// `X-Serverless-Authorization`, which leaves `Authorization` to the
    /// application.
    #[default]
    XServerlessAuthorization,
    /// `Authorization`.
    Authorization,
    /// `Proxy-Authorization`, which IAP reads too.
    ProxyAuthorization,
}

impl TokenHeader {
    /// Its name.
    pub(crate) fn name(self) -> HeaderName {
        match self {
            Self::XServerlessAuthorization => SERVERLESS_AUTHORIZATION,
            Self::Authorization => AUTHORIZATION,
            Self::ProxyAuthorization => PROXY_AUTHORIZATION,
        }
    }

    /// Those of several regions, each once.
    pub(crate) fn of_all(regions: impl Iterator<Item = Self>) -> Vec<Self> {
        let mut all = Vec::new();
        regions.for_each(|one| {
            if !all.contains(&one) {
                all.push(one);
            }
        });
        all
    }
}

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
pub(crate) fn prepare(headers: &mut HeaderMap, passage: &Passage<'_>, arrival: Arrival<'_>) {
    let wants_trailers = has_token(headers, &TE, "trailers");
    passage.clean(headers);
    join_cookies(headers);
    if wants_trailers {
        headers.insert(TE, HeaderValue::from_static("trailers"));
    }
    append_via(headers, arrival.version);
    headers.insert(REQUEST_ID, arrival.id);
    if let Some(host) = &arrival.host {
        headers.insert(HOST, host.clone());
    }
    set_forwarded(headers, arrival.peer, arrival.host);
}

/// Says that a message came through this gateway, which received it in that
/// version (RFC 9110, section 7.6.3).
pub(crate) fn append_via(headers: &mut HeaderMap, version: Version) {
    let via = match version {
        Version::HTTP_2 => "2 remint",
        Version::HTTP_10 => "1.0 remint",
        _ => "1.1 remint",
    };
    headers.append(VIA, HeaderValue::from_static(via));
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

/// How a request is addressed to one region.
pub(crate) struct Address<'a> {
    /// The region's host, unless the request keeps the one it came for.
    pub(crate) host: Option<&'a HeaderValue>,
    pub(crate) token_header: TokenHeader,
    pub(crate) token: HeaderValue,
    /// Who the caller is, if the region is told.
    pub(crate) assertion: Option<HeaderValue>,
}

/// Addresses a request to one region, whose token must be in it alone: it may
/// have been addressed to another region of the service before, whose tokens
/// are in one of `token_headers`.
pub(crate) fn address(headers: &mut HeaderMap, token_headers: &[TokenHeader], to: Address<'_>) {
    token_headers.iter().for_each(|own| drop(headers.remove(own.name())));
    headers.insert(to.token_header.name(), to.token);
    match to.assertion {
        Some(assertion) => drop(headers.insert(ASSERTION, assertion)),
        None => drop(headers.remove(ASSERTION)),
    }
    if let Some(host) = to.host {
        headers.insert(HOST, host.clone());
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

/// Removes from a region's answer what only this gateway says.
pub(crate) fn remove_own(headers: &mut HeaderMap) {
    remove_named(headers, is_own_header);
}

/// The same for the trailers of an answer.
pub(crate) fn clean_answer_trailers(trailers: &mut HeaderMap) {
    remove_hop_by_hop(trailers);
    remove_own(trailers);
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
