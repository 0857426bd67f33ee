//! Listening, and stopping without dropping a request.

use std::convert::Infallible;
use std::error::Error;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::{HeaderValue, Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::sleep;
use tracing::{debug, warn};

use crate::upstream::Switch;

/// The time for the first request of a connection.
const FIRST_REQUEST: Duration = Duration::from_secs(15);
/// The time between two requests of a connection. Google's load balancers
/// keep theirs for 600 s, and a server has to wait longer than its clients:
/// else a request meets a connection that is just being closed.
const KEEP_ALIVE: Duration = Duration::from_secs(620);
/// How often an HTTP/2 connection is asked whether anybody is there.
const PING_EVERY: Duration = Duration::from_secs(60);
/// How long to wait when no connection can be accepted, as when the process
/// has no file left to open.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Who is at the other end, made ready once for each connection.
pub(crate) struct Peer {
    pub(crate) address: HeaderValue,
}

impl Peer {
    fn of(address: SocketAddr) -> Self {
        let shown = HeaderValue::try_from(address.ip().to_canonical().to_string());
        let address = shown.unwrap_or_else(|_| HeaderValue::from_static("unknown"));
        Self { address }
    }
}

/// Accepts connections until `stop` turns true, and has their requests
/// answered. What it returns knows which connections are still busy.
pub(crate) async fn serve<H, F, B>(
    listener: TcpListener,
    mut stop: watch::Receiver<bool>,
    handler: H,
) -> GracefulShutdown
where
    H: Fn(Arc<Peer>, Request<Incoming>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response<B>> + Send + 'static,
    B: Body<Data: Send, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
{
    let (builder, graceful) = (Arc::new(builder()), GracefulShutdown::new());
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stop.wait_for(|stop| *stop) => return graceful,
        };
        match accepted {
            Ok((stream, address)) => {
                let (builder, watcher) = (Arc::clone(&builder), graceful.watcher());
                let handler = handler.clone();
                tokio::spawn(serve_one(builder, watcher, stream, address, handler));
            }
            Err(error) => {
                warn!(%error, "a connection could not be accepted");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn serve_one<H, F, B>(
    builder: Arc<Builder<TokioExecutor>>,
    watcher: Watcher,
    stream: TcpStream,
    address: SocketAddr,
    handler: H,
) where
    H: Fn(Arc<Peer>, Request<Incoming>) -> F,
    F: Future<Output = Response<B>> + Send + 'static,
    B: Body<Data: Send, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
{
    let switch = Switch::default();
    // Without it the connection still works, only more slowly.
    drop(stream.set_nodelay(true));
    let (peer, has_begun) = (Arc::new(Peer::of(address)), AtomicBool::new(false));
    let service = service_fn(|mut request| {
        has_begun.store(true, Ordering::Relaxed);
        switch.mark(&mut request);
        let answer = handler(Arc::clone(&peer), request);
        async move { Ok::<_, Infallible>(answer.await) }
    });
    let connection = builder.serve_connection_with_upgrades(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(watcher.watch(connection));
    let result = tokio::select! {
        result = &mut connection => result,
        () = sleep(FIRST_REQUEST) => {
            if !has_begun.load(Ordering::Relaxed) {
                debug!(%address, "closed: no request came");
                return;
            }
            connection.await
        }
    };
    if let Err(error) = result {
        debug!(%address, %error, "connection failed");
    }
    // What watches the connection is still there, so that a stop waits for
    // the tunnel too.
    if let Some(tunnel) = switch.take() {
        tunnel.run().await;
    }
}

fn builder() -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    // hyper counts the time between two requests as part of reading the
    // second one's header; without a timer it counts nothing at all.
    builder.http1().timer(TokioTimer::new()).header_read_timeout(KEEP_ALIVE);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(PING_EVERY)
        // How WebSocket comes over HTTP/2 (RFC 8441, section 3).
        .enable_connect_protocol()
        .max_header_list_size(64 * 1024);
    builder
}
