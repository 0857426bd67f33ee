//! The front end: checks a call, writes it down, passes it on or refuses it.

use std::future::pending;
use std::sync::Arc;

use http::header::HOST;
use http::request::Parts;
use http::uri::{Authority, PathAndQuery};
use http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode, Uri};
use hyper::body::Incoming;

use super::container::{Arrival, Container};
use super::iam::{Admitted, Checked, Iam, status_of, without_signature};
use super::page;
use super::url::Urls;
use crate::answers::{Answer, reset, text};
use crate::faults::{RegionFault, RegionFaults};
use crate::issuer::Issuer;
use crate::listener::Handler;
use crate::origin::Origin;
use crate::redact::shown;
use crate::timeline::{Call, Part, Timeline, Verdict};

/// The IAM front end of one service in one region.
pub(crate) struct FrontEnd {
    pub(crate) faults: Arc<RegionFaults>,
    pub(crate) urls: Urls,
    pub(crate) iam: Iam,
    pub(crate) issuer: Arc<Issuer>,
    pub(crate) timeline: Arc<Timeline>,
    pub(crate) container: Container,
}

impl Handler for FrontEnd {
    async fn handle(self: Arc<Self>, request: Request<Incoming>) -> Answer {
        let (mut parts, body) = request.into_parts();
        let function = host(&parts).and_then(|host| self.urls.function_at(host));
        let fault = self.faults.now();
        // Without a key the check finds none of Google's, and refuses.
        let _ = self.issuer.ready().await;
        let checked = self.iam.check(&parts.headers, function.is_some());
        self.timeline.add(self.call(&parts, &checked, fault));
        if let Some(answer) = failed(fault).await {
            return answer;
        }
        match checked.outcome {
            Ok(Admitted { header, audience, caller }) => {
                remove_signature(&mut parts.headers, &header);
                if let Some(below) = function.map(|path| below(path, &parts.uri)) {
                    let Some(uri) = below else {
                        return text(StatusCode::NOT_FOUND, "there is no function of this name\n");
                    };
                    // HTTP/2 names the host in the target, which is another now.
                    let host = host(&parts).and_then(|host| HeaderValue::from_str(host).ok());
                    if let Some(host) = host {
                        parts.headers.insert(HOST, host);
                    }
                    parts.uri = uri;
                }
                let arrival = Arrival { audience, caller };
                self.container.answer(parts, body, arrival).await
            }
            Err(reason) => {
                let url = parts.uri.path_and_query().map_or("/", PathAndQuery::as_str);
                page::refusal(status_of(reason), url)
            }
        }
    }
}

/// The host that a request names.
fn host(parts: &Parts) -> Option<&str> {
    let header = || parts.headers.get(HOST).and_then(|host| host.to_str().ok());
    parts.uri.authority().map(Authority::as_str).or_else(header)
}

/// What the function at `path` sees of a target: all below it. None if it is
/// for another function.
fn below(path: &str, uri: &Uri) -> Option<Uri> {
    let rest = uri.path_and_query()?.as_str().strip_prefix(path)?;
    match rest.as_bytes().first() {
        Some(b'/') => rest.parse().ok(),
        None | Some(b'?') => format!("/{rest}").parse().ok(),
        Some(_) => None,
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
        RegionFault::Reset => Some(reset()),
        RegionFault::FrontEnd(status) => Some(page::failure(status)),
    }
}

impl FrontEnd {
    fn call(&self, parts: &Parts, checked: &Checked, fault: Option<RegionFault>) -> Call {
        let verdict = match &checked.outcome {
            _ if !matches!(fault, None | Some(RegionFault::Latency(_))) => Verdict::Failed,
            Ok(_) => Verdict::Accepted,
            Err(reason) => {
                Verdict::Refused { status: status_of(*reason).as_u16(), code: reason.code() }
            }
        };
        let claimed = checked.claimed.as_ref();
        let request_id = parts.headers.get("x-request-id");
        Call {
            at: self.issuer.now(),
            part: Part::FrontEnd,
            service: self.container.service.clone(),
            region: self.container.region.clone(),
            method: parts.method.to_string(),
            path: shown(parts.uri.path()),
            host: host(parts).map(shown),
            audience: claimed.map(|claimed| shown(&claimed.audience)),
            caller: claimed.and_then(|claimed| claimed.caller.as_deref().map(shown)),
            origin: parts.extensions.get::<Origin>().copied(),
            verdict,
            note: None,
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
