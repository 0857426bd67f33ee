//! Whether the other end of a connection keeps going.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use http_body::{Body, Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, sleep_until};

use super::streams;
use crate::config::Limits;
use crate::upstream::Stream;

/// What one connection is waiting for.
pub(super) struct Progress {
    began_at: Instant,
    /// Whether its first request has come.
    has_begun: AtomicBool,
    is_http_2: AtomicBool,
    /// Requests that are not answered to the end.
    exchanges: AtomicUsize,
    head: Since,
    write: Since,
}

/// Since when something has been going on, in milliseconds after the
/// connection began; nothing if it is not.
#[derive(Default)]
struct Since(AtomicU64);

impl Since {
    fn set(&self, moment: u64) {
        let _ = self.0.compare_exchange(0, moment, Ordering::Relaxed, Ordering::Relaxed);
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
            head: Since::default(),
            write: Since::default(),
        }
    }

    /// A request's head is complete.
    pub(super) fn request(self: &Arc<Self>, is_http_2: bool) -> Exchange {
        self.has_begun.store(true, Ordering::Relaxed);
        self.is_http_2.store(is_http_2, Ordering::Relaxed);
        self.exchanges.fetch_add(1, Ordering::Relaxed);
        self.head.clear();
        Exchange(Arc::clone(self))
    }

    /// Waits until the other end has been too slow, and says with what.
    ///
    /// It looks now and then, and costs reads and writes no timer.
    pub(super) async fn stalled(&self, limits: &Limits) -> &'static str {
        loop {
            let now = Instant::now();
            let (first, head, write) = self.deadlines(limits);
            let passed = |deadline: Option<Instant>| deadline.is_some_and(|it| it <= now);
            if passed(first) {
                return "no request came";
            }
            if passed(head) {
                return "a request's head did not come to its end";
            }
            if passed(write) {
                return "an answer was not taken";
            }
            let pause = limits.header_timeout.min(limits.write_timeout);
            let latest = now.checked_add(pause).unwrap_or(now);
            let next = [first, head, write].into_iter().flatten().min().unwrap_or(latest);
            sleep_until(next.min(latest)).await;
        }
    }

    fn deadlines(&self, limits: &Limits) -> (Option<Instant>, Option<Instant>, Option<Instant>) {
        let has_begun = self.has_begun.load(Ordering::Relaxed);
        let first = self.began_at.checked_add(limits.header_timeout).filter(|_| !has_begun);
        let head = self.head.ends(self.began_at, limits.header_timeout);
        (first, head, self.write.ends(self.began_at, limits.write_timeout))
    }

    /// Bytes came: between two requests of HTTP/1.1 they are the next one's.
    /// On HTTP/2 connections much else comes then.
    fn has_read(&self) {
        let is_between = self.exchanges.load(Ordering::Relaxed) == 0;
        if is_between && !self.is_http_2.load(Ordering::Relaxed) {
            self.head.set(self.elapsed());
        }
    }

    fn has_written(&self, is_pending: bool) {
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

/// A request and its answer, until its end.
pub(super) struct Exchange(Arc<Progress>);

impl Drop for Exchange {
    fn drop(&mut self) {
        self.0.exchanges.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The body of an answer, for as long as the exchange lasts.
pub(super) struct Answering<B> {
    pub(super) body: B,
    pub(super) _exchange: Exchange,
}

impl<B: Body + Unpin> Body for Answering<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        streams::note(&polled);
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A connection whose progress is noted.
pub(super) struct Watched {
    stream: Stream,
    progress: Arc<Progress>,
}

impl Watched {
    pub(super) fn new(stream: Stream, progress: Arc<Progress>) -> Self {
        Self { stream, progress }
    }

    fn written<T>(&self, polled: Poll<T>) -> Poll<T> {
        self.progress.has_written(polled.is_pending());
        polled
    }
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buf);
        if buf.filled().len() > before {
            self.progress.has_read();
        }
        polled
    }
}

impl AsyncWrite for Watched {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.written(polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.written(polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_flush(cx);
        self.written(polled)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
