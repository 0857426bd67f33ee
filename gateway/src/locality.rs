//! Finds out in which region the gateway runs.

use std::sync::Arc;

use http::{HeaderMap, StatusCode};
use tracing::{info, warn};

use crate::error::chain;
use crate::mint::FLAVOR;
use crate::pauses::Pauses;
use crate::service::Service;
use crate::upstream::{FetchError, Fetcher};

/// Answered with `projects/NUMBER/regions/REGION` (Cloud Run, "Container
/// runtime contract"). Virtual machines have no such entry.
const PATH: &str = "/computeMetadata/v1/instance/region";
const MAX_BYTES: usize = 512;

/// What a metadata server says of the region.
#[derive(Debug, PartialEq)]
enum Answer {
    Region(String),
    /// It knows of none, and will not.
    Unknown,
    /// It may answer another time.
    Later,
}

/// Asks until there is an answer.
pub(crate) async fn find(fetcher: Fetcher, services: Vec<Arc<Service>>) {
    let mut pauses = Pauses::new();
    loop {
        match ask(&fetcher).await {
            Ok(Answer::Region(region)) => return tell(&services, &region),
            Ok(Answer::Unknown) => {
                return warn!("the metadata server does not tell the region: set \"region\"");
            }
            Ok(Answer::Later) => warn!("the metadata server does not tell the region yet"),
            Err(error) => warn!(error = %chain(&error), "the region can't be asked for"),
        }
        pauses.wait().await;
    }
}

/// Has services called in that region first.
pub(crate) fn tell(services: &[Arc<Service>], region: &str) {
    for service in services {
        match service.balancer.set_local(region) {
            true => info!(service = &*service.name, region, "this region is called first"),
            false => info!(service = &*service.name, region, "no region of the service is here"),
        }
    }
}

async fn ask(fetcher: &Fetcher) -> Result<Answer, FetchError> {
    let answer = fetcher.get(PATH, HeaderMap::from_iter([FLAVOR]), MAX_BYTES).await?;
    Ok(read(answer.status, &answer.body))
}

fn read(status: StatusCode, body: &[u8]) -> Answer {
    let text = std::str::from_utf8(body).unwrap_or_default().trim();
    let region = text.rsplit_once("/regions/").map_or("", |(_, region)| region);
    match status {
        StatusCode::OK if !region.is_empty() => Answer::Region(region.to_owned()),
        StatusCode::OK | StatusCode::NOT_FOUND => Answer::Unknown,
        _ => Answer::Later,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_region_is_the_last_part_and_anything_else_is_none() {
        let read = |body: &str| read(StatusCode::OK, body.as_bytes());
        let found = Answer::Region("us-central1".to_owned());
        assert_eq!(read("projects/123/regions/us-central1\n"), found);
        for odd in ["", "us-central1", "projects/123/regions/", "<html>"] {
            assert_eq!(read(odd), Answer::Unknown, "{odd}");
        }
        assert_eq!(super::read(StatusCode::NOT_FOUND, b"x"), Answer::Unknown);
        assert_eq!(super::read(StatusCode::TOO_MANY_REQUESTS, b"x"), Answer::Later);
    }
}
