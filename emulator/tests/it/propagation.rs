//! A change of invokers takes its time.

use std::time::Duration;

use remint_emulator::Verdict;

use crate::support::{GATEWAY, NOW, World, get};

const PROPAGATION: Duration = Duration::from_secs(120);

async fn world() -> World {
    World::with(|config| config.iam_propagation = PROPAGATION).await
}

/// What becomes of eight calls that many seconds after the change, and what the
/// timeline notes of each.
async fn eight(world: &World, seconds: u64) -> (Vec<Verdict>, Vec<Option<String>>) {
    world.clock.set(NOW.plus(Duration::from_secs(seconds)));
    world.emulator.timeline().clear();
    let token = world.token(world.us().url());
    for _ in 0..8 {
        get("/").bearer(&token).send(world.us().addr()).await;
    }
    world.emulator.timeline().calls().into_iter().map(|call| (call.verdict, call.note)).unzip()
}

const PROPAGATING: Verdict = Verdict::Refused { status: 403, code: "iam_propagating" };

#[tokio::test]
async fn a_revoked_caller_is_let_in_less_and_less() {
    let world = world().await;
    world.us().set_invokers([]);
    for (seconds, refused) in [(0, 0), (30, 2), (60, 4), (90, 6)] {
        let (verdicts, notes) = eight(&world, seconds).await;
        let found = verdicts.iter().filter(|it| **it == PROPAGATING).count();
        let accepted = verdicts.iter().filter(|it| **it == Verdict::Accepted).count();
        assert_eq!((found, accepted), (refused, 8 - refused), "after {seconds} s");
        for note in notes {
            assert!(note.unwrap().starts_with("iam_propagating: "));
        }
    }
    let (verdicts, notes) = eight(&world, 120).await;
    let refused = Verdict::Refused { status: 403, code: "invoker_missing" };
    assert_eq!((verdicts, notes), (vec![refused; 8], vec![None; 8]));
}

#[tokio::test]
async fn a_granted_caller_is_let_in_now_and_then_until_all_know() {
    let world = world().await;
    world.us().set_invokers([]);
    world.clock.set(NOW.plus(PROPAGATION));
    world.us().set_invokers([GATEWAY]);
    // Half way, and the change before has settled.
    let (verdicts, _) = eight(&world, 180).await;
    assert!(verdicts.windows(2).all(|pair| pair[0] != pair[1]), "{verdicts:?}");
    assert_eq!(eight(&world, 240).await, (vec![Verdict::Accepted; 8], vec![None; 8]));
}

#[tokio::test]
async fn where_the_change_decides_nothing_nothing_is_noted() {
    let world = world().await;
    world.us().set_invokers([GATEWAY, "somebody@else.example"]);
    assert_eq!(eight(&world, 60).await, (vec![Verdict::Accepted; 8], vec![None; 8]));
    let reply = get("/").bearer("no.token.atall").send(world.us().addr()).await;
    assert_eq!(reply.status, 401);
    assert_eq!(crate::support::last_call(&world).note, None);
}
