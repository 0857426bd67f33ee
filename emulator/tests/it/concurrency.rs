//! How many requests a region serves at once.

use std::net::SocketAddr;

use http::StatusCode;
use remint_emulator::Verdict;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{World, eventually, get, last_call};

async fn world(most: u32) -> World {
    World::with(|config| config.services[0].concurrency = Some(most)).await
}

/// Sends a head with a good token and reads until the answer's has come.
async fn begun(world: &World, head: &str) -> TcpStream {
    let mut stream = TcpStream::connect(world.us().addr()).await.unwrap();
    let token = world.token(world.us().url());
    let head = format!("{head}host: a\r\nauthorization: Bearer {token}\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        answer.push(stream.read_u8().await.unwrap());
    }
    stream
}

async fn status(world: &World, addr: SocketAddr) -> StatusCode {
    get("/").bearer(&world.token(world.us().url())).send(addr).await.status
}

#[tokio::test]
async fn one_too_many_gets_429_until_an_answer_has_been_sent_to_its_end() {
    let world = world(2).await;
    let addr = world.us().addr();
    let stream = "POST / HTTP/1.1\r\ncontent-length: 3\r\nx-echo-stream: 1\r\n";
    let mut first = begun(&world, stream).await;
    let _second = begun(&world, stream).await;
    for _ in 0..3 {
        let token = world.token(world.us().url());
        let reply = get("/").bearer(&token).send(addr).await;
        assert_eq!(reply.status, StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(reply.text, "Rate exceeded.");
        assert_eq!(reply.headers["server"], "Google Frontend");
        let busy = Verdict::Refused { status: 429, code: "region_full" };
        assert_eq!(last_call(&world).verdict, busy);
    }
    let eu = world.eu();
    let other = get("/").bearer(&world.token(eu.url())).send(eu.addr()).await;
    assert_eq!(other.status, StatusCode::OK, "each region has its own");
    first.write_all(b"end").await.unwrap();
    eventually(|| status(&world, addr), |status| *status == StatusCode::OK).await;
    assert_eq!(status(&world, addr).await, StatusCode::OK, "the place is free again each time");
}

#[tokio::test]
async fn a_websocket_takes_a_place_until_it_ends() {
    let world = world(1).await;
    let addr = world.us().addr();
    let upgrade = "GET / HTTP/1.1\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
                   sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let socket = begun(&world, upgrade).await;
    assert_eq!(status(&world, addr).await, StatusCode::TOO_MANY_REQUESTS);
    drop(socket);
    eventually(|| status(&world, addr), |status| *status == StatusCode::OK).await;
}

#[tokio::test]
async fn refused_calls_take_no_place() {
    let world = world(1).await;
    let addr = world.us().addr();
    let _busy = begun(&world, "POST / HTTP/1.1\r\ncontent-length: 3\r\nx-echo-stream: 1\r\n").await;
    assert_eq!(get("/").send(addr).await.status, StatusCode::FORBIDDEN);
    let reply = get("/").bearer("no.token.atall").send(addr).await;
    assert_eq!(reply.status, StatusCode::UNAUTHORIZED);
}
