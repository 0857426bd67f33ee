//! The connections to one region.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use remint_idtoken::UnixTime;

use super::body::RegionBody;
use super::connector::{ConnectError, Dialer};
use super::request_body::RequestBody;
use crate::clock::Clock;

/// How many connections wait for work. More are closed after their request.
const MAX_IDLE: usize = 512;
/// How long a connection waits for work: well under the minute or more after
/// which servers close theirs, so that no request meets a closing connection.
const IDLE_TIME: Duration = Duration::from_secs(30);

/// Sends requests to one region over HTTP/1.1 and keeps the connections.
///
/// Callers hand over a request and get an answer: how many requests share a
/// connection is the pool's affair.
pub(crate) struct Pool {
    dialer: Dialer,
    clock: Arc<dyn Clock>,
    idle: Mutex<VecDeque<Idle>>,
}

struct Idle {
    sender: SendRequest<RequestBody>,
    /// By the time of day: a process that was frozen wakes up with dead
    /// connections, and its monotonic clock may not have noticed.
    since: UnixTime,
}

impl Idle {
    fn is_old(&self, now: UnixTime) -> bool {
        now.since(self.since) >= IDLE_TIME
    }
}

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum SendError {
    /// Not a byte of the request was sent; here it is.
    Unsent(Box<Request<RequestBody>>, ConnectError),
    /// The request was on its way: what became of it can't be told.
    Lost(hyper::Error),
}

impl Pool {
    pub(crate) fn new(dialer: Dialer, clock: Arc<dyn Clock>) -> Self {
        Self { dialer, clock, idle: Mutex::default() }
    }

    /// Sends a request, over a waiting connection if there is one.
    pub(crate) async fn send(
        self: &Arc<Self>,
        mut request: Request<RequestBody>,
    ) -> Result<Response<RegionBody>, SendError> {
        while let Some(mut sender) = self.take() {
            match sender.try_send_request(request).await {
                Ok(response) => return Ok(self.leased(response, sender)),
                Err(mut error) => match error.take_message() {
                    // It was closed just now: no harm done.
                    Some(unsent) => request = unsent,
                    None => return Err(SendError::Lost(error.into_error())),
                },
            }
        }
        let mut sender = match self.connect().await {
            Ok(sender) => sender,
            Err(error) => return Err(SendError::Unsent(Box::new(request), error)),
        };
        match sender.try_send_request(request).await {
            Ok(response) => Ok(self.leased(response, sender)),
            Err(mut error) => Err(match error.take_message() {
                Some(unsent) => {
                    let address = self.dialer.address().clone();
                    let cause = ConnectError::Http(address, error.into_error());
                    SendError::Unsent(Box::new(unsent), cause)
                }
                None => SendError::Lost(error.into_error()),
            }),
        }
    }

    async fn connect(&self) -> Result<SendRequest<RequestBody>, ConnectError> {
        let stream = self.dialer.connect().await?;
        let failed = |error| ConnectError::Http(self.dialer.address().clone(), error);
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(failed)?;
        // Its errors reach whoever waits for an answer; there is no one else.
        tokio::spawn(connection);
        Ok(sender)
    }

    fn leased(
        self: &Arc<Self>,
        response: Response<Incoming>,
        sender: SendRequest<RequestBody>,
    ) -> Response<RegionBody> {
        let pool = Arc::clone(self);
        response.map(|body| RegionBody::new(body, Lease { pool, sender }))
    }

    /// The connection that waited for the shortest time. One that is still
    /// finishing its last exchange is passed over, not waited for.
    fn take(&self) -> Option<SendRequest<RequestBody>> {
        let now = self.clock.now();
        let mut idle = self.idle();
        let mut place = idle.len();
        while let Some(before) = place.checked_sub(1) {
            place = before;
            let candidate = idle.get(place)?;
            if candidate.sender.is_closed() || candidate.is_old(now) {
                idle.remove(place);
            } else if candidate.sender.is_ready() {
                return idle.remove(place).map(|idle| idle.sender);
            }
        }
        None
    }

    /// Closes the connections that wait: what broke one may have broken all,
    /// and a dead one is only noticed by the request that is lost with it.
    pub(crate) fn close_idle(&self) {
        self.idle().clear();
    }

    fn idle(&self) -> MutexGuard<'_, VecDeque<Idle>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection in use.
pub(crate) struct Lease {
    pool: Arc<Pool>,
    sender: SendRequest<RequestBody>,
}

impl Lease {
    /// Gives the connection back: it is about to be free for another request.
    pub(crate) fn give_back(self) {
        let Self { pool, sender } = self;
        if sender.is_closed() {
            return;
        }
        let since = pool.clock.now();
        let mut idle = pool.idle();
        while idle.len() >= MAX_IDLE || idle.front().is_some_and(|oldest| oldest.is_old(since)) {
            idle.pop_front();
        }
        idle.push_back(Idle { sender, since });
    }
}
