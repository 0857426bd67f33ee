//! How many requests may be sent again, so that retries can't double an outage.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use crate::config::RetryBudget;

/// The past that counts, in seconds: as Finagle has it
/// (`RetryBudget.apply`, `ttl`), from which linkerd took it.
const WINDOW: u32 = 10;
/// One slot for each of its seconds.
const SLOTS: usize = 10;

/// What one service's requests of the last ten seconds allow: retries up to
/// `ratio` of their number, and `min_per_second` beside that, so that a
/// service with few requests can retry too.
pub(crate) struct Budget {
    settings: RetryBudget,
    began: Instant,
    /// Requests by second: the second in the upper half of a word, the number
    /// in the lower. Every request is counted here, so there is no lock.
    requests: [AtomicU64; SLOTS],
    /// Retries are few, and a lock makes taking exact.
    retries: Mutex<[Slot; SLOTS]>,
}

/// A retry that was taken, and its second.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Charge(u32);

#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    second: u32,
    count: u64,
}

impl Slot {
    fn of(word: u64) -> Self {
        let second = u32::try_from(word >> 32).unwrap_or_default();
        Self { second, count: word & u64::from(u32::MAX) }
    }

    /// Its count, if its second is one of the last ten.
    fn recent(self, now: u32) -> u64 {
        if now.saturating_sub(self.second) < WINDOW { self.count } else { 0 }
    }
}

impl Budget {
    pub(crate) fn new(settings: RetryBudget, began: Instant) -> Self {
        Self { settings, began, requests: Default::default(), retries: Mutex::default() }
    }

    /// Counts a request that came.
    pub(crate) fn note_request(&self, now: Instant) {
        let second = self.second(now);
        let Some(slot) = self.requests.get(place(second)) else { return };
        let first = (u64::from(second) << 32) | 1;
        let current = slot.load(Ordering::Relaxed);
        // Whoever finds the slot of an old second begins it anew. Who is beaten
        // to it counts in the new one.
        let is_old = Slot::of(current).second != second || current == 0;
        let begin = || slot.compare_exchange(current, first, Ordering::Relaxed, Ordering::Relaxed);
        if !is_old || begin().is_err() {
            slot.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Takes one retry, if there is one left.
    pub(crate) fn take(&self, now: Instant) -> Option<Charge> {
        let second = self.second(now);
        let mut retries = self.retries.lock().unwrap_or_else(PoisonError::into_inner);
        let used: u64 = retries.iter().map(|slot| slot.recent(second)).sum();
        (used < self.allowed(second)).then(|| count(&mut retries, second))
    }

    /// Counts a retry that nothing can refuse.
    pub(crate) fn note_retry(&self, now: Instant) -> Charge {
        let mut retries = self.retries.lock().unwrap_or_else(PoisonError::into_inner);
        count(&mut retries, self.second(now))
    }

    /// A retry that was taken was not made.
    pub(crate) fn give_back(&self, Charge(second): Charge) {
        let mut retries = self.retries.lock().unwrap_or_else(PoisonError::into_inner);
        let slot = retries.get_mut(place(second)).filter(|slot| slot.second == second);
        if let Some(slot) = slot {
            slot.count = slot.count.saturating_sub(1);
        }
    }

    /// The retries that the last ten seconds allow.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the ratio is no less than 0 and no more than 1"
    )]
    fn allowed(&self, second: u32) -> u64 {
        let slots = self.requests.iter().map(|slot| Slot::of(slot.load(Ordering::Relaxed)));
        let requests: u64 = slots.map(|slot| slot.recent(second)).sum();
        let share = (requests as f64 * self.settings.ratio) as u64;
        let least = u64::from(self.settings.min_per_second).saturating_mul(WINDOW.into());
        share.saturating_add(least)
    }

    fn second(&self, now: Instant) -> u32 {
        let elapsed = now.saturating_duration_since(self.began).as_secs();
        u32::try_from(elapsed).unwrap_or(u32::MAX)
    }
}

fn place(second: u32) -> usize {
    usize::try_from(second % WINDOW).unwrap_or_default()
}

fn count(slots: &mut [Slot; SLOTS], second: u32) -> Charge {
    if let Some(slot) = slots.get_mut(place(second)) {
        let before = if slot.second == second { slot.count } else { 0 };
        *slot = Slot { second, count: before.saturating_add(1) };
    }
    Charge(second)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::Duration;

    fn budget(ratio: f64, min_per_second: u32) -> (Budget, Instant) {
        let began = Instant::now();
        (Budget::new(RetryBudget { ratio, min_per_second }, began), began)
    }

    fn taken(budget: &Budget, now: Instant) -> usize {
        (0..10_000).take_while(|_| budget.take(now).is_some()).count()
    }

    #[test]
    fn retries_are_a_share_of_the_last_ten_seconds_and_a_few_more() {
        let (budget, began) = budget(0.2, 1);
        assert_eq!(taken(&budget, began), 10);
        (0..100).for_each(|_| budget.note_request(began));
        assert_eq!(taken(&budget, began), 20);
        let later = began + Duration::from_secs(9);
        assert_eq!(taken(&budget, later), 0, "both are remembered for ten seconds");
        assert_eq!(taken(&budget, later + Duration::from_secs(1)), 10, "and forgotten then");
    }

    #[test]
    fn who_may_have_none_gets_none() {
        let (budget, began) = budget(0.0, 0);
        (0..100).for_each(|_| budget.note_request(began));
        assert_eq!(budget.take(began), None);
    }

    #[test]
    fn retries_that_can_t_be_refused_leave_less_for_the_others() {
        let (budget, began) = budget(0.0, 1);
        for _ in 0..8 {
            budget.note_retry(began);
        }
        assert_eq!(taken(&budget, began), 2);
    }

    #[test]
    fn a_retry_that_was_not_made_can_be_made_by_another() {
        let (budget, began) = budget(0.0, 1);
        let charge = budget.take(began).unwrap();
        assert_eq!(taken(&budget, began), 9);
        budget.give_back(charge);
        assert_eq!(taken(&budget, began), 1);
        let (charge, later) = (budget.note_retry(began), began + Duration::from_secs(10));
        assert_eq!(taken(&budget, later), 10);
        budget.give_back(charge);
        assert_eq!(taken(&budget, later), 0, "that one was forgotten before");
    }

    #[test]
    fn requests_that_come_at_once_are_all_counted() {
        let (budget, began) = budget(1.0, 0);
        budget.note_request(began);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..1_000).for_each(|_| budget.note_request(began)));
            }
        });
        assert_eq!(taken(&budget, began), 4_001);
    }

    proptest! {
        /// In each stretch of ten seconds, whatever the order of events.
        #[test]
        fn retries_never_exceed_the_budget(
            events in prop::collection::vec((0_u64..3, any::<bool>()), 1..400),
            percent in 0_u32..=100,
            least in 0_u32..3,
        ) {
            let (budget, began) = budget(f64::from(percent) / 100.0, least);
            let (mut second, mut requests, mut retries) = (0, Vec::new(), Vec::new());
            for (step, is_retry) in events {
                second += step;
                let now = began + Duration::from_secs(second);
                match is_retry {
                    false => {
                        budget.note_request(now);
                        requests.push(second);
                    }
                    true if budget.take(now).is_some() => retries.push(second),
                    true => {}
                }
                let recent = |all: &[u64]| all.iter().filter(|it| **it + 10 > second).count();
                let allowed = recent(&requests) * percent as usize / 100 + least as usize * 10;
                // Requests leave the stretch too: what was taken for them stays.
                let was_taken_now = retries.last() == Some(&second) && is_retry;
                prop_assert!(!was_taken_now || recent(&retries) <= allowed);
            }
        }
    }
}
