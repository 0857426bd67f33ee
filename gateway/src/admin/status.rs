//! The state of affairs, for people and for the page: never a token or a key.

use std::time::Instant;

use remint_idtoken::{Reason, UnixTime};
use serde_json::{Value, json};

use super::facts::command;
use super::headline::{Facts, Headline};
use super::rules::of_rules;
use crate::balance::{Cause, Member};
use crate::front_end;
use crate::instance::{History, Instance};
use crate::keys::KeyStatus;
use crate::last_refusal::LastWord;
use crate::service::{Region, Service};

/// All that can be told. Of the refusals, those with a higher number than
/// `after`.
pub(super) fn status(instance: &Instance, after: u64) -> Value {
    let (now, gateway) = (instance.kept.clock.now(), instance.gateway());
    // First, as it may be what ends the start.
    let not_ready = instance.not_ready();
    let in_flight = &gateway.proxy.in_flight;
    let services = gateway.services.iter().map(|service| of_service(service, now));
    let key_sets = gateway.proxy.keyring.status().map(|(issuer, keys)| of_keys(issuer, &keys, now));
    let running = instance.started_at.elapsed();
    json!({
        "headline": Headline::of(&Facts::of(instance)).to_json(),
        "version": env!("CARGO_PKG_VERSION"),
        "now": now.to_string(),
        "uptime_seconds": running.as_secs(),
        "uptime_milliseconds": u64::try_from(running.as_millis()).unwrap_or(u64::MAX),
        "is_draining": instance.is_draining(),
        "not_ready": not_ready,
        "lacking": instance.lacking(),
        "configuration": of_history(&instance.history()),
        "certificate_expires_at": gateway.certificate_ends.map(|it| it.to_string()),
        "connections": instance.connections.count(),
        "requests": { "in_flight": in_flight.under_way(), "queued": in_flight.queued() },
        "services": services.collect::<Vec<_>>(),
        "rules": of_rules(&gateway.proxy),
        "refused_without_rule": gateway.proxy.metrics.refused_without_rule(),
        "refusals": instance.kept.refusals.to_json(after),
        "key_sets": key_sets.collect::<Vec<_>>(),
    })
}

fn of_history(history: &History) -> Value {
    let source = history.source.as_ref();
    json!({
        "file": source.map(|it| &it.file),
        "sha256": source.map(|it| &it.hash),
        "loaded_at": history.loaded_at.to_string(),
        "last_error": history.last_error,
        "needs_restart": history.needs_restart,
    })
}

fn of_service(service: &Service, now: UnixTime) -> Value {
    let regions = service.regions.iter().map(|region| of_region(region, now));
    let panics = service.balancer.is_panicking(service.with_token(now), Instant::now());
    json!({ "name": *service.name, "panic": panics, "regions": regions.collect::<Vec<_>>() })
}

fn of_region(region: &Region, now: UnixTime) -> Value {
    let member = region.member();
    let instant = Instant::now();
    let ejected_for = member.and_then(|it| it.ejected_for(instant));
    let token = region.token.token(now);
    let failure = region.token.last_failure();
    json!({
        "name": *region.name,
        "host": region.host.to_str().unwrap_or_default(),
        "in_flight": member.map(Member::in_flight),
        "is_ejected": member.is_some_and(|it| it.is_ejected(instant)),
        "ejected_until": ejected_for.map(|it| now.plus(it).to_string()),
        "ejection_cause": member.and_then(Member::cause).map(Cause::name),
        "refuses_gateway": of_last_refusal(region, now),
        "attempts": region.counters.by_outcome().collect::<Value>(),
        "token": {
            "audience": region.token.audience(),
            "account": token.as_ref().and_then(|it| it.account()),
            "expires_at": token.as_ref().map(|it| it.expires_at().to_string()),
            "next_attempt_at": region.token.next_at().to_string(),
            "last_error": failure.as_ref().map(|it| &it.error),
            "reason": failure.and_then(|it| it.reason).map(Reason::code),
        },
    })
}

/// The last word of its front end, if that was a refusal of the gateway.
fn of_last_refusal(region: &Region, now: UnixTime) -> Option<Value> {
    let LastWord { status, reason, at } = region.last_refusal.get(now)?;
    Some(json!({
        "status": status,
        "at": at.to_string(),
        "reason": reason.code(),
        "likely_cause": front_end::likely_cause(reason),
        "command": command(region, reason, now),
    }))
}

fn of_keys(issuer: &str, keys: &KeyStatus, now: UnixTime) -> Value {
    json!({
        "issuer": issuer,
        "url": keys.url,
        "key_ids": keys.ids,
        "age_seconds": keys.fetched_at.map(|at| now.since(at).as_secs()),
        "next_fetch_at": keys.next_at.to_string(),
        "last_error": keys.last_error,
    })
}
