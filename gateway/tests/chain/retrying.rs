//! Requests that are sent again, and those that are not.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Full};
use tokio::time::Sleep;

use crate::client::exchange;
use crate::raw_region::{Habit, RawRegion};
use crate::support::{Chain, Google, eventually};

const RETRIES: &str = "remint_retries_total";
const WITHHELD: &str = "remint_retries_withheld_total";

/// A gateway before a raw region and, if wanted, one of the emulator's. The
/// rule and its service say what is given here.
async fn chain_before(raw: &[&RawRegion], with_google_s: bool, rule: &str, service: &str) -> Chain {
    let google = Google::start().await;
    let mut regions: Vec<_> = raw.iter().map(|it| it.entry()).collect();
    regions.extend(google.regions().into_iter().take(usize::from(with_google_s)));
    let rules = format!("rules: [{{ rule: push{rule} }}]\n    retry_budget: {{ {service} }}");
    let change = |text: String| text.replace("rules: [push]", &rules);
    let chain = Chain::before(google, &regions, change).await;
    chain.ready().await;
    chain
}

const AT_LEAST_ONCE: &str = ", retry: at_least_once";

/// Sends requests until the raw region has had one, and hands out the answer
/// to that one.
async fn answer_after<B>(
    chain: &Chain,
    raw: &RawRegion,
    body: impl Fn() -> Request<B>,
) -> (u16, Bytes)
where
    B: Body<Data = Bytes, Error = Infallible> + Send + Sync + 'static,
{
    for _ in 0..50 {
        let request = body().map(|body| body.map_err(|never| match never {}).boxed());
        let (head, body) = exchange(chain.gateway.address(), request).await.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        if raw.requests() > 0 {
            return (head.status.as_u16(), body);
        }
    }
    panic!("the region was never chosen");
}

fn empty(chain: &Chain, method: &str) -> Request<Full<Bytes>> {
    chain.request("/").method(method).body(Full::default()).unwrap()
}

/// A request whose body the emulator's container gives back.
fn echo<B>(chain: &Chain, body: B) -> Request<B> {
    chain.request("/").method("POST").header("x-echo-stream", "1").body(body).unwrap()
}

#[tokio::test]
async fn an_idempotent_request_is_sent_again_elsewhere_with_the_token_for_there() {
    for method in ["GET", "PUT", "DELETE"] {
        let broken = RawRegion::start(Habit::BreakOff).await;
        let chain = chain_before(&[&broken], true, "", "").await;
        let (status, _) = answer_after(&chain, &broken, || empty(&chain, method)).await;
        assert_eq!(status, 200, "{method}");
        assert_eq!(chain.figure(RETRIES, "cause=\"connection_lost\"").await, 1);
        assert_eq!(chain.figure("remint_retried_requests_total", "answered").await, 1);
        let own = chain.emulator.region("orders", "us-central1").unwrap().url();
        for call in chain.emulator.timeline().calls() {
            assert_eq!(call.audience.as_deref(), Some(own));
        }
    }
}

#[tokio::test]
async fn a_post_is_not_sent_again_unless_its_rule_says_so() {
    for (rule, expected) in [
        ("", 502),
        (AT_LEAST_ONCE, 200),
        (", retry: at_least_once, replay_limit: 0", 200),
        (", sender: pubsub", 200),
        (", sender: tasks, retry: idempotent", 502),
        (", retry: at_least_once, attempts: 1", 502),
    ] {
        let broken = RawRegion::start(Habit::BreakOff).await;
        let chain = chain_before(&[&broken], true, rule, "").await;
        let (status, _) = answer_after(&chain, &broken, || empty(&chain, "POST")).await;
        assert_eq!(status, expected, "{rule}");
        assert_eq!(chain.figure(RETRIES, "").await, u64::from(expected == 200), "{rule}");
    }
}

#[tokio::test]
async fn a_body_is_sent_again_whole_whether_its_length_is_known_or_not() {
    let body: Bytes = (0..150_000_u32).map(|at| (at % 251) as u8).collect();
    for is_streamed in [false, true] {
        let broken = RawRegion::start(Habit::BreakOff).await;
        let chain = chain_before(&[&broken], true, AT_LEAST_ONCE, "").await;
        let pieces = || Pieces { left: body.clone(), is_streamed };
        let (status, echoed) = answer_after(&chain, &broken, || echo(&chain, pieces())).await;
        assert_eq!((status, echoed == body), (200, true), "{is_streamed}");
        assert_eq!(chain.figure(RETRIES, "").await, 1);
        let gives_back = async || chain.figure("remint_replay_bytes", "").await == 0;
        eventually("nothing is held any more", gives_back).await;
    }
}

#[tokio::test]
async fn trailers_are_sent_again_too() {
    let (broken, whole) =
        (RawRegion::start(Habit::BreakOff).await, RawRegion::start(Habit::Answer).await);
    let chain = chain_before(&[&broken, &whole], false, AT_LEAST_ONCE, "").await;
    let request = || {
        let name = HeaderName::from_static("x-sum");
        let trailers = HeaderMap::from_iter([(name, HeaderValue::from_static("1"))]);
        let body = Full::new(Bytes::from("all of it"));
        let request = chain.request("/").method("POST").header("trailer", "x-sum");
        let request = request.header("transfer-encoding", "chunked");
        request.body(body.with_trailers(async { Some(Ok(trailers)) })).unwrap()
    };
    let (status, _) = answer_after(&chain, &broken, request).await;
    assert_eq!(status, 200);
    let came_whole = async || whole.text().ends_with("all of it\r\n0\r\nx-sum: 1\r\n\r\n");
    eventually("all of it has come", came_whole).await;
}

#[tokio::test]
async fn a_body_that_was_too_long_to_be_held_is_sent_once() {
    let body = Bytes::from(vec![7; 5000]);
    for (limit, is_streamed) in [(4096, true), (4096, false), (0, true)] {
        let broken = RawRegion::start(Habit::BreakOffAtEnd).await;
        let rule = format!("{AT_LEAST_ONCE}, replay_limit: {limit}");
        let chain = chain_before(&[&broken], true, &rule, "").await;
        let pieces = || Pieces { left: body.clone(), is_streamed };
        let (status, _) = answer_after(&chain, &broken, || echo(&chain, pieces())).await;
        assert_eq!(status, 502, "{limit} {is_streamed}");
        assert_eq!(chain.figure(WITHHELD, "reason=\"body\"").await, 1);
    }
}

#[tokio::test]
async fn a_request_leaves_a_region_that_hangs_when_its_try_is_over() {
    let hung = RawRegion::start(Habit::Hang).await;
    let chain = chain_before(&[&hung], true, ", per_try_timeout: 300ms", "").await;
    let (status, _) = answer_after(&chain, &hung, || empty(&chain, "GET")).await;
    assert_eq!(status, 200);
    assert_eq!(chain.figure(RETRIES, "cause=\"timeout\"").await, 1);
    let attempts = ("remint_attempts_total", "outcome=\"timeout\"");
    assert_eq!(chain.figure(attempts.0, attempts.1).await, 1);
}

#[tokio::test]
async fn the_last_try_has_all_the_time_that_is_left_and_then_the_answer_is_504() {
    let hung = [RawRegion::start(Habit::Hang).await, RawRegion::start(Habit::Hang).await];
    let times = ", timeout: 1500ms, per_try_timeout: 300ms";
    let chain = chain_before(&[&hung[0], &hung[1]], false, times, "").await;
    let began = std::time::Instant::now();
    let answer = chain.get("/").await;
    assert_eq!(answer.status, 504);
    assert_eq!(answer.header("x-remint-reason"), Some("timeout"));
    assert!(began.elapsed() >= Duration::from_millis(1500));
    assert_eq!((hung[0].requests(), hung[1].requests()), (1, 1));
    // A request that may not be sent again is not cut short.
    let began = std::time::Instant::now();
    assert_eq!(chain.send(chain.request("/").method("POST")).await.status, 504);
    assert!(began.elapsed() >= Duration::from_millis(1500));
    assert_eq!(hung[0].requests() + hung[1].requests(), 3);
}

#[tokio::test]
async fn who_sends_slowly_does_not_use_up_a_try() {
    let google = Google::start().await;
    let regions = google.regions();
    let rules = "rules: [{ rule: push, retry: at_least_once, per_try_timeout: 300ms }]";
    let change = |text: String| text.replace("rules: [push]", rules);
    let chain = Chain::before(google, &regions, change).await;
    chain.ready().await;
    let slow = Slow { pieces: 2, pause: Box::pin(tokio::time::sleep(Slow::PAUSE)) };
    let slow = slow.map_err(|never| match never {});
    let request = chain.request("/").method("POST").body(slow).unwrap();
    let answer = exchange(chain.gateway.address(), request).await;
    assert_eq!(answer.status(), 200);
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    let seen: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(seen["body_bytes"], 2);
    assert_eq!(chain.figure(RETRIES, "").await, 0);
}

#[tokio::test]
async fn a_grpc_callers_deadline_is_kept_and_passed_on() {
    let hung = RawRegion::start(Habit::Hang).await;
    let chain = chain_before(&[&hung], false, "", "").await;
    let request = chain
        .request("/")
        .header("content-type", "application/grpc+proto")
        .header("grpc-timeout", "700m");
    let answer = chain.send(request).await;
    assert_eq!((answer.status.as_u16(), answer.header("x-remint-reason")), (504, Some("timeout")));
    let text = hung.text();
    let told: Vec<_> =
        text.lines().filter_map(|line| line.strip_prefix("grpc-timeout: ")).collect();
    let [told] = told[..] else { panic!("{text}") };
    let left: u64 = told.strip_suffix('m').unwrap().parse().unwrap();
    assert!((1..700).contains(&left), "{told}: some of it is over");
    for _ in 0..6 {
        let request = chain.request("/").header("content-type", "application/grpc");
        assert_eq!(chain.send(request.header("grpc-timeout", "1m")).await.status, 504);
    }
    assert_eq!(chain.figure("remint_region_ejected", "").await, 0, "nobody could be so fast");
}

#[tokio::test]
async fn the_budget_ends_a_storm_of_retries() {
    let broken = [RawRegion::start(Habit::BreakOff).await, RawRegion::start(Habit::BreakOff).await];
    let budget = "ratio: 0.1, min_per_second: 1";
    let chain = chain_before(&[&broken[0], &broken[1]], false, "", budget).await;
    for _ in 0..60 {
        assert_eq!(chain.get("/").await.status, 502);
    }
    let retries = chain.figure(RETRIES, "").await;
    // Ten for ten seconds and a tenth of the requests; twice that, if it took
    // the test so long that the first are forgotten.
    assert!((10..=32).contains(&retries), "{retries}");
    assert_eq!(chain.figure(WITHHELD, "reason=\"budget\"").await, 60 - retries);
    let requests = broken[0].requests() + broken[1].requests();
    assert_eq!(requests as u64, 60 + retries);
}

#[tokio::test]
async fn a_region_that_dies_under_load_loses_nothing() {
    let chain = Chain::start().await;
    let dying = chain.emulator.region("orders", "us-central1").unwrap();
    let load = async || {
        for _ in 0..40 {
            let answer = chain.get("/").await;
            assert_eq!(answer.status, 200, "{}", answer.text());
        }
    };
    let dies = async {
        eventually("it is busy", async || chain.emulator.timeline().calls().len() > 20).await;
        dying.stop().await;
    };
    tokio::join!(load(), load(), load(), load(), dies);
    assert_eq!(chain.figure("remint_requests_total", "outcome=\"2xx\"").await, 160);
    for call in chain.emulator.timeline().calls() {
        let own = chain.emulator.region("orders", &call.region).unwrap().url();
        assert_eq!(call.audience.as_deref(), Some(own));
    }
}

/// A body in pieces, whose length is told or not.
struct Pieces {
    left: Bytes,
    is_streamed: bool,
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let length = self.left.len().min(4000);
        let piece = self.left.split_to(length);
        Poll::Ready((!piece.is_empty()).then(|| Ok(Frame::data(piece))))
    }

    fn size_hint(&self) -> http_body::SizeHint {
        match self.is_streamed {
            true => http_body::SizeHint::default(),
            false => http_body::SizeHint::with_exact(self.left.len() as u64),
        }
    }
}

/// A body that comes byte by byte.
struct Slow {
    pieces: usize,
    pause: Pin<Box<Sleep>>,
}

impl Slow {
    /// Longer than a try.
    const PAUSE: Duration = Duration::from_millis(700);
}

impl Body for Slow {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.pieces == 0 {
            return Poll::Ready(None);
        }
        std::task::ready!(self.pause.as_mut().poll(cx));
        self.pieces -= 1;
        self.pause = Box::pin(tokio::time::sleep(Self::PAUSE));
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b".")))))
    }
}
