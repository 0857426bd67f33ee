//! A small HTTP client: one connection, one request.

use std::io;
use std::net::SocketAddr;

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use remint_kept::{Exception, keep_answer, source};
use tokio::net::TcpStream;

use crate::process::PATIENCE;

/// An answer, whole.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl Answer {
    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// A header's value, or nothing.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The body as JSON.
    ///
    /// # Errors
    /// If it is not JSON.
    pub fn json(&self) -> io::Result<serde_json::Value> {
        serde_json::from_slice(&self.body).map_err(io::Error::other)
    }
}

/// Sends a request to that address, whatever host it names.
///
/// # Errors
/// If there is no answer in time.
pub async fn send(to: SocketAddr, request: Request<Bytes>) -> io::Result<Answer> {
    answered(source::CHAIN_ANSWERS, None, to, request).await
}

/// The same to an echo, whose answer is `meant` to hold credentials.
///
/// # Errors
/// If there is no answer in time.
pub async fn send_to_echo(
    to: SocketAddr,
    request: Request<Bytes>,
    meant: Exception,
) -> io::Result<Answer> {
    answered(source::CHAIN_ANSWERS, Some(meant), to, request).await
}

async fn answered(
    source: &str,
    meant: Option<Exception>,
    to: SocketAddr,
    request: Request<Bytes>,
) -> io::Result<Answer> {
    let path = request.uri().path().to_owned();
    let exchange = async {
        let stream = TcpStream::connect(to).await?;
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
        let connection = tokio::spawn(connection);
        let request = request.map(Full::new);
        let (head, body) =
            sender.send_request(request).await.map_err(io::Error::other)?.into_parts();
        let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
        connection.abort();
        Ok::<_, io::Error>(Answer { status: head.status, headers: head.headers, body })
    };
    let answer = tokio::time::timeout(PATIENCE, exchange).await.map_err(io::Error::other)??;
    let headers = answer.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
    // Only a good answer is an echo's.
    let is_kept = meant.is_none() || answer.status != StatusCode::OK;
    let body = if is_kept { &answer.body[..] } else { &[] };
    keep_answer(source, &path, answer.status.as_u16(), headers, body);
    Ok(answer)
}

/// Fetches a page of a program's own.
///
/// # Errors
/// If there is no answer in time.
pub async fn get(from: SocketAddr, path: &str) -> io::Result<Answer> {
    let request = Request::get(path).header("host", from.to_string()).body(Bytes::new());
    answered(source::of_admin(path), None, from, request.map_err(io::Error::other)?).await
}
