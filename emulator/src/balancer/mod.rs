//! A load balancer in front of a service's regions, as one with a backend
//! service of serverless network endpoint groups is.
//!
//! Such a backend service has no health checks, and a region that fails keeps
//! its share of the requests unless outlier detection is set up (Cloud Load
//! Balancing, "Serverless network endpoint groups overview"). So this one looks
//! at no health and retries nothing: what it would take to do without the
//! failures is what its users are to find out.
//!
//! Cloud Run sees the load balancer's own host in `Host`. It is told which
//! service is meant by the connection, and the audience of tokens stays the
//! service's URL.

mod failure;
mod headers;
mod picker;

use std::net::IpAddr;
use std::sync::Arc;

use http::request::Parts;
use http::{Request, StatusCode, Version};
use http_body_util::{BodyExt, Full};
use hyper::body::{Body as _, Incoming};
use remint_idtoken::Reason;

use crate::answers::{Answer, Body};
use crate::config::{Config, LoadBalancer};
use crate::forward::{Protocol, forward};
use crate::google::Google;
use crate::iap::Guard;
use crate::issuer::{Issuer, KeyError};
use crate::listener::Handler;
use crate::named;
use crate::network::Place;
use crate::origin::Origin;
use crate::redact::shown;
use crate::run::{NO_PERMISSION, Region};
use crate::timeline::{Call, Part, Timeline, Verdict};
use picker::Picker;

/// The longest answer that is read to see whether Cloud Run has refused a call.
const LONGEST_REFUSAL: u64 = 64 * 1024;

/// What answers at a load balancer's host.
pub(crate) struct Balancer {
    service: String,
    regions: Vec<Backend>,
    picker: Picker,
    guard: Option<Guard>,
    /// Its own address, for `X-Forwarded-For`.
    addr: IpAddr,
    issuer: Arc<Issuer>,
    timeline: Arc<Timeline>,
}

/// A region behind it.
struct Backend {
    name: String,
    /// What its front end takes as audience.
    audience: String,
    place: Arc<dyn Place>,
}

impl Backend {
    fn of(region: &Region) -> Self {
        Self {
            name: region.region.clone(),
            audience: region.urls.deterministic.clone(),
            place: Arc::clone(&region.listener) as Arc<dyn Place>,
        }
    }
}

/// Why a load balancer can't be set up.
#[derive(Debug, thiserror::Error)]
pub enum BalancerError {
    /// There is nothing behind it.
    #[error("there is no service {0:?} with regions")]
    Service(String),
    /// A weight is for a region that the service does not have.
    #[error("the service has no region {0:?}")]
    Region(String),
    /// No region would ever be picked.
    #[error("no region has a weight")]
    Weights,
    /// IAP has no key.
    #[error("IAP has no key")]
    Key(#[from] KeyError),
}

impl Balancer {
    /// One in front of the regions of its service among `regions`.
    pub(crate) fn new(
        settings: &LoadBalancer,
        config: &Config,
        regions: &[Region],
        google: &Google,
    ) -> Result<Self, BalancerError> {
        let service = settings.service.clone();
        let regions = regions.iter().filter(|region| region.service == service);
        let regions: Vec<Backend> = regions.map(Backend::of).collect();
        if regions.is_empty() {
            return Err(BalancerError::Service(service));
        }
        let names: Vec<_> = regions.iter().map(|region| region.name.as_str()).collect();
        Ok(Self {
            picker: Picker::new(&settings.picking, &names)?,
            guard: Guard::new(settings, config, google)?,
            service,
            regions,
            addr: config.host,
            issuer: Arc::clone(&google.issuer),
            timeline: Arc::clone(&google.senders.timeline),
        })
    }

    async fn pass_on(
        &self,
        region: &Backend,
        parts: Parts,
        body: Incoming,
    ) -> Result<Answer, String> {
        let protocol = match parts.version {
            Version::HTTP_2 => Protocol::Http2,
            _ => Protocol::Http1,
        };
        let stream = region.place.connect(Origin::LoadBalancer).await;
        let stream = stream.map_err(|error| format!("no connection: {error}"))?;
        let answer = forward(Box::new(stream), protocol, parts, body).await;
        answer.map_err(|error| error.to_string())
    }

    /// What there is to say of an answer beyond its status.
    fn remark(&self, region: &Backend, is_refusal: bool) -> Option<String> {
        let identity = self.guard.as_ref().filter(|_| is_refusal)?.identity();
        let (service, region) = (&self.service, &region.name);
        let code = Reason::IapInvokerMissing.code();
        Some(format!(
            "{code}: IAP calls as {identity}, which needs roles/run.invoker on {service} in {region}"
        ))
    }
}

impl Handler for Balancer {
    async fn handle(self: Arc<Self>, request: Request<Incoming>) -> Answer {
        let (mut parts, mut body) = request.into_parts();
        if let Some(guard) = &self.guard {
            match guard.admit(parts, body).await {
                Ok(admitted) => (parts, body) = admitted,
                Err(answer) => return headers::marked(answer),
            }
        }
        let wanted = headers::take_client_region(&mut parts.headers);
        let picked = self.picker.pick(wanted.as_deref());
        let Some(region) = self.regions.get(picked) else {
            return failure::page(StatusCode::SERVICE_UNAVAILABLE);
        };
        headers::add(&mut parts, self.addr);
        if let Some(guard) = &self.guard {
            guard.authorize(&mut parts.headers, &region.audience);
        }
        let mut call = self.call(&parts, region);
        let answer = match self.pass_on(region, parts, body).await {
            Ok(answer) => {
                let (answer, is_refusal) = front_end_refusal(answer).await;
                call.verdict = Verdict::Answered(answer.status().as_u16());
                call.note = self.remark(region, is_refusal);
                answer
            }
            Err(why) => {
                call.note = Some(shown(&why));
                failure::page(StatusCode::SERVICE_UNAVAILABLE)
            }
        };
        self.timeline.add(call);
        headers::marked(answer)
    }
}

impl Balancer {
    /// What the timeline has of a request that goes to a region, as long as
    /// there is no answer.
    fn call(&self, parts: &Parts, region: &Backend) -> Call {
        Call {
            at: self.issuer.now(),
            part: Part::LoadBalancer,
            service: self.service.clone(),
            region: region.name.clone(),
            method: parts.method.to_string(),
            path: shown(parts.uri.path()),
            host: named::host(&parts.uri, &parts.headers).map(shown),
            audience: None,
            caller: None,
            origin: parts.extensions.get::<Origin>().copied(),
            verdict: Verdict::Failed,
            note: None,
            request_id: named::request_id(&parts.headers),
        }
    }
}

/// Whether Cloud Run has refused the caller, and not the service behind it: by
/// its page, as there is nothing else to tell it by. The answer is as it was.
async fn front_end_refusal(answer: Answer) -> (Answer, bool) {
    let is_short = answer.body().size_hint().exact().is_some_and(|it| it <= LONGEST_REFUSAL);
    if answer.status() != StatusCode::FORBIDDEN || !is_short {
        return (answer, false);
    }
    let (head, body) = answer.into_parts();
    let Ok(body) = body.collect().await else {
        return (failure::page(StatusCode::BAD_GATEWAY), false);
    };
    let body = body.to_bytes();
    let is_refusal = String::from_utf8_lossy(&body).contains(NO_PERMISSION);
    let body = Body::new(Full::new(body).map_err(|never| match never {}));
    (Answer::from_parts(head, body), is_refusal)
}
