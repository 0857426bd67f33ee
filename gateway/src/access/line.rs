//! One line of the log about a request.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderValue, Method, Version};
use remint_idtoken::{TraceContext, safe};
use serde_json::Value;
use tokio::time::Instant;
use tracing::{error, info, warn};

use super::{Course, Seen, Who};
use crate::logging;
use crate::mint::MintedToken;
use crate::request::shown;

/// What one line says.
pub(super) struct Record {
    pub(super) began: Instant,
    pub(super) trace: Option<TraceContext>,
    pub(super) id: HeaderValue,
    pub(super) peer: HeaderValue,
    pub(super) method: Method,
    pub(super) url: String,
    pub(super) agent: Option<String>,
    pub(super) version: Version,
    pub(super) received: Option<u64>,
    pub(super) sent: u64,
    pub(super) status: u16,
    pub(super) message: &'static str,
    pub(super) who: Option<Who>,
    pub(super) service: Option<Arc<str>>,
    pub(super) region: Option<Arc<str>>,
    pub(super) token: Option<Arc<MintedToken>>,
    pub(super) attempts: usize,
    pub(super) reason: Option<&'static str>,
    pub(super) refusal: Option<Value>,
    pub(super) left_out: u64,
}

impl Record {
    pub(super) fn of(seen: &Seen, course: &Course<'_>) -> Self {
        let text = |value: &Option<HeaderValue>| {
            value.as_ref().map(|value| safe(&String::from_utf8_lossy(value.as_bytes())))
        };
        let service = course.route.map(|route| &route.service);
        let region = service.zip(course.last.as_ref());
        let region = region.and_then(|(service, (place, _))| service.regions.get(*place));
        Self {
            began: seen.began,
            trace: seen.trace,
            id: seen.id.clone(),
            peer: seen.peer.clone(),
            method: seen.method.clone(),
            url: seen.url(),
            agent: text(&seen.agent),
            version: seen.version,
            received: text(&seen.size).and_then(|size| size.parse().ok()),
            sent: 0,
            status: 0,
            message: "",
            who: None,
            service: service.map(|service| Arc::clone(&service.name)),
            region: region.map(|region| Arc::clone(&region.name)),
            token: course.last.as_ref().map(|(_, token)| Arc::clone(token)),
            attempts: course.attempts,
            reason: None,
            refusal: None,
            left_out: 0,
        }
    }
}

/// One line, written when this is dropped.
pub(crate) struct Line(pub(super) Record);

impl Line {
    /// So many bytes more of the answer go to the caller.
    pub(crate) fn sent(&mut self, bytes: usize) {
        self.0.sent = self.0.sent.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
    }

    /// The answer broke off.
    pub(crate) fn broke_off(&mut self) {
        self.0.message = "broken off";
    }

    /// Nobody took the rest of the answer: the caller left, or the gateway has
    /// stopped.
    pub(crate) fn left(&mut self) {
        self.0.message = "answered in part";
    }
}

/// Writes a line of that severity. The fields of `http` are those of
/// `google.logging.type.HttpRequest`, whose 64-bit numbers are texts and whose
/// duration has its unit.
macro_rules! write_line {
    ($level:ident, $line:expr, $fields:expr) => {{
        let (line, fields): (&Record, &Fields<'_>) = ($line, $fields);
        $level!(
            target: "remint_gateway::access",
            request_id = fields.id,
            rule = fields.rule,
            service = line.service.as_deref(),
            region = line.region.as_deref(),
            attempts = fields.attempts,
            audience = line.token.as_ref().map(|token| token.audience()),
            caller = fields.caller,
            reason = line.reason,
            refusal = line.refusal.as_ref().map(tracing::field::display),
            left_out = fields.left_out,
            http.requestMethod = line.method.as_str(),
            http.requestUrl = line.url.as_str(),
            http.status = line.status,
            http.userAgent = line.agent.as_deref(),
            http.remoteIp = fields.peer,
            http.latency = tracing::field::display(fields.latency),
            http.protocol = fields.protocol,
            http.requestSize = line.received.map(tracing::field::display),
            http.responseSize = tracing::field::display(line.sent),
            "{}", line.message
        )
    }};
}

/// What of a line has to be put into its form.
struct Fields<'l> {
    id: &'l str,
    peer: &'l str,
    rule: Option<&'l str>,
    caller: Option<&'l str>,
    attempts: Option<u64>,
    left_out: Option<u64>,
    latency: Latency,
    protocol: &'static str,
}

impl<'l> Fields<'l> {
    fn of(line: &'l Record) -> Self {
        let more_than_none = |number: u64| (number > 0).then_some(number);
        Self {
            id: shown(&line.id),
            peer: shown(&line.peer),
            rule: line.who.as_ref().map(|who| &*who.rule),
            caller: line.who.as_ref().and_then(|who| who.caller.as_deref()),
            attempts: more_than_none(u64::try_from(line.attempts).unwrap_or(u64::MAX)),
            left_out: more_than_none(line.left_out),
            latency: Latency(line.began.elapsed()),
            protocol: protocol(line.version),
        }
    }
}

/// A duration as JSON has it in Google's APIs: seconds, and their unit.
#[derive(Clone, Copy)]
struct Latency(Duration);

impl fmt::Display for Latency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:06}s", self.0.as_secs(), self.0.subsec_micros())
    }
}

/// As Cloud Logging names them (`LogEntry`, `HttpRequest.protocol`).
fn protocol(version: Version) -> &'static str {
    match version {
        Version::HTTP_10 => "HTTP/1.0",
        Version::HTTP_2 => "HTTP/2",
        _ => "HTTP/1.1",
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        let line = &self.0;
        let fields = Fields::of(line);
        logging::with(line.trace, || match line.status {
            500.. => write_line!(error, line, &fields),
            _ if line.reason.is_some() => write_line!(warn, line, &fields),
            _ => write_line!(info, line, &fields),
        });
    }
}
