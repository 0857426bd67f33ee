//! Server-sent events.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::client::{PATIENCE, exchange};
use crate::support::Chain;

/// A body in pieces, as they are given.
struct Pieces(mpsc::Receiver<Bytes>);

impl Body for Pieces {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        self.0.poll_recv(cx).map(|piece| piece.map(|piece| Ok(Frame::data(piece))))
    }
}

#[tokio::test]
async fn each_event_arrives_before_the_next_one_is_sent() {
    let chain = Chain::start().await;
    let (next, pieces) = mpsc::channel(1);
    let request = chain.request("/events/3").method("POST").body(Pieces(pieces)).unwrap();
    let answer = exchange(chain.gateway.address(), request).await;
    assert_eq!(answer.headers()["content-type"], "text/event-stream");
    let mut body = answer.into_body();
    for number in 0..3 {
        // The region sends the next event for this, and not before.
        next.send(Bytes::from_static(b"!")).await.unwrap();
        let event = timeout(PATIENCE, body.frame()).await.unwrap().unwrap().unwrap();
        let expected = format!("id: {number}\ndata: event {number}\n\n");
        assert_eq!(event.into_data().unwrap(), expected);
    }
    assert!(timeout(PATIENCE, body.frame()).await.unwrap().is_none());
}

#[tokio::test]
async fn events_come_by_themselves_too() {
    let chain = Chain::start().await;
    let answer = chain.get("/events/3?interval=1").await;
    assert_eq!(answer.text().matches("data: event").count(), 3);
}
