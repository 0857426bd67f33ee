//! How much memory the bodies that are held may take together.

use prometheus_client::metrics::gauge::Gauge;

/// The bytes of all held bodies. The figure that is shown is the one that is
/// gone by.
pub(crate) struct ReplayMemory {
    held: Gauge,
    limit: i64,
}

impl ReplayMemory {
    pub(crate) fn new(limit: usize, held: Gauge) -> Self {
        Self { held, limit: i64::try_from(limit).unwrap_or(i64::MAX) }
    }

    /// Takes so many bytes. False if there are not as many left.
    pub(crate) fn take(&self, bytes: usize) -> bool {
        let Ok(bytes) = i64::try_from(bytes) else { return false };
        let before = self.held.inc_by(bytes);
        let fits = before.saturating_add(bytes) <= self.limit;
        if !fits {
            self.held.dec_by(bytes);
        }
        fits
    }

    /// Gives back what was taken.
    pub(crate) fn give_back(&self, bytes: usize) {
        self.held.dec_by(i64::try_from(bytes).unwrap_or_default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_is_taken_than_there_is_and_what_comes_back_can_be_taken_again() {
        let held = Gauge::default();
        let memory = ReplayMemory::new(10, held.clone());
        assert!(memory.take(6) && !memory.take(5) && memory.take(4));
        assert!(!memory.take(1) && !memory.take(usize::MAX));
        memory.give_back(4);
        assert_eq!(held.get(), 6);
        assert!(memory.take(4));
    }
}
