//! Figures for Prometheus. Counters that requests touch are looked up once:
//! a look-up locks.

#[cfg(test)]
mod drift;
mod handles;
mod labels;
mod log_lines;

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use remint_idtoken::{Reason, Refusal, UnixTime};

pub(crate) use handles::{
    MintCounters, RegionCounters, RequestCounters, RetryCounters, ServiceCounters,
};
use labels::{
    EjectionLabels, IssuerLabels, MintLabels, RefusalLabels, RegionLabels, RegionOutcomeLabels,
    ReloadLabels, RequestLabels, RetriedLabels, RetryLabels, ServiceLabels, VerdictLabels,
    WithheldLabels,
};
use log_lines::LostLines;

use crate::balance::Cause;
use crate::front_end::VERDICTS;
use crate::retry;
use crate::token_store::Looks;

/// All figures.
pub(crate) struct Metrics {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    refusals: Family<RefusalLabels, Counter>,
    reported: Family<RefusalLabels, Counter>,
    attempts: Family<RegionOutcomeLabels, Counter>,
    broken_off: Family<RegionLabels, Counter>,
    retries: Family<RetryLabels, Counter>,
    withheld: Family<WithheldLabels, Counter>,
    retried: Family<RetriedLabels, Counter>,
    replay_bytes: Gauge,
    front_end_refusals: Family<VerdictLabels, Counter>,
    panics: Family<ServiceLabels, Counter>,
    panic: Family<ServiceLabels, Gauge>,
    mints: Family<MintLabels, Counter>,
    token_looks: Looks,
    ejected: Family<RegionLabels, Gauge>,
    token_ends: Family<RegionLabels, Gauge>,
    keys_fetched: Family<IssuerLabels, Gauge>,
    reloads: Family<ReloadLabels, Counter>,
    pub(crate) last_reload_successful: Gauge,
    pub(crate) connections: Gauge,
    pub(crate) in_flight: Gauge,
    pub(crate) queued: Gauge,
    ejections: Family<EjectionLabels, Counter>,
    region_in_flight: Family<RegionLabels, Gauge>,
    response_time: Family<RegionLabels, Histogram, fn() -> Histogram>,
}

/// Limits in seconds: from a cache's answer to a handler that works for minutes.
const RESPONSE_TIMES: [f64; 12] =
    [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0, 120.0];

fn response_times() -> Histogram {
    Histogram::new(RESPONSE_TIMES)
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("remint"),
            requests: Family::default(),
            refusals: Family::default(),
            reported: Family::default(),
            attempts: Family::default(),
            retries: Family::default(),
            withheld: Family::default(),
            retried: Family::default(),
            replay_bytes: Gauge::default(),
            front_end_refusals: Family::default(),
            broken_off: Family::default(),
            panics: Family::default(),
            panic: Family::default(),
            mints: Family::default(),
            token_looks: Looks::default(),
            ejected: Family::default(),
            token_ends: Family::default(),
            keys_fetched: Family::default(),
            reloads: Family::default(),
            last_reload_successful: Gauge::default(),
            connections: Gauge::default(),
            in_flight: Gauge::default(),
            queued: Gauge::default(),
            ejections: Family::default(),
            region_in_flight: Family::default(),
            response_time: Family::new_with_constructor(response_times),
        };
        metrics.last_reload_successful.set(1);
        metrics.register();
        metrics.register_own();
        metrics.register_balance();
        metrics
    }

    fn register(&mut self) {
        let registry = &mut self.registry;
        let requests = self.requests.clone();
        registry.register("requests", "Requests that a rule was found for", requests);
        let refusals = self.refusals.clone();
        registry.register("refusals", "Requests that the policy did not let through", refusals);
        let reported = self.reported.clone();
        registry.register("reported", "Requests that passed a rule that only reports", reported);
        let attempts = self.attempts.clone();
        registry.register("attempts", "Requests sent to a region, or tried to", attempts);
        let broken_off = self.broken_off.clone();
        let help = "Answers that a region began and did not end";
        registry.register("answers_broken_off", help, broken_off);
        let retries = self.retries.clone();
        registry.register("retries", "Attempts after the first one of a request", retries);
        let withheld = self.withheld.clone();
        let help = "Attempts that were not made: for the budget, or for a body that was not held";
        registry.register("retries_withheld", help, withheld);
        let retried = self.retried.clone();
        registry.register("retried_requests", "Requests with more than one attempt", retried);
        let help = "Bytes of requests' bodies that are held to be sent again";
        registry.register("replay_bytes", help, self.replay_bytes.clone());
        let refusals = self.front_end_refusals.clone();
        let help = "Answers with which a region's front end refused the gateway";
        registry.register("front_end_refusals", help, refusals);
        let mints = self.mints.clone();
        registry.register("mints", "Attempts to get a token for a region", mints);
        let ends = self.token_ends.clone();
        let help = "When the token for a region ends; 0 while there is none";
        registry.register("token_expiry_timestamp_seconds", help, ends);
        let fetched = self.keys_fetched.clone();
        let help = "When an issuer's keys were fetched last; 0 if never";
        registry.register("keys_fetch_timestamp_seconds", help, fetched);
        let looks = self.token_looks.clone();
        let hits = "Callers' tokens that were found among the remembered ones";
        registry.register("remembered_tokens", hits, looks.hits);
        let misses = "Callers' tokens that were not, and were verified from the start";
        registry.register("unknown_tokens", misses, looks.misses);
    }

    /// What the choice of regions tells.
    fn register_balance(&mut self) {
        let registry = &mut self.registry;
        let ejected = self.ejected.clone();
        registry.register("region_ejected", "1 while a region is left alone", ejected);
        let ejections = self.ejections.clone();
        registry.register("ejections", "How often a region was left alone", ejections);
        let in_flight = self.region_in_flight.clone();
        registry.register("region_in_flight", "Requests under way in a region", in_flight);
        let help = "Time from an attempt to its answer's head";
        registry.register("region_response_seconds", help, self.response_time.clone());
        let panic = self.panic.clone();
        let help = "1 while so few regions are left that ejected ones are used too";
        registry.register("service_panic", help, panic);
        let panics = self.panics.clone();
        registry.register("panic_choices", "Attempts for which ejections were ignored", panics);
    }

    fn register_own(&mut self) {
        let registry = &mut self.registry;
        let reloads = self.reloads.clone();
        registry.register("config_reloads", "Configurations that were read again", reloads);
        let help = "1 unless the newest configuration is wrong";
        let successful = self.last_reload_successful.clone();
        registry.register("config_last_reload_successful", help, successful);
        let connections = self.connections.clone();
        registry.register("connections", "Connections from callers", connections);
        let in_flight = self.in_flight.clone();
        registry.register("requests_in_flight", "Requests that are being forwarded", in_flight);
        let queued = self.queued.clone();
        registry.register("requests_queued", "Requests that wait for their turn", queued);
        registry.register_collector(Box::new(LostLines));
    }

    /// Counts a configuration that was read again.
    pub(crate) fn reloaded(&self, is_applied: bool) {
        let outcome = if is_applied { "applied" } else { "rejected" };
        self.reloads.get_or_create(&ReloadLabels { outcome }).inc();
        self.last_reload_successful.set(i64::from(is_applied));
    }

    /// No gauge tells of the region any more.
    pub(crate) fn forget_region(&self, service: &str, region: &str) {
        let labels = RegionLabels { service: service.to_owned(), region: region.to_owned() };
        self.ejected.remove(&labels);
        self.token_ends.remove(&labels);
        self.region_in_flight.remove(&labels);
    }

    /// Says when the issuers' keys were fetched last, and tells of no issuer else:
    /// an old one's figure would stand still and look like an outage.
    pub(crate) fn keys<'i>(&self, all: impl Iterator<Item = (&'i str, Option<UnixTime>)>) {
        self.keys_fetched.clear();
        for (issuer, fetched_at) in all {
            let labels = IssuerLabels { issuer: issuer.to_owned() };
            self.keys_fetched.get_or_create(&labels).set(seconds(fetched_at));
        }
    }

    /// No gauge tells of the service any more.
    pub(crate) fn forget_service(&self, service: &str) {
        self.panic.remove(&ServiceLabels { service: service.to_owned() });
    }

    /// The outcomes of one rule's requests.
    pub(crate) fn requests(&self, service: &str, rule: &str) -> RequestCounters {
        let counter = |outcome| {
            let labels =
                RequestLabels { service: service.to_owned(), rule: rule.to_owned(), outcome };
            self.requests.get_or_create_owned(&labels)
        };
        RequestCounters {
            by_class: handles::CLASSES.map(counter),
            refused: counter("refused"),
            no_token: counter("no_token"),
            no_region: counter("no_region"),
            lost: counter("connection_lost"),
            caller_gone: counter("caller_gone"),
            timed_out: counter("timeout"),
            overloaded: counter("overloaded"),
            too_large: counter("body_too_large"),
            too_slow: counter("body_too_slow"),
        }
    }

    /// Counts a refusal. It is looked up each time: refusals are many only
    /// under attack, and readers of the table do not lock each other out.
    pub(crate) fn refused(&self, refusal: &Refusal) {
        self.refusals.get_or_create(&refusal.into()).inc();
    }

    /// How many were refused before a rule was found for them.
    pub(crate) fn refused_without_rule(&self) -> u64 {
        let count = |reason: &Reason| self.refusals.get(&(&Refusal::from(*reason)).into());
        let counts = Reason::ALL.iter().filter_map(count).map(|counter| counter.get());
        counts.fold(0, u64::saturating_add)
    }

    /// Counts a request that passes although it should be refused, because its
    /// rule only reports.
    pub(crate) fn reported(&self, refusal: &Refusal) {
        self.reported.get_or_create(&refusal.into()).inc();
    }

    /// How often the callers' tokens were remembered.
    pub(crate) fn token_looks(&self) -> Looks {
        self.token_looks.clone()
    }

    /// The figures of one region.
    pub(crate) fn region(&self, service: &str, region: &str) -> RegionCounters {
        let labels = |outcome| RegionOutcomeLabels {
            service: service.to_owned(),
            region: region.to_owned(),
            outcome,
        };
        let attempts = |outcome| self.attempts.get_or_create_owned(&labels(outcome));
        let own = RegionLabels { service: service.to_owned(), region: region.to_owned() };
        let ejections = Cause::ALL.map(|cause| {
            let (service, region) = (service.to_owned(), region.to_owned());
            let labels = EjectionLabels { service, region, cause: cause.name() };
            (cause, self.ejections.get_or_create_owned(&labels))
        });
        RegionCounters {
            answered: attempts("answered"),
            unserved: attempts("front_end"),
            unreachable: attempts("unreachable"),
            refused_stream: attempts("refused_stream"),
            lost: attempts("connection_lost"),
            timed_out: attempts("timeout"),
            refused: VERDICTS.map(|(status, reason)| {
                let labels = VerdictLabels {
                    service: service.to_owned(),
                    region: region.to_owned(),
                    status,
                    reason: reason.code(),
                };
                (status, reason, self.front_end_refusals.get_or_create_owned(&labels))
            }),
            broken_off: self.broken_off.get_or_create_owned(&own),
            response_time: self.response_time.get_or_create_owned(&own),
            ejected: self.ejected.get_or_create_owned(&own),
            token_ends: self.token_ends.get_or_create_owned(&own),
            in_flight: self.region_in_flight.get_or_create_owned(&own),
            ejections,
        }
    }

    /// How mintings end.
    pub(crate) fn mints(&self, service: &str, region: &str) -> MintCounters {
        let counter = |outcome, reason: Option<Reason>| {
            self.mints.get_or_create_owned(&MintLabels {
                service: service.to_owned(),
                region: region.to_owned(),
                outcome,
                reason: reason.map_or("", Reason::code),
            })
        };
        MintCounters {
            minted: counter("minted", None),
            failed: counter("failed", None),
            denied: counter("failed", Some(Reason::MintDenied)),
        }
    }

    /// What is counted of requests that are sent again.
    pub(crate) fn retries(&self, service: &str) -> RetryCounters {
        let service = || service.to_owned();
        let withheld = |reason| {
            self.withheld.get_or_create_owned(&WithheldLabels { service: service(), reason })
        };
        let retried = |outcome| {
            self.retried.get_or_create_owned(&RetriedLabels { service: service(), outcome })
        };
        RetryCounters {
            by_cause: retry::Cause::ALL.map(|cause| {
                let labels = RetryLabels { service: service(), cause: cause.name() };
                self.retries.get_or_create_owned(&labels)
            }),
            over_budget: withheld("budget"),
            not_held: withheld("body"),
            answered: retried("answered"),
            failed: retried("failed"),
        }
    }

    /// The bytes of all bodies that are held.
    pub(crate) fn replay_bytes(&self) -> Gauge {
        self.replay_bytes.clone()
    }

    /// The figures of one service as a whole.
    pub(crate) fn service(&self, service: &str) -> ServiceCounters {
        let labels = ServiceLabels { service: service.to_owned() };
        ServiceCounters {
            panics: self.panics.get_or_create_owned(&labels),
            panic: self.panic.get_or_create_owned(&labels),
        }
    }

    /// All figures as text in the format of OpenMetrics.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}

/// A time as a figure; 0 for none.
pub(crate) fn seconds(time: Option<UnixTime>) -> i64 {
    time.map_or(0, |time| i64::try_from(time.0).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_issuer_that_is_there_no_more_has_no_age_of_keys() {
        let metrics = Metrics::new();
        metrics.keys([("google", Some(UnixTime(7))), ("old", None)].into_iter());
        assert!(metrics.text().contains("issuer=\"old\"} 0"));
        metrics.keys([("google", Some(UnixTime(8)))].into_iter());
        let text = metrics.text();
        assert!(text.contains("issuer=\"google\"} 8") && !text.contains("old"), "{text}");
    }

    #[test]
    fn figures_are_told_by_their_names_and_labels() {
        let metrics = Metrics::new();
        let requests = metrics.requests("orders", "push");
        requests.answered(http::StatusCode::NO_CONTENT);
        requests.answered(http::StatusCode::from_u16(999).unwrap());
        metrics.refused(&Reason::NoRule.into());
        metrics.reported(&Reason::TokenMissing.into());
        metrics.retries("orders").again(retry::Cause::Lost);
        metrics.service("orders").panics.inc();
        metrics.region("orders", "us").ejected.set(1);
        metrics.region("orders", "us").ejected_for(Cause::FailureRate);
        metrics.region("orders", "us").response_time.observe(0.02);
        let text = metrics.text();
        for line in [
            r#"remint_requests_total{service="orders",rule="push",outcome="2xx"} 1"#,
            r#"remint_refusals_total{rule="",reason="no_rule"} 1"#,
            r#"remint_reported_total{rule="",reason="token_missing"} 1"#,
            r#"remint_retries_total{service="orders",cause="connection_lost"} 1"#,
            r#"remint_attempts_total{service="orders",region="us",outcome="answered"} 0"#,
            r#"remint_region_ejected{service="orders",region="us"} 1"#,
            r#"remint_ejections_total{service="orders",region="us",cause="failure_rate"} 1"#,
            r#"remint_ejections_total{service="orders",region="us",cause="probes"} 0"#,
            r#"remint_service_panic{service="orders"} 0"#,
            r#"remint_region_response_seconds_bucket{le="0.01",service="orders",region="us"} 0"#,
            r#"remint_region_response_seconds_bucket{le="0.025",service="orders",region="us"} 1"#,
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
    }
}
