//! One request to a region, with a token for it.

use http::header::USER_AGENT;
use http::{HeaderMap, HeaderValue, StatusCode};

use crate::config::Region;
use crate::doctor::facts::Probed;
use crate::error::chain;
use crate::front_end::Head;
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
    let length = u64::try_from(answer.body.len()).ok();
    let head = Head { status, headers: &answer.headers, length };
    let is_page = || status == StatusCode::NOT_FOUND || head.may_be_its_own();
    let by_page = || is_page().then(|| head.cause(&answer.body, &path)).flatten();
    let cause = head.of_iap(region.kind).or_else(by_page);
    match cause {
        None => Probed::Answered(status.as_u16()),
        Some(Cause::TokenRefused | Cause::IapTokenRefused | Cause::IapInTheWay) => {
            Probed::TokenRefused
        }
        Some(Cause::CallerRefused) => Probed::CallerRefused,
        Some(_) if status == StatusCode::NOT_FOUND => Probed::NotFound,
        Some(_) => Probed::FrontEnd(status.as_u16()),
    }
}
