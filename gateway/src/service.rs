//! Services at run time: regions with their tokens, health and connections.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use http::HeaderValue;
use prometheus_client::metrics::counter::Counter;
use remint_idtoken::UnixTime;
use tokio::time::Instant;
use tracing::{info, warn};

use crate::clock::Clock;
use crate::doorbell::News;
use crate::error::chain;
use crate::metrics::RegionCounters;
use crate::mint::{MintedToken, Slot};
use crate::region::{Health, choose};
use crate::request::shown;
use crate::upstream::{ConnectError, LostError, Pool, Upload};

/// How long a request waits for a token when no region has one.
const TOKEN_WAIT: Duration = Duration::from_secs(5);
/// A region that refuses everything is mentioned this often.
const WARN_EVERY: Duration = Duration::from_secs(10);

/// A service and where it runs.
pub(crate) struct Service {
    pub(crate) name: Arc<str>,
    pub(crate) regions: Vec<Region>,
    /// Counts the choices, so that regions take turns.
    pub(crate) turn: AtomicUsize,
    pub(crate) retries: Counter,
    /// When attempts to mint have ended.
    pub(crate) news: Arc<News>,
}

/// A service in one region.
pub(crate) struct Region {
    pub(crate) name: Arc<str>,
    pub(crate) host: HeaderValue,
    pub(crate) token: Arc<Slot>,
    pub(crate) pool: Arc<Pool>,
    pub(crate) health: Health,
    pub(crate) counters: RegionCounters,
    pub(crate) warned_at: AtomicU64,
}

/// The regions that a request was tried in: each at most once.
#[derive(Clone, Copy, Default)]
pub(crate) struct Tried(u64);

impl Tried {
    pub(crate) fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub(crate) fn add(&mut self, place: usize) {
        self.0 |= bit(place);
    }

    fn contains(self, place: usize) -> bool {
        self.0 & bit(place) != 0
    }
}

/// The configuration allows as many regions as there are bits.
fn bit(place: usize) -> u64 {
    let place = u32::try_from(place).unwrap_or(u32::MAX);
    1_u64.checked_shl(place).unwrap_or(u64::MAX)
}

/// A region and its token: the only way to send a request there.
pub(crate) struct Choice<'s> {
    pub(crate) place: usize,
    pub(crate) region: &'s Region,
    pub(crate) token: Arc<MintedToken>,
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
                return None;
            }
        }
    }

    fn choose_now(&self, tried: Tried, now: UnixTime) -> Option<Choice<'_>> {
        let may = |place: usize| {
            let region = self.regions.get(place);
            !tried.contains(place) && region.is_some_and(|it| it.token.has_token(now))
        };
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let healths = self.regions.iter().map(|region| &region.health);
        let place = choose(healths, may, turn, std::time::Instant::now())?;
        let region = self.regions.get(place)?;
        let token = region.token.token(now)?;
        Some(Choice { place, region, token })
    }

    /// Has tokens fetched for the regions that are left. False if none can be
    /// had within that time.
    fn hurry(&self, tried: Tried, now: UnixTime, patience: Duration) -> bool {
        let left = self.regions.iter().enumerate();
        let left = left.filter(|(place, _)| !tried.contains(*place));
        left.filter(|(_, region)| region.token.hurry(now, patience)).count() > 0
    }

    /// Whether there is a token for at least one region.
    pub(crate) fn has_token(&self, now: UnixTime) -> bool {
        self.regions.iter().any(|region| region.token.has_token(now))
    }
}

impl Region {
    /// It gave an answer, whatever it says.
    pub(crate) fn answered(&self, service: &str) {
        self.counters.answered.inc();
        if self.health.succeeded() {
            info!(service, region = &*self.name, "region is back");
        }
    }

    /// No connection: the region is left alone for a while.
    pub(crate) fn unreachable(
        &self,
        service: &str,
        request_id: &HeaderValue,
        error: &ConnectError,
    ) {
        self.counters.unreachable.inc();
        self.health.failed(std::time::Instant::now());
        warn!(
            service,
            region = &*self.name,
            request_id = shown(request_id),
            error = %chain(error),
            "region can't be reached and is left alone for a while",
        );
    }

    /// The request was sent, and the connection broke.
    pub(crate) fn lost(&self, service: &str, request_id: &HeaderValue, error: &LostError) {
        self.counters.lost.inc();
        let (region, request_id) = (&*self.name, shown(request_id));
        warn!(service, region, request_id, error = %chain(error), "connection lost");
        self.unanswered(service);
    }

    /// The request was sent as far as it had come, and no answer came in time.
    pub(crate) fn timed_out(&self, service: &str, request_id: &HeaderValue, upload: &Upload) {
        self.counters.timed_out.inc();
        let waits_for_caller = upload.waits_for_caller();
        let (region, request_id) = (&*self.name, shown(request_id));
        warn!(service, region, request_id, waits_for_caller, "no answer in time");
        // A caller who sends slowly says nothing about the region.
        if !waits_for_caller {
            self.unanswered(service);
        }
    }

    fn unanswered(&self, service: &str) {
        self.pool.close_idle();
        if self.health.unanswered(std::time::Instant::now()) {
            let region = &*self.name;
            warn!(service, region, "region gives no answers and is left alone for a while");
        }
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
