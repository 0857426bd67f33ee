//! The choice of regions over many days: regions die, hang, get slow and come
//! back, in a model of time and of the world that is the same for the same
//! seed.

mod condition;
mod expected;
mod parts;
mod retries;
mod world;

use super::Places;
use condition::Condition;
use parts::Parts;
use retries::Tally;
use world::World;

const SEEDS: u64 = 1_000;

/// Regions change again and again while requests come.
fn chaos(world: &mut World) {
    for _ in 0..300 {
        let gap = world.random.below(400);
        world.pass(gap);
        world.request();
        if world.random.one_in(20) {
            let place = world.random.place(world.regions.len());
            world.regions[place].condition = Condition::any(&mut world.random);
            let has_token = !world.random.one_in(5);
            world.set_token(place, has_token);
        }
    }
}

fn heal(world: &mut World) {
    for place in 0..world.regions.len() {
        world.regions[place].condition = Condition::Well;
        world.set_token(place, true);
    }
}

/// Each region of the level that takes everything gets about its share, and
/// no other region anything.
fn assert_fair(world: &mut World, seed: u64) {
    let level = world.first_level();
    let weights: u32 = level.iter().map(|place| world.regions[*place].weight.max(1)).sum();
    world.forget_attempts();
    let requests = 20 * weights;
    for _ in 0..requests {
        world.pass(60);
        world.request();
    }
    for (place, region) in world.regions.iter().enumerate() {
        let expected = match level.contains(&place) {
            true => 20 * region.weight.max(1) as usize,
            false => 0,
        };
        let is_fair = region.attempts >= expected / 2 && region.attempts <= expected * 2;
        assert!(is_fair, "seed {seed}: {place} got {} of {expected}", region.attempts);
    }
}

#[tokio::test]
async fn whatever_regions_do_attempts_are_right_and_traffic_returns() {
    let parts = Parts::new();
    for seed in 0..SEEDS {
        let mut world = World::new(&parts, seed, false);
        assert_fair(&mut world, seed);
        chaos(&mut world);
        heal(&mut world);
        // An ejection lasts no longer than 44 s, and then a request tries.
        for _ in 0..60 {
            world.pass(2_000);
            world.request();
        }
        world.pass(60_000);
        assert_fair(&mut world, seed);
        assert!(!world.service.balancer.is_panicking(world.with_token(), world.instant()));
    }
}

#[tokio::test]
async fn retries_are_as_many_as_the_budget_allows_and_no_fewer() {
    let parts = Parts::new();
    let mut tally = Tally::default();
    for seed in 0..SEEDS {
        let mut world = World::new(&parts, seed, false);
        chaos(&mut world);
        tally += world.retries.tally;
    }
    // Each was looked at as it happened; there were some of each kind.
    let Tally { granted, free, refused } = tally;
    assert!(granted.min(free).min(refused) > SEEDS, "{granted} {free} {refused}");
}

#[tokio::test]
async fn with_probes_regions_return_without_any_request() {
    let parts = Parts::new();
    for seed in 0..SEEDS {
        let mut world = World::new(&parts, seed, true);
        chaos(&mut world);
        heal(&mut world);
        world.pass(60_000);
        for place in 0..world.regions.len() {
            let member = world.service.balancer.member(place).unwrap();
            assert!(!member.is_ejected(world.instant()), "seed {seed}: {place}");
            assert_eq!(member.in_flight(), 0);
        }
        assert_fair(&mut world, seed);
    }
}

#[tokio::test]
async fn when_nothing_works_everything_is_used() {
    let parts = Parts::new();
    for seed in 0..SEEDS {
        let mut world = World::new(&parts, seed, false);
        for region in &mut world.regions {
            region.condition = Condition::Dead;
        }
        let active: Places =
            (0..world.regions.len()).filter(|it| world.regions[*it].weight > 0).collect();
        let used = active.or_else(world.with_token());
        // Until all are ejected, and for no longer than the ejections last.
        for _ in 0..200 {
            world.pass(10);
            world.request();
        }
        assert!(
            world.service.balancer.is_panicking(world.with_token(), world.instant()),
            "seed {seed}"
        );
        world.forget_attempts();
        let weights: u32 = world.regions.iter().map(|it| it.weight.max(1)).sum();
        for _ in 0..4 * weights {
            world.pass(10);
            world.request();
        }
        for place in used.iter() {
            assert!(world.regions[place].attempts > 0, "seed {seed}: {place} is not used");
        }
    }
}

#[tokio::test]
async fn regions_that_are_well_get_their_shares_while_others_are_dead() {
    let mut seen = 0;
    let parts = Parts::new();
    for seed in 0..SEEDS {
        let mut world = World::new(&parts, seed, false);
        for place in 0..world.regions.len() {
            if world.random.one_in(3) {
                world.regions[place].condition = Condition::Dead;
            }
        }
        let step = |world: &mut World, requests| {
            for _ in 0..requests {
                world.pass(5);
                world.request();
            }
        };
        step(&mut world, 200);
        if world.service.balancer.is_panicking(world.with_token(), world.instant()) {
            continue;
        }
        seen += 1;
        world.forget_attempts();
        step(&mut world, 400);
        for (place, share) in world.shares().into_iter().enumerate() {
            let (attempts, expected) = (world.regions[place].attempts as f64, share * 400.0);
            let is_fair = (attempts - expected).abs() <= 20.0 + expected * 0.3;
            assert!(is_fair, "seed {seed}: {place} got {attempts} of {expected}");
        }
    }
    assert!(seen > SEEDS / 2);
}
