//! Runs a connection, and knows what its server allows.

use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::Body;
use hyper::client::conn::http2::Connection;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::upstream::connector::Stream;

type Running<B> = Pin<Box<Connection<TokioIo<Stream>, B, TokioExecutor>>>;

/// A connection, and how many streams its server allows at once.
pub(super) struct Driver<B>
where
    B: Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>>
        + Send
        + Unpin
        + 'static,
{
    /// As far as it is known; 0 if it is not.
    limit: AtomicUsize,
    /// Nothing once it has ended.
    connection: Mutex<Option<Running<B>>>,
}

impl<B> Driver<B>
where
    B: Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>>
        + Send
        + Unpin
        + 'static,
{
    pub(super) fn new(connection: Connection<TokioIo<Stream>, B, TokioExecutor>) -> Self {
        Self { limit: AtomicUsize::new(0), connection: Mutex::new(Some(Box::pin(connection))) }
    }

    /// How many streams there may be, as far as it was noticed. Unknown until
    /// the server's SETTINGS are there, which come first (RFC 9113, section
    /// 3.4).
    pub(super) fn limit(&self) -> Option<usize> {
        Some(self.limit.load(Ordering::Acquire)).filter(|limit| *limit > 0)
    }

    /// Whether the server's SETTINGS are there: until then it has not seen a
    /// request. hyper reads and writes in a task of its own, which may have
    /// sent a request before anybody here was told that it could: so this is
    /// asked of the connection itself.
    ///
    /// Not to be called by what the connection polls or drops.
    pub(super) fn is_settled(&self) -> bool {
        if let Some(connection) = &*self.connection() {
            self.note(connection.current_max_send_streams());
        }
        self.limit().is_some()
    }

    /// Runs the connection to its end, or leaves it if its server says nothing
    /// for so long. Its errors reach whoever waits for an answer; there is no
    /// one else.
    pub(super) async fn run(&self, news: &watch::Sender<()>, patience: Duration) {
        let mut ended = std::future::poll_fn(|cx| {
            let (polled, is_new) = self.poll(cx);
            if is_new {
                news.send_replace(());
            }
            polled
        });
        if timeout(patience, &mut ended).await.is_err() && self.is_settled() {
            ended.await;
        }
        // Unlocked, because requests that end with it ask for the lock.
        let connection = self.connection().take();
        drop(connection);
    }

    /// Polls the connection, and tells whether its limit is another one now.
    fn poll(&self, cx: &mut Context<'_>) -> (Poll<()>, bool) {
        let mut connection = self.connection();
        let Some(connection) = &mut *connection else {
            return (Poll::Ready(()), false);
        };
        let polled = connection.as_mut().poll(cx).map(drop);
        (polled, self.note(connection.current_max_send_streams()))
    }

    /// True if it is another than before. A server that allows nothing for a
    /// while keeps the streams waiting that it has.
    fn note(&self, limit: usize) -> bool {
        limit > 0 && self.limit.swap(limit, Ordering::AcqRel) != limit
    }

    fn connection(&self) -> MutexGuard<'_, Option<Running<B>>> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;
    use http_body_util::Empty;
    use hyper::client::conn::http2::Builder;
    use std::future::poll_fn;
    use std::pin::pin;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};

    /// A frame's head: no payload, SETTINGS.
    const SETTINGS: [u8; 9] = [0, 0, 0, 4, 0, 0, 0, 0, 0];
    const HEADERS: u8 = 1;

    /// Reads frames up to the first HEADERS.
    async fn read_request(server: &mut TcpStream) {
        let mut head = [0; 9];
        while head[3] != HEADERS {
            server.read_exact(&mut head).await.unwrap();
            let mut payload = vec![0; usize::from(head[1]) << 8 | usize::from(head[2])];
            server.read_exact(&mut payload).await.unwrap();
        }
    }

    #[tokio::test]
    async fn a_request_that_was_sent_is_known_to_be_though_nobody_was_told_that_it_could() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (mut server, _) = listener.accept().await.unwrap();
        let mut builder = Builder::new(TokioExecutor::new());
        let handshake =
            builder.initial_max_send_streams(0).handshake(TokioIo::new(Stream::Plain(client)));
        let (mut sender, connection) = handshake.await.unwrap();
        let driver = Driver::new(connection);
        let request = Request::get("http://a.example/").body(Empty::<Bytes>::new()).unwrap();
        let mut sending = pin!(sender.send_request(request));
        poll_fn(|cx| {
            assert!(sending.as_mut().poll(cx).is_pending());
            assert!(driver.poll(cx).0.is_pending());
            Poll::Ready(())
        })
        .await;
        let mut preface = [0; 24];
        server.read_exact(&mut preface).await.unwrap();
        assert!(!driver.is_settled());
        server.write_all(&SETTINGS).await.unwrap();
        read_request(&mut server).await;
        assert_eq!(driver.limit(), None, "nobody has polled it");
        assert!(driver.is_settled());
        assert!(driver.limit().is_some());
    }
}
