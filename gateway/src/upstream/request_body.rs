//! Bodies of requests, which are passed on as they come, if they come whole.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::caller_body::{CallerBody, CallerBodyError};
use crate::headers::TokenPlaces;

pub(crate) use super::caller_body::{BodyFault, Upload};

/// The body of a request on its way to a region.
#[derive(Debug)]
pub(crate) struct RequestBody {
    body: CallerBody,
    is_http_2: bool,
    places: TokenPlaces,
}

/// Why a body can't be read to its end. It is the caller's doing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BodyError {
    #[error(transparent)]
    Read(#[from] CallerBodyError),
    #[error("the request was reset before its end")]
    Reset,
}

impl RequestBody {
    pub(crate) fn new(body: Incoming, is_http_2: bool, places: TokenPlaces) -> Self {
        Self { body: CallerBody::new(body), is_http_2, places }
    }

    /// Tells how the body is getting on when it is out of sight.
    pub(crate) fn upload(&self) -> Upload {
        self.body.upload()
    }

    /// From now on limits hold. It fails if the body says itself that it is
    /// larger.
    pub(crate) fn limit(&mut self, size: Option<u64>, pause: Duration) -> Result<(), BodyFault> {
        self.body.limit(size, pause)
    }

    /// Whether a body that gives nothing more was broken off.
    ///
    /// hyper takes a stream that was reset with `NO_ERROR` for one that has
    /// ended, since servers reset so once they have answered. From a caller it
    /// means half a request, which as a chunked body would look whole. Only a
    /// stream whose END_STREAM has come says that it is at its end. HTTP/1.1
    /// bodies do not say so, but to break them off is an error there.
    fn is_broken_off(&self) -> bool {
        self.is_http_2 && !self.body.is_end_stream()
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        match polled {
            Poll::Ready(None) if self.is_broken_off() => Poll::Ready(Some(Err(BodyError::Reset))),
            polled => {
                polled.map_ok(|frame| without_untold(frame, &self.places)).map_err(BodyError::Read)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

fn without_untold(frame: Frame<Bytes>, places: &TokenPlaces) -> Frame<Bytes> {
    match frame.into_trailers() {
        Ok(mut trailers) => {
            places.clean_trailers(&mut trailers);
            Frame::trailers(trailers)
        }
        Err(frame) => frame,
    }
}
