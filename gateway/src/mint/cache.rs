//! One token for each audience, kept fresh by one task each.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwapOption;
use remint_idtoken::UnixTime;
use tracing::{debug, info, warn};

use super::schedule::MintSchedule;
use super::{MintError, MintedToken, TokenSource};
use crate::clock::Clock;
use crate::doorbell::{Doorbell, News};
use crate::error::chain;
use crate::random;

/// The token of one audience.
pub(crate) struct Slot {
    audience: Arc<str>,
    token: ArcSwapOption<MintedToken>,
    /// When the next attempt may begin, in seconds since 1970.
    next_at: AtomicU64,
    doorbell: Doorbell,
}

impl Slot {
    pub(crate) fn new(audience: Arc<str>, news: Arc<News>) -> Self {
        Self {
            audience,
            token: ArcSwapOption::empty(),
            next_at: AtomicU64::new(0),
            doorbell: Doorbell::new(news),
        }
    }

    /// Whom the token is for.
    pub(crate) fn audience(&self) -> &str {
        &self.audience
    }

    /// The token, if there is one that has not expired. It is asked every
    /// time: between two requests the process may have been frozen.
    pub(crate) fn token(&self, now: UnixTime) -> Option<Arc<MintedToken>> {
        let token = self.token.load();
        let valid = token.as_ref().filter(|token| token.expires_at() > now)?;
        Some(Arc::clone(valid))
    }

    /// Whether there is a token: [`Slot::token`] without taking it.
    pub(crate) fn has_token(&self, now: UnixTime) -> bool {
        let token = self.token.load();
        token.as_ref().is_some_and(|token| token.expires_at() > now)
    }

    /// Asks for an attempt at once. False if none is allowed until `latest`:
    /// then there is nothing to wait for.
    pub(crate) fn hurry(&self, latest: UnixTime) -> bool {
        let is_allowed = UnixTime(self.next_at.load(Ordering::Acquire)) <= latest;
        if is_allowed {
            self.doorbell.ring();
        }
        is_allowed
    }
}

/// Keeps a slot fresh for as long as it is polled. `seen` is told how each
/// attempt ended.
pub(crate) async fn keep_fresh<S: TokenSource>(
    slot: Arc<Slot>,
    source: Arc<S>,
    clock: Arc<dyn Clock>,
    seen: impl Fn(bool) + Send,
) {
    let mut schedule = MintSchedule::new();
    loop {
        let now = clock.now();
        if now < schedule.next_at() {
            slot.doorbell.nap(now, schedule.next_at()).await;
            continue;
        }
        let minted = source.mint(&slot.audience, now).await;
        seen(minted.is_ok());
        match minted {
            Ok(token) => store(&slot, &mut schedule, token, clock.now()),
            Err(error) => keep_old(&slot, &mut schedule, &error, clock.now()),
        }
        slot.next_at.store(schedule.next_at().0, Ordering::Release);
        slot.doorbell.attempt_ended();
    }
}

fn store(slot: &Slot, schedule: &mut MintSchedule, token: MintedToken, now: UnixTime) {
    let old = slot.token.load();
    if old.as_ref().is_some_and(|old| old.is_same(&token)) {
        debug!(audience = slot.audience(), "the token source gave the same token again");
        schedule.repeated(now, random::unit());
        return;
    }
    schedule.succeeded(now, token.expires_at());
    info!(audience = slot.audience(), expires_at = %token.expires_at(), "token minted");
    slot.token.store(Some(Arc::new(token)));
}

fn keep_old(slot: &Slot, schedule: &mut MintSchedule, error: &MintError, now: UnixTime) {
    schedule.failed(now, error.retry_after(), random::unit());
    warn!(
        audience = slot.audience(),
        error = %chain(error),
        has_token = slot.has_token(now),
        next_attempt = %schedule.next_at(),
        "no token could be minted",
    );
}
