//! A caller who writes HTTP by hand.

use std::net::SocketAddr;

use remint_kept::{keep, source};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::client::PATIENCE;
use crate::support::{Chain, HOST};

/// A connection with text of one's own.
pub(crate) struct Wire(pub(crate) TcpStream);

impl Wire {
    pub(crate) async fn connect(to: SocketAddr) -> Self {
        Self(TcpStream::connect(to).await.unwrap())
    }

    pub(crate) async fn say(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).await.unwrap();
    }

    /// The first line of an answer, whose head is read to its end.
    pub(crate) async fn status(&mut self) -> String {
        let mut read = Vec::new();
        while !read.windows(4).any(|it| it == b"\r\n\r\n") {
            let count = timeout(PATIENCE, self.0.read_buf(&mut read)).await.unwrap().unwrap();
            assert!(count > 0, "closed without an answer");
        }
        keep(source::GATEWAY_ANSWERS, &read);
        String::from_utf8_lossy(&read).lines().next().unwrap().to_owned()
    }

    /// Whether the other end closes it in time.
    pub(crate) async fn is_closed(&mut self) -> bool {
        let mut read = Vec::new();
        timeout(PATIENCE, self.0.read_to_end(&mut read)).await.is_ok()
    }

    /// The head of a request that the policy accepts.
    pub(crate) fn head(chain: &Chain, rest: &str) -> String {
        let token = chain.token();
        format!("POST / HTTP/1.1\r\nhost: {HOST}\r\nauthorization: Bearer {token}\r\n{rest}\r\n")
    }
}
