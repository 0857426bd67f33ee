//! What one configuration makes, of what is there already where that is the
//! same.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use remint_idtoken::UnixTime;

use crate::access::AccessLog;
use crate::assertion::Asserter;
use crate::config::{self, Config, Locality, Origin, Tls};
use crate::doorbell::Task;
use crate::headers::TokenPlaces;
use crate::kept::{FreshToken, Kept};
use crate::keys::Keyring;
use crate::locality;
use crate::logging;
use crate::metrics::Metrics;
use crate::probe;
use crate::proxy::{Proxy, Route};
use crate::request::RequestIds;
use crate::retry::{Limits, ReplayMemory};
use crate::senders::SenderCounts;
use crate::server::{Door, Incoming, Peer};
use crate::service::Service;
use crate::site::Site;
use crate::token_store::TokenStore;
use crate::upstream::{Connector, ConnectorError, Fetcher, ResponseBody};

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
    _tasks: Vec<Task>,
}

/// How it stops.
#[derive(Clone, Copy)]
pub(crate) struct Drain {
    /// How long requests are still taken.
    pub(crate) delay: Duration,
    /// How long those under way have after that.
    pub(crate) limit: Duration,
}

impl Gateway {
    /// Must be called in a tokio runtime: new parts' tasks begin at once.
    pub(crate) fn build(config: &Config, kept: &Kept) -> Result<Self, ConnectorError> {
        let connector = Connector::new(&config.upstream)?;
        let mut site = Site::new(config, &connector, kept);
        let services = config.services.iter().map(|it| site.service(it));
        let services: Vec<_> = services.collect::<Result<_, _>>()?;
        let issuers = site.issuers(&config.policy)?;
        let held = |limit: &_| {
            Ok::<_, ConnectorError>(ReplayMemory::new(*limit, kept.metrics.replay_bytes()))
        };
        let replay = kept.replay.get(config.upstream.replay_memory, held)?;
        let mut tasks: Vec<Task> =
            locality_task(&config.locality, &connector, &services)?.into_iter().collect();
        tasks.extend(logging::follow_project(&config.logs.project, &connector)?);
        // Nothing fails from here on: parts that are in use may change.
        kept.in_flight.keep_to(&config.limits.in_flight);
        tasks.extend(probe_tasks(config, &services, kept));
        let remembered = TokenStore::new(config.token_cache, kept.metrics.token_looks());
        let clock = Arc::clone(&kept.clock);
        let keyring = Keyring::new(&config.policy, issuers, clock, remembered);
        Ok(Self {
            _tokens: site.into_tokens(),
            _tasks: tasks,
            proxy: Proxy {
                policy: config.policy.clone(),
                keyring: Arc::new(keyring),
                routes: routes(config, &services, &kept.metrics),
                clock: Arc::clone(&kept.clock),
                metrics: Arc::clone(&kept.metrics),
                max_headers: config.limits.max_headers,
                body_timeout: config.limits.body_timeout,
                in_flight: Arc::clone(&kept.in_flight),
                replay,
                ids: RequestIds::new(),
                access: AccessLog::new(config.logs.access, &kept.refusals),
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
        peer: &Peer,
        request: Request<Incoming>,
    ) -> Response<ResponseBody> {
        self.proxy.handle(&peer.address, request).await
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
                senders: SenderCounts::default(),
                max_body: it.max_body,
                telling: it.telling,
                limits: limits(&it.attempts, config.upstream.response_timeout),
            };
            (Arc::clone(&it.rule), route)
        })
    });
    routes.collect()
}

fn limits(settings: &config::Attempts, usual_timeout: Duration) -> Limits {
    Limits {
        attempts: settings.attempts,
        at_least_once: settings.at_least_once,
        replay_limit: settings.replay_limit,
        timeout: settings.timeout.unwrap_or(usual_timeout),
        per_try_timeout: settings.per_try_timeout,
    }
}

/// The task that finds out where the gateway runs, where it is not told.
fn locality_task(
    locality: &Locality,
    connector: &Connector,
    services: &[Arc<Service>],
) -> Result<Option<Task>, ConnectorError> {
    match locality {
        Locality::Anywhere => Ok(None),
        Locality::Region(name) => {
            locality::tell(services, name);
            Ok(None)
        }
        Locality::Ask(host) => {
            let fetcher = Fetcher::to(&Origin::plain(host), connector)?;
            Ok(Some(Task::spawn(locality::find(fetcher, services.to_vec()))))
        }
    }
}

fn probe_tasks(config: &Config, services: &[Arc<Service>], kept: &Kept) -> Vec<Task> {
    let pairs = config.services.iter().zip(services);
    let probed = pairs.filter_map(|(settings, service)| Some((settings.probe.as_ref()?, service)));
    let tasks = probed.flat_map(|(settings, service)| {
        (0..service.regions.len()).map(|place| {
            let (service, clock) = (Arc::clone(service), Arc::clone(&kept.clock));
            Task::spawn(probe::keep_probing(service, place, settings.clone(), clock))
        })
    });
    tasks.collect()
}
