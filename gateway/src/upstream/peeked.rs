//! A region's body whose beginning was looked at.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;

use super::body::{RegionBody, RegionBodyError};
use crate::access::Line;
use crate::in_flight::Place;
use crate::ongoing::Ongoing;

/// A body that is passed on as it came, though its beginning is known.
pub(crate) struct PeekedBody {
    seen: VecDeque<Result<Frame<Bytes>, RegionBodyError>>,
    rest: RegionBody,
}

impl PeekedBody {
    pub(crate) fn new(body: RegionBody) -> Self {
        Self { seen: VecDeque::new(), rest: body }
    }

    /// Reads on until so many bytes are known, or all. It may be given up:
    /// nothing is lost by that.
    pub(crate) async fn look(&mut self, bytes: usize) {
        while self.known() < bytes && !self.rest.is_end_stream() {
            let Some(frame) = self.rest.frame().await else { return };
            let is_last = !matches!(&frame, Ok(frame) if frame.is_data());
            self.seen.push_back(frame);
            if is_last {
                return;
            }
        }
    }

    /// Keeps a region busy until the body has ended.
    pub(crate) fn hold(&mut self, ongoing: Ongoing) {
        match self.seen.back() {
            Some(Err(error)) => ongoing.broke_off(error),
            _ => self.rest.hold(ongoing),
        }
    }

    /// Keeps the request's place until the body is gone.
    pub(crate) fn occupy(&mut self, place: Place) {
        self.rest.occupy(place);
    }

    /// Has a line written when the body is gone.
    pub(crate) fn tell(&mut self, line: Box<Line>) {
        let known = self.known();
        self.rest.tell(line, known);
    }

    /// What is known of it.
    pub(crate) fn beginning(&self) -> Vec<u8> {
        self.pieces().flatten().copied().collect()
    }

    fn known(&self) -> usize {
        self.pieces().map(Bytes::len).sum()
    }

    fn pieces(&self) -> impl Iterator<Item = &Bytes> {
        self.seen.iter().filter_map(|frame| frame.as_ref().ok()?.data_ref())
    }
}

impl Body for PeekedBody {
    type Data = Bytes;
    type Error = RegionBodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, RegionBodyError>>> {
        match self.seen.pop_front() {
            Some(frame) => Poll::Ready(Some(frame)),
            None => Pin::new(&mut self.rest).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.seen.is_empty() && self.rest.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let known = u64::try_from(self.known()).unwrap_or(u64::MAX);
        let rest = self.rest.size_hint();
        let mut hint = SizeHint::new();
        if let Some(upper) = rest.upper() {
            hint.set_upper(upper.saturating_add(known));
        }
        hint.set_lower(rest.lower().saturating_add(known));
        hint
    }
}
