//! What an answer is: the service's own, or a word of the front end before it.

use std::time::Duration;

use http::{HeaderValue, Response, StatusCode, Uri};
use http_body::Body;
use tokio::time::{Instant, timeout_at};
use tracing::warn;

use super::{Attempts, Ended};
use crate::error::ANSWER_REASON;
use crate::front_end;
use crate::iam;
use crate::request::shown;
use crate::retry::Cause;
use crate::service::Choice;
use crate::upstream::{PeekedBody, RegionBody, ResponseBody};

/// Marks a front end's refusal of the gateway itself: whoever reads it as one
/// of their own token would mend the wrong thing.
const REFUSED_GATEWAY: HeaderValue = HeaderValue::from_static("region_refused_gateway");
/// How long the beginning of an answer's page is waited for.
const LOOK_TIME: Duration = Duration::from_secs(1);

impl<'a> Attempts<'a> {
    /// Passes on what the service says, and sees to what the front end says.
    pub(super) async fn look_at(
        &self,
        choice: &Choice<'_>,
        began: Instant,
        response: Response<RegionBody>,
    ) -> Ended<'a> {
        let (service, region) = (&self.service().name, choice.region);
        let (mut response, cause) = self.told_apart(choice, response).await;
        let status = response.status();
        let Some(cause) = cause else {
            region.answered(service, began);
            return Ended::Finally(Ok(response));
        };
        // 429 asks for less, not for nothing: the region stays.
        match cause == Cause::FrontEndFailed && status.is_server_error() {
            true => region.unserved(service, self.id, status.as_u16(), began),
            false => region.answered(service, began),
        }
        if matches!(cause, Cause::TokenRefused | Cause::CallerRefused) {
            self.note_refusal(choice, status);
            response.headers_mut().insert(ANSWER_REASON, REFUSED_GATEWAY);
        }
        Ended::sent(cause, Ok(response))
    }

    /// The answer, and what it means if it is the front end's: by its status,
    /// its headers and the beginning of its page.
    async fn told_apart(
        &self,
        choice: &Choice<'_>,
        response: Response<RegionBody>,
    ) -> (Response<ResponseBody>, Option<Cause>) {
        let (status, length) = (response.status(), response.body().size_hint().exact());
        if !front_end::may_be_its_own(status, response.headers(), length) {
            return (response.map(ResponseBody::Region), None);
        }
        let (head, body) = response.into_parts();
        let mut body = Box::new(PeekedBody::new(body));
        if let Some(until) = Instant::now().checked_add(LOOK_TIME) {
            let looked = body.look(front_end::LOOKED_AT);
            // What comes too slowly is not the front end's.
            let _ = timeout_at(until.min(self.deadline), looked).await;
        }
        let target = choice.region.target(&self.uri);
        let path = target.as_ref().map_or("/", Uri::path);
        let cause = front_end::cause(status, &body.beginning(), path);
        (Response::from_parts(head, ResponseBody::Peeked(body)), cause)
    }

    /// A region that refuses the gateway is the operator's affair.
    fn note_refusal(&self, choice: &Choice<'_>, status: StatusCode) {
        let region = choice.region;
        let [unauthorized, forbidden] = &region.counters.refused;
        if status == StatusCode::FORBIDDEN { forbidden } else { unauthorized }.inc();
        if !region.may_warn(self.proxy.clock.now()) {
            return;
        }
        let (kind, account) = (region.kind, choice.token.account());
        let host = region.host.to_str().unwrap_or_default();
        let command = match status {
            StatusCode::FORBIDDEN => {
                iam::of_region(kind, host, &region.base_path, account).map(|grant| grant.command)
            }
            _ => iam::for_audience(kind, host, choice.token.audience()),
        };
        warn!(
            request_id = shown(self.id),
            service = &*self.service().name,
            region = &*region.name,
            status = status.as_u16(),
            audience = choice.token.audience(),
            likely_cause = front_end::likely_cause(status),
            command,
            "the region's front end refused the gateway's token",
        );
    }
}
