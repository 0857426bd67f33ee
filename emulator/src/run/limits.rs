//! How much is served: bytes of a request, and requests at once.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http::{HeaderMap, StatusCode};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::answers::{Answer, BoxError, passed};
use crate::takeover::Takeover;

/// The largest request to a container that speaks HTTP/1.1; to one that speaks
/// HTTP/2 there is no limit (<https://cloud.google.com/run/quotas>).
pub(super) const MAX_HTTP_1: u64 = 32 << 20;

/// The largest request to a function of the first generation
/// (<https://cloud.google.com/functions/quotas-1st-gen>).
pub(super) const MAX_TO_FUNCTION: u64 = 10 << 20;

/// Whether a request says by itself that it is larger than that.
pub(super) fn says_too_large(headers: &HeaderMap, most: Option<u64>) -> bool {
    let length = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    most.zip(length).is_some_and(|(most, length): (u64, u64)| length > most)
}

/// A request's body, which breaks off where it gets too large.
pub(super) struct Bounded {
    body: Incoming,
    left: Option<u64>,
    overrun: Overrun,
}

/// Whether a body has become too large.
#[derive(Clone, Debug, Default)]
pub(super) struct Overrun(Arc<AtomicBool>);

impl Overrun {
    pub(super) fn has_happened(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl Bounded {
    pub(super) fn new(body: Incoming, most: Option<u64>) -> Self {
        Self { body, left: most, overrun: Overrun::default() }
    }

    pub(super) fn overrun(&self) -> Overrun {
        self.overrun.clone()
    }
}

impl Body for Bounded {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let frame = match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
            Some(Ok(frame)) => frame,
            Some(Err(error)) => return Poll::Ready(Some(Err(error.into()))),
            None => return Poll::Ready(None),
        };
        let length = frame.data_ref().map_or(0, Bytes::len);
        if let Some(left) = self.left {
            let left = u64::try_from(length).ok().and_then(|length| left.checked_sub(length));
            if left.is_none() {
                self.overrun.0.store(true, Ordering::Relaxed);
                return Poll::Ready(Some(Err("the request is too large".into())));
            }
            self.left = left;
        }
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// How many requests are served at once.
#[derive(Clone)]
pub(crate) struct Concurrency(Option<Arc<Semaphore>>);

/// The right to be served.
pub(super) struct Permit(Option<OwnedSemaphorePermit>);

impl Concurrency {
    pub(crate) fn new(most: Option<u32>) -> Self {
        let permits = |most| usize::try_from(most).unwrap_or(Semaphore::MAX_PERMITS);
        let permits = |most| permits(most).min(Semaphore::MAX_PERMITS);
        Self(most.map(|most| Arc::new(Semaphore::new(permits(most)))))
    }

    /// None if as many are served as can be.
    pub(super) fn permit(&self) -> Option<Permit> {
        match &self.0 {
            None => Some(Permit(None)),
            Some(all) => Arc::clone(all).try_acquire_owned().ok().map(|it| Permit(Some(it))),
        }
    }
}

impl Permit {
    /// Gives it back when the answer has been sent or nobody waits for it any
    /// more; after an upgrade, when the connection ends.
    pub(super) fn held_by(self, answer: Answer) -> Answer {
        if self.0.is_none() {
            return answer;
        }
        if answer.status() == StatusCode::SWITCHING_PROTOCOLS
            && let Some(takeover) = answer.extensions().get::<Takeover>()
        {
            takeover.hold(self);
            return answer;
        }
        answer.map(|body| passed(Held { body, _permit: self }))
    }
}

/// A body that is served under a permit.
struct Held<B> {
    body: B,
    _permit: Permit,
}

impl<B: Body + Unpin> Body for Held<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answers::text;

    #[test]
    fn only_a_length_above_the_limit_is_too_large() {
        let says = |length: &str, most| {
            let headers = HeaderMap::from_iter([(CONTENT_LENGTH, length.parse().unwrap())]);
            says_too_large(&headers, most)
        };
        assert!(says("33554433", Some(MAX_HTTP_1)));
        assert!(!says("33554432", Some(MAX_HTTP_1)));
        assert!(!says("33554433", None));
        assert!(!says("x", Some(1)));
        assert!(!says_too_large(&HeaderMap::new(), Some(1)));
    }

    #[test]
    fn a_permit_is_free_again_when_the_answer_s_body_is_gone() {
        let concurrency = Concurrency::new(Some(1));
        let answer = concurrency.permit().unwrap().held_by(text(StatusCode::OK, "a"));
        assert!(concurrency.permit().is_none());
        drop(answer);
        assert!(concurrency.permit().is_some());
        let unlimited = Concurrency::new(None);
        assert!(unlimited.permit().is_some() && unlimited.permit().is_some());
    }
}
