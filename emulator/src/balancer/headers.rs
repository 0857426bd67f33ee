//! What a load balancer adds to requests and answers.
//!
//! By Cloud Load Balancing, "External Application Load Balancer overview"
//! (<https://cloud.google.com/load-balancing/docs/https>): `Via: 1.1 google` on
//! both; `X-Forwarded-Proto`, `X-Forwarded-For` and `X-Cloud-Trace-Context` on
//! requests. `Host` stays as it is.

use std::net::IpAddr;

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use http::header::VIA;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::answers::Answer;
use crate::peer::Peer;

const GOOGLE: HeaderValue = HeaderValue::from_static("1.1 google");
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const TRACE: HeaderName = HeaderName::from_static("x-cloud-trace-context");

/// Where the client of a request is, for trying that out.
const CLIENT_REGION: &str = "x-emulator-client-region";

/// Takes the name of the region that the client says to be in.
pub(super) fn take_client_region(headers: &mut HeaderMap) -> Option<String> {
    headers.remove(CLIENT_REGION)?.to_str().ok().map(str::to_owned)
}

pub(super) fn add(parts: &mut Parts, own: IpAddr) {
    let peer = parts.extensions.get::<Peer>().copied().unwrap_or_default();
    let headers = &mut parts.headers;
    headers.append(VIA, GOOGLE);
    let scheme = if peer.is_https() { "https" } else { "http" };
    headers.insert(FORWARDED_PROTO, HeaderValue::from_static(scheme));
    if let Ok(value) = HeaderValue::from_str(&forwarded_for(headers, peer.address(), own)) {
        headers.insert(FORWARDED_FOR, value);
    }
    let has_trace = headers.get(TRACE).is_some_and(is_trace);
    if let Some(trace) = new_trace().filter(|_| !has_trace) {
        headers.insert(TRACE, trace);
    }
}

/// What came, the client, the load balancer: `SUPPLIED,CLIENT,OWN`. What came
/// may be a lie; what follows it is not.
fn forwarded_for(headers: &HeaderMap, client: IpAddr, own: IpAddr) -> String {
    let supplied = headers.get_all(FORWARDED_FOR).iter().filter_map(|value| value.to_str().ok());
    let added = [client.to_string(), own.to_string()];
    let all: Vec<&str> = supplied.chain(added.iter().map(String::as_str)).collect();
    all.join(",")
}

/// Whether it begins with `TRACE/SPAN`: 32 hexadecimal digits and a number.
fn is_trace(value: &HeaderValue) -> bool {
    let Some((trace, rest)) = value.to_str().ok().and_then(|text| text.split_once('/')) else {
        return false;
    };
    let span = rest.split(';').next().unwrap_or_default();
    trace.len() == 32 && trace.bytes().all(|b| b.is_ascii_hexdigit()) && span.parse::<u64>().is_ok()
}

/// A trace without options, as load balancers were seen to send it
/// (<https://github.com/googleapis/google-cloud-dotnet/issues/3055>).
fn new_trace() -> Option<HeaderValue> {
    let mut random = [0_u8; 24];
    SystemRandom::new().fill(&mut random).ok()?;
    let (trace, span) = random.split_first_chunk::<16>()?;
    let (trace, span) = (u128::from_be_bytes(*trace), u64::from_be_bytes(span.try_into().ok()?));
    HeaderValue::try_from(format!("{trace:032x}/{span}")).ok()
}

/// An answer on its way out.
pub(super) fn marked(mut answer: Answer) -> Answer {
    answer.headers_mut().append(VIA, GOOGLE);
    answer
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn added(peer: Option<Peer>, headers: &[(&'static str, &str)]) -> HeaderMap {
        let (mut parts, ()) = Request::new(()).into_parts();
        for (name, value) in headers {
            parts.headers.append(*name, value.parse().unwrap());
        }
        if let Some(peer) = peer {
            parts.extensions.insert(peer);
        }
        add(&mut parts, "127.0.0.9".parse().unwrap());
        parts.headers
    }

    #[test]
    fn client_and_load_balancer_stand_behind_what_the_client_says() {
        let peer = Peer { ip: Some("192.0.2.7".parse().unwrap()), is_tls: false };
        let headers = added(Some(peer), &[]);
        assert_eq!(headers["x-forwarded-for"], "192.0.2.7,127.0.0.9");
        assert_eq!(headers["x-forwarded-proto"], "http");
        assert_eq!(headers["via"], "1.1 google");
        let lies = [("x-forwarded-for", "10.0.0.1, 10.0.0.2"), ("x-forwarded-for", "10.0.0.3")];
        let tls = Peer { is_tls: true, ..peer };
        let headers = added(Some(tls), &[lies[0], lies[1], ("x-forwarded-proto", "http")]);
        let all = headers.get_all("x-forwarded-for").iter().collect::<Vec<_>>();
        assert_eq!(all, ["10.0.0.1, 10.0.0.2,10.0.0.3,192.0.2.7,127.0.0.9"]);
        assert_eq!(headers["x-forwarded-proto"], "https");
    }

    #[test]
    fn parts_of_the_emulator_count_as_callers_over_https() {
        let headers = added(None, &[]);
        assert_eq!(headers["x-forwarded-for"], "127.0.0.1,127.0.0.9");
        assert_eq!(headers["x-forwarded-proto"], "https");
    }

    #[test]
    fn a_trace_is_begun_unless_there_is_one() {
        let fresh = added(None, &[])["x-cloud-trace-context"].clone();
        assert!(is_trace(&fresh), "{fresh:?}");
        assert_ne!(fresh, added(None, &[])["x-cloud-trace-context"]);
        let own = "f5526cbaa0faf6582ef3cbf0c6a2c7ff/7553744403246890094;o=1";
        assert_eq!(added(None, &[("x-cloud-trace-context", own)])["x-cloud-trace-context"], own);
        for bad in ["", "x/1", "f5526cbaa0faf6582ef3cbf0c6a2c7ff/x"] {
            assert_ne!(
                added(None, &[("x-cloud-trace-context", bad)])["x-cloud-trace-context"],
                bad
            );
        }
    }
}
