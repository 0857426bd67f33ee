//! Bodies of answers, which are passed on as they come.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::Full;
use hyper::body::Incoming;

use super::http1;
use super::http2::Slot;
use super::peeked::PeekedBody;
use super::pool::Pool;
use crate::balance::InFlight;
use crate::in_flight::Place;

/// The body of an answer.
pub(crate) enum ResponseBody {
    /// The gateway's own words.
    Own(Full<Bytes>),
    /// A region's.
    Region(RegionBody),
    /// A region's, whose beginning was looked at.
    Peeked(Box<PeekedBody>),
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
/// that is left early takes its HTTP/1.1 connection or HTTP/2 stream with it.
pub(crate) struct RegionBody {
    body: Incoming,
    is_http_2: bool,
    lease: Option<Lease>,
    /// The region is busy with it for as long as it lasts.
    in_flight: Option<InFlight>,
    /// The request's place among those under way.
    place: Option<Place>,
}

/// What a body keeps in use.
pub(super) enum Lease {
    /// A connection.
    Http1(Arc<Pool>, http1::Sender),
    /// A stream, free again when nobody holds it.
    Http2 { _slot: Arc<Slot> },
}

/// Why a region's body can't be read to its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RegionBodyError {
    #[error("the answer's body can't be read")]
    Read(#[from] hyper::Error),
    #[error("the answer was reset before its end")]
    Reset,
}

impl RegionBody {
    pub(super) fn new(body: Incoming, lease: Lease) -> Self {
        let is_http_2 = matches!(lease, Lease::Http2 { .. });
        let mut this = Self { body, is_http_2, lease: Some(lease), in_flight: None, place: None };
        // Nobody polls a body that is known to be empty.
        this.give_back_at_end();
        this
    }

    /// Keeps a request in flight until the body has ended.
    pub(crate) fn hold(&mut self, in_flight: InFlight) {
        self.in_flight = (!self.body.is_end_stream()).then_some(in_flight);
    }

    /// Keeps the request's place until the body is gone: also when it has been
    /// read, its last bytes may still be on their way to the caller.
    pub(crate) fn occupy(&mut self, place: Place) {
        self.place = Some(place);
    }

    fn give_back_at_end(&mut self) {
        if self.body.is_end_stream() {
            self.give_back();
        }
    }

    /// Of a connection that is HTTP no longer.
    pub(super) fn switched(body: Incoming) -> Self {
        Self { body, is_http_2: false, lease: None, in_flight: None, place: None }
    }

    fn give_back(&mut self) {
        self.in_flight = None;
        if let Some(Lease::Http1(pool, sender)) = self.lease.take() {
            pool.give_back(sender);
        }
    }

    /// Whether a body that gives nothing more was broken off. hyper takes a
    /// stream that was reset with `NO_ERROR` for one that has ended, but only
    /// END_STREAM says that the answer is whole: half of one, sent on in
    /// chunks, would look it.
    fn is_broken_off(&self) -> bool {
        self.is_http_2 && !self.body.is_end_stream()
    }
}

impl Body for RegionBody {
    type Data = Bytes;
    type Error = RegionBodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, RegionBodyError>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        match &polled {
            Poll::Ready(None) if self.is_broken_off() => {
                self.lease = None;
                return Poll::Ready(Some(Err(RegionBodyError::Reset)));
            }
            Poll::Ready(None) => self.give_back(),
            // Nothing follows trailers, and nobody looks whether it does.
            Poll::Ready(Some(Ok(frame))) if frame.is_trailers() => self.give_back(),
            Poll::Ready(Some(Ok(_))) => self.give_back_at_end(),
            Poll::Ready(Some(Err(_))) => (self.lease, self.in_flight) = (None, None),
            Poll::Pending => {}
        }
        polled.map_err(RegionBodyError::Read)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl ResponseBody {
    /// Keeps a region busy until the body has ended.
    pub(crate) fn hold(&mut self, in_flight: InFlight) {
        match self {
            Self::Own(_) => {}
            Self::Region(body) => body.hold(in_flight),
            Self::Peeked(body) => body.hold(in_flight),
        }
    }

    /// Keeps the request's place among those under way until it is over.
    pub(crate) fn occupy(&mut self, place: Place) {
        match self {
            Self::Own(_) => {}
            Self::Region(body) => body.occupy(place),
            Self::Peeked(body) => body.occupy(place),
        }
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = RegionBodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, RegionBodyError>>> {
        match self.get_mut() {
            Self::Own(body) => Pin::new(body).poll_frame(cx).map_err(|never| match never {}),
            Self::Region(body) => Pin::new(body).poll_frame(cx),
            Self::Peeked(body) => Pin::new(&mut **body).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Own(body) => body.is_end_stream(),
            Self::Region(body) => body.is_end_stream(),
            Self::Peeked(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Own(body) => body.size_hint(),
            Self::Region(body) => body.size_hint(),
            Self::Peeked(body) => body.size_hint(),
        }
    }
}
