//! One token for each audience, kept fresh by one task each.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use remint_idtoken::{Reason, UnixTime};
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
    schedule: Mutex<MintSchedule>,
    /// Why the newest attempt came to nothing, if it did.
    last_failure: Mutex<Option<Failure>>,
    doorbell: Doorbell,
}

/// Why an attempt came to nothing. Like everything that is logged, it holds no
/// secret.
#[derive(Clone)]
pub(crate) struct Failure {
    pub(crate) error: String,
    /// If it was refused.
    pub(crate) reason: Option<Reason>,
}

/// How an attempt ended, for figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// With a token.
    Minted,
    /// Without one.
    Failed,
    /// Without one, as it was refused.
    Denied,
}

impl Slot {
    /// With a token that is there already, if one is; another one is asked
    /// for at once all the same.
    pub(crate) fn new(
        audience: Arc<str>,
        inherited: Option<Arc<MintedToken>>,
        news: Arc<News>,
    ) -> Self {
        let ends = inherited.as_ref().map(|token| token.expires_at());
        Self {
            audience,
            token: ArcSwapOption::new(inherited),
            schedule: Mutex::new(MintSchedule::new(ends)),
            last_failure: Mutex::default(),
            doorbell: Doorbell::new(news),
        }
    }

    /// With a token, and nobody who keeps it fresh.
    #[cfg(test)]
    pub(crate) fn holding(token: MintedToken) -> Self {
        let slot = Self::new(Arc::clone(&token.audience), None, Arc::default());
        slot.token.store(Some(Arc::new(token)));
        slot
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

    /// When the next attempt is due.
    pub(crate) fn next_at(&self) -> UnixTime {
        self.schedule().next_at()
    }

    /// Why the newest attempt came to nothing, if it did.
    pub(crate) fn last_failure(&self) -> Option<Failure> {
        self.last_failure.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The same in words.
    pub(crate) fn last_error(&self) -> Option<String> {
        self.last_failure().map(|it| it.error)
    }

    fn note(&self, failure: Option<Failure>) {
        *self.last_failure.lock().unwrap_or_else(PoisonError::into_inner) = failure;
    }

    /// Whether there is a token: [`Slot::token`] without taking it.
    pub(crate) fn has_token(&self, now: UnixTime) -> bool {
        let token = self.token.load();
        token.as_ref().is_some_and(|token| token.expires_at() > now)
    }

    /// Asks for an attempt at once. False if none is allowed while somebody
    /// has that much patience: then there is nothing to wait for.
    pub(crate) fn hurry(&self, now: UnixTime, patience: Duration) -> bool {
        let is_allowed = {
            let schedule = self.schedule();
            schedule.is_due(now) || schedule.is_due(now.plus(patience))
        };
        if is_allowed {
            self.doorbell.ring();
        }
        is_allowed
    }

    /// Asks for another token than this one, which was refused. False if
    /// there is none and none may be asked for: the source was asked lately,
    /// or is out of order.
    pub(crate) fn renew(&self, refused: &MintedToken, now: UnixTime) -> bool {
        if self.token(now).is_some_and(|token| !token.is_same(refused)) {
            return true;
        }
        let is_due = self.schedule().refused(now);
        if is_due {
            self.doorbell.ring();
        }
        is_due
    }

    /// The moment of the next attempt, unless it is due.
    fn nothing_until(&self, now: UnixTime) -> Option<UnixTime> {
        let schedule = self.schedule();
        (!schedule.is_due(now)).then(|| schedule.next_at())
    }

    fn schedule(&self) -> MutexGuard<'_, MintSchedule> {
        self.schedule.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keeps a slot fresh for as long as it is polled. `seen` is told how each
/// attempt ended.
pub(crate) async fn keep_fresh<S: TokenSource>(
    slot: Arc<Slot>,
    source: Arc<S>,
    clock: Arc<dyn Clock>,
    seen: impl Fn(Ended) + Send,
) {
    loop {
        let now = clock.now();
        if let Some(due) = slot.nothing_until(now) {
            slot.doorbell.nap(now, due).await;
            continue;
        }
        let minted = source.mint(&slot.audience, now).await;
        seen(Ended::of(&minted));
        match minted {
            Ok(token) => store(&slot, token, clock.now()),
            // Frozen between two requests it comes back to a time-out each time;
            // counting those, it would hardly ask any more.
            Err(_) if MintSchedule::was_interrupted(now, clock.now()) => {
                debug!(audience = slot.audience(), "minting was interrupted");
                slot.schedule().interrupted(clock.now());
            }
            Err(error) => keep_old(&slot, &error, clock.now()),
        }
        slot.doorbell.attempt_ended();
    }
}

impl Ended {
    fn of<T>(minted: &Result<T, MintError>) -> Self {
        match minted.as_ref().map_err(MintError::reason) {
            Ok(_) => Self::Minted,
            Err(None) => Self::Failed,
            Err(Some(_)) => Self::Denied,
        }
    }
}

fn store(slot: &Slot, token: MintedToken, now: UnixTime) {
    slot.note(None);
    let old = slot.token.load();
    if old.as_ref().is_some_and(|old| old.is_same(&token)) {
        debug!(audience = slot.audience(), "the token source gave the same token again");
        slot.schedule().repeated(now, random::unit());
        return;
    }
    slot.schedule().succeeded(now, token.expires_at(), random::unit());
    info!(audience = slot.audience(), expires_at = %token.expires_at(), "token minted");
    slot.token.store(Some(Arc::new(token)));
}

fn keep_old(slot: &Slot, error: &MintError, now: UnixTime) {
    let next_attempt = {
        let mut schedule = slot.schedule();
        schedule.failed(now, error.retry_after(), random::unit());
        schedule.next_at()
    };
    let (error, reason, command) = (chain(error), error.reason(), error.command());
    warn!(
        audience = slot.audience(),
        reason = reason.map(Reason::code),
        docs = reason.map(Reason::docs),
        error,
        command,
        has_token = slot.has_token(now),
        %next_attempt,
        "no token could be minted",
    );
    slot.note(Some(Failure { error, reason }));
}
