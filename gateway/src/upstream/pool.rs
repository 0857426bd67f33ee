//! The connections to one region.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use http::uri::Scheme;
use http::{Request, Response};
use tokio::time::{MissedTickBehavior, interval};

use super::body::RegionBody;
use super::connector::{ConnectError, Connector, ConnectorError, Dialer, HTTP_1, HTTP_2, Stream};
use super::exchange::Outcome;
use super::failure::SendError;
use super::http1::{self, Http1};
use super::http2::{Attempt, Found, Http2, Slot};
use super::request_body::RequestBody;
use super::upgrade::Wish;
use crate::clock::Clock;
use crate::config::{Connections, HostPort, Origin, Protocol};
use crate::doorbell::Task;

/// Connections are not looked through more often.
const SHORTEST_SWEEP: Duration = Duration::from_millis(100);

/// What makes a pool: two with the same settings could be one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct PoolSettings {
    pub(crate) origin: Origin,
    pub(crate) protocol: Protocol,
    pub(crate) connections: Connections,
}

/// Sends requests to one region and keeps the connections.
///
/// Callers hand over a request and get an answer: which HTTP is spoken and how
/// many requests share a connection is the pool's affair.
pub(crate) struct Pool {
    protocol: Protocol,
    scheme: Scheme,
    dialer: Dialer,
    /// For what HTTP/2 is not asked for.
    http1_dialer: Dialer,
    http1: Http1,
    http2: Http2,
    /// Whether the region chose HTTP/1.1 when it had the choice. It is asked
    /// again when no connection waits any more.
    prefers_http1: AtomicBool,
    _sweeper: Task,
}

/// What a request goes over.
enum Way {
    Waiting(http1::Sender),
    New(http1::Sender),
    Stream(Slot),
}

impl Pool {
    /// Must be called in a tokio runtime.
    pub(crate) fn new(
        connector: &Connector,
        settings: &PoolSettings,
        clock: Arc<dyn Clock>,
    ) -> Result<Arc<Self>, ConnectorError> {
        let PoolSettings { origin, protocol, connections } = settings;
        let protocols: &[&[u8]] = match protocol {
            Protocol::Auto => &[HTTP_2, HTTP_1],
            Protocol::Http1 => &[HTTP_1],
            Protocol::Http2 => &[HTTP_2],
        };
        let dialer = connector.dialer_for(origin, protocols)?;
        let http1_dialer = connector.dialer(origin)?;
        Ok(Arc::new_cyclic(|pool| Self {
            protocol: match protocol {
                // Nothing is negotiated in clear text.
                Protocol::Auto if !origin.is_https() => Protocol::Http1,
                protocol => *protocol,
            },
            scheme: if origin.is_https() { Scheme::HTTPS } else { Scheme::HTTP },
            dialer,
            http1_dialer,
            http1: Http1::new(connections.idle_timeout, Arc::clone(&clock)),
            http2: Http2::new(*connections, clock),
            prefers_http1: AtomicBool::new(false),
            _sweeper: Task::spawn(sweep(Weak::clone(pool), connections.idle_timeout)),
        }))
    }

    /// Sends a request, over a connection that is there if possible.
    pub(crate) async fn send(
        self: &Arc<Self>,
        mut request: Request<RequestBody>,
    ) -> Result<Response<RegionBody>, SendError> {
        loop {
            let outcome = match self.way(&request).await {
                Ok(Way::Waiting(sender)) => self.send_http1(sender, request, false).await,
                Ok(Way::New(sender)) => self.send_http1(sender, request, true).await,
                Ok(Way::Stream(slot)) => self.send_http2(slot, request).await,
                Err(error) => return Err(SendError::Unsent(Box::new(request), error)),
            };
            match outcome {
                Outcome::Answered(response) => return Ok(response),
                Outcome::Again(unsent) => request = unsent,
                Outcome::Failed(error) => return Err(error),
            }
        }
    }

    async fn way(
        self: &Arc<Self>,
        request: &Request<RequestBody>,
    ) -> Result<Way, Arc<ConnectError>> {
        let is_upgrade = Wish::of(request).is_some();
        if is_upgrade || self.protocol == Protocol::Http1 {
            return self.way_http1().await;
        }
        loop {
            if self.prefers_http1.load(Ordering::Relaxed) {
                return self.way_http1().await;
            }
            let mut news = self.http2.watch();
            let attempt = match self.http2.find() {
                Found::Slot(slot) => return Ok(Way::Stream(slot)),
                Found::Wait(attempt) => attempt,
                Found::Dial(attempt) => {
                    // On its own, since others wait for it too.
                    tokio::spawn(Arc::clone(self).attempt(Arc::clone(&attempt)));
                    attempt
                }
            };
            // Its sender is in this pool.
            let _ = news.changed().await;
            if let Some(error) = attempt.get() {
                return Err(Arc::clone(error));
            }
        }
    }

    async fn way_http1(&self) -> Result<Way, Arc<ConnectError>> {
        if let Some(sender) = self.http1.take() {
            return Ok(Way::Waiting(sender));
        }
        let stream = self.http1_dialer.connect().await?;
        Ok(Way::New(self.open_http1(stream).await?))
    }

    /// Connects for all who wait.
    async fn attempt(self: Arc<Self>, attempt: Arc<Attempt>) {
        let outcome = self.connect(&attempt).await;
        self.http2.attempt_ended(&attempt, outcome);
    }

    async fn connect(&self, attempt: &Arc<Attempt>) -> Result<(), ConnectError> {
        let stream = self.dialer.connect().await?;
        if stream.has_agreed_on_http2() || self.scheme == Scheme::HTTP {
            let limits = (self.address(), self.dialer.timeout());
            let opened = self.http2.open(stream, limits, attempt).await;
            return opened.map_err(|error| self.no_http(error));
        }
        if self.protocol == Protocol::Http2 {
            return Err(ConnectError::NotHttp2(self.address()));
        }
        let mut sender = self.open_http1(stream).await?;
        sender.ready().await.map_err(|error| self.no_http(error))?;
        self.http1.give_back(sender);
        self.prefers_http1.store(true, Ordering::Relaxed);
        Ok(())
    }

    async fn open_http1(&self, stream: Stream) -> Result<http1::Sender, ConnectError> {
        http1::open(stream).await.map_err(|error| self.no_http(error))
    }

    pub(super) fn no_http(&self, error: hyper::Error) -> ConnectError {
        ConnectError::Http(self.address(), error)
    }

    pub(super) fn address(&self) -> HostPort {
        self.dialer.address().clone()
    }

    pub(super) fn scheme(&self) -> Scheme {
        self.scheme.clone()
    }
}

impl Pool {
    /// Takes an HTTP/1.1 connection back.
    pub(super) fn give_back(&self, sender: http1::Sender) {
        self.http1.give_back(sender);
    }

    /// Leaves the connections that are there: what broke one may have broken
    /// all, and a dead one is only noticed by the request that is lost with it.
    pub(crate) fn close_idle(&self) {
        self.http1.close_all();
        self.http2.retire_all();
    }
}

/// Closes connections that wait for too long, for as long as the pool is
/// there. Requests look for themselves; this is for when there are none.
async fn sweep(pool: Weak<Pool>, idle_timeout: Duration) {
    let mut times = interval(idle_timeout.checked_div(2).unwrap_or_default().max(SHORTEST_SWEEP));
    times.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        times.tick().await;
        let Some(pool) = pool.upgrade() else {
            return;
        };
        pool.http2.sweep();
        if pool.http1.sweep() {
            pool.prefers_http1.store(false, Ordering::Relaxed);
        }
    }
}
