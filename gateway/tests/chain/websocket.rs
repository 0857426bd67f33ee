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
use hyper::upgrade::Upgraded;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::client::{PATIENCE, get};
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

/// An open socket over a stream of an HTTP/2 connection.
async fn open_stream(
    chain: &Chain,
    sender: &mut SendRequest<Empty<Bytes>>,
) -> WebSocketStream<TokioIo<Upgraded>> {
    let request = stream_request(chain, "/socket", "websocket");
    let answer = timeout(PATIENCE, sender.send_request(request)).await.unwrap().unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers().get("sec-websocket-accept"), None);
    let stream = TokioIo::new(hyper::upgrade::on(answer).await.unwrap());
    WebSocketStream::from_raw_socket(stream, Role::Client, None).await
}

#[tokio::test]
async fn a_connection_with_a_socket_is_not_idle() {
    let chain = chain_with("limits: { idle_timeout: 2s, write_timeout: 1s }").await;
    let mut sender = http_2(chain.gateway.address()).await;
    let mut socket = open_stream(&chain, &mut sender).await;
    // One without a socket, and idle from now on, is told to leave meanwhile.
    let mut idle = http_2(chain.gateway.address()).await;
    drop(open_stream(&chain, &mut idle).await);
    let talk = async {
        while !idle.is_closed() {
            say(&mut socket, "still there?").await;
        }
    };
    timeout(PATIENCE, talk).await.unwrap();
    assert!(sender.ready().await.is_ok(), "it was told to leave");
}

#[tokio::test]
async fn streams_of_an_http_2_connection_become_sockets() {
    let chain = Chain::start().await;
    let mut sender = http_2(chain.gateway.address()).await;
    let mut sockets = Vec::new();
    for _ in 0..2 {
        sockets.push(open_stream(&chain, &mut sender).await);
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

/// A gateway with these settings.
async fn chain_with(settings: &str) -> Chain {
    let google = Google::start().await;
    let regions = google.regions();
    let change = |text: String| text.replace("drain_timeout: 20s", settings);
    let chain = Chain::before(google, &regions, change).await;
    chain.ready().await;
    chain
}

/// Requests under way, for all and for the regions.
async fn under_way(chain: &Chain) -> (u64, u64) {
    let all = chain.figure("remint_requests_in_flight", "").await;
    (all, chain.figure("remint_region_in_flight", "").await)
}

#[tokio::test]
async fn a_socket_keeps_its_place_and_its_region_busy_for_as_long_as_it_lasts() {
    let chain = chain_with("limits: { max_in_flight: 2, max_queued: 0 }").await;
    let mut socket = open(&chain, request(&chain.token())).await.unwrap();
    let mut sender = http_2(chain.gateway.address()).await;
    let mut stream = open_stream(&chain, &mut sender).await;
    say(&mut socket, "hello").await;
    say(&mut stream, "hello").await;
    assert_eq!(under_way(&chain).await, (2, 2));
    let answer = chain.get("/").await;
    assert_eq!(
        (answer.status.as_u16(), answer.header("x-remint-reason")),
        (503, Some("overloaded"))
    );
    socket.close(None).await.unwrap();
    eventually("one is over", async || under_way(&chain).await == (1, 1)).await;
    assert_eq!(chain.get("/").await.status, 200);
    say(&mut stream, "still there?").await;
    drop((stream, sender));
    eventually("both are over", async || under_way(&chain).await == (0, 0)).await;
}

#[tokio::test]
async fn a_socket_on_which_nothing_is_said_is_closed() {
    let chain = chain_with("limits: { idle_timeout: 1s }").await;
    let mut socket = open(&chain, request(&chain.token())).await.unwrap();
    let mut sender = http_2(chain.gateway.address()).await;
    let mut stream = open_stream(&chain, &mut sender).await;
    say(&mut socket, "hello").await;
    say(&mut stream, "hello").await;
    let (one, other) =
        tokio::join!(timeout(PATIENCE, socket.next()), timeout(PATIENCE, stream.next()));
    for end in [one, other] {
        assert!(end.unwrap().is_none_or(|it| it.is_err()), "nobody said anything");
    }
    eventually("their places are free", async || under_way(&chain).await == (0, 0)).await;
}

#[tokio::test]
async fn a_stop_waits_for_sockets_no_longer_than_it_may() {
    let chain = chain_with("drain_timeout: 1s").await;
    let mut socket = open(&chain, request(&chain.token())).await.unwrap();
    say(&mut socket, "hello").await;
    assert!(!chain.gateway.drain().await, "it was still open");
}

#[tokio::test]
async fn a_socket_is_still_opened_before_a_stop_closes_the_listener() {
    let google = Google::start().await;
    let regions = google.regions();
    let chain = Chain::before(google, &regions, |text| text + "drain_delay: 2s\n").await;
    chain.ready().await;
    let (front, admin) = (chain.gateway.address(), chain.gateway.admin_address());
    let request = request(&chain.token());
    let draining = tokio::spawn(chain.gateway.drain());
    eventually("it stops", async || get(admin, "/readyz").await.status == 503).await;
    let stream = TcpStream::connect(front).await.unwrap();
    let (mut socket, _) = client_async(request, stream).await.unwrap();
    say(&mut socket, "hello").await;
    socket.close(None).await.unwrap();
    while socket.next().await.is_some_and(|message| message.is_ok()) {}
    assert!(draining.await.unwrap());
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
