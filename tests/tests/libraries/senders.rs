//! Google's clients of the senders' APIs, in Python: what they set up reaches a
//! region with a token that it believes.

use std::time::Duration;

use remint_emulator::Verdict;
use remint_tests::process::PATIENCE;
use serde_json::{Value, json};

use crate::world::{Language, PUSHER, TOKEN_URL, World};

const PROJECT: &str = "demo-project";

/// Waits for a call of the sender's account that the region in the US lets in.
async fn arrives(world: &World, path: &str) {
    let timeline = world.emulator.timeline();
    let mut pause = tokio::time::interval(Duration::from_millis(20));
    let seen = async {
        loop {
            pause.tick().await;
            let arrived = timeline.count(|call| {
                call.verdict == Verdict::Accepted
                    && call.region == "us-central1"
                    && call.caller.as_deref() == Some(PUSHER)
                    && call.path == path
            });
            if arrived > 0 {
                break;
            }
        }
    };
    let within = tokio::time::timeout(PATIENCE, seen).await;
    assert!(within.is_ok(), "{:?}", timeline.all());
}

/// By the API's own name: its calls take credentials, and a proxy that gRPC
/// reads in small letters.
fn by_name(world: &World) -> [(&'static str, String); 2] {
    let file = world.key_file(TOKEN_URL);
    [
        ("GOOGLE_APPLICATION_CREDENTIALS", file.to_str().unwrap().to_owned()),
        ("https_proxy", format!("http://{}", world.google())),
    ]
}

fn borrowed<'a>(set: &'a [(&'a str, String)]) -> Vec<(&'a str, &'a str)> {
    set.iter().map(|(name, value)| (*name, value.as_str())).collect()
}

async fn pubsub(set: impl Fn(&World) -> Vec<(&'static str, String)>) {
    let world = World::start().await;
    let (us, eu) = (world.us().url(), world.eu().url());
    let endpoint = format!("{us}/pushed");
    let arguments = [PROJECT, PUSHER, &endpoint, eu, us];
    let set = set(&world);
    let answer = world
        .run(Language::Python, "cloud_pubsub", &arguments, &borrowed(&set), &Value::Null)
        .await;
    assert_eq!((&answer["created"], &answer["modified"]), (&json!(eu), &json!(us)));
    arrives(&world, "/pushed").await;
}

/// A client whose API is at `address`, or at its own name.
async fn called(client: &str, address: bool) {
    let world = World::start().await;
    let url = format!("{}/{client}", world.us().url());
    let google = world.google().to_string();
    let mut arguments = vec![PROJECT, PUSHER, &url, world.us().url()];
    let set = by_name(&world);
    let mut set = borrowed(&set);
    if address {
        arguments.push(&google);
        set.clear();
    }
    world.run(Language::Python, client, &arguments, &set, &Value::Null).await;
    arrives(&world, &format!("/{client}")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_subscription_is_made_and_modified_at_an_address() {
    pubsub(|world| vec![("PUBSUB_EMULATOR_HOST", world.google().to_string())]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_subscription_is_made_and_modified_at_the_name_of_pubsub() {
    pubsub(|world| by_name(world).into()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_reaches_its_region_by_an_address_and_by_the_name_of_cloud_tasks() {
    for address in [true, false] {
        called("cloud_tasks", address).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_reaches_its_region_by_an_address_and_by_the_name_of_cloud_scheduler() {
    for address in [true, false] {
        called("cloud_scheduler", address).await;
    }
}
