//! Which region is asked next, and which are left alone for a while.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

const FIRST_EJECTION: Duration = Duration::from_secs(10);
const LONGEST_EJECTION: Duration = Duration::from_secs(300);
/// How long the one request that tries an ejected region keeps others away
/// from it. It may never report: its caller may hang up.
const PROBE_TIME: Duration = Duration::from_secs(10);
/// So many requests in a row may stay without an answer. It is Envoy's default
/// too (`consecutive_gateway_failure`): fewer would punish a region for the
/// few that any network loses.
const MAX_UNANSWERED: u32 = 5;

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
    /// Requests that were sent since the last answer and got none.
    unanswered: u32,
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

    /// Ejects it. False if it is ejected already.
    fn failed(&mut self, now: Instant) -> bool {
        match self.state {
            // The failures of requests that were under way together count once.
            State::Ejected(until) if until > now => return false,
            State::Healthy if self.has_been_well(now) => self.ejections = 0,
            _ => {}
        }
        let factor = 1_u32.checked_shl(self.ejections).unwrap_or(u32::MAX);
        let time = FIRST_EJECTION.saturating_mul(factor).min(LONGEST_EJECTION);
        let until = later(now, time);
        self.state = State::Ejected(until);
        self.ended_at = Some(until);
        self.ejections = self.ejections.saturating_add(1);
        true
    }

    /// Ejects it if it has had its chances; one that is being tried after an
    /// ejection has. True if it was ejected by this.
    fn unanswered(&mut self, now: Instant) -> bool {
        self.unanswered = self.unanswered.saturating_add(1);
        let had_chances = self.unanswered >= MAX_UNANSWERED || self.state != State::Healthy;
        had_chances && self.failed(now)
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

    /// How long it is still left alone.
    pub(crate) fn ejected_for(&self, now: Instant) -> Option<Duration> {
        match self.record().state {
            State::Ejected(until) => until.checked_duration_since(now),
            State::Healthy | State::Probing(_) => None,
        }
    }

    fn is_available(&self, now: Instant) -> bool {
        !self.is_marked() || self.record().is_available(now)
    }

    fn take(&self, now: Instant) -> bool {
        !self.is_marked() || self.record().take(now)
    }

    /// The region answered. True if it had been ejected until now.
    pub(crate) fn succeeded(&self) -> bool {
        if !self.is_marked() {
            return false;
        }
        let mut record = self.record();
        let changed = record.state != State::Healthy;
        record.state = State::Healthy;
        record.unanswered = 0;
        self.is_marked.store(false, Ordering::Release);
        changed
    }

    /// The region could not be reached.
    pub(crate) fn failed(&self, now: Instant) {
        let mut record = self.record();
        record.failed(now);
        self.is_marked.store(true, Ordering::Release);
    }

    /// The region was sent a request and gave no answer. True if it is ejected
    /// for that.
    pub(crate) fn unanswered(&self, now: Instant) -> bool {
        let mut record = self.record();
        self.is_marked.store(true, Ordering::Release);
        record.unanswered(now)
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
mod tests;
