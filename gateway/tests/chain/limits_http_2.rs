//! What callers may not ask for over HTTP/2.

use bytes::Bytes;
use h2::client::{self, SendRequest};
use h2::{Reason, RecvStream, SendStream};
use http::{Request, StatusCode};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::client::PATIENCE;
use crate::limits::chain_with;
use crate::support::{Chain, HOST, eventually};

/// A caller who lets that much of each answer come, and more when asked to.
struct Caller {
    sender: SendRequest<Bytes>,
    connection: JoinHandle<Result<(), h2::Error>>,
}

impl Caller {
    async fn connect(chain: &Chain, window: u32) -> Self {
        let stream = TcpStream::connect(chain.gateway.address()).await.unwrap();
        let mut builder = client::Builder::new();
        let builder = builder.initial_window_size(window);
        let (sender, connection) = builder.handshake(stream).await.unwrap();
        Self { sender, connection: tokio::spawn(connection) }
    }

    fn request(chain: &Chain) -> http::request::Builder {
        Request::post(format!("http://{HOST}/"))
            .header("authorization", format!("Bearer {}", chain.token()))
    }

    /// An answer whose head has come.
    async fn get(&mut self, chain: &Chain) -> RecvStream {
        let request = Self::request(chain).body(()).unwrap();
        self.sender = self.sender.clone().ready().await.unwrap();
        let (answer, _) = self.sender.send_request(request, true).unwrap();
        let answer = timeout(PATIENCE, answer).await.unwrap().unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        answer.into_body()
    }

    /// An answer that says what it is told.
    async fn echo(&mut self, chain: &Chain) -> (SendStream<Bytes>, RecvStream) {
        let request = Self::request(chain).header("x-echo-stream", "1").body(()).unwrap();
        let (answer, mut body) = self.sender.send_request(request, false).unwrap();
        body.send_data(Bytes::from("abc"), false).unwrap();
        let answer = timeout(PATIENCE, answer).await.unwrap().unwrap();
        (body, answer.into_body())
    }
}

async fn next(answer: &mut RecvStream) -> Option<Result<Bytes, h2::Error>> {
    timeout(PATIENCE, answer.data()).await.unwrap()
}

#[tokio::test]
async fn a_stream_whose_answer_is_not_taken_is_reset_and_leaves_its_place() {
    let chain = chain_with("write_timeout: 300ms, max_in_flight: 3, max_queued: 0").await;
    let mut caller = Caller::connect(&chain, 0).await;
    let mut answers = Vec::new();
    for _ in 0..3 {
        answers.push(caller.get(&chain).await);
    }
    for mut answer in answers {
        let error = next(&mut answer).await.unwrap().unwrap_err();
        assert_eq!(error.reason(), Some(Reason::CANCEL));
    }
    eventually("the places are free", async || {
        chain.figure("remint_requests_in_flight", "").await == 0
    })
    .await;
    assert!(!caller.connection.is_finished(), "its other streams are no matter");
    assert_eq!(chain.get("/").await.status, 200);
}

#[tokio::test]
async fn a_stream_may_wait_for_its_region_longer_than_for_its_caller() {
    let chain = chain_with("write_timeout: 300ms").await;
    let mut caller = Caller::connect(&chain, 2).await;
    let (mut body, mut answer) = caller.echo(&chain).await;
    let mut heard = Vec::new();
    for said in ["abc", "def"] {
        // It comes in pieces, since no more is let come at a time.
        while heard.len() < said.len() {
            let piece = next(&mut answer).await.unwrap().unwrap();
            answer.flow_control().release_capacity(piece.len()).unwrap();
            heard.extend_from_slice(&piece);
        }
        assert_eq!(std::mem::take(&mut heard), said.as_bytes());
        if said == "abc" {
            // Longer than a caller may take nothing.
            let mut other = Caller::connect(&chain, 0).await;
            let mut untaken = other.get(&chain).await;
            assert!(next(&mut untaken).await.unwrap().is_err());
            body.send_data(Bytes::from("def"), true).unwrap();
        }
    }
    assert!(next(&mut answer).await.is_none());
}

/// Until a connection that is idle from now on was told to leave.
async fn told_to_leave(chain: &Chain) {
    let mut idle = Caller::connect(chain, 1 << 16).await;
    let mut answer = idle.get(chain).await;
    while next(&mut answer).await.is_some() {}
    drop(answer);
    assert!(timeout(PATIENCE, idle.connection).await.unwrap().unwrap().is_ok());
}

#[tokio::test]
async fn a_connection_without_a_request_for_long_is_told_to_leave() {
    let chain = chain_with("idle_timeout: 1s, header_timeout: 20s").await;
    let mut caller = Caller::connect(&chain, 1 << 16).await;
    // What takes longer is not idle.
    let (mut body, mut answer) = caller.echo(&chain).await;
    told_to_leave(&chain).await;
    body.send_data(Bytes::new(), true).unwrap();
    while let Some(piece) = next(&mut answer).await {
        assert!(piece.is_ok(), "it was broken off: {piece:?}");
    }
    drop((body, answer, caller.sender));
    let end = timeout(PATIENCE, caller.connection).await.unwrap().unwrap();
    assert!(end.is_ok(), "it was dropped: {end:?}");
}

#[tokio::test]
async fn who_stays_though_told_to_leave_is_cut_off() {
    let chain = chain_with("idle_timeout: 1s, write_timeout: 1s").await;
    // It takes one byte of an answer that is done with for the gateway.
    let mut caller = Caller::connect(&chain, 1).await;
    let answer = caller.get(&chain).await;
    assert!(timeout(PATIENCE, caller.connection).await.is_ok());
    drop(answer);
}

#[tokio::test]
async fn a_connection_on_which_no_stream_was_opened_is_closed() {
    let chain = chain_with("header_timeout: 1s").await;
    let caller = Caller::connect(&chain, 1 << 16).await;
    assert!(timeout(PATIENCE, caller.connection).await.is_ok());
}

#[tokio::test]
async fn too_many_header_lines_are_refused_before_anything_is_looked_up_by_them() {
    let chain = chain_with("max_headers: 20").await;
    let mut caller = Caller::connect(&chain, 1 << 16).await;
    // The same name counts each time. Among them is no token that is right.
    for (count, status) in [(20, 401), (21, 431)] {
        let request = Request::post(format!("http://{HOST}/"));
        let request = (0..count).fold(request, |it, _| it.header("authorization", "Bearer a.b.c"));
        let (answer, _) = caller.sender.send_request(request.body(()).unwrap(), true).unwrap();
        let answer = timeout(PATIENCE, answer).await.unwrap().unwrap();
        assert_eq!(answer.status(), status);
    }
    assert_eq!(chain.figure("remint_refusals_total", "").await, 1);
}
