//! When to fetch a key set: pure bookkeeping, with the time from outside.

use std::time::Duration;

use crate::time::UnixTime;

/// The bounds between which key sets are refreshed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyTimes {
    /// A `max-age` below this counts as this.
    pub min_refresh: Duration,
    /// A `max-age` above this counts as this; it is also the default.
    pub max_refresh: Duration,
    /// How long the last good keys are used while no new ones can be had,
    /// counted from when they were fetched.
    pub keep_stale: Duration,
    /// The shortest time between two fetches for the sake of an unknown key.
    pub unknown_key_interval: Duration,
}

impl Default for KeyTimes {
    fn default() -> Self {
        Self {
            min_refresh: Duration::from_secs(60),
            max_refresh: Duration::from_secs(6 * 3600),
            keep_stale: Duration::from_secs(24 * 3600),
            unknown_key_interval: Duration::from_secs(30),
        }
    }
}

const FIRST_RETRY: Duration = Duration::from_secs(1);
const LONGEST_RETRY: Duration = Duration::from_secs(60);
/// Clocks of the day are corrected by less than this all the time.
const CLOCK_JITTER: Duration = Duration::from_secs(5);

/// What has come of one key set's fetches so far. Whoever keeps it outside of
/// the process, or shares it, can go on from there with
/// [`KeySchedule::resume`], also by other [`KeyTimes`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeyPast {
    /// When the newest keys arrived.
    pub fetched_at: Option<UnixTime>,
    /// How long they are to be kept, if the server said so.
    pub max_age: Option<Duration>,
    /// When the newest attempt began.
    pub asked_at: Option<UnixTime>,
    /// The newest moment that was told. A clock that shows less was set back.
    pub told_at: UnixTime,
    /// How many attempts have failed since the last one that did not.
    pub failures: u32,
    /// If the newest attempt failed: when the next one may begin.
    pub retry_at: UnixTime,
}

/// When one key set is fetched.
#[derive(Clone, Debug)]
pub struct KeySchedule {
    times: KeyTimes,
    past: KeyPast,
    /// Nothing is due before this moment.
    next_at: UnixTime,
    in_flight: bool,
}

impl KeySchedule {
    /// A key set that was never fetched: the first fetch is due at once.
    #[must_use]
    pub fn new(times: KeyTimes) -> Self {
        Self::resume(times, KeyPast::default(), false)
    }

    /// A key set that somebody has fetched, or tried to, or is fetching.
    #[must_use]
    pub fn resume(times: KeyTimes, past: KeyPast, in_flight: bool) -> Self {
        let mut schedule = Self { times, past, next_at: UnixTime(0), in_flight };
        schedule.next_at = match past.fetched_at {
            _ if past.failures > 0 => past.retry_at,
            // A tenth early: the new keys are there before the old ones run out.
            Some(at) => at.plus(schedule.fresh_for().mul_f64(0.9)),
            None => UnixTime(0),
        };
        schedule
    }

    /// What has come of the fetches so far.
    #[must_use]
    pub fn past(&self) -> KeyPast {
        self.past
    }

    /// How long keys are kept before others are fetched.
    fn fresh_for(&self) -> Duration {
        let KeyTimes { min_refresh, max_refresh, .. } = self.times;
        self.past.max_age.unwrap_or(max_refresh).min(max_refresh).max(min_refresh)
    }

    /// Whether a fetch should start now.
    #[must_use]
    pub fn is_due(&self, now: UnixTime) -> bool {
        !self.in_flight && (now >= self.next_at || self.was_set_back(now))
    }

    /// Whether the clock was set back since the last attempt: then what was
    /// noted by it says nothing.
    fn was_set_back(&self, now: UnixTime) -> bool {
        now.plus(CLOCK_JITTER) < self.past.told_at
    }

    /// Whether the newest attempt failed.
    #[must_use]
    pub fn last_failed(&self) -> bool {
        self.past.failures > 0
    }

    /// Whether a fetch is under way.
    #[must_use]
    pub fn is_in_flight(&self) -> bool {
        self.in_flight
    }

    /// The earliest moment at which a fetch is due.
    #[must_use]
    pub fn next_at(&self) -> UnixTime {
        self.next_at
    }

    /// A fetch has begun.
    pub fn started(&mut self, now: UnixTime) {
        self.in_flight = true;
        self.past.asked_at = Some(now);
        self.past.told_at = now;
    }

    /// Keys arrived, to be kept for `max_age` if the server said how long.
    pub fn succeeded(&mut self, now: UnixTime, max_age: Option<Duration>) {
        let past = KeyPast {
            fetched_at: Some(now),
            max_age,
            asked_at: self.past.asked_at,
            told_at: now,
            failures: 0,
            retry_at: UnixTime(0),
        };
        *self = Self::resume(self.times, past, false);
    }

    /// No keys arrived. `jitter` between 0 and 1 spreads the next attempts of
    /// many instances.
    pub fn failed(&mut self, now: UnixTime, jitter: f64) {
        let factor = 1_u32.checked_shl(self.past.failures).unwrap_or(0);
        let doubled = FIRST_RETRY.saturating_mul(factor);
        let wait = if doubled.is_zero() { LONGEST_RETRY } else { doubled.min(LONGEST_RETRY) };
        let spread = wait.mul_f64(jitter.clamp(0.0, 1.0) / 2.0);
        let past = KeyPast {
            told_at: now,
            failures: self.past.failures.saturating_add(1),
            retry_at: now.plus(wait.saturating_add(spread)),
            ..self.past
        };
        *self = Self::resume(self.times, past, false);
    }

    /// A fetch was broken off because this process slept meanwhile, which says
    /// nothing of the server: the next one is due at once.
    pub fn interrupted(&mut self, now: UnixTime) {
        self.in_flight = false;
        self.past.told_at = now;
        self.next_at = now;
    }

    /// The last moment at which the keys at hand may be used, by a clock that
    /// is not set back.
    #[must_use]
    pub fn usable_until(&self) -> Option<UnixTime> {
        Some(self.past.fetched_at?.plus(self.times.keep_stale.max(self.fresh_for())))
    }

    /// Whether the keys at hand may still be used: while they are fresh, and
    /// through an outage for as long as keys may be stale.
    #[must_use]
    pub fn is_usable(&self, now: UnixTime) -> bool {
        match self.past.fetched_at {
            None => false,
            // The clock was set back: their age can't be told.
            Some(at) if at > now.plus(CLOCK_JITTER) => !self.last_failed(),
            Some(_) => self.usable_until().is_some_and(|end| now <= end),
        }
    }

    /// A token named a key that is not in the set. Returns whether new keys
    /// may be on their way: a fetch is under way, failed and will be repeated,
    /// or was made due now. Who invents key ids gets at most one fetch per
    /// interval out of this.
    pub fn unknown_key(&mut self, now: UnixTime) -> bool {
        if self.in_flight || self.last_failed() {
            return true;
        }
        let wait = self.times.unknown_key_interval;
        let is_recent = self.past.asked_at.is_some_and(|at| now.since(at) < wait);
        if is_recent && !self.was_set_back(now) {
            return false;
        }
        self.next_at = now;
        true
    }
}

/// The `max-age` of a `Cache-Control` value (RFC 9111, section 5.2.2.1);
/// `no-store` and `no-cache` count as zero.
#[must_use]
pub fn max_age(cache_control: &str) -> Option<Duration> {
    cache_control.split(',').map(str::trim).find_map(|directive| {
        let (name, value) = directive.split_once('=').unwrap_or((directive, ""));
        match name.trim().to_ascii_lowercase().as_str() {
            "no-store" | "no-cache" => Some(Duration::ZERO),
            "max-age" => value.trim().trim_matches('"').parse().ok().map(Duration::from_secs),
            _ => None,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixTime = UnixTime(1_000_000);

    fn later(seconds: u64) -> UnixTime {
        NOW.plus(Duration::from_secs(seconds))
    }

    fn fetched() -> KeySchedule {
        let mut schedule = KeySchedule::new(KeyTimes::default());
        schedule.started(NOW);
        schedule.succeeded(NOW, Some(Duration::from_secs(1000)));
        schedule
    }

    #[test]
    fn the_first_fetch_is_due_at_once_and_only_once() {
        let mut schedule = KeySchedule::new(KeyTimes::default());
        assert!(schedule.is_due(NOW) && !schedule.is_usable(NOW));
        schedule.started(NOW);
        assert!(!schedule.is_due(later(100)));
    }

    #[test]
    fn keys_are_refreshed_ahead_of_their_max_age_within_bounds() {
        assert!(!fetched().is_due(later(899)) && fetched().is_due(later(900)));
        let mut schedule = fetched();
        schedule.succeeded(NOW, Some(Duration::ZERO));
        assert_eq!(schedule.next_at(), later(54));
        schedule.succeeded(NOW, Some(Duration::from_secs(1 << 40)));
        assert_eq!(schedule.next_at(), later(6 * 3600 / 10 * 9));
    }

    #[test]
    fn failures_back_off_and_keep_the_last_good_keys_for_a_bounded_time() {
        let mut schedule = fetched();
        let mut waits = Vec::new();
        for _ in 0..40 {
            schedule.failed(NOW, 0.0);
            waits.push(schedule.next_at().since(NOW).as_secs());
        }
        assert_eq!(waits[..8], [1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(waits[39], 60);
        assert!(schedule.is_usable(later(24 * 3600)));
        assert!(!schedule.is_usable(later(24 * 3600 + 1)));
    }

    #[test]
    fn a_fetch_that_was_interrupted_is_made_again_without_a_back_off() {
        let mut schedule = fetched();
        for hour in 1..10 {
            let (began, ended) = (later(hour * 3600), later(hour * 3600 + 1800));
            schedule.started(began);
            schedule.interrupted(ended);
            assert!(schedule.is_due(ended) && !schedule.last_failed());
        }
        assert_eq!(schedule.usable_until(), Some(later(24 * 3600)));
    }

    #[test]
    fn unknown_keys_cause_at_most_one_fetch_per_interval() {
        let mut schedule = fetched();
        assert!(!schedule.unknown_key(later(29)));
        assert!(!schedule.is_due(later(29)));
        assert!(schedule.unknown_key(later(30)));
        assert!(schedule.is_due(later(30)));
        schedule.started(later(30));
        assert!(schedule.unknown_key(later(31)), "the fetch under way may bring it");
        schedule.failed(later(31), 0.0);
        assert!(schedule.unknown_key(later(31)), "the next attempt may bring it");
        assert!(!schedule.is_due(later(31)), "and comes when its time has come");
        schedule.started(later(32));
        schedule.succeeded(later(32), None);
        assert!(!schedule.unknown_key(later(33)));
    }

    #[test]
    fn a_clock_that_is_set_back_does_not_stop_fetches() {
        let earlier = NOW.minus(Duration::from_secs(365 * 86_400));
        let mut schedule = fetched();
        assert!(schedule.is_due(earlier) && schedule.unknown_key(earlier));
        assert!(schedule.is_usable(earlier), "until an attempt by the right clock fails");
        schedule.started(earlier);
        schedule.succeeded(earlier, Some(Duration::from_secs(1000)));
        assert!(!schedule.is_due(earlier.plus(Duration::from_secs(899))));
        let mut schedule = fetched();
        assert!(!schedule.is_due(NOW.minus(Duration::from_secs(2))), "that is no step back");
        schedule.started(NOW);
        schedule.failed(NOW, 0.0);
        assert!(!schedule.is_usable(earlier));
    }

    #[test]
    fn keys_are_not_dropped_while_they_are_fresh() {
        let times = KeyTimes { keep_stale: Duration::ZERO, ..KeyTimes::default() };
        let schedule = KeySchedule::resume(times, fetched().past(), false);
        assert!(schedule.is_usable(later(1000)) && !schedule.is_usable(later(1001)));
    }

    #[test]
    fn a_schedule_goes_on_where_another_stood_but_by_its_own_times() {
        let mut first = fetched();
        first.started(later(900));
        first.failed(later(901), 1.0);
        let second = KeySchedule::resume(KeyTimes::default(), first.past(), false);
        assert_eq!((first.next_at(), first.past()), (second.next_at(), second.past()));
        let eager = KeyTimes { max_refresh: Duration::from_secs(100), ..KeyTimes::default() };
        let eager = KeySchedule::resume(eager, fetched().past(), false);
        assert!(eager.is_due(later(90)) && !fetched().is_due(later(90)));
        let busy = KeySchedule::resume(KeyTimes::default(), fetched().past(), true);
        assert!(busy.is_in_flight() && !busy.is_due(later(5000)));
    }

    #[test]
    fn max_age_is_found_among_other_directives() {
        let seconds = |text| max_age(text).map(|age| age.as_secs());
        assert_eq!(seconds("public, max-age=24442, must-revalidate"), Some(24442));
        assert_eq!(seconds("Max-Age = \"60\""), Some(60));
        assert_eq!(seconds("no-store"), Some(0));
        assert_eq!(seconds("public"), None);
        assert_eq!(seconds("max-age=-1"), None);
    }
}
