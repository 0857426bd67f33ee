//! What the gateway's page says of the gateway.

use remint_tests::browser::View;

use super::{AUDIENCE, HOST, World, says};
use crate::picture;

#[tokio::test(flavor = "multi_thread")]
async fn when_all_is_well_the_page_says_so_and_shows_what_flows() {
    let world = World::start().await;
    let page = world.open(View::default()).await;
    let well = "All is well: 1 service in 2 regions, with fresh tokens and keys.";
    page.wait_for(&says("#headline", well)).await.unwrap();
    assert_eq!(page.eval("document.title").await.unwrap(), "✓ Remint gateway");
    for number in 0..5 {
        assert_eq!(world.push(&format!("/{number}"), AUDIENCE).await, 200);
    }
    page.wait_for(&says(".senders", "Pub/Sub push")).await.unwrap();
    let rate = "Number.parseFloat(document.querySelector('#figures dd').textContent) > 0";
    page.wait_for(rate).await.unwrap();
    for (part, words) in [
        ("#services", "orders.example.com"),
        ("#services", "✓ well"),
        ("#services", "us-central1"),
        ("#services", "gateway@demo-project.iam.gserviceaccount.com"),
        ("#services", "1 caller"),
        ("#key-sets", "google"),
        ("#key-sets", "1 key"),
        ("#configuration", "remint.yaml"),
        ("#configuration", "callers speak in clear text"),
        ("#figures", "2 of 2"),
        ("#refused-count", "nothing was refused yet"),
    ] {
        page.wait_for(&says(part, words)).await.unwrap();
    }
    picture(&page, "gateway-well").await;
    world.is_clean(&page);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_is_explained_with_what_was_expected_and_what_mends_it() {
    let world = World::start().await;
    let page = world.open(View::default()).await;
    assert_eq!(world.push("/push", "https://orders.example.com/push/").await, 401);
    page.wait_for(&says("#headline", "1 request was refused in the last minute")).await.unwrap();
    page.eval("document.querySelector('#list summary').click()").await.unwrap();
    page.wait_for("document.querySelector('#list .why') !== null").await.unwrap();
    for words in ["aud_trailing_slash", "✕ refused 401", "Pub/Sub push", "What to do", AUDIENCE] {
        page.wait_for(&says("#list", words)).await.unwrap();
    }
    page.eval("document.querySelector('#list .known summary').click()").await.unwrap();
    page.wait_for(&says("#list .known", "Mostly it comes from")).await.unwrap();
    page.wait_for(&says("#list .known", "docs/reasons.md#aud_trailing_slash")).await.unwrap();
    // What a reader has opened stays as others come.
    assert_eq!(world.call("/", &[("host", "nobody.example.com")]).await, 403);
    page.wait_for("document.querySelectorAll('#list > li').length === 2").await.unwrap();
    page.wait_for(&says("#list .known", "Mostly it comes from")).await.unwrap();
    let copied = "document.querySelector('#list .copyable pre').textContent";
    let command = page.eval(copied).await.unwrap();
    assert!(command.as_str().unwrap().starts_with("gcloud "), "{command}");
    picture(&page, "gateway-refusal").await;
    world.is_clean(&page);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_region_that_is_down_and_one_that_refuses_stand_on_top() {
    let world = World::with(&["us-central1", "europe-west1", "asia-east1"], 1).await;
    world.emulator.region("orders", "us-central1").unwrap().stop().await;
    world.emulator.region("orders", "europe-west1").unwrap().set_invokers([]);
    let page = world.open(View::default()).await;
    for (words, place) in [("is left alone", "#troubles"), ("refuses the gateway", "#headline")] {
        let found = says(place, words);
        for number in 0..60 {
            world.push(&format!("/{number}"), AUDIENCE).await;
        }
        page.wait_for(&found).await.unwrap();
    }
    page.wait_for(&says("#headline", "orders: 1 of 3 regions")).await.unwrap();
    page.wait_for("document.getElementById('headline').className === 'warning'").await.unwrap();
    let command = "gcloud run services add-iam-policy-binding orders";
    page.wait_for(&says("#mend .copyable", command)).await.unwrap();
    page.wait_for(&says(".service .state", "⚠ partly failing")).await.unwrap();
    let last = "[...document.querySelectorAll('.part:last-child tbody th')].at(-1).innerText";
    assert!(page.eval(last).await.unwrap().as_str().unwrap().starts_with("asia-east1"));
    picture(&page, "gateway-down").await;
    world.is_clean(&page);
}

#[tokio::test(flavor = "multi_thread")]
async fn markup_from_outside_stays_text() {
    let world = World::start().await;
    let markup = "<img src=x onerror=\"document.title='run'\"><script>alert(1)</script>";
    world.push("/push", markup).await;
    world.call("/b", &[("host", HOST), ("x-request-id", "<i>id</i>")]).await;
    let page = world.open(View::default()).await;
    page.wait_for("document.querySelectorAll('#list > li').length >= 1").await.unwrap();
    page.eval("for (const it of document.querySelectorAll('#list > li > details')) it.open = true")
        .await
        .unwrap();
    page.wait_for(&says("#list", "onerror=")).await.unwrap();
    let made = "document.querySelectorAll('main img, main script, main b, main i').length";
    assert_eq!(page.eval(made).await.unwrap(), 0);
    world.is_clean(&page);
}
