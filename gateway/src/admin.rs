//! Health, figures and the state of affairs, on a listener of their own.

use std::net::IpAddr;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST};
use http::uri::Authority;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;

use crate::assertion::KEYS_PATH;
use crate::balance::Member;
use crate::instance::Instance;
use crate::metrics::seconds;
use crate::status::status;
use crate::upstream::asks_for_tunnel;

/// The format of the figures (OpenMetrics 1.0).
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const PLAIN: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";

/// Answers a request to the admin listener, which is bound to that address.
pub(crate) fn answer<B>(
    instance: &Instance,
    bound: IpAddr,
    request: &Request<B>,
) -> Response<Full<Bytes>> {
    if !is_own_host(bound, request) {
        return to_stranger(instance, request);
    }
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    if !is_read || asks_for_tunnel(request) {
        return text(StatusCode::METHOD_NOT_ALLOWED, PLAIN, "only GET\n".into());
    }
    match request.uri().path() {
        "/healthz" => text(StatusCode::OK, PLAIN, "ok\n".into()),
        "/readyz" => ready(&instance.not_ready()),
        "/metrics" => text(StatusCode::OK, OPEN_METRICS, metrics(instance)),
        "/status" => text(StatusCode::OK, JSON, format!("{:#}\n", status(instance))),
        KEYS_PATH => keys(instance),
        _ => {
            let pages = format!("there are /healthz, /readyz, /metrics, /status and {KEYS_PATH}\n");
            text(StatusCode::NOT_FOUND, PLAIN, pages)
        }
    }
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

/// Whether the request names this listener, and not a site of somebody else's
/// whose name leads here: a browser would show that site what it reads
/// ("DNS rebinding"). Who names no host is no browser.
fn is_own_host<B>(bound: IpAddr, request: &Request<B>) -> bool {
    let named = match (request.uri().authority(), request.headers().get(HOST)) {
        (Some(authority), _) => Some(authority.clone()),
        (None, None) => return true,
        (None, Some(host)) => host.to_str().ok().and_then(|it| it.parse::<Authority>().ok()),
    };
    let Some(named) = named else {
        return false;
    };
    let host = named.host().trim_start_matches('[').trim_end_matches(']');
    match host.parse::<IpAddr>() {
        // Beyond this machine the addresses of the listener are not all known.
        Ok(ip) => ip.is_loopback() || ip == bound || !bound.is_loopback(),
        Err(_) => host.eq_ignore_ascii_case("localhost"),
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
    for (issuer, keys) in gateway.proxy.keyring.status() {
        metrics.keys_of(issuer, keys.fetched_at);
    }
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

    fn is_let_in(bound: &str, host: &str) -> bool {
        let request = Request::get("/").header(HOST, host).body(()).unwrap();
        is_own_host(bound.parse().unwrap(), &request)
    }

    #[test]
    fn a_foreign_name_that_leads_here_is_refused() {
        for bound in ["127.0.0.1", "0.0.0.0", "10.0.0.7"] {
            for host in ["localhost:8081", "LocalHost", "127.0.0.1:8081", "[::1]:8081"] {
                assert!(is_let_in(bound, host), "{bound} {host}");
            }
            for host in ["evil.example", "localhost.evil.example", "", "a b", "127.0.0.1.x:80"] {
                assert!(!is_let_in(bound, host), "{bound} {host}");
            }
        }
        let absolute = Request::get("http://evil.example/metrics").header(HOST, "localhost");
        assert!(!is_own_host([127, 0, 0, 1].into(), &absolute.body(()).unwrap()));
    }

    #[test]
    fn addresses_of_the_machine_are_let_in_where_the_listener_is_open_to_them() {
        assert!(is_let_in("0.0.0.0", "10.0.0.7:8081"));
        assert!(is_let_in("10.0.0.7", "10.0.0.7"));
        assert!(!is_let_in("127.0.0.1", "10.0.0.7"));
        assert!(is_own_host([127, 0, 0, 1].into(), &Request::get("/").body(()).unwrap()));
    }
}
