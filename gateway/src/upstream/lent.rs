//! Bodies that can be taken back from a stream that was refused.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

/// A body that is lent to an HTTP/2 stream. hyper keeps the body of a request
/// that it has begun to send, even if its server then says that it did not
/// look at it: RFC 9113, section 8.7, lets us send such a request again.
///
/// The guard lives as long as the body is being sent.
pub(super) struct Lent<B, G> {
    loan: Arc<Mutex<Loan<B>>>,
    _guard: G,
}

struct Loan<B> {
    body: Option<B>,
    /// Whether a part of it was read, which is gone then.
    is_touched: bool,
    has_failed: bool,
}

/// The lender's half.
pub(super) struct Owner<B>(Arc<Mutex<Loan<B>>>);

/// Lends a body.
pub(super) fn lend<B, G>(body: B, guard: G) -> (Lent<B, G>, Owner<B>) {
    let loan = Loan { body: Some(body), is_touched: false, has_failed: false };
    let loan = Arc::new(Mutex::new(loan));
    (Lent { loan: Arc::clone(&loan), _guard: guard }, Owner(loan))
}

impl<B> Owner<B> {
    /// The body, if nothing was read from it. The stream gets no more of it.
    pub(super) fn take_back(self) -> Option<B> {
        let mut loan = lock(&self.0);
        loan.body.take().filter(|_| !loan.is_touched)
    }

    /// Whether the body could not be read to its end.
    pub(super) fn has_failed(&self) -> bool {
        lock(&self.0).has_failed
    }
}

fn lock<B>(loan: &Mutex<Loan<B>>) -> MutexGuard<'_, Loan<B>> {
    loan.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Why a body that is on its way ends early.
#[derive(Debug, thiserror::Error)]
pub(super) enum LentError<E> {
    #[error(transparent)]
    Body(E),
    /// So that the part that was sent never looks whole.
    #[error("the request was taken back")]
    TakenBack,
}

impl<B: Body<Data = Bytes> + Unpin, G: Unpin> Body for Lent<B, G> {
    type Data = Bytes;
    type Error = LentError<B::Error>;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let mut loan = lock(&self.loan);
        let Some(body) = &mut loan.body else {
            return Poll::Ready(Some(Err(LentError::TakenBack)));
        };
        let polled = Pin::new(body).poll_frame(cx);
        match &polled {
            Poll::Ready(Some(Ok(_))) => loan.is_touched = true,
            Poll::Ready(Some(Err(_))) => loan.has_failed = true,
            Poll::Ready(None) | Poll::Pending => {}
        }
        polled.map_err(LentError::Body)
    }

    fn is_end_stream(&self) -> bool {
        lock(&self.loan).body.as_ref().is_some_and(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        lock(&self.loan).body.as_ref().map(Body::size_hint).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::{BodyExt, Full};

    #[tokio::test]
    async fn a_body_comes_back_if_nothing_was_read_and_then_gives_no_more() {
        let (mut lent, owner) = lend(Full::new(Bytes::from("all")), ());
        assert!(!lent.is_end_stream());
        assert_eq!(lent.size_hint().exact(), Some(3));
        let body = owner.take_back().unwrap();
        assert!(matches!(lent.frame().await, Some(Err(LentError::TakenBack))));
        assert!(!lent.is_end_stream(), "it must not look whole");
        assert_eq!(body.collect().await.unwrap().to_bytes(), "all");
    }

    #[tokio::test]
    async fn a_body_that_was_read_from_does_not_come_back() {
        let (mut lent, owner) = lend(Full::new(Bytes::from("all")), ());
        assert!(lent.frame().await.unwrap().is_ok());
        assert!(owner.take_back().is_none());
    }
}
