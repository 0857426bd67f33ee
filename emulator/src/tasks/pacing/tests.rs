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
