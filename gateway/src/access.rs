//! The log's line about each request, or about those that went wrong.
//!
//! A request that gets no line costs a few counted references. What a line
//! says is put together when it is sure that there will be one, and written
//! when the answer has ended.

mod front_end;
mod line;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::header::{CONTENT_LENGTH, HOST, USER_AGENT};
use http::{HeaderValue, Method, Request, Response, Uri, Version};
use http_body::Body;
use remint_idtoken::{Admission, LineBudget, Reason, Refusal, TraceContext, UnixTime, safe};
use serde_json::Value;
use tokio::time::Instant;
use tracing::warn;

pub(crate) use front_end::FrontEndRefusal;
pub(crate) use line::Line;
use line::Record;

use crate::admin::Refusals;
use crate::config::AccessLines;
use crate::error::ProxyError;
use crate::mint::MintedToken;
use crate::proxy::Route;
use crate::request::{shown, target};
use crate::retry::Cause;
use crate::server::Incoming;
use crate::service::{Choice, Region};
use crate::upstream::ResponseBody;

/// In lines about requests whose callers left: no caller sees it. It is what
/// nginx says of them in its log.
const CALLER_GONE: u16 = 499;

/// Which requests have a line.
pub(crate) struct AccessLog {
    lines: AccessLines,
    /// What the log may hold of what goes wrong; the metrics count all.
    budget: Mutex<LineBudget>,
    /// What is told of refusals, kept for a while.
    refusals: Arc<Refusals>,
}

/// What is kept of a request for its line.
pub(crate) struct Seen {
    began: Instant,
    id: HeaderValue,
    peer: HeaderValue,
    trace: Option<TraceContext>,
    method: Method,
    uri: Uri,
    host: Option<HeaderValue>,
    agent: Option<HeaderValue>,
    size: Option<HeaderValue>,
    version: Version,
}

/// What becomes of a request on its way.
#[derive(Default)]
pub(crate) struct Course<'p> {
    /// By which rule it was let in, and where that leads.
    pub(crate) rule: Option<Arc<str>>,
    pub(crate) route: Option<&'p Route>,
    /// Attempts so far.
    pub(crate) attempts: usize,
    /// Where the last one went, and with which token.
    pub(crate) last: Option<(usize, Arc<MintedToken>)>,
    /// Why the last one came to nothing, if it did.
    pub(crate) cause: Option<Cause>,
    /// Who called, and by which rule: of a request that failed.
    who: Option<Who>,
    /// What the operator is told of its refusal, and how many lines before
    /// were left out.
    refusal: Option<(Value, u64)>,
}

struct Who {
    rule: Arc<str>,
    caller: Option<String>,
}

impl AccessLog {
    pub(crate) fn new(lines: AccessLines, refusals: &Arc<Refusals>) -> Self {
        Self { lines, budget: Mutex::default(), refusals: Arc::clone(refusals) }
    }

    /// Whether what went wrong has a line; then how many were left out before.
    fn takes_fault(&self, now: UnixTime) -> Option<u64> {
        match self.lines {
            AccessLines::All => Some(0),
            AccessLines::Errors => self.take(now),
            AccessLines::Off => None,
        }
    }

    fn take(&self, now: UnixTime) -> Option<u64> {
        let mut budget = self.budget.lock().unwrap_or_else(PoisonError::into_inner);
        budget.take(Duration::from_secs(now.0))
    }

    /// The gateway answers what is for itself.
    pub(crate) fn answered_here(&self, seen: &Seen, response: &Response<ResponseBody>) {
        if self.lines == AccessLines::All {
            drop(Line(Record {
                status: response.status().as_u16(),
                sent: response.body().size_hint().exact().unwrap_or_default(),
                message: "answered by the gateway",
                ..Record::of(seen, &Course::default())
            }));
        }
    }

    /// A region has answered: the answer gets the line that will be written at
    /// its end, if there is to be one.
    pub(crate) fn answered(
        &self,
        seen: &Seen,
        course: &Course<'_>,
        admission: &Admission,
        response: &mut Response<ResponseBody>,
        now: UnixTime,
    ) {
        let is_fault = response.status().is_server_error() || course.reason(now).is_some();
        let left_out = match self.lines {
            AccessLines::All => Some(0),
            _ if is_fault => self.takes_fault(now),
            _ => None,
        };
        if let Some(left_out) = left_out {
            let record = Record {
                status: response.status().as_u16(),
                left_out,
                who: Some(Who::of(admission)),
                reason: course.reason(now).map(Reason::code),
                message: "answered",
                ..Record::of(seen, course)
            };
            response.body_mut().tell(Box::new(Line(record)));
        }
    }

    /// The gateway answers by itself.
    pub(crate) fn failed(
        &self,
        seen: &Seen,
        mut course: Course<'_>,
        error: &ProxyError,
        response: &Response<ResponseBody>,
        now: UnixTime,
    ) {
        let (refusal, left_out) = match (&course.refusal, error) {
            // Whether it has a line was decided when it was refused.
            (None, ProxyError::Refused(_)) => return,
            (Some((refusal, left_out)), _) => (Some(refusal.clone()), *left_out),
            (None, _) => match self.takes_fault(now) {
                Some(left_out) => (None, left_out),
                None => return,
            },
        };
        drop(Line(Record {
            status: response.status().as_u16(),
            sent: response.body().size_hint().exact().unwrap_or_default(),
            left_out,
            reason: Some(error.reason()),
            message: if refusal.is_some() { "refused" } else { "failed" },
            refusal,
            who: course.who.take(),
            ..Record::of(seen, &course)
        }));
    }

    /// Nobody waits for an answer any more.
    pub(crate) fn cut(&self, seen: &Seen, course: &Course<'_>, now: UnixTime) {
        let Some(left_out) = self.takes_fault(now) else { return };
        drop(Line(Record {
            status: CALLER_GONE,
            left_out,
            who: course.rule.clone().map(|rule| Who { rule, caller: None }),
            reason: Some("caller_gone"),
            message: "not answered: the caller left, or the gateway has stopped",
            ..Record::of(seen, course)
        }));
    }

    /// What the log is told of a refusal, if anything is. It takes time to find
    /// out, so that those that are kept are no more than it may have, also where
    /// it is off.
    fn told(
        &self,
        id: &HeaderValue,
        refusal: &Refusal,
        is_reported: bool,
        request: &Request<Incoming>,
        now: UnixTime,
    ) -> Option<(Value, u64)> {
        let is_off = self.lines == AccessLines::Off;
        let left_out = if is_off { self.take(now) } else { self.takes_fault(now) }?;
        let refusal = refusal.clone().about(&target(request), request.headers()).to_json();
        self.refusals.add(now, shown(id), is_reported, left_out, refusal.clone());
        (!is_off).then_some((refusal, left_out))
    }

    /// A request passes that its rule would refuse if it did not only report.
    pub(crate) fn reported(
        &self,
        id: &HeaderValue,
        refusal: &Refusal,
        request: &Request<Incoming>,
        now: UnixTime,
    ) {
        if let Some((refusal, left_out)) = self.told(id, refusal, true, request, now) {
            let left_out = (left_out > 0).then_some(left_out);
            let request_id = shown(id);
            warn!(request_id, %refusal, left_out, "would be refused, but its rule only reports");
        }
    }

    /// A region's front end refuses the gateway, and the log has a line for it.
    pub(crate) fn refused_by_front_end(
        &self,
        id: &HeaderValue,
        refusal: &FrontEndRefusal<'_>,
        now: UnixTime,
    ) {
        self.refusals.add(now, shown(id), false, 0, refusal.to_json());
    }

    /// A request is refused.
    pub(crate) fn refused(
        &self,
        course: &mut Course<'_>,
        id: &HeaderValue,
        refusal: &Refusal,
        request: &Request<Incoming>,
        now: UnixTime,
    ) {
        course.refusal = self.told(id, refusal, false, request, now);
        let rule = refusal.rule_name().filter(|_| course.refusal.is_some());
        course.who = rule.map(|rule| Who {
            rule: rule.into(),
            caller: refusal.caller_name().map(str::to_owned),
        });
    }
}

impl Seen {
    pub(crate) fn of(
        request: &Request<Incoming>,
        id: &HeaderValue,
        peer: &HeaderValue,
        trace: Option<TraceContext>,
    ) -> Self {
        let header = |name| request.headers().get(name).cloned();
        Self {
            began: Instant::now(),
            id: id.clone(),
            peer: peer.clone(),
            trace,
            method: request.method().clone(),
            uri: request.uri().clone(),
            host: header(HOST),
            agent: header(USER_AGENT),
            size: header(CONTENT_LENGTH),
            version: request.version(),
        }
    }

    pub(crate) fn id(&self) -> &HeaderValue {
        &self.id
    }

    /// The address of the hop before this one.
    pub(crate) fn peer(&self) -> &HeaderValue {
        &self.peer
    }

    /// Without the query, which may hold secrets. Whether the caller spoke TLS
    /// to the first hop is not known for sure: senders do.
    fn url(&self) -> String {
        let authority = self.uri.authority().map(http::uri::Authority::as_str);
        let host = || self.host.as_ref().and_then(|host| host.to_str().ok());
        safe(&format!("https://{}{}", authority.or_else(host).unwrap_or("-"), self.uri.path()))
    }
}

impl Course<'_> {
    /// Another attempt is made.
    pub(crate) fn enter(&mut self, choice: &Choice<'_>) {
        self.attempts = self.attempts.saturating_add(1);
        self.last = Some((choice.place, Arc::clone(&choice.token)));
        self.cause = None;
    }

    /// It came to nothing, and who called is to be told.
    pub(crate) fn failed(&mut self, admission: &Admission) {
        self.who = Some(Who::of(admission));
    }

    fn region(&self) -> Option<&Region> {
        let (place, _) = self.last.as_ref()?;
        self.route?.service.regions.get(*place)
    }

    /// Why a front end did not let it in.
    fn reason(&self, now: UnixTime) -> Option<Reason> {
        self.region()?.reason(self.cause?, now)
    }
}

impl Who {
    fn of(admission: &Admission) -> Self {
        let caller = admission.caller().map(|token| safe(&token.claims().to_string()));
        Self { rule: Arc::clone(admission.rule().name()), caller }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_of_errors_is_bounded_and_says_how_much_it_leaves_out() {
        let (log, mut now) = (AccessLog::new(AccessLines::Errors, &Arc::default()), UnixTime(1));
        let taken = (0..1000).filter(|_| log.takes_fault(now).is_some()).count();
        assert!((1..1000).contains(&taken));
        now = UnixTime(2);
        assert_eq!(log.takes_fault(now), Some(1000 - taken as u64));
        let all = AccessLog::new(AccessLines::All, &Arc::default());
        assert!((0..1000).all(|_| all.takes_fault(now) == Some(0)));
        assert_eq!(AccessLog::new(AccessLines::Off, &Arc::default()).takes_fault(now), None);
    }
}
