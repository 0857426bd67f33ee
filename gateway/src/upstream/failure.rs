//! Why there is no answer, and whether the request may be sent again.

use std::error::Error;
use std::sync::Arc;

use http::Request;

use super::connector::ConnectError;
use super::request_body::RequestBody;

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum SendError {
    /// The region did not process a byte of the request; here it is, whole.
    Unsent(Box<Request<RequestBody>>, Arc<ConnectError>),
    /// The request was on its way: what became of it can't be told.
    Lost(LostError),
}

/// How a request was lost.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LostError {
    /// The exchange broke off.
    #[error("the exchange failed")]
    Broken(#[source] hyper::Error),
    /// The region ended the stream of this request, and of no other.
    #[error("the region reset the request's stream")]
    Reset(#[source] hyper::Error),
    /// The region did not process it, but a part of its body is gone.
    #[error("the region refused the request after a part of it was sent")]
    Refused(#[source] hyper::Error),
    /// The caller did not send all of it.
    #[error("the request could not be read to its end")]
    Caller(#[source] hyper::Error),
    /// The region accepts a request that it did not understand.
    #[error("the region answered and did not become a WebSocket")]
    NotSwitched,
    /// The region speaks another protocol now, which nobody asked for.
    #[error("the region changed the protocol unasked")]
    Switched,
}

impl LostError {
    /// Whether it was the caller's doing.
    pub(crate) fn is_callers(&self) -> bool {
        matches!(self, Self::Caller(_))
    }

    /// Whether it is an answer: the connection is well, and so is whoever
    /// speaks over it. A caller can have any region answer so.
    pub(crate) fn is_answer(&self) -> bool {
        matches!(self, Self::NotSwitched | Self::Switched)
    }

    /// Whether it says something about more than this one request.
    pub(crate) fn is_of_connection(&self) -> bool {
        matches!(self, Self::Broken(_))
    }

    /// Of an HTTP/1.1 exchange. Whom hyper calls the user is here the caller,
    /// whose body it is.
    pub(super) fn of(error: hyper::Error) -> Self {
        match error.is_user() {
            true => Self::Caller(error),
            false => Self::Broken(error),
        }
    }
}

/// What a server said of a stream that it did not process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// It wants no stream more for the moment (RFC 9113, section 8.7).
    Stream,
    /// It closes the connection and left this stream out (section 6.8).
    GoAway,
}

/// Whether only the request's stream is gone (RFC 9113, section 5.4.2), and not
/// its connection.
pub(super) fn is_of_stream(error: &hyper::Error) -> bool {
    of_h2(error).is_some_and(h2::Error::is_reset)
}

fn of_h2(error: &hyper::Error) -> Option<&h2::Error> {
    error.source()?.downcast_ref()
}

/// Whether the server said that it has not processed the request.
///
/// h2 reports a GOAWAY only to streams above its last stream identifier, and to
/// those that it then did not open; the others end by themselves or with the
/// connection.
pub(super) fn refused(error: &hyper::Error) -> Option<Refused> {
    let error = of_h2(error)?;
    if !error.is_remote() {
        return None;
    }
    if error.is_go_away() {
        return Some(Refused::GoAway);
    }
    (error.reason() == Some(h2::Reason::REFUSED_STREAM)).then_some(Refused::Stream)
}
