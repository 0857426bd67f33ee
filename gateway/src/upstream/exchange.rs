//! One request over one connection, and what its failure means.

use std::sync::Arc;

use http::request::Parts;
use http::{Request, Response, StatusCode};
use http_body::Body;
use hyper::client::conn::TrySendError;
use hyper::upgrade::OnUpgrade;

use super::adapt::{to_http1, to_http2, to_websocket};
use super::body::{Lease, RegionBody};
use super::connector::ConnectError;
use super::failure::{LostError, Refused, SendError, is_of_stream, refused};
use super::http1;
use super::http2::Slot;
use super::lent::{Owner, lend};
use super::pool::Pool;
use super::request_body::RequestBody;
use super::upgrade::Wish;

/// What became of a request on its way.
pub(super) enum Outcome {
    Answered(Response<RegionBody>),
    /// The connection was closed just now: no harm done.
    Again(Request<RequestBody>),
    Failed(SendError),
}

impl Pool {
    pub(super) async fn send_http1(
        self: &Arc<Self>,
        mut sender: http1::Sender,
        request: Request<RequestBody>,
        is_new: bool,
    ) -> Outcome {
        let wish = Wish::of(&request).cloned();
        let (mut head, body) = request.into_parts();
        // It stays in the request, which may be handed back.
        let caller = head.extensions.get::<OnUpgrade>().cloned();
        match wish {
            Some(_) => to_websocket(&mut head),
            None => to_http1(&mut head, body.is_end_stream()),
        }
        let sent = sender.try_send_request(Request::from_parts(head, body)).await;
        let mut response = match sent {
            Ok(response) => response,
            Err(error) => return self.unsent_or_lost(error, is_new),
        };
        match wish.zip(caller) {
            Some((wish, caller)) if Wish::is_granted(&response) => {
                let tunnel = wish.grant(caller, &mut response);
                Outcome::Answered(response.map(|body| RegionBody::switched(body, tunnel)))
            }
            Some((wish, _)) if wish.would_take_for_granted(response.status()) => {
                Outcome::Failed(SendError::Lost(LostError::NotSwitched))
            }
            _ if response.status() == StatusCode::SWITCHING_PROTOCOLS => {
                Outcome::Failed(SendError::Lost(LostError::Switched))
            }
            _ => {
                let lease = Lease::Http1(Arc::clone(self), sender);
                Outcome::Answered(response.map(|body| RegionBody::new(body, lease)))
            }
        }
    }

    fn unsent_or_lost(
        &self,
        mut error: TrySendError<Request<RequestBody>>,
        is_new: bool,
    ) -> Outcome {
        match error.take_message() {
            Some(unsent) if !is_new => Outcome::Again(unsent),
            Some(unsent) => {
                let cause = Arc::new(self.no_http(error.into_error()));
                Outcome::Failed(SendError::Unsent(Box::new(unsent), cause))
            }
            None => Outcome::Failed(SendError::Lost(LostError::of(error.into_error()))),
        }
    }

    pub(super) async fn send_http2(&self, slot: Slot, request: Request<RequestBody>) -> Outcome {
        let (neutral, body) = request.into_parts();
        let mut head = neutral.clone();
        to_http2(&mut head, self.scheme());
        let slot = Arc::new(slot);
        let (lent, owner) = lend(body, Arc::clone(&slot));
        let sent = slot.sender().try_send_request(Request::from_parts(head, lent)).await;
        let mut error = match sent {
            Ok(response) if response.status() == StatusCode::SWITCHING_PROTOCOLS => {
                return Outcome::Failed(SendError::Lost(LostError::Switched));
            }
            Ok(response) => {
                let lease = Lease::Http2 { _slot: slot };
                return Outcome::Answered(response.map(|body| RegionBody::new(body, lease)));
            }
            Err(error) => error,
        };
        let is_kept = error.take_message().is_some();
        let error = error.into_error();
        self.unsent_or_lost_http2(&slot, is_kept, error, neutral, owner)
    }

    fn unsent_or_lost_http2(
        &self,
        slot: &Slot,
        is_kept: bool,
        error: hyper::Error,
        head: Parts,
        owner: Owner<RequestBody>,
    ) -> Outcome {
        let lost = |error| Outcome::Failed(SendError::Lost(error));
        if owner.has_failed() {
            return lost(LostError::Caller(error));
        }
        let (refused, is_of_stream) = (refused(&error), is_of_stream(&error));
        // The others that share the connection have no part in it.
        if !is_of_stream {
            slot.retire();
        }
        if !is_kept && refused.is_none() && slot.is_settled() {
            return lost(if is_of_stream { LostError::Reset } else { LostError::Broken }(error));
        }
        let Some(body) = owner.take_back() else {
            return lost(LostError::Refused(error));
        };
        let request = Request::from_parts(head, body);
        if refused != Some(Refused::Stream) && !slot.is_first() {
            return Outcome::Again(request);
        }
        let cause = match refused {
            Some(_) => ConnectError::Refused(self.address(), error),
            None => self.no_http(error),
        };
        Outcome::Failed(SendError::Unsent(Box::new(request), Arc::new(cause)))
    }
}
