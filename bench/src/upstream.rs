//! What stands behind Envoy: a server that says 200 and does nothing else.

use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// Where Google's key set is.
const KEYS: &str = "/oauth2/v3/certs";

/// A running upstream; it ends when it is dropped.
pub struct Upstream {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Upstream {
    /// Starts it on a free port. It also serves this key set, to setups that
    /// need another one than the emulator's.
    ///
    /// # Errors
    /// If there is no port.
    pub async fn start(keys: String) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let task = tokio::spawn(serve(listener, Bytes::from(keys)));
        Ok(Self { address, task })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(listener: TcpListener, keys: Bytes) {
    let keys = Arc::new(keys);
    while let Ok((stream, _)) = listener.accept().await {
        // An error of one connection is seen by Envoy, and counted there.
        tokio::spawn(connection(stream, Arc::clone(&keys)));
    }
}

async fn connection(stream: TcpStream, keys: Arc<Bytes>) -> hyper::Result<()> {
    // A small answer must not wait for the next one.
    let _ = stream.set_nodelay(true);
    let answer = service_fn(|request| answer(request, &keys));
    http1::Builder::new().serve_connection(TokioIo::new(stream), answer).await
}

async fn answer(
    request: Request<Incoming>,
    keys: &Bytes,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let body = match request.uri().path() {
        KEYS => keys.clone(),
        _ => Bytes::from_static(b"ok\n"),
    };
    // A body that is cut off is the sender's own doing.
    let _ = request.into_body().collect().await;
    Ok(Response::new(Full::new(body)))
}
