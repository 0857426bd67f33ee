//! Bodies of requests, which are passed on as they come, if they come whole.

use std::fmt;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::Instant;

use super::caller_body::{CallerBody, CallerBodyError};
use super::held::{Held, Read, lock};
use crate::headers::TokenPlaces;
use crate::retry::ReplayMemory;
use crate::server::Incoming;

pub(crate) use super::caller_body::{BodyFault, CallerState};

/// The body of a request on its way to a region.
#[derive(Debug)]
pub(crate) struct RequestBody {
    source: Source,
    upload: Upload,
    caller: CallerState,
}

enum Source {
    /// Can be sent once.
    Once(Arriving),
    /// Can be sent again; with the number of the attempt that this is for.
    Held(Shared, u32),
    /// Nothing.
    Empty,
}

type Shared = Arc<Mutex<Held<Arriving>>>;

/// What gives a request's body once more, as long as it is held.
pub(crate) struct SpareBody {
    /// Nothing, if there is no body.
    shared: Option<Shared>,
    caller: CallerState,
}

/// Why a body can't be read to its end. But for the last one it is the
/// caller's doing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BodyError {
    #[error(transparent)]
    Read(#[from] CallerBodyError),
    #[error("the request was reset before its end")]
    Reset,
    #[error("the request is on its way elsewhere")]
    Superseded,
}

impl RequestBody {
    pub(crate) fn new(body: Incoming, is_http_2: bool, places: TokenPlaces) -> Self {
        let body = CallerBody::new(body);
        let caller = body.state();
        Self::of(Source::Once(Arriving { body, is_http_2, places }), caller)
    }

    /// No body, for a request of the gateway's own.
    pub(crate) fn none() -> Self {
        Self::of(Source::Empty, CallerState::default())
    }

    fn of(source: Source, caller: CallerState) -> Self {
        Self { source, upload: Upload::begin(), caller }
    }

    /// From now on limits hold. It fails if the body says itself that it is
    /// larger. A body that is held already has its limits.
    pub(crate) fn limit(&mut self, size: Option<u64>, pause: Duration) -> Result<(), BodyFault> {
        match &mut self.source {
            Source::Once(arriving) => arriving.body.limit(size, pause),
            Source::Held(..) | Source::Empty => Ok(()),
        }
    }

    /// How its caller is doing, whichever attempt reads it.
    pub(crate) fn caller(&self) -> CallerState {
        self.caller.clone()
    }

    /// Tells how the body is getting on when it is out of sight.
    pub(crate) fn upload(&self) -> Upload {
        self.upload.clone()
    }

    /// Has up to `limit` bytes of the body held from now on. Nothing, if it is
    /// known to have more.
    pub(crate) fn hold(
        self,
        limit: usize,
        memory: &Arc<ReplayMemory>,
    ) -> (Self, Option<SpareBody>) {
        let spare = |shared| SpareBody { shared, caller: self.caller.clone() };
        let arriving = match self.source {
            Source::Once(arriving) if arriving.is_end_stream() => {
                let spare = spare(None);
                return (Self { source: Source::Once(arriving), ..self }, Some(spare));
            }
            Source::Once(arriving) if arriving.may_fit(limit) => arriving,
            source => return (Self { source, ..self }, None),
        };
        let shared = Arc::new(Mutex::new(Held::new(arriving, limit, Arc::clone(memory))));
        let spare = spare(Some(Arc::clone(&shared)));
        (Self { source: Source::Held(shared, 0), ..self }, Some(spare))
    }
}

impl SpareBody {
    /// Whether all of it is still there.
    pub(crate) fn is_whole(&self) -> bool {
        self.shared.as_ref().is_none_or(|shared| lock(shared).keeps())
    }

    /// The body from its first byte on. Whoever reads it otherwise reads no
    /// more.
    pub(crate) fn again(&self) -> Option<RequestBody> {
        let source = match &self.shared {
            None => Source::Empty,
            Some(shared) => Source::Held(Arc::clone(shared), lock(shared).begin_again()?),
        };
        Some(RequestBody::of(source, self.caller.clone()))
    }
}

impl Drop for SpareBody {
    /// Nobody will send it again: the rest is passed on without being held.
    fn drop(&mut self) {
        if let Some(shared) = &self.shared {
            lock(shared).let_go();
        }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let Read { polled, waits_for_caller } = match &mut self.source {
            Source::Once(arriving) => {
                let polled = Pin::new(arriving).poll_frame(cx);
                Read { waits_for_caller: polled.is_pending(), polled }
            }
            Source::Held(shared, attempt) => lock(shared).poll(*attempt, cx),
            Source::Empty => Read { polled: Poll::Ready(None), waits_for_caller: false },
        };
        self.upload.note(match &polled {
            Poll::Ready(Some(Err(BodyError::Read(_) | BodyError::Reset))) => State::BrokenOff,
            _ if waits_for_caller => State::WaitsForCaller,
            _ => State::WithRegion,
        });
        polled
    }

    fn is_end_stream(&self) -> bool {
        match &self.source {
            Source::Once(arriving) => arriving.is_end_stream(),
            Source::Held(shared, attempt) => lock(shared).is_at_end(*attempt),
            Source::Empty => true,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Once(arriving) => arriving.size_hint(),
            Source::Held(shared, attempt) => lock(shared).size_hint(*attempt),
            Source::Empty => SizeHint::with_exact(0),
        }
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Once(_) => "Once",
            Self::Held(..) => "Held",
            Self::Empty => "Empty",
        })
    }
}

/// A body as its caller sends it.
struct Arriving {
    body: CallerBody,
    is_http_2: bool,
    /// Where no trailer may speak.
    places: TokenPlaces,
}

impl Arriving {
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

    fn may_fit(&self, limit: usize) -> bool {
        let least = usize::try_from(self.body.size_hint().lower()).unwrap_or(usize::MAX);
        limit > 0 && least <= limit
    }
}

impl Body for Arriving {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match Pin::new(&mut self.body).poll_frame(cx) {
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

/// Who keeps whom waiting while a body is sent, and since when.
#[derive(Clone, Debug)]
pub(crate) struct Upload {
    began: Instant,
    /// The microseconds from then to the last look at the body, and how it
    /// stood, in the lowest two bits.
    last: Arc<AtomicU64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The region was given what there was: it has to read, or to answer.
    WithRegion,
    /// The region would take more than the caller has sent.
    WaitsForCaller,
    /// The caller has broken the request off.
    BrokenOff,
}

impl Upload {
    fn begin() -> Self {
        Self { began: Instant::now(), last: Arc::default() }
    }

    /// Whether the region would take more than the caller has sent.
    pub(crate) fn waits_for_caller(&self) -> bool {
        self.last.load(Ordering::Relaxed) & 3 == State::WaitsForCaller as u64
    }

    /// Whether the caller has broken the request off.
    pub(crate) fn is_broken_off(&self) -> bool {
        self.last.load(Ordering::Relaxed) & 3 == State::BrokenOff as u64
    }

    /// Since when it is the region that is waited for: since it last took a
    /// piece of the body. Nothing while it waits for the caller.
    pub(crate) fn with_region_since(&self) -> Option<Instant> {
        let since = Duration::from_micros(self.last.load(Ordering::Relaxed) >> 2);
        if self.waits_for_caller() { None } else { self.began.checked_add(since) }
    }

    fn note(&self, state: State) {
        let since = u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.last.store((since << 2) | state as u64, Ordering::Relaxed);
    }
}
