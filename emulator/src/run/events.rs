//! Server-sent events.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderValue, Response};
use http_body::{Body, Frame};
use tokio::time::{Interval, interval};

use super::limits::Bounded;
use crate::answers::{Answer, BoxError, passed};

/// The time between two events, unless the client says when.
const EVERY: Duration = Duration::from_millis(100);

/// An answer of so many events: one for each piece of the request's body, or
/// as time goes by if there is none.
pub(super) fn events(count: u64, parts: &Parts, body: Bounded) -> Answer {
    let pace = match body.is_end_stream() {
        true => Pace::Time(interval(asked_interval(parts).unwrap_or(EVERY))),
        false => Pace::Client(body),
    };
    let mut answer = Response::new(passed(Events { sent: 0, count, pace }));
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

/// `?interval=20`, in milliseconds.
fn asked_interval(parts: &Parts) -> Option<Duration> {
    let query = parts.uri.query()?;
    let millis = query.split('&').find_map(|it| it.strip_prefix("interval="))?.parse().ok()?;
    Some(Duration::from_millis(millis)).filter(|interval| !interval.is_zero())
}

struct Events {
    sent: u64,
    count: u64,
    pace: Pace,
}

enum Pace {
    Client(Bounded),
    Time(Interval),
}

impl Body for Events {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if self.sent == self.count {
            return Poll::Ready(None);
        }
        match &mut self.pace {
            Pace::Client(body) => match ready!(Pin::new(body).poll_frame(cx)) {
                Some(Ok(_)) => {}
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            },
            Pace::Time(interval) => drop(ready!(interval.poll_tick(cx))),
        }
        let event = format!("id: {0}\ndata: event {0}\n\n", self.sent);
        self.sent = self.sent.saturating_add(1);
        Poll::Ready(Some(Ok(Frame::data(event.into()))))
    }
}
