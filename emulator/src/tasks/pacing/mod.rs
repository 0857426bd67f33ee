//! When a queue may dispatch what: due times, the token bucket, the limit of
//! dispatches at once, and the slowing down after 429 and 503. Without clock
//! and without I/O: whoever asks says what time it is, as the time since some
//! beginning.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

/// How fast a queue dispatches (Cloud Tasks API, `RateLimits`).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RateLimits {
    /// The highest rate, in dispatches per second: above 0, at most 500.
    pub max_dispatches_per_second: f64,
    /// How many may be under way at once: 1 to 5000.
    pub max_concurrent_dispatches: u32,
}

impl Default for RateLimits {
    /// The defaults of gcloud's queues (Cloud Tasks, "Configure queues").
    fn default() -> Self {
        Self { max_dispatches_per_second: 500.0, max_concurrent_dispatches: 1000 }
    }
}

impl RateLimits {
    /// How many tasks can be dispatched in one go. "Cloud Tasks will pick the
    /// value based on the value of `max_dispatches_per_second`", without a
    /// documented formula: this one gives the values that are seen at either
    /// end, 10 and 100.
    #[must_use]
    pub fn max_burst_size(&self) -> u32 {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it is within 10 and 100"
        )]
        let burst = (self.max_dispatches_per_second / 5.0).ceil().clamp(10.0, 100.0) as u32;
        burst
    }
}

/// How often the rate is halved at most.
const MOST_HALVINGS: u32 = 6;

/// What a queue may do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Dispatch this task.
    Dispatch(u64),
    /// Nothing before that time.
    At(Duration),
    /// Nothing before something changes.
    Nothing,
}

/// The tasks that wait, and the limits.
#[derive(Debug)]
pub(super) struct Pacing {
    limits: RateLimits,
    is_paused: bool,
    tokens: f64,
    filled_at: Duration,
    halvings: u32,
    under_way: u32,
    waiting: BTreeSet<(Duration, u64)>,
    forced: VecDeque<u64>,
}

impl Pacing {
    /// Nothing waits, and the bucket is full.
    pub(super) fn new(limits: RateLimits) -> Self {
        Self {
            limits,
            is_paused: false,
            tokens: f64::from(limits.max_burst_size()),
            filled_at: Duration::ZERO,
            halvings: 0,
            under_way: 0,
            waiting: BTreeSet::new(),
            forced: VecDeque::new(),
        }
    }

    pub(super) fn limits(&self) -> RateLimits {
        self.limits
    }

    pub(super) fn set_limits(&mut self, now: Duration, limits: RateLimits) {
        self.fill(now);
        self.limits = limits;
        self.tokens = self.tokens.min(f64::from(limits.max_burst_size()));
    }

    pub(super) fn is_paused(&self) -> bool {
        self.is_paused
    }

    pub(super) fn pause(&mut self, is_paused: bool) {
        self.is_paused = is_paused;
    }

    /// Lets a task wait until it is due.
    pub(super) fn add(&mut self, due: Duration, id: u64) {
        self.waiting.insert((due, id));
    }

    /// Takes a waiting task out.
    pub(super) fn remove(&mut self, due: Duration, id: u64) {
        self.waiting.remove(&(due, id));
        self.forced.retain(|it| *it != id);
    }

    /// Dispatches a task next, whatever the limits say, also in a paused queue
    /// (`RunTask`).
    pub(super) fn force(&mut self, id: u64) {
        self.forced.push_back(id);
    }

    /// What to do now. What is dispatched counts as under way.
    pub(super) fn next(&mut self, now: Duration) -> Next {
        if let Some(id) = self.forced.pop_front() {
            self.under_way = self.under_way.saturating_add(1);
            return Next::Dispatch(id);
        }
        let Some(&(due, id)) = self.waiting.first() else {
            return Next::Nothing;
        };
        if self.is_paused || self.under_way >= self.limits.max_concurrent_dispatches {
            return Next::Nothing;
        }
        if due > now {
            return Next::At(due);
        }
        self.fill(now);
        if self.tokens < 1.0 {
            let wait = Duration::try_from_secs_f64((1.0 - self.tokens) / self.rate());
            // Rounded up: at that time there is a whole token.
            let wait = wait.unwrap_or(Duration::MAX).saturating_add(Duration::from_micros(1));
            return Next::At(now.saturating_add(wait));
        }
        self.tokens -= 1.0;
        self.waiting.pop_first();
        self.under_way = self.under_way.saturating_add(1);
        Next::Dispatch(id)
    }

    /// A dispatch has come to its end.
    pub(super) fn end(&mut self) {
        self.under_way = self.under_way.saturating_sub(1);
    }

    /// Halves the rate, down to a sixty-fourth: a target has said that it is
    /// called too often.
    pub(super) fn slow(&mut self, now: Duration) {
        self.fill(now);
        self.halvings = self.halvings.saturating_add(1).min(MOST_HALVINGS);
    }

    /// Takes back one halving: a target has done its work.
    pub(super) fn quicken(&mut self, now: Duration) {
        self.fill(now);
        self.halvings = self.halvings.saturating_sub(1);
    }

    fn rate(&self) -> f64 {
        self.limits.max_dispatches_per_second / f64::from(1_u32 << self.halvings.min(MOST_HALVINGS))
    }

    fn fill(&mut self, now: Duration) {
        let passed = now.saturating_sub(self.filled_at);
        let filled = self.tokens + passed.as_secs_f64() * self.rate();
        self.tokens = filled.min(f64::from(self.limits.max_burst_size()));
        self.filled_at = self.filled_at.max(now);
    }
}

#[cfg(test)]
mod tests;
