//! How long ago something was, for connections that may have died unnoticed.

use std::time::Duration;

use remint_idtoken::UnixTime;
use tokio::time::Instant;

use crate::clock::Clock;

/// A moment by two clocks. A process that was frozen wakes up with dead
/// connections, and its monotonic clock may not have noticed; the time of day
/// has, but it can be set back.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    of_day: UnixTime,
    running: Instant,
}

impl Moment {
    pub(super) fn now(clock: &dyn Clock) -> Self {
        Self { of_day: clock.now(), running: Instant::now() }
    }

    /// Whether `span` has passed since `earlier` by either clock. If the time
    /// of day was set back in between, nobody knows how long it was: then it
    /// has.
    pub(super) fn is_past(self, earlier: Self, span: Duration) -> bool {
        self.of_day < earlier.of_day
            || self.of_day.since(earlier.of_day) >= span
            || self.running.saturating_duration_since(earlier.running) >= span
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::test::TestClock;
    use tokio::time::advance;

    const SPAN: Duration = Duration::from_secs(30);

    #[tokio::test(start_paused = true)]
    async fn time_passes_by_either_clock() {
        let clock = TestClock::new();
        let start = Moment::now(&clock);
        advance(SPAN.saturating_sub(Duration::from_secs(1))).await;
        assert!(!Moment::now(&clock).is_past(start, SPAN));
        advance(Duration::from_secs(1)).await;
        assert!(Moment::now(&clock).is_past(start, SPAN));
        let start = Moment::now(&clock);
        clock.jump(SPAN);
        assert!(Moment::now(&clock).is_past(start, SPAN), "a freeze");
    }

    #[tokio::test(start_paused = true)]
    async fn a_clock_that_was_set_back_does_not_make_anything_younger() {
        let clock = TestClock::new();
        let start = Moment::now(&clock);
        clock.set_back(Duration::from_secs(3600));
        assert!(Moment::now(&clock).is_past(start, SPAN));
        let start = Moment::now(&clock);
        assert!(!Moment::now(&clock).is_past(start, SPAN));
    }
}
