//! How connections are accepted: by which limits, with TLS or without.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use hyper_util::rt::TokioTimer;
use hyper_util::server::conn::auto::Builder;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use super::progress::Progress;
use super::streams::Streams;
use crate::config::{Limits, Tls};
use crate::upstream::Stream;

/// How often an HTTP/2 connection is asked whether anybody is there.
const PING_EVERY: Duration = Duration::from_secs(60);

/// What a stream of an HTTP/2 connection may send before a region has read it:
/// enough for 25 MB/s over 10 ms.
const STREAM_WINDOW: u32 = 256 << 10;
/// The greatest window that there is (RFC 9113, section 6.9.1).
const MOST_WINDOW: u32 = (1 << 31) - 1;

/// hyper's own limit.
const DEFAULT_MAX_HEADERS: usize = 100;

/// How connections are accepted; another configuration has another door, and
/// connections keep to the one by which they came in.
pub(crate) struct Door {
    pub(super) limits: Limits,
    tls: Option<TlsAcceptor>,
}

impl Door {
    pub(crate) fn new(limits: &Limits, tls: Option<&Tls>) -> Self {
        Self { limits: limits.clone(), tls: tls.map(|tls| TlsAcceptor::from(tls.config().clone())) }
    }

    /// What serves one connection, whose progress is watched.
    pub(super) fn builder(&self, progress: &Arc<Progress>) -> Builder<Streams> {
        let write_timeout = self.limits.write_timeout;
        builder(&self.limits, Streams { progress: Arc::clone(progress), write_timeout })
    }

    /// The connection, once it is known to be what it should be.
    pub(super) async fn open(&self, stream: TcpStream) -> io::Result<Stream> {
        // Without it the connection still works, only more slowly.
        drop(stream.set_nodelay(true));
        let Some(tls) = &self.tls else {
            return Ok(Stream::Plain(stream));
        };
        let in_time = timeout(self.limits.header_timeout, tls.accept(stream)).await;
        Ok(Stream::Tls(Box::new(in_time??.into())))
    }
}

/// How a connection is served. hyper's own guards against floods of resets and
/// of pings stay as they are.
fn builder(limits: &Limits, streams: Streams) -> Builder<Streams> {
    let mut builder = Builder::new(streams);
    // hyper counts the time between two requests as part of reading the
    // second one's header; without a timer it counts nothing at all.
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.idle_timeout)
        .max_buf_size(limits.max_header_bytes);
    // Where a number is given, hyper looks for room anew for each request.
    if limits.max_headers != DEFAULT_MAX_HEADERS {
        builder.http1().max_headers(limits.max_headers);
    }
    let (stream_window, connection_window) = windows(limits.max_streams);
    builder
        .http2()
        .timer(TokioTimer::new())
        .initial_stream_window_size(stream_window)
        .initial_connection_window_size(connection_window)
        .keep_alive_interval(PING_EVERY)
        // How WebSocket comes over HTTP/2 (RFC 8441, section 3).
        .enable_connect_protocol()
        .max_concurrent_streams(limits.max_streams)
        .max_header_list_size(u32::try_from(limits.max_header_bytes).unwrap_or(u32::MAX));
    builder
}

/// What each stream, and the connection with all of them, may send before it
/// is read. There is room for the windows of all: an upload that its region
/// does not read must not keep the others waiting.
fn windows(max_streams: u32) -> (u32, u32) {
    let share = MOST_WINDOW.checked_div(max_streams).unwrap_or(MOST_WINDOW);
    let of_stream = share.min(STREAM_WINDOW);
    (of_stream, of_stream.saturating_mul(max_streams))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_has_room_for_the_windows_of_all_its_streams() {
        for max_streams in [1, 2, 200, 8_191, 8_192, 100_000] {
            let (stream, connection) = windows(max_streams);
            assert!(stream > 0 && connection <= MOST_WINDOW);
            assert!(u64::from(stream) * u64::from(max_streams) <= connection.into());
        }
        assert_eq!(windows(200), (256 << 10, 200 * (256 << 10)));
    }
}
