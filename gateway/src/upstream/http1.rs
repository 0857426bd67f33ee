//! The HTTP/1.1 connections to one region that wait for work.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;

use super::connector::Stream;
use super::moment::Moment;
use super::request_body::RequestBody;
use crate::clock::Clock;

/// How many connections wait for work. More are closed after their request.
const MAX_IDLE: usize = 512;

pub(super) type Sender = SendRequest<RequestBody>;

/// The connections that wait.
pub(super) struct Http1 {
    idle_timeout: Duration,
    clock: Arc<dyn Clock>,
    idle: Mutex<VecDeque<Idle>>,
}

struct Idle {
    sender: Sender,
    since: Moment,
}

impl Http1 {
    pub(super) fn new(idle_timeout: Duration, clock: Arc<dyn Clock>) -> Self {
        Self { idle_timeout, clock, idle: Mutex::default() }
    }

    /// The connection that waited for the shortest time. One that is still
    /// finishing its last exchange is passed over, not waited for.
    pub(super) fn take(&self) -> Option<Sender> {
        let now = Moment::now(&*self.clock);
        let mut idle = self.idle();
        let mut place = idle.len();
        while let Some(before) = place.checked_sub(1) {
            place = before;
            let candidate = idle.get(place)?;
            if candidate.sender.is_closed() || self.is_old(candidate, now) {
                idle.remove(place);
            } else if candidate.sender.is_ready() {
                return idle.remove(place).map(|idle| idle.sender);
            }
        }
        None
    }

    /// Takes a connection back that is about to be free for another request.
    pub(super) fn give_back(&self, sender: Sender) {
        if sender.is_closed() {
            return;
        }
        let since = Moment::now(&*self.clock);
        let mut idle = self.idle();
        self.drop_old(&mut idle, since);
        while idle.len() >= MAX_IDLE {
            idle.pop_front();
        }
        idle.push_back(Idle { sender, since });
    }

    pub(super) fn close_all(&self) {
        self.idle().clear();
    }

    /// Closes the connections that wait for too long. True if none is left.
    pub(super) fn sweep(&self) -> bool {
        let mut idle = self.idle();
        self.drop_old(&mut idle, Moment::now(&*self.clock));
        idle.is_empty()
    }

    fn drop_old(&self, idle: &mut VecDeque<Idle>, now: Moment) {
        while idle.front().is_some_and(|oldest| self.is_old(oldest, now)) {
            idle.pop_front();
        }
    }

    fn is_old(&self, idle: &Idle, now: Moment) -> bool {
        now.is_past(idle.since, self.idle_timeout)
    }

    fn idle(&self) -> MutexGuard<'_, VecDeque<Idle>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Begins to speak HTTP/1.1 over a new connection.
pub(super) async fn open(stream: Stream) -> Result<Sender, hyper::Error> {
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // Its errors reach whoever waits for an answer; there is no one else.
    tokio::spawn(connection.with_upgrades());
    Ok(sender)
}
