//! What Google's edge does to a request's headers before the container sees
//! them, apart from the checked token.
//!
//! Cloud Run, "Using distributed tracing" (<https://cloud.google.com/run/docs/trace>):
//! `traceparent` is populated. A request as Cloud Run's container sees it, with
//! the others: <https://github.com/googleapis/google-cloudevents>,
//! `proto/google/events/cloud/audit/v1/README.md`. Functions of the first
//! generation: <https://cloud.google.com/functions/docs/reference/headers>.

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use http::header::{ACCEPT_ENCODING, FORWARDED, PROXY_AUTHORIZATION, TE, TRAILER};
use http::{HeaderMap, HeaderName, HeaderValue};

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const CLOUD_TRACE: HeaderName = HeaderName::from_static("x-cloud-trace-context");
const TRACE_PARENT: HeaderName = HeaderName::from_static("traceparent");

/// The caller's address. The emulator listens on loopback alone.
const CALLER: &str = "127.0.0.1";

/// Headers that a function does not get, beside those of one connection.
const NOT_FOR_FUNCTIONS: [HeaderName; 4] = [ACCEPT_ENCODING, PROXY_AUTHORIZATION, TE, TRAILER];

/// The headers that the edge adds, or puts in place of the caller's. What a
/// caller says of those before it is kept in front, its trace goes on in a span
/// of the edge's own. The scheme is always `https`: at a `run.app` URL there is
/// no other.
pub(super) fn added(headers: &HeaderMap) -> HeaderMap {
    let after = |name: &HeaderName, ours: String| {
        let theirs = headers.get_all(name).iter().filter_map(|it| it.to_str().ok());
        theirs.map(str::to_owned).chain([ours]).collect::<Vec<_>>().join(", ")
    };
    let trace = Trace::of(headers);
    let all = [
        (FORWARDED, after(&FORWARDED, format!("for=\"{CALLER}\";proto=https"))),
        (FORWARDED_FOR, after(&FORWARDED_FOR, CALLER.to_owned())),
        (FORWARDED_PROTO, "https".to_owned()),
        (CLOUD_TRACE, trace.as_cloud_trace()),
        (TRACE_PARENT, trace.as_trace_parent()),
    ];
    all.into_iter()
        .filter_map(|(name, value)| Some((name, HeaderValue::try_from(value).ok()?)))
        .collect()
}

/// Puts them in.
pub(super) fn add(headers: &mut HeaderMap, added: HeaderMap) {
    for (name, value) in added {
        if let Some(name) = name {
            headers.insert(name, value);
        }
    }
}

/// Takes away what a function of the first generation does not get.
pub(super) fn strip_for_function(headers: &mut HeaderMap) {
    let reserved = |name: &&HeaderName| name.as_str().starts_with("x-google-");
    let reserved: Vec<_> = headers.keys().filter(reserved).cloned().collect();
    for name in NOT_FOR_FUNCTIONS.iter().chain(&reserved) {
        headers.remove(name);
    }
}

/// A trace, and the edge's span in it.
struct Trace {
    id: String,
    span: u64,
    is_sampled: bool,
}

impl Trace {
    /// The caller's trace, or a new one. Few are sampled (at most one request
    /// in ten seconds and instance): none that the caller did not ask for.
    fn of(headers: &HeaderMap) -> Self {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let callers = text(TRACE_PARENT).and_then(parent);
        let callers = callers.or_else(|| text(CLOUD_TRACE).and_then(cloud_trace));
        let (id, is_sampled) = callers.unwrap_or_else(|| (new_id(), false));
        Self { id, is_sampled, span: u64::from_be_bytes(random()) }
    }

    /// `TRACE/SPAN;o=OPTIONS`, the span in decimal.
    fn as_cloud_trace(&self) -> String {
        format!("{}/{};o={}", self.id, self.span, u8::from(self.is_sampled))
    }

    /// W3C Trace Context, section 3.2.
    fn as_trace_parent(&self) -> String {
        format!("00-{}-{:016x}-{:02x}", self.id, self.span, u8::from(self.is_sampled))
    }
}

/// The trace of a `traceparent`, and whether it is sampled.
fn parent(value: &str) -> Option<(String, bool)> {
    let mut parts = value.split('-').skip(1);
    let id = parts.next().filter(|id| is_trace(id))?.to_owned();
    let flags = u8::from_str_radix(parts.nth(1)?, 16).ok()?;
    Some((id, flags & 1 == 1))
}

fn cloud_trace(value: &str) -> Option<(String, bool)> {
    let (id, rest) = value.split_once('/').unwrap_or((value, ""));
    is_trace(id).then(|| (id.to_ascii_lowercase(), rest.ends_with(";o=1")))
}

fn is_trace(id: &str) -> bool {
    id.len() == 32
        && id.bytes().all(|byte| byte.is_ascii_hexdigit())
        && id.bytes().any(|byte| byte != b'0')
}

fn new_id() -> String {
    format!("{:032x}", u128::from_be_bytes(random()))
}

/// Without randomness zeros: a trace that means nothing harms nobody.
fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    let _ = SystemRandom::new().fill(&mut bytes);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(all: &[(&'static str, &'static str)]) -> HeaderMap {
        let all = all.iter().map(|(name, value)| (HeaderName::from_static(name), *value));
        all.map(|(name, value)| (name, HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn what_the_caller_says_of_those_before_it_is_kept_in_front() {
        let found = added(&headers(&[
            ("x-forwarded-for", "203.0.113.9"),
            ("forwarded", "for=a"),
            ("x-forwarded-proto", "http"),
        ]));
        assert_eq!(found["x-forwarded-for"], "203.0.113.9, 127.0.0.1");
        assert_eq!(found["forwarded"], "for=a, for=\"127.0.0.1\";proto=https");
        assert_eq!(found["x-forwarded-proto"], "https");
        let found = added(&HeaderMap::new());
        assert_eq!(found["x-forwarded-for"], "127.0.0.1");
        assert_eq!(found["forwarded"], "for=\"127.0.0.1\";proto=https");
    }

    #[test]
    fn a_trace_goes_on_in_a_span_of_the_edge_s() {
        const ID: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
        let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let cloud = "4BF92F3577b34da6a3ce929d0e0e4736/7;o=1";
        for (name, value) in [("traceparent", parent), ("x-cloud-trace-context", cloud)] {
            let found = added(&headers(&[(name, value)]));
            let made = found["traceparent"].to_str().unwrap();
            assert!(made.starts_with(&format!("00-{ID}-")) && made.ends_with("-01"), "{made}");
            assert_ne!(made, parent);
            let span = u64::from_str_radix(made.split('-').nth(2).unwrap(), 16).unwrap();
            assert_eq!(found["x-cloud-trace-context"], format!("{ID}/{span};o=1"));
        }
    }

    #[test]
    fn without_a_valid_trace_there_is_a_new_one_each_time() {
        for bad in ["", "00-x", "00-00000000000000000000000000000000-00f067aa0ba902b7-01"] {
            let headers = headers(&[("traceparent", bad)]);
            let (one, other) = (added(&headers), added(&headers));
            assert_ne!(one["traceparent"], other["traceparent"]);
            assert!(one["traceparent"].to_str().unwrap().ends_with("-00"));
            assert_eq!(one["traceparent"].len(), 55);
        }
    }

    #[test]
    fn a_function_gets_no_header_that_is_google_s_or_the_connection_s() {
        let mut found = headers(&[
            ("x-google-a", "1"),
            ("x-goog-a", "1"),
            ("proxy-authorization", "1"),
            ("accept-encoding", "gzip"),
        ]);
        strip_for_function(&mut found);
        assert_eq!(found, headers(&[("x-goog-a", "1")]));
    }
}
