//! What a call must pass, in this order: it must be for something that is here;
//! `ingress` must let it in; its token must be good; it must not be too large;
//! and there must be room for it.
//!
//! No page of Google's says in which order its front ends look. `ingress` comes
//! before the token because it is a matter of the network: a refused caller gets
//! 404 whatever token it has (Cloud Run, "Troubleshoot").

use http::StatusCode;
use http::request::Parts;
use remint_idtoken::Reason;

use super::iam::{Admitted, Checked, Iam, status_of};
use super::limits::{Concurrency, MAX_TO_FUNCTION, Permit, says_too_large};
use super::url::{Target, Urls};
use super::{ingress, page};
use crate::answers::Answer;
use crate::config::Ingress;
use crate::origin::Origin;
use crate::verifier::Claimed;

/// All that stands before a container.
pub(crate) struct Gate {
    pub(crate) urls: Urls,
    pub(crate) ingress: Ingress,
    pub(crate) iam: Iam,
    pub(crate) concurrency: Concurrency,
}

/// What was found.
pub(super) struct Judged {
    /// What the token claims, if it was looked at.
    pub(super) claimed: Option<Claimed>,
    pub(super) note: Option<String>,
    pub(super) outcome: Result<(Pass, Permit), Refusal>,
}

/// A call that may go on.
pub(super) struct Pass {
    pub(super) admitted: Admitted,
    /// The traffic tag that was called.
    pub(super) tag: Option<String>,
    pub(super) is_function: bool,
    /// The path that the container does not see.
    pub(super) below: Option<String>,
    /// The largest request that it takes.
    pub(super) max_body: Option<u64>,
}

/// Why a call may not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// There is no such thing: the code says what.
    Nothing(&'static str),
    Ingress,
    Token {
        reason: Reason,
        /// Whether other front ends would let it in.
        is_propagating: bool,
    },
    TooLarge,
    Busy,
}

impl Refusal {
    pub(super) fn status(self) -> StatusCode {
        match self {
            Self::Nothing(_) | Self::Ingress => StatusCode::NOT_FOUND,
            Self::Token { reason, .. } => status_of(reason),
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Busy => StatusCode::TOO_MANY_REQUESTS,
        }
    }

    /// As the timeline has it.
    pub(super) fn code(self) -> &'static str {
        match self {
            Self::Nothing(code) => code,
            Self::Ingress => Reason::IngressRefused.code(),
            Self::Token { is_propagating: true, .. } => Reason::IamPropagating.code(),
            Self::Token { reason, .. } => reason.code(),
            Self::TooLarge => "request_too_large",
            Self::Busy => Reason::RegionFull.code(),
        }
    }

    /// The page for a call to that path with its query.
    pub(super) fn page(self, url: &str) -> Answer {
        match self {
            Self::Nothing(_) | Self::Ingress => page::not_found(),
            Self::Token { reason, .. } => page::refusal(status_of(reason), url),
            Self::TooLarge => page::too_large(),
            Self::Busy => page::failure(StatusCode::TOO_MANY_REQUESTS),
        }
    }
}

impl Gate {
    /// Judges a call to `host`, which has no port, of a container that takes
    /// requests of at most so many bytes.
    pub(super) fn judge(&self, parts: &Parts, host: &str, max_body: Option<u64>) -> Judged {
        let target = self.urls.target(host, parts.uri.path());
        let origin = parts.extensions.get::<Origin>().copied().unwrap_or(Origin::Internet);
        let refused = |refusal| Judged { claimed: None, note: None, outcome: Err(refusal) };
        let (tag, below, is_function) = match target {
            Target::Nothing(code) => return refused(Refusal::Nothing(code)),
            Target::Service { tag, .. } => (tag, None, false),
            Target::Function { below } => (None, below, true),
        };
        if !ingress::lets_in(self.ingress, origin, target, &parts.headers) {
            return refused(Refusal::Ingress);
        }
        let Checked { claimed, outcome, propagating_until } =
            self.iam.check(&parts.headers, host, is_function);
        let tagged = tag.map(|tag| format!("tag {tag}"));
        let spreading = propagating_until.map(|at| {
            let code = Reason::IamPropagating.code();
            format!("{code}: not all front ends know the last change of invokers before {at}")
        });
        let notes: Vec<_> = tagged.into_iter().chain(spreading).collect();
        let is_propagating = propagating_until.is_some();
        let max_body = if is_function { Some(MAX_TO_FUNCTION) } else { max_body };
        let outcome = match outcome {
            Err(reason) => Err(Refusal::Token { reason, is_propagating }),
            Ok(_) if says_too_large(&parts.headers, max_body) => Err(Refusal::TooLarge),
            Ok(admitted) => {
                let (tag, below) = (tag.map(str::to_owned), below.map(str::to_owned));
                let pass = Pass { admitted, tag, is_function, below, max_body };
                self.concurrency.permit().map(|permit| (pass, permit)).ok_or(Refusal::Busy)
            }
        };
        Judged { claimed, note: (!notes.is_empty()).then(|| notes.join("; ")), outcome }
    }
}
