//! What may be sent again, how often, and for how long: decisions without I/O
//! and without a clock.

mod budget;
mod memory;
mod time;

use std::time::Duration;

pub(crate) use budget::{Budget, Charge};
pub(crate) use memory::ReplayMemory;
pub(crate) use time::{read_grpc_timeout, write_grpc_timeout};

/// Why a request got no answer that its caller should have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// Not a byte was sent: no connection, or the stream was refused.
    Unsent,
    /// The stream was refused after a part of the request was sent.
    Refused,
    /// The connection broke after the request was sent, in part or whole.
    Lost,
    /// The region had its time for this attempt.
    TimedOut,
    /// The front end did not believe the gateway's token (401).
    TokenRefused,
    /// The front end does not let the gateway call the service (403).
    CallerRefused,
    /// The front end says that there is nothing at this path (404), and names
    /// it: the service's `ingress` keeps the gateway out, or there is none.
    NotFound,
    /// The same in words that name no path: an application may have passed
    /// them on.
    MaybeNotFound,
    /// The front end has no instance for the request (429).
    Full,
    /// IAP did not believe the gateway's token (401), or saw none (302).
    IapTokenRefused,
    /// IAP does not let the gateway's account in (403).
    IapCallerRefused,
    /// IAP refuses where the configuration knows of none: an application may
    /// have passed that on.
    IapInTheWay,
    /// The front end could not get an answer of the service (5xx).
    FrontEndFailed,
}

impl Cause {
    pub(crate) const ALL: [Self; 13] = [
        Self::Unsent,
        Self::Refused,
        Self::Lost,
        Self::TimedOut,
        Self::TokenRefused,
        Self::CallerRefused,
        Self::NotFound,
        Self::MaybeNotFound,
        Self::Full,
        Self::IapTokenRefused,
        Self::IapCallerRefused,
        Self::IapInTheWay,
        Self::FrontEndFailed,
    ];

    /// Its name in metrics and logs.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Unsent => "unsent",
            Self::Refused => "refused_stream",
            Self::Lost => "connection_lost",
            Self::TimedOut => "timeout",
            Self::TokenRefused => "front_end_401",
            Self::CallerRefused => "front_end_403",
            Self::NotFound => "front_end_404",
            Self::MaybeNotFound => "front_end_404_likely",
            Self::Full => "front_end_429",
            Self::IapTokenRefused => "iap_token",
            Self::IapCallerRefused => "iap_caller",
            Self::IapInTheWay => "iap_likely",
            Self::FrontEndFailed => "front_end_failed",
        }
    }

    /// Its place in [`Cause::ALL`].
    pub(crate) fn place(self) -> usize {
        Self::ALL.iter().position(|it| *it == self).unwrap_or_default()
    }

    /// Whether the service surely saw nothing of the request. A front end's
    /// 429, 500 and 503 are not sure: they also stand for a container that
    /// took the request and broke down over it (Cloud Run's documentation,
    /// "Troubleshoot Cloud Run issues").
    ///
    /// Neither is a 404 whose page names no path: an application that calls
    /// another service passes the same page on, and has done its work by then.
    /// So only what may be done twice goes elsewhere for it, or for an answer of
    /// IAP's where none is expected.
    pub(crate) fn is_unprocessed(self) -> bool {
        matches!(
            self,
            Self::Unsent
                | Self::Refused
                | Self::TokenRefused
                | Self::CallerRefused
                | Self::NotFound
                | Self::IapTokenRefused
                | Self::IapCallerRefused
        )
    }

    /// Whether it is surely Google who spoke and not the application. IAP marks
    /// its own answers; one that is passed on with the mark says all the same
    /// that IAP stands somewhere in the way.
    pub(crate) fn is_sure(self) -> bool {
        self.is_unprocessed() || self == Self::IapInTheWay
    }
}

/// How one rule's requests may be tried.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Limits {
    /// Attempts for one request, the first included.
    pub(crate) attempts: usize,
    /// Whether the rule says that any request may be processed twice.
    pub(crate) at_least_once: bool,
    /// So many bytes of a body are held.
    pub(crate) replay_limit: usize,
    /// From the request's arrival to the answer's headers.
    pub(crate) timeout: Duration,
    /// The same for one attempt of several. If there is none, an attempt has
    /// all the time that is left: a handler that works for long is not dead,
    /// and would do its work twice.
    pub(crate) per_try_timeout: Option<Duration>,
}

/// Where a request stands after an attempt that came to nothing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Case {
    pub(crate) cause: Cause,
    /// The method is idempotent, or the rule takes requests at least once.
    pub(crate) is_harmless: bool,
    /// The request can be sent again as it was, from its first byte on.
    pub(crate) is_held: bool,
    /// Attempts so far, and how many there may be.
    pub(crate) made: usize,
    pub(crate) attempts: usize,
    /// Whether there is anywhere to send it now: a region that it was not tried
    /// in and that is not left alone, or the same one with another token.
    pub(crate) has_place: bool,
}

/// What becomes of it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is sent again. Who does not do so in the end gives this back.
    Again(Charge),
    /// It may not be processed twice, or was tried everywhere or enough.
    Over,
    /// It would be sent again, but its body was too long to be held.
    NotHeld,
    /// It would be sent again, but too many were.
    OverBudget,
}

/// Decides, and takes from the budget what is sent again.
pub(crate) fn decide(case: Case, budget: &Budget, now: std::time::Instant) -> Verdict {
    let Case { cause, is_harmless, is_held, made, attempts, has_place } = case;
    let is_allowed = cause.is_unprocessed() || is_harmless;
    if !is_allowed || made >= attempts || !has_place {
        return Verdict::Over;
    }
    // An unsent request came back as it was.
    if !is_held && cause != Cause::Unsent {
        return Verdict::NotHeld;
    }
    // What no service has seen can't double its load, and to refuse it would
    // lose requests just when a region dies and is not ejected yet. It is
    // counted, so that it leaves less for the others.
    if cause.is_unprocessed() {
        return Verdict::Again(budget.note_retry(now));
    }
    budget.take(now).map_or(Verdict::OverBudget, Verdict::Again)
}

#[cfg(test)]
mod tests;
