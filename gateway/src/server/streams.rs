//! Streams of HTTP/2 connections, which are given up when their answers are
//! not taken.
//!
//! A caller may leave a stream's window closed for ever (RFC 9113, section
//! 6.9) while the connection itself takes all that is written. hyper then holds
//! a piece of the answer and does not ask for more: nothing within the body
//! could notice.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::rt::Executor;
use tokio::task_local;
use tokio::time::{Instant, Sleep, sleep_until};
use tracing::debug;

use super::progress::Progress;

task_local! {
    /// What came of it when the answer was last asked for more, while its
    /// stream was polled.
    static LAST: Cell<Option<Asked>>;
}

#[derive(Clone, Copy)]
enum Asked {
    /// There was something, or the end.
    Given,
    /// The region has yet to give something.
    Waits,
}

/// Notes that an answer was asked for more. Streams alone look at it.
pub(super) fn note<T>(polled: &Poll<T>) {
    let asked = if polled.is_ready() { Asked::Given } else { Asked::Waits };
    let _ = LAST.try_with(|last| last.set(Some(asked)));
}

/// Runs the streams of a connection, and the tunnels that some become.
#[derive(Clone)]
pub(super) struct Streams {
    pub(super) progress: Arc<Progress>,
    pub(super) write_timeout: Duration,
}

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Streams {
    fn execute(&self, stream: F) {
        let (exchange, limit) = (self.progress.exchange(), self.write_timeout);
        tokio::spawn(async move {
            while_taken(stream, limit).await;
            drop(exchange);
        });
    }
}

/// Runs a stream until it ends, or nothing more of its answer was taken for
/// that long. hyper's side of it is dropped then, which resets it.
async fn while_taken(stream: impl Future<Output = ()>, limit: Duration) {
    let mut stream = pin!(stream);
    let mut untaken = Untaken { limit, since: None, timer: None };
    poll_fn(|cx| {
        let poll = || (stream.as_mut().poll(cx), LAST.with(Cell::get));
        let (polled, asked) = LAST.sync_scope(Cell::new(None), poll);
        match polled {
            Poll::Ready(()) => Poll::Ready(()),
            Poll::Pending => untaken.poll(asked, cx),
        }
    })
    .await;
}

/// For how long the caller has taken nothing of what there is.
struct Untaken {
    limit: Duration,
    since: Option<Instant>,
    /// Once there is one it is set anew only when it has run out, and not for
    /// each piece.
    timer: Option<Pin<Box<Sleep>>>,
}

impl Untaken {
    /// Whether it was too long, if the stream is not over.
    fn poll(&mut self, asked: Option<Asked>, cx: &mut Context<'_>) -> Poll<()> {
        match asked {
            // Whoever was waited for is waited for still.
            None => {}
            Some(Asked::Waits) => self.since = None,
            Some(Asked::Given) => self.since = Some(Instant::now()),
        }
        let Some(end) = self.since.and_then(|since| since.checked_add(self.limit)) else {
            return Poll::Pending;
        };
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(end)));
        while timer.as_mut().poll(cx).is_ready() {
            if timer.deadline() >= end {
                debug!("a stream was reset: its answer was not taken");
                return Poll::Ready(());
            }
            timer.as_mut().reset(end);
        }
        Poll::Pending
    }
}
