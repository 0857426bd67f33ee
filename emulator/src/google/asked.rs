//! What was asked of a server of tokens and what came of it, for the timeline.

use http::{Request, StatusCode};
use remint_idtoken::UnixTime;

use super::Google;
use crate::answers::Answer;
use crate::faults::{Fault, Server};
use crate::named;
use crate::origin::Origin;
use crate::redact::shown;
use crate::timeline::{Call, Part, Verdict};

/// A request for a token. Its query and body are not kept: tokens are in them.
pub(super) struct Asked {
    part: Part,
    /// What was asked for, such as `identity` or `generateIdToken`.
    what: String,
    method: String,
    path: String,
    host: Option<String>,
    origin: Option<Origin>,
    request_id: Option<String>,
}

/// What came of it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Outcome {
    /// For whom the token is.
    pub(super) audience: Option<String>,
    /// Whose request it was, or whose token.
    pub(super) caller: Option<String>,
    /// Why there is no token, as a code.
    pub(super) refused: Option<&'static str>,
    /// What else there is to say.
    pub(super) note: Option<String>,
}

impl Outcome {
    /// Nothing was given.
    pub(super) fn refused(code: &'static str, note: impl Into<String>) -> Self {
        Self { refused: Some(code), note: Some(note.into()), ..Self::default() }
    }
}

impl Asked {
    pub(super) fn of<B>(request: &Request<B>, part: Part, what: &str) -> Self {
        Self {
            part,
            what: shown(what),
            method: request.method().to_string(),
            path: shown(request.uri().path()),
            host: named::host(request.uri(), request.headers()).map(shown),
            origin: request.extensions().get::<Origin>().copied(),
            request_id: named::request_id(request.headers()),
        }
    }

    fn call(&self, at: UnixTime, verdict: Verdict, outcome: &Outcome) -> Call {
        Call {
            at,
            part: self.part,
            service: self.what.clone(),
            region: String::new(),
            method: self.method.clone(),
            path: self.path.clone(),
            host: self.host.clone(),
            audience: outcome.audience.as_deref().map(shown),
            caller: outcome.caller.as_deref().map(shown),
            origin: self.origin,
            verdict,
            note: outcome.note.as_deref().map(shown),
            request_id: self.request_id.clone(),
        }
    }
}

impl Google {
    /// Writes down what came of a request.
    pub(super) fn record(&self, asked: &Asked, status: StatusCode, outcome: &Outcome) {
        let verdict = match outcome.refused {
            None => Verdict::Accepted,
            Some(code) => Verdict::Refused { status: status.as_u16(), code },
        };
        self.senders.timeline.add(asked.call(self.issuer.now(), verdict, outcome));
    }

    /// The answer of a server that may have been told to fail. What the fault
    /// keeps from being asked is written down here.
    pub(super) async fn or_fault(
        &self,
        server: Server,
        asked: Option<&Asked>,
        honest: impl Future<Output = Answer>,
    ) -> Answer {
        let Some(fault) = self.faults.of(server) else {
            return honest.await;
        };
        if let (Some(asked), false) = (asked, fault.asks()) {
            let note = Some(format!("the server had been told to fail: {fault:?}"));
            let outcome = Outcome { note, ..Outcome::default() };
            self.senders.timeline.add(asked.call(self.issuer.now(), Verdict::Failed, &outcome));
        }
        fault.answer(honest).await
    }
}

impl Fault {
    /// Whether what was asked for is made at all.
    fn asks(self) -> bool {
        matches!(self, Self::WrongContentType | Self::Oversized)
    }
}
