//! Health, figures, the state of affairs and the page that shows it, on a
//! listener of their own.

mod explain;
mod facts;
mod guard;
mod headline;
mod lately;
mod page;
mod reasons;
mod refusals;
mod rules;
mod status;

use std::error::Error;
use std::net::IpAddr;

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body::Body;
use http_body_util::Full;
use serde_json::json;

use crate::assertion::KEYS_PATH;
use crate::balance::Member;
use crate::instance::Instance;
use crate::metrics::seconds;
use crate::upstream::asks_for_tunnel;
use explain::{NoQuestion, Question};
use guard::{is_own_fetch, is_own_host, is_own_origin, may_post};
pub(crate) use lately::{Lately, keep_looking};
pub(crate) use refusals::Refusals;
use status::status;

/// The format of the figures (OpenMetrics 1.0).
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const PLAIN: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";
const HTML: &str = "text/html; charset=utf-8";
/// The one path that takes a body.
const EXPLAIN_PATH: &str = "/explain";

/// Answers a request to the admin listener, which is bound to that address.
pub(crate) async fn answer<B>(
    instance: &Instance,
    bound: IpAddr,
    request: Request<B>,
) -> Response<Full<Bytes>>
where
    B: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>>,
{
    if !is_own_host(bound, &request) {
        return page::hardened(to_stranger(instance, &request));
    }
    let answer = match request.uri().path() {
        _ if !is_own_origin(&request) || !is_own_fetch(request.headers()) => foreign(),
        EXPLAIN_PATH => explained(instance, request).await,
        _ => read(instance, &request),
    };
    page::hardened(answer)
}

/// What can only be read.
fn read<B>(instance: &Instance, request: &Request<B>) -> Response<Full<Bytes>> {
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    if !is_read || asks_for_tunnel(request) {
        return not_allowed("GET, HEAD", "only GET\n");
    }
    let path = request.uri().path();
    match path {
        "/healthz" => text(StatusCode::OK, PLAIN, "ok\n".into()),
        "/readyz" => ready(&instance.not_ready()),
        "/metrics" => text(StatusCode::OK, OPEN_METRICS, metrics(instance)),
        "/status" => {
            let query = request.uri().query();
            let told = status(instance, refusals_after(query));
            // People look once; who follows it asks often.
            let shown = if query.is_none() { format!("{told:#}\n") } else { told.to_string() };
            text(StatusCode::OK, JSON, shown)
        }
        "/reasons" => text(StatusCode::OK, HTML, reasons::page()),
        "/reasons.json" => text(StatusCode::OK, JSON, format!("{:#}\n", reasons::json())),
        KEYS_PATH => keys(instance),
        _ => match page::file(path) {
            Some((kind, content)) => text(StatusCode::OK, kind, content.into()),
            None => {
                let pages = format!(
                    "there are /, /healthz, /readyz, /metrics, /status, /reasons, /reasons.json, \
                     {EXPLAIN_PATH} and {KEYS_PATH}\n"
                );
                text(StatusCode::NOT_FOUND, PLAIN, pages)
            }
        },
    }
}

/// The number of the last refusal that is known already: `refusals_after=N`.
fn refusals_after(query: Option<&str>) -> u64 {
    let mut pairs = query.unwrap_or_default().split('&');
    let number = pairs.find_map(|pair| pair.strip_prefix("refusals_after="));
    number.and_then(|number| number.parse().ok()).unwrap_or(0)
}

/// Every check of a request that somebody describes.
async fn explained<B>(instance: &Instance, request: Request<B>) -> Response<Full<Bytes>>
where
    B: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>>,
{
    if request.method() != Method::POST || asks_for_tunnel(&request) {
        return not_allowed("POST", "only POST\n");
    }
    if !may_post(request.headers()) {
        return foreign();
    }
    let question = Question::read(request.into_body()).await;
    match question.and_then(|question| question.answer(&instance.gateway())) {
        Ok(explanation) => text(StatusCode::OK, JSON, format!("{explanation:#}\n")),
        Err(why) => {
            let status = match why {
                NoQuestion::TooLong => StatusCode::PAYLOAD_TOO_LARGE,
                NoQuestion::Incomplete => StatusCode::REQUEST_TIMEOUT,
                _ => StatusCode::BAD_REQUEST,
            };
            text(status, JSON, format!("{}\n", json!({ "error": why.to_string() })))
        }
    }
}

fn not_allowed(methods: &'static str, message: &'static str) -> Response<Full<Bytes>> {
    let mut response = text(StatusCode::METHOD_NOT_ALLOWED, PLAIN, message.into());
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(methods));
    response
}

fn foreign() -> Response<Full<Bytes>> {
    let message = "only this listener's own page and programs may ask, these with JSON\n";
    text(StatusCode::FORBIDDEN, PLAIN, message.into())
}

/// Probes of a platform may name it as they like: they learn how it is, but
/// not why.
fn to_stranger<B>(instance: &Instance, request: &Request<B>) -> Response<Full<Bytes>> {
    match (request.method(), request.uri().path()) {
        (&Method::GET | &Method::HEAD, "/healthz") => text(StatusCode::OK, PLAIN, "ok\n".into()),
        (&Method::GET | &Method::HEAD, "/readyz") if instance.not_ready().is_empty() => ready(&[]),
        (&Method::GET | &Method::HEAD, "/readyz") => {
            text(StatusCode::SERVICE_UNAVAILABLE, PLAIN, "not ready\n".into())
        }
        _ => {
            let message = "ask by an IP address or as localhost\n";
            text(StatusCode::MISDIRECTED_REQUEST, PLAIN, message.into())
        }
    }
}

/// What the main listener publishes too.
fn keys(instance: &Instance) -> Response<Full<Bytes>> {
    match &instance.gateway().proxy.asserter {
        Some(asserter) => asserter.keys_page(),
        None => text(StatusCode::NOT_FOUND, PLAIN, "there are no assertions\n".into()),
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

/// What is not counted as it happens is looked up when it is asked for.
fn metrics(instance: &Instance) -> String {
    let (now, gateway) = (std::time::Instant::now(), instance.gateway());
    let time = gateway.proxy.clock.now();
    for service in &gateway.services {
        let panics = service.balancer.is_panicking(service.with_token(time), now);
        service.counters.panic.set(panics.into());
        for region in &service.regions {
            let member = region.member();
            let is_ejected = member.is_some_and(|it| it.is_ejected(now));
            region.counters.ejected.set(is_ejected.into());
            region.counters.in_flight.set(member.map_or(0, Member::in_flight).into());
            let token = region.token.token(time);
            region.counters.token_ends.set(seconds(token.map(|token| token.expires_at())));
        }
    }
    let (metrics, in_flight) = (&gateway.proxy.metrics, &gateway.proxy.in_flight);
    metrics.keys(gateway.proxy.keyring.status().map(|(issuer, keys)| (issuer, keys.fetched_at)));
    let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
    metrics.connections.set(number(instance.connections.count()));
    metrics.in_flight.set(number(in_flight.under_way()));
    metrics.queued.set(number(in_flight.queued()));
    metrics.text()
}

fn text(status: StatusCode, kind: &'static str, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    let kind = HeaderValue::from_static(kind);
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_the_last_known_refusal_is_read() {
        for (query, number) in [
            (None, 0),
            (Some(""), 0),
            (Some("refusals_after=7"), 7),
            (Some("a=b&refusals_after=12"), 12),
            (Some("refusals_after=x"), 0),
        ] {
            assert_eq!(refusals_after(query), number, "{query:?}");
        }
    }
}
