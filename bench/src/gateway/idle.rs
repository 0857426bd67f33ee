//! What connections cost on which nothing happens.

use std::io;

use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use remint_tests::attack::bearer;
use remint_tests::chain::DOMAIN;
use tokio::net::TcpStream;

use super::setup::Running;
use crate::machine::resident_bytes;
use crate::setup::PATH;

/// How many there are.
pub(super) const CONNECTIONS: usize = 1000;

/// Memory, in bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Idle {
    /// Resident before the connections came.
    pub(super) before: u64,
    /// Resident while all of them wait, each after one request.
    pub(super) with_connections: u64,
}

/// Opens the connections one after the other, each for one request, and looks
/// at the proxy's memory while all of them wait.
pub(super) async fn measure(proxy: &Running, token: &str) -> io::Result<Idle> {
    let process = proxy.process()?;
    let before = resident_bytes(process)?;
    let mut waiting = Vec::with_capacity(CONNECTIONS);
    for _ in 0..CONNECTIONS {
        waiting.push(used(proxy, token).await?);
    }
    let with_connections = resident_bytes(process)?;
    if waiting.iter().any(SendRequest::is_closed) {
        return Err(io::Error::other("the proxy has closed connections that should wait"));
    }
    Ok(Idle { before, with_connections })
}

/// A connection that has done its work for the moment.
async fn used(proxy: &Running, token: &str) -> io::Result<SendRequest<Full<Bytes>>> {
    let stream = TcpStream::connect(proxy.address()).await?;
    let (mut sender, connection) =
        http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
    tokio::spawn(connection);
    let request = Request::post(PATH)
        .header(header::HOST, DOMAIN)
        .header(header::AUTHORIZATION, bearer(token))
        .body(Full::new(Bytes::from_static(b"{}")))
        .map_err(io::Error::other)?;
    let response = sender.send_request(request).await.map_err(io::Error::other)?;
    let status = response.status();
    response.into_body().collect().await.map_err(io::Error::other)?;
    match status {
        StatusCode::OK => Ok(sender),
        other => Err(io::Error::other(format!("answered {other} to one of many connections"))),
    }
}
