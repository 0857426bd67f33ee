//! A server of the user's behind a front end.

use std::convert::Infallible;
use std::net::SocketAddr;

use bytes::Bytes;
use http::{Response, StatusCode};
use http_body_util::Full;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use remint_emulator::Backend;
use tokio::net::TcpListener;

use crate::support::{World, get};

/// Says what it sees, over HTTP/2 in clear text.
async fn backend() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let service = service_fn(|request: hyper::Request<_>| async move {
                let _: &hyper::body::Incoming = request.body();
                let token = request.headers()["authorization"].to_str().unwrap();
                let is_signed = !token.ends_with(".SIGNATURE_REMOVED_BY_GOOGLE");
                let seen = format!("{} {} {is_signed}", request.method(), request.uri());
                Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(seen))))
            });
            let builder = http2::Builder::new(TokioExecutor::new());
            tokio::spawn(builder.serve_connection(TokioIo::new(stream), service));
        }
    });
    addr
}

#[tokio::test]
async fn it_gets_accepted_requests_and_no_others() {
    let addr = backend().await;
    let world = World::with(|config| config.services[0].backend = Backend::h2c(addr)).await;
    let token = world.token(world.us().url());
    let reply = get("/a?b").bearer(&token).send(world.us().addr()).await;
    assert_eq!(reply.text, "GET http://host.example/a?b false");
    let reply = get("/a?b").bearer("no.token.atall").send(world.us().addr()).await;
    assert_eq!(reply.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn without_it_the_front_end_says_that_there_is_none() {
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let world = World::with(|config| config.services[0].backend = Backend::h2c(closed)).await;
    let token = world.token(world.us().url());
    let reply = get("/").bearer(&token).send(world.us().addr()).await;
    assert_eq!(reply.status, StatusCode::SERVICE_UNAVAILABLE);
}
