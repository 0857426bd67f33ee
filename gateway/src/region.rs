//! Which region is asked next, and which are left alone for a while.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

const FIRST_EJECTION: Duration = Duration::from_secs(10);
const LONGEST_EJECTION: Duration = Duration::from_secs(300);
/// How long the one request that tries an ejected region keeps others away
/// from it. It may never report: its caller may hang up.
const PROBE_TIME: Duration = Duration::from_secs(10);

/// How a region has been doing.
#[derive(Default)]
pub(crate) struct Health {
    /// Whether `record` is worth a look: healthy regions cost no lock.
    is_marked: AtomicBool,
    record: Mutex<Record>,
}

#[derive(Debug, Default)]
struct Record {
    state: State,
    /// Ejections in a row; each lasts twice as long as the one before.
    ejections: u32,
    /// The end of the last one.
    ended_at: Option<Instant>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq)]
enum State {
    #[default]
    Healthy,
    /// Left alone until then; after that one request may try.
    Ejected(Instant),
    /// One request is trying; others may, should it not report until then.
    Probing(Instant),
}

impl Record {
    fn is_available(&self, now: Instant) -> bool {
        match self.state {
            State::Healthy => true,
            State::Ejected(until) | State::Probing(until) => until <= now,
        }
    }

    /// Takes the right to send a request now.
    fn take(&mut self, now: Instant) -> bool {
        let available = self.is_available(now);
        if available && self.state != State::Healthy {
            self.state = State::Probing(later(now, PROBE_TIME));
        }
        available
    }

    fn failed(&mut self, now: Instant) {
        match self.state {
            // The failures of requests that were under way together count once.
            State::Ejected(until) if until > now => return,
            State::Healthy if self.has_been_well(now) => self.ejections = 0,
            _ => {}
        }
        let factor = 1_u32.checked_shl(self.ejections).unwrap_or(u32::MAX);
        let time = FIRST_EJECTION.saturating_mul(factor).min(LONGEST_EJECTION);
        let until = later(now, time);
        self.state = State::Ejected(until);
        self.ended_at = Some(until);
        self.ejections = self.ejections.saturating_add(1);
    }

    /// For as long as the longest ejection: what was before is forgotten.
    fn has_been_well(&self, now: Instant) -> bool {
        self.ended_at.is_none_or(|at| now.saturating_duration_since(at) >= LONGEST_EJECTION)
    }
}

fn later(now: Instant, by: Duration) -> Instant {
    now.checked_add(by).unwrap_or(now)
}

impl Health {
    /// Whether it is left alone now, or being tried.
    pub(crate) fn is_ejected(&self, now: Instant) -> bool {
        !self.is_available(now)
    }

    fn is_available(&self, now: Instant) -> bool {
        !self.is_marked() || self.record().is_available(now)
    }

    fn take(&self, now: Instant) -> bool {
        !self.is_marked() || self.record().take(now)
    }

    /// The region was reached. True if it had been ejected until now.
    pub(crate) fn succeeded(&self) -> bool {
        if !self.is_marked() {
            return false;
        }
        let mut record = self.record();
        let changed = record.state != State::Healthy;
        record.state = State::Healthy;
        self.is_marked.store(false, Ordering::Release);
        changed
    }

    /// The region could not be reached.
    pub(crate) fn failed(&self, now: Instant) {
        let mut record = self.record();
        record.failed(now);
        self.is_marked.store(true, Ordering::Release);
    }

    fn is_marked(&self) -> bool {
        self.is_marked.load(Ordering::Acquire)
    }

    fn record(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Picks one of the regions for which `may` holds: in turns among those that
/// are not ejected; if all are, in turns among all, because a region that was
/// out of reach a moment ago is better than none. `turn` counts the choices.
pub(crate) fn choose<'r>(
    regions: impl ExactSizeIterator<Item = &'r Health> + Clone,
    may: impl Fn(usize) -> bool,
    turn: usize,
    now: Instant,
) -> Option<usize> {
    let allowed = regions.enumerate().filter(|(place, _)| may(*place));
    // Whoever takes the one probe of a region makes it unavailable for the
    // others, who then look again.
    loop {
        let available = allowed.clone().filter(|(_, it)| it.is_available(now));
        let Some((place, health)) = nth_in_turn(available, turn) else {
            return nth_in_turn(allowed, turn).map(|(place, _)| place);
        };
        if health.take(now) {
            return Some(place);
        }
    }
}

fn nth_in_turn<T>(items: impl Iterator<Item = T> + Clone, turn: usize) -> Option<T> {
    let place = turn.checked_rem(items.clone().count())?;
    // One that became unavailable in between shortens the list.
    let mut wrapped = items.clone().chain(items);
    wrapped.nth(place)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn healths(count: usize) -> Vec<Health> {
        (0..count).map(|_| Health::default()).collect()
    }

    fn choose_any(regions: &[Health], turn: usize, now: Instant) -> Option<usize> {
        choose(regions.iter(), |_| true, turn, now)
    }

    #[test]
    fn ejections_grow_up_to_a_limit_and_start_small_again_after_a_good_time() {
        let (health, mut now) = (Health::default(), Instant::now());
        let mut times = Vec::new();
        for _ in 0..8 {
            health.failed(now);
            let mut seconds = 0;
            while !health.is_available(now) {
                now += SECOND;
                seconds += 1;
            }
            times.push(seconds);
            assert!(health.take(now));
        }
        assert_eq!(times, [10, 20, 40, 80, 160, 300, 300, 300]);
        assert!(health.succeeded());
        health.failed(now);
        assert!(!health.is_available(now + SECOND * 299), "it is known to flap");
        assert!(health.succeeded() && !health.succeeded());
        now += SECOND * 600;
        health.failed(now);
        assert!(health.is_available(now + SECOND * 10));
    }

    #[test]
    fn failures_of_requests_that_were_under_way_together_count_once() {
        let (health, now) = (Health::default(), Instant::now());
        (0..50).for_each(|_| health.failed(now));
        assert!(health.is_available(now + SECOND * 10));
    }

    #[test]
    fn after_an_ejection_one_request_tries_and_the_others_wait_for_it() {
        let (regions, now) = (healths(2), Instant::now());
        regions[0].failed(now);
        let now = now + SECOND * 10;
        let chosen: Vec<_> = (0..4).map(|turn| choose_any(&regions, turn, now)).collect();
        assert_eq!(chosen.iter().filter(|it| **it == Some(0)).count(), 1);
        assert!(regions[0].succeeded());
        let chosen: Vec<_> = (0..4).map(|turn| choose_any(&regions, turn, now)).collect();
        assert_eq!(chosen.iter().filter(|it| **it == Some(0)).count(), 2);
    }

    #[test]
    fn if_all_are_ejected_all_are_used() {
        let (regions, now) = (healths(3), Instant::now());
        regions.iter().for_each(|region| region.failed(now));
        let chosen: Vec<_> = (0..3).filter_map(|turn| choose_any(&regions, turn, now)).collect();
        assert_eq!(chosen, [0, 1, 2]);
    }

    proptest! {
        #[test]
        fn an_ejected_region_is_not_chosen_while_another_is_well(
            ejected in proptest::collection::vec(any::<bool>(), 1..12),
            forbidden in proptest::collection::vec(any::<bool>(), 12),
            turn in any::<usize>(),
        ) {
            let (regions, now) = (healths(ejected.len()), Instant::now());
            for (region, is_ejected) in regions.iter().zip(&ejected) {
                if *is_ejected { region.failed(now); }
            }
            let may = |place: usize| !forbidden[place];
            let allowed: Vec<usize> = (0..ejected.len()).filter(|it| may(*it)).collect();
            match choose(regions.iter(), may, turn, now) {
                None => prop_assert!(allowed.is_empty()),
                Some(place) => {
                    prop_assert!(may(place));
                    let one_is_well = allowed.iter().any(|it| !ejected[*it]);
                    prop_assert!(!(one_is_well && ejected[place]));
                }
            }
        }

        #[test]
        fn no_healthy_region_is_starved(
            ejected in proptest::collection::vec(any::<bool>(), 1..12),
            start in 0..usize::MAX / 2,
        ) {
            let (regions, now) = (healths(ejected.len()), Instant::now());
            for (region, is_ejected) in regions.iter().zip(&ejected) {
                if *is_ejected { region.failed(now); }
            }
            let well = ejected.iter().filter(|it| !**it).count();
            let mut counts = vec![0; ejected.len()];
            for turn in start..start + well * 10 {
                counts[choose_any(&regions, turn, now).unwrap()] += 1;
            }
            for (count, is_ejected) in counts.iter().zip(&ejected) {
                prop_assert_eq!(*count, if *is_ejected { 0 } else { 10 });
            }
        }
    }
}
