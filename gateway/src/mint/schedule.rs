//! When to mint again: pure bookkeeping, with the time from outside.

use std::time::Duration;

use remint_idtoken::UnixTime;

/// Google's client libraries refresh this long before a token's end. Metadata
/// servers hand out the old token until four to five minutes before it.
const AHEAD: Duration = Duration::from_secs(225);
/// Instances that started together ask within this time, not all at once. Later
/// than [`AHEAD`], not earlier: then there would be no new token yet.
const SPREAD: Duration = Duration::from_secs(30);
const FIRST_RETRY: Duration = Duration::from_secs(1);
/// The same token once more is no failure: the next try can wait.
const FIRST_RETRY_SAME: Duration = Duration::from_secs(5);
/// A token that a region refused makes the source be asked before its time no
/// more often than this: most refusals are not the token's fault.
const REFUSALS_APART: Duration = Duration::from_secs(30);
const LONGEST_RETRY: Duration = Duration::from_secs(60);
/// An attempt asks four servers at most, each of which has five seconds.
const LONGEST_ATTEMPT: Duration = Duration::from_secs(25);
/// The longest `Retry-After` that is believed.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(300);

/// What is known of one audience's mintings.
#[derive(Clone, Debug)]
pub(super) struct MintSchedule {
    next_at: UnixTime,
    /// When that was decided. A clock that shows less was set back, and what
    /// was decided by it holds no longer.
    decided_at: UnixTime,
    /// The end of the token at hand.
    expires_at: UnixTime,
    failures: u32,
    repeats: u32,
    /// When a refusal last brought an attempt forward.
    refused_at: Option<UnixTime>,
}

impl MintSchedule {
    /// Nothing was minted yet: the first attempt is due at once. `expires_at`
    /// is the end of a token that is there all the same.
    pub(super) fn new(expires_at: Option<UnixTime>) -> Self {
        let never = UnixTime(0);
        Self {
            next_at: never,
            decided_at: never,
            expires_at: expires_at.unwrap_or(never),
            failures: 0,
            repeats: 0,
            refused_at: None,
        }
    }

    /// Whether an attempt may begin now.
    pub(super) fn is_due(&self, now: UnixTime) -> bool {
        now >= self.next_at || now < self.decided_at
    }

    /// The earliest moment of the next attempt, if the clock is right.
    pub(super) fn next_at(&self) -> UnixTime {
        self.next_at
    }

    /// A token came that was not there before. `jitter` between 0 and 1
    /// spreads many instances.
    pub(super) fn succeeded(&mut self, now: UnixTime, expires_at: UnixTime, jitter: f64) {
        self.failures = 0;
        self.repeats = 0;
        self.expires_at = expires_at;
        let left = expires_at.since(now);
        // A token with little time left is used for the first half of it.
        let wait = left.saturating_sub(AHEAD.min(left.mul_f64(0.5)));
        let spread = SPREAD.min(left.mul_f64(0.1)).mul_f64(jitter.clamp(0.0, 1.0));
        self.decide(now, wait.saturating_add(spread).max(FIRST_RETRY));
    }

    /// The token came that is there already. If it is not yet time to renew
    /// it, that is no wonder, and to ask again before would be no use.
    pub(super) fn repeated(&mut self, now: UnixTime, jitter: f64) {
        self.failures = 0;
        let early = self.expires_at.minus(AHEAD).since(now);
        if !early.is_zero() {
            let spread = SPREAD.mul_f64(jitter.clamp(0.0, 1.0));
            return self.decide(now, early.saturating_add(spread));
        }
        let wait = backed_off(FIRST_RETRY_SAME, self.repeats, jitter);
        self.decide(now, self.before_the_end(now, wait));
        self.repeats = self.repeats.saturating_add(1);
    }

    /// No token came.
    pub(super) fn failed(&mut self, now: UnixTime, retry_after: Option<Duration>, jitter: f64) {
        let asked = retry_after.unwrap_or_default().min(LONGEST_RETRY_AFTER);
        let wait = backed_off(FIRST_RETRY, self.failures, jitter);
        self.decide(now, self.before_the_end(now, wait).max(asked));
        self.failures = self.failures.saturating_add(1);
    }

    /// An attempt took so long that this process must have slept meanwhile:
    /// that it failed says nothing of the source.
    pub(super) fn was_interrupted(began: UnixTime, now: UnixTime) -> bool {
        now.since(began) > LONGEST_ATTEMPT
    }

    /// Such an attempt: the next one is due at once.
    pub(super) fn interrupted(&mut self, now: UnixTime) {
        self.decide(now, Duration::ZERO);
    }

    /// The token was refused: the next attempt is due, unless one has come to
    /// nothing just now. Says whether one is due.
    pub(super) fn refused(&mut self, now: UnixTime) -> bool {
        if self.is_due(now) {
            return true;
        }
        let was_lately = self.refused_at.is_some_and(|at| now.since(at) < REFUSALS_APART);
        if self.failures > 0 || self.repeats > 0 || was_lately {
            return false;
        }
        self.refused_at = Some(now);
        self.decide(now, Duration::ZERO);
        true
    }

    /// While there is a token, its end is not slept through: at half of the
    /// time that it has left there is another attempt.
    fn before_the_end(&self, now: UnixTime, wait: Duration) -> Duration {
        match self.expires_at.since(now) {
            Duration::ZERO => wait,
            left => wait.min(left.div_f64(2.0)).max(FIRST_RETRY),
        }
    }

    fn decide(&mut self, now: UnixTime, wait: Duration) {
        self.next_at = now.plus(wait);
        self.decided_at = now;
    }
}

fn backed_off(first: Duration, times: u32, jitter: f64) -> Duration {
    let factor = 1_u32.checked_shl(times).unwrap_or(u32::MAX);
    let wait = first.saturating_mul(factor).min(LONGEST_RETRY);
    wait.saturating_add(wait.mul_f64(jitter.clamp(0.0, 1.0) / 2.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixTime = UnixTime(1_000_000);

    fn later(seconds: u64) -> UnixTime {
        NOW.plus(Duration::from_secs(seconds))
    }

    fn waits(mut schedule: MintSchedule, step: impl Fn(&mut MintSchedule)) -> Vec<u64> {
        let mut wait = || {
            step(&mut schedule);
            schedule.next_at().since(NOW).as_secs()
        };
        (0..40).map(|_| wait()).collect()
    }

    #[test]
    fn a_token_is_renewed_three_minutes_and_three_quarters_before_its_end_or_a_little_later() {
        let mut schedule = MintSchedule::new(None);
        assert!(schedule.next_at() <= NOW);
        for (jitter, ahead) in [(0.0, 225), (0.5, 210), (1.0, 195)] {
            schedule.succeeded(NOW, later(3600), jitter);
            assert_eq!(schedule.next_at(), later(3600 - ahead));
        }
    }

    #[test]
    fn a_short_token_is_renewed_at_its_half_and_never_in_a_tight_loop() {
        let mut schedule = MintSchedule::new(None);
        for (left, wait) in [(400, 200), (60, 30), (1, 1), (0, 1)] {
            schedule.succeeded(NOW, later(left), 0.0);
            assert_eq!(schedule.next_at(), later(wait), "{left}");
        }
    }

    #[test]
    fn the_same_token_again_backs_off() {
        let waits = waits(MintSchedule::new(None), |it| it.repeated(NOW, 0.0));
        assert_eq!(waits[..5], [5, 10, 20, 40, 60]);
        assert_eq!(waits[39], 60);
    }

    #[test]
    fn failures_back_off_with_jitter_and_a_success_forgets_them() {
        let without = waits(MintSchedule::new(None), |it| it.failed(NOW, None, 0.0));
        assert_eq!(without[..8], [1, 2, 4, 8, 16, 32, 60, 60]);
        let with = waits(MintSchedule::new(None), |it| it.failed(NOW, None, 1.0));
        assert_eq!(with[39], 90);
        let mut schedule = MintSchedule::new(None);
        schedule.failed(NOW, None, 0.0);
        schedule.failed(NOW, None, 0.0);
        schedule.succeeded(NOW, later(3600), 0.0);
        schedule.failed(NOW, None, 0.0);
        assert_eq!(schedule.next_at(), later(1));
    }

    #[test]
    fn no_back_off_sleeps_through_the_end_of_the_token_at_hand() {
        let steps: [fn(&mut MintSchedule, UnixTime); 2] =
            [|it, now| it.failed(now, None, 1.0), |it, now| it.repeated(now, 1.0)];
        for step in steps {
            let mut schedule = MintSchedule::new(None);
            schedule.succeeded(NOW, later(3600), 1.0);
            let mut now = schedule.next_at();
            while now < later(3595) {
                step(&mut schedule, now);
                assert!(schedule.next_at() > now && schedule.next_at() < later(3600));
                now = schedule.next_at();
            }
        }
    }

    #[test]
    fn a_clock_that_is_set_back_makes_one_attempt_due() {
        let earlier = NOW.minus(Duration::from_secs(6 * 3600));
        let mut schedule = MintSchedule::new(None);
        schedule.failed(NOW, None, 0.0);
        assert!(!schedule.is_due(NOW) && schedule.is_due(later(1)));
        assert!(schedule.is_due(earlier));
        schedule.failed(earlier, None, 0.0);
        assert!(!schedule.is_due(earlier));
    }

    #[test]
    fn a_refused_token_is_renewed_before_its_time_now_and_then() {
        let mut schedule = MintSchedule::new(None);
        schedule.succeeded(NOW, later(3600), 0.0);
        assert!(!schedule.is_due(later(10)));
        assert!(schedule.refused(later(10)) && schedule.is_due(later(10)));
        schedule.succeeded(later(11), later(3611), 0.0);
        assert!(!schedule.refused(later(39)), "too soon");
        assert!(schedule.refused(later(40)));
        schedule.repeated(later(41), 0.0);
        assert!(!schedule.refused(later(42)), "the source has no other");
        let mut schedule = MintSchedule::new(None);
        schedule.failed(NOW, Some(Duration::from_secs(60)), 0.0);
        assert!(!schedule.refused(later(10)), "the source asks to be left alone");
    }

    #[test]
    fn a_source_that_has_no_other_token_than_a_refused_one_is_left_alone_until_its_time() {
        let mut schedule = MintSchedule::new(None);
        schedule.succeeded(NOW, later(3600), 0.0);
        let mut asked = 0;
        // A region refuses the token with every request, each second.
        for second in 1..600 {
            if schedule.refused(later(second)) {
                asked += 1;
                schedule.repeated(later(second), 0.0);
                assert_eq!(schedule.next_at(), later(3600 - 225));
            }
        }
        assert_eq!(asked, 20, "every half a minute");
        let mut schedule = MintSchedule::new(Some(later(3600)));
        assert!(schedule.is_due(NOW), "a token from elsewhere");
        schedule.repeated(NOW, 1.0);
        assert_eq!(schedule.next_at(), later(3600 - 195));
    }

    #[test]
    fn the_source_may_ask_for_more_time_within_bounds() {
        let mut schedule = MintSchedule::new(None);
        schedule.failed(NOW, Some(Duration::from_secs(30)), 0.0);
        assert_eq!(schedule.next_at(), later(30));
        schedule.failed(NOW, Some(Duration::MAX), 0.0);
        assert_eq!(schedule.next_at(), later(300));
    }
}
