//! Whether the gateway's page can be read and used by everybody.

use remint_tests::browser::{Page, View};
use serde_json::json;

use super::explained::{explain_token, fill};
use super::{AUDIENCE, World, says};
use crate::picture;

/// Nothing on the page is too faint, in light and dark.
async fn is_readable(page: &Page, name: &str) {
    for dark in [false, true] {
        page.look(View { dark, ..View::default() }).await.unwrap();
        let found = page.eval(include_str!("contrast.js")).await.unwrap();
        assert!(found["seen"].as_u64().unwrap() > 40, "{name}: {found}");
        assert_eq!(found["faint"], json!([]), "{name}, dark: {dark}");
        picture(page, &format!("gateway-{name}-{dark}")).await;
    }
}

const OPEN_ALL: &str = "for (const it of document.querySelectorAll('details')) it.open = true";

#[tokio::test(flavor = "multi_thread")]
async fn texts_and_borders_stand_out_in_light_and_dark_whatever_is_shown() {
    let world = World::with(&["us-central1", "europe-west1", "asia-east1"], 1).await;
    let page = world.open(View::default()).await;
    page.wait_for(&says("#headline", "All is well")).await.unwrap();
    is_readable(&page, "contrast-well").await;
    world.emulator.region("orders", "us-central1").unwrap().stop().await;
    world.emulator.region("orders", "europe-west1").unwrap().set_invokers([]);
    let all = [says("#headline", "refuses the gateway"), says("#troubles", "is left alone")];
    let mut tries = 0..50;
    while page.eval(&format!("{} && {}", all[0], all[1])).await.unwrap() != true {
        assert!(tries.next().is_some(), "{}", page.text().await.unwrap());
        world.push("/", AUDIENCE).await;
        world.push("/", AUDIENCE).await;
        page.eval("new Promise((resolve) => setTimeout(resolve, 200))").await.unwrap();
    }
    world.push("/", "https://elsewhere.example.com").await;
    page.wait_for("document.querySelector('#list .verdict') !== null").await.unwrap();
    explain_token(&page, &world.token(world.emulator.regions()[0].url())).await;
    page.wait_for(&says("#walk .verdict", "✕ Refused")).await.unwrap();
    page.eval(OPEN_ALL).await.unwrap();
    page.wait_for("document.querySelector('#list .known') !== null").await.unwrap();
    page.eval(OPEN_ALL).await.unwrap();
    page.wait_for(&says("#list .known", "Mostly it comes from")).await.unwrap();
    is_readable(&page, "contrast-warning").await;
    assert_eq!(page.eval("document.getAnimations().length").await.unwrap(), 0, "nothing moves");
    world.is_clean(&page);
    let World { gateway, emulator: _emulator, browser: _browser, .. } = world;
    drop(gateway);
    page.wait_for(&says("#headline", "The gateway has not answered since")).await.unwrap();
    is_readable(&page, "contrast-lost").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_are_named_and_headings_are_in_order() {
    let world = World::start().await;
    let page = world.open(View::default()).await;
    explain_token(&page, &world.token(AUDIENCE)).await;
    page.wait_for(&says("#walk", "✓ Let through")).await.unwrap();
    let jumps = "[...document.querySelectorAll('h1, h2, h3, h4, h5, h6')].map(it => Number(it.tagName[1])) \
                 .filter((level, place, all) => level > (all[place - 1] ?? 0) + 1)";
    assert_eq!(page.eval(jumps).await.unwrap(), json!([]));
    let unnamed = "[...document.querySelectorAll('input, textarea, button, section, nav, table th, [role=region]')] \
                   .filter(it => ![it.ariaLabel, it.labels?.[0]?.innerText, it.innerText, it.getAttribute('aria-labelledby')].some(Boolean)) \
                   .map(it => it.outerHTML)";
    assert_eq!(page.eval(unnamed).await.unwrap(), json!([]));
    for (part, count) in [("main", 1), ("header", 1), ("nav", 1), ("h1", 1), ("[role=status]", 2)] {
        let found = format!("document.querySelectorAll('{part}').length");
        assert_eq!(page.eval(&found).await.unwrap(), count, "{part}");
    }
    world.is_clean(&page);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_listens_is_told_what_changes_and_not_each_number() {
    let world = World::start().await;
    let page = world.open(View::default()).await;
    page.wait_for(&says("#news", "Well. All is well")).await.unwrap();
    let push = async || {
        for _ in 0..3 {
            world.push("/", "https://elsewhere.example.com").await;
        }
    };
    push().await;
    page.wait_for(&says("#headline", "refused all 3 requests")).await.unwrap();
    page.wait_for(&says("#news", "Warning. orders: the rule push refused")).await.unwrap();
    let watch = "globalThis.heard = 0; new MutationObserver(() => { heard += 1; }) \
                 .observe(document.getElementById('news'), { childList: true })";
    page.eval(watch).await.unwrap();
    for all in [6, 9] {
        push().await;
        page.wait_for(&says("#headline", &format!("refused all {all} requests"))).await.unwrap();
    }
    assert_eq!(page.eval("heard").await.unwrap(), 0);
    world.is_clean(&page);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_the_focus_keeps_it_as_figures_come() {
    let world = World::start().await;
    for _ in 0..3 {
        world.push("/push", "https://elsewhere.example.com").await;
    }
    let page = world.open(View::default()).await;
    page.wait_for("document.querySelector('#mend button') !== null").await.unwrap();
    let focus = |what: &str| format!("document.querySelector('{what}').focus()");
    let has = |what: &str| format!("document.activeElement.matches('{what}')");
    for (number, what) in
        ["#mend button", "#list > li:last-child summary", "#search"].iter().enumerate()
    {
        page.eval(&focus(what)).await.unwrap();
        world.push("/push", "https://elsewhere.example.com").await;
        let told = format!("refused all {} requests", number + 4);
        page.wait_for(&says("#headline", &told)).await.unwrap();
        assert_eq!(page.eval(&has(what)).await.unwrap(), true, "{what}");
    }
    // Rows that change places move around the one that has it.
    let moved = "const list = document.createElement('ul'); document.body.append(list); \
                 const items = [1, 2, 3, 4].map(() => Object.assign(document.createElement('li'), { tabIndex: 0 })); \
                 const { arrange } = await import('/make.js'); \
                 arrange(list, items); items[2].focus(); \
                 const wanted = [items[2], items[3], items[0]]; arrange(list, wanted); \
                 const right = wanted.every((it, place) => list.children[place] === it) && list.childElementCount === 3; \
                 const held = document.activeElement === items[2]; list.remove(); return right && held;";
    assert_eq!(page.eval(&format!("(async () => {{ {moved} }})()")).await.unwrap(), true);
    world.is_clean(&page);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_explained_by_keyboard_alone_and_the_answer_has_the_focus() {
    let world = World::start().await;
    let page = world.open(View::default()).await;
    fill(&page, "url", "https://orders.example.com/push").await;
    fill(&page, "token", &world.token(AUDIENCE)).await;
    page.eval("document.getElementById('question').elements.token.focus()").await.unwrap();
    page.press("Control+Enter").await.unwrap();
    page.wait_for(&says("#walk .verdict", "✓ Let through")).await.unwrap();
    page.wait_for("document.activeElement.matches('#walk .verdict')").await.unwrap();
    world.is_clean(&page);
}
