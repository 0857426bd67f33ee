//! The age of the keys in a configuration.

use super::*;

use std::time::Duration;

use remint_idtoken::UnixTime;
use remint_tests::chain::Envoy;
use remint_tests::client::{Answer, send};

use narrow::{World, module};

const DAY: Duration = Duration::from_secs(86_400);

/// A host whose keys were fetched so long ago, and its answer to a good token.
async fn with_keys_of(age: Duration, world: &World) -> (Envoy, Answer) {
    let mut plugin = world.rendered(&document()).await;
    let as_of = UnixTime(world.google.issuer().now().0).minus(age).to_string();
    for issuer in plugin["policy"]["issuers"].as_array_mut().unwrap() {
        issuer["inline_keys"]["as_of"] = json!(as_of);
    }
    let envoy = world.host(1, &module(), &plugin).await;
    let request = request(DOMAIN, Some(&token(&world.google)), None);
    let answer = send(envoy.address(), request).await.unwrap();
    (envoy, answer)
}

fn lines_with(envoy: &Envoy, text: &str) -> usize {
    envoy.lines().iter().filter(|line| line.contains(text)).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_used_without_a_word_for_half_of_their_time() {
    let world = World::new().await;
    let (envoy, answer) = with_keys_of(3 * DAY, &world).await;
    assert_eq!(answer.status, 200);
    assert_eq!(lines_with(&envoy, "in the configuration are"), 0);
    envoy.stop().await.unwrap();
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn older_keys_are_used_with_a_warning() {
    let world = World::new().await;
    let (mut envoy, answer) = with_keys_of(4 * DAY, &world).await;
    assert_eq!(answer.status, 200);
    let warning = |line: &str| line.contains("are getting old: they are used until").then_some(());
    envoy.wait_for(warning).await.unwrap();
    envoy.stop().await.unwrap();
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_are_too_old_are_used_no_longer() {
    let world = World::new().await;
    let (mut envoy, answer) = with_keys_of(7 * DAY, &world).await;
    assert_eq!(answer.status, 503);
    let refusal = envoy.refusal_number(0).await.unwrap();
    assert_eq!(refusal["reason"], "keys_expired", "{refusal}");
    assert!(lines_with(&envoy, "are too old, and its tokens are refused since") > 0);
    envoy.stop().await.unwrap();
    world.close().await;
}
