//! Builds everything from a configuration.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use http::header::CONNECTION;
use http::{HeaderValue, Request, Response, Version};
use hyper::body::Incoming;
use prometheus_client::metrics::counter::Counter;

use crate::clock::Clock;
use crate::config::{self, Config, Connections, HostPort, Identity, Origin};
use crate::doorbell::{News, Task};
use crate::keys::Keyring;
use crate::metrics::Metrics;
use crate::mint::{MetadataServer, Slot, keep_fresh};
use crate::proxy::{Proxy, Route};
use crate::region::Health;
use crate::request::RequestIds;
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
        let keyring = Keyring::new(&config.policy, &connector, Arc::clone(clock))?;
        let mut tokens = Tokens { slots: HashMap::new(), news: Arc::new(News::default()) };
        let connections = config.upstream.connections;
        let site = Site { connector: &connector, clock, metrics: &metrics, connections };
        let services = config.services.iter().map(|it| site.service(it, &mut tokens));
        let services: Vec<_> = services.collect::<Result<_, _>>()?;
        let keyring = Arc::new(keyring);
        let source = metadata_server(&config.identity, &connector)?;
        let mut tasks = token_tasks(tokens, &source, clock);
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
                response_timeout: config.upstream.response_timeout,
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
        let regions = settings.regions.iter().map(|region| {
            let minted = self.metrics.mints(name, &region.name);
            self.region(name, region, tokens.slot(&region.audience, minted))
        });
        Ok(Arc::new(Service {
            name: Arc::clone(name),
            regions: regions.collect::<Result<_, _>>()?,
            turn: AtomicUsize::new(0),
            retries: self.metrics.retries(name),
            news: Arc::clone(&tokens.news),
        }))
    }

    fn region(
        &self,
        service: &str,
        settings: &config::Region,
        token: Arc<Slot>,
    ) -> Result<Region, ConnectorError> {
        let pool = PoolSettings {
            origin: settings.origin.clone(),
            protocol: settings.protocol,
            connections: self.connections,
        };
        Ok(Region {
            name: Arc::clone(&settings.name),
            host: host_header(&settings.origin.authority())?,
            token,
            pool: Pool::new(self.connector, &pool, Arc::clone(self.clock))?,
            health: Health::default(),
            counters: self.metrics.region(service, &settings.name),
            warned_at: AtomicU64::new(0),
        })
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
            };
            (Arc::clone(&it.rule), route)
        })
    });
    routes.collect()
}

fn metadata_server(
    identity: &Identity,
    connector: &Connector,
) -> Result<Arc<MetadataServer>, ConnectorError> {
    let Identity::Metadata { host } = identity;
    let HostPort { host, port } = host;
    let authority = format!("{host}:{port}");
    let named = || ConnectorError::Name(authority.clone());
    let origin = Origin::of(false, &authority).ok_or_else(named)?;
    let host = host_header(&origin.authority())?;
    let fetcher = Fetcher::new(connector.dialer(&origin)?, host);
    Ok(Arc::new(MetadataServer::new(fetcher)))
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
