//! A server of the user's in place of the built-in container.

use std::net::SocketAddr;

use http::StatusCode;
use http::request::Parts;
use hyper::body::Incoming;

use crate::answers::{Answer, text};
use crate::forward::{Protocol, forward};
use crate::network::tcp;

/// Passes an accepted request on to the server at `address`, as Cloud Run does:
/// over HTTP/1.1, or with end-to-end HTTP/2 over that in clear text.
pub(super) async fn pass_on(
    address: SocketAddr,
    protocol: Protocol,
    parts: Parts,
    body: Incoming,
) -> Answer {
    // The service is not available, whoever is to blame.
    let unavailable = |why: String| text(StatusCode::SERVICE_UNAVAILABLE, why);
    match tcp(address).await {
        Ok(stream) => forward(Box::new(stream), protocol, parts, body)
            .await
            .unwrap_or_else(|error| unavailable(format!("{address}: {error}\n"))),
        Err(error) => unavailable(format!("{address}: no connection: {error}\n")),
    }
}
