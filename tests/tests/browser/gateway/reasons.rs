//! The page of all reasons.

use remint_tests::browser::View;
use serde_json::json;

use super::{World, says};
use crate::picture;

#[tokio::test(flavor = "multi_thread")]
async fn a_code_on_the_page_leads_to_its_place_among_all_reasons_and_back() {
    let world = World::start().await;
    world.push("/push", "https://orders.example.com/push/").await;
    let page = world.open(View::default()).await;
    page.wait_for("document.querySelector('#list summary') !== null").await.unwrap();
    page.eval("document.querySelector('#list summary').click()").await.unwrap();
    page.wait_for(&says("#list .why", "aud_trailing_slash")).await.unwrap();
    page.eval("document.querySelector('#list .why a').click()").await.unwrap();
    page.wait_for("location.pathname + location.hash === '/reasons#aud_trailing_slash'")
        .await
        .unwrap();
    page.wait_for("document.querySelector('article:target')?.id === 'aud_trailing_slash'")
        .await
        .unwrap();
    let is_seen = "(() => { const { top, bottom } = document.querySelector(':target h3').getBoundingClientRect(); \
                   return top >= 0 && bottom <= innerHeight; })()";
    page.wait_for(is_seen).await.unwrap();
    for words in ["Mostly it comes from", "What to do", "remint reasons aud_trailing_slash"] {
        page.wait_for(&says(":target", words)).await.unwrap();
    }
    page.eval("document.querySelector('header a').click()").await.unwrap();
    page.wait_for("location.pathname === '/'").await.unwrap();
    page.wait_for(&says("#headline", "refused in the last minute")).await.unwrap();
    world.is_clean(&page);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_reasons_fit_and_stand_out_at_all_sizes() {
    let world = World::start().await;
    let url = format!("http://{}/reasons#mint_denied", world.gateway.admin_address());
    let page = world.browser.open(&url, View::default()).await.unwrap();
    let lost = "[...document.querySelectorAll('a[href^=\"#\"]')].filter(it => document.getElementById(it.hash.slice(1)) === null).length";
    assert_eq!(page.eval(lost).await.unwrap(), 0);
    for (width, dark) in [(1440, false), (1440, true), (390, false), (390, true), (320, false)] {
        page.look(View { width, dark, height: 1400 }).await.unwrap();
        let overflow = "document.documentElement.scrollWidth - innerWidth";
        assert_eq!(page.eval(overflow).await.unwrap(), 0, "{width}");
        let found = page.eval(include_str!("contrast.js")).await.unwrap();
        assert_eq!(found["faint"], json!([]), "{width} {dark}");
        picture(&page, &format!("gateway-reasons-{width}-{dark}")).await;
    }
    world.is_clean(&page);
}
