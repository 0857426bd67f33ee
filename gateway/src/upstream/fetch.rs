//! Small exchanges with other servers: for key sets and tokens.

use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONNECTION, HOST};
use http::{HeaderMap, HeaderValue, Request, StatusCode};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::time::timeout;

use super::connector::{ConnectError, Connector, ConnectorError, Dialer};
use crate::config::Origin;

/// The time for one document, from the connection to its last byte.
pub(crate) const FETCH_TIME: Duration = Duration::from_secs(5);

/// Fetches documents of one origin, each over a connection of its own: they
/// are rare, and a connection that slept for an hour is a dead one.
pub(crate) struct Fetcher {
    dialer: Dialer,
    host: HeaderValue,
}

/// An answer, whole.
pub(crate) struct Fetched {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// Why there is no answer. Holds nothing of an answer's body.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FetchError {
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error("the address is no valid one")]
    Address(#[from] http::Error),
    #[error("the exchange failed")]
    Http(#[from] hyper::Error),
    #[error("the answer is longer than {0} bytes")]
    TooLong(usize),
    #[error("no answer within {FETCH_TIME:?}")]
    TimedOut,
}

impl Fetcher {
    /// From the server at that origin.
    pub(crate) fn to(origin: &Origin, connector: &Connector) -> Result<Self, ConnectorError> {
        let authority = origin.authority();
        let host =
            HeaderValue::from_str(&authority).map_err(|_| ConnectorError::Name(authority))?;
        Ok(Self { dialer: connector.dialer(origin)?, host })
    }

    /// Fetches `path`. An answer of more than `limit` bytes is none.
    pub(crate) async fn get(
        &self,
        path: &str,
        headers: HeaderMap,
        limit: usize,
    ) -> Result<Fetched, FetchError> {
        let mut request = Request::get(path).body(Full::default())?;
        *request.headers_mut() = headers;
        self.send(request, limit).await
    }

    /// Sends `body` to `path`. An answer of more than `limit` bytes is none.
    pub(crate) async fn post(
        &self,
        path: &str,
        headers: HeaderMap,
        body: Bytes,
        limit: usize,
    ) -> Result<Fetched, FetchError> {
        let mut request = Request::post(path).body(Full::new(body))?;
        *request.headers_mut() = headers;
        self.send(request, limit).await
    }

    async fn send(
        &self,
        request: Request<Full<Bytes>>,
        limit: usize,
    ) -> Result<Fetched, FetchError> {
        let sent = timeout(FETCH_TIME, self.send_untimed(request, limit));
        sent.await.unwrap_or(Err(FetchError::TimedOut))
    }

    async fn send_untimed(
        &self,
        mut request: Request<Full<Bytes>>,
        limit: usize,
    ) -> Result<Fetched, FetchError> {
        request.headers_mut().insert(HOST, self.host.clone());
        let accept = HeaderValue::from_static("*/*");
        request.headers_mut().insert(ACCEPT, accept);
        let close = HeaderValue::from_static("close");
        request.headers_mut().insert(CONNECTION, close);
        let stream = self.dialer.connect().await?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        // Its errors reach the exchange below.
        tokio::spawn(connection);
        let (head, body) = sender.send_request(request).await?.into_parts();
        let body = Limited::new(body, limit).collect().await.map_err(|error| match error
            .downcast::<hyper::Error>(
        ) {
            Ok(error) => FetchError::Http(*error),
            Err(other) => {
                debug_assert!(other.is::<LengthLimitError>(), "{other}");
                FetchError::TooLong(limit)
            }
        })?;
        Ok(Fetched { status: head.status, headers: head.headers, body: body.to_bytes() })
    }
}
