//! A caller.

use std::error::Error;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use remint_kept::{keep_answer, source};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// No test waits for longer than this.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// An answer, whole.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("not JSON: {:?}", self.body))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// Sends a request over a connection of its own.
pub(crate) async fn exchange<B>(to: SocketAddr, request: Request<B>) -> Response<Incoming>
where
    B: Body<Data = Bytes, Error = hyper::Error> + Send + 'static,
{
    let io = TokioIo::new(TcpStream::connect(to).await.unwrap());
    let (mut sender, connection) = http1::handshake(io).await.unwrap();
    tokio::spawn(connection);
    timeout(PATIENCE, sender.send_request(request)).await.unwrap().unwrap()
}

/// Sends a request and reads its answer to the end.
pub(crate) async fn send(to: SocketAddr, request: Request<Full<Bytes>>) -> Answer {
    whole(source::GATEWAY_ANSWERS, to, request).await
}

async fn whole(source: &str, to: SocketAddr, request: Request<Full<Bytes>>) -> Answer {
    let path = request.uri().path().to_owned();
    let request = request.map(|body| body.map_err(|never| match never {}).boxed());
    let (head, body) = exchange(to, request).await.into_parts();
    let body = timeout(PATIENCE, body.collect()).await.unwrap().unwrap();
    let answer = Answer { status: head.status, headers: head.headers, body: body.to_bytes() };
    let headers = answer.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
    keep_answer(source, &path, answer.status.as_u16(), headers, &answer.body);
    answer
}

/// A connection by HTTP/2.
pub(crate) async fn connect_http_2<B>(to: SocketAddr) -> http2::SendRequest<B>
where
    B: Body<Data: Send, Error: Into<Box<dyn Error + Send + Sync>>> + Send + Unpin + 'static,
{
    let io = TokioIo::new(TcpStream::connect(to).await.unwrap());
    let (sender, connection) = http2::handshake(TokioExecutor::new(), io).await.unwrap();
    tokio::spawn(connection);
    sender
}

/// Fetches a page.
pub(crate) async fn get(to: SocketAddr, path: &str) -> Answer {
    let request = Request::get(path).header("host", to.to_string());
    whole(source::of_admin(path), to, request.body(Full::default()).unwrap()).await
}
