//! A server that keeps what it is sent.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::request::Parts;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::watch;

const DEADLINE: Duration = Duration::from_secs(20);

/// One request.
#[derive(Clone, Debug)]
pub(crate) struct Got {
    pub(crate) head: Parts,
    pub(crate) body: Bytes,
}

impl Got {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// The server. It answers with the statuses that it is given, then with 204.
pub(crate) struct Sink {
    pub(crate) addr: SocketAddr,
    got: watch::Receiver<Vec<Got>>,
}

impl Sink {
    pub(crate) async fn start(statuses: &[u16]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let (keep, got) = watch::channel(Vec::new());
        let keep = Arc::new(keep);
        let rest = Arc::new(Mutex::new(statuses.to_vec()));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (keep, rest) = (Arc::clone(&keep), Arc::clone(&rest));
                let service = service_fn(move |request: Request<Incoming>| {
                    let (keep, rest) = (Arc::clone(&keep), Arc::clone(&rest));
                    async move {
                        let (head, body) = request.into_parts();
                        let body = body.collect().await.unwrap().to_bytes();
                        let status = {
                            let mut rest = rest.lock().unwrap();
                            if rest.is_empty() { 204 } else { rest.remove(0) }
                        };
                        keep.send_modify(|all| all.push(Got { head, body }));
                        let answer = Response::builder().status(status);
                        Ok::<_, Infallible>(answer.body(Full::<Bytes>::default()).unwrap())
                    }
                });
                let connection = hyper::server::conn::http1::Builder::new();
                tokio::spawn(connection.serve_connection(TokioIo::new(stream), service));
            }
        });
        Self { addr, got }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/push", self.addr)
    }

    /// Waits until that many requests have come, and gives all.
    pub(crate) async fn wait(&self, count: usize) -> Vec<Got> {
        let mut got = self.got.clone();
        let enough = got.wait_for(|all| all.len() >= count);
        let all = tokio::time::timeout(DEADLINE, enough).await;
        all.expect("requests in time").unwrap().clone()
    }

    /// What has come until now.
    pub(crate) fn count(&self) -> usize {
        self.got.borrow().len()
    }
}
