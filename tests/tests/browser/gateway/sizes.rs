//! The gateway's page with much to show, at all sizes, in light and dark.

use remint_tests::browser::View;
use serde_json::json;

use super::{AUDIENCE, World, says};
use crate::picture;

#[tokio::test(flavor = "multi_thread")]
async fn fifty_regions_and_two_hundred_rules_fit_and_what_is_broken_is_on_top() {
    let names: Vec<_> = (0..50).map(|number| format!("europe-test{number}")).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let world = World::with(&names, 200).await;
    world.emulator.region("orders", "europe-test42").unwrap().set_invokers([]);
    world.emulator.region("orders", "europe-test17").unwrap().stop().await;
    let page = world.open(View::default()).await;
    for found in [says("#headline", "europe-test42"), says("#troubles", "europe-test17")] {
        for number in 0..500 {
            world.push(&format!("/{number}"), AUDIENCE).await;
        }
        page.wait_for(&found).await.unwrap();
    }
    world
        .push("/wrong", &format!("https://{}.example.com/{}", "a".repeat(60), "x/".repeat(90)))
        .await;
    page.wait_for(&says("#list", "aud_mismatch")).await.unwrap();
    page.eval("document.querySelector('#list summary').click()").await.unwrap();
    // What is broken is seen at once, what is well is folded away.
    let first = "document.querySelector('.part:last-child tbody').innerText";
    page.wait_for(&format!("{first}.includes('europe-test17')")).await.unwrap();
    page.wait_for(&format!("{first}.includes('europe-test42')")).await.unwrap();
    assert_eq!(page.eval(&format!("{first}.includes('europe-test33')")).await.unwrap(), false);
    page.wait_for(&says(".part:last-child .fold summary", "48 further regions")).await.unwrap();
    page.wait_for(&says(".part:nth-child(2) .fold summary", "199 further rules")).await.unwrap();
    for (width, dark) in [
        (1920, false),
        (1280, false),
        (1280, true),
        (800, false),
        (400, true),
        (400, false),
        (320, false),
    ] {
        page.look(View { width, dark, height: 1400 }).await.unwrap();
        let overflow = "document.documentElement.scrollWidth - innerWidth";
        assert_eq!(page.eval(overflow).await.unwrap(), 0, "{width}");
        let colour = "getComputedStyle(document.body).backgroundColor === 'rgb(20, 23, 27)'";
        assert_eq!(page.eval(colour).await.unwrap(), json!(dark));
        picture(&page, &format!("gateway-{width}-{dark}")).await;
    }
    page.look(View::default()).await.unwrap();
    let search = "const it = document.getElementById('search'); it.value = 'partner-150'; \
                  it.dispatchEvent(new Event('input'))";
    page.eval(search).await.unwrap();
    page.wait_for(&says(".part:nth-child(2) tbody", "partner-150")).await.unwrap();
    let rows = "[...document.querySelectorAll('.part:nth-child(2) tbody tr')].filter(it => it.checkVisibility()).length";
    assert_eq!(page.eval(rows).await.unwrap(), 1);
    page.wait_for(&says("#refused-count", "0 of ")).await.unwrap();
    picture(&page, "gateway-search").await;
    world.is_clean(&page);
}
