//! A gateway that does not answer its page any more.

use std::time::Duration;

use remint_tests::browser::View;

use super::{World, says};
use crate::picture;

#[tokio::test(flavor = "multi_thread")]
async fn when_the_gateway_is_gone_the_page_does_not_pretend_to_know() {
    let world = World::start().await;
    let page = world.open(View::default()).await;
    page.wait_for(&says("#services", "✓ well")).await.unwrap();
    let alive =
        page.eval("getComputedStyle(document.querySelector('.state')).color").await.unwrap();
    let World { gateway, emulator: _emulator, browser: _browser, .. } = world;
    drop(gateway);
    page.wait_for(&says("#connection", "no answer since")).await.unwrap();
    assert_eq!(page.eval("document.title").await.unwrap(), "? Remint gateway");
    page.wait_for(&says("#headline", "The gateway has not answered since")).await.unwrap();
    let is_grey = format!("getComputedStyle(document.querySelector('.state')).color !== {alive}");
    assert_eq!(page.eval(&is_grey).await.unwrap(), true);
    // Also who has scrolled down sees it.
    page.look(View { height: 400, ..View::default() }).await.unwrap();
    page.eval("scrollTo(0, document.body.scrollHeight)").await.unwrap();
    let top = "Math.round(document.getElementById('headline').getBoundingClientRect().top)";
    assert_eq!(page.eval(top).await.unwrap(), 0);
    picture(&page, "gateway-lost").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_does_not_answer_is_asked_more_and_more_seldom() {
    let world = World::start().await;
    let page = world.open(View::default()).await;
    let World { gateway, emulator: _emulator, browser: _browser, .. } = world;
    drop(gateway);
    page.wait_for(&says("#connection", "no answer since")).await.unwrap();
    let before = page.requests().len();
    let pauses = "(async () => { const { pause } = await import('/pace.js'); return [0, 1, 2, 3, 4, 9].map((failures) => pause(failures, 1)); })()";
    assert_eq!(
        page.eval(pauses).await.unwrap(),
        serde_json::json!([2000, 4000, 8000, 16_000, 30_000, 30_000])
    );
    page.wait_for(&says("#headline", "The gateway has not answered since")).await.unwrap();
    assert!(page.requests().len() - before <= 2, "{:?}", page.requests());
    // One that is looked at again is asked at once.
    let asked = page.requests().len();
    page.eval("dispatchEvent(new Event('online'))").await.unwrap();
    let deadline = tokio::time::Instant::now() + Duration::from_secs(2);
    while page.requests().len() == asked {
        assert!(tokio::time::Instant::now() < deadline, "it is not asked");
        page.eval("0").await.unwrap();
    }
}
