//! One request on its way: sent to one region after the other until it has an
//! answer, as often and as long as it may be.

mod answer;
mod next;

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, Uri};
use remint_idtoken::Admission;
use tokio::time::{Instant, timeout_at};
use tracing::debug;

use crate::access::Course;
use crate::error::ProxyError;
use crate::headers;
use crate::ongoing::Ongoing;
use crate::proxy::{Proxy, Route};
use crate::request::{answered, shown};
use crate::retry::{Cause, read_grpc_timeout, write_grpc_timeout};
use crate::service::{Choice, Service, Tried};
use crate::upstream::{
    CallerState, LostError, RequestBody, ResponseBody, SendError, SpareBody, Upload,
};

const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");

type Answered = Result<Response<ResponseBody>, ProxyError>;

/// A request's attempts.
pub(crate) struct Attempts<'a> {
    proxy: &'a Proxy,
    route: &'a Route,
    admission: &'a Admission,
    id: &'a HeaderValue,
    /// The target as the caller has it; regions put their own path before it.
    uri: Uri,
    deadline: Instant,
    /// Whether the caller has set a deadline, which regions are told.
    has_own_deadline: bool,
    is_harmless: bool,
    caller: CallerState,
    spare: Option<Spare>,
    made: usize,
    tried: Tried,
    is_renewed: bool,
}

/// What makes the same request once more.
struct Spare {
    head: Parts,
    body: SpareBody,
}

/// How an attempt ended.
enum Ended<'a> {
    /// With this, for the caller.
    Finally(Answered),
    /// It came to nothing. If the request can't be sent again, the caller gets
    /// what is in `otherwise`.
    Failed(Failed),
    /// The region took its time, and this can be done instead.
    GivenUp(Box<Next<'a>>),
}

/// An attempt that came to nothing; `unsent` if the request came back.
struct Failed {
    cause: Cause,
    unsent: Option<Box<Request<RequestBody>>>,
    otherwise: Answered,
}

/// The next attempt: what is sent, and where to.
struct Next<'a> {
    request: Request<RequestBody>,
    choice: Choice<'a>,
}

/// Why an attempt was given up.
enum GivenUp<'a> {
    /// All of the request's time is over.
    AtDeadline,
    /// The attempt's time is over, and there is another one.
    For(Box<Next<'a>>),
}

impl<'a> Attempts<'a> {
    /// Nothing, if there is no time.
    pub(crate) fn new(
        proxy: &'a Proxy,
        route: &'a Route,
        admission: &'a Admission,
        id: &'a HeaderValue,
        request: &Request<RequestBody>,
    ) -> Option<Self> {
        let own = own_timeout(request.headers());
        let timeout = route.limits.timeout.min(own.unwrap_or(Duration::MAX));
        Some(Self {
            proxy,
            route,
            admission,
            id,
            caller: request.body().caller(),
            uri: request.uri().clone(),
            deadline: Instant::now().checked_add(timeout)?,
            has_own_deadline: own.is_some(),
            // RFC 9110, section 9.2.2.
            is_harmless: route.limits.at_least_once || request.method().is_idempotent(),
            spare: None,
            made: 0,
            tried: Tried::default(),
            is_renewed: false,
        })
    }

    /// Sends the request until it has an answer.
    pub(crate) async fn run(
        mut self,
        request: Request<RequestBody>,
        course: &mut Course<'_>,
    ) -> Answered {
        self.service().budget.note_request(std::time::Instant::now());
        let mut request = self.with_spare(request);
        let clock = &*self.proxy.clock;
        let choosing = self.service().choose(self.tried, clock);
        let chosen = timeout_at(self.deadline, choosing).await;
        let mut choice = chosen.map_err(|_| ProxyError::TimedOut)?.ok_or(ProxyError::NoToken)?;
        self.enter(&choice, course);
        let (mut result, upload, began) = loop {
            let (upload, began) = (request.body().upload(), Instant::now());
            let (cause, next) = match self.attempt(&choice, began, request).await {
                Ended::Finally(result) => break (result, upload, began),
                Ended::GivenUp(next) => (Cause::TimedOut, *next),
                Ended::Failed(failed) => {
                    let cause = failed.cause;
                    course.cause = Some(cause);
                    match self.after(&choice, failed).await {
                        Ok(next) => (cause, next),
                        Err(result) => break (result, upload, began),
                    }
                }
            };
            debug!(request_id = shown(self.id), cause = cause.name(), "sent again");
            self.service().retries.again(cause);
            (request, choice) = (next.request, next.choice);
            self.enter(&choice, course);
        };
        self.count(&result);
        if let Ok(response) = &mut result {
            self.caller.answered();
            response.body_mut().hold(Ongoing {
                service: Arc::clone(&self.route.service),
                place: choice.place,
                request_id: self.id.clone(),
                upload,
                began,
                _in_flight: choice.in_flight,
            });
        }
        result
    }

    fn count(&self, result: &Answered) {
        let retries = &self.service().retries;
        if self.made > 1 {
            if result.is_ok() { &retries.answered } else { &retries.failed }.inc();
        }
    }

    fn service(&self) -> &'a Service {
        &self.route.service
    }

    /// Keeps what it takes to send the request again, if it ever may be.
    fn with_spare(&mut self, request: Request<RequestBody>) -> Request<RequestBody> {
        let limits = &self.route.limits;
        if limits.attempts < 2 {
            return request;
        }
        let (head, body) = request.into_parts();
        let (body, spare) = body.hold(limits.replay_limit, &self.proxy.replay);
        self.spare = spare.map(|body| Spare { head: head.clone(), body });
        Request::from_parts(head, body)
    }

    fn enter(&mut self, choice: &Choice<'_>, course: &mut Course<'_>) {
        course.enter(choice);
        self.made = self.made.saturating_add(1);
        self.tried.add(choice.place);
    }

    async fn attempt(
        &self,
        choice: &Choice<'_>,
        began: Instant,
        mut request: Request<RequestBody>,
    ) -> Ended<'a> {
        let (service, region) = (self.service(), choice.region);
        let Some(target) = region.target(&self.uri) else {
            return Ended::Finally(Err(ProxyError::NoRegion));
        };
        *request.uri_mut() = target;
        let to = self.proxy.address_of(self.route, self.admission, choice);
        headers::address(request.headers_mut(), &service.token_headers, to);
        if self.has_own_deadline {
            let left = self.deadline.saturating_duration_since(Instant::now());
            if let Ok(left) = HeaderValue::try_from(write_grpc_timeout(left)) {
                request.headers_mut().insert(GRPC_TIMEOUT, left);
            }
        }
        let upload = request.body().upload();
        match self.in_time(region.pool.send(request), &upload).await {
            Ok(Ok(response)) => self.look_at(choice, began, answered(response)).await,
            Ok(Err(error)) => self.failed(choice, began, &upload, error),
            Err(given_up) => {
                // Who sends slowly, or leaves little time, says nothing of the
                // region.
                let limits = &self.route.limits;
                let half_a_try = limits.per_try_timeout.unwrap_or(limits.timeout).mul_f64(0.5);
                let had_time = !upload.waits_for_caller() && began.elapsed() >= half_a_try;
                region.timed_out(&service.name, self.id, had_time, began);
                match given_up {
                    GivenUp::AtDeadline => Ended::Finally(Err(ProxyError::TimedOut)),
                    GivenUp::For(next) => Ended::GivenUp(next),
                }
            }
        }
    }

    /// Waits for an attempt's answer: until the request's deadline or, if one
    /// attempt has a time of its own and another may follow, for that time. It is counted
    /// from when the region last took a piece of the request, and stands still
    /// while the region waits for the caller. The last attempt has all the
    /// time that is left.
    async fn in_time<T>(
        &self,
        sending: impl Future<Output = T>,
        upload: &Upload,
    ) -> Result<T, GivenUp<'a>> {
        let patience = self.route.limits.per_try_timeout;
        let began = Instant::now();
        let end_of_try = || {
            // A request that came back unsent was begun by another attempt.
            let since = upload.with_region_since().unwrap_or_else(Instant::now).max(began);
            let end = patience.and_then(|patience| since.checked_add(patience));
            end.unwrap_or(self.deadline).min(self.deadline)
        };
        let mut sending = pin!(sending);
        let mut next_look = end_of_try();
        loop {
            if let Ok(output) = timeout_at(next_look, &mut sending).await {
                return Ok(output);
            }
            if next_look >= self.deadline {
                return Err(GivenUp::AtDeadline);
            }
            let end = end_of_try();
            next_look = match end > Instant::now() {
                true => end,
                false => match self.elsewhere() {
                    Some(next) => return Err(GivenUp::For(Box::new(next))),
                    None => self.deadline,
                },
            };
        }
    }

    /// Whose doing it is that there is no answer.
    fn failed(
        &self,
        choice: &Choice<'_>,
        began: Instant,
        upload: &Upload,
        error: SendError,
    ) -> Ended<'a> {
        let (service, region) = (&self.service().name, choice.region);
        if let Some(fault) = self.caller.fault() {
            return Ended::Finally(Err(fault.into()));
        }
        match error {
            SendError::Unsent(request, error) => {
                region.unsent(service, self.id, &error, began);
                let otherwise = Err(ProxyError::NoRegion);
                Ended::Failed(Failed { cause: Cause::Unsent, unsent: Some(request), otherwise })
            }
            SendError::Lost(error) if error.is_callers() || upload.is_broken_off() => {
                debug!(request_id = shown(self.id), "the caller broke the request off");
                Ended::Finally(Err(ProxyError::CallerGone))
            }
            SendError::Lost(error) if error.is_answer() => {
                debug!(request_id = shown(self.id), %error, "no answer that could be passed on");
                region.answered(service, began);
                Ended::Finally(Err(ProxyError::Lost))
            }
            SendError::Lost(error) => {
                region.lost(service, self.id, &error, began);
                match error {
                    LostError::Refused(_) => Ended::sent(Cause::Refused, Err(ProxyError::Lost)),
                    _ => Ended::sent(Cause::Lost, Err(ProxyError::Lost)),
                }
            }
        }
    }
}

impl Ended<'_> {
    /// What was sent came to nothing.
    fn sent(cause: Cause, otherwise: Answered) -> Self {
        Self::Failed(Failed { cause, unsent: None, otherwise })
    }
}

/// The caller's own deadline. Of Google's senders none sends one.
fn own_timeout(headers: &HeaderMap) -> Option<Duration> {
    let is_grpc = headers
        .get(CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"));
    let timeout = headers.get(GRPC_TIMEOUT).filter(|_| is_grpc)?;
    read_grpc_timeout(timeout.to_str().ok()?)
}
