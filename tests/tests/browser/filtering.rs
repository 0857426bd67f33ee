//! Finding calls.

use remint_tests::browser::View;
use serde_json::json;

use super::{GATEWAY, World, shows};

const CALLED: &str = "[...document.querySelectorAll('#calls .called')].map(it => it.textContent)";

/// Sets a field of the filter as a user does.
fn set(name: &str, value: &str, event: &str) -> String {
    format!(
        "{{ const field = document.forms[0].elements['{name}']; field.value = '{value}'; \
         field.dispatchEvent(new Event('{event}', {{ bubbles: true }})); }}"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_leave_what_is_like_them_and_stay_in_the_address() {
    let world = World::start().await;
    for path in ["/a", "/b"] {
        world.accepted(path).await;
        world.call(path, Some(&world.token(GATEWAY, "https://wrong.example"))).await;
    }
    let page = world.open("/", View::default()).await;
    page.wait_for(&shows(4)).await.unwrap();
    page.eval(&set("verdict", "refused", "change")).await.unwrap();
    page.wait_for(&shows(2)).await.unwrap();
    page.eval(&set("text", "/b", "input")).await.unwrap();
    page.wait_for(&shows(1)).await.unwrap();
    assert_eq!(page.eval("location.search").await.unwrap(), "?text=%2Fb&verdict=refused");
    // Only calls that are like it appear.
    world.accepted("/b").await;
    world.call("/b/2", None).await;
    page.wait_for(&shows(2)).await.unwrap();
    let again = world.open("/?text=%2Fb&verdict=refused", View::default()).await;
    again.wait_for(&shows(2)).await.unwrap();
    page.eval(&set("text", "nothing", "input")).await.unwrap();
    page.wait_for("document.body.innerText.includes('No call is like this.')").await.unwrap();
    page.eval("document.querySelector('#empty button').click()").await.unwrap();
    page.wait_for(&shows(6)).await.unwrap();
    world.is_clean(&page);
    world.is_clean(&again);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_calls_of_one_request_are_shown_together() {
    let world = World::start().await;
    for path in ["/a", "/b", "/a"] {
        world.accepted(path).await;
    }
    let page = world.open("/", View::default()).await;
    page.wait_for(&shows(3)).await.unwrap();
    page.eval("document.querySelector('#calls summary').click()").await.unwrap();
    page.wait_for("document.querySelector('.actions button') !== null").await.unwrap();
    page.eval("document.querySelector('.actions button').click()").await.unwrap();
    page.wait_for(&shows(2)).await.unwrap();
    let both = json!(["GET /a at orders in us-central1", "GET /a at orders in us-central1"]);
    assert_eq!(page.eval(CALLED).await.unwrap(), both);
    page.eval("document.getElementById('request').click()").await.unwrap();
    page.wait_for(&shows(3)).await.unwrap();
    world.is_clean(&page);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_to_a_call_opens_it_also_if_it_is_not_among_those_shown() {
    let world = World::start().await;
    world.accepted("/first").await;
    world.call("/second", None).await;
    let page = world.open("/?verdict=refused#call-1", View::default()).await;
    page.wait_for("document.querySelector('#call-1 details[open] .more') !== null").await.unwrap();
    let calls =
        json!(["GET /second at orders in us-central1", "GET /first at orders in us-central1"]);
    assert_eq!(page.eval(CALLED).await.unwrap(), calls);
    world.is_clean(&page);
}
