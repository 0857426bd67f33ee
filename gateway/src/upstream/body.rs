//! Bodies of answers, which are passed on as they come.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::Full;
use hyper::body::Incoming;

use super::pool::Lease;
use crate::balance::InFlight;

/// The body of an answer.
pub(crate) enum ResponseBody {
    /// The gateway's own words.
    Own(Full<Bytes>),
    /// A region's.
    Region(RegionBody),
}

impl From<&'static str> for ResponseBody {
    fn from(text: &'static str) -> Self {
        Self::Own(Full::new(Bytes::from_static(text.as_bytes())))
    }
}

impl From<String> for ResponseBody {
    fn from(text: String) -> Self {
        Self::Own(Full::new(Bytes::from(text)))
    }
}

/// A region's body. At its end the connection goes back to the pool; a body
/// that is left early takes its connection with it.
pub(crate) struct RegionBody {
    body: Incoming,
    lease: Option<Lease>,
    /// The region is busy with it for as long as it lasts.
    in_flight: Option<InFlight>,
    /// What was read before it was passed on.
    read: Option<Result<Frame<Bytes>, hyper::Error>>,
}

impl RegionBody {
    pub(crate) fn new(body: Incoming, lease: Lease) -> Self {
        let mut this = Self { body, lease: Some(lease), in_flight: None, read: None };
        // Nobody polls a body that is known to be empty.
        this.give_back_at_end();
        this
    }

    /// Keeps a request in flight until the body has ended.
    pub(crate) fn hold(&mut self, in_flight: InFlight) {
        self.in_flight = (!self.body.is_end_stream()).then_some(in_flight);
    }

    fn give_back_at_end(&mut self) {
        if self.body.is_end_stream() {
            self.give_back();
        }
    }

    fn give_back(&mut self) {
        self.in_flight = None;
        if let Some(lease) = self.lease.take() {
            lease.give_back();
        }
    }
}

impl RegionBody {
    /// Its first bytes, which are passed on all the same.
    pub(crate) async fn beginning(&mut self) -> Option<Bytes> {
        if self.read.is_none() {
            self.read = poll_fn(|cx| self.poll_region(cx)).await;
        }
        self.read.as_ref()?.as_ref().ok()?.data_ref().cloned()
    }

    fn poll_region(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        match &polled {
            Poll::Ready(None) => self.give_back(),
            // Nothing follows trailers, and nobody looks whether it does.
            Poll::Ready(Some(Ok(frame))) if frame.is_trailers() => self.give_back(),
            Poll::Ready(Some(Ok(_))) => self.give_back_at_end(),
            Poll::Ready(Some(Err(_))) => (self.lease, self.in_flight) = (None, None),
            Poll::Pending => {}
        }
        polled
    }
}

impl Body for RegionBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match self.read.take() {
            Some(frame) => Poll::Ready(Some(frame)),
            None => self.poll_region(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.read.is_none() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let data = self.read.as_ref().and_then(|read| read.as_ref().ok()?.data_ref());
        let read = data.and_then(|data| u64::try_from(data.len()).ok()).unwrap_or_default();
        let rest = self.body.size_hint();
        let mut hint = SizeHint::new();
        hint.set_lower(rest.lower().saturating_add(read));
        if let Some(upper) = rest.upper() {
            hint.set_upper(upper.saturating_add(read));
        }
        hint
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match self.get_mut() {
            Self::Own(body) => Pin::new(body).poll_frame(cx).map_err(|never| match never {}),
            Self::Region(body) => Pin::new(body).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Own(body) => body.is_end_stream(),
            Self::Region(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Own(body) => body.size_hint(),
            Self::Region(body) => body.size_hint(),
        }
    }
}
