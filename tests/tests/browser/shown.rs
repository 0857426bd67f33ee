//! What the page says of calls.

use remint_emulator::{Agent, Message, PushSubscription};
use remint_tests::browser::View;
use serde_json::json;

use super::{GATEWAY, STRANGER, World, picture, shows};

const OPEN_FIRST: &str = "document.querySelector('#calls summary').click()";

#[tokio::test(flavor = "multi_thread")]
async fn calls_are_shown_and_a_wrong_audience_stands_beside_the_region_s_own() {
    let world = World::start().await;
    world.accepted("/orders/1").await;
    world.call("/orders/2", Some(&world.token(GATEWAY, "https://lb.example.com"))).await;
    let page = world.open("/", View::default()).await;
    page.wait_for(&shows(2)).await.unwrap();
    page.eval(OPEN_FIRST).await.unwrap();
    page.wait_for("document.querySelector('.why') !== null").await.unwrap();
    let text = page.text().await.unwrap();
    for words in [
        "✓ accepted",
        "GET /orders/1 at orders in us-central1",
        GATEWAY,
        "✕ refused 401",
        "aud_mismatch: the token was made for another audience",
        "expected one of",
        world.us().url(),
        world.us().hash_url(),
        "https://lb.example.com",
        "gcloud run services update orders --region=us-central1 \
         --add-custom-audiences=https://lb.example.com",
    ] {
        assert!(text.contains(words), "{words}\n{text}");
    }
    picture(&page, "audience").await;
    world.is_clean(&page);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_role_is_explained_with_the_command_that_grants_it() {
    let world = World::start().await;
    world.call("/", Some(&world.token(STRANGER, world.us().url()))).await;
    let page = world.open("/emulator", View::default()).await;
    page.wait_for(&shows(1)).await.unwrap();
    page.eval(OPEN_FIRST).await.unwrap();
    page.wait_for("document.querySelector('.why pre') !== null").await.unwrap();
    let command = page.eval("document.querySelector('.why pre').textContent").await.unwrap();
    assert_eq!(
        command,
        "gcloud run services add-iam-policy-binding orders --region=us-central1 \
         --member=serviceAccount:stranger@other-project.iam.gserviceaccount.com \
         --role=roles/run.invoker"
    );
    world.is_clean(&page);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_that_was_not_sent_is_told_from_one_that_was_refused_or_failed() {
    let world = World::start().await;
    let url = format!("{}/push", world.us().url()).parse().unwrap();
    let mut subscription = PushSubscription::new("p", url, GATEWAY);
    subscription.give_up_after = Some(1);
    // The default audience is the endpoint with its path.
    world.emulator.push(&subscription, [Message::new("refused")]).await;
    world.us().stop().await;
    world.emulator.push(&subscription, [Message::new("failed")]).await;
    world.emulator.set_agents(&[Agent::CloudTasks]);
    world.emulator.push(&subscription, [Message::new("not sent")]).await;
    let page = world.open("/", View::default()).await;
    page.wait_for(&shows(4)).await.unwrap();
    let verdicts = "[...document.querySelectorAll('#calls .verdict')].map(it => it.textContent)";
    assert_eq!(
        page.eval(verdicts).await.unwrap(),
        json!(["⊘ not sent", "! failed", "! answered 401", "✕ refused 401"])
    );
    let text = page.text().await.unwrap();
    assert!(text.contains("Pub/Sub may not mint tokens of"), "{text}");
    assert!(text.contains("⚠ stopped"), "{text}");
    world.is_clean(&page);
}

#[tokio::test(flavor = "multi_thread")]
async fn markup_in_a_token_stays_text() {
    let world = World::start().await;
    let markup = "<img src=x onerror=\"document.title='run'\"><script>alert(1)</script>";
    let claims = json!({
        "iss": "https://accounts.google.com",
        "aud": markup,
        "email": markup,
        "email_verified": true,
        "sub": markup,
        "iat": 0,
        "exp": 1,
    });
    world.call("/", Some(&world.emulator.issuer().sign_claims(&claims))).await;
    let page = world.open("/", View::default()).await;
    page.wait_for(&shows(1)).await.unwrap();
    page.eval(OPEN_FIRST).await.unwrap();
    page.wait_for("document.querySelector('.more') !== null").await.unwrap();
    assert!(page.text().await.unwrap().contains(markup));
    let made = "document.querySelectorAll('img, body script').length";
    assert_eq!(page.eval(made).await.unwrap(), 0);
    assert_eq!(page.eval("document.title").await.unwrap(), "Remint emulator");
    world.is_clean(&page);
}
