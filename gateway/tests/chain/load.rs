//! Callers who keep calling.

use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::client::PATIENCE;
use crate::support::{Chain, HOST};

/// Callers at work, each with a connection for as long as it lasts.
pub(crate) struct Load {
    shared: Arc<Shared>,
    callers: Vec<JoinHandle<()>>,
}

struct Shared {
    to: SocketAddr,
    bearer: String,
    /// What each request brings. If it is empty, a request only asks.
    body: Bytes,
    is_over: AtomicBool,
    answered: AtomicUsize,
}

/// A connection, by either protocol.
enum Caller {
    One(http1::SendRequest<Full<Bytes>>),
    Two(http2::SendRequest<Full<Bytes>>),
}

impl Load {
    /// Begins.
    pub(crate) fn start(chain: &Chain, http_1: usize, http_2: usize) -> Self {
        Self::with_bodies(chain, http_1, http_2, Bytes::new())
    }

    /// Begins, with requests that bring something: the region has to say that
    /// it got all of it.
    pub(crate) fn with_bodies(chain: &Chain, http_1: usize, http_2: usize, body: Bytes) -> Self {
        let shared = Arc::new(Shared {
            to: chain.gateway.address(),
            bearer: format!("Bearer {}", chain.token()),
            body,
            is_over: AtomicBool::new(false),
            answered: AtomicUsize::new(0),
        });
        let kinds = std::iter::repeat_n(false, http_1).chain(std::iter::repeat_n(true, http_2));
        let callers = kinds.map(|is_http_2| tokio::spawn(call(Arc::clone(&shared), is_http_2)));
        Self { callers: callers.collect(), shared }
    }

    /// Requests that were answered well.
    pub(crate) fn answered(&self) -> usize {
        self.shared.answered.load(Ordering::SeqCst)
    }

    /// Ends it. It panics if one request was not answered well.
    pub(crate) async fn finish(self) -> usize {
        self.shared.is_over.store(true, Ordering::SeqCst);
        self.finish_refused().await
    }

    /// Waits until all callers have found no one to call.
    pub(crate) async fn finish_refused(self) -> usize {
        for caller in self.callers {
            timeout(PATIENCE, caller).await.unwrap().unwrap();
        }
        self.shared.answered.load(Ordering::SeqCst)
    }
}

impl Shared {
    fn request(&self, is_http_2: bool) -> Request<Full<Bytes>> {
        let uri = if is_http_2 { format!("http://{HOST}/delay/5") } else { "/delay/5".into() };
        let request = Request::builder().uri(uri).header("authorization", &self.bearer);
        let request = if is_http_2 { request } else { request.header("host", HOST) };
        let method = if self.body.is_empty() { Method::GET } else { Method::POST };
        request.method(method).body(Full::new(self.body.clone())).unwrap()
    }
}

/// Calls until it is over, or nobody accepts connections any more.
async fn call(shared: Arc<Shared>, is_http_2: bool) {
    while !shared.is_over.load(Ordering::SeqCst) {
        let Ok(stream) = TcpStream::connect(shared.to).await else {
            return;
        };
        let Ok(mut caller) = Caller::connect(stream, is_http_2).await else {
            continue;
        };
        while !shared.is_over.load(Ordering::SeqCst) {
            // A connection that is known to be closed costs no request.
            let Some(response) = caller.send(shared.request(is_http_2)).await else {
                break;
            };
            let (head, body) = response.into_parts();
            let is_last = head.headers.get("connection").is_some_and(|it| it == "close");
            let body = timeout(PATIENCE, body.collect()).await.unwrap().unwrap().to_bytes();
            assert_eq!(head.status, 200, "{body:?}");
            let seen: Value = serde_json::from_slice(&body).unwrap();
            assert_eq!(seen["body_bytes"], shared.body.len());
            shared.answered.fetch_add(1, Ordering::SeqCst);
            if is_last {
                break;
            }
        }
    }
}

impl Caller {
    async fn connect(stream: TcpStream, is_http_2: bool) -> Result<Self, hyper::Error> {
        let io = TokioIo::new(stream);
        if is_http_2 {
            let (sender, connection) = http2::handshake(TokioExecutor::new(), io).await?;
            tokio::spawn(connection);
            return Ok(Self::Two(sender));
        }
        let (sender, connection) = http1::handshake(io).await?;
        tokio::spawn(connection);
        Ok(Self::One(sender))
    }

    /// The answer; nothing if the request was not sent, or refused by a
    /// GOAWAY, which says that it was not looked at.
    async fn send(&mut self, request: Request<Full<Bytes>>) -> Option<Response<Incoming>> {
        let sent = async {
            match self {
                Self::One(sender) => {
                    sender.ready().await.ok()?;
                    Some(sender.try_send_request(request).await)
                }
                Self::Two(sender) => {
                    sender.ready().await.ok()?;
                    Some(sender.try_send_request(request).await)
                }
            }
        };
        match timeout(PATIENCE, sent).await.unwrap()? {
            Ok(response) => Some(response),
            Err(mut error) => {
                let is_unsent = error.take_message().is_some();
                let error = error.into_error();
                let cause = error.source().and_then(|it| it.downcast_ref::<h2::Error>());
                // Of a stream that the server still answers, h2 says something else.
                let is_refused = cause.is_some_and(|it| it.is_go_away() && it.is_remote());
                assert!(is_unsent || is_refused, "a request was dropped: {error:?}");
                None
            }
        }
    }
}
