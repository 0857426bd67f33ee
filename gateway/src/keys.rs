//! The issuers' keys: fetched ahead of need, waited for where they must be.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use http::header::CACHE_CONTROL;
use http::{HeaderMap, HeaderValue, StatusCode};
use remint_idtoken::keys::{
    JwksError, KeySchedule, KeySet, KeyTimes, MAX_JWKS_BYTES, max_age, parse_jwks,
};
use remint_idtoken::policy::{Issuer, KeyUrl};
use remint_idtoken::{
    Admission, Authority, AwsLc, Policy, Reason, Refusal, SignatureScheme, Target, TargetError,
};
use tokio::time::Instant;
use tracing::{info, warn};

use crate::clock::Clock;
use crate::config::Origin;
use crate::doorbell::{Doorbell, News};
use crate::error::chain;
use crate::random;
use crate::token_store::TokenStore;
use crate::upstream::{Connector, ConnectorError, FetchError, Fetched, Fetcher};

/// How long a request waits for keys.
const KEY_WAIT: Duration = Duration::from_secs(5);

type Keys = KeySet<<AwsLc as SignatureScheme>::Key>;

/// The issuers with their keys, as far as they have any.
pub(crate) struct Keyring {
    authority: ArcSwap<Authority<AwsLc>>,
    issuers: Vec<IssuerKeys>,
    clock: Arc<dyn Clock>,
    /// The tokens that these keys were found to have signed.
    tokens: TokenStore,
}

struct IssuerKeys {
    issuer: Issuer,
    source: KeyDocument,
    schedule: Mutex<KeySchedule>,
    news: Arc<News>,
    doorbell: Doorbell,
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

impl Keyring {
    pub(crate) fn new(
        policy: &Policy,
        connector: &Connector,
        clock: Arc<dyn Clock>,
        tokens: TokenStore,
    ) -> Result<Self, ConnectorError> {
        let times = policy.key_times();
        // Keys in the configuration are the authority's own from the start.
        let fetched = policy.issuers().iter().filter_map(|it| Some((it, it.key_url()?)));
        let issuer = |(issuer, url)| IssuerKeys::new(issuer, url, times, connector);
        Ok(Self {
            authority: ArcSwap::from_pointee(Authority::new(policy, AwsLc)),
            issuers: fetched.map(issuer).collect::<Result<_, _>>()?,
            clock,
            tokens,
        })
    }

    /// How many issuers have keys to fetch: each wants a task of its own that runs
    /// [`Keyring::keep_fresh`].
    pub(crate) fn len(&self) -> usize {
        self.issuers.len()
    }

    /// The issuers that have no keys, by name.
    pub(crate) fn without_keys(&self) -> Vec<&str> {
        let now = self.clock.now();
        let lacks = |it: &&IssuerKeys| !it.schedule().is_usable(now);
        let names = self.issuers.iter().filter(lacks);
        names.map(|it| it.issuer.name()).collect()
    }

    /// Decides about a request by the policy. Keys that may be on their way
    /// are waited for.
    pub(crate) async fn admit(
        &self,
        policy: &Policy,
        target: Result<Target<'_>, TargetError>,
        headers: &HeaderMap,
    ) -> Result<Admission, Refusal> {
        let decide = || {
            let authority = self.authority.load();
            policy.admit(&authority, &self.tokens, target.clone(), headers, self.clock.now())
        };
        let mut decision = decide();
        let deadline = Instant::now().checked_add(KEY_WAIT);
        while let Err(refusal) = &decision {
            let news = self.hurry(refusal);
            let (Some(news), Some(deadline)) = (news, deadline) else {
                break;
            };
            let mut attempts = news.watch();
            // The keys may have come since the first look.
            decision = decide();
            if decision.as_ref().is_err_and(|it| it.reason.is_for_lack_of_keys()) {
                if !attempts.next_end(deadline).await {
                    break;
                }
                decision = decide();
            }
        }
        decision.map_err(|refusal| self.judged(refusal))
    }

    /// A key that is not in an old set may be in the one that could not be
    /// fetched: that is no fault of the sender, who may try again.
    fn judged(&self, refusal: Refusal) -> Refusal {
        let is_unknown = refusal.reason == Reason::KeyUnknown;
        let issuer = self.issuer(&refusal).filter(|_| is_unknown);
        match issuer.is_some_and(|it| it.schedule().last_failed()) {
            true => refusal.for_lack_of_keys(),
            false => refusal,
        }
    }

    fn issuer(&self, refusal: &Refusal) -> Option<&IssuerKeys> {
        let name = refusal.issuer_name()?;
        self.issuers.iter().find(|it| it.issuer.name() == name)
    }

    /// Has new keys fetched if they could change the decision. None if they
    /// can't, or can't be had soon.
    fn hurry(&self, refusal: &Refusal) -> Option<&News> {
        if !refusal.reason.is_for_lack_of_keys() {
            return None;
        }
        let found = self.issuer(refusal)?;
        let now = self.clock.now();
        let is_coming = {
            let mut schedule = found.schedule();
            let is_wanted = refusal.reason != Reason::KeyUnknown || schedule.unknown_key(now);
            // After many failures the next attempt may be further off.
            is_wanted && (schedule.is_in_flight() || schedule.is_due(now.plus(KEY_WAIT)))
        };
        found.doorbell.ring();
        is_coming.then_some(&found.news)
    }

    /// Keeps the keys of one issuer fresh for as long as it is polled.
    pub(crate) async fn keep_fresh(self: Arc<Self>, place: usize) {
        let Some(issuer) = self.issuers.get(place) else {
            return;
        };
        loop {
            let now = self.clock.now();
            if !issuer.start(now) {
                let due = issuer.schedule().next_at();
                issuer.doorbell.nap(now, due).await;
                continue;
            }
            match issuer.fetch().await {
                Ok((keys, max_age)) => self.replace(issuer, keys, max_age),
                Err(error) => self.keep_old(issuer, &error),
            }
            issuer.doorbell.attempt_ended();
        }
    }

    fn replace(&self, issuer: &IssuerKeys, keys: Keys, max_age: Option<Duration>) {
        info!(issuer = issuer.issuer.name(), keys = ?keys.ids(), "keys fetched");
        self.set(issuer, Some(&Arc::new(keys)));
        issuer.schedule().succeeded(self.clock.now(), max_age);
    }

    fn keep_old(&self, issuer: &IssuerKeys, error: &KeysError) {
        let now = self.clock.now();
        let (has_keys, next_attempt) = {
            let mut schedule = issuer.schedule();
            schedule.failed(now, random::unit());
            (schedule.is_usable(now), schedule.next_at())
        };
        if !has_keys {
            self.set(issuer, None);
        }
        warn!(
            issuer = issuer.issuer.name(),
            url = %issuer.source.url,
            error = %chain(error),
            has_keys,
            %next_attempt,
            "no new keys",
        );
    }

    fn set(&self, issuer: &IssuerKeys, keys: Option<&Arc<Keys>>) {
        self.authority.rcu(|old| {
            let mut new = Authority::clone(old);
            new.set_keys(issuer.issuer.name(), keys.map(Arc::clone));
            new
        });
    }
}

impl IssuerKeys {
    fn new(
        issuer: &Issuer,
        url: &KeyUrl,
        times: KeyTimes,
        connector: &Connector,
    ) -> Result<Self, ConnectorError> {
        let news = Arc::new(News::default());
        Ok(Self {
            issuer: issuer.clone(),
            source: KeyDocument::new(url, connector)?,
            schedule: Mutex::new(KeySchedule::new(times)),
            doorbell: Doorbell::new(Arc::clone(&news)),
            news,
        })
    }

    fn schedule(&self) -> MutexGuard<'_, KeySchedule> {
        self.schedule.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a fetch if one is due.
    fn start(&self, now: remint_idtoken::UnixTime) -> bool {
        let mut schedule = self.schedule();
        let is_due = schedule.is_due(now);
        if is_due {
            schedule.started(now);
        }
        is_due
    }

    async fn fetch(&self) -> Result<(Keys, Option<Duration>), KeysError> {
        let answer = self.source.fetch().await?;
        let jwks = parse_jwks(&answer.body)?;
        let (keys, left_out) = KeySet::load(&AwsLc, &jwks)?;
        for left_out in left_out {
            warn!(issuer = self.issuer.name(), "{left_out}");
        }
        let cache_control = answer.headers.get(CACHE_CONTROL);
        let max_age = cache_control.and_then(|it| it.to_str().ok()).and_then(max_age);
        Ok((keys, max_age))
    }
}

impl KeyDocument {
    pub(crate) fn new(url: &KeyUrl, connector: &Connector) -> Result<Self, ConnectorError> {
        let named = || ConnectorError::Name(url.authority().to_owned());
        let origin = Origin::of(url.scheme() == "https", url.authority()).ok_or_else(named)?;
        let host = HeaderValue::from_str(&origin.authority()).map_err(|_| named())?;
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
