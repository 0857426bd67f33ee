//! One key set, kept fresh by one task.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::Bytes;
use http::header::CACHE_CONTROL;
use remint_idtoken::keys::{KeyPast, KeySchedule, KeySet, KeyTimes, max_age, parse_jwks};
use remint_idtoken::policy::KeyUrl;
use remint_idtoken::{Authority, AwsLc, SignatureScheme, UnixTime};
use tracing::{debug, info, warn};

use super::document::{KeyDocument, KeysError};
use crate::clock::Clock;
use crate::doorbell::{Doorbell, News, Task};
use crate::error::chain;
use crate::random;
use crate::upstream::{Connector, ConnectorError, FETCH_TIME};

/// A fetch that took longer was broken off by a sleep of this process, not by
/// its own time limit.
const LONGEST_FETCH: Duration = FETCH_TIME.saturating_mul(2);

type Keys = KeySet<<AwsLc as SignatureScheme>::Key>;

/// What a keyring verifies with.
pub(super) type Shared = ArcSwap<Authority<AwsLc>>;

/// A key set and the task that keeps it fresh. Keyrings of several
/// configurations may share it, and each may call the issuer otherwise.
pub(crate) struct KeySource {
    fresh: Arc<Fresh>,
    _task: Task,
}

/// What the task shares with those who need the keys.
struct Fresh {
    document: KeyDocument,
    clock: Arc<dyn Clock>,
    schedule: Mutex<KeySchedule>,
    /// Until when the keys may be used, in seconds: each request looks.
    usable_until: AtomicU64,
    /// Where both are locked, it is locked before the schedule.
    handout: Mutex<Handout>,
    news: Arc<News>,
    doorbell: Doorbell,
}

/// The keys, who gets them, and why there are no newer ones.
#[derive(Default)]
struct Handout {
    known: Option<Known>,
    to: Vec<Recipient>,
    last_error: Option<String>,
}

/// Keys, and the document that they were read from.
#[derive(Clone)]
struct Known {
    keys: Arc<Keys>,
    document: Bytes,
}

struct Recipient {
    issuer: Arc<str>,
    authority: Weak<Shared>,
}

/// What can be told of a key set.
pub(crate) struct KeyStatus {
    pub(crate) url: String,
    pub(crate) ids: Vec<String>,
    pub(crate) fetched_at: Option<UnixTime>,
    pub(crate) next_at: UnixTime,
    pub(crate) last_error: Option<String>,
}

impl KeySource {
    /// Must be called in a tokio runtime: fetching begins at once. Until it
    /// comes to something, the keys of an elder serve, which has them from the
    /// same URL.
    pub(crate) fn start(
        url: &KeyUrl,
        connector: &Connector,
        times: KeyTimes,
        clock: &Arc<dyn Clock>,
        elders: &[Arc<Self>],
    ) -> Result<Self, ConnectorError> {
        let news = Arc::new(News::default());
        let elder = elders.iter().max_by_key(|elder| elder.past().fetched_at);
        let (known, past) = elder.map_or_else(Default::default, |elder| elder.legacy());
        let fresh = Arc::new(Fresh {
            document: KeyDocument::new(url, connector)?,
            clock: Arc::clone(clock),
            schedule: Mutex::new(KeySchedule::resume(times, past, false)),
            usable_until: AtomicU64::default(),
            handout: Mutex::new(Handout { known, ..Handout::default() }),
            doorbell: Doorbell::new(Arc::clone(&news)),
            news,
        });
        fresh.change(|_| ());
        let task = Task::spawn(Arc::clone(&fresh).keep());
        Ok(Self { fresh, _task: task })
    }

    /// What another source of the same keys can begin with.
    fn legacy(&self) -> (Option<Known>, KeyPast) {
        let handout = self.fresh.handout();
        let past = self.past();
        // In its way nothing has come yet: an attempt is due at once.
        let past = KeyPast { failures: 1, retry_at: UnixTime(0), ..past };
        (handout.known.clone(), past)
    }

    fn past(&self) -> KeyPast {
        self.fresh.schedule().past()
    }

    /// From now on the authority has the keys of this source for its issuer of
    /// that name, and new ones as they come.
    pub(super) fn supply(&self, issuer: &str, authority: &Arc<Shared>) {
        let mut handout = self.fresh.handout();
        handout.to.retain(|it| it.authority.strong_count() > 0);
        let recipient = Recipient { issuer: issuer.into(), authority: Arc::downgrade(authority) };
        recipient.give(handout.known.as_ref());
        handout.to.push(recipient);
    }

    /// Takes the keys back if they have grown too old: the task that sees to
    /// that may have slept until now.
    pub(super) fn expire(&self, now: UnixTime) {
        if now.0 <= self.fresh.usable_until.load(Ordering::Relaxed) {
            return;
        }
        let mut handout = self.fresh.handout();
        if !self.is_usable(now) {
            handout.give(None);
        }
    }

    /// From now on other times hold.
    pub(super) fn keep_to(&self, times: KeyTimes) {
        self.fresh.change(|schedule| {
            *schedule = KeySchedule::resume(times, schedule.past(), schedule.is_in_flight());
        });
        self.fresh.doorbell.ring();
    }

    /// Has new keys fetched, if they can be had within that time: then their
    /// arrival can be waited for. For an unknown key they are not fetched too
    /// often.
    pub(super) fn hurry(&self, is_unknown_key: bool, patience: Duration) -> Option<&News> {
        let now = self.fresh.clock.now();
        let is_coming = {
            let mut schedule = self.fresh.schedule();
            let is_wanted = !is_unknown_key || schedule.unknown_key(now);
            // After many failures the next attempt may be further off.
            is_wanted && (schedule.is_in_flight() || schedule.is_due(now.plus(patience)))
        };
        self.fresh.doorbell.ring();
        is_coming.then_some(&*self.fresh.news)
    }

    /// Whether the newest attempt to fetch failed.
    pub(super) fn last_failed(&self) -> bool {
        self.fresh.schedule().last_failed()
    }

    /// Whether there are keys that may be used.
    pub(super) fn is_usable(&self, now: UnixTime) -> bool {
        self.fresh.schedule().is_usable(now)
    }

    pub(super) fn status(&self) -> KeyStatus {
        let (fetched_at, next_at) = {
            let schedule = self.fresh.schedule();
            (schedule.past().fetched_at, schedule.next_at())
        };
        let handout = self.fresh.handout();
        let keys = handout.known.as_ref().map(|known| &known.keys);
        let ids = keys.map(|keys| keys.ids().into_iter().map(str::to_owned).collect());
        KeyStatus {
            url: self.fresh.document.url().to_string(),
            ids: ids.unwrap_or_default(),
            fetched_at,
            next_at,
            last_error: handout.last_error.clone(),
        }
    }
}

impl Handout {
    /// Has all of them use these keys, or none.
    fn give(&mut self, known: Option<Known>) {
        let is_same = match (&self.known, &known) {
            (Some(old), Some(new)) => Arc::ptr_eq(&old.keys, &new.keys),
            (None, None) => true,
            _ => false,
        };
        self.known = known;
        // The same keys again would make every token be checked again.
        if !is_same {
            self.to.iter().for_each(|it| it.give(self.known.as_ref()));
        }
    }
}

impl Recipient {
    fn give(&self, known: Option<&Known>) {
        let Some(authority) = self.authority.upgrade() else {
            return;
        };
        authority.rcu(|old| {
            let mut new = Authority::clone(old);
            new.set_keys(&self.issuer, known.map(|it| Arc::clone(&it.keys)));
            new
        });
    }
}

impl Fresh {
    fn schedule(&self) -> MutexGuard<'_, KeySchedule> {
        self.schedule.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn handout(&self) -> MutexGuard<'_, Handout> {
        self.handout.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps the keys fresh for as long as it is polled.
    async fn keep(self: Arc<Self>) {
        loop {
            let now = self.clock.now();
            if !self.start(now) {
                let due = self.schedule().next_at();
                self.doorbell.nap(now, due).await;
                continue;
            }
            match self.fetch().await {
                Ok((known, max_age)) => self.replace(known, max_age, now),
                // Frozen between two requests it comes back to a time-out each
                // time; counting those, it would hardly ask any more.
                Err(_) if self.clock.now().since(now) > LONGEST_FETCH => {
                    debug!(url = %self.document.url(), "fetching keys was interrupted");
                    self.schedule().interrupted(self.clock.now());
                }
                Err(error) => self.keep_old(&error),
            }
            self.doorbell.attempt_ended();
        }
    }

    /// Begins a fetch if one is due.
    fn start(&self, now: UnixTime) -> bool {
        let mut schedule = self.schedule();
        let is_due = schedule.is_due(now);
        if is_due {
            schedule.started(now);
        }
        is_due
    }

    async fn fetch(&self) -> Result<(Known, Option<Duration>), KeysError> {
        let answer = self.document.fetch().await?;
        let cache_control = answer.headers.get(CACHE_CONTROL);
        let max_age = cache_control.and_then(|it| it.to_str().ok()).and_then(max_age);
        let known = self.handout().known.clone();
        if let Some(same) = known.filter(|known| known.document == answer.body) {
            return Ok((same, max_age));
        }
        let jwks = parse_jwks(&answer.body)?;
        let (keys, left_out) = KeySet::load(&AwsLc, &jwks)?;
        for left_out in left_out {
            warn!(url = %self.document.url(), "{left_out}");
        }
        Ok((Known { keys: Arc::new(keys), document: answer.body }, max_age))
    }

    /// These were asked for at `asked_at`: what the answer took, and if it was
    /// a sleep of hours, makes them older.
    fn replace(&self, known: Known, max_age: Option<Duration>, asked_at: UnixTime) {
        info!(url = %self.document.url(), keys = ?known.keys.ids(), "keys fetched");
        let mut handout = self.handout();
        self.change(|schedule| schedule.succeeded(asked_at, max_age));
        handout.last_error = None;
        handout.give(Some(known));
    }

    fn keep_old(&self, error: &KeysError) {
        let (now, error) = (self.clock.now(), chain(error));
        let mut handout = self.handout();
        let (has_keys, next_attempt) = self.change(|schedule| {
            schedule.failed(now, random::unit());
            (schedule.is_usable(now), schedule.next_at())
        });
        warn!(url = %self.document.url(), %error, has_keys, %next_attempt, "no new keys");
        handout.last_error = Some(error);
        if !has_keys {
            handout.give(None);
        }
    }

    /// Changes the schedule, and with it until when the keys may be used.
    fn change<T>(&self, act: impl FnOnce(&mut KeySchedule) -> T) -> T {
        let mut schedule = self.schedule();
        let output = act(&mut schedule);
        let until = schedule.usable_until().map_or(0, |it| it.0);
        self.usable_until.store(until, Ordering::Relaxed);
        output
    }
}

#[cfg(test)]
mod tests;
