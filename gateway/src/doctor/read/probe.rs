//! One request to a region, with a token for it.

use http::header::USER_AGENT;
use http::{HeaderMap, HeaderValue, StatusCode};

use crate::config::Region;
use crate::doctor::facts::Probed;
use crate::error::chain;
use crate::front_end;
use crate::mint::MintedToken;
use crate::retry::Cause;
use crate::upstream::{Connector, Fetcher};

const AGENT: HeaderValue = HeaderValue::from_static("remint-doctor");
/// What is read of an answer; a longer one is the application's own.
const MAX_BYTES: usize = 1 << 20;

/// Asks for a path, which is told from Google's own pages as the gateway does.
pub(super) async fn probe(
    region: &Region,
    path: &str,
    token: &MintedToken,
    connector: &Connector,
) -> Probed {
    let fetcher = match Fetcher::to(&region.origin, connector) {
        Ok(fetcher) => fetcher,
        Err(error) => return Probed::Failed(chain(&error)),
    };
    let path = format!("{}{path}", region.base_path);
    let headers =
        HeaderMap::from_iter([(USER_AGENT, AGENT), (region.token_header.name(), token.header())]);
    let answer = match fetcher.get(&path, headers, MAX_BYTES).await {
        Ok(answer) => answer,
        Err(error) => return Probed::Failed(chain(&error)),
    };
    let status = answer.status;
    let is_page = status == StatusCode::NOT_FOUND
        || front_end::may_be_its_own(
            status,
            &answer.headers,
            u64::try_from(answer.body.len()).ok(),
        );
    let cause = is_page.then(|| front_end::cause(status, &answer.body, &path)).flatten();
    match cause {
        None => Probed::Answered(status.as_u16()),
        Some(Cause::TokenRefused) => Probed::TokenRefused,
        Some(Cause::CallerRefused) => Probed::CallerRefused,
        Some(_) if status == StatusCode::NOT_FOUND => Probed::NotFound,
        Some(_) => Probed::FrontEnd(status.as_u16()),
    }
}
