//! A body that can be sent once more: what was read of it is held.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};

use super::request_body::BodyError;
use crate::retry::ReplayMemory;

/// What a piece is charged at least: beside its bytes there is its entry, and
/// the buffer that it is a part of, which many small pieces might keep alive.
const LEAST_CHARGE: usize = 1024;

/// A body, and what was read of it. Nothing waits for it to be held: each
/// piece is passed on as it comes, and a copy that shares its memory is kept.
pub(super) struct Held<B> {
    source: B,
    pieces: VecDeque<Bytes>,
    /// How many of them the current attempt has taken.
    taken: usize,
    trailers: Option<HeaderMap>,
    has_told_trailers: bool,
    /// Nothing more comes of the source, and the attempt was told.
    is_over: bool,
    /// Each attempt has a number, and only the newest may read: the
    /// connection of an older one may live on for a moment.
    attempt: u32,
    /// Whether what is read is kept for another attempt.
    keeps: bool,
    charged: usize,
    limit: usize,
    memory: Arc<ReplayMemory>,
}

/// What an attempt gets to read next.
pub(super) struct Read {
    pub(super) polled: Poll<Option<Result<Frame<Bytes>, BodyError>>>,
    /// Whether the caller is the one who is waited for.
    pub(super) waits_for_caller: bool,
}

impl<B: Body<Data = Bytes, Error = BodyError> + Unpin> Held<B> {
    pub(super) fn new(source: B, limit: usize, memory: Arc<ReplayMemory>) -> Self {
        Self {
            source,
            pieces: VecDeque::new(),
            taken: 0,
            trailers: None,
            has_told_trailers: false,
            is_over: false,
            attempt: 0,
            keeps: true,
            charged: 0,
            limit,
            memory,
        }
    }

    /// Begins a new attempt, which reads from the first byte on, if that is
    /// still there. The one before reads no more.
    pub(super) fn begin_again(&mut self) -> Option<u32> {
        if !self.keeps {
            return None;
        }
        self.attempt = self.attempt.wrapping_add(1);
        self.taken = 0;
        self.has_told_trailers = false;
        Some(self.attempt)
    }

    pub(super) fn keeps(&self) -> bool {
        self.keeps
    }

    /// Holds no more, and forgets what was taken.
    pub(super) fn let_go(&mut self) {
        self.keeps = false;
        let taken = std::mem::take(&mut self.taken);
        let gone: usize = self.pieces.drain(..taken).map(|piece| charge(&piece)).sum();
        self.discharge(gone);
    }

    pub(super) fn poll(&mut self, attempt: u32, cx: &mut Context<'_>) -> Read {
        let ready = |frame| Read { polled: Poll::Ready(frame), waits_for_caller: false };
        if attempt != self.attempt {
            return ready(Some(Err(BodyError::Superseded)));
        }
        if let Some(piece) = self.next_held() {
            return ready(Some(Ok(Frame::data(piece))));
        }
        if self.is_over {
            return ready(self.told_trailers().map(Ok));
        }
        let polled = Pin::new(&mut self.source).poll_frame(cx);
        let waits_for_caller = polled.is_pending();
        let polled = polled.map(|frame| match frame {
            Some(Ok(frame)) => Some(Ok(self.seen(frame))),
            Some(Err(error)) => {
                self.keeps = false;
                Some(Err(error))
            }
            None => {
                self.is_over = true;
                None
            }
        });
        Read { polled, waits_for_caller }
    }

    fn next_held(&mut self) -> Option<Bytes> {
        if self.keeps {
            let piece = self.pieces.get(self.taken)?.clone();
            self.taken = self.taken.saturating_add(1);
            return Some(piece);
        }
        let piece = self.pieces.pop_front()?;
        self.discharge(charge(&piece));
        Some(piece)
    }

    /// Trailers end a body, and are told once in each attempt.
    fn told_trailers(&mut self) -> Option<Frame<Bytes>> {
        if std::mem::replace(&mut self.has_told_trailers, true) {
            return None;
        }
        self.trailers.clone().map(Frame::trailers)
    }

    /// Keeps what came, as long as it may.
    fn seen(&mut self, frame: Frame<Bytes>) -> Frame<Bytes> {
        if let Some(trailers) = frame.trailers_ref() {
            self.is_over = true;
            self.has_told_trailers = true;
            self.trailers = self.keeps.then(|| trailers.clone());
        }
        if let Some(piece) = frame.data_ref().filter(|_| self.keeps) {
            if self.charge(charge(piece)) {
                self.pieces.push_back(piece.clone());
                self.taken = self.taken.saturating_add(1);
            } else {
                self.let_go();
            }
        }
        frame
    }

    fn charge(&mut self, bytes: usize) -> bool {
        let charged = self.charged.saturating_add(bytes);
        let fits = charged <= self.limit && self.memory.take(bytes);
        if fits {
            self.charged = charged;
        }
        fits
    }

    /// Whether the attempt has nothing more before it. An older one never has
    /// all: its half of a body must not look whole.
    pub(super) fn is_at_end(&self, attempt: u32) -> bool {
        let has_trailers = self.trailers.is_some() && !self.has_told_trailers;
        let has_more = self.taken < self.pieces.len() || has_trailers;
        attempt == self.attempt && !has_more && (self.is_over || self.source.is_end_stream())
    }

    /// How much that is. What an older attempt would still have is not known.
    pub(super) fn size_hint(&self, attempt: u32) -> SizeHint {
        if attempt != self.attempt {
            return SizeHint::default();
        }
        let left = self.pieces.iter().skip(self.taken).map(Bytes::len);
        let left = u64::try_from(left.sum::<usize>()).unwrap_or(u64::MAX);
        let rest = self.source.size_hint();
        let mut hint = SizeHint::new();
        // The upper bound first: a lower one above it is a panic.
        if let Some(upper) = rest.upper() {
            hint.set_upper(upper.saturating_add(left));
        }
        hint.set_lower(rest.lower().saturating_add(left));
        hint
    }
}

impl<B> Held<B> {
    fn discharge(&mut self, bytes: usize) {
        self.charged = self.charged.saturating_sub(bytes);
        self.memory.give_back(bytes);
    }
}

impl<B> Drop for Held<B> {
    fn drop(&mut self) {
        self.discharge(self.charged);
    }
}

fn charge(piece: &Bytes) -> usize {
    piece.len().max(LEAST_CHARGE)
}

/// Locks a held body, for as long as a look takes.
pub(super) fn lock<B>(held: &Mutex<Held<B>>) -> MutexGuard<'_, Held<B>> {
    held.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
