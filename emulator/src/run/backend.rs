//! A server of the user's in place of the built-in container.

use std::io;
use std::net::SocketAddr;

use http::header::{CONNECTION, HOST, TRANSFER_ENCODING, UPGRADE};
use http::request::Parts;
use http::uri::{Authority, Scheme};
use http::{Request, StatusCode, Uri, Version};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

use crate::answers::{Answer, text};

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
enum BackendError {
    #[error("no connection")]
    Connect(#[from] io::Error),
    #[error("no exchange")]
    Http(#[from] hyper::Error),
    #[error("the request has no valid target")]
    Target(#[from] http::Error),
}

/// Passes an accepted request on to the server at `address`, over HTTP/2 in
/// clear text, as Cloud Run does with end-to-end HTTP/2.
pub(super) async fn pass_on(address: SocketAddr, parts: Parts, body: Incoming) -> Answer {
    match exchange(address, parts, body).await {
        Ok(answer) => answer,
        // The service is not available, whoever is to blame.
        Err(error) => text(StatusCode::SERVICE_UNAVAILABLE, format!("{address}: {error}\n")),
    }
}

async fn exchange(
    address: SocketAddr,
    parts: Parts,
    body: Incoming,
) -> Result<Answer, BackendError> {
    let request = Request::from_parts(adapted(parts, address)?, body);
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let io = TokioIo::new(stream);
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), io).await?;
    // Its errors reach the exchange; it ends with it.
    tokio::spawn(connection);
    let answer = sender.send_request(request).await?;
    Ok(answer.map(BodyExt::boxed_unsync))
}

fn adapted(mut parts: Parts, address: SocketAddr) -> Result<Parts, http::Error> {
    for name in [CONNECTION, TRANSFER_ENCODING, UPGRADE] {
        parts.headers.remove(name);
    }
    let host = parts.headers.remove(HOST);
    let authority = match (parts.uri.authority(), host) {
        (Some(authority), _) => authority.clone(),
        (None, Some(host)) => Authority::try_from(host.as_bytes())?,
        (None, None) => Authority::try_from(address.to_string())?,
    };
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    parts.uri =
        Uri::builder().scheme(Scheme::HTTP).authority(authority).path_and_query(path).build()?;
    parts.version = Version::HTTP_2;
    Ok(parts)
}
