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
fn five_requests_without_an_answer_eject_and_any_answer_starts_the_count_anew() {
    let (health, now) = (Health::default(), Instant::now());
    for _ in 0..3 {
        (0..4).for_each(|_| assert!(!health.unanswered(now)));
        assert!(!health.is_ejected(now) && !health.succeeded(), "it was never away");
    }
    let outcomes: Vec<_> = (0..7).map(|_| health.unanswered(now)).collect();
    assert_eq!(outcomes, [false, false, false, false, true, false, false]);
    assert!(health.is_ejected(now + SECOND * 9) && !health.is_ejected(now + SECOND * 10));
}

#[test]
fn a_region_that_is_tried_and_gives_no_answer_is_ejected_again_for_longer() {
    let (health, now) = (Health::default(), Instant::now());
    health.failed(now);
    let now = now + SECOND * 10;
    assert!(health.take(now) && health.unanswered(now));
    assert!(health.is_ejected(now + SECOND * 19) && !health.is_ejected(now + SECOND * 20));
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
