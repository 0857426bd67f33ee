//! Passing a request on over a connection, body and all.

use bytes::Bytes;
use http::header::{CONNECTION, COOKIE, HOST, TE, TRANSFER_ENCODING, UPGRADE};
use http::request::Parts;
use http::uri::{Authority, Scheme};
use http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode, Uri, Version};
use http_body::Body;
use hyper::client::conn::{http1, http2};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::copy_bidirectional;

use crate::answers::{Answer, BoxError, passed};
use crate::network::Stream;
use crate::takeover::Takeover;

/// How a server is spoken to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1, also for WebSocket.
    #[default]
    Http1,
    /// HTTP/2 in clear text with prior knowledge, as gRPC wants it.
    Http2,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ForwardError {
    #[error("no exchange: {0}")]
    Http(#[from] hyper::Error),
    #[error("the request has no valid target: {0}")]
    Target(#[from] http::Error),
    #[error("the request's host can't stand in a target: {0}")]
    Host(#[from] http::uri::InvalidUri),
}

/// Headers that concern one connection alone (RFC 9110, section 7.6.1).
const HOP_BY_HOP: [HeaderName; 3] =
    [CONNECTION, TRANSFER_ENCODING, HeaderName::from_static("keep-alive")];

/// Sends a request over a fresh connection and answers with what comes back.
/// The request's `Host`, or its authority, is kept.
pub(crate) async fn forward<B>(
    stream: Stream,
    protocol: Protocol,
    parts: Parts,
    body: B,
) -> Result<Answer, ForwardError>
where
    B: Body<Data = Bytes, Error: Into<BoxError>> + Send + Unpin + 'static,
{
    match protocol {
        Protocol::Http1 => over_http1(stream, parts, body).await,
        Protocol::Http2 => over_http2(stream, parts, body).await,
    }
}

async fn over_http1<B>(stream: Stream, mut parts: Parts, body: B) -> Result<Answer, ForwardError>
where
    B: Body<Data = Bytes, Error: Into<BoxError>> + Send + Unpin + 'static,
{
    let callers = parts.extensions.remove::<OnUpgrade>();
    let is_upgrade = parts.headers.contains_key(UPGRADE) && parts.version == Version::HTTP_11;
    strip(&mut parts);
    if is_upgrade {
        parts.headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    } else {
        parts.headers.remove(UPGRADE);
    }
    if let Some(authority) = parts.uri.authority() {
        let host = HeaderValue::from_str(authority.as_str()).map_err(http::Error::from)?;
        parts.headers.insert(HOST, host);
    }
    join_cookies(&mut parts.headers);
    parts.uri = Uri::builder().path_and_query(path_of(&parts.uri)).build()?;
    parts.version = Version::HTTP_11;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // Its errors reach the exchange; it ends with it.
    tokio::spawn(connection.with_upgrades());
    let mut answer = sender.send_request(Request::from_parts(parts, body)).await?;
    let theirs = answer.extensions_mut().remove::<OnUpgrade>();
    let mut answer = answer.map(passed);
    match (answer.status(), callers, theirs) {
        (StatusCode::SWITCHING_PROTOCOLS, Some(callers), Some(theirs)) => {
            let takeover = Takeover::new(callers, |mut client| async move {
                if let Ok(server) = theirs.await {
                    // A connection that breaks concerns both ends, who see it.
                    let _ = copy_bidirectional(&mut client, &mut TokioIo::new(server)).await;
                }
            });
            answer.extensions_mut().insert(takeover);
        }
        _ => HOP_BY_HOP.iter().for_each(|name| drop(answer.headers_mut().remove(name))),
    }
    Ok(answer)
}

async fn over_http2<B>(stream: Stream, mut parts: Parts, body: B) -> Result<Answer, ForwardError>
where
    B: Body<Data = Bytes, Error: Into<BoxError>> + Send + Unpin + 'static,
{
    strip(&mut parts);
    parts.headers.remove(UPGRADE);
    if parts.headers.get(TE).is_some_and(|value| value != "trailers") {
        parts.headers.remove(TE);
    }
    let host = parts.headers.remove(HOST);
    let authority = match (parts.uri.authority(), host) {
        (Some(authority), _) => authority.clone(),
        (None, Some(host)) => Authority::try_from(host.as_bytes())?,
        (None, None) => Authority::from_static("localhost"),
    };
    parts.uri = Uri::builder()
        .scheme(Scheme::HTTP)
        .authority(authority)
        .path_and_query(path_of(&parts.uri))
        .build()?;
    parts.version = Version::HTTP_2;
    let io = TokioIo::new(stream);
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), io).await?;
    tokio::spawn(connection);
    let answer = sender.send_request(Request::from_parts(parts, body)).await?;
    Ok(answer.map(passed))
}

/// HTTP/2 may send cookies one by one; in HTTP/1.1 they stand in one header (RFC
/// 9113, section 8.2.3).
fn join_cookies(headers: &mut HeaderMap) {
    let all: Vec<&[u8]> = headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if all.len() > 1
        && let Ok(joined) = HeaderValue::from_bytes(&all.join(&b"; "[..]))
    {
        headers.insert(COOKIE, joined);
    }
}

fn strip(parts: &mut Parts) {
    for name in HOP_BY_HOP {
        parts.headers.remove(name);
    }
}

fn path_of(uri: &Uri) -> &str {
    uri.path_and_query().map_or("/", |path| path.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookies_that_came_one_by_one_go_on_in_one_header() {
        let mut headers = HeaderMap::new();
        for cookie in ["a=1", "b=2; c=3"] {
            headers.append(COOKIE, cookie.parse().unwrap());
        }
        join_cookies(&mut headers);
        assert_eq!(headers.get_all(COOKIE).iter().collect::<Vec<_>>(), ["a=1; b=2; c=3"]);
    }
}
