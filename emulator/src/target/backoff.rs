//! How long to wait before another attempt.

use std::time::Duration;

/// Waits that first double, then grow by equal steps, up to a longest one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The wait after the first failure.
    pub min: Duration,
    /// The longest wait.
    pub max: Duration,
    /// How often the wait doubles.
    pub max_doublings: u32,
}

impl Backoff {
    /// The wait after that many failures. "A task's retry interval starts at
    /// `min_backoff`, then doubles `max_doublings` times, then increases
    /// linearly, and finally retries at intervals of `max_backoff`" (Cloud Tasks
    /// API, `RetryConfig.max_doublings`; Cloud Scheduler's says the same).
    #[must_use]
    pub fn wait(&self, failures: u32) -> Duration {
        let earlier = failures.saturating_sub(1);
        let doublings = earlier.min(self.max_doublings);
        let steps = earlier.saturating_sub(doublings).saturating_add(1);
        let factor = 1_u32.checked_shl(doublings).unwrap_or(u32::MAX);
        let wait = self.min.saturating_mul(factor).saturating_mul(steps);
        wait.min(self.max)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn waits_are_those_of_google_s_example() {
        let [min, max] = [10, 300].map(Duration::from_secs);
        let backoff = Backoff { min, max, max_doublings: 3 };
        let waits = [1, 2, 3, 4, 5, 6, 7, 8].map(|n| backoff.wait(n).as_secs());
        assert_eq!(waits, [10, 20, 40, 80, 160, 240, 300, 300]);
    }

    proptest! {
        #[test]
        fn waits_stay_within_their_bounds_and_never_shrink(
            min in 1_u64..10_000,
            more in 0_u64..10_000_000,
            max_doublings: u32,
            failures in 1_u32..u32::MAX,
        ) {
            let [min, max] = [min, min + more].map(Duration::from_millis);
            let backoff = Backoff { min, max, max_doublings };
            let wait = backoff.wait(failures);
            prop_assert!((min..=max).contains(&wait));
            prop_assert!(wait <= backoff.wait(failures + 1));
        }
    }
}
