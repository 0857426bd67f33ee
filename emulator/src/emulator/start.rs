//! Starting all parts, each with what it needs of those before it.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use remint_idtoken::Algorithm;
use tokio::task::JoinSet;
use tokio::time::interval;

use super::{Emulator, StartError};
use crate::balancer::Balancer;
use crate::ca::Ca;
use crate::clock::Clock;
use crate::config::Config;
use crate::faults::Faults;
use crate::google::{Google, Shared};
use crate::issuer::Issuer;
use crate::listener::{Handler, Listener};
use crate::network::Place;
use crate::origin::Origin;
use crate::page::Overview;
use crate::proxy::Proxy;
use crate::pubsub::Pusher;
use crate::run::{self, Region, Sites};
use crate::timeline::Timeline;

/// How often it is looked whether keys are due to change.
const ROTATION_LOOKS: Duration = Duration::from_millis(250);

/// The listeners of load balancers, by host.
type Balancers = Vec<(String, Arc<Listener<Balancer>>)>;

impl Emulator {
    /// Starts it, on free ports of the loopback address unless `config` says
    /// otherwise.
    ///
    /// Some keys are still being made then; [`Emulator::ready`] waits for them.
    ///
    /// # Errors
    /// [`StartError`] for the first part that can't be started.
    pub async fn start(mut config: Config) -> Result<Self, StartError> {
        let faults = Arc::<Faults>::default();
        let machine = Arc::clone(&config.clock);
        config.clock = faults.clock(Arc::clone(&machine));
        let issuers = issuers(&config)?;
        Self::with(config, issuers, faults, machine).await
    }

    /// With Google as issuer of tokens, and IAP, whether or not their keys have
    /// been made.
    async fn with(
        config: Config,
        [issuer, iap]: [Arc<Issuer>; 2],
        faults: Arc<Faults>,
        machine: Arc<dyn Clock>,
    ) -> Result<Self, StartError> {
        let rotation = keep_rotating(&config, [&issuer, &iap]);
        let timeline = Arc::new(Timeline::default());
        let ca = Ca::new().map_err(|error| StartError::Certificate("the CA".into(), error))?;
        let shared = Shared {
            issuer: Arc::clone(&issuer),
            iap,
            timeline: Arc::clone(&timeline),
            faults,
            machine,
        };
        let google = Arc::new(Google::new(&config, shared));
        let names = names(&config)?;
        let door = Door::of(&config, config.google_port, Origin::Internet);
        let proxy = Proxy::new(Arc::clone(&google), &config.hosts, &ca)
            .map_err(|(host, error)| StartError::Certificate(host, error))?;
        let proxy = Arc::new(proxy);
        let google_listener = listen(&ca, door, &names, "Google", Arc::clone(&proxy))?;
        let google_listener = Arc::new(google_listener);
        let door = Door::of(&config, config.vpc_port, Origin::Vpc);
        let vpc_listener = listen(&ca, door, &names, "the VPC network", proxy)?;
        let sites = Sites {
            config: &config,
            ca: &ca,
            issuer: &issuer,
            timeline: &timeline,
            google: google_listener.addr(),
        };
        let regions = regions(&sites)?;
        let balancers = balancers(&config, &ca, &regions, &google)?;
        let (google_addr, vpc_addr) = (google_listener.addr(), vpc_listener.addr());
        let at: Vec<_> = balancers.iter().map(|(_, listener)| listener.addr()).collect();
        google.page.open(Overview::new(&config, google_addr, vpc_addr, &regions, &at));
        let mut places = places(&google_listener, &regions, &balancers);
        let mut function_hosts = Vec::new();
        for (host, listener) in sites.function_hosts(&regions)? {
            places.insert(host, Arc::clone(&listener) as Arc<dyn Place>);
            function_hosts.push(listener);
        }
        google.network.open(&places);
        google.regions.open(regions.clone());
        google.regions.add(&google.faults, &config.faults, issuer.now()).await?;
        create_resources(&google, &config)?;
        let (senders, ids) = (Arc::clone(&google.senders), google.pubsub.ids());
        let emulator = Self {
            pusher: Pusher::new(senders, config.project_id, ids),
            vpc_listener,
            issuer,
            timeline,
            google,
            google_listener,
            regions,
            balancers,
            function_hosts,
            ca_pem: ca.pem().to_owned(),
            _rotation: rotation,
        };
        emulator.write_files(config.ca_file.as_deref(), &config.account_keys)?;
        Ok(emulator)
    }
}

/// Google's, whose key takes a while, and IAP's.
fn issuers(config: &Config) -> Result<[Arc<Issuer>; 2], StartError> {
    let google = Issuer::in_background(Algorithm::Rs256, Arc::clone(&config.clock))
        .with_lifetime(config.token_lifetime)
        .with_rotation(config.key_rotation);
    let iap = Issuer::new(Algorithm::Es256, Arc::clone(&config.clock))?;
    Ok([google, iap.with_rotation(config.key_rotation)].map(Arc::new))
}

/// What is reached at the addresses where all of Google is: its own names, and
/// those of services and load balancers.
fn names(config: &Config) -> Result<Vec<String>, StartError> {
    let own = Google::NAMES.map(str::to_owned);
    let balancers = config.load_balancers.iter().map(|it| it.host.to_ascii_lowercase());
    Ok(own.into_iter().chain(run::hosts(config)?).chain(balancers).collect())
}

fn regions(sites: &Sites<'_>) -> Result<Vec<Region>, StartError> {
    let services = sites.config.services.iter();
    let all = services.flat_map(|service| service.regions.iter().map(move |it| (service, it)));
    all.map(|(service, region)| sites.region(service, region)).collect()
}

fn balancers(
    config: &Config,
    ca: &Ca,
    regions: &[Region],
    google: &Arc<Google>,
) -> Result<Balancers, StartError> {
    let balancer = |settings: &crate::config::LoadBalancer| {
        let host = settings.host.to_ascii_lowercase();
        let handler = Balancer::new(settings, config, regions, google)
            .map_err(|error| StartError::LoadBalancer(host.clone(), error))?;
        let door = Door::of(config, settings.port, Origin::Internet);
        let names = std::slice::from_ref(&host);
        let listener = listen(ca, door, names, &host, Arc::new(handler))?;
        Ok((host, Arc::new(listener)))
    };
    config.load_balancers.iter().map(balancer).collect()
}

/// What each host name stands for.
fn places(
    google: &Arc<Listener<Proxy>>,
    regions: &[Region],
    balancers: &Balancers,
) -> HashMap<String, Arc<dyn Place>> {
    let mut places: HashMap<String, Arc<dyn Place>> = HashMap::new();
    for name in Google::NAMES {
        places.insert(name.to_owned(), Arc::clone(google) as Arc<dyn Place>);
    }
    for region in regions {
        for host in region.urls.hosts() {
            places.insert(host, Arc::clone(&region.listener) as Arc<dyn Place>);
        }
    }
    for (host, listener) in balancers {
        places.insert(host.clone(), Arc::clone(listener) as Arc<dyn Place>);
    }
    places
}

/// What senders have from the start.
fn create_resources(google: &Google, config: &Config) -> Result<(), StartError> {
    for queue in &config.tasks {
        google.tasks.create(queue).map_err(|it| StartError::of("tasks", &it.into()))?;
    }
    for job in &config.scheduler {
        google.scheduler.create(job).map_err(|it| StartError::of("scheduler", &it.into()))?;
    }
    google.pubsub.create(&config.pubsub).map_err(|it| StartError::of("pubsub", &it))?;
    google.eventarc.create(&config.eventarc).map_err(|it| StartError::of("eventarc", &it))
}

/// Has issuers keep to their schedule, if there is one.
fn keep_rotating(config: &Config, issuers: [&Arc<Issuer>; 2]) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    for issuer in issuers.into_iter().filter(|_| config.key_rotation.is_some()) {
        let issuer = Arc::clone(issuer);
        tasks.spawn(async move {
            let mut looks = interval(ROTATION_LOOKS);
            loop {
                looks.tick().await;
                let issuer = Arc::clone(&issuer);
                // A key that can't be made now may be at the next look.
                let _ = tokio::task::spawn_blocking(move || issuer.keep_to_schedule()).await;
            }
        });
    }
    tasks
}

/// Where a listener is, and what is behind its port.
#[derive(Clone, Copy)]
pub(crate) struct Door {
    pub(crate) addr: SocketAddr,
    pub(crate) origin: Origin,
}

impl Door {
    fn of(config: &Config, port: u16, origin: Origin) -> Self {
        Self { addr: SocketAddr::new(config.host, port), origin }
    }
}

pub(crate) fn listen<H: Handler>(
    ca: &Ca,
    door: Door,
    names: &[String],
    what: &str,
    handler: Arc<H>,
) -> Result<Listener<H>, StartError> {
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let tls = ca.server(&names).map_err(|error| StartError::Certificate(what.to_owned(), error))?;
    Listener::start(door.addr, tls, door.origin, handler)
        .map_err(|error| StartError::Listen(format!("{what} on {}", door.addr), error))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::Request;
    use http_body_util::{BodyExt, Empty};
    use hyper_util::rt::TokioIo;

    use super::*;
    use crate::network::tcp;

    async fn project_id(google: SocketAddr) -> Bytes {
        let stream = TokioIo::new(tcp(google).await.unwrap());
        let (mut sender, connection) = hyper::client::conn::http1::handshake(stream).await.unwrap();
        tokio::spawn(connection);
        let request = Request::get("/computeMetadata/v1/project/project-id")
            .header("host", "metadata.google.internal")
            .header("metadata-flavor", "Google");
        let answer = sender.send_request(request.body(Empty::<Bytes>::new()).unwrap()).await;
        answer.unwrap().into_body().collect().await.unwrap().to_bytes()
    }

    #[tokio::test]
    async fn it_runs_and_answers_before_its_key_has_been_made() {
        let config = Config::demo();
        let clock = Arc::clone(&config.clock);
        let iap = Issuer::new(Algorithm::Es256, Arc::clone(&clock)).unwrap();
        let issuers = [Issuer::without_key(Arc::clone(&clock)), iap].map(Arc::new);
        let emulator = Emulator::with(config, issuers, Arc::default(), clock).await.unwrap();
        tokio::select! {
            biased;
            _ = emulator.ready() => panic!("nobody makes the key"),
            told = project_id(emulator.google_addr()) => assert_eq!(told, "demo-project"),
        }
        emulator.shutdown().await;
    }
}
