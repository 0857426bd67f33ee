//! Requests as each version of HTTP wants them. Until here they belong to
//! none: the host is in `Host`, the target is the path alone.

use http::header::{CONNECTION, CONTENT_LENGTH, HOST, TE, TRANSFER_ENCODING};
use http::request::Parts;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderMap, HeaderValue, Method, Uri, Version};

use super::upgrade;

/// For HTTP/1.1, with a body or without.
pub(super) fn to_http1(head: &mut Parts, is_empty: bool) {
    head.version = Version::HTTP_11;
    set_framing(&mut head.headers, &head.method, is_empty);
    // `TE` is for the next hop alone (RFC 9110, section 10.1.4).
    if head.headers.contains_key(TE) {
        head.headers.insert(CONNECTION, HeaderValue::from_static("te"));
    }
}

/// For HTTP/1.1, to become a WebSocket.
pub(super) fn to_websocket(head: &mut Parts) {
    head.version = Version::HTTP_11;
    head.headers.remove(TE);
    upgrade::ask(&mut head.headers);
}

/// For HTTP/2, whose requests name scheme and host in the target and have no
/// headers about the connection (RFC 9113, sections 8.2.2 and 8.3.1).
pub(super) fn to_http2(head: &mut Parts, scheme: Scheme) {
    head.version = Version::HTTP_2;
    // A request that an HTTP/1.1 connection handed back has them.
    for name in [CONNECTION, TRANSFER_ENCODING] {
        head.headers.remove(name);
    }
    let host = head.headers.remove(HOST);
    let authority = host.and_then(|host| Authority::try_from(host.as_bytes()).ok());
    let path = head.uri.path_and_query().cloned();
    let mut parts = http::uri::Parts::default();
    parts.scheme = Some(scheme);
    parts.authority = authority;
    parts.path_and_query = Some(path.unwrap_or_else(|| PathAndQuery::from_static("/")));
    // Without a host there is no such target, and the client says so.
    head.uri = Uri::from_parts(parts).unwrap_or_default();
}

/// Says how the body is delimited where the body alone does not tell the
/// HTTP/1.1 client: it takes a `GET` without a length for one without a body,
/// and Google's front end asks for a length where there could be a body.
fn set_framing(headers: &mut HeaderMap, method: &Method, is_empty: bool) {
    if headers.contains_key(CONTENT_LENGTH) {
        return;
    }
    if !is_empty {
        headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    } else if matches!(*method, Method::POST | Method::PUT | Method::PATCH) {
        headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    fn head(method: &Method, headers: &[(&str, &str)]) -> Parts {
        let mut request = Request::builder().method(method.clone()).uri("/a?b");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn http_1_says_how_the_body_is_delimited() {
        for (method, is_empty, given, chunked, length) in [
            (Method::GET, true, None, None, None),
            (Method::GET, false, None, Some("chunked"), None),
            (Method::POST, true, None, None, Some("0")),
            (Method::POST, false, None, Some("chunked"), None),
            (Method::POST, false, Some("7"), None, Some("7")),
        ] {
            let given: Vec<_> = given.map(|it| ("content-length", it)).into_iter().collect();
            let mut head = head(&method, &given);
            to_http1(&mut head, is_empty);
            let value = |name| head.headers.get(name).map(|it| it.to_str().unwrap());
            assert_eq!((value(TRANSFER_ENCODING), value(CONTENT_LENGTH)), (chunked, length));
            assert_eq!(value(CONNECTION), None);
        }
    }

    #[test]
    fn only_http_1_names_te_as_meant_for_one_hop() {
        let mut head = head(&Method::POST, &[("te", "trailers"), ("host", "r.example")]);
        to_http1(&mut head, false);
        assert_eq!(head.headers[CONNECTION], "te");
        to_http2(&mut head, Scheme::HTTPS);
        assert_eq!(head.headers.get(CONNECTION), None);
        assert_eq!(head.headers.get(TRANSFER_ENCODING), None);
        assert_eq!(head.headers[TE], "trailers");
    }

    #[test]
    fn http_2_has_the_host_in_the_target() {
        let mut head = head(&Method::GET, &[("host", "r.example:8443")]);
        to_http2(&mut head, Scheme::HTTP);
        assert_eq!(head.uri, "http://r.example:8443/a?b");
        assert_eq!(head.headers.get(HOST), None);
        assert_eq!(head.version, Version::HTTP_2);
    }
}
