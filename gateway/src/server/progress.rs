//! What a connection is waiting for, and for how long.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use crate::config::Limits;

/// What one connection is waiting for.
pub(super) struct Progress {
    began_at: Instant,
    /// Whether its first request has come.
    has_begun: AtomicBool,
    is_http_2: AtomicBool,
    /// Requests that have not come to their end, and answers that have not.
    exchanges: AtomicUsize,
    /// HTTP/1.1 alone: whether a request's body was left before its end.
    is_body_left: AtomicBool,
    head: Since,
    write: Since,
    /// HTTP/2 alone: since the latest end of an exchange.
    idle: Since,
    /// Whether the other end was told to make no more requests.
    is_leaving: AtomicBool,
}

/// Why a connection is to end.
pub(super) enum Stalled {
    /// Nothing is under way, and has not been for long.
    Idle,
    /// The other end was too slow with something.
    TooSlow(&'static str),
}

/// Since when something has been going on, in milliseconds after the
/// connection began; nothing if it is not.
#[derive(Default)]
struct Since(AtomicU64);

impl Since {
    fn set(&self, moment: u64) {
        let _ = self.0.compare_exchange(0, moment, Ordering::Relaxed, Ordering::Relaxed);
    }

    fn renew(&self, moment: u64) {
        self.0.store(moment, Ordering::Relaxed);
    }

    fn clear(&self) {
        if self.0.load(Ordering::Relaxed) != 0 {
            self.0.store(0, Ordering::Relaxed);
        }
    }

    /// When it will have lasted for that long.
    fn ends(&self, began_at: Instant, limit: Duration) -> Option<Instant> {
        let since = match self.0.load(Ordering::Relaxed) {
            0 => return None,
            since => Duration::from_millis(since),
        };
        began_at.checked_add(since)?.checked_add(limit)
    }
}

impl Progress {
    pub(super) fn new() -> Self {
        Self {
            began_at: Instant::now(),
            has_begun: AtomicBool::new(false),
            is_http_2: AtomicBool::new(false),
            exchanges: AtomicUsize::new(0),
            is_body_left: AtomicBool::new(false),
            head: Since::default(),
            write: Since::default(),
            idle: Since::default(),
            is_leaving: AtomicBool::new(false),
        }
    }

    /// A request's head is complete.
    pub(super) fn request(self: &Arc<Self>, is_http_2: bool) -> Exchange {
        self.has_begun.store(true, Ordering::Relaxed);
        self.is_http_2.store(is_http_2, Ordering::Relaxed);
        self.head.clear();
        self.exchange()
    }

    /// Something is under way that the connection has to last for.
    pub(super) fn exchange(self: &Arc<Self>) -> Exchange {
        self.exchanges.fetch_add(1, Ordering::Relaxed);
        Exchange(Arc::clone(self))
    }

    /// The other end was told to make no more requests. From now on what is
    /// not under way has no long time.
    pub(super) fn leaves(&self) {
        self.idle.renew(self.elapsed());
        self.is_leaving.store(true, Ordering::Relaxed);
    }

    /// Waits until the connection is to end, and says why.
    ///
    /// It looks now and then, and costs reads and writes no timer.
    pub(super) async fn stalled(&self, limits: &Limits) -> Stalled {
        loop {
            let now = Instant::now();
            let pause = limits.header_timeout.min(limits.write_timeout).min(limits.idle_timeout);
            let mut next = now.checked_add(pause).unwrap_or(now);
            for (deadline, stalled) in self.deadlines(limits) {
                match deadline {
                    Some(deadline) if deadline <= now => return stalled,
                    Some(deadline) => next = next.min(deadline),
                    None => {}
                }
            }
            sleep_until(next).await;
        }
    }

    fn deadlines(&self, limits: &Limits) -> [(Option<Instant>, Stalled); 4] {
        let has_begun = self.has_begun.load(Ordering::Relaxed);
        let first = self.began_at.checked_add(limits.header_timeout).filter(|_| !has_begun);
        let head = self.head.ends(self.began_at, limits.header_timeout);
        let write = self.write.ends(self.began_at, limits.write_timeout);
        [
            (first, Stalled::TooSlow("no request came")),
            (head, Stalled::TooSlow("a request's head did not come to its end")),
            (write, Stalled::TooSlow("an answer was not taken")),
            self.idle_deadline(limits),
        ]
    }

    /// HTTP/1.1 connections that wait for a request are hyper's affair.
    fn idle_deadline(&self, limits: &Limits) -> (Option<Instant>, Stalled) {
        // The end of an exchange was noted before it was counted.
        let is_idle = self.exchanges.load(Ordering::Acquire) == 0;
        let (limit, stalled) = match self.is_leaving.load(Ordering::Relaxed) {
            false => (limits.idle_timeout, Stalled::Idle),
            true => (limits.write_timeout, Stalled::TooSlow("it stayed though it was to leave")),
        };
        (self.idle.ends(self.began_at, limit).filter(|_| is_idle), stalled)
    }

    /// Bytes came: between two requests of HTTP/1.1 they are the next one's.
    /// On HTTP/2 connections much else comes then.
    pub(super) fn has_read(&self) {
        // hyper reads once more of a body that nobody wants: if that was all of
        // it, the connection can stay.
        if self.is_body_left.load(Ordering::Relaxed) {
            return self.is_body_left.store(false, Ordering::Relaxed);
        }
        let is_between = self.exchanges.load(Ordering::Relaxed) == 0;
        if is_between && !self.is_http_2.load(Ordering::Relaxed) {
            self.head.set(self.elapsed());
        }
    }

    pub(super) fn has_written(&self, is_pending: bool) {
        match is_pending {
            true => self.write.set(self.elapsed()),
            false => self.write.clear(),
        }
    }

    fn elapsed(&self) -> u64 {
        let elapsed = self.began_at.elapsed().as_millis();
        u64::try_from(elapsed).unwrap_or(u64::MAX).max(1)
    }
}

/// A request or its answer, until its end.
pub(super) struct Exchange(Arc<Progress>);

impl Exchange {
    pub(super) fn is_http_2(&self) -> bool {
        self.0.is_http_2.load(Ordering::Relaxed)
    }

    /// Nobody reads on in the request's body.
    pub(super) fn leaves_body(self) {
        if !self.is_http_2() {
            self.0.is_body_left.store(true, Ordering::Relaxed);
        }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        if self.is_http_2() {
            self.0.idle.renew(self.0.elapsed());
        }
        self.0.exchanges.fetch_sub(1, Ordering::Release);
    }
}
