//! Bodies of requests, which are passed on as they come, if they come whole.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use crate::headers;

/// The body of a request on its way to a region.
#[derive(Debug)]
pub(crate) struct RequestBody {
    /// Requests of the gateway's own have none.
    body: Option<Incoming>,
    is_http_2: bool,
    upload: Upload,
}

/// Why a body can't be read to its end. It is the caller's doing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BodyError {
    #[error("the request's body can't be read")]
    Read(#[from] hyper::Error),
    #[error("the request was reset before its end")]
    Reset,
}

impl RequestBody {
    pub(crate) fn new(body: Incoming, is_http_2: bool) -> Self {
        Self { body: Some(body), is_http_2, upload: Upload::default() }
    }

    /// No body, for a request of the gateway's own.
    pub(crate) fn none() -> Self {
        Self { body: None, is_http_2: false, upload: Upload::default() }
    }

    /// Tells how the body is getting on when it is out of sight.
    pub(crate) fn upload(&self) -> Upload {
        self.upload.clone()
    }

    /// Whether a body that gives nothing more was broken off.
    ///
    /// hyper takes a stream that was reset with `NO_ERROR` for one that has
    /// ended, since servers reset so once they have answered. From a caller it
    /// means half a request, which as a chunked body would look whole. Only a
    /// stream whose END_STREAM has come says that it is at its end. HTTP/1.1
    /// bodies do not say so, but to break them off is an error there.
    fn is_broken_off(&self) -> bool {
        self.is_http_2 && !self.is_end_stream()
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let Some(body) = &mut self.body else {
            return Poll::Ready(None);
        };
        let polled = Pin::new(body).poll_frame(cx);
        self.upload.note(polled.is_pending());
        match polled {
            Poll::Ready(None) if self.is_broken_off() => Poll::Ready(Some(Err(BodyError::Reset))),
            polled => polled.map_ok(without_untold).map_err(BodyError::Read),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Incoming::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(|| SizeHint::with_exact(0), Incoming::size_hint)
    }
}

fn without_untold(frame: Frame<Bytes>) -> Frame<Bytes> {
    match frame.into_trailers() {
        Ok(mut trailers) => {
            headers::remove_untold(&mut trailers);
            Frame::trailers(trailers)
        }
        Err(frame) => frame,
    }
}

/// Who keeps whom waiting while a body is sent.
#[derive(Clone, Debug, Default)]
pub(crate) struct Upload(Arc<AtomicBool>);

impl Upload {
    /// Whether the region would take more than the caller has sent.
    pub(crate) fn waits_for_caller(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    fn note(&self, waits_for_caller: bool) {
        self.0.store(waits_for_caller, Ordering::Relaxed);
    }
}
