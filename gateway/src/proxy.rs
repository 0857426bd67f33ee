//! One request: verify, choose, mint, forward, answer.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::{HeaderValue, Request, Response};
use hyper::body::Incoming;
use remint_idtoken::{LineBudget, Policy, Refusal, VerifiedToken};
use tracing::{debug, warn};

use crate::attempts::Attempts;
use crate::clock::Clock;
use crate::error::ProxyError;
use crate::headers;
use crate::keys::Keyring;
use crate::metrics::{Metrics, RequestCounters};
use crate::request::{RequestIds, prepared, shown, target};
use crate::retry::{Limits, ReplayMemory};
use crate::service::Service;
use crate::upstream::ResponseBody;

/// All that requests need.
pub(crate) struct Proxy {
    pub(crate) policy: Policy,
    pub(crate) keyring: Arc<Keyring>,
    /// Where the requests of each rule go.
    pub(crate) routes: HashMap<Arc<str>, Route>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) metrics: Metrics,
    /// Where bodies are held.
    pub(crate) replay: Arc<ReplayMemory>,
    pub(crate) ids: RequestIds,
    /// What the log may hold of refusals; the metrics count all.
    pub(crate) lines: Mutex<LineBudget>,
}

/// Where a rule's requests go.
pub(crate) struct Route {
    pub(crate) service: Arc<Service>,
    pub(crate) counters: RequestCounters,
    pub(crate) limits: Limits,
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
            Ok(response) => response,
            Err(error) => error.response(id),
        }
    }

    async fn relay(
        &self,
        peer: &HeaderValue,
        id: &HeaderValue,
        request: Request<Incoming>,
    ) -> Result<Response<ResponseBody>, ProxyError> {
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
        let result = match Attempts::new(self, route, id, &request) {
            Some(attempts) => attempts.run(request).await,
            None => Err(ProxyError::TimedOut),
        };
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
        };
        counter.inc();
    }
}
