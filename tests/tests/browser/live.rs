//! The page while calls come.

use remint_tests::browser::View;

use super::{IS_LIVE, World, picture, shows};

#[tokio::test(flavor = "multi_thread")]
async fn calls_appear_as_they_come_and_not_while_it_is_paused() {
    let world = World::start().await;
    let page = world.open("/", View::default()).await;
    let text = page.text().await.unwrap();
    assert!(text.contains("No calls yet. Make one:") && text.contains("/emulator/mint"), "{text}");
    picture(&page, "empty").await;
    world.accepted("/1").await;
    page.wait_for(&shows(1)).await.unwrap();
    page.eval("document.getElementById('pause').click()").await.unwrap();
    world.accepted("/2").await;
    // Another page shows it by now.
    let other = world.open("/", View::default()).await;
    other.wait_for(&shows(2)).await.unwrap();
    assert_eq!(page.eval(&shows(1)).await.unwrap(), true);
    page.eval("document.getElementById('pause').click()").await.unwrap();
    page.wait_for(&shows(2)).await.unwrap();
    page.wait_for(IS_LIVE).await.unwrap();
    world.accepted("/3").await;
    page.wait_for(&shows(3)).await.unwrap();
    world.is_clean(&page);
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_that_are_forgotten_go_from_the_page_too() {
    let world = World::start().await;
    world.accepted("/1").await;
    let page = world.open("/", View::default()).await;
    page.wait_for(&shows(1)).await.unwrap();
    world.emulator.timeline().clear();
    page.wait_for(&shows(0)).await.unwrap();
    world.accepted("/2").await;
    page.wait_for(&shows(1)).await.unwrap();
    let clear = |sure| format!("confirm = () => {sure}; document.getElementById('clear').click()");
    page.eval(&clear(false)).await.unwrap();
    assert_eq!(world.emulator.timeline().all().len(), 1);
    page.eval(&clear(true)).await.unwrap();
    page.wait_for(&shows(0)).await.unwrap();
    assert_eq!(world.emulator.timeline().all().len(), 0);
    world.is_clean(&page);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_state_of_regions_is_followed() {
    let world = World::start().await;
    let page = world.open("/", View::default()).await;
    assert!(page.text().await.unwrap().contains("2 regions, all running"));
    world.us().stop().await;
    page.wait_for("document.body.innerText.includes('⚠ stopped')").await.unwrap();
    world.us().start().await.unwrap();
    page.wait_for("document.body.innerText.includes('2 regions, all running')").await.unwrap();
    world.is_clean(&page);
}
