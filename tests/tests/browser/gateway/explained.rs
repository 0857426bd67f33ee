//! Requests that are pasted into the gateway's page.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use remint_emulator::TokenRequest;
use remint_tests::browser::{Page, View};
use serde_json::{Value, json};

use super::{AUDIENCE, World, says};
use crate::picture;

pub(super) async fn fill(page: &Page, name: &str, value: &str) {
    let (name, value) = (json!(name), json!(value));
    let set = format!("document.getElementById('question').elements[{name}].value = {value}");
    page.eval(&set).await.unwrap();
}

/// Has a token explained for a push.
pub(super) async fn explain_token(page: &Page, token: &str) {
    fill(page, "url", "https://orders.example.com/push").await;
    fill(page, "token", token).await;
    submit(page).await;
}

async fn submit(page: &Page) {
    page.eval("document.querySelector('#question [type=submit]').click()").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pasted_token_is_walked_through_check_by_check_and_not_shown_again() {
    let world = World::start().await;
    let page = world.open(View::default()).await;
    fill(&page, "url", "https://orders.example.com/push").await;
    fill(&page, "token", &format!("Bearer {}", world.token(AUDIENCE))).await;
    submit(&page).await;
    page.wait_for(&says("#walk", "✓ Let through (verified), by the rule push")).await.unwrap();
    let wrong = world.token(world.emulator.regions()[0].url());
    fill(&page, "token", &wrong).await;
    submit(&page).await;
    page.wait_for(&says("#walk .verdict", "✕ Refused with 401")).await.unwrap();
    for words in [
        "aud_",
        "it is that of orders in us-central1",
        "What to do",
        "signature",
        "Claims, as the token has them",
    ] {
        page.wait_for(&says("#walk", words)).await.unwrap();
    }
    page.eval("document.getElementById('walk').scrollIntoView()").await.unwrap();
    picture(&page, "gateway-walk").await;
    let shown = page.eval("document.getElementById('walk').innerHTML").await.unwrap();
    assert!(!shown.as_str().unwrap().contains("eyJ"));
    // Nothing of it is in an address, where it would be kept, or left where it was.
    assert!(page.requests().iter().all(|url| !url.contains("eyJ")));
    let kept = "JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie, history.state, \
                [...document.querySelectorAll('input, textarea')].map(it => it.value), \
                document.documentElement.outerHTML.replace('placeholder=\"eyJ…\"', '')])";
    let kept = page.eval(kept).await.unwrap();
    assert!(!kept.as_str().unwrap().contains("eyJ"), "{kept}");
    assert_eq!(page.eval("location.search + location.hash").await.unwrap(), "");
    assert_eq!(page.eval("document.querySelectorAll('#list > li').length").await.unwrap(), 0);
    assert_eq!(page.eval("caches.keys()").await.unwrap(), json!([]));
    fill(&page, "token", "spoilt").await;
    page.eval("document.querySelector('#question [type=reset]').click()").await.unwrap();
    page.wait_for("document.getElementById('walk').childElementCount === 0").await.unwrap();
    let left = "document.getElementById('question').elements.token.value";
    assert_eq!(page.eval(left).await.unwrap(), "");
    world.is_clean(&page);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_explanation_has_all_that_is_wrong_and_why_other_rules_do_not_decide() {
    let world = World::with(&["us-central1"], 12).await;
    let page = world.open(View::default()).await;
    let stranger = TokenRequest::new(
        "stranger@demo-project.iam.gserviceaccount.com",
        "https://orders.example.com/push/",
    );
    explain_token(&page, &world.emulator.issuer().mint(&stranger)).await;
    for words in
        ["aud_trailing_slash", "near miss", "Also wrong", "caller_not_allowed", "If it comes from"]
    {
        page.wait_for(&says("#walk", words)).await.unwrap();
    }
    fill(&page, "url", "https://p3.example.com/v2").await;
    fill(&page, "token", &world.token(AUDIENCE)).await;
    submit(&page).await;
    page.wait_for(&says("#walk", "no_rule")).await.unwrap();
    page.wait_for(&says("#walk", "Why not by 12 other rules")).await.unwrap();
    page.eval("for (const it of document.querySelectorAll('#walk details')) it.open = true")
        .await
        .unwrap();
    page.wait_for(&says("#walk dl dt", "request")).await.unwrap();
    let nearest = "document.querySelector('#walk > .known:not(.why) > dl')?.innerText.split('\\n').slice(0, 2).join(' ')";
    page.wait_for(&format!("({nearest} ?? '').startsWith('partner-3 its path is /v1/orders')"))
        .await
        .unwrap();
    page.wait_for(&says("#walk", "nor 4 more")).await.unwrap();
    world.is_clean(&page);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_curl_command_is_explained_and_what_is_none_is_told() {
    let world = World::start().await;
    let page = world.open(View { dark: true, ..View::default() }).await;
    page.eval("document.querySelector('[name=kind][value=curl]').click()").await.unwrap();
    page.wait_for("document.getElementById('by-token').hidden").await.unwrap();
    let bearer = format!("Authorization: Bearer {}", world.token(AUDIENCE));
    fill(&page, "curl", &format!("curl -X POST https://orders.example.com/ -H '{bearer}'")).await;
    submit(&page).await;
    page.wait_for(&says("#walk", "✓ Let through")).await.unwrap();
    picture(&page, "gateway-walk-dark").await;
    world.is_clean(&page);
    fill(&page, "curl", "wget https://orders.example.com/").await;
    submit(&page).await;
    page.wait_for(&says("#walk", "does not begin with curl")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn markup_in_claims_and_headers_stays_text_in_an_explanation() {
    let world = World::start().await;
    let page = world.open(View::default()).await;
    let markup = "<img src=x onerror=\"document.title='run'\"><script>alert(1)</script><b>bold</b>";
    let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let header = part(json!({ "alg": "RS256", "kid": markup, "typ": markup }));
    let claims = json!({ "iss": markup, "aud": [markup], "sub": markup, "azp": markup,
        "email": markup, "hd": markup, "iat": 1, "exp": 9_999_999_999_u64, markup: markup });
    let forged = format!("{header}.{}.c2lnbmF0dXJl", part(claims));
    let minted = world.emulator.issuer().mint(&TokenRequest::new(markup, markup));
    for token in [forged, minted] {
        fill(&page, "headers", &format!("User-Agent: {markup}\nX-{markup}: {markup}")).await;
        page.eval("document.getElementById('walk').replaceChildren()").await.unwrap();
        explain_token(&page, &token).await;
        page.wait_for(&says("#walk .verdict", "✕ Refused")).await.unwrap();
        page.eval("for (const it of document.querySelectorAll('#walk details')) it.open = true")
            .await
            .unwrap();
        page.wait_for(&says("#walk", "onerror=")).await.unwrap();
        let made = "document.querySelectorAll('main img, main script, main b').length";
        assert_eq!(page.eval(made).await.unwrap(), 0);
    }
    assert_eq!(page.eval("document.title.includes('run')").await.unwrap(), false);
    world.is_clean(&page);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_is_used_with_the_keyboard_alone() {
    let world = World::start().await;
    world.push("/push", "https://elsewhere.example.com").await;
    let page = world.open(View::default()).await;
    page.wait_for("document.querySelector('#list summary') !== null").await.unwrap();
    page.press("Tab").await.unwrap();
    let is_skip = "document.activeElement.matches('.skip') && document.activeElement.getBoundingClientRect().left >= 0";
    assert_eq!(page.eval(is_skip).await.unwrap(), true);
    // It goes through everything and comes to the end: nothing traps it.
    let mut seen = Vec::new();
    for _ in 0..60 {
        page.press("Tab").await.unwrap();
        let at = "document.activeElement.matches('#list summary') ? 'refusal' : document.activeElement.name || document.activeElement.id";
        let at = page.eval(at).await.unwrap();
        let outlined = "document.activeElement === document.body || getComputedStyle(document.activeElement).outlineStyle !== 'none'";
        assert_eq!(page.eval(outlined).await.unwrap(), true, "{at}");
        if at == "refusal" {
            page.press("Enter").await.unwrap();
            page.wait_for("document.querySelector('#list .why') !== null").await.unwrap();
        }
        seen.push(at);
    }
    for part in ["search", "refusal", "token"] {
        assert!(seen.iter().any(|at| at == part || at.as_str() == Some(part)), "{part} {seen:?}");
    }
    world.is_clean(&page);
}
