//! One request: verify, choose, mint, forward, answer.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::{HeaderValue, Request, Response};
use hyper::body::Incoming;
use remint_idtoken::{Admission, LineBudget, Policy, Refusal, VerifiedToken};
use tokio::time::{Instant, timeout_at};
use tracing::{Instrument, debug, error_span, warn};

use crate::assertion::Asserter;
use crate::clock::Clock;
use crate::config::{HostHeader, Telling};
use crate::error::{Form, ProxyError, is_grpc};
use crate::front_end;
use crate::headers::{self, Address, Passage, TokenPlaces, trace};
use crate::in_flight::{InFlight, Overloaded};
use crate::keys::Keyring;
use crate::metrics::{Metrics, RequestCounters};
use crate::request::{RequestIds, answered, prepared, shown, target};
use crate::service::{Choice, Region, Service, Tried};
use crate::upstream::{BodyFault, RegionBody, RequestBody, ResponseBody, SendError};

/// All that requests need.
pub(crate) struct Proxy {
    pub(crate) policy: Policy,
    pub(crate) keyring: Arc<Keyring>,
    /// Where the requests of each rule go.
    pub(crate) routes: HashMap<Arc<str>, Route>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) response_timeout: Duration,
    pub(crate) max_headers: usize,
    /// How long a request's body may pause before its answer begins.
    pub(crate) body_timeout: Duration,
    pub(crate) in_flight: Arc<InFlight>,
    pub(crate) ids: RequestIds,
    /// What the log may hold of refusals; the metrics count all.
    pub(crate) lines: Mutex<LineBudget>,
    /// Where no trailer may speak.
    pub(crate) token_places: TokenPlaces,
    /// Tells regions who called, if they are told.
    pub(crate) asserter: Option<Asserter>,
}

/// Where a rule's requests go.
pub(crate) struct Route {
    pub(crate) service: Arc<Service>,
    pub(crate) counters: RequestCounters,
    /// The size of a request's body, if it is limited.
    pub(crate) max_body: Option<u64>,
    pub(crate) telling: Telling,
}

/// Why an attempt failed.
enum Failed {
    /// Another region may be tried with this.
    Unsent(Box<Request<RequestBody>>),
    /// The request may have done its work.
    Sent(ProxyError),
}

impl Proxy {
    /// Answers a request, whatever it takes.
    pub(crate) async fn handle(
        &self,
        peer: &HeaderValue,
        mut request: Request<Incoming>,
    ) -> Response<ResponseBody> {
        if let Some(keys) = self.asserter.as_ref().and_then(|it| it.published(&request)) {
            return keys;
        }
        let id = self.ids.of(request.headers());
        let trace_id = trace::settle(request.headers_mut());
        let form = self.form(&request);
        // All lines of this request's carry its trace, at any level.
        let span = error_span!("request", %trace_id);
        match self.relay(peer, &id, request).instrument(span).await {
            Ok(response) => response.map(ResponseBody::Region),
            Err(error) => error.response(&id, form),
        }
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

    async fn relay(
        &self,
        peer: &HeaderValue,
        id: &HeaderValue,
        request: Request<Incoming>,
    ) -> Result<Response<RegionBody>, ProxyError> {
        // hyper counts those of HTTP/1.1 itself, before it stores them.
        if request.headers().len() > self.max_headers {
            return Err(ProxyError::TooManyHeaders);
        }
        let target = target(&request);
        let admitted = self.keyring.admit(&self.policy, target, request.headers());
        let admission = match admitted.await {
            Ok(admission) => admission,
            Err(refusal) => return Err(self.refused(id, refusal, &request)),
        };
        if let Some(refusal) = admission.reported() {
            self.metrics.reported(refusal);
            self.note(id, refusal, &request, "would be refused, but its rule only reports");
        }
        let rule = &**admission.rule().name();
        let Some(route) = self.routes.get(rule) else {
            // The configuration was checked to give each rule a service.
            return Err(ProxyError::NoRegion);
        };
        let (verdict, caller) =
            (admission.verdict().name(), admission.caller().map(VerifiedToken::claims));
        let caller = caller.map(tracing::field::display);
        debug!(request_id = shown(id), rule, verdict, caller, "admitted");
        let passage = Passage {
            admission: &admission,
            token_headers: &route.service.token_headers,
            passes_caller_token: route.telling.pass_caller_token,
        };
        let request = prepared(request, peer, id, &passage, &self.token_places);
        let result = self.admitted(route, &admission, id, request).await;
        route.count(&result);
        result
    }

    /// Tells the operator of a refusal, unless there are too many.
    fn note(
        &self,
        id: &HeaderValue,
        refusal: &Refusal,
        request: &Request<Incoming>,
        what: &'static str,
    ) {
        let now = Duration::from_secs(self.clock.now().0);
        let may_log = self.lines.lock().unwrap_or_else(PoisonError::into_inner).take(now);
        if let Some(left_out) = may_log {
            let refusal = refusal.clone().about(&target(request), request.headers()).to_json();
            warn!(request_id = shown(id), %refusal, left_out, "{what}");
        }
    }

    fn refused(
        &self,
        id: &HeaderValue,
        refusal: Refusal,
        request: &Request<Incoming>,
    ) -> ProxyError {
        self.note(id, &refusal, request, "refused");
        self.metrics.refused(&refusal);
        let route = refusal.rule_name().and_then(|rule| self.routes.get(rule));
        if let Some(route) = route {
            route.counters.refused.inc();
        }
        ProxyError::Refused(refusal)
    }

    /// Forwards a request when it is its turn. What is refused needs no turn,
    /// so that those who may not call can't keep out those who may.
    async fn admitted(
        &self,
        route: &Route,
        admission: &Admission,
        id: &HeaderValue,
        mut request: Request<RequestBody>,
    ) -> Result<Response<RegionBody>, ProxyError> {
        request.body_mut().limit(route.max_body, self.body_timeout)?;
        let place = self.in_flight.enter().await.map_err(|Overloaded| ProxyError::Overloaded)?;
        let mut response = self.forward(route, admission, id, request).await?;
        response.body_mut().hold(place);
        Ok(response)
    }

    /// Sends the request to one region after the other, until it arrives.
    async fn forward(
        &self,
        route: &Route,
        admission: &Admission,
        id: &HeaderValue,
        mut request: Request<RequestBody>,
    ) -> Result<Response<RegionBody>, ProxyError> {
        let service = &*route.service;
        let deadline = Instant::now().checked_add(self.response_timeout);
        let deadline = deadline.ok_or(ProxyError::TimedOut)?;
        let mut tried = Tried::default();
        loop {
            let Some(choice) = service.choose(tried, &*self.clock).await else {
                return Err(match tried.is_empty() {
                    true => ProxyError::NoToken,
                    false => ProxyError::NoRegion,
                });
            };
            if !tried.is_empty() {
                service.retries.inc();
            }
            tried.add(choice.place);
            let to = self.address_of(route, admission, &choice);
            headers::address(request.headers_mut(), &service.token_headers, to);
            match self.attempt(service, &choice, id, request, deadline).await {
                Ok(response) => return Ok(response),
                Err(Failed::Unsent(unsent)) => request = *unsent,
                Err(Failed::Sent(error)) => return Err(error),
            }
        }
    }

    /// The headers that differ from region to region.
    fn address_of<'c>(
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

    async fn attempt(
        &self,
        service: &Service,
        choice: &Choice<'_>,
        id: &HeaderValue,
        request: Request<RequestBody>,
        deadline: Instant,
    ) -> Result<Response<RegionBody>, Failed> {
        let region = choice.region;
        let upload = request.body().upload();
        let response = match timeout_at(deadline, region.pool.send(request)).await {
            Ok(Ok(response)) => response,
            Ok(Err(SendError::Lost(_))) if let Some(fault) = upload.fault() => {
                return Err(Failed::Sent(fault.into()));
            }
            Ok(Err(error)) => return Err(failed(service, region, id, error)),
            Err(_) => {
                region.timed_out(&service.name, id, &upload);
                return Err(Failed::Sent(ProxyError::TimedOut));
            }
        };
        upload.answered();
        region.answered(&service.name);
        self.note_refusal(service, choice, id, &response);
        Ok(answered(response))
    }

    /// A region that refuses the gateway is the operator's affair.
    fn note_refusal(
        &self,
        service: &Service,
        choice: &Choice<'_>,
        id: &HeaderValue,
        response: &Response<RegionBody>,
    ) {
        let (status, region) = (response.status(), choice.region);
        if !front_end::is_refusal(status, response.headers()) || !region.may_warn(self.clock.now())
        {
            return;
        }
        let host = region.host.to_str().unwrap_or_default();
        warn!(
            request_id = shown(id),
            service = &*service.name,
            region = &*region.name,
            status = status.as_u16(),
            audience = choice.token.audience(),
            likely_cause = front_end::likely_cause(status),
            command = front_end::invoker_command(host, choice.token.account()),
            "it looks as if the region's front end refused the gateway's token",
        );
    }
}

/// Whose doing it is that there is no answer.
fn failed(service: &Service, region: &Region, id: &HeaderValue, error: SendError) -> Failed {
    match error {
        SendError::Unsent(request, error) => {
            region.unreachable(&service.name, id, &error);
            Failed::Unsent(request)
        }
        // Whom hyper calls the user is here the caller, whose body it is.
        SendError::Lost(error) if error.is_user() => {
            debug!(request_id = shown(id), "the caller broke the request off");
            Failed::Sent(ProxyError::CallerGone)
        }
        SendError::Lost(error) => {
            region.lost(&service.name, id, &error);
            Failed::Sent(ProxyError::Lost)
        }
    }
}

impl Route {
    fn count(&self, result: &Result<Response<RegionBody>, ProxyError>) {
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
