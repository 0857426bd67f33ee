//! Failures among the requests of a while.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// So many bits for each of the two counts; the window's number has the rest.
const COUNT_BITS: u32 = 20;
const MOST: u64 = (1 << COUNT_BITS) - 1;

/// Counts requests and failures over one window of time after the other, in
/// one word, because every answer is counted.
pub(super) struct Window {
    began_at: Instant,
    word: AtomicU64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Counts {
    pub(super) requests: u64,
    pub(super) failures: u64,
}

impl Window {
    pub(super) fn new(now: Instant) -> Self {
        Self { began_at: now, word: AtomicU64::new(0) }
    }

    /// Counts a request, and tells the counts of its window so far.
    pub(super) fn count(&self, is_failure: bool, length: Duration, now: Instant) -> Counts {
        let number = self.number(length, now);
        let next = |word| pack(number, counted(word, number, is_failure));
        let before =
            self.word.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |word| Some(next(word)));
        let before = before.unwrap_or_else(|word| word);
        counted(before, number, is_failure)
    }

    /// Forgets what was counted.
    pub(super) fn clear(&self) {
        self.word.store(0, Ordering::Relaxed);
    }

    fn number(&self, length: Duration, now: Instant) -> u64 {
        let age = now.saturating_duration_since(self.began_at).as_millis();
        let number = age.checked_div(length.as_millis()).unwrap_or_default();
        // As many of its bits as fit: windows that share a number are years
        // apart.
        u64::try_from(number).unwrap_or_default() & (u64::MAX >> (2 * COUNT_BITS))
    }
}

fn counted(word: u64, number: u64, is_failure: bool) -> Counts {
    let is_same = word >> (2 * COUNT_BITS) == number;
    let so_far = match is_same {
        true => Counts { requests: (word >> COUNT_BITS) & MOST, failures: word & MOST },
        false => Counts::default(),
    };
    let one_more = |count: u64, more: u64| count.saturating_add(more).min(MOST);
    Counts {
        requests: one_more(so_far.requests, 1),
        failures: one_more(so_far.failures, is_failure.into()),
    }
}

fn pack(number: u64, counts: Counts) -> u64 {
    number << (2 * COUNT_BITS) | counts.requests << COUNT_BITS | counts.failures
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_window_counts_for_itself() {
        let (now, length) = (Instant::now(), Duration::from_secs(10));
        let window = Window::new(now);
        let at = |seconds| now + Duration::from_secs(seconds);
        assert_eq!(window.count(true, length, at(0)), Counts { requests: 1, failures: 1 });
        assert_eq!(window.count(false, length, at(9)), Counts { requests: 2, failures: 1 });
        assert_eq!(window.count(false, length, at(10)), Counts { requests: 1, failures: 0 });
        assert_eq!(window.count(true, length, at(500)), Counts { requests: 1, failures: 1 });
        window.clear();
        assert_eq!(window.count(true, length, at(500)), Counts { requests: 1, failures: 1 });
    }

    #[test]
    fn counts_stop_at_their_greatest() {
        let full = Counts { requests: MOST, failures: MOST };
        assert_eq!(counted(pack(7, full), 7, true), full);
    }
}
