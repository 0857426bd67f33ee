use super::*;
use proptest::prelude::*;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

/// Weight and priority of each region, which is called `r0`, `r1`, ...
struct World {
    balancer: Balancer,
    all: Places,
    now: Instant,
}

impl World {
    fn new(regions: &[(u32, u32)], seed: u64) -> Self {
        Self::with(regions, Outlier::default(), seed)
    }

    fn with(regions: &[(u32, u32)], settings: Outlier, seed: u64) -> Self {
        let now = Instant::now();
        let member = |(place, (weight, priority)): (usize, &(u32, u32))| {
            Member::new(format!("r{place}").into(), *weight, *priority, now)
        };
        let members: Vec<_> = regions.iter().enumerate().map(member).collect();
        let all = (0..members.len()).collect();
        Self { balancer: Balancer::new(members, settings, seed), all, now }
    }

    fn pick(&self) -> Option<usize> {
        Some(self.balancer.pick(self.all, Places::default(), self.now)?.place)
    }

    /// How many of so many requests, one after the other, each region gets.
    fn counts(&self, requests: usize) -> Vec<usize> {
        let mut counts = vec![0; self.balancer.members.len()];
        (0..requests).for_each(|_| counts[self.pick().unwrap()] += 1);
        counts
    }

    fn kill(&self, place: usize) {
        self.balancer.failed(place, Failure::Unreachable, self.now, self.now, 0.0);
    }

    fn without(&self, place: usize) -> Places {
        self.all.without([place].into_iter().collect())
    }
}

fn assert_near(counts: &[usize], expected: &[usize]) {
    let near = counts.iter().zip(expected).all(|(one, other)| one.abs_diff(*other) <= 8);
    assert!(near && counts.len() == expected.len(), "{counts:?} is not near {expected:?}");
}

#[test]
fn idle_regions_get_what_their_weights_say() {
    assert_near(&World::new(&[(1, 0), (3, 0), (6, 0)], 7).counts(1000), &[100, 300, 600]);
}

#[test]
fn a_lower_priority_gets_nothing_while_the_higher_one_is_well_enough() {
    let world = World::new(&[(1, 0), (1, 0), (1, 0), (1, 0), (9, 1)], 7);
    assert_near(&world.counts(400), &[100, 100, 100, 100, 0]);
    world.kill(0);
    let counts = world.counts(300);
    assert_near(&counts, &[0, 100, 100, 100, 0]);
    assert_eq!((counts[0], counts[4]), (0, 0), "three of four can take it all");
}

#[test]
fn what_a_priority_can_not_take_goes_to_the_next() {
    let world = World::new(&[(1, 0), (1, 0), (4, 1)], 7);
    world.kill(0);
    assert_near(&world.counts(1000), &[0, 700, 300]);
    world.kill(1);
    assert_eq!(world.counts(10), [0, 0, 10]);
}

#[test]
fn the_least_that_is_left_of_a_priority_is_still_used() {
    let mut regions = vec![(1000, 0); 64];
    regions[0].0 = 1;
    let settings = Outlier { panic_threshold: 0, ..Outlier::default() };
    let world = World::with(&regions, settings, 7);
    (1..64).for_each(|place| world.kill(place));
    assert_eq!(world.counts(100)[0], 100);
}

#[test]
fn the_local_region_comes_first_within_its_priority() {
    let world = World::new(&[(1, 0), (1, 0), (1, 1)], 7);
    assert!(world.balancer.set_local("r1") && !world.balancer.set_local("r0"));
    assert_eq!(world.counts(50), [0, 50, 0]);
    world.kill(1);
    assert_eq!(world.counts(50), [50, 0, 0]);
    let world = World::new(&[(1, 0), (1, 0), (1, 1)], 7);
    assert!(!world.balancer.set_local("elsewhere") && world.balancer.set_local("r2"));
    assert_near(&world.counts(100), &[50, 50, 0]);
}

#[test]
fn a_drained_region_is_used_when_nothing_else_is_left() {
    let world = World::new(&[(1, 0), (0, 0)], 7);
    assert_eq!(world.counts(20), [20, 0]);
    world.kill(0);
    assert_eq!(world.counts(20), [20, 0], "one that fails is better than one that is drained");
    let drained = world.balancer.pick(world.without(0), Places::default(), world.now);
    assert_eq!(drained.unwrap().place, 1);
    let tried = [0].into_iter().collect();
    assert_eq!(world.balancer.pick(world.all, tried, world.now).unwrap().place, 1, "a retry");
    world.kill(1);
    assert!(world.balancer.pick(world.all, tried, world.now).is_none(), "it is ejected too");
    assert_near(&World::new(&[(0, 0), (0, 0)], 7).counts(100), &[50, 50]);
}

#[test]
fn a_busy_region_gets_less() {
    let world = World::new(&[(1, 0), (1, 0)], 7);
    let mut under_way = Vec::new();
    let mut counts = [0_usize; 2];
    for _ in 0..100 {
        let pick = world.balancer.pick(world.all, Places::default(), world.now).unwrap();
        counts[pick.place] += 1;
        // The first region never answers, the other one at once.
        if pick.place == 0 {
            under_way.push(pick);
        }
    }
    assert!(counts[0] <= 2, "{counts:?}");
    assert_eq!(world.balancer.members[0].in_flight() as usize, counts[0]);
    under_way.clear();
    assert_eq!(world.balancer.members[0].in_flight(), 0);
    assert_near(&world.counts(100), &[50, 50]);
}

#[test]
fn under_load_regions_are_as_busy_as_their_weights_say() {
    let world = World::new(&[(1, 0), (3, 0)], 7);
    let picks: Vec<_> =
        (0..80).map(|_| world.balancer.pick(world.all, Places::default(), world.now)).collect();
    let first = picks.iter().flatten().filter(|pick| pick.place == 0).count();
    assert!((17..=23).contains(&first), "{first}");
}

#[test]
fn if_all_are_ejected_all_are_used_whatever_the_threshold() {
    for panic_threshold in [0, 50, 100] {
        let settings = Outlier { panic_threshold, ..Outlier::default() };
        let world = World::with(&[(1, 0), (1, 1), (1, 2)], settings, 7);
        (0..3).for_each(|place| world.kill(place));
        assert_near(&world.counts(60), &[20, 20, 20]);
        assert!(world.balancer.is_panicking(world.all, world.now));
    }
}

#[test]
fn below_the_panic_threshold_ejections_are_ignored_unless_a_level_can_take_all() {
    let world = World::new(&[(1, 0), (1, 0), (1, 0)], 7);
    world.kill(0);
    assert!(!world.balancer.is_panicking(world.all, world.now));
    world.kill(1);
    assert!(world.balancer.is_panicking(world.all, world.now));
    assert_near(&world.counts(90), &[30, 30, 30]);
    let pick = world.balancer.pick(world.all, Places::default(), world.now).unwrap();
    assert!(pick.panics);
    let world = World::new(&[(1, 0), (1, 1), (1, 1)], 7);
    world.kill(1);
    world.kill(2);
    assert!(!world.balancer.is_panicking(world.all, world.now), "the first one is well");
    assert_eq!(world.counts(10), [10, 0, 0]);
}

#[test]
fn after_an_ejection_one_request_tries_and_the_others_wait_for_it() {
    let mut world = World::new(&[(1, 0), (1, 0)], 7);
    world.kill(0);
    world.now += SECOND * 10;
    assert_eq!(world.counts(20)[0], 1);
    assert!(world.balancer.answered(0, world.now, world.now));
    assert_near(&world.counts(20), &[10, 10]);
}

#[test]
fn of_many_who_come_at_the_end_of_the_last_ejection_nobody_goes_away_empty_handed() {
    for _ in 0..50 {
        let mut world = World::new(&[(1, 0)], 7);
        world.kill(0);
        world.now += SECOND * 10;
        std::thread::scope(|scope| {
            let pick = || world.pick();
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(pick)).collect();
            threads.into_iter().for_each(|it| assert_eq!(it.join().unwrap(), Some(0)));
        });
    }
}

#[test]
fn an_attempt_after_the_first_goes_to_another_region_or_nowhere() {
    let world = World::new(&[(1, 0), (1, 0), (1, 1)], 7);
    let mut tried = Places::default();
    for _ in 0..3 {
        let pick = world.balancer.pick(world.all, tried, world.now).unwrap();
        assert!(!tried.contains(pick.place));
        tried.add(pick.place);
    }
    assert!(world.balancer.pick(world.all, tried, world.now).is_none());
    world.kill(1);
    let tried = [0, 2].into_iter().collect();
    assert!(world.balancer.pick(world.all, tried, world.now).is_none(), "it is ejected");
}

proptest! {
    #[test]
    fn who_is_chosen_has_a_token_was_not_tried_and_is_not_ejected_without_need(
        regions in proptest::collection::vec((0_u32..4, 0_u32..3), 1..10),
        ejected in proptest::collection::vec(any::<bool>(), 10),
        tokens in proptest::collection::vec(any::<bool>(), 10),
        tried in proptest::collection::vec(any::<bool>(), 10),
        local in 0_usize..12,
        seed in any::<u64>(),
    ) {
        let world = World::new(&regions, seed);
        world.balancer.set_local(&format!("r{local}"));
        let set = |flags: &[bool]| (0..regions.len()).filter(|at| flags[*at]).collect::<Places>();
        set(&ejected).iter().for_each(|place| world.kill(place));
        let (with_token, tried) = (set(&tokens), set(&tried));
        let left = with_token.without(tried);
        match world.balancer.pick(with_token, tried, world.now) {
            None => prop_assert!(left.without(set(&ejected)).is_empty()),
            Some(pick) => {
                prop_assert!(left.contains(pick.place));
                prop_assert!(!ejected[pick.place] || pick.panics);
                let others = left.and(world.balancer.active);
                prop_assert!(regions[pick.place].0 > 0 || others.without(set(&ejected)).is_empty());
            }
        }
    }

    #[test]
    fn no_healthy_region_of_the_first_priority_is_starved(
        weights in proptest::collection::vec(1_u32..10, 1..10),
        ejected in proptest::collection::vec(any::<bool>(), 10),
        seed in any::<u64>(),
    ) {
        let regions: Vec<_> = weights.iter().map(|weight| (*weight, 0)).collect();
        let world = World::new(&regions, seed);
        let well = |place: &usize| !ejected[*place];
        (0..regions.len()).filter(|it| !well(it)).for_each(|place| world.kill(place));
        let panics = world.balancer.is_panicking(world.all, world.now);
        let used: Vec<usize> = (0..regions.len()).filter(|it| panics || well(it)).collect();
        let total: u32 = used.iter().map(|place| weights[*place]).sum();
        let counts = world.counts(total as usize * 20);
        for place in used {
            prop_assert!(counts[place] >= weights[place] as usize * 10, "{:?}", counts);
        }
    }
}
