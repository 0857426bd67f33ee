//! Regions that speak HTTP/2.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::client::{Answer, PATIENCE, connect_http_2, send};
use crate::raw_http_2_region::{Habit, Region};
use crate::raw_region::{self, RawRegion};
use crate::support::{Chain, Google, HOST, eventually};

const OK: StatusCode = StatusCode::OK;
const SHORT_PINGS: &str = "http2: { keep_alive_interval: 500ms, keep_alive_timeout: 500ms }";

async fn chain_before(regions: &[&Region]) -> Chain {
    let entries: Vec<_> = regions.iter().map(|it| it.entry()).collect();
    chain_with(&entries, SHORT_PINGS).await
}

/// With these settings for connections.
async fn chain_with(entries: &[(String, String)], settings: &str) -> Chain {
    let change = |text: String| {
        text.replace("audience: \"https://raw", "protocol: http2, audience: \"https://raw")
            .replace("connect_timeout: 5s", settings)
    };
    let chain = Chain::before(Google::start().await, entries, change).await;
    chain.ready().await;
    chain
}

/// Sends so many requests at once. Their answers may be waited for.
fn many(chain: &Chain, count: usize) -> Vec<tokio::task::JoinHandle<Answer>> {
    let request = || chain.request("/").body(Default::default()).unwrap();
    let requests = std::iter::repeat_with(request).take(count);
    requests.map(|request| tokio::spawn(send(chain.gateway.address(), request))).collect()
}

#[tokio::test]
async fn connections_are_as_many_as_the_regions_limit_asks_for() {
    let region = Region::start(Habit::Hold(10)).await;
    let chain = chain_before(&[&region]).await;
    let answers = many(&chain, 45);
    eventually("all are under way", async || region.requests() == 45).await;
    assert_eq!((region.connections(), region.most_requests()), (5, 10));
    region.release();
    for answer in answers {
        assert_eq!(answer.await.unwrap().status, 200);
    }
    for answer in many(&chain, 10) {
        assert_eq!(answer.await.unwrap().status, 200);
    }
    assert_eq!(region.connections(), 5, "they are used again");
}

#[tokio::test]
async fn requests_that_come_at_once_share_a_connection() {
    let region = Region::start(Habit::Answer).await;
    let chain = chain_before(&[&region]).await;
    for answer in many(&chain, 100) {
        assert_eq!(answer.await.unwrap().status, 200);
    }
    assert_eq!((region.connections(), region.requests()), (1, 100));
}

#[tokio::test]
async fn a_refused_request_goes_to_another_region() {
    let regions = [Region::start(Habit::Refuse).await, Region::start(Habit::Answer).await];
    let chain = chain_before(&[&regions[0], &regions[1]]).await;
    for _ in 0..4 {
        assert_eq!(chain.get("/").await.status, 200);
    }
    assert!(regions[0].requests() > 0);
    assert_eq!(regions[1].requests(), 4);
}

#[tokio::test]
async fn a_stream_that_is_reset_takes_nothing_else_with_it() {
    let region = Region::start(Habit::Reset).await;
    let chain = chain_before(&[&region]).await;
    let first = many(&chain, 1);
    eventually("it is under way", async || region.requests() == 1).await;
    for requests in 2..5 {
        let answer = chain.get("/").await;
        assert_eq!(answer.header("x-remint-reason"), Some("connection_lost"));
        assert_eq!((region.connections(), region.requests()), (1, requests));
    }
    assert_eq!(chain.figure("remint_attempts_total", "outcome=\"connection_lost\"").await, 3);
    region.release();
    for answer in first {
        assert_eq!(answer.await.unwrap().status, 200);
    }
}

#[tokio::test]
async fn one_refused_stream_ejects_no_region_and_many_in_a_row_do() {
    let refusing = Region::start(Habit::Refuse).await;
    let chain = chain_before(&[&refusing]).await;
    let refused = async || chain.figure("remint_attempts_total", "\"refused_stream\"").await;
    let ejected = async || chain.figure("remint_region_ejected", "").await;
    for count in 1..5 {
        assert_eq!(chain.get("/").await.status, 503);
        assert_eq!((refused().await, ejected().await), (count, 0));
    }
    assert_eq!(chain.get("/").await.status, 503);
    assert_eq!((refused().await, ejected().await), (5, 1));
    let cause = chain.figure("remint_ejections_total", "cause=\"refused_stream\"").await;
    assert_eq!((cause, refusing.connections()), (1, 1), "and its connection is as good as before");
}

/// A request by HTTP/2.
fn two(token: &str, method: &str, path: &str) -> Request<Empty<Bytes>> {
    let request = Request::builder().method(method).uri(format!("http://{HOST}{path}"));
    request.header("authorization", format!("Bearer {token}")).body(Empty::new()).unwrap()
}

#[tokio::test]
async fn answers_without_a_body_are_whole() {
    let google = Google::start().await;
    let regions = google.regions();
    let change =
        |text: String| text.replace("audience: \"https", "protocol: http2, audience: \"https");
    let chain = Chain::before(google, &regions, change).await;
    chain.ready().await;
    for (method, status) in
        [("HEAD", 200), ("HEAD", 404), ("GET", 204), ("GET", 304), ("POST", 204)]
    {
        let path = format!("/status/{status}");
        let answer = chain.send(chain.request(&path).method(method)).await;
        assert_eq!((answer.status.as_u16(), answer.body.len()), (status, 0), "{method}");
        let request = two(&chain.token(), method, &path);
        let mut sender = connect_http_2(chain.gateway.address()).await;
        let answer = timeout(PATIENCE, sender.send_request(request)).await.unwrap();
        let (head, body) = answer.unwrap().into_parts();
        let body = timeout(PATIENCE, body.collect()).await.unwrap().unwrap();
        assert_eq!((head.status.as_u16(), body.to_bytes().len()), (status, 0), "{method}");
    }
    let is_idle = async || chain.figure("remint_region_in_flight", "").await == 0;
    eventually("nothing is under way any more", is_idle).await;
    assert_eq!(chain.figure("remint_answers_broken_off_total", "").await, 0);
}

#[tokio::test]
async fn the_gateway_s_own_answers_to_head_have_no_body_either() {
    let chain = Chain::start().await;
    let mut sender = connect_http_2(chain.gateway.address()).await;
    for (method, is_empty) in [("HEAD", true), ("GET", false)] {
        let request = two("no.token.atall", method, "/");
        let answer = timeout(PATIENCE, sender.send_request(request)).await.unwrap().unwrap();
        assert_eq!(answer.status(), 401);
        let body = timeout(PATIENCE, answer.into_body().collect()).await.unwrap().unwrap();
        assert_eq!(body.to_bytes().is_empty(), is_empty);
    }
}

#[tokio::test]
async fn a_request_that_met_a_connection_on_its_way_out_goes_over_another_one() {
    let region = Region::start(Habit::GoAway).await;
    let chain = chain_before(&[&region]).await;
    for _ in 0..3 {
        assert_eq!(chain.get("/").await.status, 200);
    }
    assert_eq!((region.connections(), region.requests()), (2, 4));
    assert_eq!(chain.figure("remint_retries_total", "").await, 0, "that is everyday life");
    assert_eq!(chain.figure("remint_region_ejected", "").await, 0);
}

#[tokio::test]
async fn a_dead_connection_is_noticed_while_a_request_waits() {
    let region = Region::start(Habit::Die).await;
    let chain = chain_before(&[&region]).await;
    assert_eq!(chain.get("/").await.status, 200);
    let answer = chain.get("/").await;
    assert_eq!(answer.header("x-remint-reason"), Some("connection_lost"));
    assert_eq!(chain.get("/").await.status, 200);
    assert_eq!(region.connections(), 2);
}

#[tokio::test]
async fn a_connection_that_slept_too_long_is_left_before_a_request_is_lost_with_it() {
    let region = Region::start(Habit::Die).await;
    let chain = chain_before(&[&region]).await;
    for connections in 1..=3 {
        assert_eq!(chain.get("/").await.status, 200);
        assert_eq!(region.connections(), connections);
        chain.clock.jump(Duration::from_secs(31));
    }
}

#[tokio::test]
async fn half_of_an_answer_never_looks_whole() {
    let region = Region::start(Habit::Half).await;
    let chain = chain_before(&[&region]).await;
    let io = TokioIo::new(TcpStream::connect(chain.gateway.address()).await.unwrap());
    let (mut sender, connection) = http1::handshake(io).await.unwrap();
    tokio::spawn(connection);
    let request = chain.request("/").body(Empty::<Bytes>::new()).unwrap();
    // It may break off before the head is there, or after it.
    if let Ok(answer) = timeout(PATIENCE, sender.send_request(request)).await.unwrap() {
        assert!(timeout(PATIENCE, answer.into_body().collect()).await.unwrap().is_err());
    }
    assert_eq!(region.requests(), 1);
}

#[tokio::test]
async fn a_hint_is_not_taken_for_the_answer() {
    let region = Region::start(Habit::Hint).await;
    let chain = chain_before(&[&region]).await;
    assert_eq!(chain.get("/").await.status, 200);
}

#[tokio::test]
async fn an_old_connection_gets_no_more_requests_and_finishes_those_it_has() {
    let region = Region::start(Habit::Hold(100)).await;
    let settings = "idle_timeout: 2h\n  http2: { max_lifetime: 1h }";
    let chain = chain_with(&[region.entry()], settings).await;
    let early = many(&chain, 2);
    eventually("they are under way", async || region.requests() == 2).await;
    chain.clock.jump(Duration::from_secs(3601));
    let late = many(&chain, 2);
    eventually("the others too", async || region.requests() == 4).await;
    assert_eq!((region.connections(), region.most_requests()), (2, 2));
    region.release();
    for answer in early.into_iter().chain(late) {
        assert_eq!(answer.await.unwrap().status, 200);
    }
    eventually("the old one is closed", async || region.closed() == 1).await;
}

#[tokio::test]
async fn connections_without_work_are_closed_though_nobody_asks() {
    let (region, older) =
        (Region::start(Habit::Answer).await, RawRegion::start(raw_region::Habit::Answer).await);
    let chain = chain_with(&[region.entry()], "idle_timeout: 1s").await;
    let change = |text: String| text.replace("connect_timeout: 5s", "idle_timeout: 1s");
    let other = Chain::before(Google::start().await, &[older.entry()], change).await;
    other.ready().await;
    assert_eq!((chain.get("/").await.status, other.get("/").await.text()), (OK, "ok".to_owned()));
    eventually("both are closed", async || region.closed() == 1 && older.is_closed()).await;
}

#[tokio::test]
async fn a_region_that_does_not_speak_it_is_out_of_reach_and_nothing_is_lost() {
    let older = RawRegion::start(raw_region::Habit::Answer).await;
    let region = Region::start(Habit::Answer).await;
    let chain = chain_with(&[older.entry(), region.entry()], SHORT_PINGS).await;
    for _ in 0..4 {
        assert_eq!(chain.get("/").await.status, 200);
    }
    assert_eq!(region.requests(), 4);
    assert_eq!(chain.figure("remint_attempts_total", "outcome=\"unreachable\"").await, 1);
}

#[tokio::test]
async fn a_region_that_takes_connections_and_says_nothing_is_out_of_reach() {
    let silent = RawRegion::start(raw_region::Habit::Hang).await;
    let region = Region::start(Habit::Answer).await;
    let entries = [silent.entry(), region.entry()];
    let chain = chain_with(&entries, "connect_timeout: 500ms").await;
    for answer in many(&chain, 10) {
        assert_eq!(answer.await.unwrap().status, 200);
    }
    assert_eq!((silent.connections(), region.requests()), (1, 10), "they waited together");
    assert!(!silent.text().contains("x-serverless-authorization"), "no request was sent");
}

#[tokio::test]
async fn callers_who_do_not_read_keep_nobody_else_waiting() {
    let region = Region::start(Habit::Flood(16)).await;
    let chain = chain_before(&[&region]).await;
    let io = TokioIo::new(TcpStream::connect(chain.gateway.address()).await.unwrap());
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder.initial_stream_window_size(65_535);
    let (mut sender, connection) = builder.handshake(io).await.unwrap();
    tokio::spawn(connection);
    let mut unread = Vec::new();
    for _ in 0..16 {
        let request = Request::get("http://orders.example.com/")
            .header("authorization", format!("Bearer {}", chain.token()))
            .body(Empty::<Bytes>::new());
        let answer = timeout(PATIENCE, sender.send_request(request.unwrap())).await.unwrap();
        unread.push(answer.unwrap());
    }
    assert_eq!(chain.get("/").await.status, 200);
    assert_eq!((region.connections(), region.requests()), (1, 17));
    drop(unread);
}

#[tokio::test]
async fn nobody_connects_to_hosts_of_his_choice() {
    let chain = Chain::start().await;
    let mut sender = connect_http_2(chain.gateway.address()).await;
    let request = Request::connect("orders.example.com:443")
        .header("authorization", format!("Bearer {}", chain.token()))
        .body(Empty::<Bytes>::new());
    let answer = timeout(PATIENCE, sender.send_request(request.unwrap())).await.unwrap();
    assert_eq!(answer.unwrap().status(), 403);
    assert_eq!(chain.emulator.timeline().calls().len(), 0);
}
