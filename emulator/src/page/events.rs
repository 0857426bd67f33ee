//! The timeline as server-sent events (WHATWG HTML, "Server-sent events").

use std::fmt::Write;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response};
use http_body::{Body, Frame};
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::time::timeout;

use super::Page;
use crate::answers::{Answer, BoxError, passed};
use crate::timeline::{Filter, Mark};

/// How many calls are written at once. A client that reads slowly gets the next
/// ones when it has read these: they wait in the timeline, where they are
/// forgotten like all others, and nothing is kept for the client.
const PORTION: usize = 256;

/// A quiet stream says this often that it is there, which shows the server too
/// when a client is gone.
const QUIET: Duration = Duration::from_secs(15);

/// An answer of the calls after that number, and of all further ones.
pub(super) fn follow(
    page: Arc<Page>,
    filter: Filter,
    after: u64,
    place: OwnedSemaphorePermit,
) -> Answer {
    let (to, written) = mpsc::channel(1);
    tokio::spawn(async move {
        write(&page, &filter, after, &to).await;
        drop(place);
    });
    let mut answer = Response::new(passed(Written(written)));
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    answer
}

/// Writes until the client is gone.
async fn write(page: &Page, filter: &Filter, after: u64, to: &mpsc::Sender<Bytes>) {
    let mut watch = page.timeline.watch();
    let mut seen = *watch.borrow_and_update();
    let mut text = "retry: 1000\n\n".to_owned();
    // A number from before this emulator was started again.
    let is_unknown = after > seen.newest;
    let mut at = if is_unknown { 0 } else { after };
    if is_unknown {
        text.push_str(CLEARED);
    }
    loop {
        loop {
            let (portion, looked_at) = page.timeline.next(at, filter, PORTION);
            for entry in &portion {
                let shown = serde_json::to_string(&page.shown(entry)).unwrap_or_default();
                // Writing into a text does not fail.
                let _ = write!(text, "id: {}\ndata: {shown}\n\n", entry.id);
            }
            at = looked_at;
            if !text.is_empty() && to.send(std::mem::take(&mut text).into()).await.is_err() {
                return;
            }
            if portion.len() < PORTION {
                break;
            }
        }
        let changed = tokio::select! {
            changed = timeout(QUIET, watch.changed()) => changed,
            () = to.closed() => return,
        };
        match changed {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return,
            Err(_) => text.push_str(": quiet\n\n"),
        }
        let now: Mark = *watch.borrow_and_update();
        if now.clears != seen.clears {
            text.push_str(CLEARED);
        }
        seen = now;
    }
}

/// Tells the client to forget what it has.
const CLEARED: &str = "event: cleared\ndata: {}\n\n";

/// What was written, as a body.
struct Written(mpsc::Receiver<Bytes>);

impl Body for Written {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        self.0.poll_recv(cx).map(|bytes| bytes.map(|bytes| Ok(Frame::data(bytes))))
    }
}
