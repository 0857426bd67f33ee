//! Bodies of any size, as they come.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::Request;
use http_body::{Body, Frame};
use http_body_util::BodyExt;

use crate::client::exchange;
use crate::support::{Chain, HOST};

const SIZE: usize = 64 << 20;
const PIECE: usize = 64 << 10;

/// Bytes that tell their place.
struct Pattern {
    sent: usize,
}

fn piece(from: usize) -> Bytes {
    let byte = |at: usize| u8::try_from((at / 7) % 251).unwrap();
    (from..from + PIECE).map(byte).collect()
}

impl Body for Pattern {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        if self.sent == SIZE {
            return Poll::Ready(None);
        }
        let next = piece(self.sent);
        self.sent += PIECE;
        Poll::Ready(Some(Ok(Frame::data(next))))
    }
}

#[tokio::test]
async fn a_large_body_streams_both_ways_at_once() {
    let chain = Chain::start().await;
    let request = Request::post("/echo")
        .header("host", HOST)
        .header("authorization", format!("Bearer {}", chain.token()))
        .header("x-echo-stream", "1")
        .body(Pattern { sent: 0 })
        .unwrap();
    let answer = exchange(chain.gateway.address(), request).await;
    assert_eq!(answer.status(), 200);
    let (mut body, mut received, mut expected) = (answer.into_body(), 0, Bytes::new());
    while let Some(frame) = body.frame().await {
        let mut data = frame.unwrap().into_data().unwrap();
        while !data.is_empty() {
            if expected.is_empty() {
                expected = piece(received);
            }
            let count = data.len().min(expected.len());
            assert_eq!(data.split_to(count), expected.split_to(count));
            received += count;
        }
    }
    assert_eq!(received, SIZE);
}
