//! WebSocket through the gateway.

use futures_util::{SinkExt, StreamExt};
use http::{Request, StatusCode};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::support::{Chain, HOST, eventually};

fn request(token: &str) -> Request<()> {
    let mut request = format!("ws://{HOST}/socket").into_client_request().unwrap();
    let bearer = format!("Bearer {token}").parse().unwrap();
    request.headers_mut().insert("authorization", bearer);
    request
}

async fn open(chain: &Chain, request: Request<()>) -> Result<WebSocketStream<TcpStream>, Error> {
    let stream = TcpStream::connect(chain.gateway.address()).await.unwrap();
    client_async(request, stream).await.map(|(socket, _)| socket)
}

async fn say(socket: &mut WebSocketStream<TcpStream>, text: &str) {
    socket.send(Message::text(text)).await.unwrap();
    assert_eq!(socket.next().await.unwrap().unwrap(), Message::text(text));
}

#[tokio::test]
async fn a_socket_reaches_a_region_with_its_own_token_and_talks_both_ways() {
    let chain = Chain::start().await;
    let mut socket = open(&chain, request(&chain.token())).await.unwrap();
    for text in ["hello", "again", &"long ".repeat(50_000)] {
        say(&mut socket, text).await;
    }
    socket.close(None).await.unwrap();
    while let Some(message) = socket.next().await {
        assert!(message.unwrap().is_close());
    }
    let calls = chain.emulator.timeline().calls();
    let region = chain.emulator.region("orders", &calls[0].region).unwrap();
    assert_eq!(calls[0].audience.as_deref(), Some(region.url()));
    assert_eq!(chain.get("/").await.status, 200);
}

#[tokio::test]
async fn a_socket_needs_a_token_as_everything_does() {
    let chain = Chain::start().await;
    let Err(Error::Http(refused)) = open(&chain, request("no.token.atall")).await else {
        panic!("it was opened");
    };
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(chain.emulator.timeline().calls().len(), 0);
}

#[tokio::test]
async fn another_protocol_is_not_passed_on() {
    let chain = Chain::start().await;
    let request = chain.request("/").header("connection", "upgrade").header("upgrade", "h2c");
    let answer = chain.send(request).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.json()["headers"].get("upgrade"), None);
}

#[tokio::test]
async fn a_region_that_dies_ends_its_sockets() {
    let chain = Chain::start().await;
    let mut socket = open(&chain, request(&chain.token())).await.unwrap();
    say(&mut socket, "hello").await;
    for region in chain.emulator.regions() {
        region.stop().await;
    }
    assert!(socket.next().await.is_none_or(|end| end.is_err()));
}

#[tokio::test]
async fn a_stop_waits_for_sockets() {
    let chain = Chain::start().await;
    let mut socket = open(&chain, request(&chain.token())).await.unwrap();
    say(&mut socket, "hello").await;
    let front = chain.gateway.address();
    let draining = tokio::spawn(chain.gateway.drain());
    eventually("it has closed", async || TcpStream::connect(front).await.is_err()).await;
    say(&mut socket, "still there?").await;
    assert!(!draining.is_finished());
    socket.close(None).await.unwrap();
    while socket.next().await.is_some_and(|message| message.is_ok()) {}
    assert!(draining.await.unwrap(), "nothing was broken off");
}
