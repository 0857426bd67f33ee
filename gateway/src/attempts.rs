//! One request on its way: sent to one region after the other until it has an
//! answer, as often and as long as it may be.

mod answer;

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, Uri};
use remint_idtoken::Admission;
use tokio::time::{Instant, timeout_at};
use tracing::debug;

use crate::error::ProxyError;
use crate::headers;
use crate::proxy::{Proxy, Route};
use crate::request::{answered, shown};
use crate::retry::{Case, Cause, Verdict, decide, read_grpc_timeout, write_grpc_timeout};
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
    /// How many regions that are.
    regions: usize,
    is_renewed: bool,
}

/// What makes the same request once more.
struct Spare {
    head: Parts,
    body: SpareBody,
}

/// How an attempt ended.
enum Ended {
    /// With this, for the caller.
    Finally(Answered),
    /// It may be made again; `unsent` if the request came back. If there is
    /// no region after all, the caller gets what is in `otherwise`.
    Again { cause: Cause, unsent: Option<Box<Request<RequestBody>>>, otherwise: Answered },
}

/// Why an attempt was given up.
enum GivenUp {
    /// All of the request's time is over.
    AtDeadline,
    /// The attempt's time is over, and another one may be made.
    ForAnother,
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
            regions: 0,
            is_renewed: false,
        })
    }

    /// Sends the request until it has an answer.
    pub(crate) async fn run(mut self, request: Request<RequestBody>) -> Answered {
        self.service().budget.note_request(std::time::Instant::now());
        let mut request = self.with_spare(request);
        let clock = &*self.proxy.clock;
        let choosing = self.service().choose(self.tried, clock);
        let Ok(Some(mut choice)) = timeout_at(self.deadline, choosing).await else {
            return Err(ProxyError::NoToken);
        };
        self.enter(&choice);
        let mut result = loop {
            let (cause, unsent, otherwise) = match self.attempt(&choice, request).await {
                Ended::Finally(result) => break result,
                Ended::Again { cause, unsent, otherwise } => (cause, unsent, otherwise),
            };
            let Some(next) = self.next(&choice, cause).await else { break otherwise };
            // This ends the attempt before, so there must be somewhere to go.
            let again = unsent.map_or_else(|| self.again(), |unsent| Some(*unsent));
            let Some(again) = again else { break otherwise };
            debug!(request_id = shown(self.id), cause = cause.name(), "sent again");
            self.service().retries.again(cause);
            (request, choice) = (again, next);
        };
        self.count(&result);
        if let Ok(response) = &mut result {
            self.caller.answered();
            response.body_mut().hold(choice.in_flight);
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

    fn again(&self) -> Option<Request<RequestBody>> {
        let Spare { head, body } = self.spare.as_ref()?;
        Some(Request::from_parts(head.clone(), body.again()?))
    }

    /// Where to after that: where the token was refused, first to the same
    /// region with another one.
    async fn next(&mut self, choice: &Choice<'a>, cause: Cause) -> Option<Choice<'a>> {
        let clock = &*self.proxy.clock;
        if cause == Cause::TokenRefused && !self.is_renewed {
            self.is_renewed = true;
            if let Some(choice) = choice.renewed(self.service(), clock, self.deadline).await {
                self.made = self.made.saturating_add(1);
                return Some(choice);
            }
        }
        let choosing = self.service().choose(self.tried, clock);
        let choice = timeout_at(self.deadline, choosing).await.ok()??;
        self.enter(&choice);
        Some(choice)
    }

    fn enter(&mut self, choice: &Choice<'_>) {
        self.made = self.made.saturating_add(1);
        self.tried.add(choice.place);
        self.regions = self.regions.saturating_add(1);
    }

    /// Whether the request may be sent again for that; then it counts as sent.
    fn may_again(&self, cause: Cause) -> bool {
        let has_region = self.regions < self.service().regions.len();
        let case = Case {
            cause,
            is_harmless: self.is_harmless,
            is_held: self.spare.as_ref().is_some_and(|spare| spare.body.is_whole()),
            made: self.made,
            attempts: self.route.limits.attempts,
            has_place: has_region || (cause == Cause::TokenRefused && !self.is_renewed),
        };
        let retries = &self.service().retries;
        match decide(case, &self.service().budget, std::time::Instant::now()) {
            Verdict::Again => return true,
            Verdict::Over => {}
            Verdict::NotHeld => drop(retries.not_held.inc()),
            Verdict::OverBudget => drop(retries.over_budget.inc()),
        }
        false
    }

    fn ended(&self, cause: Cause, otherwise: Answered) -> Ended {
        match self.may_again(cause) {
            true => Ended::Again { cause, unsent: None, otherwise },
            false => Ended::Finally(otherwise),
        }
    }

    async fn attempt(&self, choice: &Choice<'_>, mut request: Request<RequestBody>) -> Ended {
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
        let (upload, began) = (request.body().upload(), Instant::now());
        match self.in_time(region.pool.send(request), &upload).await {
            Ok(Ok(response)) => self.look_at(choice, answered(response)).await,
            Ok(Err(error)) => self.failed(choice, &upload, error),
            Err(given_up) => {
                // Who sends slowly, or leaves little time, says nothing of the
                // region.
                let limits = &self.route.limits;
                let half_a_try = limits.per_try_timeout.unwrap_or(limits.timeout).mul_f64(0.5);
                let had_time = !upload.waits_for_caller() && began.elapsed() >= half_a_try;
                region.timed_out(&service.name, self.id, had_time);
                let otherwise = Err(ProxyError::TimedOut);
                match given_up {
                    GivenUp::AtDeadline => Ended::Finally(otherwise),
                    GivenUp::ForAnother => {
                        Ended::Again { cause: Cause::TimedOut, unsent: None, otherwise }
                    }
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
    ) -> Result<T, GivenUp> {
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
                false if self.may_again(Cause::TimedOut) => return Err(GivenUp::ForAnother),
                false => self.deadline,
            };
        }
    }

    /// Whose doing it is that there is no answer.
    fn failed(&self, choice: &Choice<'_>, upload: &Upload, error: SendError) -> Ended {
        let (service, region) = (&self.service().name, choice.region);
        if let Some(fault) = self.caller.fault() {
            return Ended::Finally(Err(fault.into()));
        }
        match error {
            SendError::Unsent(request, error) => {
                region.unreachable(service, self.id, &error);
                let otherwise = Err(ProxyError::NoRegion);
                match self.may_again(Cause::Unsent) {
                    true => Ended::Again { cause: Cause::Unsent, unsent: Some(request), otherwise },
                    false => Ended::Finally(otherwise),
                }
            }
            SendError::Lost(error) if error.is_callers() || upload.is_broken_off() => {
                debug!(request_id = shown(self.id), "the caller broke the request off");
                Ended::Finally(Err(ProxyError::CallerGone))
            }
            SendError::Lost(error) => {
                region.lost(service, self.id, &error);
                match error {
                    LostError::Refused(_) => self.ended(Cause::Refused, Err(ProxyError::Lost)),
                    LostError::NotSwitched | LostError::Switched => {
                        Ended::Finally(Err(ProxyError::Lost))
                    }
                    _ => self.ended(Cause::Lost, Err(ProxyError::Lost)),
                }
            }
        }
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
