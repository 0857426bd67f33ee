//! The metadata server's rules.

use std::time::Duration;

use http::StatusCode;
use remint_emulator::Fault;
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
