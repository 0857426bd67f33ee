//! What Google's edge does to requests on their way to a server of the user's:
//! here a public service of another emulator.

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use remint_emulator::{Backend, Protocol, Verdict};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{World, get, last_call};

/// A region in front of a server that shows what it gets.
struct Pair {
    front: World,
    server: World,
}

impl Pair {
    async fn start(protocol: Protocol) -> Self {
        let server =
            World::with(|config| config.services[0].invokers = vec!["allUsers".into()]).await;
        let addr = server.us().addr();
        let backend = Backend::Address { addr, protocol };
        let front = World::with(|config| config.services[0].backend = backend).await;
        Self { front, server }
    }

    fn token(&self) -> String {
        self.front.token(self.front.us().url())
    }

    /// Sends text on a connection of its own.
    async fn raw(&self, head: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.front.us().addr()).await.unwrap();
        let head = format!("{head}host: a\r\nauthorization: Bearer {}\r\n\r\n", self.token());
        stream.write_all(head.as_bytes()).await.unwrap();
        stream
    }
}

/// What comes until the text has come.
async fn read_until(stream: &mut TcpStream, end: &str) -> Vec<u8> {
    let mut read = Vec::new();
    while !read.ends_with(end.as_bytes()) {
        read.push(stream.read_u8().await.unwrap());
    }
    read
}

async fn read_text_until(stream: &mut TcpStream, end: &str) -> String {
    String::from_utf8(read_until(stream, end).await).unwrap()
}

#[tokio::test]
async fn the_container_is_told_where_a_request_comes_from_and_its_trace() {
    const ID: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    for protocol in [Protocol::Http1, Protocol::Http2] {
        let pair = Pair::start(protocol).await;
        let call = get("/a?b")
            .bearer(&pair.token())
            .header("x-forwarded-for", "203.0.113.9")
            .header("traceparent", &format!("00-{ID}-00f067aa0ba902b7-01"));
        let seen = call.send(pair.front.us().addr()).await.json();
        let headers = &seen["headers"];
        assert_eq!(headers["x-forwarded-for"], "203.0.113.9, 127.0.0.1");
        assert_eq!(headers["x-forwarded-proto"], "https");
        assert_eq!(headers["forwarded"], "for=\"127.0.0.1\";proto=https");
        for name in ["traceparent", "x-cloud-trace-context"] {
            assert!(headers[name].as_str().unwrap().contains(ID), "{name}");
        }
        assert_eq!(headers["authorization"]["signature"], "SIGNATURE_REMOVED_BY_GOOGLE");
        assert_eq!((&seen["path"], &seen["query"]), (&"/a".into(), &"b".into()));
        assert_eq!(seen["host"], "host.example");
    }
}

#[tokio::test]
async fn the_built_in_container_tells_what_is_added_beside_what_was_sent() {
    let world = World::start().await;
    let call = get("/").bearer(&world.token(world.us().url())).header("x-forwarded-for", "a");
    let seen = call.send(world.us().addr()).await.json();
    assert_eq!(seen["headers"]["x-forwarded-for"], "a");
    assert_eq!(seen["added"]["x-forwarded-for"], "a, 127.0.0.1");
    assert!(seen["added"]["traceparent"].is_string());
}

#[tokio::test]
async fn a_websocket_passes_through() {
    let pair = Pair::start(Protocol::Http1).await;
    let head = "GET / HTTP/1.1\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
                sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let mut socket = pair.raw(head).await;
    let answer = read_text_until(&mut socket, "\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
    assert!(answer.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{answer}");
    socket.write_all(b"\x82\x85\0\0\0\0hello").await.unwrap();
    assert_eq!(read_until(&mut socket, "hello").await, b"\x82\x05hello");
    assert_eq!(last_call(&pair.server).verdict, Verdict::Accepted);
}

#[tokio::test]
async fn http_2_passes_from_end_to_end_with_both_directions_open() {
    let pair = Pair::start(Protocol::Http2).await;
    let stream = TcpStream::connect(pair.front.us().addr()).await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .unwrap();
    tokio::spawn(connection);
    let url = format!("{}/a", pair.front.us().url());
    let sum = HeaderMap::from_iter([("x-sum".parse().unwrap(), "1".parse().unwrap())]);
    let sum = Some(Ok(sum));
    let request = Request::post(url)
        .header("authorization", format!("Bearer {}", pair.token()))
        .header("x-echo-stream", "1")
        .header("te", "trailers")
        .body(Full::<Bytes>::from("hello").with_trailers(std::future::ready(sum)))
        .unwrap();
    let answer = sender.send_request(request).await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    let whole = answer.into_body().collect().await.unwrap();
    assert_eq!(whole.trailers().unwrap()["x-sum"], "1");
    assert_eq!(whole.to_bytes(), "hello");
}

#[tokio::test]
async fn a_request_that_says_it_is_too_large_for_http_1_gets_google_s_413() {
    let pair = Pair::start(Protocol::Http1).await;
    let mut stream = pair.raw("POST / HTTP/1.1\r\ncontent-length: 33554433\r\n").await;
    let page = read_text_until(&mut stream, "</html>\n").await;
    assert!(page.starts_with("HTTP/1.1 413 "), "{page}");
    assert!(page.contains("Your client issued a request that was too large."), "{page}");
    let too_large = Verdict::Refused { status: 413, code: "request_too_large" };
    assert_eq!(last_call(&pair.front).verdict, too_large);
    assert!(pair.server.emulator.timeline().calls().is_empty());
}

#[tokio::test]
async fn a_request_that_turns_out_too_large_gets_it_too_and_over_http_2_there_is_no_limit() {
    const PIECE: &[u8] = &[b'x'; 1 << 20];
    for (protocol, status) in [(Protocol::Http1, "413"), (Protocol::Http2, "200")] {
        let pair = Pair::start(protocol).await;
        let mut stream = pair.raw("POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n").await;
        let (mut reading, mut writing) = stream.split();
        let send = async {
            for _ in 0..33 {
                let chunk = [b"100000\r\n", PIECE, b"\r\n"].concat();
                // Whoever is refused may find the connection closed.
                if writing.write_all(&chunk).await.is_err() {
                    return;
                }
            }
            let _ = writing.write_all(b"0\r\n\r\n").await;
        };
        let mut head = [0; 12];
        let (read, ()) = tokio::join!(reading.read_exact(&mut head), send);
        read.unwrap();
        assert_eq!(std::str::from_utf8(&head).unwrap(), format!("HTTP/1.1 {status}"));
    }
}
