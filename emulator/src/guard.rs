//! Keeps other sites' pages away from the Google listener, but for public keys.
//!
//! Whoever reaches those can have tokens made. A browser on the same machine
//! reaches them too, and whatever page it shows can make it send requests
//! there: with a foreign `Origin`, or, if the page's own host name is made to
//! point at this machine (DNS rebinding), with a foreign `Host`.

use http::header::ORIGIN;
use http::uri::Authority;
use http::{HeaderMap, Request, StatusCode};

use crate::named;

/// A request that is refused: 421 for a foreign name, 403 for a foreign page.
pub(crate) struct Foreign {
    pub(crate) status: StatusCode,
    pub(crate) why: &'static str,
}

const FOREIGN_NAME: Foreign = Foreign {
    status: StatusCode::MISDIRECTED_REQUEST,
    why: "this emulator is not called so: use an address, localhost, or a name of its control_hosts\n",
};
const FOREIGN_PAGE: Foreign =
    Foreign { status: StatusCode::FORBIDDEN, why: "another site's page may not call this\n" };

/// Refuses what a browser sends for somebody else's page. Programs without a
/// browser pass: they name this machine, by `known` names too, and send no
/// `Origin`.
///
/// # Errors
/// What is answered instead.
pub(crate) fn admit<B>(request: &Request<B>, known: &[String]) -> Result<(), Foreign> {
    let headers = request.headers();
    let authority = named::host(request.uri(), headers);
    let Some(authority) = authority.and_then(|it| it.parse::<Authority>().ok()) else {
        return Err(FOREIGN_NAME);
    };
    let is_known = known.iter().any(|it| it.eq_ignore_ascii_case(authority.host()));
    if !is_known && !is_ours(authority.host()) {
        return Err(FOREIGN_NAME);
    }
    if headers.contains_key(ORIGIN) && !is_same(text(headers, ORIGIN.as_str()), &authority) {
        return Err(FOREIGN_PAGE);
    }
    // Requests without `Origin` that another site's page causes, such as for an
    // image (W3C, "Fetch Metadata Request Headers"). Following a link is fine.
    let is_foreign = |site| !matches!(site, "same-origin" | "none");
    let is_link = text(headers, "sec-fetch-mode") == Some("navigate");
    match text(headers, "sec-fetch-site") {
        Some(site) if is_foreign(site) && !is_link => Err(FOREIGN_PAGE),
        _ => Ok(()),
    }
}

fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

/// Names that nobody can make point here who does not own this machine or its
/// network: addresses, names without a dot such as those of containers,
/// `localhost` (RFC 6761), `.internal` (reserved for private use by ICANN in
/// 2024), and Google's.
fn is_ours(host: &str) -> bool {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    let is_address = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_ok();
    let below = |domain: &str| host.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'));
    let is_single = !host.is_empty() && !host.contains(['.', ':']);
    is_address
        || is_single
        || ["localhost", "internal", "google.com", "googleapis.com", "gstatic.com"]
            .into_iter()
            .any(below)
}

/// Whether a page of that origin was served by the authority that is called.
fn is_same(origin: Option<&str>, authority: &Authority) -> bool {
    let served_by = origin.and_then(|origin| origin.split_once("://"));
    served_by.is_some_and(|(scheme, served_by)| {
        matches!(scheme, "http" | "https") && served_by.eq_ignore_ascii_case(authority.as_str())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admits(headers: &[(&str, &str)]) -> bool {
        let mut request = Request::get("/emulator/timeline");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        admit(&request.body(()).unwrap(), &["emulator.test".to_owned()]).is_ok()
    }

    #[test]
    fn programs_and_the_emulator_s_own_page_pass() {
        for host in [
            "127.0.0.1:8800",
            "[::1]:8800",
            "localhost:8800",
            "LOCALHOST",
            "a.localhost",
            "emulator:8800",
            "192.168.1.5",
            "metadata.google.internal",
            "host.docker.internal:8800",
            "www.googleapis.com",
            "Emulator.test:80",
        ] {
            assert!(admits(&[("host", host)]), "{host}");
            assert!(admits(&[("host", host), ("origin", &format!("http://{host}"))]), "{host}");
            assert!(admits(&[("host", host), ("sec-fetch-site", "same-origin")]), "{host}");
        }
    }

    #[test]
    fn a_name_that_somebody_else_may_own_is_refused() {
        for host in [
            "evil.example",
            "evil.example:8800",
            "127.0.0.1.evil.example",
            "localhost.evil.example",
            "notlocalhost.com",
            "evilgoogleapis.com",
            "a@evil.example",
            "",
            "a b",
        ] {
            assert!(!admits(&[("host", host)]), "{host}");
        }
        assert!(!admits(&[]), "no host");
    }

    #[test]
    fn pages_of_others_are_refused_also_on_the_same_machine() {
        let host = ("host", "127.0.0.1:8800");
        for origin in
            ["https://evil.example", "null", "http://127.0.0.1:3000", "http://localhost:8800", ""]
        {
            assert!(!admits(&[host, ("origin", origin)]), "{origin}");
        }
        assert!(!admits(&[host, ("sec-fetch-site", "cross-site")]));
        assert!(!admits(&[host, ("sec-fetch-site", "same-site"), ("sec-fetch-mode", "no-cors")]));
        assert!(admits(&[host, ("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate")]));
    }

    #[test]
    fn the_target_of_http_2_counts_as_the_host() {
        let request = |uri: &str| Request::get(uri).body(()).unwrap();
        assert!(admit(&request("http://127.0.0.1:8800/emulator/timeline"), &[]).is_ok());
        assert!(admit(&request("http://evil.example/emulator/timeline"), &[]).is_err());
    }
}
