//! What the container behind a front end sees, and what it shows.

use http::StatusCode;
use serde_json::json;

use crate::support::{GATEWAY, World, get, post};

#[tokio::test]
async fn the_container_tells_what_reached_it() {
    let world = World::start().await;
    let token = world.token(world.us().url());
    let reply = post("/push/a?b=c", "hello").bearer(&token).header("x-a", "1");
    let reply = reply.header("x-a", "2").send(world.us().addr()).await;
    let seen = reply.json();
    for (name, value) in [
        ("service", json!("orders")),
        ("region", json!("us-central1")),
        ("method", json!("POST")),
        ("version", json!("HTTP/1.1")),
        ("path", json!("/push/a")),
        ("query", json!("b=c")),
        ("host", json!("host.example")),
        ("audience", json!(world.us().url())),
        ("caller", json!(GATEWAY)),
        ("body_bytes", json!(5)),
    ] {
        assert_eq!(seen[name], value, "{name}");
    }
    assert_eq!(seen["headers"]["x-a"], json!(["1", "2"]));
    assert_eq!(seen["headers"]["authorization"]["signature"], "SIGNATURE_REMOVED_BY_GOOGLE");
}

#[tokio::test]
async fn no_token_is_shown_by_the_container_or_the_timeline() {
    let world = World::start().await;
    let token = world.token(world.us().url());
    let reply = get(&format!("/{token}?t={token}"))
        .bearer(&token)
        .header("host", &token)
        .header("x-copy", &token)
        .header("cookie", &format!("session={token}"))
        .header("proxy-authorization", "Basic c2VjcmV0")
        .header("x-request-id", &format!("id-{token}"));
    let reply = reply.send(world.us().addr()).await;
    assert_eq!(reply.status, StatusCode::OK);
    let timeline = get("/emulator/timeline").send(world.emulator.google_addr());
    let timeline = timeline.await.text;
    for part in token.split('.').chain(["c2VjcmV0"]) {
        assert!(!reply.text.contains(part), "{}", reply.text);
        assert!(!timeline.contains(part), "{timeline}");
    }
}

#[tokio::test]
async fn no_token_is_shown_by_the_page_of_a_refusal() {
    let world = World::start().await;
    let token = world.token("https://wrong.example");
    for (call, status) in
        [(get(&format!("/a/{token}?t={token}")), 403), (get("/").bearer(&token), 401)]
    {
        let reply = call.send(world.us().addr()).await;
        assert_eq!(reply.status, status);
        for part in token.split('.') {
            assert!(!reply.text.contains(part), "{}", reply.text);
        }
    }
    let told = get("/a/b?c=d").send(world.us().addr()).await.text;
    assert!(told.contains("<code>/a/b?c=d</code>"), "{told}");
}

#[tokio::test]
async fn a_path_can_ask_for_a_status_or_a_delay() {
    let world = World::start().await;
    let token = world.token(world.us().url());
    for (path, status) in [
        ("/status/503", 503),
        ("/status/429/a", 429),
        ("/status/99", 200),
        ("/status/teapot", 200),
        ("/delay/1", 200),
    ] {
        let reply = get(path).bearer(&token).send(world.us().addr()).await;
        assert_eq!(reply.status.as_u16(), status, "{path}");
    }
}

#[tokio::test]
async fn a_body_is_streamed_back_if_the_request_asks_for_it() {
    let world = World::start().await;
    let body = "0123456789abcdef".repeat(256 * 1024);
    let call = post("/", body.clone()).bearer(&world.token(world.us().url()));
    let call = call.header("x-echo-stream", "1").header("content-type", "text/x");
    let reply = call.send(world.us().addr()).await;
    assert_eq!(reply.headers["content-type"], "text/x");
    assert!(reply.text == body, "the body came back changed");
}
