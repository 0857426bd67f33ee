//! Regions that misbehave on the wire.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::client::exchange;
use crate::support::{Chain, Google};

#[derive(Clone, Copy)]
enum Habit {
    /// Answers, and keeps the connection.
    Answer,
    /// Answers with a trailer.
    Trailer,
    /// Reads the request and breaks off.
    BreakOff,
    /// Reads the request and says nothing.
    Hang,
}

/// A region that counts what comes.
struct RawRegion {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
    requests: Arc<AtomicUsize>,
}

impl RawRegion {
    async fn start(habit: Habit) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (connections, requests) =
            (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
        let this = Self {
            address: listener.local_addr().unwrap(),
            connections: Arc::clone(&connections),
            requests: Arc::clone(&requests),
        };
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                connections.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(serve(stream, habit, Arc::clone(&requests)));
            }
        });
        this
    }

    fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }

    fn entry(&self) -> (String, String) {
        (format!("http://{}", self.address), "https://raw.example".to_owned())
    }
}

async fn serve(mut stream: TcpStream, habit: Habit, requests: Arc<AtomicUsize>) {
    let mut read = Vec::new();
    let mut buffer = [0; 4096];
    while let Ok(count @ 1..) = stream.read(&mut buffer).await {
        read.extend_from_slice(&buffer[..count]);
        if !read.ends_with(b"\r\n\r\n") {
            continue;
        }
        read.clear();
        requests.fetch_add(1, Ordering::SeqCst);
        match habit {
            Habit::Answer => {
                let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
                stream.write_all(answer).await.unwrap();
            }
            Habit::Trailer => {
                let head =
                    b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-sum\r\n\r\n";
                stream.write_all(head).await.unwrap();
                stream.write_all(b"2\r\nok\r\n0\r\nx-sum: 7\r\n\r\n").await.unwrap();
            }
            Habit::BreakOff => return,
            Habit::Hang => std::future::pending().await,
        }
    }
}

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
        assert_eq!(chain.get("/").await.text(), "ok");
    }
    assert_eq!(region.requests(), 20);
    assert_eq!(region.connections.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_request_that_may_have_been_processed_is_not_sent_again() {
    let regions =
        [RawRegion::start(Habit::BreakOff).await, RawRegion::start(Habit::BreakOff).await];
    let chain = chain_before(&[&regions[0], &regions[1]]).await;
    let answer = chain.get("/").await;
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
    assert_eq!(region.connections.load(Ordering::SeqCst), 1);
}
