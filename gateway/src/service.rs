//! Services at run time: regions with their tokens, health and connections.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Uri};
use remint_idtoken::{Reason, UnixTime};
use tokio::time::Instant;
use tracing::{info, warn};

use crate::balance::{Balancer, Cause, Failure, InFlight, Member, Places};
use crate::clock::Clock;
use crate::config::{HostHeader, Kind};
use crate::doorbell::News;
use crate::front_end;
use crate::headers::{self, Address, TokenHeader};
use crate::last_refusal::LastRefusal;
use crate::metrics::{RegionCounters, RetryCounters, ServiceCounters};
use crate::mint::{MintedToken, Slot};
use crate::random;
use crate::retry::{self, Budget};
use crate::trouble::{Trouble, Troubles};
use crate::upstream::{ConnectError, LostError, Pool, RegionBodyError};

/// How long a request waits for a token when no region has one.
const TOKEN_WAIT: Duration = Duration::from_secs(5);
/// A region that refuses everything is mentioned this often.
const WARN_EVERY: Duration = Duration::from_secs(10);

/// A service and where it runs.
pub(crate) struct Service {
    pub(crate) name: Arc<str>,
    pub(crate) regions: Vec<Region>,
    /// The headers that the tokens of its regions are in.
    pub(crate) token_headers: Vec<TokenHeader>,
    pub(crate) host: HostHeader,
    pub(crate) retries: RetryCounters,
    pub(crate) budget: Arc<Budget>,
    pub(crate) balancer: Arc<Balancer>,
    pub(crate) counters: ServiceCounters,
    /// When attempts to mint have ended.
    pub(crate) news: Arc<News>,
}

/// A service in one region.
pub(crate) struct Region {
    pub(crate) name: Arc<str>,
    /// Its place among the regions of its service, and in its balancer.
    pub(crate) place: usize,
    pub(crate) kind: Kind,
    pub(crate) host: HeaderValue,
    /// What stands before the path of each request.
    pub(crate) base_path: Arc<str>,
    pub(crate) token_header: TokenHeader,
    pub(crate) token: Arc<Slot>,
    pub(crate) pool: Arc<Pool>,
    pub(crate) balancer: Arc<Balancer>,
    pub(crate) counters: RegionCounters,
    pub(crate) last_refusal: LastRefusal,
    pub(crate) warned_at: AtomicU64,
    pub(crate) troubles: Troubles,
}

/// The regions that a request was tried in: each at most once.
pub(crate) use crate::balance::Places as Tried;

/// A region and its token: the only way to send a request there.
pub(crate) struct Choice<'s> {
    pub(crate) place: usize,
    pub(crate) region: &'s Region,
    pub(crate) token: Arc<MintedToken>,
    /// Held until the answer has ended.
    pub(crate) in_flight: InFlight,
}

impl Service {
    /// The region for the next attempt. If none that is left has a token,
    /// tokens are waited for.
    pub(crate) async fn choose(&self, tried: Tried, clock: &dyn Clock) -> Option<Choice<'_>> {
        if let Some(choice) = self.choose_now(tried, clock.now()) {
            return Some(choice);
        }
        let deadline = Instant::now().checked_add(TOKEN_WAIT)?;
        loop {
            let mut attempts = self.news.watch();
            // A token may have come since the last look.
            if let Some(choice) = self.choose_now(tried, clock.now()) {
                return Some(choice);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            let is_coming = self.hurry(tried, clock.now(), left);
            if !is_coming || !attempts.next_end(deadline).await {
                // What was on its way may have come since the look.
                return self.choose_now(tried, clock.now());
            }
        }
    }

    /// The same without any wait.
    pub(crate) fn choose_now(&self, tried: Tried, now: UnixTime) -> Option<Choice<'_>> {
        self.choose_at(tried, now, std::time::Instant::now())
    }

    /// The region and its token, if there are both at that moment.
    pub(crate) fn choose_at(
        &self,
        tried: Tried,
        now: UnixTime,
        instant: std::time::Instant,
    ) -> Option<Choice<'_>> {
        let pick = self.balancer.pick(self.with_token(now), tried, instant)?;
        if pick.panics {
            self.counters.panics.inc();
        }
        let region = self.regions.get(pick.place)?;
        let token = region.token.token(now)?;
        Some(Choice { place: pick.place, region, token, in_flight: pick.in_flight })
    }

    /// Whether there is a region for another attempt now.
    pub(crate) fn has_choice(&self, tried: Tried, now: UnixTime) -> bool {
        self.balancer.has_pick(self.with_token(now), tried, std::time::Instant::now())
    }

    /// Whether there are regions left that could be chosen if they had tokens.
    pub(crate) fn lacks_tokens(&self, tried: Tried, now: UnixTime) -> bool {
        let left = self.regions.iter().filter(|it| !tried.contains(it.place));
        left.filter(|it| !it.token.has_token(now)).count() > 0
    }

    /// The regions that there are tokens for.
    pub(crate) fn with_token(&self, now: UnixTime) -> Places {
        let regions = self.regions.iter().filter(|it| it.token.has_token(now));
        regions.map(|it| it.place).collect()
    }

    /// Has tokens fetched for the regions that are left. False if none can be
    /// had within that time.
    fn hurry(&self, tried: Tried, now: UnixTime, patience: Duration) -> bool {
        let left = self.regions.iter().enumerate();
        let left = left.filter(|(place, _)| !tried.contains(*place));
        // One that has a token is not used for another reason.
        let left = left.filter(|(_, region)| !region.token.has_token(now));
        left.filter(|(_, region)| region.token.hurry(now, patience)).count() > 0
    }
}

impl Region {
    /// Where a request for `uri` goes here. None if that is too long.
    pub(crate) fn target(&self, uri: &Uri) -> Option<Uri> {
        if self.base_path.is_empty() {
            return Some(uri.clone());
        }
        let path = uri.path_and_query().map_or("/", PathAndQuery::as_str);
        format!("{}{path}", self.base_path).parse().ok()
    }

    /// Why its front end did not let the gateway in, for that cause.
    pub(crate) fn reason(&self, cause: retry::Cause, now: UnixTime) -> Option<Reason> {
        front_end::reason(cause, self.kind, self.last_refusal.was_let_in(now))
    }

    /// Addresses a request of the gateway's own to this region.
    pub(crate) fn address(&self, headers: &mut HeaderMap, token: &MintedToken) {
        let (host, token_header) = (Some(&self.host), self.token_header);
        let to = Address { host, token_header, token: token.header(), assertion: None };
        headers::address(headers, &[token_header], to);
    }

    /// How it is doing.
    pub(crate) fn member(&self) -> Option<&Member> {
        self.balancer.member(self.place)
    }

    /// Its application gave an answer, whatever it says, to an attempt of that
    /// time.
    pub(crate) fn answered(&self, service: &str, began: Instant) {
        self.counters.answered.inc();
        let (began, now) = (began.into_std(), std::time::Instant::now());
        self.counters.response_time.observe(now.saturating_duration_since(began).as_secs_f64());
        if self.balancer.answered(self.place, began, now) {
            info!(service, region = &*self.name, "region is back");
        }
    }

    /// Google's front end answered that it could not serve.
    pub(crate) fn unserved(
        &self,
        service: &str,
        request_id: &HeaderValue,
        status: u16,
        began: Instant,
    ) {
        self.counters.unserved.inc();
        let what = "the front end could not serve";
        self.tell(
            service,
            request_id,
            Trouble { what, status: Some(status), ..Trouble::default() },
        );
        self.failed(service, Failure::FrontEnd, began);
    }

    /// Nothing was sent: there is no connection, or the region wanted no more
    /// over one that is there.
    pub(crate) fn unsent(
        &self,
        service: &str,
        request_id: &HeaderValue,
        error: &ConnectError,
        began: Instant,
    ) {
        if matches!(error, ConnectError::Refused(..)) {
            return self.refused_stream(service, request_id, error, began);
        }
        self.counters.unreachable.inc();
        self.tell_error(service, request_id, "region can't be reached", error);
        // All regions would seem to be dead then, and be left alone together.
        if !error.is_own_trouble() {
            self.failed(service, Failure::Unreachable, began);
        }
    }

    /// The request was sent, and its connection or stream broke or the region
    /// sent it back.
    pub(crate) fn lost(
        &self,
        service: &str,
        request_id: &HeaderValue,
        error: &LostError,
        began: Instant,
    ) {
        if matches!(error, LostError::Refused(_)) {
            return self.refused_stream(service, request_id, error, began);
        }
        self.counters.lost.inc();
        self.tell_error(service, request_id, "connection lost", error);
        if error.is_of_connection() {
            self.pool.close_idle();
        }
        self.failed(service, Failure::Lost, began);
    }

    /// Its answer had begun, and broke off before its end. That alone ejects
    /// nobody: the region was there to begin it.
    pub(crate) fn broke_off(
        &self,
        service: &str,
        request_id: &HeaderValue,
        error: &RegionBodyError,
        began: Instant,
    ) {
        self.counters.broken_off.inc();
        self.tell_error(service, request_id, "an answer broke off", error);
        self.failed(service, Failure::Lost, began);
    }

    /// The region said that it does not process the request: it is there, so
    /// its connections stay, and one such word does not eject it.
    fn refused_stream(
        &self,
        service: &str,
        request_id: &HeaderValue,
        error: &dyn Error,
        began: Instant,
    ) {
        self.counters.refused_stream.inc();
        self.tell_error(service, request_id, "region refused the stream", error);
        self.failed(service, Failure::Refused, began);
    }

    /// The request was sent as far as it had come, and no answer came in time.
    /// `had_time` if the region is to blame.
    pub(crate) fn timed_out(
        &self,
        service: &str,
        request_id: &HeaderValue,
        had_time: bool,
        began: Instant,
    ) {
        self.counters.timed_out.inc();
        let what = "no answer in time";
        let trouble = Trouble { what, had_time: Some(had_time), ..Trouble::default() };
        self.tell(service, request_id, trouble);
        if had_time {
            self.pool.close_idle();
            self.failed(service, Failure::TimedOut, began);
        }
    }

    fn tell(&self, service: &str, request_id: &HeaderValue, trouble: Trouble<'_>) {
        self.troubles.tell(service, &self.name, request_id, trouble);
    }

    fn tell_error(
        &self,
        service: &str,
        request_id: &HeaderValue,
        what: &'static str,
        error: &dyn Error,
    ) {
        self.tell(service, request_id, Trouble { what, error: Some(error), ..Trouble::default() });
    }

    fn failed(&self, service: &str, failure: Failure, began: Instant) {
        let (began, now) = (began.into_std(), std::time::Instant::now());
        let unit = random::unit();
        if let Some(cause) = self.balancer.failed(self.place, failure, began, now, unit) {
            self.ejected(service, cause);
        }
    }

    /// Tells that it is left alone.
    pub(crate) fn ejected(&self, service: &str, cause: Cause) {
        self.counters.ejected_for(cause);
        let (region, cause) = (&*self.name, cause.name());
        warn!(service, region, cause, "region is left alone for a while");
    }

    /// Whether it is time to say once more what is wrong with this region.
    pub(crate) fn may_warn(&self, now: UnixTime) -> bool {
        let last = self.warned_at.load(Ordering::Relaxed);
        let is_time = now.since(UnixTime(last)) >= WARN_EVERY;
        let swap =
            || self.warned_at.compare_exchange(last, now.0, Ordering::Relaxed, Ordering::Relaxed);
        is_time && swap().is_ok()
    }
}
