//! Requests of the gateway's own, by which it looks after regions.

use std::sync::Arc;

use http::header::USER_AGENT;
use http::{HeaderValue, Request, Uri};
use http_body_util::{BodyExt, Limited};
use tokio::time::{sleep, timeout};
use tracing::info;

use crate::balance::{Cause, Probed};
use crate::clock::Clock;
use crate::config::Probe;
use crate::mint::MintedToken;
use crate::random;
use crate::service::{Region, Service};
use crate::upstream::RequestBody;

const AGENT: HeaderValue = HeaderValue::from_static("remint-probe");
/// An answer is read to its end, so that its connection can be used again, but
/// no further than this.
const MAX_BYTES: usize = 64 * 1024;

/// Probes a region for as long as it is polled.
pub(crate) async fn keep_probing(
    service: Arc<Service>,
    place: usize,
    settings: Probe,
    clock: Arc<dyn Clock>,
) {
    let (Some(region), Ok(uri)) = (service.regions.get(place), settings.path.parse()) else {
        return;
    };
    // Many instances do not probe a region all at once.
    sleep(settings.interval.mul_f64(random::unit())).await;
    loop {
        // That there is no token says nothing about the region.
        if let Some(token) = region.token.token(clock.now()) {
            let asked = timeout(settings.timeout, is_well(region, &uri, &token)).await;
            note(&service, region, asked.unwrap_or(false), &settings);
        }
        sleep(settings.interval).await;
    }
}

fn note(service: &Service, region: &Region, is_well: bool, settings: &Probe) {
    if !is_well {
        region.pool.close_idle();
    }
    let now = std::time::Instant::now();
    match service.balancer.probed(region.place, is_well, settings, now) {
        Probed::Same => {}
        Probed::Ejected => region.ejected(&service.name, Cause::Probes),
        Probed::Back => {
            info!(service = &*service.name, region = &*region.name, "region is back: probes are");
        }
    }
}

/// Whether the region answers as it should: with success or a redirection.
async fn is_well(region: &Region, uri: &Uri, token: &MintedToken) -> bool {
    let Some(uri) = region.target(uri) else {
        return false;
    };
    let mut request = Request::new(RequestBody::none());
    *request.uri_mut() = uri;
    request.headers_mut().insert(USER_AGENT, AGENT);
    region.address(request.headers_mut(), token);
    let Ok(response) = region.pool.send(request).await else {
        return false;
    };
    let status = response.status();
    let body = Limited::new(response.into_body(), MAX_BYTES);
    // A body that breaks off, and one that is too long, are no matter.
    let _ = body.collect().await;
    status.is_success() || status.is_redirection()
}
