//! A small HTTP server whose answers a test makes up: a backend, or a key
//! server that misbehaves.

use std::convert::Infallible;
use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::request::Parts;
use http::{Response, StatusCode, header};
use http_body_util::Full;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use remint_emulator::{Issuer, SystemClock};
use remint_idtoken::Algorithm;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// A running server, on a free port of loopback. Dropping it closes the port.
pub struct Server {
    address: SocketAddr,
    hits: Arc<AtomicU64>,
    task: JoinHandle<()>,
}

impl Server {
    /// Starts a server that answers so to each request. Where there is no answer,
    /// it says nothing and keeps the connection open.
    ///
    /// # Errors
    /// If there is no free port.
    pub async fn start(
        answer: impl Fn(&Parts) -> Option<Response<Bytes>> + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let hits = Arc::new(AtomicU64::new(0));
        let task = tokio::spawn(serve(listener, Arc::new(answer), Arc::clone(&hits)));
        Ok(Self { address, hits, task })
    }

    /// Starts a server that answers with the headers of each request, as a JSON
    /// object. A header that came several times is a list.
    ///
    /// # Errors
    /// If there is no free port.
    pub async fn echo() -> io::Result<Self> {
        Self::start(|request| Some(json(headers_of(request).to_string()))).await
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many requests it has got.
    #[must_use]
    pub fn hits(&self) -> u64 {
        self.hits.load(Ordering::SeqCst)
    }
}

fn headers_of(request: &Parts) -> Value {
    let mut all = serde_json::Map::new();
    for name in request.headers.keys() {
        let values = request.headers.get_all(name).iter();
        let mut values: Vec<_> =
            values.map(|value| Value::from(String::from_utf8_lossy(value.as_bytes()))).collect();
        let value = if values.len() == 1 { values.remove(0) } else { values.into() };
        all.insert(name.to_string(), value);
    }
    all.into()
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(
    listener: TcpListener,
    answer: Arc<impl Fn(&Parts) -> Option<Response<Bytes>> + Send + Sync + 'static>,
    hits: Arc<AtomicU64>,
) {
    while let Ok((stream, _)) = listener.accept().await {
        let (answer, hits) = (Arc::clone(&answer), Arc::clone(&hits));
        let service = service_fn(move |request: http::Request<hyper::body::Incoming>| {
            hits.fetch_add(1, Ordering::SeqCst);
            let response = answer(&request.into_parts().0);
            async move {
                match response {
                    Some(response) => Ok::<_, Infallible>(response.map(Full::new)),
                    None => pending().await,
                }
            }
        });
        // A caller that hangs up ends its connection, nothing else.
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

/// An issuer and the server of its keys.
pub struct KeyServer {
    /// Signs the tokens.
    pub issuer: Arc<Issuer>,
    /// What it signs them with.
    pub algorithm: Algorithm,
    server: Server,
    mood: Arc<Mutex<Mood>>,
}

/// What a key server does.
#[derive(Clone)]
enum Mood {
    Keys,
    Canned(Response<Bytes>),
    Hang,
}

impl KeyServer {
    /// Starts an issuer with a fresh key, and the server of its keys.
    ///
    /// # Errors
    /// If there is no key or no free port.
    pub async fn start(algorithm: Algorithm) -> io::Result<Self> {
        let issuer = Issuer::new(algorithm, Arc::new(SystemClock)).map_err(io::Error::other)?;
        let issuer = Arc::new(issuer);
        let mood = Arc::new(Mutex::new(Mood::Keys));
        let (keys, its_mood) = (Arc::clone(&issuer), Arc::clone(&mood));
        let server = Server::start(move |request| match lock(&its_mood).clone() {
            _ if request.uri.path() != "/keys" => Some(status(StatusCode::IM_A_TEAPOT)),
            Mood::Keys => Some(json(keys.jwks().to_string())),
            Mood::Canned(canned) => Some(canned),
            Mood::Hang => None,
        });
        Ok(Self { issuer, algorithm, server: server.await?, mood })
    }

    /// Gives this answer from now on, or the keys again.
    pub fn answers(&self, canned: Option<Response<Bytes>>) {
        *lock(&self.mood) = canned.map_or(Mood::Keys, Mood::Canned);
    }

    /// Takes requests and does not answer from now on.
    pub fn hangs(&self) {
        *lock(&self.mood) = Mood::Hang;
    }

    /// Fails from now on.
    pub fn goes_down(&self) {
        self.answers(Some(status(StatusCode::SERVICE_UNAVAILABLE)));
    }

    /// Where its keys are.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}/keys", self.address())
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// How often anything was asked of it.
    #[must_use]
    pub fn hits(&self) -> u64 {
        self.server.hits()
    }
}

/// An answer with this status alone.
#[must_use]
pub fn status(status: StatusCode) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = status;
    response
}

/// A JSON document, to be kept for an hour.
#[must_use]
pub fn json(document: impl Into<Bytes>) -> Response<Bytes> {
    let mut response = Response::new(document.into());
    let caching = http::HeaderValue::from_static("public, max-age=3600");
    response.headers_mut().insert(header::CACHE_CONTROL, caching);
    response
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
