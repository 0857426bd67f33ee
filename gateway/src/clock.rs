//! What time it is, for the gateway: the machine's time or a test's.

pub use remint_idtoken::{Clock, SystemClock};

#[cfg(test)]
pub(crate) mod test {
    use super::Clock;
    use remint_idtoken::UnixTime;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::Duration;
    use tokio::time::Instant;

    /// Follows tokio's clock, which tests pause and advance, and can jump as
    /// the time of day does when a process was frozen.
    pub(crate) struct TestClock {
        started: Instant,
        jumped: AtomicU64,
        set_back: AtomicU64,
    }

    pub(crate) const START: UnixTime = UnixTime(1_790_000_000);

    impl TestClock {
        pub(crate) fn new() -> Self {
            Self { started: Instant::now(), jumped: AtomicU64::new(0), set_back: AtomicU64::new(0) }
        }

        pub(crate) fn jump(&self, by: Duration) {
            self.jumped.fetch_add(by.as_secs(), Ordering::SeqCst);
        }

        pub(crate) fn set_back(&self, by: Duration) {
            self.set_back.fetch_add(by.as_secs(), Ordering::SeqCst);
        }
    }

    impl Clock for TestClock {
        fn now(&self) -> UnixTime {
            let jumped = Duration::from_secs(self.jumped.load(Ordering::SeqCst));
            let set_back = Duration::from_secs(self.set_back.load(Ordering::SeqCst));
            START.plus(self.started.elapsed()).plus(jumped).minus(set_back)
        }
    }
}
