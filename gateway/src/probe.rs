//! Requests of the gateway's own, by which it looks after regions.

use std::sync::Arc;

use http::header::USER_AGENT;
use http::{HeaderValue, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Limited};
use tokio::time::{sleep, timeout};
use tracing::{debug, info, warn};

use crate::balance::{Cause, Probed};
use crate::clock::Clock;
use crate::config::Probe;
use crate::error::chain;
use crate::mint::MintedToken;
use crate::random;
use crate::service::{Region, Service};
use crate::upstream::{ConnectError, LostError, RequestBody, SendError};

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
            let asked = timeout(settings.timeout, ask(region, &uri, &token)).await;
            note(&service, region, asked.unwrap_or(Err(ProbeError::TimedOut)), &settings);
        }
        sleep(settings.interval).await;
    }
}

/// Why a probe is a bad one.
#[derive(Debug, thiserror::Error)]
enum ProbeError {
    #[error("the path is too long")]
    Path,
    #[error("the region can't be reached")]
    Unreachable(#[from] Arc<ConnectError>),
    #[error("the connection was lost")]
    Lost(#[from] LostError),
    #[error("the answer is {0}")]
    Status(StatusCode),
    #[error("no answer in time")]
    TimedOut,
}

impl ProbeError {
    /// Whether it says nothing about the region.
    fn is_own_trouble(&self) -> bool {
        matches!(self, Self::Unreachable(error) if error.is_own_trouble())
    }

    /// Whether other connections may be broken too. Whoever answers is well.
    fn is_of_connection(&self) -> bool {
        match self {
            Self::Unreachable(_) | Self::TimedOut => true,
            Self::Lost(error) => error.is_of_connection(),
            Self::Path | Self::Status(_) => false,
        }
    }
}

fn note(service: &Service, region: &Region, asked: Result<(), ProbeError>, settings: &Probe) {
    if let Err(error) = &asked
        && error.is_own_trouble()
    {
        let (service, region) = (&*service.name, &*region.name);
        return warn!(service, region, error = %chain(error), "no probe");
    }
    let now = std::time::Instant::now();
    let probed = service.balancer.probed(region.place, asked.is_ok(), settings, now);
    let (service, name) = (&*service.name, &*region.name);
    if let Err(error) = &asked {
        if error.is_of_connection() {
            region.pool.close_idle();
        }
        debug!(service, region = name, error = %chain(error), "bad probe");
    }
    match (probed, asked) {
        (Probed::Ejected, Err(error)) => {
            warn!(service, region = name, error = %chain(&error), "probes are bad");
            region.ejected(service, Cause::Probes);
        }
        (Probed::Back, _) => info!(service, region = name, "region is back: probes are good"),
        _ => {}
    }
}

/// Success and redirections are good answers.
async fn ask(region: &Region, uri: &Uri, token: &MintedToken) -> Result<(), ProbeError> {
    let mut request = Request::new(RequestBody::none());
    *request.uri_mut() = region.target(uri).ok_or(ProbeError::Path)?;
    request.headers_mut().insert(USER_AGENT, AGENT);
    region.address(request.headers_mut(), token);
    let response = region.pool.send(request).await.map_err(|error| match error {
        SendError::Unsent(_, error) => ProbeError::Unreachable(error),
        SendError::Lost(error) => ProbeError::Lost(error),
    })?;
    let status = response.status();
    let body = Limited::new(response.into_body(), MAX_BYTES);
    // A body that breaks off, and one that is too long, are no matter.
    let _ = body.collect().await;
    match status.is_success() || status.is_redirection() {
        true => Ok(()),
        false => Err(ProbeError::Status(status)),
    }
}
