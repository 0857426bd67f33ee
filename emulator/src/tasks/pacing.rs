//! When a queue may dispatch what: due times, the token bucket, the limit of
//! dispatches at once, and the slowing down after 429 and 503. Without clock
//! and without I/O: whoever asks says what time it is, as the time since some
//! beginning.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

/// How fast a queue dispatches (Cloud Tasks API, `RateLimits`).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RateLimits {
    /// The highest rate, in dispatches per second: above 0, at most 500.
    pub max_dispatches_per_second: f64,
    /// How many may be under way at once: 1 to 5000.
    pub max_concurrent_dispatches: u32,
}

impl Default for RateLimits {
    /// The defaults of gcloud's queues (Cloud Tasks, "Configure queues").
    fn default() -> Self {
        Self { max_dispatches_per_second: 500.0, max_concurrent_dispatches: 1000 }
    }
}

impl RateLimits {
    /// How many tasks can be dispatched in one go. "Cloud Tasks will pick the
    /// value based on the value of `max_dispatches_per_second`", without a
    /// documented formula: this one gives the values that are seen at either
    /// end, 10 and 100.
    #[must_use]
    pub fn max_burst_size(&self) -> u32 {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it is within 10 and 100"
        )]
        let burst = (self.max_dispatches_per_second / 5.0).ceil().clamp(10.0, 100.0) as u32;
        burst
    }
}

/// How often the rate is halved at most.
const MOST_HALVINGS: u32 = 6;

/// What a queue may do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Dispatch this task.
    Dispatch(u64),
    /// Nothing before that time.
    At(Duration),
    /// Nothing before something changes.
    Nothing,
}

/// The tasks that wait, and the limits.
#[derive(Debug)]
pub(super) struct Pacing {
    limits: RateLimits,
    is_paused: bool,
    tokens: f64,
    filled_at: Duration,
    halvings: u32,
    under_way: u32,
    waiting: BTreeSet<(Duration, u64)>,
    forced: VecDeque<u64>,
}

impl Pacing {
    /// Nothing waits, and the bucket is full.
    pub(super) fn new(limits: RateLimits) -> Self {
        Self {
            limits,
            is_paused: false,
            tokens: f64::from(limits.max_burst_size()),
            filled_at: Duration::ZERO,
            halvings: 0,
            under_way: 0,
            waiting: BTreeSet::new(),
            forced: VecDeque::new(),
        }
    }

    pub(super) fn limits(&self) -> RateLimits {
        self.limits
    }

    pub(super) fn set_limits(&mut self, now: Duration, limits: RateLimits) {
        self.fill(now);
        self.limits = limits;
        self.tokens = self.tokens.min(f64::from(limits.max_burst_size()));
    }

    pub(super) fn is_paused(&self) -> bool {
        self.is_paused
    }

    pub(super) fn pause(&mut self, is_paused: bool) {
        self.is_paused = is_paused;
    }

    /// Lets a task wait until it is due.
    pub(super) fn add(&mut self, due: Duration, id: u64) {
        self.waiting.insert((due, id));
    }

    /// Takes a waiting task out.
    pub(super) fn remove(&mut self, due: Duration, id: u64) {
        self.waiting.remove(&(due, id));
        self.forced.retain(|it| *it != id);
    }

    /// Dispatches a task next, whatever the limits say, also in a paused queue
    /// (`RunTask`).
    pub(super) fn force(&mut self, id: u64) {
        self.forced.push_back(id);
    }

    /// What to do now. What is dispatched counts as under way.
    pub(super) fn next(&mut self, now: Duration) -> Next {
        if let Some(id) = self.forced.pop_front() {
            self.under_way = self.under_way.saturating_add(1);
            return Next::Dispatch(id);
        }
        let Some(&(due, id)) = self.waiting.first() else {
            return Next::Nothing;
        };
        if self.is_paused || self.under_way >= self.limits.max_concurrent_dispatches {
            return Next::Nothing;
        }
        if due > now {
            return Next::At(due);
        }
        self.fill(now);
        if self.tokens < 1.0 {
            let wait = Duration::try_from_secs_f64((1.0 - self.tokens) / self.rate());
            // Rounded up: at that time there is a whole token.
            let wait = wait.unwrap_or(Duration::MAX).saturating_add(Duration::from_micros(1));
            return Next::At(now.saturating_add(wait));
        }
        self.tokens -= 1.0;
        self.waiting.pop_first();
        self.under_way = self.under_way.saturating_add(1);
        Next::Dispatch(id)
    }

    /// A dispatch has come to its end.
    pub(super) fn end(&mut self) {
        self.under_way = self.under_way.saturating_sub(1);
    }

    /// Halves the rate, down to a sixty-fourth: a target has said that it is
    /// called too often.
    pub(super) fn slow(&mut self, now: Duration) {
        self.fill(now);
        self.halvings = self.halvings.saturating_add(1).min(MOST_HALVINGS);
    }

    /// Takes back one halving: a target has done its work.
    pub(super) fn quicken(&mut self, now: Duration) {
        self.fill(now);
        self.halvings = self.halvings.saturating_sub(1);
    }

    fn rate(&self) -> f64 {
        self.limits.max_dispatches_per_second / f64::from(1_u32 << self.halvings.min(MOST_HALVINGS))
    }

    fn fill(&mut self, now: Duration) {
        let passed = now.saturating_sub(self.filled_at);
        let filled = self.tokens + passed.as_secs_f64() * self.rate();
        self.tokens = filled.min(f64::from(self.limits.max_burst_size()));
        self.filled_at = self.filled_at.max(now);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: Duration = Duration::ZERO;

    fn limits(rate: f64, concurrent: u32) -> RateLimits {
        RateLimits { max_dispatches_per_second: rate, max_concurrent_dispatches: concurrent }
    }

    fn full(rate: f64, concurrent: u32, tasks: u64) -> Pacing {
        let mut pacing = Pacing::new(limits(rate, concurrent));
        for id in 0..tasks {
            pacing.add(NOW, id);
        }
        pacing
    }

    fn dispatched(pacing: &mut Pacing, now: Duration) -> usize {
        std::iter::from_fn(|| matches!(pacing.next(now), Next::Dispatch(_)).then_some(())).count()
    }

    #[test]
    fn a_task_waits_until_it_is_due_and_the_earliest_goes_first() {
        let mut pacing = Pacing::new(RateLimits::default());
        let [first, second] = [1, 2].map(Duration::from_secs);
        pacing.add(second, 1);
        pacing.add(first, 2);
        assert_eq!(pacing.next(NOW), Next::At(first));
        assert_eq!(pacing.next(first), Next::Dispatch(2));
        assert_eq!(pacing.next(first), Next::At(second));
        pacing.remove(second, 1);
        assert_eq!(pacing.next(second), Next::Nothing);
    }

    #[test]
    fn a_burst_empties_the_bucket_and_then_the_rate_counts() {
        let mut pacing = full(2.0, 1000, 100);
        assert_eq!(dispatched(&mut pacing, NOW), 10);
        let Next::At(then) = pacing.next(NOW) else { panic!("nothing to wait for") };
        assert_eq!(then.as_millis(), 500);
        assert_eq!(dispatched(&mut pacing, then), 1);
        assert_eq!(dispatched(&mut pacing, Duration::from_secs(3)), 5);
    }

    #[test]
    fn no_more_are_under_way_at_once_than_allowed() {
        let mut pacing = full(500.0, 3, 5);
        assert_eq!(dispatched(&mut pacing, NOW), 3);
        assert_eq!(pacing.next(NOW), Next::Nothing);
        pacing.end();
        assert_eq!(dispatched(&mut pacing, NOW), 1);
    }

    #[test]
    fn a_paused_queue_dispatches_only_what_is_forced() {
        let mut pacing = full(500.0, 1, 2);
        pacing.pause(true);
        assert_eq!(pacing.next(NOW), Next::Nothing);
        pacing.force(7);
        pacing.force(8);
        assert_eq!(dispatched(&mut pacing, NOW), 2);
        pacing.pause(false);
        assert_eq!(pacing.next(NOW), Next::Nothing, "the forced ones are under way");
    }

    #[test]
    fn a_target_that_is_called_too_often_slows_the_queue_until_it_succeeds() {
        let mut pacing = full(8.0, 1000, 1000);
        dispatched(&mut pacing, NOW);
        for _ in 0..3 {
            pacing.slow(NOW);
        }
        let then = Duration::from_secs(10);
        assert_eq!(dispatched(&mut pacing, then), 10, "one per second");
        for _ in 0..4 {
            pacing.quicken(then);
        }
        assert_eq!(dispatched(&mut pacing, Duration::from_secs(11)), 8);
    }

    #[derive(Clone, Debug)]
    enum Event {
        Wait(u64),
        Add(u64),
        End,
        Slow,
        Quicken,
        Pause(bool),
    }

    fn events() -> impl Strategy<Value = Vec<Event>> {
        let event = prop_oneof![
            (0_u64..2_000).prop_map(Event::Wait),
            (0_u64..5_000).prop_map(Event::Add),
            Just(Event::End),
            Just(Event::Slow),
            Just(Event::Quicken),
            any::<bool>().prop_map(Event::Pause),
        ];
        proptest::collection::vec(event, 1..200)
    }

    proptest! {
        #[test]
        fn rate_burst_and_concurrency_hold_whatever_happens(
            rate in 0.1_f64..500.0,
            concurrent in 1_u32..20,
            events in events(),
        ) {
            let limits = limits(rate, concurrent);
            let mut pacing = Pacing::new(limits);
            let (mut now, mut under_way, mut paused) = (Duration::ZERO, 0_u32, false);
            let mut due = std::collections::HashMap::new();
            let mut times: Vec<Duration> = Vec::new();
            for (id, event) in (0_u64..).zip(events) {
                match event {
                    Event::Wait(ms) => now += Duration::from_millis(ms),
                    Event::Add(ms) => {
                        let at = now + Duration::from_millis(ms);
                        due.insert(id, at);
                        pacing.add(at, id);
                    }
                    Event::End if under_way > 0 => {
                        under_way -= 1;
                        pacing.end();
                    }
                    Event::End => {}
                    Event::Slow => pacing.slow(now),
                    Event::Quicken => pacing.quicken(now),
                    Event::Pause(is) => {
                        paused = is;
                        pacing.pause(is);
                    }
                }
                loop {
                    match pacing.next(now) {
                        Next::Dispatch(id) => {
                            prop_assert!(!paused);
                            prop_assert!(due.remove(&id).is_some_and(|due| due <= now));
                            under_way += 1;
                            prop_assert!(under_way <= concurrent);
                            times.push(now);
                        }
                        Next::At(then) => {
                            prop_assert!(then > now);
                            break;
                        }
                        Next::Nothing => break,
                    }
                }
            }
            // In any stretch of time: a burst, and what the rate gives.
            for (place, from) in times.iter().enumerate() {
                for (count, to) in (1_u32..).zip(&times[place..]) {
                    let allowed = (*to - *from).as_secs_f64() * rate;
                    let allowed = f64::from(limits.max_burst_size()) + allowed + 1e-6;
                    prop_assert!(f64::from(count) <= allowed);
                }
            }
        }
    }
}
