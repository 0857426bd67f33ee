//! The front end: checks a call, writes it down, passes it on or refuses it.

use std::future::pending;
use std::sync::Arc;

use http::header::{HOST, SERVER};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Uri};
use hyper::body::Incoming;

use super::backend::Way;
use super::container::{Arrival, Container};
use super::gate::{Gate, Pass, Refusal};
use super::iam::{Admitted, without_signature};
use super::limits::{Bounded, Permit};
use super::url::is_below;
use super::{headers, page};
use crate::answers::Answer;
use crate::faults::{RegionFault, RegionFaults};
use crate::issuer::Issuer;
use crate::listener::Handler;
use crate::named;
use crate::origin::Origin;
use crate::redact::shown;
use crate::timeline::{Call, Part, Timeline, Verdict};

/// The front end of one service in one region.
pub(crate) struct FrontEnd {
    pub(crate) faults: Arc<RegionFaults>,
    pub(crate) gate: Gate,
    pub(crate) issuer: Arc<Issuer>,
    pub(crate) timeline: Arc<Timeline>,
    pub(crate) container: Container,
}

/// What comes of a call.
enum Outcome {
    Served(Box<Served>),
    /// The container can't be reached, and why.
    Unavailable(String),
    Refused(Refusal),
}

/// All that serving takes.
struct Served {
    pass: Pass,
    permit: Permit,
    way: Way,
}

impl Handler for FrontEnd {
    /// Google's name stands in all answers, also where a container says its own
    /// (an ESPv2 on Cloud Run: GoogleCloudPlatform/esp-v2 issue 430).
    async fn handle(self: Arc<Self>, request: Request<Incoming>) -> Answer {
        let mut answer = self.answer(request).await;
        answer.headers_mut().insert(SERVER, HeaderValue::from_static("Google Frontend"));
        answer
    }
}

impl FrontEnd {
    async fn answer(self: Arc<Self>, request: Request<Incoming>) -> Answer {
        let (parts, body) = request.into_parts();
        let fault = self.faults.now();
        // Without a key the check finds none of Google's, and refuses.
        let _ = self.issuer.ready().await;
        let mut call = self.call(&parts);
        let outcome = self.outcome(&parts, &mut call).await;
        (call.verdict, call.note) = verdict(&outcome, fault, call.note);
        self.timeline.add(call);
        if let Some(answer) = failed(fault).await {
            return answer;
        }
        match outcome {
            Outcome::Served(served) => self.serve(*served, parts, body).await,
            Outcome::Unavailable(_) => page::failure(http::StatusCode::SERVICE_UNAVAILABLE),
            Outcome::Refused(refusal) => {
                let url = parts.uri.path_and_query().map_or("/", PathAndQuery::as_str);
                refusal.page(url)
            }
        }
    }

    /// Judges a call, and adds to its line what was found.
    async fn outcome(&self, parts: &Parts, call: &mut Call) -> Outcome {
        let host = host(parts).map(named::without_port).unwrap_or_default();
        let judged = self.gate.judge(parts, host, self.container.max_body());
        call.audience = judged.claimed.as_ref().map(|claimed| shown(&claimed.audience));
        call.caller = judged.claimed.and_then(|claimed| claimed.caller.as_deref().map(shown));
        call.note = judged.note;
        match judged.outcome {
            Err(refusal) => Outcome::Refused(refusal),
            Ok((pass, permit)) => match self.container.behind.reach().await {
                Ok(way) => Outcome::Served(Box::new(Served { pass, permit, way })),
                Err(why) => Outcome::Unavailable(why),
            },
        }
    }

    /// Passes a call on to the container, as that is to see it.
    async fn serve(&self, served: Served, mut parts: Parts, body: Incoming) -> Answer {
        let Served { pass, permit, way } = served;
        let mut arrival = Arrival { tag: pass.tag, ..Arrival::default() };
        if let Admitted::Caller { header, audience, caller } = pass.admitted {
            remove_signature(&mut parts.headers, &header);
            arrival.audience = Some(audience);
            arrival.caller = Some(caller);
        }
        if pass.is_function {
            headers::strip_for_function(&mut parts.headers);
        }
        if let Some(path) = pass.below {
            keep_only_what_is_below(&path, &mut parts);
        }
        let body = Bounded::new(body, pass.max_body);
        permit.held_by(self.container.answer(way, parts, body, arrival).await)
    }

    /// A call's line, of which the verdict is still to come.
    fn call(&self, parts: &Parts) -> Call {
        Call {
            at: self.issuer.now(),
            part: Part::FrontEnd,
            service: self.container.service.clone(),
            region: self.container.region.clone(),
            method: parts.method.to_string(),
            path: shown(parts.uri.path()),
            host: host(parts).map(shown),
            audience: None,
            caller: None,
            origin: parts.extensions.get::<Origin>().copied(),
            verdict: Verdict::Accepted,
            note: None,
            request_id: named::request_id(&parts.headers),
        }
    }
}

/// What the timeline says of an outcome: the verdict, and what else there is.
fn verdict(
    outcome: &Outcome,
    fault: Option<RegionFault>,
    note: Option<String>,
) -> (Verdict, Option<String>) {
    match outcome {
        _ if !matches!(fault, None | Some(RegionFault::Latency(_))) => (Verdict::Failed, note),
        Outcome::Served(_) => (Verdict::Accepted, note),
        Outcome::Unavailable(why) => (
            Verdict::Failed,
            Some(note.into_iter().chain([why.clone()]).collect::<Vec<_>>().join("; ")),
        ),
        Outcome::Refused(refusal) => {
            (Verdict::Refused { status: refusal.status().as_u16(), code: refusal.code() }, note)
        }
    }
}

/// The host that a request names.
fn host(parts: &Parts) -> Option<&str> {
    named::host(&parts.uri, &parts.headers)
}

/// The container sees no more of the target than what is below the function.
fn keep_only_what_is_below(path: &str, parts: &mut Parts) {
    let Some(uri) = below(path, &parts.uri) else {
        return;
    };
    // HTTP/2 names the host in the target, which is another now.
    let host = host(parts).and_then(|host| HeaderValue::from_str(host).ok());
    if let Some(host) = host {
        parts.headers.insert(HOST, host);
    }
    parts.uri = uri;
}

fn below(path: &str, uri: &Uri) -> Option<Uri> {
    if !is_below(path, uri.path()) {
        return None;
    }
    match uri.path_and_query()?.as_str().strip_prefix(path)? {
        rest if rest.starts_with('/') => rest.parse().ok(),
        rest => format!("/{rest}").parse().ok(),
    }
}

/// The answer of a region that fails, or nothing, late, if it is only slow.
async fn failed(fault: Option<RegionFault>) -> Option<Answer> {
    match fault? {
        RegionFault::Latency(wait) => {
            tokio::time::sleep(wait).await;
            None
        }
        RegionFault::Hang => pending().await,
        RegionFault::Reset => Some(crate::answers::reset()),
        RegionFault::FrontEnd(status) => Some(page::failure(status)),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_sees_what_is_below_its_path_with_the_query() {
        for (uri, seen) in [
            ("/f", "/"),
            ("/f?a=b", "/?a=b"),
            ("/f/", "/"),
            ("/f/a?b", "/a?b"),
            ("https://host/f/a", "/a"),
        ] {
            assert_eq!(below("/f", &uri.parse().unwrap()).unwrap(), seen, "{uri}");
        }
        assert_eq!(below("/f", &"/fa".parse().unwrap()), None);
    }
}
