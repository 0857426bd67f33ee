//! Each way to an ID token: the region that it is for accepts it, and the other
//! does not.

use bytes::Bytes;
use http::{Request, header};
use remint_emulator::Region;
use remint_tests::client::send;
use serde_json::{Value, json};

use crate::world::{GATEWAY, Language, PUSHER, TOKEN_URL, World, claims};

/// Fetches a token by the library's own way for where it runs.
async fn fetched(world: &World, language: Language, set: &[(&str, &str)]) {
    let (us, eu) = (world.us().url(), world.eu().url());
    let answer = world.run(language, "fetch_id_token", &[us, us, eu], set, &Value::Null).await;
    check(world, language, &answer, GATEWAY).await;
}

/// Impersonates that account.
async fn impersonated(world: &World, language: Language, account: &str, set: &[(&str, &str)]) {
    let (us, eu) = (world.us().url(), world.eu().url());
    let arguments = [account, us, us, eu];
    let answer = world.run(language, "impersonate", &arguments, set, &Value::Null).await;
    check(world, language, &answer, account).await;
    assert!(world.emulator.generated_id_tokens() > 0);
}

async fn check(world: &World, language: Language, answer: &Value, account: &str) {
    let token = answer["token"].as_str().unwrap();
    let claims = claims(token);
    assert_eq!((&claims["aud"], &claims["email"]), (&json!(world.us().url()), &json!(account)));
    // What the program has called itself, by the regions' names.
    let statuses = match answer.get("statuses") {
        Some(statuses) => statuses.clone(),
        None => json!([sent(world.us(), token).await, sent(world.eu(), token).await]),
    };
    assert_eq!(statuses, json!([200, 401]), "{language:?}");
    let timeline = world.emulator.timeline();
    assert_eq!(timeline.accepted("us-central1"), 1, "{language:?}");
    assert!(timeline.refused("europe-west1") > 0, "{language:?}");
    let calls = timeline.calls();
    assert!(calls.iter().all(|call| call.caller.as_deref() == Some(account)), "{calls:?}");
    timeline.clear();
}

/// What a region answers to a token.
async fn sent(region: &Region, token: &str) -> u16 {
    let request = Request::get("/")
        .header(header::HOST, region.url().trim_start_matches("https://"))
        .header(header::AUTHORIZATION, format!("Bearer {token}"));
    send(region.addr(), request.body(Bytes::new()).unwrap()).await.unwrap().status.as_u16()
}

#[tokio::test(flavor = "multi_thread")]
async fn from_the_metadata_server() {
    let world = World::start().await;
    let google = world.google().to_string();
    for language in Language::ALL {
        fetched(&world, language, &metadata(&google)).await;
    }
    assert!(world.emulator.identity_fetches() >= 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn from_the_metadata_server_at_its_own_name_by_the_proxy_alone() {
    let world = World::start().await;
    let proxy = format!("http://{}", world.google());
    // Rust's library asks the metadata server without any proxy.
    for language in [Language::Python, Language::Node] {
        fetched(&world, language, &[("HTTP_PROXY", &proxy)]).await;
    }
    assert!(world.emulator.identity_fetches() >= 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn from_a_key_file_by_google_s_token_endpoint_and_by_one_on_this_machine() {
    let world = World::start().await;
    let own = format!("http://{}/token", world.google());
    for url in [TOKEN_URL, &own] {
        let file = world.key_file(url);
        for language in Language::ALL {
            fetched(&world, language, &[("GOOGLE_APPLICATION_CREDENTIALS", path(&file))]).await;
        }
    }
    assert_eq!(world.emulator.identity_fetches(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn by_impersonation_from_the_metadata_server_and_from_a_key_file() {
    let world = World::start().await;
    let (google, file) = (world.google().to_string(), world.key_file(TOKEN_URL));
    for language in Language::ALL {
        impersonated(&world, language, PUSHER, &metadata(&google)).await;
        let set = [("GOOGLE_APPLICATION_CREDENTIALS", path(&file))];
        impersonated(&world, language, PUSHER, &set).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn by_impersonation_from_another_issuers_token_at_a_url_and_in_a_file() {
    let world = World::start().await;
    for language in Language::ALL {
        for file in [world.workload_with_url(), world.workload_with_file()] {
            let set = [("GOOGLE_APPLICATION_CREDENTIALS", path(&file))];
            impersonated(&world, language, GATEWAY, &set).await;
        }
        let file = world.impersonating(&world.workload_with_file());
        let set = [("GOOGLE_APPLICATION_CREDENTIALS", path(&file))];
        impersonated(&world, language, PUSHER, &set).await;
    }
}

/// Where the metadata server is. Python's library looks for it at the second
/// before it asks the first.
fn metadata(google: &str) -> [(&str, &str); 2] {
    ["GCE_METADATA_HOST", "GCE_METADATA_IP"].map(|name| (name, google))
}

fn path(file: &std::path::Path) -> &str {
    file.to_str().unwrap()
}
