//! What tells how a connection is getting on: its stream of bytes, and the
//! bodies that go over it.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::portions::Portions;
use super::progress::{Exchange, Progress};
use super::streams;
use crate::upstream::{CallerState, Stream};

/// The body of an answer, for as long as the exchange lasts.
pub(super) struct Answering<B> {
    body: Portions<B>,
    /// Whether there can be one.
    is_sent: bool,
    _exchange: Exchange,
    /// Who may still be sending the request's body.
    caller: Option<CallerState>,
}

impl<B> Answering<B> {
    /// Answers to `HEAD` and some statuses have no body (RFC 9110, sections
    /// 9.3.2, 15.3.5 and 15.4.5). In HTTP/1.1 hyper leaves it out, in HTTP/2 it
    /// does not, and what comes then is an error to the caller (RFC 9113,
    /// section 8.1.1).
    pub(super) fn of(
        answer: Response<B>,
        to_head: bool,
        exchange: Exchange,
        caller: Option<CallerState>,
    ) -> Response<Self> {
        let is_without =
            matches!(answer.status(), StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        let is_http_2 = exchange.is_http_2();
        let is_sent = !is_http_2 || !(to_head || is_without);
        answer.map(|body| {
            let body = Portions::new(body, is_http_2);
            Self { body, is_sent, _exchange: exchange, caller }
        })
    }
}

impl<B> Drop for Answering<B> {
    fn drop(&mut self) {
        if let Some(caller) = &self.caller {
            caller.done_with();
        }
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for Answering<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let polled = match self.is_sent {
            true => Pin::new(&mut self.body).poll_frame(cx),
            false => Poll::Ready(None),
        };
        streams::note(&polled);
        polled
    }

    fn is_end_stream(&self) -> bool {
        !self.is_sent || self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The body of a request. Like its answer it keeps the exchange going, and it
/// may last longer.
pub(crate) struct Incoming {
    body: hyper::body::Incoming,
    /// Nothing, if there is no body, and at its end.
    exchange: Option<Exchange>,
    caller: Option<CallerState>,
}

impl Incoming {
    pub(super) fn new(body: hyper::body::Incoming, progress: &Arc<Progress>) -> Self {
        let is_there = !body.is_end_stream();
        let exchange = is_there.then(|| progress.exchange());
        Self { body, exchange, caller: is_there.then(CallerState::default) }
    }

    /// What is known of a caller who sends a body.
    pub(crate) fn caller(&self) -> Option<CallerState> {
        self.caller.clone()
    }
}

impl Body for Incoming {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        if matches!(polled, Poll::Ready(None | Some(Err(_)))) {
            self.exchange = None;
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        if let Some(exchange) = self.exchange.take()
            && !self.body.is_end_stream()
        {
            exchange.leaves_body();
        }
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
