//! Listening, and stopping without dropping a request.

mod connections;
mod door;
mod portions;
mod progress;
mod streams;
mod watched;

use std::convert::Infallible;
use std::error::Error;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, Version};
use http_body::Body;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout_at};
use tracing::{debug, warn};

use crate::upstream::Switch;

use connections::End;
pub(crate) use connections::{Connections, Open, Rest};
pub(crate) use door::Door;
use progress::{Progress, Stalled};
use watched::{Answering, Watched};

pub(crate) use watched::Incoming;

/// How long to wait when no connection can be accepted, as when the process
/// has no file left to open.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// How long to wait for connections that were made before the listener
/// closes, and are known to the system alone.
const LAST_CALL: Duration = Duration::from_millis(10);

/// Who is at the other end, made ready once for each connection.
pub(crate) struct Peer {
    pub(crate) address: HeaderValue,
    /// Counts the connection. Whoever goes on using it when HTTP is over holds
    /// a clone.
    pub(crate) _open: Open,
}

impl Peer {
    fn of(address: SocketAddr, open: Open) -> Self {
        let shown = HeaderValue::try_from(address.ip().to_canonical().to_string());
        let address = shown.unwrap_or_else(|_| HeaderValue::from_static("unknown"));
        Self { address, _open: open }
    }
}

/// A listener with what becomes of its connections.
pub(crate) struct Server<D, H> {
    pub(crate) listener: TcpListener,
    /// Tells for each connection by which door it comes in.
    pub(crate) door: D,
    pub(crate) connections: Connections,
    pub(crate) handler: H,
}

impl<D, H, F, B> Server<D, H>
where
    D: Fn() -> Arc<Door>,
    H: Fn(Arc<Peer>, Request<Incoming>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response<B>> + Send + 'static,
    B: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Send + Unpin + 'static,
{
    /// Accepts connections until `stop` turns true, and has their requests
    /// answered. When there are as many as are allowed, further ones wait in
    /// the system's queue. What it returns knows which are still busy.
    pub(crate) async fn serve(self, mut stop: watch::Receiver<bool>) -> Rest {
        let rest = Rest::new();
        loop {
            let next = async {
                let is_room = |count| count < (self.door)().limits.max_connections;
                self.connections.until(is_room).await;
                self.listener.accept().await
            };
            let accepted = tokio::select! {
                accepted = next => accepted,
                _ = stop.wait_for(|stop| *stop) => break,
            };
            match accepted {
                Ok((stream, address)) => self.spawn(&rest, stream, address),
                Err(error) => {
                    warn!(%error, "a connection could not be accepted");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        // Whoever is connected already may have sent a request. Those who come
        // now could come for ever.
        let end = Instant::now().checked_add(LAST_CALL).unwrap_or_else(Instant::now);
        while let Ok(Ok((stream, address))) = timeout_at(end, self.listener.accept()).await {
            self.spawn(&rest, stream, address);
        }
        rest
    }

    fn spawn(&self, rest: &Rest, stream: TcpStream, address: SocketAddr) {
        let peer = Arc::new(Peer::of(address, self.connections.open()));
        let (door, handler) = ((self.door)(), self.handler.clone());
        tokio::spawn(serve_one(door, rest.end(), stream, peer, handler));
    }
}

async fn serve_one<H, F, B>(
    door: Arc<Door>,
    mut end: End,
    stream: TcpStream,
    peer: Arc<Peer>,
    handler: H,
) where
    H: Fn(Arc<Peer>, Request<Incoming>) -> F,
    F: Future<Output = Response<B>> + Send + 'static,
    B: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Send + Unpin + 'static,
{
    let address = peer.address.clone();
    let stream = match door.open(stream).await {
        Ok(stream) => stream,
        Err(error) => return debug!(?address, %error, "no TLS with a caller"),
    };
    let (progress, switch) = (Arc::new(Progress::new()), Switch::new(door.limits.idle_timeout));
    let service = service_fn(|mut request: Request<hyper::body::Incoming>| {
        switch.mark(&mut request);
        let exchange = progress.request(request.version() == Version::HTTP_2);
        let to_head = request.method() == Method::HEAD;
        let request = request.map(|body| Incoming::new(body, &progress));
        let caller = request.body().caller();
        // hyper keeps room for this future for as long as the connection lasts:
        // in a box of its own it takes some kilobytes only while there is one.
        let answer = Box::pin(handler(Arc::clone(&peer), request));
        async move { Ok::<_, Infallible>(Answering::of(answer.await, to_head, exchange, caller)) }
    });
    let io = TokioIo::new(Watched::new(stream, Arc::clone(&progress)));
    let builder = door.builder(&progress);
    let mut connection = pin!(builder.serve_connection_with_upgrades(io, service));
    let mut is_ending = false;
    loop {
        tokio::select! {
            result = &mut connection => {
                if let Err(error) = result {
                    debug!(?address, %error, "connection failed");
                }
                break;
            }
            () = end.is_near(), if !is_ending => is_ending = true,
            why = progress.stalled(&door.limits) => match why {
                Stalled::Idle => progress.leaves(),
                Stalled::TooSlow(why) => return debug!(?address, why, "connection closed"),
            },
        }
        connection.as_mut().graceful_shutdown();
    }
    // `end` is still held, so that a stop waits for the tunnel too.
    if let Some(tunnel) = switch.take() {
        tunnel.run().await;
    }
}
