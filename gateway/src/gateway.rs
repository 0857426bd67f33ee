//! Builds everything from a configuration.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use http::header::CONNECTION;
use http::{HeaderValue, Request, Response, Version};
use hyper::body::Incoming;
use prometheus_client::metrics::counter::Counter;

use crate::balance::{Balancer, Member};
use crate::clock::Clock;
use crate::config::{self, Config, Connections, HostPort, Identity, Locality, Origin};
use crate::doorbell::{News, Task};
use crate::keys::Keyring;
use crate::locality;
use crate::metrics::Metrics;
use crate::mint::{MetadataServer, Slot, keep_fresh};
use crate::probe;
use crate::proxy::{Proxy, Route};
use crate::random;
use crate::request::RequestIds;
use crate::retry::{Budget, Limits, ReplayMemory, default_per_try};
use crate::service::{Region, Service};
use crate::upstream::{Connector, ConnectorError, Fetcher, Pool, PoolSettings, ResponseBody};

/// A gateway at work: what requests need, and the tasks that keep keys and
/// tokens fresh for as long as it is there.
pub(crate) struct Gateway {
    pub(crate) proxy: Proxy,
    pub(crate) services: Vec<Arc<Service>>,
    pub(crate) is_draining: AtomicBool,
    _tasks: Vec<Task>,
}

/// The tokens, one slot for each audience: two regions may have the same.
struct Tokens {
    slots: HashMap<Arc<str>, Shared>,
    news: Arc<News>,
}

/// A slot, and the counters of the regions that share it.
struct Shared {
    slot: Arc<Slot>,
    counters: Vec<[Counter; 2]>,
}

impl Tokens {
    fn slot(&mut self, audience: &Arc<str>, counters: [Counter; 2]) -> Arc<Slot> {
        let news = &self.news;
        let new = || Shared {
            slot: Arc::new(Slot::new(Arc::clone(audience), Arc::clone(news))),
            counters: Vec::new(),
        };
        let shared = self.slots.entry(Arc::clone(audience)).or_insert_with(new);
        shared.counters.push(counters);
        Arc::clone(&shared.slot)
    }
}

impl Gateway {
    /// Must be called in a tokio runtime: the tasks begin at once.
    pub(crate) fn start(config: &Config, clock: &Arc<dyn Clock>) -> Result<Self, ConnectorError> {
        let connector = Connector::new(&config.upstream)?;
        let metrics = Metrics::new();
        let memory = config.upstream.replay_memory;
        let replay = Arc::new(ReplayMemory::new(memory, metrics.replay_bytes()));
        let keyring = Keyring::new(&config.policy, &connector, Arc::clone(clock))?;
        let mut tokens = Tokens { slots: HashMap::new(), news: Arc::new(News::default()) };
        let connections = config.upstream.connections;
        let site = Site { connector: &connector, clock, metrics: &metrics, connections };
        let services = config.services.iter().map(|it| site.service(it, &mut tokens));
        let services: Vec<_> = services.collect::<Result<_, _>>()?;
        let keyring = Arc::new(keyring);
        let source = metadata_server(&config.identity, &connector)?;
        let mut tasks = token_tasks(tokens, &source, clock);
        tasks.extend(probe_tasks(config, &services, clock));
        tasks.extend(locality_task(&config.locality, &connector, &services)?);
        tasks.extend(
            (0..keyring.len()).map(|place| Task::spawn(Arc::clone(&keyring).keep_fresh(place))),
        );
        Ok(Self {
            proxy: Proxy {
                policy: config.policy.clone(),
                keyring,
                routes: routes(config, &services, &metrics),
                clock: Arc::clone(clock),
                metrics,
                replay,
                ids: RequestIds::new(),
                lines: Mutex::default(),
            },
            services,
            is_draining: AtomicBool::new(false),
            _tasks: tasks,
        })
    }
}

impl Gateway {
    /// Answers a request. While it stops, it asks HTTP/1.1 callers to come
    /// back over a new connection, which then leads to another instance.
    /// HTTP/2 callers are told by GOAWAY when the listener closes.
    pub(crate) async fn answer(
        &self,
        peer: &HeaderValue,
        request: Request<Incoming>,
    ) -> Response<ResponseBody> {
        let is_http_2 = request.version() == Version::HTTP_2;
        let mut response = self.proxy.handle(peer, request).await;
        if !is_http_2 && self.is_draining.load(Ordering::Relaxed) {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}

/// What services are built with.
struct Site<'a> {
    connector: &'a Connector,
    clock: &'a Arc<dyn Clock>,
    metrics: &'a Metrics,
    connections: Connections,
}

impl Site<'_> {
    fn service(
        &self,
        settings: &config::Service,
        tokens: &mut Tokens,
    ) -> Result<Arc<Service>, ConnectorError> {
        let name = &settings.name;
        let balancer = Arc::new(balancer(settings));
        let regions = settings.regions.iter().enumerate().map(|(place, region)| {
            let minted = self.metrics.mints(name, &region.name);
            let token = tokens.slot(&region.audience, minted);
            self.region(name, region, token, (place, Arc::clone(&balancer)))
        });
        Ok(Arc::new(Service {
            name: Arc::clone(name),
            regions: regions.collect::<Result<_, _>>()?,
            retries: self.metrics.retries(name),
            budget: Budget::new(settings.retry_budget, Instant::now()),
            balancer: Arc::clone(&balancer),
            counters: self.metrics.service(name),
            news: Arc::clone(&tokens.news),
        }))
    }

    fn region(
        &self,
        service: &str,
        settings: &config::Region,
        token: Arc<Slot>,
        (place, balancer): (usize, Arc<Balancer>),
    ) -> Result<Region, ConnectorError> {
        let pool = PoolSettings {
            origin: settings.origin.clone(),
            protocol: settings.protocol,
            connections: self.connections,
        };
        Ok(Region {
            name: Arc::clone(&settings.name),
            place,
            kind: settings.kind,
            host: host_header(&settings.origin.authority())?,
            base_path: Arc::clone(&settings.base_path),
            token_header: settings.token_header,
            token,
            pool: Pool::new(self.connector, &pool, Arc::clone(self.clock))?,
            balancer,
            counters: self.metrics.region(service, &settings.name),
            warned_at: AtomicU64::new(0),
        })
    }
}

fn balancer(settings: &config::Service) -> Balancer {
    let now = std::time::Instant::now();
    let member = |region: &config::Region| {
        Member::new(Arc::clone(&region.name), region.weight, region.priority, now)
    };
    let members = settings.regions.iter().map(member).collect();
    Balancer::new(members, settings.outlier, random::bits())
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
                limits: limits(&it.attempts, config.upstream.response_timeout),
            };
            (Arc::clone(&it.rule), route)
        })
    });
    routes.collect()
}

fn limits(settings: &config::Attempts, usual_timeout: Duration) -> Limits {
    let timeout = settings.timeout.unwrap_or(usual_timeout);
    Limits {
        attempts: settings.attempts,
        at_least_once: settings.at_least_once,
        replay_limit: settings.replay_limit,
        timeout,
        per_try_timeout: settings.per_try_timeout.unwrap_or_else(|| default_per_try(timeout)),
    }
}

fn metadata_server(
    identity: &Identity,
    connector: &Connector,
) -> Result<Arc<MetadataServer>, ConnectorError> {
    let Identity::Metadata { host } = identity;
    Ok(Arc::new(MetadataServer::new(metadata_fetcher(host, connector)?)))
}

fn metadata_fetcher(host: &HostPort, connector: &Connector) -> Result<Fetcher, ConnectorError> {
    let HostPort { host, port } = host;
    let authority = format!("{host}:{port}");
    let named = || ConnectorError::Name(authority.clone());
    let origin = Origin::of(false, &authority).ok_or_else(named)?;
    let host = host_header(&origin.authority())?;
    Ok(Fetcher::new(connector.dialer(&origin)?, host))
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
            let fetcher = metadata_fetcher(host, connector)?;
            Ok(Some(Task::spawn(locality::find(fetcher, services.to_vec()))))
        }
    }
}

fn probe_tasks(config: &Config, services: &[Arc<Service>], clock: &Arc<dyn Clock>) -> Vec<Task> {
    let pairs = config.services.iter().zip(services);
    let probed = pairs.filter_map(|(settings, service)| Some((settings.probe.as_ref()?, service)));
    let tasks = probed.flat_map(|(settings, service)| {
        (0..service.regions.len()).map(|place| {
            let (service, clock) = (Arc::clone(service), Arc::clone(clock));
            Task::spawn(probe::keep_probing(service, place, settings.clone(), clock))
        })
    });
    tasks.collect()
}

fn host_header(authority: &str) -> Result<HeaderValue, ConnectorError> {
    HeaderValue::from_str(authority).map_err(|_| ConnectorError::Name(authority.to_owned()))
}

fn token_tasks(tokens: Tokens, source: &Arc<MetadataServer>, clock: &Arc<dyn Clock>) -> Vec<Task> {
    let task = |Shared { slot, counters }| {
        let seen = move |is_minted: bool| {
            for [minted, failed] in &counters {
                let counter = if is_minted { minted } else { failed };
                counter.inc();
            }
        };
        let (source, clock) = (Arc::clone(source), Arc::clone(clock));
        Task::spawn(keep_fresh(slot, source, clock, seen))
    };
    tokens.slots.into_values().map(task).collect()
}
