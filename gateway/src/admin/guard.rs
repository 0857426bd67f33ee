//! Keeps pages of other sites away.
//!
//! A browser that reaches the admin listener can be made to send requests there by
//! whatever page it shows: with a foreign `Origin`, or, where the page's own host
//! name leads here ("DNS rebinding"), with a foreign `Host`.

use std::net::IpAddr;

use http::header::{CONTENT_TYPE, HOST, ORIGIN};
use http::uri::Authority;
use http::{HeaderMap, HeaderName, Request};

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
const SEC_FETCH_DEST: HeaderName = HeaderName::from_static("sec-fetch-dest");

/// Whether the request names this listener, and not a site of somebody else's
/// whose name leads here: a browser would show that site what it reads. Who
/// names no host is no browser.
pub(super) fn is_own_host<B>(bound: IpAddr, request: &Request<B>) -> bool {
    if request.uri().authority().is_none() && !request.headers().contains_key(HOST) {
        return true;
    }
    let Some(named) = named(request) else { return false };
    let host = named.host().trim_start_matches('[').trim_end_matches(']');
    match host.parse::<IpAddr>() {
        // Beyond this machine the addresses of the listener are not all known.
        Ok(ip) => ip.is_loopback() || ip == bound || !bound.is_loopback(),
        Err(_) => host.eq_ignore_ascii_case("localhost"),
    }
}

/// Whether no page of another site's sent it, as far as a browser tells. Links
/// from elsewhere are followed without an `Origin`.
pub(super) fn is_own_origin<B>(request: &Request<B>) -> bool {
    let mut origins = request.headers().get_all(ORIGIN).iter();
    let Some(origin) = origins.next() else { return true };
    let origin = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
    let (Some((scheme, authority)), Some(named), None) = (origin, named(request), origins.next())
    else {
        return false;
    };
    // TLS may end before this listener.
    matches!(scheme, "http" | "https") && authority.eq_ignore_ascii_case(named.as_str())
}

/// Whether a browser asks for the page that is shown there, for a program that it
/// is not, or for somebody who follows a link: images, scripts and frames of other
/// sites come without an `Origin`, but with Fetch Metadata
/// (<https://www.w3.org/TR/fetch-metadata/>), which no page can set.
pub(super) fn is_own_fetch(headers: &HeaderMap) -> bool {
    let text = |name: &HeaderName| headers.get(name).and_then(|it| it.to_str().ok());
    match text(&SEC_FETCH_SITE) {
        None => !headers.contains_key(SEC_FETCH_SITE),
        Some("same-origin" | "none") => true,
        Some(_) => {
            text(&SEC_FETCH_MODE) == Some("navigate") && text(&SEC_FETCH_DEST) == Some("document")
        }
    }
}

/// Whether a request with a body is the page's own, or a program's. A form of
/// another site's can't have this type, and its script would have to ask first.
pub(super) fn may_post(headers: &HeaderMap) -> bool {
    let text = |name: &HeaderName| headers.get(name).map(|it| it.to_str().unwrap_or_default());
    let kind = text(&CONTENT_TYPE).and_then(|kind| kind.split(';').next());
    kind.is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
        && text(&SEC_FETCH_SITE).is_none_or(|site| site == "same-origin")
}

/// The host that is called. HTTP/2 and proxies name it in the target.
fn named<B>(request: &Request<B>) -> Option<Authority> {
    let header = || request.headers().get(HOST)?.to_str().ok()?.parse().ok();
    request.uri().authority().cloned().or_else(header)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_let_in(bound: &str, host: &str) -> bool {
        let request = Request::get("/").header(HOST, host).body(()).unwrap();
        is_own_host(bound.parse().unwrap(), &request)
    }

    #[test]
    fn a_foreign_name_that_leads_here_is_refused() {
        for bound in ["127.0.0.1", "0.0.0.0", "10.0.0.7"] {
            for host in ["localhost:8081", "LocalHost", "127.0.0.1:8081", "[::1]:8081"] {
                assert!(is_let_in(bound, host), "{bound} {host}");
            }
            for host in ["evil.example", "localhost.evil.example", "", "a b", "127.0.0.1.x:80"] {
                assert!(!is_let_in(bound, host), "{bound} {host}");
            }
        }
        let absolute = Request::get("http://evil.example/metrics").header(HOST, "localhost");
        assert!(!is_own_host([127, 0, 0, 1].into(), &absolute.body(()).unwrap()));
    }

    #[test]
    fn addresses_of_the_machine_are_let_in_where_the_listener_is_open_to_them() {
        assert!(is_let_in("0.0.0.0", "10.0.0.7:8081"));
        assert!(is_let_in("10.0.0.7", "10.0.0.7"));
        assert!(!is_let_in("127.0.0.1", "10.0.0.7"));
        assert!(is_own_host([127, 0, 0, 1].into(), &Request::get("/").body(()).unwrap()));
    }

    #[test]
    fn pages_of_others_are_told_by_their_origin_also_on_the_same_machine() {
        let is_own = |origins: &[&str]| {
            let request = Request::get("/").header(HOST, "127.0.0.1:8081");
            let request = origins.iter().fold(request, |it, origin| it.header(ORIGIN, *origin));
            is_own_origin(&request.body(()).unwrap())
        };
        for own in [&[][..], &["http://127.0.0.1:8081"], &["https://127.0.0.1:8081"]] {
            assert!(is_own(own), "{own:?}");
        }
        for foreign in [
            "null",
            "",
            "https://evil.example",
            "http://127.0.0.1",
            "http://127.0.0.1:8080",
            "http://localhost:8081",
            "ftp://127.0.0.1:8081",
        ] {
            assert!(!is_own(&[foreign]), "{foreign}");
        }
        assert!(!is_own(&["http://127.0.0.1:8081", "https://evil.example"]));
        let without_host = Request::get("/").header(ORIGIN, "http://127.0.0.1:8081");
        assert!(!is_own_origin(&without_host.body(()).unwrap()));
    }

    #[test]
    fn parts_of_other_sites_pages_are_refused_and_links_are_followed() {
        let is_own = |site: &str, mode: &str, dest: &str| {
            let pairs = [(SEC_FETCH_SITE, site), (SEC_FETCH_MODE, mode), (SEC_FETCH_DEST, dest)];
            let pairs = pairs.map(|(name, value)| (name, value.parse().unwrap()));
            is_own_fetch(&HeaderMap::from_iter(pairs))
        };
        assert!(is_own_fetch(&HeaderMap::new()), "programs say nothing of it");
        assert!(is_own("same-origin", "cors", "empty") && is_own("none", "navigate", "document"));
        for site in ["cross-site", "same-site", "", "x"] {
            assert!(is_own(site, "navigate", "document"), "a link at {site:?}");
            for (mode, dest) in [
                ("no-cors", "image"),
                ("no-cors", "script"),
                ("cors", "empty"),
                ("navigate", "iframe"),
            ] {
                assert!(!is_own(site, mode, dest), "{site:?} {mode} {dest}");
            }
        }
    }

    #[test]
    fn what_a_form_can_send_may_not_be_posted() {
        let may = |headers: &[(HeaderName, &'static str)]| {
            let pairs = headers
                .iter()
                .map(|(name, value)| (name.clone(), http::HeaderValue::from_static(value)));
            may_post(&pairs.collect())
        };
        let json = (CONTENT_TYPE, "application/json");
        assert!(may(std::slice::from_ref(&json)));
        assert!(may(&[(CONTENT_TYPE, "application/json; charset=utf-8")]));
        assert!(may(&[json.clone(), (SEC_FETCH_SITE, "same-origin")]));
        for site in ["cross-site", "same-site", "none", ""] {
            assert!(!may(&[json.clone(), (SEC_FETCH_SITE, site)]), "{site}");
        }
        for kind in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""] {
            assert!(!may(&[(CONTENT_TYPE, kind)]), "{kind}");
        }
        assert!(!may(&[]));
    }
}
