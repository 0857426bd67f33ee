//! What callers may not ask for.

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;

use crate::client::{Answer, PATIENCE, connect_http_2, exchange, send};
use crate::raw_region::{Habit, RawRegion};
use crate::support::{Chain, Google, HOST, eventually};
use crate::wire::Wire;

pub(crate) async fn chain_with(limits: &str) -> Chain {
    let google = Google::start().await;
    let regions = google.regions();
    let add = |text: String| format!("{text}limits: {{ {limits} }}\n");
    let chain = Chain::before(google, &regions, add).await;
    chain.ready().await;
    chain
}

#[tokio::test]
async fn heads_that_are_too_large_are_answered_so() {
    let chain = chain_with("max_header_bytes: 8192, max_headers: 20").await;
    let large = "x".repeat(9000);
    assert_eq!(chain.send(chain.request("/").header("x-large", large)).await.status, 431);
    let many = (0..20).fold(chain.request("/"), |it, place| it.header(format!("x-{place}"), "1"));
    assert_eq!(chain.send(many).await.status, 431);
    assert_eq!(chain.get("/").await.status, 200);
    assert_eq!(chain.emulator.timeline().calls().len(), 1);
}

async fn chain_with_max_body(size: &str) -> Chain {
    let google = Google::start().await;
    let regions = google.regions();
    let rule = format!("rules: [{{ rule: push, max_body: {size} }}]");
    let change = |text: String| text.replace("rules: [push]", &rule);
    let chain = Chain::before(google, &regions, change).await;
    chain.ready().await;
    chain
}

#[tokio::test]
async fn an_upload_that_its_region_does_not_read_keeps_nobody_else_waiting() {
    let google = Google::start().await;
    let regions = google.regions();
    let change =
        |text: String| text.replace("audience: \"https", "protocol: http1, audience: \"https");
    let chain = Chain::before(google, &regions, change).await;
    chain.ready().await;
    let mut sender = connect_http_2(chain.gateway.address()).await;
    let piece = || Frame::data(Bytes::from(vec![7; 1 << 16]));
    let mut post = |headers: &[(&str, &str)]| {
        let (pieces, came) = mpsc::channel(1);
        let body = StreamBody::new(ReceiverStream::new(came).map(Ok::<_, Infallible>));
        let mut request = Request::post(format!("http://{HOST}/"))
            .header("authorization", format!("Bearer {}", chain.token()));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        (pieces, sender.send_request(request.body(body).unwrap()))
    };
    // Their answers are not read, so they get back no more, and take no more.
    let (mut unread, a_while) = (Vec::new(), Duration::from_millis(300));
    for _ in 0..4 {
        let (pieces, answer) = post(&[("x-echo-stream", "1")]);
        let answer = tokio::spawn(answer);
        while let Ok(Ok(())) = timeout(a_while, pieces.send(piece())).await {}
        unread.push((pieces, answer));
    }
    let (pieces, answer) = post(&[]);
    let answer = tokio::spawn(answer);
    for _ in 0..4 {
        timeout(PATIENCE, pieces.send(piece())).await.unwrap().unwrap();
    }
    drop(pieces);
    let answer = timeout(PATIENCE, answer).await.unwrap().unwrap().unwrap();
    assert_eq!(answer.status(), 200);
    drop(unread);
}

#[tokio::test]
async fn a_body_that_grows_too_large_during_its_answer_breaks_the_answer_off() {
    let chain = chain_with_max_body("4").await;
    let mut caller = Wire::connect(chain.gateway.address()).await;
    caller.say(&Wire::head(&chain, "x-echo-stream: 1\r\ntransfer-encoding: chunked\r\n")).await;
    caller.say("3\r\nabc\r\n").await;
    assert_eq!(caller.status().await, "HTTP/1.1 200 OK");
    caller.say("3\r\ndef\r\n0\r\n\r\n").await;
    let mut rest = Vec::new();
    // Whether it ends or breaks, the answer's own end never comes.
    let _ = timeout(PATIENCE, caller.0.read_to_end(&mut rest)).await.unwrap();
    assert!(!rest.ends_with(b"0\r\n\r\n"), "it looks whole");
}

async fn post(chain: &Chain, length: usize, is_chunked: bool) -> Answer {
    let body = Full::new(Bytes::from(vec![b'x'; length]));
    let mut request = Request::post("/").header("host", HOST);
    request = request.header("authorization", format!("Bearer {}", chain.token()));
    if !is_chunked {
        return send(chain.gateway.address(), request.body(body).unwrap()).await;
    }
    let request = request.header("transfer-encoding", "chunked");
    let body = body.map_err(|never| match never {});
    let answer = exchange(chain.gateway.address(), request.body(body).unwrap()).await;
    let (head, body) = answer.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    Answer { status: head.status, headers: head.headers, body }
}

#[tokio::test]
async fn bodies_larger_than_their_rule_allows_are_refused_whether_they_say_so_or_not() {
    let chain = chain_with_max_body("64KiB").await;
    for is_chunked in [false, true] {
        assert_eq!(post(&chain, 64 << 10, is_chunked).await.status, 200);
        let answer = post(&chain, (64 << 10) + 1, is_chunked).await;
        assert_eq!(answer.status, 413, "{is_chunked}");
        assert_eq!(answer.header("x-remint-reason"), Some("body_too_large"));
    }
    assert_eq!(chain.figure("remint_requests_total", "body_too_large").await, 2);
    assert_eq!(chain.figure("remint_region_ejected", "").await, 0);
}

#[tokio::test]
async fn requests_beyond_those_in_flight_wait_for_their_turn_and_then_are_shed() {
    let limits = "max_in_flight: 1, max_queued: 1, queue_timeout: 30s";
    let chain = chain_with(limits).await;
    let front = chain.gateway.address();
    let request = |path| chain.request(path).body(Full::<Bytes>::default()).unwrap();
    let first = tokio::spawn(send(front, request("/delay/500")));
    let is = |name: &'static str| {
        let chain = &chain;
        async move || chain.figure(name, "").await == 1
    };
    eventually("one is under way", is("remint_requests_in_flight")).await;
    let second = tokio::spawn(send(front, request("/")));
    eventually("one waits", is("remint_requests_queued")).await;
    let shed = chain.get("/").await;
    assert_eq!(shed.status, 503);
    assert_eq!(shed.header("x-remint-reason"), Some("overloaded"));
    assert_eq!(shed.header("retry-after"), Some("1"));
    // Who may not call is told so, and takes no place.
    let refused = Request::get("/").header("host", HOST).body(Full::default()).unwrap();
    assert_eq!(send(front, refused).await.status, StatusCode::UNAUTHORIZED);
    for answer in [first, second] {
        assert_eq!(answer.await.unwrap().status, 200);
    }
    assert_eq!(chain.get("/").await.status, 200);
    assert_eq!(chain.figure("remint_requests_total", "overloaded").await, 1);
}

#[tokio::test]
async fn requests_under_way_count_against_limits_that_come_while_they_are() {
    let chain = chain_with("max_in_flight: 2, max_queued: 0 }\nreload_interval: 20ms #").await;
    let mut caller = Wire::connect(chain.gateway.address()).await;
    caller.say(&Wire::head(&chain, "x-echo-stream: 1\r\ntransfer-encoding: chunked\r\n")).await;
    caller.say("3\r\nabc\r\n").await;
    assert_eq!(caller.status().await, "HTTP/1.1 200 OK");
    assert_eq!(chain.get("/").await.status, 200);
    chain.rewrite(&chain.text.replace("in_flight: 2", "in_flight: 1"), "applied").await;
    assert_eq!(chain.get("/").await.status, 503);
    assert_eq!(chain.figure("remint_requests_in_flight", "").await, 1);
    caller.say("0\r\n\r\n").await;
    eventually("the place is free", async || chain.get("/").await.status == 200).await;
}

#[tokio::test]
async fn a_place_is_held_until_the_answer_has_ended() {
    let chain = chain_with("max_in_flight: 1, max_queued: 0").await;
    let mut caller = Wire::connect(chain.gateway.address()).await;
    caller.say(&Wire::head(&chain, "x-echo-stream: 1\r\ntransfer-encoding: chunked\r\n")).await;
    caller.say("3\r\nabc\r\n").await;
    assert_eq!(caller.status().await, "HTTP/1.1 200 OK");
    assert_eq!(chain.get("/").await.status, 503);
    caller.say("0\r\n\r\n").await;
    eventually("the place is free", async || chain.get("/").await.status == 200).await;
}

#[tokio::test]
async fn further_connections_wait_until_one_ends() {
    let chain = chain_with("max_connections: 1").await;
    let front = chain.gateway.address();
    let first = Wire::connect(front).await;
    let is_open = async || chain.figure("remint_connections", "").await == 1;
    eventually("one is there", is_open).await;
    let request = chain.request("/").body(Full::<Bytes>::default()).unwrap();
    let mut second = tokio::spawn(send(front, request));
    assert!(timeout(Duration::from_millis(200), &mut second).await.is_err(), "it waits");
    drop(first);
    assert_eq!(second.await.unwrap().status, 200);
}

#[tokio::test]
async fn connections_without_a_request_or_with_half_of_one_are_closed() {
    let chain = chain_with("header_timeout: 1s").await;
    let front = chain.gateway.address();
    let mut silent = Wire::connect(front).await;
    assert!(silent.is_closed().await);
    let mut half = Wire::connect(front).await;
    half.say("GET / HTTP/1.1\r\nhost:").await;
    assert!(half.is_closed().await);
    let mut second_half = Wire::connect(front).await;
    second_half.say(&Wire::head(&chain, "content-length: 0\r\n")).await;
    assert_eq!(second_half.status().await, "HTTP/1.1 200 OK");
    second_half.say("GET / HTTP/1.1\r\nhost:").await;
    assert!(second_half.is_closed().await);
    // A request that takes longer is no matter.
    assert_eq!(chain.get("/delay/2500").await.status, 200);
}

#[tokio::test]
async fn a_body_that_stops_coming_is_given_up_and_the_region_is_not_to_blame() {
    let region = RawRegion::start(Habit::Hang).await;
    let google = Google::start().await;
    let add = |text: String| text + "limits: { body_timeout: 300ms }\n";
    let chain = Chain::before(google, &[region.entry()], add).await;
    chain.ready().await;
    let mut caller = Wire::connect(chain.gateway.address()).await;
    caller.say(&Wire::head(&chain, "content-length: 10\r\n")).await;
    caller.say("half").await;
    assert_eq!(caller.status().await, "HTTP/1.1 408 Request Timeout");
    assert_eq!(chain.figure("remint_requests_total", "body_too_slow").await, 1);
    assert_eq!(chain.figure("remint_region_ejected", "").await, 0);
}

#[tokio::test]
async fn a_body_may_pause_once_its_answer_has_begun() {
    let chain = chain_with("body_timeout: 1s").await;
    let mut caller = Wire::connect(chain.gateway.address()).await;
    caller.say(&Wire::head(&chain, "x-echo-stream: 1\r\ntransfer-encoding: chunked\r\n")).await;
    caller.say("3\r\nabc\r\n").await;
    assert_eq!(caller.status().await, "HTTP/1.1 200 OK");
    // One that begins to pause later, and has no answer yet, is cut off first.
    let mut other = Wire::connect(chain.gateway.address()).await;
    other.say(&Wire::head(&chain, "content-length: 10\r\n")).await;
    assert_eq!(other.status().await, "HTTP/1.1 408 Request Timeout");
    caller.say("3\r\ndef\r\n0\r\n\r\n").await;
    let mut read = Vec::new();
    while !read.ends_with(b"0\r\n\r\n") {
        assert!(timeout(PATIENCE, caller.0.read_buf(&mut read)).await.unwrap().unwrap() > 0);
    }
    assert!(String::from_utf8_lossy(&read).contains("def"));
}

async fn chain_before_an_early_answer(limits: &str) -> (RawRegion, Chain) {
    let region = RawRegion::start(Habit::Answer).await;
    let add = |text: String| format!("{text}limits: {{ {limits} }}\n");
    let chain = Chain::before(Google::start().await, &[region.entry()], add).await;
    chain.ready().await;
    (region, chain)
}

/// Until a head that begins now has taken longer than it may.
async fn too_slow_a_head(chain: &Chain) {
    let mut caller = Wire::connect(chain.gateway.address()).await;
    caller.say("GET / HTTP/1.1\r\nhost: ").await;
    assert!(caller.is_closed().await);
}

#[tokio::test]
async fn what_follows_an_early_answer_is_no_request_that_comes_slowly() {
    let (_region, chain) = chain_before_an_early_answer("header_timeout: 1s").await;
    let mut caller = Wire::connect(chain.gateway.address()).await;
    caller.say(&Wire::head(&chain, "content-length: 10\r\n")).await;
    caller.say("xxxxx").await;
    assert_eq!(caller.status().await, "HTTP/1.1 200 OK");
    too_slow_a_head(&chain).await;
    caller.say("xxxxx").await;
    // Nor is the connection's idle time after it.
    too_slow_a_head(&chain).await;
    caller.say(&Wire::head(&chain, "content-length: 0\r\n")).await;
    assert!(caller.status().await.ends_with("HTTP/1.1 200 OK"));
}

#[tokio::test]
async fn a_body_that_stops_coming_after_its_answer_is_given_up() {
    let (region, chain) = chain_before_an_early_answer("body_timeout: 1s").await;
    let mut caller = Wire::connect(chain.gateway.address()).await;
    caller.say(&Wire::head(&chain, "content-length: 10\r\n")).await;
    caller.say("half").await;
    assert_eq!(caller.status().await, "HTTP/1.1 200 OK");
    assert!(caller.is_closed().await);
    eventually("the region is left too", async || region.is_closed()).await;
}

#[tokio::test]
async fn who_takes_nothing_of_an_answer_is_cut_off() {
    let chain = chain_with("write_timeout: 300ms").await;
    let caller = Wire::connect(chain.gateway.address()).await;
    let (read, mut write) = caller.0.into_split();
    let head = Wire::head(&chain, "x-echo-stream: 1\r\ntransfer-encoding: chunked\r\n");
    write.write_all(head.as_bytes()).await.unwrap();
    let piece = format!("10000\r\n{}\r\n", "x".repeat(0x1_0000));
    // It sends and sends, and reads nothing of its echo.
    let sent = async { while write.write_all(piece.as_bytes()).await.is_ok() {} };
    assert!(timeout(PATIENCE, sent).await.is_ok(), "it was cut off");
    drop(read);
    eventually("the connection is gone", async || {
        chain.figure("remint_connections", "").await == 0
            && chain.figure("remint_requests_in_flight", "").await == 0
    })
    .await;
}

#[tokio::test]
async fn a_connection_that_waits_for_long_is_closed() {
    let chain = chain_with("idle_timeout: 1s").await;
    let mut caller = Wire::connect(chain.gateway.address()).await;
    caller.say(&Wire::head(&chain, "content-length: 0\r\n")).await;
    assert_eq!(caller.status().await, "HTTP/1.1 200 OK");
    assert!(caller.is_closed().await);
}

#[tokio::test]
async fn an_http_2_connection_has_no_more_requests_at_a_time_than_are_allowed() {
    let chain = chain_with("max_streams: 2").await;
    let io = TokioIo::new(TcpStream::connect(chain.gateway.address()).await.unwrap());
    let (sender, connection) = http2::handshake(TokioExecutor::new(), io).await.unwrap();
    tokio::spawn(connection);
    let call = |path: &str| {
        let request = Request::get(format!("http://{HOST}{path}"));
        let request = request.header("authorization", format!("Bearer {}", chain.token()));
        let (mut sender, request) = (sender.clone(), request.body(Full::<Bytes>::default()));
        async move { sender.send_request(request.unwrap()).await.unwrap().status() }
    };
    // The first tells the client what is allowed.
    assert_eq!(call("/").await, 200);
    let calls: Vec<_> = (0..6).map(|_| tokio::spawn(call("/delay/100"))).collect();
    while !calls.iter().all(tokio::task::JoinHandle::is_finished) {
        assert!(chain.figure("remint_requests_in_flight", "").await <= 2);
    }
    for call in calls {
        assert_eq!(call.await.unwrap(), 200);
    }
}
