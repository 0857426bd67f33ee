//! One request: verify, choose, mint, forward, answer.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderValue, Request, Response};
use remint_idtoken::{Admission, Policy, Refusal, TraceContext, VerifiedToken};
use tracing::debug;

use crate::access::{AccessLog, Course, Seen};
use crate::assertion::Asserter;
use crate::attempts::Attempts;
use crate::clock::Clock;
use crate::config::{HostHeader, Telling};
use crate::error::{Form, ProxyError, is_grpc};
use crate::headers::{Address, Passage, TokenPlaces};
use crate::in_flight::{InFlight, Overloaded};
use crate::keys::Keyring;
use crate::logging;
use crate::metrics::{Metrics, RequestCounters};
use crate::request::{RequestIds, prepared, shown, target};
use crate::retry::{Limits, ReplayMemory};
use crate::senders::SenderCounts;
use crate::server::Incoming;
use crate::service::{Choice, Service};
use crate::upstream::{BodyFault, RequestBody, ResponseBody};

/// All that requests need.
pub(crate) struct Proxy {
    pub(crate) policy: Policy,
    pub(crate) keyring: Arc<Keyring>,
    /// Where the requests of each rule go.
    pub(crate) routes: HashMap<Arc<str>, Route>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) max_headers: usize,
    /// How long a request's body may pause before its answer begins.
    pub(crate) body_timeout: Duration,
    pub(crate) in_flight: Arc<InFlight>,
    /// Where bodies are held.
    pub(crate) replay: Arc<ReplayMemory>,
    pub(crate) ids: RequestIds,
    /// What the log has of requests.
    pub(crate) access: AccessLog,
    /// Where no trailer may speak.
    pub(crate) token_places: TokenPlaces,
    /// Tells regions who called, if they are told.
    pub(crate) asserter: Option<Asserter>,
}

/// Where a rule's requests go.
pub(crate) struct Route {
    pub(crate) service: Arc<Service>,
    pub(crate) counters: RequestCounters,
    pub(crate) senders: SenderCounts,
    /// The size of a request's body, if it is limited.
    pub(crate) max_body: Option<u64>,
    pub(crate) telling: Telling,
    pub(crate) limits: Limits,
}

/// A request on its way. Whoever serves it is dropped when nobody waits for the
/// answer any more.
struct Followed<'p, 's> {
    proxy: &'p Proxy,
    seen: &'s Seen,
    /// Until there is an answer.
    course: Option<Course<'p>>,
}

impl Drop for Followed<'_, '_> {
    fn drop(&mut self) {
        let Some(course) = &self.course else { return };
        if let Some(route) = course.route {
            route.counters.caller_gone.inc();
        }
        self.proxy.access.cut(self.seen, course, self.proxy.clock.now());
    }
}

impl Proxy {
    /// Answers a request, whatever it takes.
    pub(crate) async fn handle(
        &self,
        peer: &HeaderValue,
        request: Request<Incoming>,
    ) -> Response<ResponseBody> {
        let id = self.ids.of(request.headers());
        let trace = TraceContext::of(request.headers());
        let seen = Seen::of(&request, &id, peer, trace);
        if let Some(keys) = self.asserter.as_ref().and_then(|it| it.published(&request)) {
            self.access.answered_here(&seen, &keys);
            return keys;
        }
        let form = self.form(&request);
        // All lines of this request's carry its trace.
        logging::within(trace, self.followed(form, &seen, request)).await
    }

    /// Answers a request, and has a line written of it.
    async fn followed(
        &self,
        form: Form,
        seen: &Seen,
        request: Request<Incoming>,
    ) -> Response<ResponseBody> {
        let mut followed = Followed { proxy: self, seen, course: Some(Course::default()) };
        // hyper counts those of HTTP/1.1 itself, before it stores them.
        let result = match (&mut followed.course, request.headers().len() > self.max_headers) {
            (Some(course), false) => self.relay(seen, request, course).await,
            _ => Err(ProxyError::TooManyHeaders),
        };
        let course = followed.course.take().unwrap_or_default();
        result.unwrap_or_else(|error| {
            let response = error.response(seen.id(), form);
            self.access.failed(seen, course, &error, &response, self.clock.now());
            response
        })
    }

    /// How the caller wants to be told of failures.
    fn form(&self, request: &Request<Incoming>) -> Form {
        if !is_grpc(request) {
            return Form::Problem;
        }
        let target = target(request).ok();
        let rule = target.and_then(|target| self.policy.rule_for(&target));
        let route = rule.and_then(|rule| self.routes.get(rule.name()));
        match route {
            Some(route) if route.telling.grpc => Form::Grpc,
            _ => Form::Problem,
        }
    }

    async fn relay<'p>(
        &'p self,
        seen: &Seen,
        request: Request<Incoming>,
        course: &mut Course<'p>,
    ) -> Result<Response<ResponseBody>, ProxyError> {
        let id = seen.id();
        let target = target(&request);
        let admitted = self.keyring.admit(&self.policy, target, request.headers());
        let admission = match admitted.await {
            Ok(admission) => admission,
            Err(refusal) => return Err(self.refused(id, refusal, &request, course)),
        };
        if let Some(refusal) = admission.reported() {
            self.metrics.reported(refusal);
            self.access.reported(id, refusal, &request, self.clock.now());
        }
        let rule = &**admission.rule().name();
        let Some(route) = self.routes.get(rule) else {
            // The configuration was checked to give each rule a service.
            return Err(ProxyError::NoRegion);
        };
        route.senders.count(request.headers());
        (course.route, course.rule) = (Some(route), Some(Arc::clone(admission.rule().name())));
        let (verdict, caller) =
            (admission.verdict().name(), admission.caller().map(VerifiedToken::claims));
        let caller = caller.map(tracing::field::display);
        debug!(request_id = shown(id), rule, verdict, caller, "admitted");
        let passage = Passage {
            admission: &admission,
            token_headers: &route.service.token_headers,
            passes_caller_token: route.telling.pass_caller_token,
        };
        let request = prepared(request, seen.peer(), id, &passage, &self.token_places);
        let mut result = self.admitted(route, &admission, id, request, course).await;
        route.count(&result);
        match &mut result {
            Ok(response) => {
                self.access.answered(seen, course, &admission, response, self.clock.now());
            }
            Err(_) => course.failed(&admission),
        }
        result
    }

    fn refused<'p>(
        &'p self,
        id: &HeaderValue,
        refusal: Refusal,
        request: &Request<Incoming>,
        course: &mut Course<'p>,
    ) -> ProxyError {
        self.access.refused(course, id, &refusal, request, self.clock.now());
        self.metrics.refused(&refusal);
        let route = refusal.rule_name().and_then(|rule| self.routes.get(rule));
        if let Some(route) = route {
            course.route = Some(route);
            route.counters.refused.inc();
            route.senders.count(request.headers());
        }
        ProxyError::Refused(refusal)
    }

    /// Forwards a request when it is its turn. What is refused needs no turn,
    /// so that those who may not call can't keep out those who may.
    async fn admitted<'p>(
        &'p self,
        route: &'p Route,
        admission: &Admission,
        id: &HeaderValue,
        mut request: Request<RequestBody>,
        course: &mut Course<'p>,
    ) -> Result<Response<ResponseBody>, ProxyError> {
        request.body_mut().limit(route.max_body, self.body_timeout)?;
        let place = self.in_flight.enter().await.map_err(|Overloaded| ProxyError::Overloaded)?;
        let attempts = Attempts::new(self, route, admission, id, &request);
        let mut response = attempts.ok_or(ProxyError::TimedOut)?.run(request, course).await?;
        response.body_mut().occupy(place);
        Ok(response)
    }

    /// The headers that differ from region to region.
    pub(crate) fn address_of<'c>(
        &self,
        route: &Route,
        admission: &Admission,
        choice: &Choice<'c>,
    ) -> Address<'c> {
        let region = choice.region;
        let asserter = self.asserter.as_ref().filter(|_| route.telling.assertion);
        let assertion = asserter.zip(admission.caller()).and_then(|(asserter, caller)| {
            asserter.assertion(caller, &region.name, choice.token.audience(), self.clock.now())
        });
        Address {
            host: (route.service.host == HostHeader::Region).then_some(&region.host),
            token_header: region.token_header,
            token: choice.token.header(),
            assertion,
        }
    }
}

impl Route {
    fn count(&self, result: &Result<Response<ResponseBody>, ProxyError>) {
        let counters = &self.counters;
        let counter = match result {
            Ok(response) => return counters.answered(response.status()),
            Err(ProxyError::Refused(_)) => &counters.refused,
            Err(ProxyError::NoToken) => &counters.no_token,
            Err(ProxyError::NoRegion) => &counters.no_region,
            Err(ProxyError::Lost) => &counters.lost,
            Err(ProxyError::CallerGone) => &counters.caller_gone,
            Err(ProxyError::TimedOut) => &counters.timed_out,
            Err(ProxyError::Overloaded) => &counters.overloaded,
            Err(ProxyError::Body(BodyFault::TooLarge)) => &counters.too_large,
            // Nothing is looked up by what has so many headers.
            Err(ProxyError::TooManyHeaders) => return,
            Err(ProxyError::Body(BodyFault::TooSlow)) => &counters.too_slow,
        };
        counter.inc();
    }
}
