//! How much memory the program needs for bodies of any size.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::Request;
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use remint_emulator::TokenRequest;

use crate::binary::Started;
use crate::client::exchange;
use crate::support::{AUDIENCE, CALLER, HOST};

const PIECE: Bytes = Bytes::from_static(&[7; 64 << 10]);
const MAX_GROWTH: u64 = 64 << 20;

/// So many bytes.
struct Long(u64);

impl Body for Long {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let piece = (self.0 > 0).then(|| Ok(Frame::data(PIECE)));
        self.0 = self.0.saturating_sub(PIECE.len() as u64);
        Poll::Ready(piece)
    }
}

/// Sends so many bytes there and back, and sees what that took.
async fn there_and_back(size: u64) {
    let started = Started::start().await;
    let token = started.google.emulator.issuer().mint(&TokenRequest::new(CALLER, AUDIENCE));
    let request = |body| {
        let request = Request::post("/").header("host", HOST).header("x-echo-stream", "1");
        request.header("authorization", format!("Bearer {token}")).body(body).unwrap()
    };
    // What it needs for bodies at all.
    assert_eq!(received(&started, request(Long(1 << 20))).await, 1 << 20);
    let before = started.most_memory();
    assert_eq!(received(&started, request(Long(size))).await, size);
    let growth = started.most_memory() - before;
    assert!(growth < MAX_GROWTH, "{growth} bytes more than {before}");
}

async fn received(started: &Started, request: Request<Long>) -> u64 {
    let mut body = exchange(started.front, request).await.into_body();
    let mut count = 0;
    while let Some(frame) = body.frame().await {
        count += frame.unwrap().into_data().unwrap().len() as u64;
    }
    count
}

#[tokio::test(flavor = "multi_thread")]
async fn two_gibibytes_stream_both_ways_in_little_memory() {
    there_and_back(2 << 30).await;
}
