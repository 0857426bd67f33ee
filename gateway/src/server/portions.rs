//! Pieces of an answer, small enough to tell who is slow from who takes
//! nothing.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

/// As much as a frame of HTTP/2 holds that no caller has to agree to first
/// (RFC 9113, section 4.2).
const PORTION: usize = 16 << 10;

/// A body that gives little at a time, if there is a limit. What hyper has
/// taken of it, it does not ask again until all of that is on its way: a region
/// may give some hundred kilobytes at once, and they take a slow caller longer
/// than nothing may.
pub(super) struct Portions<B> {
    body: B,
    limit: Option<usize>,
    /// What is left of what the body gave.
    rest: Bytes,
}

impl<B> Portions<B> {
    pub(super) fn new(body: B, is_http_2: bool) -> Self {
        Self { body, limit: is_http_2.then_some(PORTION), rest: Bytes::new() }
    }

    fn first(&mut self, mut data: Bytes) -> Frame<Bytes> {
        if let Some(limit) = self.limit.filter(|limit| data.len() > *limit) {
            self.rest = data.split_off(limit);
        }
        Frame::data(data)
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for Portions<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        if !self.rest.is_empty() {
            let rest = std::mem::take(&mut self.rest);
            return Poll::Ready(Some(Ok(self.first(rest))));
        }
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        polled.map_ok(|frame| match frame.into_data() {
            Ok(data) => self.first(data),
            Err(frame) => frame,
        })
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let rest = u64::try_from(self.rest.len()).unwrap_or(u64::MAX);
        let body = self.body.size_hint();
        let mut hint = SizeHint::new();
        // The upper bound first: a lower one above it is a panic.
        if let Some(upper) = body.upper() {
            hint.set_upper(upper.saturating_add(rest));
        }
        hint.set_lower(body.lower().saturating_add(rest));
        hint
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::{BodyExt, Full};

    async fn pieces(length: usize, is_http_2: bool) -> Vec<usize> {
        let mut body = Portions::new(Full::new(Bytes::from(vec![b'x'; length])), is_http_2);
        let (mut lengths, mut left) = (Vec::new(), length);
        while !body.is_end_stream() {
            assert_eq!(body.size_hint().exact(), Some(u64::try_from(left).unwrap()));
            let piece = body.frame().await.unwrap().unwrap().into_data().unwrap();
            lengths.push(piece.len());
            left -= piece.len();
        }
        assert_eq!(left, 0);
        assert!(body.frame().await.is_none());
        lengths
    }

    #[tokio::test]
    async fn a_large_piece_is_given_in_portions_over_http_2_alone() {
        assert_eq!(pieces(40_000, true).await, [16_384, 16_384, 7_232]);
        assert_eq!(pieces(16_384, true).await, [16_384]);
        assert_eq!(pieces(40_000, false).await, [40_000]);
        assert!(pieces(0, true).await.is_empty());
    }
}
