//! Connections that change to WebSocket and become tunnels (RFC 6455).
//!
//! HTTP/2 has its own way to do that (RFC 8441), which this gateway does not
//! offer in its SETTINGS: browsers then open an HTTP/1.1 connection.

use std::sync::{Arc, Mutex, PoisonError};

use http::header::{CONNECTION, UPGRADE};
use http::{HeaderMap, HeaderValue, Method, Request, Response, Version};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncWriteExt, copy, split};
use tracing::debug;

use crate::headers::has_token;

/// Whether the caller asks to change to WebSocket. Other protocols are not
/// passed on: nobody behind could tell what they allow.
pub(crate) fn is_asked<B>(request: &Request<B>) -> bool {
    request.version() == Version::HTTP_11
        && request.method() == Method::GET
        && has_token(request.headers(), &CONNECTION, "upgrade")
        && is_websocket(request.headers())
}

pub(super) fn is_websocket(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(UPGRADE).iter();
    let is_it = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"websocket");
    values.next().is_some_and(is_it) && values.next().is_none()
}

/// Has the caller's side change too. To be called once nothing else changes
/// the headers about the connection.
pub(crate) fn confirm(headers: &mut HeaderMap) {
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
}

/// Where a caller's connection finds what it has become. A request that asks
/// for a change carries it along.
#[derive(Clone, Default)]
pub(crate) struct Switch(Arc<Mutex<Option<Tunnel>>>);

impl Switch {
    /// The tunnel, if the connection has become one.
    pub(crate) fn take(&self) -> Option<Tunnel> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Connects a caller with the region that has agreed.
    pub(super) fn set<B>(&self, caller: OnUpgrade, region: &mut Response<B>) {
        let tunnel = Tunnel { caller, region: hyper::upgrade::on(region) };
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(tunnel);
    }
}

/// Two connections that are about to be one.
pub(crate) struct Tunnel {
    caller: OnUpgrade,
    region: OnUpgrade,
}

impl Tunnel {
    /// Passes bytes on both ways until either side ends: a WebSocket has no
    /// use for half of a connection (RFC 6455, section 7.1.1).
    pub(crate) async fn run(self) {
        let Self { caller, region } = self;
        let (caller, region) = match tokio::try_join!(caller, region) {
            Ok(both) => both,
            Err(error) => return debug!(%error, "no tunnel"),
        };
        let (mut from_caller, mut to_caller) = split(TokioIo::new(caller));
        let (mut from_region, mut to_region) = split(TokioIo::new(region));
        let result = tokio::select! {
            sent = copy(&mut from_caller, &mut to_region) => sent,
            received = copy(&mut from_region, &mut to_caller) => received,
        };
        // Whether they can still be told that it is over or not.
        let _ = tokio::join!(to_caller.shutdown(), to_region.shutdown());
        debug!(error = result.err().map(tracing::field::display), "a tunnel has ended");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_websocket_over_http_1_is_asked_for() {
        let asks = |version, method: &str, connection: &str, upgrade: &str| {
            let request = Request::builder().version(version).method(method);
            let request = request.header("connection", connection).header("upgrade", upgrade);
            is_asked(&request.body(()).unwrap())
        };
        assert!(asks(Version::HTTP_11, "GET", "keep-alive, Upgrade", "WebSocket"));
        assert!(!asks(Version::HTTP_11, "GET", "upgrade", "h2c"));
        assert!(!asks(Version::HTTP_11, "GET", "upgrade", "websocket, h2c"));
        assert!(!asks(Version::HTTP_11, "GET", "keep-alive", "websocket"));
        assert!(!asks(Version::HTTP_11, "POST", "upgrade", "websocket"));
        assert!(!asks(Version::HTTP_10, "GET", "upgrade", "websocket"));
        assert!(!asks(Version::HTTP_2, "GET", "upgrade", "websocket"));
    }
}
