//! What became of a subscription's messages.

use tokio::sync::watch;

/// How many of a subscription's messages fared how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Those published since it was created.
    pub published: u64,
    /// Those that an endpoint acknowledged.
    pub delivered: u64,
    /// Those that went to the dead-letter topic.
    pub dead_lettered: u64,
    /// Those that were dropped when they had been kept long enough.
    pub expired: u64,
    /// The attempts that ended without an acknowledgement.
    pub failed_attempts: u64,
}

impl Counters {
    /// Those of which nothing has become yet.
    #[must_use]
    pub fn outstanding(&self) -> u64 {
        let ended = self.delivered.saturating_add(self.dead_lettered).saturating_add(self.expired);
        self.published.saturating_sub(ended)
    }

    pub(super) fn publish(&mut self) {
        self.published = self.published.saturating_add(1);
    }

    pub(super) fn deliver(&mut self) {
        self.delivered = self.delivered.saturating_add(1);
    }

    pub(super) fn fail(&mut self) {
        self.failed_attempts = self.failed_attempts.saturating_add(1);
    }

    pub(super) fn bury(&mut self) {
        self.dead_lettered = self.dead_lettered.saturating_add(1);
    }

    pub(super) fn expire(&mut self) {
        self.expired = self.expired.saturating_add(1);
    }
}

/// A subscription's counters, which outlive it.
#[derive(Clone, Debug)]
pub struct Deliveries(watch::Receiver<Counters>);

impl Deliveries {
    pub(super) fn new(counters: watch::Receiver<Counters>) -> Self {
        Self(counters)
    }

    /// As they are now.
    #[must_use]
    pub fn counters(&self) -> Counters {
        *self.0.borrow()
    }

    /// Waits until they are like this. None if the subscription was deleted
    /// before.
    pub async fn wait_for(&mut self, like: impl Fn(&Counters) -> bool) -> Option<Counters> {
        self.0.wait_for(|it| like(it)).await.ok().map(|it| *it)
    }
}
