//! Whether the budget of retries does what it says, counted by another way.

use std::collections::VecDeque;
use std::ops::AddAssign;
use std::time::Instant;

use crate::config::RetryBudget;
use crate::retry::{Budget, Case, Verdict, decide};

/// The budget's own window, in seconds.
const WINDOW: u64 = 10;
/// Ratios are eighths: numbers that a float holds exactly.
const EIGHTHS: u64 = 8;

/// How many retries were decided on.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tally {
    /// Taken from the budget.
    pub(super) granted: u64,
    /// Counted by it, but not up to it.
    pub(super) free: u64,
    /// Refused by it.
    pub(super) refused: u64,
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.granted += other.granted;
        self.free += other.free;
        self.refused += other.refused;
    }
}

/// Requests and retries of the last seconds.
pub(super) struct Retries {
    eighths: u64,
    per_second: u32,
    requests: VecDeque<u64>,
    retries: VecDeque<u64>,
    pub(super) tally: Tally,
}

impl Retries {
    pub(super) fn new(eighths: u64, per_second: u32) -> Self {
        let (requests, retries) = Default::default();
        Self { eighths, per_second, requests, retries, tally: Tally::default() }
    }

    pub(super) fn settings(&self) -> RetryBudget {
        let ratio = self.eighths as f64 / EIGHTHS as f64;
        RetryBudget { ratio, min_per_second: self.per_second }
    }

    pub(super) fn request(&mut self, budget: &Budget, (now, second): (Instant, u64)) {
        budget.note_request(now);
        self.requests.push_back(second);
    }

    /// Decides, and checks the decision.
    pub(super) fn may_retry(
        &mut self,
        case: Case,
        budget: &Budget,
        (now, second): (Instant, u64),
    ) -> bool {
        for events in [&mut self.requests, &mut self.retries] {
            while events.front().is_some_and(|at| at + WINDOW <= second) {
                events.pop_front();
            }
        }
        let [requests, retries] =
            [&self.requests, &self.retries].map(|it| u64::try_from(it.len()).unwrap());
        let allowed = requests * self.eighths / EIGHTHS + u64::from(self.per_second) * WINDOW;
        let verdict = decide(case, budget, now);
        let is_free = case.cause.is_unprocessed();
        match verdict {
            Verdict::Again(_) if is_free => self.tally.free += 1,
            Verdict::Again(_) => {
                assert!(retries < allowed, "{retries} retries of {allowed}, and one more");
                assert!(case.is_harmless, "it could be processed twice");
                self.tally.granted += 1;
            }
            Verdict::OverBudget => {
                assert!(!is_free && retries >= allowed, "{retries} retries of {allowed}, no more");
                self.tally.refused += 1;
            }
            Verdict::Over | Verdict::NotHeld => {}
        }
        let is_allowed = matches!(verdict, Verdict::Again(_));
        if is_allowed {
            assert!(case.made < case.attempts);
            self.retries.push_back(second);
        }
        is_allowed
    }
}
