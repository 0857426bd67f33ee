//! What time it is, for the emulator: the machine's time or a test's.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use remint_idtoken::UnixTime;
pub use remint_idtoken::{Clock, SystemClock};

/// A clock that stands still until it is set.
#[derive(Debug)]
pub struct ManualClock(AtomicU64);

impl ManualClock {
    /// A clock that shows this time.
    #[must_use]
    pub fn new(now: UnixTime) -> Self {
        Self(AtomicU64::new(now.0))
    }

    /// Sets it, forward or back.
    pub fn set(&self, now: UnixTime) {
        self.0.store(now.0, Ordering::Relaxed);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> UnixTime {
        UnixTime(self.0.load(Ordering::Relaxed))
    }
}

/// Another clock, ahead of it or behind by as much as is set.
pub(crate) struct OffsetClock {
    clock: Arc<dyn Clock>,
    seconds: Arc<AtomicI64>,
}

impl OffsetClock {
    /// A clock that is ahead of `clock` by `seconds`.
    pub(crate) fn new(clock: Arc<dyn Clock>, seconds: Arc<AtomicI64>) -> Self {
        Self { clock, seconds }
    }
}

impl Clock for OffsetClock {
    fn now(&self) -> UnixTime {
        let offset = self.seconds.load(Ordering::Relaxed);
        UnixTime(self.clock.now().0.saturating_add_signed(offset))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offset_moves_a_clock_either_way_and_not_past_the_beginning_of_time() {
        let seconds = Arc::new(AtomicI64::new(0));
        let clock = Arc::new(ManualClock::new(UnixTime(100)));
        let ours = OffsetClock::new(clock.clone(), Arc::clone(&seconds));
        for (offset, now) in [(0, 100), (30, 130), (-30, 70), (-200, 0)] {
            seconds.store(offset, Ordering::Relaxed);
            assert_eq!(ours.now(), UnixTime(now));
        }
        clock.set(UnixTime(300));
        assert_eq!(ours.now(), UnixTime(100));
    }
}
