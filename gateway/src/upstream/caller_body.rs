//! A caller's body, as large and as slow as it may be.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep};

use crate::server::Incoming;

/// What is wrong with a caller's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BodyFault {
    #[error("the request's body is larger than its rule allows")]
    TooLarge,
    #[error("the request's body did not go on in time")]
    TooSlow,
}

/// A body that is cut off when it goes beyond its limits.
pub(super) struct CallerBody {
    body: Incoming,
    /// Bytes that may still come.
    left: Option<u64>,
    /// How long it may pause before its answer begins, and after its end.
    pause: Option<Duration>,
    timer: Option<Pin<Box<Sleep>>>,
    state: CallerState,
}

impl CallerBody {
    pub(super) fn new(body: Incoming) -> Self {
        let state = body.caller().unwrap_or_default();
        Self { body, left: None, pause: None, timer: None, state }
    }

    /// From now on limits hold. It fails if the body says itself that it is
    /// larger.
    pub(super) fn limit(&mut self, size: Option<u64>, pause: Duration) -> Result<(), BodyFault> {
        (self.left, self.pause) = (size, Some(pause));
        match size.is_some_and(|size| self.body.size_hint().lower() > size) {
            true => Err(BodyFault::TooLarge),
            false => Ok(()),
        }
    }

    pub(super) fn state(&self) -> CallerState {
        self.state.clone()
    }

    /// Whether it has paused for too long.
    fn poll_pause(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(pause) = self.pause else {
            return Poll::Pending;
        };
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep(pause)));
        loop {
            ready!(timer.as_mut().poll(cx));
            // A stream that answers while it listens may pause for as long as
            // it likes. Whether it still does is looked at now and then.
            let next = Instant::now().checked_add(pause).filter(|_| self.state.is_answering());
            let Some(next) = next else {
                return Poll::Ready(());
            };
            timer.as_mut().reset(next);
        }
    }

    fn came(&mut self, frame: &Frame<Bytes>) -> Result<(), BodyFault> {
        if let (Some(timer), Some(pause)) = (&mut self.timer, self.pause)
            && let Some(deadline) = Instant::now().checked_add(pause)
        {
            timer.as_mut().reset(deadline);
        }
        if let (Some(left), Some(data)) = (&mut self.left, frame.data_ref()) {
            let came = u64::try_from(data.len()).unwrap_or(u64::MAX);
            *left = left.checked_sub(came).ok_or(BodyFault::TooLarge)?;
        }
        Ok(())
    }

    fn failed<T>(&self, fault: BodyFault) -> Poll<Option<Result<T, CallerBodyError>>> {
        self.state.failed(fault);
        Poll::Ready(Some(Err(CallerBodyError::Fault(fault))))
    }
}

/// Why a caller's body can't be read to its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallerBodyError {
    #[error("the request's body can't be read")]
    Read(#[from] hyper::Error),
    #[error(transparent)]
    Fault(BodyFault),
}

impl fmt::Debug for CallerBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallerBody").field("left", &self.left).finish_non_exhaustive()
    }
}

impl Body for CallerBody {
    type Data = Bytes;
    type Error = CallerBodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, CallerBodyError>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        match polled {
            Poll::Pending => {
                ready!(self.poll_pause(cx));
                self.failed(BodyFault::TooSlow)
            }
            Poll::Ready(Some(Ok(frame))) => match self.came(&frame) {
                Ok(()) => Poll::Ready(Some(Ok(frame))),
                Err(fault) => self.failed(fault),
            },
            polled => polled.map_err(CallerBodyError::Read),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// What the caller of a body and those who read it have to tell each other.
/// It is one for all attempts of a request.
#[derive(Clone, Debug, Default)]
pub(crate) struct CallerState(Arc<Flags>);

#[derive(Debug, Default)]
struct Flags {
    is_answered: AtomicBool,
    is_done_with: AtomicBool,
    fault: AtomicU8,
}

const TOO_LARGE: u8 = 1;
const TOO_SLOW: u8 = 2;

impl CallerState {
    /// What the body was cut off for.
    pub(crate) fn fault(&self) -> Option<BodyFault> {
        match self.0.fault.load(Ordering::Acquire) {
            TOO_LARGE => Some(BodyFault::TooLarge),
            TOO_SLOW => Some(BodyFault::TooSlow),
            _ => None,
        }
    }

    /// The answer has begun: the body may pause until its end.
    pub(crate) fn answered(&self) {
        self.0.is_answered.store(true, Ordering::Relaxed);
    }

    /// The answer is over, though the body may not be.
    pub(crate) fn done_with(&self) {
        self.0.is_done_with.store(true, Ordering::Relaxed);
    }

    fn is_answering(&self) -> bool {
        self.0.is_answered.load(Ordering::Relaxed) && !self.0.is_done_with.load(Ordering::Relaxed)
    }

    fn failed(&self, fault: BodyFault) {
        let fault = match fault {
            BodyFault::TooLarge => TOO_LARGE,
            BodyFault::TooSlow => TOO_SLOW,
        };
        self.0.fault.store(fault, Ordering::Release);
    }
}
