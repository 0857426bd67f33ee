//! The proxy for programs that call Google's hosts by name.

use std::net::SocketAddr;

use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt, Empty, Full};
use hyper::client::conn::http1;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use remint_emulator::{HostMapping, Origin, Part, Verdict};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{Reply, World, flaky, get};
use crate::tls;

/// Asks for a tunnel. The stream that it leads through, or the refusal.
async fn tunnel(proxy: SocketAddr, to: &str) -> Result<TokioIo<Upgraded>, Reply> {
    let stream = TcpStream::connect(proxy).await.unwrap();
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection.with_upgrades());
    let connect = Request::connect(to).header(header::HOST, to).body(Empty::<Bytes>::new());
    let answer = sender.send_request(connect.unwrap()).await.unwrap();
    if answer.status() == StatusCode::OK {
        return Ok(TokioIo::new(hyper::upgrade::on(answer).await.unwrap()));
    }
    let (parts, body) = answer.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let text = String::from_utf8(body.into()).unwrap();
    Err(Reply { status: parts.status, headers: parts.headers, text })
}

/// A request for `host` over a connection that leads to it.
async fn ask(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    host: &str,
    path: &str,
    token: &str,
) -> StatusCode {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let request = Request::get(path)
        .header(header::HOST, host)
        .header(header::AUTHORIZATION, format!("Bearer {token}"))
        .body(Full::<Bytes>::default());
    sender.send_request(request.unwrap()).await.unwrap().status()
}

fn host_of(url: &str) -> &str {
    url.trim_start_matches("https://")
}

fn proxied(world: &World) -> Vec<(String, Verdict, Option<Origin>)> {
    let calls = world.emulator.timeline().select(|call| call.part == Part::Proxy);
    calls.into_iter().map(|call| (call.service, call.verdict, call.origin)).collect()
}

#[tokio::test]
async fn a_tunnel_leads_to_googles_hosts_which_speak_tls_in_it() {
    let world = World::start().await;
    for host in ["www.googleapis.com", "accounts.google.com", "pubsub.googleapis.com"] {
        let stream = tunnel(world.emulator.google_addr(), &format!("{host}:443")).await.unwrap();
        let stream = tls::secured(&world, stream, host, "http/1.1").await.unwrap();
        assert_eq!(ask(stream, host, "/oauth2/v3/certs", "").await, StatusCode::OK);
    }
    let stream = tunnel(world.emulator.google_addr(), "WWW.googleapis.com.:80").await.unwrap();
    assert_eq!(ask(stream, "www.googleapis.com", "/oauth2/v3/certs", "").await, StatusCode::OK);
    let seen = proxied(&world);
    let first = ("www.googleapis.com:443".to_owned(), Verdict::Accepted, Some(Origin::Internet));
    assert_eq!((seen.len(), &seen[0]), (4, &first));
}

#[tokio::test]
async fn a_tunnel_leads_to_a_region_from_the_network_of_its_port() {
    let world = World::start().await;
    let host = host_of(world.us().url());
    let token = world.token(world.us().url());
    for (proxy, origin) in
        [(world.emulator.google_addr(), Origin::Internet), (world.emulator.vpc_addr(), Origin::Vpc)]
    {
        let stream = tunnel(proxy, &format!("{host}:443")).await.unwrap();
        let stream = tls::secured(&world, stream, host, "http/1.1").await.unwrap();
        assert_eq!(ask(stream, host, "/", &token).await, StatusCode::OK);
        let calls = world.emulator.timeline().calls();
        assert_eq!(calls.last().unwrap().origin, Some(origin));
        assert_eq!(proxied(&world).last().unwrap().2, Some(origin));
    }
}

#[tokio::test]
async fn other_hosts_and_ports_are_refused_and_the_refusal_says_so() {
    let world = World::start().await;
    let google = world.emulator.google_addr();
    for (to, word) in [
        ("example.com:443", "example.com is neither a host of this emulator"),
        ("192.0.2.1:443", "192.0.2.1 is neither"),
        ("www.googleapis.com:8443", "on the ports 443 and 80 alone, not on 8443"),
    ] {
        let refusal = tunnel(google, to).await.unwrap_err();
        assert_eq!(refusal.status, StatusCode::FORBIDDEN, "{to}");
        assert!(refusal.text.contains(word), "{}", refusal.text);
        let plain = get(&format!("http://{to}/oauth2/v3/certs")).send(google).await;
        assert_eq!(plain.status, StatusCode::FORBIDDEN, "{to}");
    }
    let refused = |code| Verdict::Refused { status: 403, code };
    let seen: Vec<_> = proxied(&world).into_iter().map(|it| it.1).collect();
    let (unknown, closed) = (refused("host_unknown"), refused("port_closed"));
    assert_eq!(seen, [unknown, unknown, unknown, unknown, closed, closed]);
}

#[tokio::test]
async fn a_region_that_is_stopped_is_a_bad_gateway() {
    let world = World::start().await;
    world.us().stop().await;
    let to = format!("{}:443", host_of(world.us().url()));
    let refusal = tunnel(world.emulator.google_addr(), &to).await.unwrap_err();
    assert_eq!(refusal.status, StatusCode::BAD_GATEWAY);
    assert_eq!(proxied(&world)[0].1, Verdict::Failed);
}

#[tokio::test]
async fn requests_in_clear_text_are_passed_to_the_host_that_they_name() {
    let (own, asked) = flaky(&[], true).await;
    let world = World::with(|config| {
        config.hosts = vec![HostMapping { host: "orders.example.com".into(), addr: own }];
    })
    .await;
    let (google, us) = (world.emulator.google_addr(), world.us());
    let email = "/computeMetadata/v1/instance/service-accounts/default/email";
    for host in ["metadata.google.internal", "metadata.google.internal.", "169.254.169.254"] {
        let call = get(&format!("http://{host}{email}")).header("metadata-flavor", "Google");
        assert_eq!(call.send(google).await.status, StatusCode::OK, "{host}");
    }
    let url = us.url().replace("https", "http");
    let reply = get(&url).bearer(&world.token(us.url())).send(google).await;
    assert_eq!(reply.status, StatusCode::OK);
    assert_eq!(reply.json()["host"], host_of(us.url()));
    for to in ["http://orders.example.com/".to_owned(), format!("http://{own}/")] {
        assert_eq!(get(&to).send(google).await.status, StatusCode::OK);
    }
    assert_eq!(asked.load(std::sync::atomic::Ordering::Relaxed), 2);
    assert_eq!(proxied(&world).len(), 6);
}

#[tokio::test]
async fn a_users_own_server_in_clear_text_is_reached_with_tls_and_without() {
    let (own, asked) = flaky(&[], true).await;
    let host = "orders.example.com";
    let world = World::with(|config| {
        config.hosts = vec![HostMapping { host: host.into(), addr: own }];
    })
    .await;
    let google = world.emulator.google_addr();
    let stream = tunnel(google, "Orders.example.com:443").await.unwrap();
    let stream = tls::secured(&world, stream, host, "http/1.1").await.unwrap();
    assert_eq!(ask(stream, host, "/", "").await, StatusCode::OK);
    let stream = tunnel(google, "orders.example.com:8080").await.unwrap();
    assert_eq!(ask(stream, host, "/", "").await, StatusCode::OK);
    let stream = tunnel(google, &own.to_string()).await.unwrap();
    assert_eq!(ask(stream, host, "/", "").await, StatusCode::OK);
    assert_eq!(asked.load(std::sync::atomic::Ordering::Relaxed), 3);
}

#[tokio::test]
async fn a_tunnel_ends_with_what_it_leads_to() {
    let world = World::start().await;
    let to = format!("{}:443", host_of(world.us().url()));
    let mut stream = tunnel(world.emulator.google_addr(), &to).await.unwrap();
    stream.write_all(b"G").await.unwrap();
    world.us().stop().await;
    assert_eq!(stream.read(&mut [0; 1]).await.unwrap_or_default(), 0);
}
