//! TLS on the same ports, by certificates of the emulator's own authority.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use remint_emulator::{LoadBalancer, Picking};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::support::{World, get};

pub(crate) async fn connect(
    world: &World,
    addr: SocketAddr,
    name: &str,
    protocol: &str,
) -> std::io::Result<TlsStream<TcpStream>> {
    secured(world, TcpStream::connect(addr).await.unwrap(), name, protocol).await
}

/// TLS on a connection, by somebody who trusts the emulator's authority.
pub(crate) async fn secured<S: AsyncRead + AsyncWrite + Unpin>(
    world: &World,
    stream: S,
    name: &str,
    protocol: &str,
) -> std::io::Result<TlsStream<S>> {
    let mut roots = RootCertStore::empty();
    let ca = CertificateDer::from_pem_slice(world.emulator.ca_pem().as_bytes()).unwrap();
    roots.add(ca).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![protocol.into()];
    let name = ServerName::try_from(name.to_owned()).unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, stream).await
}

#[tokio::test]
async fn every_listener_has_a_certificate_for_its_names() {
    let world = World::start().await;
    let (google, us) = (world.emulator.google_addr(), world.us());
    let host = |url: &str| url.trim_start_matches("https://").to_owned();
    for (addr, name) in [
        (google, "www.googleapis.com".to_owned()),
        (google, "www.gstatic.com".to_owned()),
        (google, "metadata.google.internal".to_owned()),
        (google, "iamcredentials.googleapis.com".to_owned()),
        (google, "oauth2.googleapis.com".to_owned()),
        (google, "sts.googleapis.com".to_owned()),
        (google, "accounts.google.com".to_owned()),
        (google, "pubsub.googleapis.com".to_owned()),
        (google, "169.254.169.254".to_owned()),
        (google, "localhost".to_owned()),
        (us.addr(), host(us.url())),
        (us.addr(), host(us.hash_url())),
        (us.addr(), "127.0.0.1".to_owned()),
    ] {
        let result = connect(&world, addr, &name, "http/1.1").await;
        assert!(result.is_ok(), "{name}: {result:?}");
    }
    for wrong in [host(world.eu().url()), "lb.example.com".to_owned()] {
        let result = connect(&world, us.addr(), &wrong, "http/1.1").await;
        assert!(result.is_err(), "{wrong}");
    }
}

#[tokio::test]
async fn where_all_of_google_is_services_and_load_balancers_have_certificates_too() {
    let world = World::with(|config| {
        config.services[0].tags = vec!["green".to_owned()];
        config.load_balancers = vec![LoadBalancer {
            host: "Orders.example.com".to_owned(),
            port: 0,
            service: "orders".to_owned(),
            picking: Picking::Nearest,
            iap: None,
        }];
    })
    .await;
    let host = |url: &str| url.trim_start_matches("https://").to_owned();
    let (us, eu) = (world.us(), world.eu());
    for addr in [world.emulator.google_addr(), world.emulator.vpc_addr()] {
        for name in [
            host(us.url()),
            host(eu.hash_url()),
            format!("green---{}", host(eu.url())),
            "us-central1-demo-project.cloudfunctions.net".to_owned(),
            "orders.example.com".to_owned(),
        ] {
            let result = connect(&world, addr, &name, "h2").await;
            assert!(result.is_ok(), "{name}: {result:?}");
        }
        assert!(connect(&world, addr, "elsewhere.example.com", "h2").await.is_err());
    }
}

#[tokio::test]
async fn http_2_is_spoken_over_tls_and_plain_http_on_the_same_port() {
    let world = World::start().await;
    let us = world.us();
    let host = us.url().trim_start_matches("https://");
    let stream = connect(&world, us.addr(), host, "h2").await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let executor = TokioExecutor::new();
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(executor, TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let token = world.token(us.url());
    let request = Request::get(format!("{}/a", us.url()))
        .header("authorization", format!("Bearer {token}"))
        .body(Full::<Bytes>::default())
        .unwrap();
    let reply = sender.send_request(request).await.unwrap();
    assert_eq!(reply.status(), 200);
    let body = reply.into_body().collect().await.unwrap().to_bytes();
    let seen: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(seen["host"], host);
    let plain = get("/").bearer(&token).send(us.addr()).await;
    assert_eq!(plain.status, 200);
}
