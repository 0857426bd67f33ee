//! The HTTP/2 connections to one region: which request goes over which.

mod driver;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::sync::watch;

use self::driver::Driver;
use super::connector::{ConnectError, Stream};
use super::lent::Lent;
use super::moment::Moment;
use super::request_body::RequestBody;
use crate::clock::Clock;
use crate::config::{Connections, HostPort};

/// What a stream may send before its caller has read it: enough for 10 MB/s
/// over 100 ms.
const STREAM_WINDOW: u32 = 1 << 20;
/// As the gateway's own server takes.
const MAX_HEADERS: u32 = 64 * 1024;

type Body = Lent<RequestBody, Arc<Slot>>;

/// The HTTP/2 connections to one region.
pub(super) struct Http2 {
    settings: Connections,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    news: News,
}

#[derive(Default)]
struct State {
    links: Vec<Arc<Link>>,
    /// One connection is made at a time, however many requests wait.
    attempt: Option<Arc<Attempt>>,
}

/// Whatever those who wait for a stream could want to know has happened.
type News = watch::Sender<()>;

/// Why an attempt to connect failed, if it has.
pub(super) type Attempt = OnceLock<Arc<ConnectError>>;

/// What to do for a stream.
pub(super) enum Found {
    Slot(Slot),
    /// Wait for news, and see whether the attempt has failed.
    Wait(Arc<Attempt>),
    /// Connect; nobody else does.
    Dial(Arc<Attempt>),
}

impl Http2 {
    pub(super) fn new(settings: Connections, clock: Arc<dyn Clock>) -> Self {
        Self { settings, clock, state: Mutex::default(), news: News::default() }
    }

    /// To be had before a [`find`](Self::find), so that nothing is missed.
    pub(super) fn watch(&self) -> watch::Receiver<()> {
        self.news.subscribe()
    }

    /// A stream on a connection that is there, or the way to one.
    pub(super) fn find(&self) -> Found {
        let now = Moment::now(&*self.clock);
        let mut state = self.state();
        self.sweep_state(&mut state, now);
        let most = self.settings.max_streams;
        if let Some(slot) = state.links.iter().find_map(|link| link.take(most, now)) {
            return Found::Slot(slot);
        }
        // It may turn out to have room for all.
        let unsettled = state.links.iter().find(|link| link.driver.limit().is_none());
        if let Some(attempt) = unsettled.map(|link| &link.attempt).or(state.attempt.as_ref()) {
            return Found::Wait(Arc::clone(attempt));
        }
        let attempt = Arc::new(Attempt::new());
        state.attempt = Some(Arc::clone(&attempt));
        Found::Dial(attempt)
    }

    /// Tells those who wait that the attempt has led to a connection, or why
    /// not.
    pub(super) fn attempt_ended(&self, attempt: &Attempt, outcome: Result<(), ConnectError>) {
        self.state().attempt = None;
        if let Err(error) = outcome {
            fail(attempt, error);
        }
        self.news.send_replace(());
    }

    /// Begins to speak HTTP/2 over a new connection to that address. Its
    /// server has to say within `patience` that it does.
    pub(super) async fn open(
        &self,
        stream: Stream,
        (address, patience): (HostPort, Duration),
        attempt: &Arc<Attempt>,
    ) -> Result<(), hyper::Error> {
        let (sender, connection) = self.builder().handshake(TokioIo::new(stream)).await?;
        let driver = Arc::new(Driver::new(connection));
        let link = Link::new(sender, &driver, attempt, &self.clock, &self.news);
        self.state().links.push(Arc::new(link));
        let (news, attempt) = (self.news.clone(), Arc::clone(attempt));
        tokio::spawn(async move {
            driver.run(&news, patience).await;
            if driver.limit().is_none() {
                fail(&attempt, ConnectError::NoSettings(address));
            }
            news.send_replace(());
        });
        Ok(())
    }

    fn builder(&self) -> Builder<TokioExecutor> {
        let settings = &self.settings;
        let mut builder = Builder::new(TokioExecutor::new());
        let streams = u32::try_from(settings.max_streams).unwrap_or(u32::MAX);
        builder
            .timer(TokioTimer::new())
            .keep_alive_interval(settings.keep_alive_interval)
            .keep_alive_timeout(settings.keep_alive_timeout)
            // No stream before the server has said how many it allows.
            .initial_max_send_streams(0)
            .initial_stream_window_size(STREAM_WINDOW)
            // Callers who read slowly must not keep the others waiting: there
            // is room for the windows of all.
            .initial_connection_window_size(STREAM_WINDOW.saturating_mul(streams))
            .max_header_list_size(MAX_HEADERS);
        builder
    }

    /// No request goes over the connections that are there. Those under way
    /// go on.
    pub(super) fn retire_all(&self) {
        self.state().links.clear();
    }

    /// Leaves connections that are old, or wait for too long.
    pub(super) fn sweep(&self) {
        self.sweep_state(&mut self.state(), Moment::now(&*self.clock));
    }

    fn sweep_state(&self, state: &mut State, now: Moment) {
        state.links.retain(|link| link.is_good(&self.settings, now));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn fail(attempt: &Attempt, error: ConnectError) {
    // The first reason is the one.
    let _ = attempt.set(Arc::new(error));
}

/// A connection.
struct Link {
    sender: SendRequest<Body>,
    driver: Arc<Driver<Body>>,
    attempt: Arc<Attempt>,
    opened: Moment,
    usage: Mutex<Usage>,
    is_retired: AtomicBool,
    clock: Arc<dyn Clock>,
    news: News,
}

struct Usage {
    streams: usize,
    /// Whether no request has gone over it yet.
    is_new: bool,
    /// When a stream began or ended.
    last: Moment,
}

impl Link {
    fn new(
        sender: SendRequest<Body>,
        driver: &Arc<Driver<Body>>,
        attempt: &Arc<Attempt>,
        clock: &Arc<dyn Clock>,
        news: &News,
    ) -> Self {
        let now = Moment::now(&**clock);
        Self {
            sender,
            driver: Arc::clone(driver),
            attempt: Arc::clone(attempt),
            opened: now,
            usage: Mutex::new(Usage { streams: 0, is_new: true, last: now }),
            is_retired: AtomicBool::new(false),
            clock: Arc::clone(clock),
            news: news.clone(),
        }
    }

    /// Whether requests may still go over it. One that was quiet for long is
    /// left even if there are streams on it: the process may have been frozen
    /// for as long, and the connection be dead.
    fn is_good(&self, settings: &Connections, now: Moment) -> bool {
        !self.sender.is_closed()
            && !self.is_retired.load(Ordering::Relaxed)
            && !now.is_past(self.opened, settings.max_lifetime)
            && !now.is_past(self.usage().last, settings.idle_timeout)
    }

    /// One request tells when the server's SETTINGS have come; the others
    /// wait for it.
    fn take(self: &Arc<Self>, most: usize, now: Moment) -> Option<Slot> {
        let allowed = self.driver.limit().map_or(1, |limit| limit.min(most));
        let mut usage = self.usage();
        if usage.streams >= allowed {
            return None;
        }
        usage.streams = usage.streams.saturating_add(1);
        usage.last = now;
        let is_first = std::mem::replace(&mut usage.is_new, false);
        Some(Slot { link: Arc::clone(self), is_first })
    }

    fn usage(&self) -> MutexGuard<'_, Usage> {
        self.usage.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A stream's place on a connection, for as long as anything is sent on it.
pub(super) struct Slot {
    link: Arc<Link>,
    is_first: bool,
}

impl Slot {
    pub(super) fn sender(&self) -> SendRequest<Body> {
        self.link.sender.clone()
    }

    /// Whether the connection was made for this request.
    pub(super) fn is_first(&self) -> bool {
        self.is_first
    }

    /// Whether the server has said anything yet. No stream begins before.
    pub(super) fn is_settled(&self) -> bool {
        self.link.driver.is_settled()
    }

    /// No further request goes over the connection.
    pub(super) fn retire(&self) {
        self.link.is_retired.store(true, Ordering::Relaxed);
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let now = Moment::now(&*self.link.clock);
        {
            let mut usage = self.link.usage();
            usage.streams = usage.streams.saturating_sub(1);
            usage.last = now;
        }
        // Somebody else has to find out.
        if self.link.driver.limit().is_none() {
            self.link.news.send_replace(());
        }
    }
}
