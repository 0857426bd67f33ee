//! The time, from outside: whatever expires is tested without waiting.

use std::time::{SystemTime, UNIX_EPOCH};

use remint_idtoken::UnixTime;

/// Tells the time of day. Tokens and keys expire by it, not by a monotonic
/// clock: that one stands still while Cloud Run has the process frozen.
pub trait Clock: Send + Sync + 'static {
    /// Now.
    fn now(&self) -> UnixTime;
}

/// The clock of the machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> UnixTime {
        // A clock before 1970 reads as 1970: no token is valid then.
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        UnixTime(since.map_or(0, |since| since.as_secs()))
    }
}

#[cfg(test)]
pub(crate) mod test {
    use super::{Clock, UnixTime};
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::Duration;
    use tokio::time::Instant;

    /// Follows tokio's clock, which tests pause and advance, and can jump as
    /// the time of day does when a process was frozen.
    pub(crate) struct TestClock {
        started: Instant,
        jumped: AtomicU64,
    }

    pub(crate) const START: UnixTime = UnixTime(1_790_000_000);

    impl TestClock {
        pub(crate) fn new() -> Self {
            Self { started: Instant::now(), jumped: AtomicU64::new(0) }
        }

        pub(crate) fn jump(&self, by: Duration) {
            self.jumped.fetch_add(by.as_secs(), Ordering::SeqCst);
        }
    }

    impl Clock for TestClock {
        fn now(&self) -> UnixTime {
            let jumped = Duration::from_secs(self.jumped.load(Ordering::SeqCst));
            START.plus(self.started.elapsed()).plus(jumped)
        }
    }
}
