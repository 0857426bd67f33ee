//! Keys that change by a schedule, and a clock that is wrong.

use std::time::Duration;

use remint_emulator::Rotation;
use remint_idtoken::UnverifiedToken;
use tokio::time::interval;

use crate::support::{GATEWAY, NOW, World, get};

const DEADLINE: Duration = Duration::from_secs(20);

async fn keys(world: &World) -> usize {
    let reply = get("/oauth2/v3/certs").send(world.emulator.google_addr()).await;
    reply.json()["keys"].as_array().unwrap().len()
}

async fn wait_for_keys(world: &World, wanted: usize) {
    let mut looks = interval(Duration::from_millis(20));
    let found = async {
        while keys(world).await != wanted {
            looks.tick().await;
        }
    };
    tokio::time::timeout(DEADLINE, found).await.expect("so many keys in time");
}

#[tokio::test]
async fn a_running_emulator_keeps_to_the_schedule_of_its_keys() {
    let [every, overlap] = [1000, 100].map(Duration::from_secs);
    let rotation = Some(Rotation { every, overlap });
    let world = World::with(|config| config.key_rotation = rotation).await;
    let at = |seconds| world.clock.set(NOW.plus(Duration::from_secs(seconds)));
    let first = world.emulator.issuer().key_id();
    assert_eq!(keys(&world).await, 1);
    at(900);
    wait_for_keys(&world, 2).await;
    assert_eq!(world.emulator.issuer().key_id(), first);
    at(1100);
    wait_for_keys(&world, 1).await;
    assert_ne!(world.emulator.issuer().key_id(), first);
}

#[tokio::test]
async fn key_documents_tell_until_when_they_may_be_kept() {
    let world = World::with(|config| config.keys_max_age = 60).await;
    let reply = get("/oauth2/v3/certs").send(world.emulator.google_addr()).await;
    let date = |name| httpdate::parse_http_date(reply.headers[name].to_str().unwrap()).unwrap();
    let kept = date("expires").duration_since(date("date")).unwrap();
    assert_eq!(kept, Duration::from_secs(60));
}

#[tokio::test]
async fn google_s_clock_can_be_wrong_and_right_again() {
    let world = World::start().await;
    let token = async |audience: i64| {
        let path = format!(
            "/computeMetadata/v1/instance/service-accounts/default/identity?audience={audience}"
        );
        let call = get(&path).header("metadata-flavor", "Google");
        let text = call.send(world.emulator.google_addr()).await.text;
        UnverifiedToken::parse(text.as_bytes()).unwrap().claims().issued_at.unwrap().0
    };
    for (offset, issued) in [(600, NOW.0 + 600), (-600, NOW.0 - 600), (0, NOW.0)] {
        world.emulator.faults().set_clock_offset(offset);
        assert_eq!(token(offset).await, issued);
    }
    world.emulator.faults().set_clock_offset(-60);
    assert_eq!(token(0).await, NOW.0 - 60, "none that is of the future is handed out");
    // A front end has Google's time too.
    world.emulator.faults().set_clock_offset(4000);
    let token = world.token(world.us().url());
    world.emulator.faults().clear();
    let reply = get("/").bearer(&token).send(world.us().addr()).await;
    assert_eq!(reply.status, 401, "{GATEWAY}'s token is not valid yet");
}
