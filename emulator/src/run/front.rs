//! The front end: checks a call, writes it down, passes it on or refuses it.

use std::sync::Arc;

use http::request::Parts;
use http::{HeaderMap, HeaderName, Request};
use hyper::body::Incoming;

use super::container::{Arrival, Container};
use super::iam::{Admitted, Checked, Iam, status_of, without_signature};
use super::page;
use crate::answers::Answer;
use crate::issuer::Issuer;
use crate::listener::Handler;
use crate::redact::without_tokens;
use crate::timeline::{Call, Timeline, Verdict};

/// How much of a value from outside the timeline keeps.
const SHOWN_CHARS: usize = 512;

/// The IAM front end of one service in one region.
pub(crate) struct FrontEnd {
    pub(crate) iam: Iam,
    pub(crate) issuer: Arc<Issuer>,
    pub(crate) timeline: Arc<Timeline>,
    pub(crate) container: Container,
}

impl Handler for FrontEnd {
    async fn handle(self: Arc<Self>, request: Request<Incoming>) -> Answer {
        let (mut parts, body) = request.into_parts();
        let checked = self.iam.check(&parts.headers);
        self.timeline.add(self.call(&parts, &checked));
        match checked.outcome {
            Ok(Admitted { header, audience, caller }) => {
                remove_signature(&mut parts.headers, &header);
                let arrival = Arrival { audience, caller };
                self.container.answer(parts, body, arrival).await
            }
            Err(reason) => page::refusal(status_of(reason), parts.uri.path()),
        }
    }
}

impl FrontEnd {
    fn call(&self, parts: &Parts, checked: &Checked) -> Call {
        let verdict = match &checked.outcome {
            Ok(_) => Verdict::Accepted,
            Err(reason) => {
                Verdict::Refused { status: status_of(*reason).as_u16(), code: reason.code() }
            }
        };
        let claimed = checked.claimed.as_ref();
        let request_id = parts.headers.get("x-request-id");
        Call {
            at: self.issuer.now(),
            service: self.container.service.clone(),
            region: self.container.region.clone(),
            method: parts.method.to_string(),
            path: shown(parts.uri.path()),
            audience: claimed.map(|claimed| shown(&claimed.audience)),
            caller: claimed.and_then(|claimed| claimed.caller.as_deref().map(shown)),
            verdict,
            request_id: request_id.and_then(|id| id.to_str().ok()).map(shown),
        }
    }
}

/// The token that was checked loses its signature, every time it was sent.
fn remove_signature(headers: &mut HeaderMap, name: &HeaderName) {
    let removed = headers.get(name).and_then(without_signature);
    match removed {
        Some(value) => drop(headers.insert(name, value)),
        None => drop(headers.remove(name)),
    }
}

/// A value from outside, cut and without tokens.
fn shown(text: &str) -> String {
    without_tokens(text).chars().take(SHOWN_CHARS).collect()
}
