//! What an answer is: the service's own, or a word of the front end before it.

use std::time::Duration;

use http::{HeaderValue, Response, StatusCode, Uri};
use http_body::Body;
use remint_idtoken::Reason;
use tokio::time::{Instant, timeout_at};
use tracing::warn;

use super::{Attempts, Ended};
use crate::access::FrontEndRefusal;
use crate::error::ANSWER_REASON;
use crate::front_end::{self, Head};
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
        let (status, now) = (response.status(), self.proxy.clock.now());
        let Some(cause) = cause else {
            region.answered(service, began);
            region.last_refusal.let_through(now);
            return Ended::Finally(Ok(response));
        };
        let Some(reason) = region.reason(cause, now) else {
            region.unserved(service, self.id, status.as_u16(), began);
            return Ended::sent(cause, Ok(response));
        };
        // 429 asks for less, not for nothing: the region stays.
        region.answered(service, began);
        self.note_refusal(choice, status, reason);
        // What an application may have passed on is left as it is.
        if cause.is_sure() {
            response.headers_mut().insert(ANSWER_REASON, REFUSED_GATEWAY);
        }
        if cause.is_sure() || cause == Cause::Full {
            region.last_refusal.refused(status, reason, now);
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
        let head = Head { status, headers: response.headers(), length };
        let of_iap = head.of_iap(choice.region.kind);
        if of_iap.is_some() || !head.may_be_its_own() {
            return (response.map(ResponseBody::Region), of_iap);
        }
        let (parts, body) = response.into_parts();
        let mut body = Box::new(PeekedBody::new(body));
        if let Some(until) = Instant::now().checked_add(LOOK_TIME) {
            let looked = body.look(front_end::LOOKED_AT);
            // What comes too slowly is not the front end's.
            let _ = timeout_at(until.min(self.deadline), looked).await;
        }
        let target = choice.region.target(&self.uri);
        let path = target.as_ref().map_or("/", Uri::path);
        let head = Head { status, headers: &parts.headers, length };
        let cause = head.cause(&body.beginning(), path);
        (Response::from_parts(parts, ResponseBody::Peeked(body)), cause)
    }

    /// A region that refuses the gateway is the operator's affair.
    fn note_refusal(&self, choice: &Choice<'_>, status: StatusCode, reason: Reason) {
        let region = choice.region;
        region.counters.refused_by_front_end(status, reason);
        let now = self.proxy.clock.now();
        if !region.may_warn(now) {
            return;
        }
        let command = iam::remedy(
            &iam::Place {
                kind: region.kind,
                host: region.host.to_str().unwrap_or_default(),
                path: &region.base_path,
                account: choice.token.account(),
                audience: choice.token.audience(),
            },
            reason,
        );
        let (service, status) = (&*self.service().name, status.as_u16());
        let told = FrontEndRefusal {
            rule: self.admission.rule().name(),
            service,
            region: &region.name,
            status,
            audience: choice.token.audience(),
            account: choice.token.account(),
            reason,
            command: command.as_deref(),
        };
        self.proxy.access.refused_by_front_end(self.id, &told, now);
        warn!(
            request_id = shown(self.id),
            service,
            region = &*region.name,
            status,
            audience = choice.token.audience(),
            reason = reason.code(),
            docs = reason.docs(),
            likely_cause = front_end::likely_cause(reason),
            command,
            "the region's front end refused the gateway",
        );
    }
}
