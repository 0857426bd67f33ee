//! Each part of the demo's story holds.

use remint_emulator::{Config, Emulator};
use remint_tests::chain::Chain;
use remint_tests::demo::{Part, a_region_dies, attackers, explained, problem, remint_in_the_way};

fn assert_held(part: &Part) {
    assert!(part.held(), "{}: {:?}", part.title, part.failures());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plain_load_balancer_loses_the_messages_of_the_other_region() {
    let emulator = Emulator::start(Config::demo()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    assert_held(&problem(&emulator, folder.path()).await.unwrap());
    emulator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_remint_both_regions_take_every_message_with_their_own_audience() {
    let chain = Chain::start().await.unwrap();
    assert_held(&remint_in_the_way(&chain).await.unwrap());
    chain.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn when_a_region_dies_the_other_takes_every_message_with_its_own_audience() {
    let chain = Chain::start().await.unwrap();
    // Connections are open to both regions when one of them dies.
    assert_held(&remint_in_the_way(&chain).await.unwrap());
    assert_held(&a_region_dies(&chain).await.unwrap());
    chain.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn attackers_are_refused_by_the_filter_and_reach_nobody() {
    let mut chain = Chain::start().await.unwrap();
    let part = attackers(&mut chain).await.unwrap();
    assert_eq!(part.table.rows.len(), 9);
    assert_held(&part);
    chain.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_is_explained_to_the_operator_with_the_command_that_mends_it() {
    let mut chain = Chain::start().await.unwrap();
    assert_held(&explained(&mut chain).await.unwrap());
    chain.stop().await.unwrap();
}
