//! The page at all sizes, in the dark, with many calls and without a mouse.

use remint_emulator::{Message, PushSubscription};
use remint_tests::browser::View;

use super::{GATEWAY, STRANGER, World, picture, shows};

#[tokio::test(flavor = "multi_thread")]
async fn many_calls_and_regions_fit_at_every_width() {
    let names: Vec<_> = (0..50).map(|number| format!("europe-test{number}")).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let world = World::with_regions(&names).await;
    let mut subscription =
        PushSubscription::new("p", format!("{}/push", world.us().url()).parse().unwrap(), GATEWAY);
    subscription.audience = Some(world.us().url().to_owned());
    let messages = (0..5000).map(|number| Message::new(number.to_string()));
    world.emulator.push(&subscription, messages).await;
    let long = format!("https://{}.example.com/{}", "a".repeat(60), "path/".repeat(60));
    world.call("/orders", Some(&world.token(STRANGER, &long))).await;
    let page = world.open("/", View::default()).await;
    // The newest ones alone are shown, and further ones take their place.
    page.wait_for(&shows(300)).await.unwrap();
    world.call(&format!("/{}", "x".repeat(300)), None).await;
    page.wait_for("document.querySelector('#calls > li').id === 'call-10002'").await.unwrap();
    assert_eq!(page.eval(&shows(300)).await.unwrap(), true);
    page.eval("for (const it of [...document.querySelectorAll('#calls details')].slice(0, 2)) it.open = true")
        .await
        .unwrap();
    page.wait_for("document.querySelectorAll('.more').length === 2").await.unwrap();
    for (width, dark) in [(1280, false), (1280, true), (800, false), (400, true), (320, false)] {
        page.look(View { width, dark, height: 1400 }).await.unwrap();
        let overflow = "document.documentElement.scrollWidth - innerWidth";
        assert_eq!(page.eval(overflow).await.unwrap(), 0, "{width}");
        let colour = "getComputedStyle(document.body).backgroundColor === 'rgb(20, 23, 27)'";
        assert_eq!(page.eval(colour).await.unwrap(), dark);
        picture(&page, &format!("{width}-{dark}")).await;
    }
    world.is_clean(&page);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_is_reached_and_opened_with_the_keyboard() {
    let world = World::start().await;
    world.accepted("/1").await;
    let page = world.open("/", View::default()).await;
    page.wait_for(&shows(1)).await.unwrap();
    let reached = "document.activeElement.matches('#calls summary')";
    for _ in 0..20 {
        page.press("Tab").await.unwrap();
        if page.eval(reached).await.unwrap() == true {
            break;
        }
    }
    assert_eq!(page.eval(reached).await.unwrap(), true);
    page.press("Enter").await.unwrap();
    page.wait_for("document.querySelector('#calls details[open] .more') !== null").await.unwrap();
    world.is_clean(&page);
}
