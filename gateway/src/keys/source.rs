//! One key set, kept fresh by one task.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use arc_swap::ArcSwap;
use http::header::CACHE_CONTROL;
use http::{HeaderMap, HeaderValue, StatusCode};
use remint_idtoken::keys::{
    JwksError, KeyPast, KeySchedule, KeySet, KeyTimes, MAX_JWKS_BYTES, max_age, parse_jwks,
};
use remint_idtoken::policy::KeyUrl;
use remint_idtoken::{Authority, AwsLc, SignatureScheme, UnixTime};
use tracing::{info, warn};

use crate::clock::Clock;
use crate::config::Origin;
use crate::doorbell::{Doorbell, News, Task};
use crate::error::chain;
use crate::random;
use crate::upstream::{Connector, ConnectorError, FetchError, Fetched, Fetcher};

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
    handout: Mutex<Handout>,
    news: Arc<News>,
    doorbell: Doorbell,
}

/// The keys, who gets them, and why there are no newer ones.
#[derive(Default)]
struct Handout {
    keys: Option<Arc<Keys>>,
    to: Vec<Recipient>,
    last_error: Option<String>,
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

/// Where an issuer's key set is, and the way there.
pub(crate) struct KeyDocument {
    url: KeyUrl,
    fetcher: Fetcher,
}

/// Why there are no new keys.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeysError {
    #[error("the key set can't be fetched")]
    Fetch(#[from] FetchError),
    #[error("the key set's server answers {0}")]
    Status(StatusCode),
    #[error("the key set can't be read")]
    Jwks(#[from] JwksError),
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
        let (keys, past) = elder.map_or_else(Default::default, |elder| elder.legacy());
        let fresh = Arc::new(Fresh {
            document: KeyDocument::new(url, connector)?,
            clock: Arc::clone(clock),
            schedule: Mutex::new(KeySchedule::resume(times, past, false)),
            handout: Mutex::new(Handout { keys, ..Handout::default() }),
            doorbell: Doorbell::new(Arc::clone(&news)),
            news,
        });
        let task = Task::spawn(Arc::clone(&fresh).keep());
        Ok(Self { fresh, _task: task })
    }

    /// What another source of the same keys can begin with.
    fn legacy(&self) -> (Option<Arc<Keys>>, KeyPast) {
        // The handout is locked first: keys are never older than their past.
        let handout = self.fresh.handout();
        let past = self.past();
        // In its way nothing has come yet: an attempt is due at once.
        let past = KeyPast { failures: 1, retry_at: UnixTime(0), ..past };
        (handout.keys.clone(), past)
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
        recipient.give(handout.keys.as_ref());
        handout.to.push(recipient);
    }

    /// From now on other times hold.
    pub(super) fn keep_to(&self, times: KeyTimes) {
        let mut schedule = self.fresh.schedule();
        *schedule = KeySchedule::resume(times, schedule.past(), schedule.is_in_flight());
        drop(schedule);
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
        let ids =
            handout.keys.as_ref().map(|keys| keys.ids().into_iter().map(str::to_owned).collect());
        KeyStatus {
            url: self.fresh.document.url.to_string(),
            ids: ids.unwrap_or_default(),
            fetched_at,
            next_at,
            last_error: handout.last_error.clone(),
        }
    }
}

impl Recipient {
    fn give(&self, keys: Option<&Arc<Keys>>) {
        let Some(authority) = self.authority.upgrade() else {
            return;
        };
        authority.rcu(|old| {
            let mut new = Authority::clone(old);
            new.set_keys(&self.issuer, keys.map(Arc::clone));
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
                Ok((keys, max_age)) => self.replace(keys, max_age),
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

    async fn fetch(&self) -> Result<(Keys, Option<Duration>), KeysError> {
        let answer = self.document.fetch().await?;
        let jwks = parse_jwks(&answer.body)?;
        let (keys, left_out) = KeySet::load(&AwsLc, &jwks)?;
        for left_out in left_out {
            warn!(url = %self.document.url, "{left_out}");
        }
        let cache_control = answer.headers.get(CACHE_CONTROL);
        let max_age = cache_control.and_then(|it| it.to_str().ok()).and_then(max_age);
        Ok((keys, max_age))
    }

    fn replace(&self, keys: Keys, max_age: Option<Duration>) {
        info!(url = %self.document.url, keys = ?keys.ids(), "keys fetched");
        self.hand_out(Some(Arc::new(keys)), None);
        self.schedule().succeeded(self.clock.now(), max_age);
    }

    fn keep_old(&self, error: &KeysError) {
        let (now, error) = (self.clock.now(), chain(error));
        let (has_keys, next_attempt) = {
            let mut schedule = self.schedule();
            schedule.failed(now, random::unit());
            (schedule.is_usable(now), schedule.next_at())
        };
        warn!(url = %self.document.url, %error, has_keys, %next_attempt, "no new keys");
        let keys = self.handout().keys.clone().filter(|_| has_keys);
        self.hand_out(keys, Some(error));
    }

    fn hand_out(&self, keys: Option<Arc<Keys>>, last_error: Option<String>) {
        let mut handout = self.handout();
        let is_same = match (&handout.keys, &keys) {
            (Some(old), Some(new)) => Arc::ptr_eq(old, new),
            (None, None) => true,
            _ => false,
        };
        (handout.keys, handout.last_error) = (keys, last_error);
        // The same keys again would make every token be checked again.
        if !is_same {
            handout.to.iter().for_each(|it| it.give(handout.keys.as_ref()));
        }
    }
}

/// Where a key set's server is.
pub(crate) fn key_origin(url: &KeyUrl) -> Result<Origin, ConnectorError> {
    let named = || ConnectorError::Name(url.authority().to_owned());
    Origin::of(url.scheme() == "https", url.authority()).ok_or_else(named)
}

impl KeyDocument {
    pub(crate) fn new(url: &KeyUrl, connector: &Connector) -> Result<Self, ConnectorError> {
        let origin = key_origin(url)?;
        let named = |_| ConnectorError::Name(url.authority().to_owned());
        let host = HeaderValue::from_str(&origin.authority()).map_err(named)?;
        Ok(Self { url: url.clone(), fetcher: Fetcher::new(connector.dialer(&origin)?, host) })
    }

    /// Fetches it once, as it is.
    pub(crate) async fn fetch(&self) -> Result<Fetched, KeysError> {
        let path = self.url.path_and_query();
        let answer = self.fetcher.get(path, HeaderMap::new(), MAX_JWKS_BYTES).await?;
        match answer.status {
            StatusCode::OK => Ok(answer),
            status => Err(KeysError::Status(status)),
        }
    }
}
