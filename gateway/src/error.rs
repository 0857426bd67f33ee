//! What can go wrong with a request, and the one map to what its caller is
//! told.

mod rendering;

use std::error::Error;
use std::fmt::Write;

use remint_idtoken::{Answer as RefusalAnswer, Refusal};

pub(crate) use rendering::{ANSWER_REASON, Form, is_grpc};

use crate::upstream::BodyFault;

/// Why a request got no answer from a region.
#[derive(Debug)]
pub(crate) enum ProxyError {
    /// The policy does not let it through.
    Refused(Refusal),
    /// There is no token for any region, and none goes out without one.
    NoToken,
    /// No region could be reached; nothing was sent.
    NoRegion,
    /// The connection broke after the request was sent.
    Lost,
    /// The caller broke its own request off.
    CallerGone,
    /// No answer in time.
    TimedOut,
    /// The request has more header lines than are looked at.
    TooManyHeaders,
    /// Too many requests are under way.
    Overloaded,
    /// The caller's body is beyond its limits.
    Body(BodyFault),
}

impl From<BodyFault> for ProxyError {
    fn from(fault: BodyFault) -> Self {
        Self::Body(fault)
    }
}

/// What the caller is told, in any form.
struct Answer {
    status: u16,
    /// The same in gRPC's terms.
    grpc: GrpcStatus,
    /// Which kind of failure it is, for programs.
    kind: &'static str,
    title: &'static str,
    /// One sentence. A gRPC message too, so plain ASCII without `%`.
    detail: &'static str,
    /// Tells the gateway's own errors from a region's.
    reason: Option<&'static str>,
    challenge: Option<&'static str>,
    retry_after: Option<&'static str>,
}

/// The codes of gRPC that are used here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum GrpcStatus {
    Cancelled = 1,
    DeadlineExceeded = 4,
    PermissionDenied = 7,
    ResourceExhausted = 8,
    Unavailable = 14,
    Unauthenticated = 16,
}

impl ProxyError {
    /// The code of what went wrong: of the refusal, or of the gateway's own
    /// error as its caller is told it.
    pub(crate) fn reason(&self) -> &'static str {
        match self {
            Self::Refused(refusal) => refusal.reason.code(),
            _ => self.answer().kind,
        }
    }

    /// Never a success: a sender takes that for an acknowledgement.
    fn answer(&self) -> Answer {
        match self {
            Self::Refused(refusal) => refused(refusal.answer()),
            Self::NoToken => own(
                503,
                GrpcStatus::Unavailable,
                "no_token",
                "Not available for the moment",
                "The gateway has no token for the service. Nothing was sent; try again.",
            ),
            Self::NoRegion => own(
                503,
                GrpcStatus::Unavailable,
                "no_region",
                "Not available for the moment",
                "No region of the service can be reached. Nothing was sent; try again.",
            ),
            // Whether to send again is for the sender to decide: the request
            // may have done its work.
            Self::Lost => own(
                502,
                GrpcStatus::Unavailable,
                "connection_lost",
                "The connection broke",
                "The service broke the connection off. The request may have done its work.",
            ),
            // Most likely nobody hears this.
            Self::CallerGone => own(
                400,
                GrpcStatus::Cancelled,
                "request_incomplete",
                "The request is incomplete",
                "The request broke off before its end.",
            ),
            Self::TimedOut => own(
                504,
                GrpcStatus::DeadlineExceeded,
                "timeout",
                "No answer in time",
                "The service did not answer in time. The request may have done its work.",
            ),
            Self::TooManyHeaders => own(
                431,
                GrpcStatus::ResourceExhausted,
                "too_many_headers",
                "Too many headers",
                "The request has more header lines than the gateway takes.",
            ),
            Self::Overloaded => Answer {
                retry_after: Some("1"),
                ..own(
                    503,
                    GrpcStatus::Unavailable,
                    "overloaded",
                    "Too many requests at once",
                    "Too many requests are under way. Nothing was sent; try again.",
                )
            },
            Self::Body(fault) => of_body(*fault),
        }
    }
}

/// What the caller is told of its own body.
fn of_body(fault: BodyFault) -> Answer {
    match fault {
        BodyFault::TooLarge => own(
            413,
            GrpcStatus::ResourceExhausted,
            "body_too_large",
            "The body is too large",
            "The request has a longer body than the gateway takes for it.",
        ),
        BodyFault::TooSlow => own(
            408,
            GrpcStatus::Cancelled,
            "body_too_slow",
            "The body came too slowly",
            "The rest of the request did not come in time.",
        ),
    }
}

/// An error of the gateway's own.
fn own(
    status: u16,
    grpc: GrpcStatus,
    kind: &'static str,
    title: &'static str,
    detail: &'static str,
) -> Answer {
    Answer {
        status,
        grpc,
        kind,
        title,
        detail,
        reason: Some(kind),
        challenge: None,
        retry_after: (status == 503).then_some("5"),
    }
}

/// No reason, and the same text for all that is wrong with a token: more would
/// help an attacker.
fn refused(answer: RefusalAnswer) -> Answer {
    let (grpc, kind, title, detail) = match answer {
        RefusalAnswer::Unauthenticated | RefusalAnswer::InvalidToken => (
            GrpcStatus::Unauthenticated,
            "unauthenticated",
            "Not authenticated",
            "The request needs an ID token that is valid for it.",
        ),
        RefusalAnswer::Forbidden => (
            GrpcStatus::PermissionDenied,
            "forbidden",
            "Not permitted",
            "The request is not permitted.",
        ),
        RefusalAnswer::Unavailable => (
            GrpcStatus::Unavailable,
            "unavailable",
            "Not available for the moment",
            "The request can't be checked right now. Nothing was sent; try again.",
        ),
    };
    Answer {
        status: answer.status(),
        grpc,
        kind,
        title,
        detail,
        reason: None,
        challenge: answer.challenge(),
        retry_after: answer.retry_after(),
    }
}

/// An error with all its causes, in one line.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        // Writing to a string does not fail.
        let _ = write!(text, ": {error}");
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_told_with_its_causes() {
        let cause = std::io::Error::other("reset");
        let address = crate::config::HostPort::parse("h:1", None).unwrap();
        let error = crate::upstream::ConnectError::Tcp(address, cause);
        assert_eq!(chain(&error), "no connection to h:1: reset");
    }
}
