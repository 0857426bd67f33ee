//! A load balancer in front of a service's regions.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use http_body::Frame;
use http_body_util::BodyExt;
use hyper_util::rt::{TokioExecutor, TokioIo};
use remint_emulator::{
    Config, Emulator, LoadBalancer, Message, Origin, Part, Picking, PushSubscription, RegionFault,
    Verdict,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use crate::support::{Call, PUSHER, World, connect, get, post};
use crate::tls;

const HOST: &str = "orders.example.com";

fn balancer(picking: Picking) -> LoadBalancer {
    LoadBalancer {
        host: HOST.to_owned(),
        port: 0,
        service: "orders".to_owned(),
        picking,
        iap: None,
    }
}

async fn world(picking: Picking) -> (World, SocketAddr) {
    let world = World::with(|config| config.load_balancers = vec![balancer(picking)]).await;
    let addr = world.emulator.load_balancer("Orders.example.com").unwrap();
    (world, addr)
}

/// A call with tokens for both regions, as only one of them can be in a header.
fn call(world: &World, region: &str, path: &str) -> Call {
    let region = world.emulator.region("orders", region).unwrap();
    get(path).header("host", HOST).bearer(&world.token(region.url()))
}

/// The regions that were called, oldest first.
fn called(world: &World) -> Vec<String> {
    world.emulator.timeline().calls().into_iter().map(|call| call.region).collect()
}

#[tokio::test]
async fn the_first_region_is_nearest_unless_the_client_says_where_it_is() {
    let (world, addr) = world(Picking::Nearest).await;
    let reply = call(&world, "us-central1", "/").send(addr).await;
    assert_eq!(reply.json()["region"], "us-central1");
    let there = call(&world, "europe-west1", "/");
    let reply = there.header("x-emulator-client-region", "europe-west1").send(addr).await;
    let seen = reply.json();
    assert_eq!(seen["region"], "europe-west1");
    assert!(seen["headers"].get("x-emulator-client-region").is_none());
}

#[tokio::test]
async fn weights_spread_the_requests() {
    let weights = [("us-central1".to_owned(), 1), ("europe-west1".to_owned(), 3)];
    let (world, addr) = world(Picking::Weighted(weights.into())).await;
    let mut connection = connect(addr).await;
    for _ in 0..8 {
        get("/").send_on(&mut connection).await.unwrap();
    }
    let (us, eu) = ("us-central1", "europe-west1");
    assert_eq!(called(&world), [eu, us, eu, eu, eu, us, eu, eu]);
}

#[tokio::test]
async fn a_dead_region_s_failures_show_and_nothing_is_retried_elsewhere() {
    let (world, addr) = world(Picking::Nearest).await;
    world.us().stop().await;
    for _ in 0..3 {
        let reply = call(&world, "us-central1", "/").send(addr).await;
        assert_eq!(reply.status, StatusCode::SERVICE_UNAVAILABLE);
        assert!(reply.text.contains("The server encountered a temporary error"), "{}", reply.text);
        assert_eq!(reply.headers["content-type"], "text/html; charset=UTF-8");
        assert_eq!(reply.headers["via"], "1.1 google");
    }
    assert!(called(&world).is_empty());
    let all = world.emulator.timeline().all();
    assert_eq!(all.len(), 3);
    for call in all {
        assert_eq!((call.part, call.verdict), (Part::LoadBalancer, Verdict::Failed));
        assert_eq!(call.region, "us-central1");
        assert!(call.note.unwrap().starts_with("no connection"));
    }
    world.us().start().await.unwrap();
    world.us().set_fault(Some(RegionFault::Reset));
    let reply = call(&world, "us-central1", "/").send(addr).await;
    assert_eq!(reply.status, StatusCode::SERVICE_UNAVAILABLE);
    world.us().set_fault(Some(RegionFault::FrontEnd(StatusCode::TOO_MANY_REQUESTS)));
    let reply = call(&world, "us-central1", "/").send(addr).await;
    assert_eq!(reply.status, StatusCode::TOO_MANY_REQUESTS, "its answer is passed on");
    assert_eq!(called(&world).len(), 2);
}

#[tokio::test]
async fn the_region_sees_the_load_balancer_s_host_and_headers() {
    let (world, addr) = world(Picking::Nearest).await;
    let reply = call(&world, "us-central1", "/a?b=c")
        .header("x-forwarded-for", "192.0.2.1")
        .header("x-request-id", "r1")
        .send(addr)
        .await;
    assert_eq!(reply.headers["via"], "1.1 google");
    let seen = reply.json();
    assert_eq!(
        (&seen["host"], &seen["path"], &seen["query"]),
        (&HOST.into(), &"/a".into(), &"b=c".into())
    );
    assert_eq!(seen["audience"], world.us().url());
    let headers = &seen["headers"];
    assert_eq!(headers["x-forwarded-for"], "192.0.2.1,127.0.0.1,127.0.0.1");
    assert_eq!(headers["x-forwarded-proto"], "http");
    assert_eq!(headers["via"], "1.1 google");
    assert!(headers["x-cloud-trace-context"].as_str().unwrap().contains('/'));
    let [front_end, own] = <[_; 2]>::try_from(world.emulator.timeline().all()).unwrap();
    assert_eq!((front_end.part, front_end.origin), (Part::FrontEnd, Some(Origin::LoadBalancer)));
    assert_eq!((own.part, own.origin), (Part::LoadBalancer, Some(Origin::Internet)));
    assert_eq!((own.service.as_str(), own.region.as_str()), ("orders", "us-central1"));
    assert_eq!((own.path.as_str(), own.host.as_deref()), ("/a", Some(HOST)));
    assert_eq!((own.verdict, own.request_id.as_deref()), (Verdict::Answered(200), Some("r1")));
}

#[tokio::test]
async fn the_load_balancer_s_host_is_no_audience() {
    let (world, addr) = world(Picking::Nearest).await;
    let token = world.token(&format!("https://{HOST}"));
    let reply = get("/").header("host", HOST).bearer(&token).send(addr).await;
    assert_eq!(reply.status, StatusCode::UNAUTHORIZED);
}

/// A body that a test writes as it goes.
struct Fed(mpsc::Receiver<Frame<Bytes>>);

impl http_body::Body for Fed {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(context).map(|frame| frame.map(Ok))
    }
}

#[tokio::test]
async fn http_2_is_passed_on_over_tls_and_streams_both_ways_with_trailers() {
    let (world, addr) = world(Picking::Nearest).await;
    let stream = tls::connect(&world, addr, HOST, "h2").await.unwrap();
    let executor = TokioExecutor::new();
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(executor, TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let (to, frames) = mpsc::channel(1);
    let request = Request::post(format!("https://{HOST}/a"))
        .header("authorization", format!("Bearer {}", world.token(world.us().url())))
        .header("x-echo-stream", "1")
        .header("te", "trailers")
        .body(Fed(frames))
        .unwrap();
    let reply = sender.send_request(request).await.unwrap();
    assert_eq!(reply.status(), 200);
    let mut back = reply.into_body();
    for part in ["one", "two"] {
        to.send(Frame::data(part.into())).await.unwrap();
        let frame = back.frame().await.unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), part);
    }
    let trailers = HeaderMap::from_iter([("grpc-status".parse().unwrap(), 0.into())]);
    to.send(Frame::trailers(trailers)).await.unwrap();
    drop(to);
    let last = back.frame().await.unwrap().unwrap();
    assert_eq!(last.into_trailers().unwrap()["grpc-status"], "0");
    let call = world.emulator.timeline().calls().pop().unwrap();
    assert_eq!((call.host.as_deref(), call.verdict), (Some(HOST), Verdict::Accepted));
}

#[tokio::test]
async fn over_tls_the_scheme_is_https() {
    let (world, addr) = world(Picking::Nearest).await;
    let stream = tls::connect(&world, addr, HOST, "http/1.1").await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let reply = call(&world, "us-central1", "/").send_on(&mut sender).await.unwrap();
    assert_eq!(reply.json()["headers"]["x-forwarded-proto"], "https");
    assert!(tls::connect(&world, addr, "other.example.com", "h2").await.is_err());
}

#[tokio::test]
async fn a_web_socket_goes_through() {
    let (world, addr) = world(Picking::Nearest).await;
    let mut stream = TcpStream::connect(addr).await.unwrap();
    let token = world.token(world.us().url());
    let request = format!(
        "GET /chat HTTP/1.1\r\nhost: {HOST}\r\nauthorization: Bearer {token}\r\n\
         connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
         sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    let head = String::from_utf8(head).unwrap();
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    // A text of two letters, masked with zeros.
    stream.write_all(&[0x81, 0x82, 0, 0, 0, 0, b'h', b'i']).await.unwrap();
    let mut back = [0_u8; 4];
    stream.read_exact(&mut back).await.unwrap();
    assert_eq!(back, [0x81, 2, b'h', b'i']);
}

#[tokio::test]
async fn senders_and_google_s_listener_find_it_by_its_host() {
    let (world, _) = world(Picking::Nearest).await;
    let google = world.emulator.google_addr();
    let reply = call(&world, "us-central1", "/").send(google).await;
    assert_eq!(reply.json()["headers"]["via"], "1.1 google");
    let endpoint = format!("https://{HOST}/push").parse().unwrap();
    let mut push = PushSubscription::new("orders-push", endpoint, PUSHER);
    push.audience = Some(world.us().url().to_owned());
    let report = world.emulator.push(&push, [Message::new("hello")]).await;
    assert!(report.all_delivered(), "{report:?}");
    let call = world.emulator.timeline().calls().pop().unwrap();
    assert_eq!(call.origin, Some(Origin::LoadBalancer));
}

#[tokio::test]
async fn a_body_that_breaks_off_breaks_off_behind_it_too() {
    let (world, addr) = world(Picking::Nearest).await;
    let body = "x".repeat(3 << 20);
    let token = world.token(world.us().url());
    let reply = post("/", body).header("host", HOST).bearer(&token).send(addr).await;
    assert_eq!(reply.json()["body_bytes"], 3 << 20);
    let mut stream = TcpStream::connect(addr).await.unwrap();
    let head = format!(
        "POST / HTTP/1.1\r\nhost: {HOST}\r\nauthorization: Bearer {token}\r\ncontent-length: 9\r\n\r\n1234"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut rest = String::new();
    let _ = stream.read_to_string(&mut rest).await;
    assert!(!rest.starts_with("HTTP/1.1 200"), "{rest}");
}

#[tokio::test]
async fn a_load_balancer_needs_a_service_and_regions() {
    let nobody = LoadBalancer { service: "nobody".into(), ..balancer(Picking::Nearest) };
    let mars = balancer(Picking::Weighted(vec![("mars".into(), 1)]));
    for (wrong, why) in [(nobody, "no service \"nobody\""), (mars, "no region \"mars\"")] {
        let config = Config { load_balancers: vec![wrong], ..Config::demo() };
        let error = Emulator::start(config).await.err().unwrap();
        assert!(error.to_string().contains(HOST), "{error}");
        let cause = std::error::Error::source(&error).unwrap().to_string();
        assert!(cause.contains(why), "{cause}");
    }
}

#[tokio::test]
async fn its_port_closes_with_the_emulator() {
    let (world, addr) = world(Picking::Nearest).await;
    assert_eq!(world.emulator.load_balancers().collect::<Vec<_>>(), [(HOST, addr)]);
    assert_eq!(world.emulator.load_balancer("other.example.com"), None);
    world.emulator.shutdown().await;
    assert!(TcpStream::connect(addr).await.is_err());
}
