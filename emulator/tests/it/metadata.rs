//! The metadata server's rules.

use std::time::Duration;

use http::StatusCode;
use remint_emulator::{Fault, Part};
use remint_idtoken::{Claims, UnverifiedToken};

use crate::support::{GATEWAY, NOW, PUSHER, Reply, World, get, post};

const ROOT: &str = "/computeMetadata/v1";
const IDENTITY: &str = "/instance/service-accounts/default/identity";

async fn ask(world: &World, path: &str) -> Reply {
    let call = get(&format!("{ROOT}{path}")).header("metadata-flavor", "Google");
    call.send(world.emulator.google_addr()).await
}

async fn token(world: &World, query: &str) -> String {
    let reply = ask(world, &format!("{IDENTITY}?{query}")).await;
    assert_eq!(reply.status, StatusCode::OK, "{}", reply.text);
    reply.text
}

fn claims(token: &str) -> Claims {
    let token = UnverifiedToken::parse(token.as_bytes()).unwrap();
    token.claims().clone()
}

fn assert_flavored(reply: &Reply) {
    assert_eq!(reply.headers["metadata-flavor"], "Google");
    assert_eq!(reply.headers["server"], "Metadata Server for VM");
}

#[tokio::test]
async fn requests_that_a_program_was_tricked_into_are_refused() {
    let world = World::start().await;
    let path = format!("{ROOT}/project/project-id");
    let flavored = || get(&path).header("metadata-flavor", "Google");
    for (call, status) in [
        (flavored(), StatusCode::OK),
        (get(&path), StatusCode::FORBIDDEN),
        (get(&path).header("metadata-flavor", "google"), StatusCode::FORBIDDEN),
        (flavored().header("x-forwarded-for", "10.0.0.1"), StatusCode::FORBIDDEN),
        (flavored().header("x-forwarded-for", ""), StatusCode::FORBIDDEN),
        (post(&path, "").header("metadata-flavor", "Google"), StatusCode::METHOD_NOT_ALLOWED),
    ] {
        let reply = call.send(world.emulator.google_addr()).await;
        assert_eq!(reply.status, status);
        assert_flavored(&reply);
    }
}

#[tokio::test]
async fn libraries_find_the_server_at_its_root() {
    let world = World::start().await;
    let reply = get("/").send(world.emulator.google_addr()).await;
    assert_eq!(reply.status, StatusCode::OK);
    assert_flavored(&reply);
}

#[tokio::test]
async fn the_root_needs_no_header_but_takes_no_forwarded_request() {
    let world = World::start().await;
    let reply = get("/").header("x-forwarded-for", "10.0.0.1").send(world.emulator.google_addr());
    let reply = reply.await;
    assert_eq!(reply.status, StatusCode::FORBIDDEN);
    assert_flavored(&reply);
}

#[tokio::test]
async fn whoever_leaves_out_a_directory_s_slash_is_sent_there() {
    let world = World::start().await;
    for (path, target) in [
        ("/instance", "/instance/"),
        ("", "/"),
        (
            "/instance/service-accounts/default?recursive=true",
            "/instance/service-accounts/default/?recursive=true",
        ),
    ] {
        let reply = ask(&world, path).await;
        assert_eq!(reply.status, StatusCode::MOVED_PERMANENTLY, "{path}");
        let location = reply.headers["location"].to_str().unwrap();
        assert_eq!(location, format!("http://host.example{ROOT}{target}"));
        assert_flavored(&reply);
        assert_eq!(ask(&world, target).await.status, StatusCode::OK, "{target}");
    }
}

#[tokio::test]
async fn directories_are_listed_and_shown_whole() {
    let world = World::start().await;
    let accounts = "/instance/service-accounts/";
    assert_eq!(ask(&world, "/").await.text, "instance/\nproject/\nuniverse/\n");
    let names = format!("default/\n{GATEWAY}/\n{PUSHER}/\n");
    assert_eq!(ask(&world, accounts).await.text, names);
    let names = "aliases\nemail\nidentity\nscopes\ntoken\n";
    assert_eq!(ask(&world, &format!("{accounts}default/")).await.text, names);
    let scope = "https://www.googleapis.com/auth/cloud-platform";
    let all = ask(&world, "/?recursive=true").await;
    assert_eq!(all.headers["content-type"], "application/json");
    let all = all.json();
    let account = &all["instance"]["serviceAccounts"][PUSHER];
    assert_eq!(account, &serde_json::json!({ "aliases": [], "email": PUSHER, "scopes": [scope] }));
    assert_eq!(all["project"]["numericProjectId"], 123_456_789_012_u64);
    let text = ask(&world, "/project/?recursive=true&alt=text").await;
    assert_eq!(text.headers["content-type"], "application/text");
    assert_eq!(text.text, "numeric-project-id 123456789012\nproject-id demo-project\n");
    let json = ask(&world, "/project/project-id?alt=json").await;
    assert_eq!(json.text, "\"demo-project\"");
    assert_eq!(ask(&world, "/project/project-id?alt=xml").await.status, 400);
    assert_eq!(ask(&world, "/project/project-id/").await.status, 404);
    assert_eq!(ask(&world, "x/project/project-id").await.status, 404);
    let scopes = ask(&world, &format!("{accounts}default/scopes")).await.text;
    assert_eq!(scopes, format!("{scope}\n"));
}

#[tokio::test]
async fn who_waits_for_a_change_waits_as_long_as_it_likes() {
    let world = World::start().await;
    let path = "/project/project-id?wait_for_change=true";
    let now = ask(&world, &format!("{path}&last_etag=0")).await;
    assert_eq!(now.text, "demo-project", "what is known is an older one");
    let etag = now.headers["etag"].to_str().unwrap();
    let after = ask(&world, &format!("{path}&last_etag={etag}&timeout_sec=0")).await;
    assert_eq!(after.text, "demo-project");
    assert_eq!(ask(&world, &format!("{path}&timeout_sec=soon")).await.status, 400);
    let patience = Duration::from_millis(100);
    let path = format!("{path}&last_etag={etag}");
    let waiting = ask(&world, &path);
    assert!(tokio::time::timeout(patience, waiting).await.is_err());
}

#[tokio::test]
async fn licenses_are_told_in_full_tokens_alone() {
    let world = World::start().await;
    let machine = async |query: &str| {
        claims(&token(&world, query).await).all().get("google").cloned().unwrap_or_default()
    };
    let with = machine("audience=a&format=full&licenses=TRUE").await;
    assert!(with["compute_engine"]["license_id"][0].is_string());
    let without = machine("audience=a&format=full").await;
    assert_eq!(without["compute_engine"].get("license_id"), None);
    assert!(without["compute_engine"]["instance_id"].is_string());
    assert!(machine("audience=a&licenses=TRUE").await.is_null());
}

#[tokio::test]
async fn a_token_that_was_given_or_not_is_in_the_timeline() {
    let world = World::start().await;
    token(&world, "audience=a").await;
    ask(&world, IDENTITY).await;
    let path = format!("{ROOT}{IDENTITY}?audience=a");
    get(&path).send(world.emulator.google_addr()).await;
    world.emulator.faults().set_metadata(Some(Fault::SlowDown(1)));
    ask(&world, &format!("{IDENTITY}?audience=b")).await;
    let calls = world.emulator.timeline().select(|call| call.part == Part::Metadata);
    let told: Vec<_> = calls.iter().map(|call| call.verdict.to_string()).collect();
    assert_eq!(told, ["accepted", "400 audience_missing", "403 flavor_missing", "failed"]);
    let first = &calls[0];
    assert_eq!((first.service.as_str(), first.audience.as_deref()), ("identity", Some("a")));
    assert_eq!(first.caller.as_deref(), Some(GATEWAY));
    assert!(world.emulator.timeline().calls().is_empty(), "no front end's");
}

#[tokio::test]
async fn what_is_missing_or_unknown_is_told() {
    let world = World::start().await;
    let account = "/instance/service-accounts";
    for (path, status) in [
        (IDENTITY.to_owned(), 400),
        (format!("{IDENTITY}?audience="), 400),
        (format!("{IDENTITY}?audience=a&format=long"), 400),
        (format!("{account}/nobody@x/identity?audience=a"), 404),
        (format!("{account}/default/nothing"), 404),
        ("/instance/nothing".to_owned(), 404),
    ] {
        let reply = ask(&world, &path).await;
        assert_eq!(reply.status.as_u16(), status, "{path}");
        assert_flavored(&reply);
    }
}

#[tokio::test]
async fn the_project_the_place_and_the_account_are_told() {
    let world = World::start().await;
    let account = "/instance/service-accounts";
    let pusher = PUSHER.replace('@', "%40");
    for (path, value) in [
        ("/project/project-id".to_owned(), "demo-project"),
        ("/project/numeric-project-id".to_owned(), "123456789012"),
        ("/instance/region".to_owned(), "projects/123456789012/regions/us-central1"),
        ("/instance/zone".to_owned(), "projects/123456789012/zones/us-central1-1"),
        (format!("{account}/default/email"), GATEWAY),
        (format!("{account}/{PUSHER}/email"), PUSHER),
        (format!("{account}/{pusher}/email"), PUSHER),
    ] {
        assert_eq!(ask(&world, &path).await.text, value, "{path}");
    }
    let about = ask(&world, &format!("{account}/default/?recursive=true")).await;
    assert_eq!(about.json()["email"], GATEWAY);
}

#[tokio::test]
async fn a_full_token_tells_the_address_and_a_standard_one_does_not() {
    let world = World::start().await;
    let audience = "https%3A%2F%2Fa.example%2Fb%3Fc%3Dd";
    let full = claims(&token(&world, &format!("audience={audience}&format=full")).await);
    assert_eq!(full.audiences, ["https://a.example/b?c=d"]);
    assert_eq!(full.verified_email(), Some(GATEWAY));
    assert_eq!(full.all()["google"]["compute_engine"]["project_id"], "demo-project");
    let standard = claims(&token(&world, &format!("audience={audience}")).await);
    let mut names: Vec<_> = standard.all().keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["aud", "azp", "exp", "iat", "iss", "sub"]);
    assert_eq!(standard.subject, full.subject);
}

#[tokio::test]
async fn the_same_token_is_handed_out_until_four_minutes_before_it_expires() {
    let world = World::start().await;
    let at = |seconds| world.clock.set(NOW.plus(Duration::from_secs(seconds)));
    let first = token(&world, "audience=a").await;
    at(3600 - 241);
    assert_eq!(token(&world, "audience=a").await, first);
    assert_ne!(token(&world, "audience=b").await, first);
    assert_ne!(token(&world, "audience=a&format=full").await, first);
    at(3600 - 240);
    let second = token(&world, "audience=a").await;
    assert_ne!(second, first);
    assert_eq!(claims(&second).issued_at, Some(NOW.plus(Duration::from_secs(3360))));
    assert_eq!(world.emulator.identity_fetches(), 5);
}

#[tokio::test]
async fn a_fault_answers_for_the_whole_server() {
    let world = World::start().await;
    for status in [403, 429, 500] {
        let status = StatusCode::from_u16(status).unwrap();
        world.emulator.faults().set_metadata(Some(Fault::Status(status)));
        let reply = ask(&world, &format!("{IDENTITY}?audience=a")).await;
        assert_eq!(reply.status, status);
        assert_flavored(&reply);
    }
    world.emulator.faults().set_metadata(None);
    token(&world, "audience=a").await;
}
