//! WebSocket through the gateway.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::task::Poll;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use http::{Request, StatusCode, Version};
use http_body_util::Empty;
use hyper::client::conn::http2::{self, SendRequest};
use hyper::ext::Protocol;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::client::PATIENCE;
use crate::raw_region::{Habit, RawRegion};
use crate::support::{Chain, Google, HOST, eventually};

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

async fn say(socket: &mut WebSocketStream<impl AsyncRead + AsyncWrite + Unpin>, text: &str) {
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

/// An HTTP/2 connection whose server lets streams become sockets.
pub(crate) async fn http_2(at: SocketAddr) -> SendRequest<Empty<Bytes>> {
    let io = TokioIo::new(TcpStream::connect(at).await.unwrap());
    let (sender, connection) = http2::handshake(TokioExecutor::new(), io).await.unwrap();
    let mut connection = Box::pin(connection);
    let is_enabled = poll_fn(|cx| {
        assert!(connection.as_mut().poll(cx).is_pending());
        match connection.is_extended_connect_protocol_enabled() {
            true => Poll::Ready(()),
            false => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
        }
    });
    timeout(PATIENCE, is_enabled).await.unwrap();
    tokio::spawn(connection);
    sender
}

fn stream_request(chain: &Chain, path: &str, protocol: &'static str) -> Request<Empty<Bytes>> {
    let request = Request::connect(format!("http://{HOST}{path}"))
        .version(Version::HTTP_2)
        .extension(Protocol::from_static(protocol))
        .header("authorization", format!("Bearer {}", chain.token()))
        .header("sec-websocket-version", "13");
    request.body(Empty::new()).unwrap()
}

#[tokio::test]
async fn streams_of_an_http_2_connection_become_sockets() {
    let chain = Chain::start().await;
    let mut sender = http_2(chain.gateway.address()).await;
    let mut sockets = Vec::new();
    for _ in 0..2 {
        let request = stream_request(&chain, "/socket", "websocket");
        let answer = timeout(PATIENCE, sender.send_request(request)).await.unwrap().unwrap();
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers().get("sec-websocket-accept"), None);
        let stream = TokioIo::new(hyper::upgrade::on(answer).await.unwrap());
        sockets.push(WebSocketStream::from_raw_socket(stream, Role::Client, None).await);
    }
    for text in ["hello", "again"] {
        for socket in &mut sockets {
            say(socket, text).await;
        }
    }
    assert_eq!(chain.emulator.timeline().calls()[0].method, "GET");
    let draining = tokio::spawn(chain.gateway.drain());
    for mut socket in sockets {
        say(&mut socket, "still there?").await;
        assert!(!draining.is_finished());
        socket.close(None).await.unwrap();
        while socket.next().await.is_some_and(|message| message.is_ok()) {}
    }
    drop(sender);
    assert!(draining.await.unwrap());
}

#[tokio::test]
async fn a_stream_becomes_nothing_else() {
    let region = RawRegion::start(Habit::Answer).await;
    let google = Google::start().await;
    let chain = Chain::before(google, &[region.entry()], |text| text).await;
    chain.ready().await;
    let mut sender = http_2(chain.gateway.address()).await;
    for (protocol, status) in [("connect-udp", 403), ("websocket", 502)] {
        let request = stream_request(&chain, "/", protocol);
        let answer = timeout(PATIENCE, sender.send_request(request)).await.unwrap().unwrap();
        assert_eq!(answer.status(), status, "the region knows no WebSocket");
    }
    assert_eq!(region.requests(), 1);
}

#[tokio::test]
async fn nobody_has_a_region_left_alone_by_asking_it_for_sockets() {
    let region = RawRegion::start(Habit::Answer).await;
    let change = |text: String| {
        let settings = "outlier_detection: { consecutive_failures: 1 }\n    regions:\n";
        text.replace("regions:\n", settings)
    };
    let chain = Chain::before(Google::start().await, &[region.entry()], change).await;
    chain.ready().await;
    assert_eq!(chain.get("/").await.status, 200);
    let mut sender = http_2(chain.gateway.address()).await;
    for _ in 0..3 {
        let request = stream_request(&chain, "/", "websocket");
        let answer = timeout(PATIENCE, sender.send_request(request)).await.unwrap().unwrap();
        assert_eq!(answer.status(), 502);
    }
    assert_eq!(chain.figure("remint_ejections_total", "").await, 0);
    assert_eq!(chain.figure("remint_attempts_total", "outcome=\"connection_lost\"").await, 0);
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
