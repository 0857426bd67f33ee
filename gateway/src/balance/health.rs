//! How a region has been doing, and whether it is left alone for a while.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::cause::{Cause, Failure, Probed};
use super::window::{Counts, Window};
use crate::config::{Outlier, Probe};

/// How long the one request that tries an ejected region keeps others away
/// from it. It may never report: its caller may hang up.
const PROBE_TIME: Duration = Duration::from_secs(10);
/// Ejections last longer by up to this share of their time, so that many
/// instances do not come back to a region at once.
const JITTER: f64 = 0.1;

/// The health of one region.
pub(super) struct Health {
    /// Whether `record` is worth a look: healthy regions cost no lock.
    is_marked: AtomicBool,
    record: Mutex<Record>,
    window: Window,
}

#[derive(Debug, Default)]
struct Record {
    state: State,
    /// Why it was left alone last.
    cause: Option<Cause>,
    /// Ejections in a row; each lasts twice as long as the one before.
    ejections: u32,
    /// The beginning and the end of the last one.
    began_at: Option<Instant>,
    ended_at: Option<Instant>,
    /// Failures since the last answer.
    failures: u32,
    /// How many of the last failures in a row were that there was no
    /// connection.
    unreachable: u32,
    /// Probes in a row that went well, and that did not.
    good_probes: u32,
    bad_probes: u32,
}

#[derive(Debug, Default, Clone, Copy, PartialEq)]
enum State {
    #[default]
    Healthy,
    /// Left alone until then; after that one request may try.
    Ejected(Instant),
    /// One request is trying; others may, should it not report until then.
    Probing(Instant),
    /// Left alone until probes go well.
    Down,
}

impl Record {
    fn is_available(&self, now: Instant) -> bool {
        match self.state {
            State::Healthy => true,
            State::Ejected(until) | State::Probing(until) => until <= now,
            State::Down => false,
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

    /// Whether an attempt has nothing new to say: it began before the last
    /// ejection did, whose reason it shares.
    fn is_old(&self, began: Instant) -> bool {
        self.began_at.is_some_and(|at| began <= at)
    }

    /// Whether an answer shows that the region is back: one that comes during
    /// an ejection does not.
    fn may_return(&self, now: Instant) -> bool {
        match self.state {
            State::Healthy | State::Down => false,
            State::Probing(_) => true,
            State::Ejected(until) => until <= now,
        }
    }

    fn answered(&mut self, now: Instant) -> bool {
        let returns = self.may_return(now);
        if returns {
            self.state = State::Healthy;
        }
        (self.failures, self.unreachable) = (0, 0);
        returns
    }

    /// Counts a failure. Why the region has to be ejected, if it has.
    fn failed(&mut self, failure: Failure, counts: Counts, settings: &Outlier) -> Option<Cause> {
        self.failures = self.failures.saturating_add(1);
        self.unreachable = match failure {
            Failure::Unreachable => self.unreachable.saturating_add(1),
            _ => 0,
        };
        // One that is being tried after an ejection has had its chances.
        let is_out = self.failures >= settings.consecutive_failures
            || self.unreachable >= settings.consecutive_connect_failures
            || self.state != State::Healthy;
        let failed = counts.failures.saturating_mul(100);
        let allowed = counts.requests.saturating_mul(settings.failure_percent.into());
        let is_enough = counts.requests >= settings.minimum_requests.into();
        match is_out {
            true => Some(Cause::Failures(failure)),
            false => (is_enough && failed >= allowed).then_some(Cause::FailureRate),
        }
    }

    /// Ejects it. False if it is ejected already: the failures of requests
    /// that were under way together count once.
    fn eject(&mut self, settings: &Outlier, now: Instant, unit: f64) -> bool {
        match self.state {
            State::Down => return false,
            State::Ejected(until) if until > now => return false,
            State::Healthy if self.has_been_well(settings, now) => self.ejections = 0,
            _ => {}
        }
        let factor = 1_u32.checked_shl(self.ejections).unwrap_or(u32::MAX);
        let time = settings.base_ejection_time.saturating_mul(factor);
        let time = time.min(settings.max_ejection_time);
        let until = later(now, time.saturating_add(time.mul_f64(unit * JITTER)));
        self.state = State::Ejected(until);
        self.began_at = Some(now);
        self.ended_at = Some(until);
        self.ejections = self.ejections.saturating_add(1);
        true
    }

    /// For as long as the longest ejection: what was before is forgotten.
    fn has_been_well(&self, settings: &Outlier, now: Instant) -> bool {
        let longest = settings.max_ejection_time;
        self.ended_at.is_none_or(|at| now.saturating_duration_since(at) >= longest)
    }

    fn probed_well(&mut self, settings: &Probe, now: Instant) -> Probed {
        self.bad_probes = 0;
        self.good_probes = self.good_probes.saturating_add(1);
        let may_return = match self.state {
            State::Healthy => false,
            State::Down => true,
            // Other requests fail although probes do not: its time counts.
            State::Ejected(until) | State::Probing(until) => until <= now,
        };
        if !may_return || self.good_probes < settings.healthy_after {
            return Probed::Same;
        }
        self.state = State::Healthy;
        (self.failures, self.unreachable) = (0, 0);
        Probed::Back
    }

    fn probed_badly(&mut self, settings: &Probe) -> Probed {
        self.good_probes = 0;
        self.bad_probes = self.bad_probes.saturating_add(1);
        if self.bad_probes < settings.unhealthy_after || self.state == State::Down {
            return Probed::Same;
        }
        self.state = State::Down;
        self.cause = Some(Cause::Probes);
        Probed::Ejected
    }
}

fn later(now: Instant, by: Duration) -> Instant {
    now.checked_add(by).unwrap_or(now)
}

impl Health {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            is_marked: AtomicBool::new(false),
            record: Mutex::default(),
            window: Window::new(now),
        }
    }

    pub(super) fn is_available(&self, now: Instant) -> bool {
        !self.is_marked() || self.record().is_available(now)
    }

    /// Takes the right to send a request: one that tries an ejected region
    /// keeps others away from it.
    pub(super) fn take(&self, now: Instant) -> bool {
        !self.is_marked() || self.record().take(now)
    }

    /// The region answered an attempt that began then. True if it had been
    /// ejected until now.
    pub(super) fn answered(&self, settings: &Outlier, began: Instant, now: Instant) -> bool {
        self.window.count(false, settings.window, now);
        if !self.is_marked() {
            return false;
        }
        let mut record = self.record();
        if record.is_old(began) {
            return false;
        }
        let returned = record.answered(now);
        self.is_marked.store(record.state != State::Healthy, Ordering::Release);
        returned
    }

    /// An attempt that began and failed then. Why the region is ejected for it,
    /// if it is. `unit` is a number from 0 to 1, drawn for this.
    pub(super) fn failed(
        &self,
        failure: Failure,
        settings: &Outlier,
        (began, now): (Instant, Instant),
        unit: f64,
    ) -> Option<Cause> {
        let mut record = self.record();
        if record.is_old(began) {
            return None;
        }
        let counts = self.window.count(true, settings.window, now);
        self.is_marked.store(true, Ordering::Release);
        let cause = record.failed(failure, counts, settings)?;
        if !record.eject(settings, now, unit) {
            return None;
        }
        record.cause = Some(cause);
        // What was counted has had its consequence.
        self.window.clear();
        Some(cause)
    }

    /// A probe of the gateway's own has ended.
    pub(super) fn probed(&self, is_well: bool, settings: &Probe, now: Instant) -> Probed {
        let mut record = self.record();
        let change = match is_well {
            true => record.probed_well(settings, now),
            false => record.probed_badly(settings),
        };
        if change == Probed::Ejected {
            self.is_marked.store(true, Ordering::Release);
        }
        change
    }

    /// For how long it is still left alone, if it is known.
    pub(super) fn ejected_for(&self, now: Instant) -> Option<Duration> {
        match self.record().state {
            State::Ejected(until) => until.checked_duration_since(now),
            State::Healthy | State::Probing(_) | State::Down => None,
        }
    }

    /// Why it is left alone, or being tried after that.
    pub(super) fn cause(&self) -> Option<Cause> {
        let record = self.record();
        match record.state {
            State::Healthy => None,
            State::Ejected(_) | State::Probing(_) | State::Down => record.cause,
        }
    }

    fn is_marked(&self) -> bool {
        self.is_marked.load(Ordering::Acquire)
    }

    fn record(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
