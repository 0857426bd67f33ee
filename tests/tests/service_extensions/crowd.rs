//! A thousand requests at once, in no more memory than Google's load balancer
//! gives (Service Extensions, "Plugins overview": 16 MiB for 1,000 requests).

use super::*;

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http::{Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2 as client;
use hyper::server::conn::http2 as server;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use remint_tests::chain::Envoy;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Barrier;

use narrow::{World, module};

const CROWD: usize = 1000;
/// How often there is a crowd: until the tokens that are remembered have filled
/// their bounds.
const ROUNDS: usize = 6;
/// Each with as many streams as the shipped listener allows.
const CONNECTIONS: usize = 10;
/// What the backend takes on one connection: the whole crowd may come over it.
const STREAMS: u32 = 1024;
/// A page of WebAssembly's memory has 64 KiB.
const PAGES: u32 = 16 * 1024 / 64;

/// The section of a module that says how large its memory is.
const MEMORY: u8 = 5;

/// A module like this one whose memory can't grow beyond so many pages: V8
/// refuses more, and the module's allocator traps.
fn bounded(module: &[u8], pages: u32) -> Vec<u8> {
    let mut bounded = module[..8].to_vec();
    for (section, content) in sections(module) {
        let content = match section {
            MEMORY => [&[1, 1], &*to_leb(least(content)), &*to_leb(pages)].concat(),
            _ => content.to_vec(),
        };
        bounded.push(section);
        bounded.extend(to_leb(u32::try_from(content.len()).unwrap()));
        bounded.extend(content);
    }
    bounded
}

/// How many pages a module begins with.
fn first_pages(module: &[u8]) -> u32 {
    let memory = sections(module).into_iter().find(|(section, _)| *section == MEMORY);
    least(memory.unwrap().1)
}

fn least(memory: &[u8]) -> u32 {
    assert_eq!(&memory[..2], [1, 0], "one memory without a limit");
    leb(&memory[2..]).0
}

/// A module's sections, with their numbers.
fn sections(module: &[u8]) -> Vec<(u8, &[u8])> {
    let (mut sections, mut rest) = (Vec::new(), &module[8..]);
    while let Some((section, after)) = rest.split_first() {
        let (size, start) = leb(after);
        let (content, next) = after[start..].split_at(size as usize);
        sections.push((*section, content));
        rest = next;
    }
    sections
}

/// A number in LEB128, and how many bytes it has.
fn leb(bytes: &[u8]) -> (u32, usize) {
    let end = bytes.iter().position(|byte| byte & 0x80 == 0).unwrap() + 1;
    let digits = bytes[..end].iter().rev();
    (digits.fold(0, |sum, byte| (sum << 7) | u32::from(byte & 0x7f)), end)
}

fn to_leb(mut number: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let byte = (number & 0x7f) as u8;
        number >>= 7;
        bytes.push(if number == 0 { byte } else { byte | 0x80 });
        if number == 0 {
            return bytes;
        }
    }
}

/// A backend that answers nobody before the whole crowd is there.
async fn patient_backend() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let barrier = Arc::new(Barrier::new(CROWD));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let barrier = Arc::clone(&barrier);
            let service = service_fn(move |_| {
                let barrier = Arc::clone(&barrier);
                async move {
                    barrier.wait().await;
                    Ok::<_, Infallible>(Response::new(Full::new(Bytes::new())))
                }
            });
            let mut server = server::Builder::new(TokioExecutor::new());
            // Else a connection may have fewer at once, and the rest never comes.
            server.max_concurrent_streams(STREAMS);
            tokio::spawn(server.serve_connection(TokioIo::new(stream), service));
        }
    });
    address
}

/// A narrow host with one worker before that backend, and a module whose memory
/// is bounded.
async fn host(world: &World, pages: u32) -> io::Result<Envoy> {
    let file: PathBuf = world.path(&format!("bounded_{pages}.wasm"));
    std::fs::write(&file, bounded(&std::fs::read(module()).unwrap(), pages)).unwrap();
    let mut config = world
        .config(&file, &world.rendered(&document()).await)
        .plain_cluster("crowd", patient_backend().await);
    let clusters = config.0["static_resources"]["clusters"].as_array_mut().unwrap();
    let crowd = clusters.last_mut().unwrap();
    crowd["typed_extension_protocol_options"] = json!({
        "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
            "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
            "explicit_http_config": {"http2_protocol_options": {}},
        },
    });
    config.manager()["route_config"]["virtual_hosts"][0]["routes"] =
        json!([{"match": {"prefix": "/"}, "route": {"cluster": "crowd", "timeout": "30s"}}]);
    world.start(1, &config).await
}

/// A crowd of machines, each with a token that nobody else has, nor anybody in
/// another round.
fn machines(google: &Emulator, round: usize) -> Vec<Request<Bytes>> {
    let now = google.issuer().now().0;
    let request = |place: usize| {
        let mut claims = remint_tests::attack::good_claims(now);
        claims["jti"] = json!(round * CROWD + place);
        let token = google.issuer().sign_claims(&claims);
        over_http_2(DOMAIN, "authorization", &format!("Bearer {token}"))
    };
    (0..CROWD).map(request).collect()
}

/// A crowd of people, whom IAP lets through.
fn people(google: &Emulator) -> Vec<Request<Bytes>> {
    let request = |place| {
        let assertion = AssertionRequest::new(format!("{place}@example.com"), APP);
        let assertion = google.iap().mint_assertion(&assertion.hosted_domain("example.com"));
        over_http_2(PEOPLE, "x-goog-iap-jwt-assertion", &assertion)
    };
    (0..CROWD).map(request).collect()
}

fn over_http_2(host: &str, name: &str, value: &str) -> Request<Bytes> {
    let request = Request::post(format!("http://{host}/push")).header(name, value);
    request.body(Bytes::from_static(b"{}")).unwrap()
}

/// Sends all of them at once. Returns how many were answered 200.
async fn send_all(to: SocketAddr, requests: &[Request<Bytes>]) -> usize {
    let connections = requests.chunks(CROWD / CONNECTIONS).map(|requests| {
        let requests = requests.to_vec();
        tokio::spawn(async move { send_over_one(to, &requests).await })
    });
    let mut passed = 0;
    for connection in connections.collect::<Vec<_>>() {
        passed += connection.await.unwrap();
    }
    passed
}

async fn send_over_one(to: SocketAddr, requests: &[Request<Bytes>]) -> usize {
    let stream = TokioIo::new(TcpStream::connect(to).await.unwrap());
    let (sender, connection) = client::handshake(TokioExecutor::new(), stream).await.unwrap();
    tokio::spawn(connection);
    let requests = requests.iter().map(|request| {
        let (mut sender, request) = (sender.clone(), request.clone().map(Full::new));
        tokio::spawn(async move {
            let answer = sender.send_request(request).await.ok()?;
            let status = answer.status();
            answer.into_body().collect().await.ok()?;
            Some(status)
        })
    });
    let mut passed = 0;
    for request in requests.collect::<Vec<_>>() {
        passed += usize::from(request.await.unwrap() == Some(StatusCode::OK));
    }
    passed
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_requests_at_once_hold_in_the_memory_that_there_is() {
    let world = World::new().await;
    let envoy = host(&world, PAGES).await.unwrap();
    for round in 0..ROUNDS {
        let machines = machines(&world.google, round);
        assert_eq!(send_all(envoy.address(), &machines).await, CROWD);
    }
    assert!(envoy.refusals().is_empty());
    envoy.stop().await.unwrap();
    world.close().await;
}

/// Without this the test above would say nothing of memory.
#[tokio::test(flavor = "multi_thread")]
async fn a_module_that_gets_too_little_memory_lets_nobody_pass() {
    let world = World::new().await;
    let file = world.path("tiny.wasm");
    let whole = std::fs::read(module()).unwrap();
    std::fs::write(&file, bounded(&whole, first_pages(&whole))).unwrap();
    let config = world.config(&file, &world.rendered(&document()).await);
    if let Ok(envoy) = world.start(1, &config).await {
        assert_eq!(send_all(envoy.address(), &machines(&world.google, 0)).await, 0);
        envoy.stop().await.unwrap();
    }
    world.close().await;
}

/// `cargo test -p remint-tests --test service_extensions -- --ignored --nocapture`
#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement"]
async fn how_much_memory_and_time_requests_take() {
    let world = World::new().await;
    let (machines, people) = (machines(&world.google, 0), people(&world.google));
    let first = first_pages(&std::fs::read(module()).unwrap());
    let (mut too_few, mut enough) = (first, PAGES);
    while too_few + 1 < enough {
        let pages = u32::midpoint(too_few, enough);
        match holds(&world, pages, &machines).await {
            true => enough = pages,
            false => too_few = pages,
        }
    }
    println!("memory: begins with {} KiB, one crowd needs {} KiB", first * 64, enough * 64);
    let mut config = world.config(&module(), &world.rendered(&document()).await);
    for (what, crowd) in [("tokens (RS256)", &machines), ("assertions (ES256)", &people)] {
        println!("{what}, with the module:");
        costs(&world, &config, crowd).await;
    }
    config.manager()["http_filters"].as_array_mut().unwrap().remove(0);
    println!("without the module:");
    costs(&world, &config, &machines).await;
    world.close().await;
}

async fn holds(world: &World, pages: u32, requests: &[Request<Bytes>]) -> bool {
    let Ok(envoy) = host(world, pages).await else { return false };
    let crowd = tokio::time::timeout(Duration::from_secs(20), send_all(envoy.address(), requests));
    let held = crowd.await.is_ok_and(|passed| passed == CROWD);
    envoy.stop().await.unwrap();
    held
}

/// Prints the processor time of each request, first with tokens that are new.
async fn costs(
    world: &World,
    config: &remint_tests::shipped::EnvoyConfig,
    requests: &[Request<Bytes>],
) {
    let envoy = world.start(1, config).await.unwrap();
    for what in ["new", "the same again", "and again"] {
        let before = envoy.worked().unwrap();
        assert_eq!(send_all(envoy.address(), requests).await, CROWD);
        let each = (envoy.worked().unwrap() - before) / u32::try_from(CROWD).unwrap();
        println!("{what}: {each:?} of Envoy's processor time for each request");
    }
    envoy.stop().await.unwrap();
}
