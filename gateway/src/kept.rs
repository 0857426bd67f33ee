//! What outlives a configuration: connections, tokens, keys and figures.
//!
//! Each part is known by all that it was made from. A new configuration that
//! asks for the same gets the part that is there, with what it holds; a part
//! that no configuration and no request uses any more is gone, and its task
//! with it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use remint_idtoken::policy::KeyUrl;
use rustls::pki_types::CertificateDer;

use crate::admin::{Lately, Refusals};
use crate::balance::Balancer;
use crate::clock::Clock;
use crate::config::{
    HostPort, Identity, InFlightLimits, Locality, Origin, Outlier, Probe, RetryBudget, Tls,
    Upstream,
};
use crate::doorbell::{News, Task};
use crate::in_flight::InFlight;
use crate::keys::KeySource;
use crate::metrics::{Metrics, MintCounters};
use crate::mint::{Ended, Slot, Source, keep_fresh};
use crate::retry::{Budget, ReplayMemory};
use crate::upstream::{Pool, PoolSettings};

/// All parts that outlive a configuration.
pub(crate) struct Kept {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) metrics: Arc<Metrics>,
    /// When attempts to mint have ended.
    pub(crate) news: Arc<News>,
    pub(crate) pools: Parts<PoolKey, Pool>,
    pub(crate) balancers: Parts<BalancerKey, Balancer>,
    pub(crate) budgets: Parts<(Arc<str>, RetryBudget), Budget>,
    /// By its limit in bytes.
    pub(crate) replay: Parts<usize, ReplayMemory>,
    pub(crate) sources: Parts<(Identity, Ways), Source>,
    pub(crate) tokens: Parts<((Identity, Ways), Arc<str>), FreshToken>,
    pub(crate) keys: Parts<(KeyUrl, Way), KeySource>,
    /// One for all configurations, each of which has it keep to its limits.
    pub(crate) in_flight: Arc<InFlight>,
    pub(crate) refusals: Arc<Refusals>,
    pub(crate) lately: Lately,
    tls: Mutex<Option<Tls>>,
}

/// A region's connections.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct PoolKey {
    pub(crate) service: Arc<str>,
    pub(crate) region: Arc<str>,
    pub(crate) settings: PoolSettings,
    pub(crate) way: Way,
}

/// How a service's regions have been doing. Where one comes or goes, all of
/// them start anew.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct BalancerKey {
    pub(crate) service: Arc<str>,
    pub(crate) members: Vec<MemberKey>,
    pub(crate) outlier: Outlier,
    /// What probes have ejected, only probes bring back.
    pub(crate) probe: Option<Probe>,
    pub(crate) locality: Locality,
}

/// One of those regions.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct MemberKey {
    pub(crate) name: Arc<str>,
    pub(crate) weight: u32,
    pub(crate) priority: u32,
    pub(crate) way: Way,
}

/// All that a connection's way depends on: whoever makes connections of
/// anything else puts it here too, or changes of it go unnoticed.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Way {
    origin: Origin,
    connect_to: Option<HostPort>,
    means: Means,
}

/// The ways to everywhere, for what connects to several places.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Ways {
    connect_to: HashMap<HostPort, HostPort>,
    means: Means,
}

/// What all ways have in common.
#[derive(Clone, PartialEq, Eq)]
struct Means {
    connect_timeout: Duration,
    extra_roots: Vec<CertificateDer<'static>>,
}

impl Means {
    fn new(settings: &Upstream) -> Self {
        let (connect_timeout, extra_roots) =
            (settings.connect_timeout, settings.extra_roots.clone());
        Self { connect_timeout, extra_roots }
    }
}

impl Way {
    pub(crate) fn new(settings: &Upstream, origin: &Origin) -> Self {
        Self {
            origin: origin.clone(),
            connect_to: settings.connect_to.get(&origin.address()).cloned(),
            means: Means::new(settings),
        }
    }
}

impl Ways {
    pub(crate) fn new(settings: &Upstream) -> Self {
        Self { connect_to: settings.connect_to.clone(), means: Means::new(settings) }
    }
}

impl Kept {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            metrics: Arc::new(Metrics::new()),
            news: Arc::default(),
            pools: Parts::default(),
            balancers: Parts::default(),
            budgets: Parts::default(),
            replay: Parts::default(),
            sources: Parts::default(),
            tokens: Parts::default(),
            keys: Parts::default(),
            in_flight: Arc::new(InFlight::new(&InFlightLimits::default())),
            refusals: Arc::default(),
            lately: Lately::default(),
            tls: Mutex::default(),
        }
    }

    /// TLS for callers: with the sessions that can be resumed, if the
    /// certificate is the same.
    pub(crate) fn tls(&self, wanted: Option<&Tls>) -> Option<Tls> {
        let mut tls = self.tls.lock().unwrap_or_else(PoisonError::into_inner);
        if tls.as_ref() != wanted {
            *tls = wanted.cloned();
        }
        tls.clone()
    }
}

/// Parts of one kind, for as long as somebody uses them.
pub(crate) struct Parts<K, T>(Mutex<Vec<(K, Weak<T>)>>);

impl<K, T> Default for Parts<K, T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: PartialEq, T> Parts<K, T> {
    /// The part of that description, made if it is not there.
    pub(crate) fn get<P: Into<Arc<T>>, E>(
        &self,
        key: K,
        make: impl FnOnce(&K) -> Result<P, E>,
    ) -> Result<Arc<T>, E> {
        let mut parts = self.lock();
        parts.retain(|(_, part)| part.strong_count() > 0);
        let found = parts.iter().find(|(it, _)| *it == key).and_then(|(_, part)| part.upgrade());
        if let Some(found) = found {
            return Ok(found);
        }
        let part = make(&key)?.into();
        parts.push((key, Arc::downgrade(&part)));
        Ok(part)
    }

    /// The parts that are in use and described like that, the newest first:
    /// what they hold may be good for another part too.
    pub(crate) fn like(&self, is_like: impl Fn(&K) -> bool) -> Vec<Arc<T>> {
        let parts = self.lock();
        let like = parts.iter().rev().filter(|(key, _)| is_like(key));
        like.filter_map(|(_, part)| part.upgrade()).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(K, Weak<T>)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A token with the task that keeps it fresh, and the counters of the regions
/// that share it.
pub(crate) struct FreshToken {
    pub(crate) slot: Arc<Slot>,
    count: Arc<Mutex<Count>>,
    _task: Task,
}

/// More attempts do not end while a gateway is being built: the second comes a
/// second after the first.
const MOST_BEFORE: usize = 16;

/// How mintings have ended.
#[derive(Default)]
struct Count {
    /// Those before the counters were there: the first minting may end while
    /// the rest of the gateway is still being built.
    before: Vec<Ended>,
    counters: Vec<MintCounters>,
}

impl Count {
    fn one_more(&mut self, ended: Ended) {
        if self.counters.is_empty() && self.before.len() < MOST_BEFORE {
            self.before.push(ended);
        }
        for counters in &self.counters {
            counters.of(ended).inc();
        }
    }

    fn set(&mut self, counters: Vec<MintCounters>) {
        for ended in std::mem::take(&mut self.before) {
            for counters in &counters {
                counters.of(ended).inc();
            }
        }
        self.counters = counters;
    }
}

impl FreshToken {
    /// Must be called in a tokio runtime: minting begins at once. Until it
    /// comes to something, the newest token of its `elders` serves.
    pub(crate) fn start(
        kept: &Kept,
        audience: &Arc<str>,
        source: Arc<Source>,
        elders: &[Arc<Self>],
    ) -> Self {
        let now = kept.clock.now();
        let tokens = elders.iter().filter_map(|elder| elder.slot.token(now));
        let inherited = tokens.max_by_key(|token| token.expires_at());
        let slot = Slot::new(Arc::clone(audience), inherited, Arc::clone(&kept.news));
        let slot = Arc::new(slot);
        let count = Arc::<Mutex<Count>>::default();
        let counted = Arc::clone(&count);
        let seen = move |ended| {
            counted.lock().unwrap_or_else(PoisonError::into_inner).one_more(ended);
        };
        let clock = Arc::clone(&kept.clock);
        let task = Task::spawn(keep_fresh(Arc::clone(&slot), source, clock, seen));
        Self { slot, count, _task: task }
    }

    /// From now on these regions' mintings are counted.
    pub(crate) fn count(&self, counters: Vec<MintCounters>) {
        self.count.lock().unwrap_or_else(PoisonError::into_inner).set(counters);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_kept_for_as_long_as_somebody_uses_it() {
        let parts = Parts::<&str, u32>::default();
        let get = |key, number| parts.get(key, |_| Ok::<_, ()>(number)).unwrap();
        let one = get("one", 1);
        assert_eq!((*get("one", 2), *get("two", 2)), (1, 2));
        drop(one);
        assert_eq!(*get("one", 3), 3);
    }

    #[test]
    fn mintings_are_counted_from_the_first_one_on() {
        let (metrics, mut count) = (Metrics::new(), Count::default());
        let of = |service: &str| ["a", "b"].map(|region| metrics.mints(service, region));
        let figures = |service: &str| {
            let endings = [Ended::Minted, Ended::Failed, Ended::Denied];
            of(service).map(|counters| endings.map(|ended| counters.of(ended).get()))
        };
        count.one_more(Ended::Minted);
        count.set(of("one").into());
        count.one_more(Ended::Failed);
        count.one_more(Ended::Minted);
        assert_eq!(figures("one"), [[2, 1, 0], [2, 1, 0]]);
        count.set(of("two").into());
        count.one_more(Ended::Denied);
        assert_eq!(figures("one"), [[2, 1, 0], [2, 1, 0]], "each once");
        assert_eq!(figures("two"), [[0, 0, 1], [0, 0, 1]]);
    }

    #[test]
    fn parts_that_are_alike_are_found_while_they_are_in_use() {
        let parts = Parts::<&str, u32>::default();
        let all = ["b1", "a1", "a2"]
            .map(|key| parts.get(key, |_| Ok::<_, ()>(u32::from(key.ends_with('2')))).unwrap());
        let like =
            || parts.like(|key| key.starts_with('a')).iter().map(|it| **it).collect::<Vec<_>>();
        assert_eq!(like(), [1, 0]);
        drop(all);
        assert!(like().is_empty());
    }

    #[test]
    fn a_part_that_cant_be_made_leaves_nothing() {
        let parts = Parts::<&str, u32>::default();
        assert_eq!(parts.get("one", |_| Err::<u32, _>("no")), Err("no"));
        assert_eq!(parts.get("one", |_| Ok::<_, &str>(1)).map(|it| *it), Ok(1));
    }
}
