//! Answers before the answer: `100 Continue` and hints.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::client::PATIENCE;
use crate::raw_region::{Habit, RawRegion};
use crate::support::{Chain, Google, HOST};

/// A caller who sees every byte.
struct Caller(TcpStream);

impl Caller {
    /// Sends the head of a request that waits to be told to go on.
    async fn ask(chain: &Chain, token: &str) -> Self {
        let mut stream = TcpStream::connect(chain.gateway.address()).await.unwrap();
        let head = format!(
            "POST / HTTP/1.1\r\nhost: {HOST}\r\nauthorization: Bearer {token}\r\n\
             expect: 100-continue\r\ncontent-length: 5\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        Self(stream)
    }

    /// What comes until this is there.
    async fn hear(&mut self, end: &str) -> String {
        let mut heard = String::new();
        while !heard.contains(end) {
            let mut buffer = [0; 4096];
            let count = timeout(PATIENCE, self.0.read(&mut buffer)).await.unwrap().unwrap();
            assert!(count > 0, "it ended with {heard}");
            heard.push_str(std::str::from_utf8(&buffer[..count]).unwrap());
        }
        heard
    }
}

#[tokio::test]
async fn who_asks_whether_to_go_on_is_told_so() {
    let chain = Chain::start().await;
    let mut caller = Caller::ask(&chain, &chain.token()).await;
    assert_eq!(caller.hear("\r\n\r\n").await, "HTTP/1.1 100 Continue\r\n\r\n");
    caller.0.write_all(b"hello").await.unwrap();
    let answer = caller.hear("\"body_bytes\": 5").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(!answer.contains("\"expect\""), "{answer}");
}

#[tokio::test]
async fn who_may_not_go_on_is_not_asked_for_the_body() {
    let chain = Chain::start().await;
    let mut caller = Caller::ask(&chain, "no.token.atall").await;
    let answer = caller.hear("\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
}

#[tokio::test]
async fn hints_go_no_further() {
    let region = RawRegion::start(Habit::Hint).await;
    let chain = Chain::before(Google::start().await, &[region.entry()], |text| text).await;
    chain.ready().await;
    let mut caller = Caller::ask(&chain, &chain.token()).await;
    caller.hear("100 Continue\r\n\r\n").await;
    caller.0.write_all(b"a\r\n\r\n").await.unwrap();
    let answer = caller.hear("ok").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(!answer.contains("link"), "{answer}");
}
