//! A server that keeps what it was sent.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::request::Parts;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

/// Answers with these statuses in turn, then with 200.
pub(crate) struct Recorder {
    pub(crate) addr: SocketAddr,
    seen: Arc<Mutex<Vec<(Parts, Bytes)>>>,
}

impl Recorder {
    pub(crate) async fn start(statuses: &'static [u16]) -> Self {
        Self::telling(statuses, None).await
    }

    /// The same with a `Retry-After` in its answers.
    pub(crate) async fn telling(statuses: &'static [u16], retry_after: Option<u16>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let seen = Arc::<Mutex<Vec<_>>>::default();
        let shared = Arc::clone(&seen);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let seen = Arc::clone(&shared);
                let service = service_fn(move |request: Request<Incoming>| {
                    let seen = Arc::clone(&seen);
                    async move {
                        let (head, body) = request.into_parts();
                        let body = body.collect().await.unwrap().to_bytes();
                        let mut seen = seen.lock().unwrap();
                        let status = statuses.get(seen.len()).copied().unwrap_or(200);
                        seen.push((head, body));
                        let mut answer = Response::builder().status(status);
                        if let Some(seconds) = retry_after {
                            answer = answer.header("retry-after", seconds);
                        }
                        Ok::<_, Infallible>(answer.body(Full::<Bytes>::default()).unwrap())
                    }
                });
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        Self { addr, seen }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.addr)
    }

    pub(crate) fn seen(&self) -> Vec<(Parts, Bytes)> {
        self.seen.lock().unwrap().clone()
    }

    /// A header of one of the requests, empty if it had none.
    pub(crate) fn header(&self, request: usize, name: &str) -> String {
        let seen = self.seen();
        let value = seen[request].0.headers.get(name);
        value.map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default()
    }
}
