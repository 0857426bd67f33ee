//! Builds services, with connections, tokens and health from before where
//! they are the same.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Instant;

use http::HeaderValue;
use remint_idtoken::Policy;

use crate::balance::{Balancer, Member};
use crate::config::{self, Config, Identity, Origin};
use crate::headers::TokenHeader;
use crate::kept::{BalancerKey, FreshToken, Kept, MemberKey, PoolKey, Way, Ways};
use crate::keys::{IssuerKeys, KeySource, key_origin};
use crate::last_refusal::LastRefusal;
use crate::metrics::MintCounters;
use crate::mint::Source;
use crate::random;
use crate::retry::Budget;
use crate::service::{Region, Service};
use crate::trouble::Troubles;
use crate::upstream::{Connector, ConnectorError, Pool, PoolSettings};

/// A token that is being put into use, and the counters of its regions.
type Counted = (Arc<FreshToken>, Vec<MintCounters>);

/// What services are built with.
pub(crate) struct Site<'a> {
    config: &'a Config,
    connector: &'a Connector,
    kept: &'a Kept,
    tokens: Vec<Counted>,
}

impl<'a> Site<'a> {
    pub(crate) fn new(config: &'a Config, connector: &'a Connector, kept: &'a Kept) -> Self {
        Self { config, connector, kept, tokens: Vec::new() }
    }

    pub(crate) fn service(
        &mut self,
        settings: &config::Service,
    ) -> Result<Arc<Service>, ConnectorError> {
        let (name, kept) = (&settings.name, self.kept);
        let balancer = self.balancer(settings)?;
        let regions = settings.regions.iter().enumerate();
        let regions = regions.map(|(place, it)| self.region(settings, it, place, &balancer));
        let regions: Vec<Region> = regions.collect::<Result<_, _>>()?;
        let budget =
            |_: &_| Ok::<_, ConnectorError>(Budget::new(settings.retry_budget, Instant::now()));
        Ok(Arc::new(Service {
            name: Arc::clone(name),
            token_headers: TokenHeader::of_all(regions.iter().map(|region| region.token_header)),
            host: settings.host,
            regions,
            retries: kept.metrics.retries(name),
            budget: kept.budgets.get((Arc::clone(name), settings.retry_budget), budget)?,
            balancer,
            counters: kept.metrics.service(name),
            news: Arc::clone(&kept.news),
        }))
    }

    fn region(
        &mut self,
        service: &config::Service,
        settings: &config::Region,
        place: usize,
        balancer: &Arc<Balancer>,
    ) -> Result<Region, ConnectorError> {
        let token = self.token(service, settings)?;
        let (kept, origin) = (self.kept, &settings.origin);
        Ok(Region {
            name: Arc::clone(&settings.name),
            place,
            kind: settings.kind,
            host: host_header(&origin.authority())?,
            base_path: Arc::clone(&settings.base_path),
            token_header: settings.token_header,
            token: Arc::clone(&token.slot),
            pool: self.pool(service, settings)?,
            balancer: Arc::clone(balancer),
            counters: kept.metrics.region(&service.name, &settings.name),
            last_refusal: LastRefusal::default(),
            warned_at: AtomicU64::new(0),
            troubles: Troubles::default(),
        })
    }

    /// Each region has connections of its own, also where two are at the same
    /// place.
    fn pool(
        &self,
        service: &config::Service,
        settings: &config::Region,
    ) -> Result<Arc<Pool>, ConnectorError> {
        let pool = PoolSettings {
            origin: settings.origin.clone(),
            protocol: settings.protocol,
            connections: self.config.upstream.connections,
        };
        let key = PoolKey {
            service: Arc::clone(&service.name),
            region: Arc::clone(&settings.name),
            settings: pool.clone(),
            way: self.way(&settings.origin),
        };
        let make = |_: &_| Pool::new(self.connector, &pool, Arc::clone(&self.kept.clock));
        self.kept.pools.get(key, make)
    }

    fn balancer(&self, settings: &config::Service) -> Result<Arc<Balancer>, ConnectorError> {
        let member = |region: &config::Region| MemberKey {
            name: Arc::clone(&region.name),
            weight: region.weight,
            priority: region.priority,
            way: self.way(&region.origin),
        };
        let key = BalancerKey {
            service: Arc::clone(&settings.name),
            members: settings.regions.iter().map(member).collect(),
            outlier: settings.outlier,
            probe: settings.probe.clone(),
            locality: self.config.locality.clone(),
        };
        let make = |_: &_| Ok::<_, ConnectorError>(balancer(settings));
        self.kept.balancers.get(key, make)
    }

    /// The token for a region: one for all that have its audience, minted for
    /// the same identity.
    fn token(
        &mut self,
        service: &config::Service,
        region: &config::Region,
    ) -> Result<Arc<FreshToken>, ConnectorError> {
        let key = (service.identity.clone(), Ways::new(&self.config.upstream));
        let source = |(identity, _): &(Identity, _)| Source::new(identity, self.connector);
        let source = self.kept.sources.get(key.clone(), source)?;
        let audience = &region.audience;
        // Another way to the same account's tokens makes the old ones no worse.
        let elders = self.kept.tokens.like(|((identity, _), of)| {
            of == audience && identity.is_same_account(&service.identity)
        });
        let start = |_: &_| {
            Ok::<_, ConnectorError>(FreshToken::start(self.kept, audience, source, &elders))
        };
        let token = self.kept.tokens.get((key, Arc::clone(audience)), start)?;
        let counters = self.kept.metrics.mints(&service.name, &region.name);
        match self.tokens.iter_mut().find(|(it, _)| Arc::ptr_eq(it, &token)) {
            Some((_, shared)) => shared.push(counters),
            None => self.tokens.push((Arc::clone(&token), vec![counters])),
        }
        Ok(token)
    }

    /// All tokens, counted for their regions from now on.
    pub(crate) fn into_tokens(self) -> Vec<Arc<FreshToken>> {
        let tokens = self.tokens.into_iter().map(|(token, counters)| {
            token.count(counters);
            token
        });
        tokens.collect()
    }

    /// The issuers whose keys are fetched. Those that stand in the
    /// configuration are the authority's own from the start.
    pub(crate) fn issuers(&self, policy: &Policy) -> Result<Vec<IssuerKeys>, ConnectorError> {
        let fetched = policy.issuers().iter().filter_map(|it| Some((it, it.key_url()?)));
        let issuers = fetched.map(|(issuer, url)| {
            let key = (url.clone(), self.way(&key_origin(url)?));
            let (times, clock) = (policy.key_times(), &self.kept.clock);
            let elders = self.kept.keys.like(|(of, _)| of == url);
            let start = |_: &_| KeySource::start(url, self.connector, times, clock, &elders);
            let source = self.kept.keys.get(key, start)?;
            Ok(IssuerKeys { issuer: issuer.clone(), source })
        });
        issuers.collect()
    }

    fn way(&self, origin: &Origin) -> Way {
        Way::new(&self.config.upstream, origin)
    }
}

fn balancer(settings: &config::Service) -> Balancer {
    let now = Instant::now();
    let member = |region: &config::Region| {
        Member::new(Arc::clone(&region.name), region.weight, region.priority, now)
    };
    let members = settings.regions.iter().map(member).collect();
    Balancer::new(members, settings.outlier, random::bits())
}

fn host_header(authority: &str) -> Result<HeaderValue, ConnectorError> {
    HeaderValue::from_str(authority).map_err(|_| ConnectorError::Name(authority.to_owned()))
}
