//! A server that keeps what it was sent.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::request::Parts;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::watch;

const DEADLINE: Duration = Duration::from_secs(20);

/// What a request was, and its body.
pub(crate) type Seen = (Parts, Bytes);

/// Answers with these statuses in turn, then with 200.
pub(crate) struct Recorder {
    pub(crate) addr: SocketAddr,
    seen: watch::Receiver<Vec<Seen>>,
}

impl Recorder {
    pub(crate) async fn start(statuses: &[u16]) -> Self {
        Self::telling(statuses, None).await
    }

    /// The same with a `Retry-After` in its answers.
    pub(crate) async fn telling(statuses: &[u16], retry_after: Option<u16>) -> Self {
        Self::answering(statuses, 200, retry_after).await
    }

    /// The same with another status in the end.
    pub(crate) async fn answering(statuses: &[u16], then: u16, retry_after: Option<u16>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let (keep, seen) = watch::channel(Vec::<Seen>::new());
        let (keep, statuses) = (Arc::new(keep), Arc::<[u16]>::from(statuses));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (keep, statuses) = (Arc::clone(&keep), Arc::clone(&statuses));
                let service = service_fn(move |request: Request<Incoming>| {
                    let (keep, statuses) = (Arc::clone(&keep), Arc::clone(&statuses));
                    async move {
                        let (head, body) = request.into_parts();
                        let body = body.collect().await.unwrap().to_bytes();
                        let mut status = then;
                        keep.send_modify(|seen| {
                            status = statuses.get(seen.len()).copied().unwrap_or(then);
                            seen.push((head, body));
                        });
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

    /// Waits until that many requests have come, and gives all.
    pub(crate) async fn wait(&self, count: usize) -> Vec<Seen> {
        let mut seen = self.seen.clone();
        let enough = seen.wait_for(|all| all.len() >= count);
        let all = tokio::time::timeout(DEADLINE, enough).await;
        all.expect("requests in time").unwrap().clone()
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.addr)
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.borrow().clone()
    }

    /// A header of one of the requests, empty if it had none.
    pub(crate) fn header(&self, request: usize, name: &str) -> String {
        let seen = self.seen();
        let value = seen[request].0.headers.get(name);
        value.map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default()
    }
}
