//! What a request says of itself: the host that it names, and its id.

use http::header::HOST;
use http::uri::Authority;
use http::{HeaderMap, Uri};

use crate::redact::shown;

/// The host that a request names, with its port if that is given: in the target,
/// as in HTTP/2, or in `Host`.
pub(crate) fn host<'r>(uri: &'r Uri, headers: &'r HeaderMap) -> Option<&'r str> {
    let header = || headers.get(HOST)?.to_str().ok();
    uri.authority().map(Authority::as_str).or_else(header)
}

/// A host as it is named, without the port.
pub(crate) fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

/// The request's id as the timeline shows it.
pub(crate) fn request_id(headers: &HeaderMap) -> Option<String> {
    headers.get("x-request-id").and_then(|id| id.to_str().ok()).map(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_no_part_of_the_host() {
        for (named, host) in [("a:80", "a"), ("a", "a"), ("[::1]:80", "[::1]"), ("a:b", "a:b")] {
            assert_eq!(without_port(named), host);
        }
    }

    #[test]
    fn the_target_s_host_comes_before_the_header_s() {
        let headers = HeaderMap::from_iter([(HOST, "b".parse().unwrap())]);
        for (uri, named) in [("http://a:1/", "a:1"), ("/", "b")] {
            assert_eq!(host(&uri.parse().unwrap(), &headers), Some(named));
        }
        assert_eq!(host(&"/".parse().unwrap(), &HeaderMap::new()), None);
    }
}
