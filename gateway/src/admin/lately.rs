//! How many requests were let through, refused and failed lately, by rule.
//!
//! Figures count from the start of the process on. Who asks only now wants to know
//! what has changed within the last minute, so they are looked at now and then.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::gateway::Gateway;
use crate::instance::Instance;

/// How often figures are looked at: what is told of a minute may be of so much
/// more.
const EVERY: Duration = Duration::from_secs(10);
/// How far back they are told of.
pub(super) const LATELY: Duration = Duration::from_secs(60);

/// Requests that ended one way or the other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Count {
    /// Those that the policy let through, whatever became of them.
    pub(crate) passed: u64,
    /// Those that it refused.
    pub(crate) refused: u64,
    /// Those that passed and failed, in the order of [`FAILURES`].
    pub(crate) failed: [u64; FAILURES.len()],
}

/// Outcomes of requests that were let through and not served, as figures have
/// them, and in words.
pub(crate) const FAILURES: [(&str, &str); 6] = [
    ("5xx", "the application answered 5xx"),
    ("no_token", "there was no token for a region"),
    ("no_region", "no region could be reached"),
    ("connection_lost", "connections broke"),
    ("timeout", "there was no answer in time"),
    ("overloaded", "there were too many at once"),
];

impl Count {
    fn add(&mut self, outcome: &str, number: u64) {
        let sum = if outcome == "refused" { &mut self.refused } else { &mut self.passed };
        *sum = sum.saturating_add(number);
        let failed = FAILURES.iter().zip(&mut self.failed).find(|((name, _), _)| *name == outcome);
        if let Some((_, sum)) = failed {
            *sum = sum.saturating_add(number);
        }
    }

    fn since(self, before: Self) -> Self {
        let mut failed = self.failed;
        for (now, then) in failed.iter_mut().zip(before.failed) {
            *now = now.saturating_sub(then);
        }
        Self {
            passed: self.passed.saturating_sub(before.passed),
            refused: self.refused.saturating_sub(before.refused),
            failed,
        }
    }
}

/// Counts by rule; without one, those that no rule is for.
pub(crate) type Counts = HashMap<Option<Arc<str>>, Count>;

/// The counts as they were at several times, the oldest first. Outlives
/// configurations, as the figures do.
#[derive(Debug, Default)]
pub(crate) struct Lately(Mutex<VecDeque<(Instant, Counts)>>);

/// Looks at the figures for as long as the gateway runs.
pub(crate) async fn keep_looking(instance: Arc<Instance>) {
    let mut tick = interval(EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        instance.kept.lately.add(Instant::now(), counts(&instance.gateway()));
    }
}

/// The figures as they are now.
pub(super) fn counts(gateway: &Gateway) -> Counts {
    let rules = gateway.proxy.policy.rules().iter().filter_map(|rule| {
        let counters = &gateway.proxy.routes.get(rule.name())?.counters;
        let mut count = Count::default();
        for (outcome, number) in counters.by_outcome() {
            count.add(outcome, number);
        }
        Some((Some(Arc::clone(rule.name())), count))
    });
    let refused = gateway.proxy.metrics.refused_without_rule();
    rules.chain([(None, Count { refused, ..Count::default() })]).collect()
}

impl Lately {
    fn add(&self, at: Instant, counts: Counts) {
        let mut looks = self.looks();
        looks.push_back((at, counts));
        // One that is old enough to begin with stays.
        while looks.get(1).is_some_and(|(second, _)| at.duration_since(*second) >= LATELY) {
            looks.pop_front();
        }
    }

    /// By how much these have grown since then.
    pub(super) fn grown(&self, mut counts: Counts) -> Counts {
        let looks = self.looks();
        let Some((_, before)) = looks.front() else { return counts };
        for (rule, count) in &mut counts {
            *count = count.since(before.get(rule).copied().unwrap_or_default());
        }
        counts
    }

    fn looks(&self) -> MutexGuard<'_, VecDeque<(Instant, Counts)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(passed: u64, refused: u64) -> Counts {
        let failed = [passed, 0, 0, 0, 0, 0];
        Counts::from([(Some("push".into()), Count { passed, refused, failed })])
    }

    #[test]
    fn outcomes_are_told_apart() {
        let mut count = Count::default();
        for (outcome, number) in [("2xx", 1), ("refused", 2), ("5xx", 4), ("timeout", 8)] {
            count.add(outcome, number);
        }
        assert_eq!(count, Count { passed: 13, refused: 2, failed: [4, 0, 0, 0, 8, 0] });
    }

    #[test]
    fn what_grew_within_the_last_minute_is_told_and_no_more_is_kept() {
        let (lately, start) = (Lately::default(), Instant::now());
        assert_eq!(lately.grown(counts(5, 1)), counts(5, 1), "all of it is new");
        for seconds in (0..=600_u32).step_by(10) {
            let at = start.checked_add(EVERY * (seconds / 10)).unwrap();
            lately.add(at, counts(u64::from(seconds), 0));
        }
        assert_eq!(lately.grown(counts(605, 7)), counts(65, 7));
        assert_eq!(lately.looks().len(), 7);
        let new = Count { passed: 1, refused: 2, ..Count::default() };
        let more = Counts::from([(Some("new".into()), new)]);
        assert_eq!(lately.grown(more.clone()), more);
    }
}
