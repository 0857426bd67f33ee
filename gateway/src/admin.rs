//! Health and metrics, on a listener of their own.

use std::sync::atomic::Ordering;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;

use crate::balance::Member;
use crate::gateway::Gateway;

/// The format of the figures (OpenMetrics 1.0).
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const PLAIN: &str = "text/plain; charset=utf-8";

/// Answers a request to the admin listener.
pub(crate) fn answer<B>(gateway: &Gateway, request: &Request<B>) -> Response<Full<Bytes>> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return text(StatusCode::METHOD_NOT_ALLOWED, PLAIN, "only GET\n".into());
    }
    match request.uri().path() {
        "/healthz" => text(StatusCode::OK, PLAIN, "ok\n".into()),
        "/readyz" => ready(&gateway.missing()),
        "/metrics" => text(StatusCode::OK, OPEN_METRICS, metrics(gateway)),
        _ => {
            let pages = "there are /healthz, /readyz and /metrics\n";
            text(StatusCode::NOT_FOUND, PLAIN, pages.into())
        }
    }
}

fn ready(missing: &[String]) -> Response<Full<Bytes>> {
    match missing {
        [] => text(StatusCode::OK, PLAIN, "ready\n".into()),
        missing => {
            let lines = missing.join("\n");
            text(StatusCode::SERVICE_UNAVAILABLE, PLAIN, format!("not ready\n{lines}\n"))
        }
    }
}

/// Which regions are left alone is looked up when it is asked for.
fn metrics(gateway: &Gateway) -> String {
    let now = std::time::Instant::now();
    let time = gateway.proxy.clock.now();
    for service in &gateway.services {
        let panics = service.balancer.is_panicking(service.with_token(time), now);
        service.counters.panic.set(panics.into());
        for region in &service.regions {
            let member = region.member();
            let is_ejected = member.is_some_and(|it| it.is_ejected(now));
            region.counters.ejected.set(is_ejected.into());
            region.counters.in_flight.set(member.map_or(0, Member::in_flight).into());
        }
    }
    gateway.proxy.metrics.text()
}

fn text(status: StatusCode, kind: &'static str, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    let kind = HeaderValue::from_static(kind);
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

impl Gateway {
    /// What keeps the gateway from doing its work, one line each.
    pub(crate) fn missing(&self) -> Vec<String> {
        let mut missing = Vec::new();
        if self.is_draining.load(Ordering::Relaxed) {
            missing.push("stopping".to_owned());
        }
        for issuer in self.proxy.keyring.without_keys() {
            missing.push(format!("no keys of the issuer {issuer}"));
        }
        let now = self.proxy.clock.now();
        for service in self.services.iter().filter(|it| !it.has_token(now)) {
            missing.push(format!("no token for any region of {}", service.name));
        }
        missing
    }
}
