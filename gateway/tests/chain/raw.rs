//! Regions that misbehave on the wire.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::request::Builder;
use http::{HeaderMap, HeaderName, HeaderValue, Request};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Empty, Full};
use tokio::time::timeout;

use crate::client::{PATIENCE, connect_http_2, exchange};
use crate::raw_http_2::RawCaller;
use crate::raw_region::{Habit, RawRegion};
use crate::support::{Chain, Google, HOST, eventually};

const ANSWERS: (&str, &str) = ("remint_requests_total", "outcome=\"2xx\"");

async fn chain_before(regions: &[&RawRegion]) -> Chain {
    let entries: Vec<_> = regions.iter().map(|it| it.entry()).collect();
    let change = |text: String| text.replace("connect_timeout: 5s", "response_timeout: 500ms");
    let chain = Chain::before(Google::start().await, &entries, change).await;
    chain.ready().await;
    chain
}

#[tokio::test]
async fn requests_share_a_connection_one_after_the_other() {
    let region = RawRegion::start(Habit::Answer).await;
    let chain = chain_before(&[&region]).await;
    for _ in 0..20 {
        let answer = chain.get("/").await;
        assert_eq!(answer.text(), "ok");
        assert_eq!(answer.header("x-remint-reason"), None, "that is the gateway's own word");
    }
    assert_eq!(region.requests(), 20);
    assert_eq!(region.connections(), 1);
}

#[tokio::test]
async fn a_lost_connection_takes_the_waiting_ones_with_it() {
    let region = RawRegion::start(Habit::Answer).await;
    let chain = chain_before(&[&region]).await;
    let answers = tokio::join!(chain.get("/wait"), chain.get("/wait"));
    assert_eq!((answers.0.status.as_u16(), answers.1.status.as_u16()), (200, 200));
    assert_eq!(region.connections(), 2);
    assert_eq!(chain.get("/break").await.status, 502);
    assert_eq!(chain.get("/").await.status, 200);
    assert_eq!(region.connections(), 3);
}

#[tokio::test]
async fn a_region_that_takes_requests_and_gives_no_answers_is_left_alone() {
    let regions = [RawRegion::start(Habit::BreakOff).await, RawRegion::start(Habit::Answer).await];
    let chain = chain_before(&[&regions[0], &regions[1]]).await;
    let mut lost = 0;
    for _ in 0..30 {
        lost += usize::from(chain.send(chain.request("/").method("POST")).await.status == 502);
    }
    assert_eq!((lost, regions[0].requests(), regions[1].requests()), (5, 5, 25));
    assert_eq!(chain.figure("remint_region_ejected", "").await, 1);
    assert_eq!(chain.figure("remint_retries_total", "").await, 0, "nothing is sent again");
}

#[tokio::test]
async fn time_outs_count_unless_it_is_the_caller_who_is_slow() {
    for (is_slow, ejected) in [(true, 0), (false, 1)] {
        let region = RawRegion::start(Habit::Hang).await;
        let chain = chain_before(&[&region]).await;
        for _ in 0..5 {
            let body = SlowBody { is_over: !is_slow };
            let request = chunked(&chain).body(body.map_err(|never| match never {}));
            let answer = exchange(chain.gateway.address(), request.unwrap()).await;
            assert_eq!(answer.status(), 504);
        }
        assert_eq!(chain.figure("remint_region_ejected", "").await, ejected, "{is_slow}");
    }
}

/// A request whose body is not known yet.
fn chunked(chain: &Chain) -> Builder {
    chain.request("/").header("transfer-encoding", "chunked")
}

/// A body that never comes, or has come.
struct SlowBody {
    is_over: bool,
}

impl Body for SlowBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.is_over { Poll::Ready(None) } else { Poll::Pending }
    }
}

#[tokio::test]
async fn half_of_an_upload_never_looks_whole_before_or_after_the_answer() {
    for (habit, answers) in [(Habit::Hang, 0), (Habit::Answer, 1)] {
        let region = RawRegion::start(habit).await;
        let chain = chain_before(&[&region]).await;
        let mut caller = RawCaller::connect(chain.gateway.address()).await;
        caller.post("/", &chain.token()).await;
        eventually("the request has come", async || region.requests() == 1).await;
        let is_answered = async || chain.figure(ANSWERS.0, ANSWERS.1).await == answers;
        eventually("it is answered or never will be", is_answered).await;
        caller.data("half of it").await;
        eventually("half has come", async || region.text().contains("half of it")).await;
        caller.reset().await;
        let is_over = async || region.is_closed() || region.text().ends_with("0\r\n\r\n");
        eventually("the request is over", is_over).await;
        let text = region.text();
        assert!(text.ends_with("\r\nA\r\nhalf of it\r\n"), "{text}");
    }
}

#[tokio::test]
async fn nobody_says_in_trailers_who_he_is() {
    let region = RawRegion::start(Habit::Hang).await;
    let chain = chain_before(&[&region]).await;
    let names = ["x-sum", "x-remint-caller", "x_serverless_authorization", "x-goog-iap-jwt"];
    let names = names.map(HeaderName::from_static);
    let trailers: HeaderMap =
        names.iter().map(|name| (name.clone(), HeaderValue::from_static("1"))).collect();
    let body = Full::new(Bytes::from("all of it")).with_trailers(async { Some(Ok(trailers)) });
    let request = chunked(&chain).header("trailer", names.map(|it| it.to_string()).join(", "));
    let request = request.body(body.map_err(|never| match never {})).unwrap();
    assert_eq!(exchange(chain.gateway.address(), request).await.status(), 504);
    let text = region.text();
    assert!(text.ends_with("all of it\r\n0\r\nx-sum: 1\r\n\r\n"), "{text}");
}

#[tokio::test]
async fn a_request_that_may_have_been_processed_is_not_sent_again() {
    let regions =
        [RawRegion::start(Habit::BreakOff).await, RawRegion::start(Habit::BreakOff).await];
    let chain = chain_before(&[&regions[0], &regions[1]]).await;
    let answer = chain.send(chain.request("/").method("POST")).await;
    assert_eq!(answer.status, 502);
    assert_eq!(answer.header("x-remint-reason"), Some("connection_lost"));
    assert_eq!(regions[0].requests() + regions[1].requests(), 1);
    assert_eq!(chain.figure("remint_retries_total", "").await, 0);
}

#[tokio::test]
async fn a_region_that_says_nothing_is_a_time_out() {
    let region = RawRegion::start(Habit::Hang).await;
    let chain = chain_before(&[&region]).await;
    let answer = chain.get("/").await;
    assert_eq!(answer.status, 504);
    assert_eq!(answer.header("x-remint-reason"), Some("timeout"));
    assert_eq!(region.requests(), 1);
}

#[tokio::test]
async fn trailers_reach_a_caller_who_takes_them() {
    let region = RawRegion::start(Habit::Trailer).await;
    let chain = chain_before(&[&region]).await;
    for _ in 0..2 {
        let request = chain.request("/").header("te", "trailers").header("connection", "te");
        let request = request.body(Empty::<Bytes>::new().map_err(|never| match never {}));
        let answer = exchange(chain.gateway.address(), request.unwrap()).await;
        let body = answer.into_body().collect().await.unwrap();
        assert_eq!(body.trailers().unwrap()["x-sum"], "7");
        assert_eq!(body.to_bytes(), "ok");
    }
    assert_eq!(region.connections(), 1);
}

#[tokio::test]
async fn trailers_say_nothing_that_headers_may_not() {
    let region = RawRegion::start(Habit::Trailer).await;
    let chain = chain_before(&[&region]).await;
    let mut sender = connect_http_2(chain.gateway.address()).await;
    let request = Request::get(format!("http://{HOST}/"))
        .header("authorization", format!("Bearer {}", chain.token()))
        .header("te", "trailers")
        .body(Empty::<Bytes>::new());
    let answer = timeout(PATIENCE, sender.send_request(request.unwrap())).await.unwrap().unwrap();
    let body = timeout(PATIENCE, answer.into_body().collect()).await.unwrap().unwrap();
    let names: Vec<_> = body.trailers().unwrap().keys().map(HeaderName::as_str).collect();
    assert_eq!(names, ["x-sum"]);
}
