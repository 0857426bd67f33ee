//! What goes wrong with key documents.

use std::io::ErrorKind;
use std::time::Duration;

use http::StatusCode;
use remint_emulator::{Fault, OVERSIZE};
use remint_idtoken::keys::{max_age, parse_jwks};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{World, connect, get};
use crate::tls;

const GOOGLE: &str = "/oauth2/v3/certs";
const IAP: &str = "/iap/verify/public_key-jwk";

#[tokio::test]
async fn google_s_keys_and_iap_s_fail_apart_from_each_other() {
    let world = World::start().await;
    let addr = world.emulator.google_addr();
    let faults = world.emulator.faults();
    let statuses = async || {
        let (google, iap) = (get(GOOGLE).send(addr).await, get(IAP).send(addr).await);
        (google.status.as_u16(), iap.status.as_u16())
    };
    faults.keys_down();
    assert_eq!(statuses().await, (503, 200));
    faults.clear();
    faults.set_iap_keys(Some(Fault::Status(StatusCode::INTERNAL_SERVER_ERROR)));
    assert_eq!(statuses().await, (200, 500));
    faults.clear();
    assert_eq!(statuses().await, (200, 200));
    assert_eq!((world.emulator.jwks_fetches(), world.emulator.iap_jwks_fetches()), (3, 3));
}

#[tokio::test]
async fn a_page_can_come_for_the_keys_with_all_that_makes_it_look_like_them() {
    let world = World::start().await;
    world.emulator.faults().set_keys(Some(Fault::NotJson));
    let reply = get(GOOGLE).send(world.emulator.google_addr()).await;
    assert_eq!(reply.status, StatusCode::OK);
    assert_eq!(reply.headers["content-type"], "application/json; charset=UTF-8");
    assert!(reply.headers.contains_key("cache-control"));
    assert!(parse_jwks(reply.text.as_bytes()).is_err());
}

#[tokio::test]
async fn keys_can_be_right_in_a_body_that_is_too_long() {
    let world = World::start().await;
    world.emulator.faults().set_iap_keys(Some(Fault::Oversized));
    let reply = get(IAP).send(world.emulator.google_addr()).await;
    assert_eq!(reply.status, StatusCode::OK);
    assert!(reply.text.len() > OVERSIZE);
    assert_eq!(reply.json(), world.emulator.iap().jwks());
}

async fn asked(mut stream: impl AsyncRead + AsyncWrite + Unpin) -> std::io::Result<usize> {
    let request = format!("GET {GOOGLE} HTTP/1.1\r\nhost: www.googleapis.com\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    stream.read(&mut [0]).await
}

#[tokio::test]
async fn a_connection_can_be_reset_with_tls_and_without() {
    let world = World::start().await;
    let addr = world.emulator.google_addr();
    world.emulator.faults().set_keys(Some(Fault::Reset));
    let plain = asked(TcpStream::connect(addr).await.unwrap()).await;
    assert_eq!(plain.unwrap_err().kind(), ErrorKind::ConnectionReset);
    let encrypted = tls::connect(&world, addr, "www.googleapis.com", "http/1.1").await.unwrap();
    let encrypted = asked(encrypted).await;
    assert_eq!(encrypted.unwrap_err().kind(), ErrorKind::ConnectionReset);
    assert_eq!(world.emulator.jwks_fetches(), 2);
    let mut other = connect(addr).await;
    assert!(get(IAP).send_on(&mut other).await.is_ok(), "nothing else is reset");
    world.emulator.faults().clear();
    assert_eq!(get(GOOGLE).send(addr).await.status, StatusCode::OK);
}

#[tokio::test]
async fn the_lifetime_of_the_key_documents_can_be_changed_while_it_runs() {
    let world = World::start().await;
    world.emulator.set_keys_max_age(Duration::from_secs(3));
    for path in [GOOGLE, IAP] {
        let reply = get(path).send(world.emulator.google_addr()).await;
        let caching = reply.headers["cache-control"].to_str().unwrap();
        assert_eq!(max_age(caching), Some(Duration::from_secs(3)), "{path}");
    }
}
