//! Builds everything from a configuration, of what is there already where
//! that is the same.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::{HeaderValue, Request, Response};
use hyper::body::Incoming;
use prometheus_client::metrics::counter::Counter;
use remint_idtoken::{Policy, UnixTime};

use crate::assertion::Asserter;
use crate::config::{self, Config, Identity, Origin, Tls};
use crate::headers::{TokenHeader, TokenPlaces};
use crate::in_flight::InFlight;
use crate::kept::{FreshToken, Kept, Way, Ways};
use crate::keys::{IssuerKeys, KeySource, Keyring, key_origin};
use crate::metrics::Metrics;
use crate::mint::Source;
use crate::proxy::{Proxy, Route};
use crate::region::Health;
use crate::request::RequestIds;
use crate::server::Door;
use crate::service::{Region, Service};
use crate::token_store::TokenStore;
use crate::upstream::{Connector, ConnectorError, Pool, ResponseBody};

/// What one configuration makes of the gateway. Requests that began with it
/// finish with it, also when there is a newer one.
pub(crate) struct Gateway {
    pub(crate) proxy: Proxy,
    pub(crate) services: Vec<Arc<Service>>,
    /// How connections from callers are accepted.
    pub(crate) door: Arc<Door>,
    /// When the certificate that callers see expires.
    pub(crate) certificate_ends: Option<UnixTime>,
    pub(crate) drain: Drain,
    /// They are kept fresh for as long as they are held.
    _tokens: Vec<Arc<FreshToken>>,
}

/// How it stops.
#[derive(Clone, Copy)]
pub(crate) struct Drain {
    /// How long requests are still taken.
    pub(crate) delay: Duration,
    /// How long those under way have after that.
    pub(crate) limit: Duration,
}

/// A token that is being put into use, and the counters of its regions.
type Counted = (Arc<FreshToken>, Vec<[Counter; 2]>);

impl Gateway {
    /// Must be called in a tokio runtime: new parts' tasks begin at once.
    pub(crate) fn build(config: &Config, kept: &Kept) -> Result<Self, ConnectorError> {
        let connector = Connector::new(&config.upstream)?;
        let mut site = Site { config, connector: &connector, kept, tokens: Vec::new() };
        let services = config.services.iter().map(|it| site.service(it));
        let services: Vec<_> = services.collect::<Result<_, _>>()?;
        let issuers = site.issuers(&config.policy)?;
        let places = |limits: &_| Ok::<_, ConnectorError>(InFlight::new(limits));
        let in_flight = kept.in_flight.get(config.limits.in_flight.clone(), places)?;
        // Nothing fails from here on: parts that are in use may change.
        let remembered = TokenStore::new(config.token_cache, kept.metrics.token_looks());
        let clock = Arc::clone(&kept.clock);
        let keyring = Keyring::new(&config.policy, issuers, clock, remembered);
        let tokens = site.tokens.into_iter().map(|(token, counters)| {
            token.count(counters);
            token
        });
        Ok(Self {
            _tokens: tokens.collect(),
            proxy: Proxy {
                policy: config.policy.clone(),
                keyring: Arc::new(keyring),
                routes: routes(config, &services, &kept.metrics),
                clock: Arc::clone(&kept.clock),
                metrics: Arc::clone(&kept.metrics),
                response_timeout: config.upstream.response_timeout,
                max_headers: config.limits.max_headers,
                body_timeout: config.limits.body_timeout,
                in_flight,
                ids: RequestIds::new(),
                lines: Mutex::default(),
                token_places: TokenPlaces::of(&config.policy),
                asserter: config.assertion.as_ref().map(Asserter::new),
            },
            services,
            certificate_ends: config.tls.as_ref().and_then(Tls::not_after),
            drain: Drain { delay: config.drain_delay, limit: config.drain_timeout },
            door: Arc::new(Door::new(&config.limits, kept.tls(config.tls.as_ref()).as_ref())),
        })
    }

    /// Answers a request.
    pub(crate) async fn answer(
        &self,
        peer: &HeaderValue,
        request: Request<Incoming>,
    ) -> Response<ResponseBody> {
        self.proxy.handle(peer, request).await
    }
}

/// What services are built with.
struct Site<'a> {
    config: &'a Config,
    connector: &'a Connector,
    kept: &'a Kept,
    tokens: Vec<Counted>,
}

impl Site<'_> {
    fn service(&mut self, settings: &config::Service) -> Result<Arc<Service>, ConnectorError> {
        let name = &settings.name;
        let regions = settings.regions.iter().map(|region| self.region(settings, region));
        let regions: Vec<Region> = regions.collect::<Result<_, _>>()?;
        Ok(Arc::new(Service {
            name: Arc::clone(name),
            token_headers: TokenHeader::of_all(regions.iter().map(|region| region.token_header)),
            host: settings.host,
            regions,
            turn: AtomicUsize::new(0),
            retries: self.kept.metrics.retries(name),
            news: Arc::clone(&self.kept.news),
        }))
    }

    fn region(
        &mut self,
        service: &config::Service,
        settings: &config::Region,
    ) -> Result<Region, ConnectorError> {
        let token = self.token(service, settings)?;
        let (kept, origin) = (self.kept, &settings.origin);
        let key = ((Arc::clone(&service.name), Arc::clone(&settings.name)), self.way(origin));
        let healthy = |_: &_| Ok::<_, ConnectorError>(Health::default());
        Ok(Region {
            name: Arc::clone(&settings.name),
            host: host_header(&origin.authority())?,
            token_header: service.token_header,
            token: Arc::clone(&token.slot),
            health: kept.healths.get(key.clone(), healthy)?,
            pool: kept.pools.get(key, |_| {
                let dialer = self.connector.dialer(origin)?;
                Ok::<_, ConnectorError>(Pool::new(dialer, Arc::clone(&kept.clock)))
            })?,
            counters: kept.metrics.region(&service.name, &settings.name),
            warned_at: AtomicU64::new(0),
        })
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
        let start = |_: &_| Ok::<_, ConnectorError>(FreshToken::start(self.kept, audience, source));
        let token = self.kept.tokens.get((key, Arc::clone(audience)), start)?;
        let counters = self.kept.metrics.mints(&service.name, &region.name);
        match self.tokens.iter_mut().find(|(it, _)| Arc::ptr_eq(it, &token)) {
            Some((_, shared)) => shared.push(counters),
            None => self.tokens.push((Arc::clone(&token), vec![counters])),
        }
        Ok(token)
    }

    /// The issuers whose keys are fetched. Those that stand in the
    /// configuration are the authority's own from the start.
    fn issuers(&self, policy: &Policy) -> Result<Vec<IssuerKeys>, ConnectorError> {
        let fetched = policy.issuers().iter().filter_map(|it| Some((it, it.key_url()?)));
        let issuers = fetched.map(|(issuer, url)| {
            let key = (url.clone(), self.way(&key_origin(url)?));
            let (times, clock) = (policy.key_times(), &self.kept.clock);
            let start = |_: &_| KeySource::start(url, self.connector, times, clock);
            let source = self.kept.keys.get(key, start)?;
            Ok(IssuerKeys { issuer: issuer.clone(), source })
        });
        issuers.collect()
    }

    fn way(&self, origin: &Origin) -> Way {
        Way::new(&self.config.upstream, origin)
    }
}

fn routes(
    config: &Config,
    services: &[Arc<Service>],
    metrics: &Metrics,
) -> HashMap<Arc<str>, Route> {
    let pairs = config.services.iter().zip(services);
    let routes = pairs.flat_map(|(settings, service)| {
        settings.routes.iter().map(|it| {
            let route = Route {
                service: Arc::clone(service),
                counters: metrics.requests(&service.name, &it.rule),
                max_body: it.max_body,
                telling: it.telling,
            };
            (Arc::clone(&it.rule), route)
        })
    });
    routes.collect()
}

fn host_header(authority: &str) -> Result<HeaderValue, ConnectorError> {
    HeaderValue::from_str(authority).map_err(|_| ConnectorError::Name(authority.to_owned()))
}
