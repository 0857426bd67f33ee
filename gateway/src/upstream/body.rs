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
use super::upgrade::Lodging;
use crate::access::Line;
use crate::headers::clean_answer_trailers;
use crate::in_flight::Place;
use crate::ongoing::Ongoing;

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
    /// For as long as it lasts.
    ongoing: Option<Ongoing>,
    /// The request's place among those under way.
    place: Option<Place>,
    /// Of a connection that has become a tunnel.
    tunnel: Option<Lodging>,
    /// What the log will have of the request. Of a tunnel it tells how it began.
    line: Option<Box<Line>>,
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
        let mut this = Self::bare(body);
        (this.lease, this.is_http_2) = (Some(lease), is_http_2);
        // Nobody polls a body that is known to be empty.
        this.give_back_at_end();
        this
    }

    fn bare(body: Incoming) -> Self {
        Self {
            body,
            is_http_2: false,
            lease: None,
            ongoing: None,
            place: None,
            tunnel: None,
            line: None,
        }
    }

    /// Keeps the region busy until the body has ended, or the tunnel.
    pub(crate) fn hold(&mut self, ongoing: Ongoing) {
        match &self.tunnel {
            Some(tunnel) => tunnel.hold(ongoing),
            None => self.ongoing = (!self.body.is_end_stream()).then_some(ongoing),
        }
    }

    /// Keeps the request's place until the body is gone: also when it has been
    /// read, its last bytes may still be on their way to the caller. A tunnel
    /// keeps it for as long as it lasts.
    pub(crate) fn occupy(&mut self, place: Place) {
        match &self.tunnel {
            Some(tunnel) => tunnel.occupy(place),
            None => self.place = Some(place),
        }
    }

    /// Has a line written when the body is gone. Parts of the body that were
    /// read already, `known` bytes, are still to be passed on.
    pub(super) fn tell(&mut self, line: Box<Line>, known: usize) {
        let line = self.line.insert(line);
        line.sent(known);
    }

    fn give_back_at_end(&mut self) {
        if self.body.is_end_stream() {
            self.give_back();
        }
    }

    /// Of a connection that is HTTP no longer.
    pub(super) fn switched(body: Incoming, tunnel: Lodging) -> Self {
        let mut this = Self::bare(body);
        this.tunnel = Some(tunnel);
        this
    }

    fn give_back(&mut self) {
        self.ongoing = None;
        if let Some(Lease::Http1(pool, sender)) = self.lease.take() {
            pool.give_back(sender);
        }
    }

    fn broke_off(&mut self, error: &RegionBodyError) {
        self.lease = None;
        if let Some(line) = &mut self.line {
            line.broke_off();
        }
        if let Some(ongoing) = self.ongoing.take() {
            ongoing.broke_off(error);
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

impl Drop for RegionBody {
    fn drop(&mut self) {
        // It is known to be whole if its length says so, though nobody has seen
        // its end.
        let has_rest = self.lease.is_some() && self.body.size_hint().exact() != Some(0);
        if let Some(line) = self.line.as_mut().filter(|_| has_rest) {
            line.left();
        }
    }
}

impl Body for RegionBody {
    type Data = Bytes;
    type Error = RegionBodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, RegionBodyError>>> {
        let polled = match Pin::new(&mut self.body).poll_frame(cx) {
            Poll::Ready(None) if self.is_broken_off() => {
                Poll::Ready(Some(Err(RegionBodyError::Reset)))
            }
            polled => polled.map_ok(without_own).map_err(RegionBodyError::Read),
        };
        if let (Some(line), Poll::Ready(Some(Ok(frame)))) = (&mut self.line, &polled) {
            line.sent(frame.data_ref().map_or(0, Bytes::len));
        }
        match &polled {
            Poll::Ready(None) => self.give_back(),
            // Nothing follows trailers, and nobody looks whether it does.
            Poll::Ready(Some(Ok(frame))) if frame.is_trailers() => self.give_back(),
            Poll::Ready(Some(Ok(_))) => self.give_back_at_end(),
            Poll::Ready(Some(Err(error))) => self.broke_off(error),
            Poll::Pending => {}
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

/// Trailers are headers that come late: the same is none of the region's to
/// say.
fn without_own(frame: Frame<Bytes>) -> Frame<Bytes> {
    match frame.into_trailers() {
        Ok(mut trailers) => {
            clean_answer_trailers(&mut trailers);
            Frame::trailers(trailers)
        }
        Err(frame) => frame,
    }
}

impl ResponseBody {
    /// Keeps a region busy until the body has ended.
    pub(crate) fn hold(&mut self, ongoing: Ongoing) {
        match self {
            Self::Own(_) => {}
            Self::Region(body) => body.hold(ongoing),
            Self::Peeked(body) => body.hold(ongoing),
        }
    }

    /// Has a line written when the body is gone.
    pub(crate) fn tell(&mut self, line: Box<Line>) {
        match self {
            Self::Own(_) => {}
            Self::Region(body) => body.tell(line, 0),
            Self::Peeked(body) => body.tell(line),
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
