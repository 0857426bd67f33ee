//! One request: verify, choose, mint, forward, answer.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::{HeaderValue, Request, Response};
use hyper::body::Incoming;
use remint_idtoken::{LineBudget, Policy, Refusal, VerifiedToken};
use tokio::time::{Instant, timeout_at};
use tracing::{debug, warn};

use crate::clock::Clock;
use crate::error::ProxyError;
use crate::front_end;
use crate::headers;
use crate::keys::Keyring;
use crate::metrics::{Metrics, RequestCounters};
use crate::request::{RequestIds, answered, prepared, shown, target};
use crate::service::{Choice, Region, Service, Tried};
use crate::upstream::{RegionBody, RequestBody, ResponseBody, SendError};

/// All that requests need.
pub(crate) struct Proxy {
    pub(crate) policy: Policy,
    pub(crate) keyring: Arc<Keyring>,
    /// Where the requests of each rule go.
    pub(crate) routes: HashMap<Arc<str>, Route>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) metrics: Metrics,
    pub(crate) response_timeout: Duration,
    pub(crate) ids: RequestIds,
    /// What the log may hold of refusals; the metrics count all.
    pub(crate) lines: Mutex<LineBudget>,
}

/// Where a rule's requests go.
pub(crate) struct Route {
    pub(crate) service: Arc<Service>,
    pub(crate) counters: RequestCounters,
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
        request: Request<Incoming>,
    ) -> Response<ResponseBody> {
        let id = self.ids.of(request.headers());
        match self.relay(peer, &id, request).await {
            Ok(response) => response.map(ResponseBody::Region),
            Err(error) => error.response(id),
        }
    }

    async fn relay(
        &self,
        peer: &HeaderValue,
        id: &HeaderValue,
        request: Request<Incoming>,
    ) -> Result<Response<RegionBody>, ProxyError> {
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
        let mut request = prepared(request, peer, id);
        headers::remove_places(request.headers_mut(), &admission.rule().places());
        let result = self.forward(&route.service, id, request).await;
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

    /// Sends the request to one region after the other, until it arrives.
    async fn forward(
        &self,
        service: &Service,
        id: &HeaderValue,
        mut request: Request<RequestBody>,
    ) -> Result<Response<RegionBody>, ProxyError> {
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
            match self.attempt(service, &choice, id, request, deadline).await {
                Ok(response) => return Ok(response),
                Err(Failed::Unsent(unsent)) => request = *unsent,
                Err(Failed::Sent(error)) => return Err(error),
            }
        }
    }

    async fn attempt(
        &self,
        service: &Service,
        choice: &Choice<'_>,
        id: &HeaderValue,
        mut request: Request<RequestBody>,
        deadline: Instant,
    ) -> Result<Response<RegionBody>, Failed> {
        let region = choice.region;
        headers::address(request.headers_mut(), region.host.clone(), choice.token.header());
        let upload = request.body().upload();
        let response = match timeout_at(deadline, region.pool.send(request)).await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => return Err(failed(service, region, id, error)),
            Err(_) => {
                region.timed_out(&service.name, id, &upload);
                return Err(Failed::Sent(ProxyError::TimedOut));
            }
        };
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
        SendError::Lost(error) if error.is_callers() => {
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
        };
        counter.inc();
    }
}
