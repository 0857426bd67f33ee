//! Keeping web pages out of the emulator's own endpoints.
//!
//! A page that a browser of this machine shows can send requests to loopback
//! addresses. Browsers then tell its origin (`Origin`, Fetch Standard, section
//! 3.1); and where a name of the page's own was made to point here (DNS
//! rebinding), that name is in `Host`.

use http::header::{HOST, ORIGIN};
use http::uri::Authority;
use http::{HeaderMap, Request, StatusCode};

use super::Google;
use crate::answers::{Answer, text};

/// Refuses requests of foreign pages. `known` are further names by which the
/// emulator is called.
pub(super) fn admit<B>(request: &Request<B>, known: &[String]) -> Result<(), Box<Answer>> {
    let header = host_header(request.headers());
    let named = request.uri().authority().map(Authority::as_str).or(header);
    let host = named.unwrap_or_default();
    if !is_ours(name_of(host), known) {
        let why = "this emulator is not called so: use a loopback address, localhost, or add the name to its control hosts\n";
        return Err(Box::new(text(StatusCode::MISDIRECTED_REQUEST, why)));
    }
    let mut origins = request.headers().get_all(ORIGIN).iter();
    let is_good = |origin: &str| {
        let rest = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
        rest.is_some_and(|origin| origin == host || is_local(name_of(origin)))
    };
    match origins.all(|origin| origin.to_str().is_ok_and(is_good)) {
        true => Ok(()),
        false => {
            let why = "a web page of another origin may not ask for this\n";
            Err(Box::new(text(StatusCode::FORBIDDEN, why)))
        }
    }
}

fn host_header(headers: &HeaderMap) -> Option<&str> {
    headers.get(HOST)?.to_str().ok()
}

/// Without the port.
fn name_of(authority: &str) -> &str {
    match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _)) => address,
        None => authority.split(':').next().unwrap_or(authority),
    }
}

/// A page can have any name of its own, but neither an address, whose pages are
/// told by their origin, nor one without a dot, such as a container's.
fn is_ours(name: &str, known: &[String]) -> bool {
    let is = |it: &str| it.eq_ignore_ascii_case(name);
    let is_address = name.parse::<std::net::IpAddr>().is_ok();
    let is_bare = !name.is_empty() && !name.contains('.');
    let is_known = known.iter().any(|it| is(it)) || Google::NAMES.iter().any(|it| is(it));
    is_address || is_bare || is_local(name) || is_known
}

/// Whether pages of that host are this machine's own.
fn is_local(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let is_loopback = name.parse::<std::net::IpAddr>().is_ok_and(|it| it.is_loopback());
    // RFC 6761, section 6.3: no other machine has these names.
    is_loopback || name == "localhost" || name.ends_with(".localhost")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(host: &str, origin: Option<&str>) -> Option<u16> {
        let mut request = Request::post("/emulator/mint").header(HOST, host);
        if let Some(origin) = origin {
            request = request.header(ORIGIN, origin);
        }
        let request = request.body(()).unwrap();
        let known = ["emulator.test".to_owned()];
        admit(&request, &known).err().map(|answer| answer.status().as_u16())
    }

    #[test]
    fn names_that_a_page_could_have_are_misdirected() {
        for host in [
            "127.0.0.1:8800",
            "[::1]:8800",
            "172.17.0.2",
            "localhost:1",
            "a.localhost",
            "emulator",
            "emulator.test:80",
            "www.googleapis.com",
        ] {
            assert_eq!(status(host, None), None, "{host}");
        }
        for host in ["evil.example", "127.0.0.1.evil.example:8800", "localhost.evil", ""] {
            assert_eq!(status(host, None), Some(421), "{host}");
        }
    }

    #[test]
    fn pages_of_other_origins_are_refused() {
        for origin in ["http://localhost:3000", "http://127.0.0.1:8800", "https://emulator:8800"] {
            assert_eq!(status("emulator:8800", Some(origin)), None, "{origin}");
        }
        for origin in ["https://evil.example", "null", "http://emulator:8801", "http://10.0.0.1"] {
            assert_eq!(status("emulator:8800", Some(origin)), Some(403), "{origin}");
        }
    }
}
