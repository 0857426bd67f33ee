//! Figures as those have them who count: looked up once.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use remint_idtoken::Reason;

use crate::balance::Cause;
use crate::front_end::VERDICTS;
use crate::mint::Ended;
use crate::retry;

/// Answers of regions, by the first digit of their status.
pub(super) const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// The statuses with which front ends refuse the gateway.
const STATUSES: [u16; 5] = [302, 401, 403, 404, 429];

/// How the requests of one rule end.
pub(crate) struct RequestCounters {
    pub(super) by_class: [Counter; 5],
    pub(crate) refused: Counter,
    pub(crate) no_token: Counter,
    pub(crate) no_region: Counter,
    pub(crate) lost: Counter,
    pub(crate) caller_gone: Counter,
    pub(crate) timed_out: Counter,
    pub(crate) overloaded: Counter,
    pub(crate) too_large: Counter,
    pub(crate) too_slow: Counter,
}

impl RequestCounters {
    /// Counts an answer of a region.
    pub(crate) fn answered(&self, status: http::StatusCode) {
        let class = usize::from(status.as_u16()).div_euclid(100).saturating_sub(1);
        if let Some(counter) = self.by_class.get(class) {
            counter.inc();
        }
    }

    /// All of them so far, by the names that figures have for them.
    pub(crate) fn by_outcome(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let classes = CLASSES.into_iter().zip(&self.by_class);
        let own = [
            ("refused", &self.refused),
            ("no_token", &self.no_token),
            ("no_region", &self.no_region),
            ("connection_lost", &self.lost),
            ("caller_gone", &self.caller_gone),
            ("timeout", &self.timed_out),
            ("overloaded", &self.overloaded),
            ("body_too_large", &self.too_large),
            ("body_too_slow", &self.too_slow),
        ];
        classes.chain(own).map(|(name, counter)| (name, counter.get()))
    }
}

/// How the attempts at one region end.
pub(crate) struct RegionCounters {
    pub(crate) answered: Counter,
    pub(crate) unreachable: Counter,
    /// Requests that it sent back over a connection that is there.
    pub(crate) refused_stream: Counter,
    pub(crate) lost: Counter,
    pub(crate) timed_out: Counter,
    /// Refusals of its front end, by status and reason.
    pub(super) refused: [(u16, Reason, Counter); VERDICTS.len()],
    /// Answers of Google's front end that it could not serve.
    pub(crate) unserved: Counter,
    /// Answers that it began and did not end.
    pub(crate) broken_off: Counter,
    pub(crate) ejected: Gauge,
    /// When its token ends.
    pub(crate) token_ends: Gauge,
    pub(crate) in_flight: Gauge,
    /// From an attempt to its answer's head, in seconds.
    pub(crate) response_time: Histogram,
    pub(super) ejections: [(Cause, Counter); Cause::ALL.len()],
}

impl RegionCounters {
    /// All attempts so far, by the names that figures have for how they ended.
    /// Those that the front end refused, for the gateway's sake, are among the
    /// answered, and once more by status.
    pub(crate) fn by_outcome(&self) -> impl Iterator<Item = (String, u64)> {
        let all = [
            ("answered", &self.answered),
            ("front_end", &self.unserved),
            ("unreachable", &self.unreachable),
            ("refused_stream", &self.refused_stream),
            ("connection_lost", &self.lost),
            ("timeout", &self.timed_out),
            ("broken_off", &self.broken_off),
        ];
        let named = all.into_iter().map(|(name, counter)| (name.to_owned(), counter.get()));
        named.chain(STATUSES.into_iter().map(|status| {
            let of_it = self.refused.iter().filter(|(it, _, _)| *it == status);
            let count = of_it.map(|(_, _, counter)| counter.get()).fold(0, u64::saturating_add);
            (format!("front_end_{status}"), count)
        }))
    }

    /// Counts a refusal of its front end's.
    pub(crate) fn refused_by_front_end(&self, status: http::StatusCode, reason: Reason) {
        let is_it = |of: &&(u16, Reason, Counter)| of.0 == status.as_u16() && of.1 == reason;
        if let Some((_, _, counter)) = self.refused.iter().find(is_it) {
            counter.inc();
        }
    }

    /// Counts an ejection.
    pub(crate) fn ejected_for(&self, cause: Cause) {
        if let Some((_, counter)) = self.ejections.iter().find(|(it, _)| *it == cause) {
            counter.inc();
        }
    }
}

/// How mintings for one region end.
pub(crate) struct MintCounters {
    pub(super) minted: Counter,
    pub(super) failed: Counter,
    pub(super) denied: Counter,
}

impl MintCounters {
    /// The counter of those that end so.
    pub(crate) fn of(&self, ended: Ended) -> &Counter {
        match ended {
            Ended::Minted => &self.minted,
            Ended::Failed => &self.failed,
            Ended::Denied => &self.denied,
        }
    }
}

/// What concerns a service as a whole.
pub(crate) struct ServiceCounters {
    /// Attempts for which ejections were ignored.
    pub(crate) panics: Counter,
    /// Whether they are now.
    pub(crate) panic: Gauge,
}

/// What becomes of requests whose first attempt came to nothing.
pub(crate) struct RetryCounters {
    pub(super) by_cause: [Counter; retry::Cause::ALL.len()],
    pub(crate) over_budget: Counter,
    pub(crate) not_held: Counter,
    pub(crate) answered: Counter,
    pub(crate) failed: Counter,
}

impl RetryCounters {
    /// Counts an attempt that is made because of this.
    pub(crate) fn again(&self, cause: retry::Cause) {
        if let Some(counter) = self.by_cause.get(cause.place()) {
            counter.inc();
        }
    }
}
