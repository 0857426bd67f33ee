//! All parts together.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use remint_idtoken::Algorithm;
use tokio::task::JoinSet;
use tokio::time::interval;

use crate::balancer::{Balancer, BalancerError};
use crate::ca::{Ca, CaError};
use crate::config::{Agent, Config, Grant};
use crate::faults::{FaultError, FaultSetting, Faults};
use crate::google::{Google, IAP_JWKS_PATH, JWKS_PATH, Shared};
use crate::issuer::{AccountKey, Issuer, KeyError};
use crate::listener::Listener;
use crate::network::Place;
use crate::origin::Origin;
use crate::page::Overview;
use crate::pubsub::{
    Collection, Deliveries, Message, PublishError, PushReport, PushSubscription, Pusher,
};
use crate::run::{FunctionHost, MAX_TAGGED, Region, Sites};
use crate::timeline::Timeline;

/// A running emulator. Its listeners close when it is dropped; wait for that
/// with [`Emulator::shutdown`].
pub struct Emulator {
    issuer: Arc<Issuer>,
    timeline: Arc<Timeline>,
    google: Arc<Google>,
    google_listener: Arc<Listener<Google>>,
    vpc_listener: Listener<Google>,
    regions: Vec<Region>,
    /// By host.
    balancers: Vec<(String, Arc<Listener<Balancer>>)>,
    function_hosts: Vec<Arc<Listener<FunctionHost>>>,
    pusher: Pusher,
    ca_pem: String,
    /// Ends with the emulator.
    _rotation: JoinSet<()>,
}

/// Why the emulator does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An issuer has no key.
    #[error("an issuer has no key")]
    Key(#[from] KeyError),
    /// A listener has no certificate.
    #[error("no certificate for {0}")]
    Certificate(String, #[source] CaError),
    /// A port can't be listened on.
    #[error("can't listen for {0}")]
    Listen(String, #[source] io::Error),
    /// A load balancer can't be set up.
    #[error("no load balancer {0}")]
    LoadBalancer(String, #[source] BalancerError),
    /// A name that can't be part of a host name.
    #[error("{0:?} is no name of a service or region: use a-z, 0-9 and -")]
    Name(String),
    /// A topic, subscription or trigger that can't be made: which part's, and
    /// what its API would say.
    #[error("{0}: {1}")]
    Resource(&'static str, String),
    /// A traffic tag that can't stand before a service's name.
    #[error(
        "{0:?} is no traffic tag: use a-z, 0-9 and -, and with the service's name at most {MAX_TAGGED} letters"
    )]
    Tag(String),
    /// The program behind a service can't be started.
    #[error("can't start the program of {0}")]
    Program(String, #[source] io::Error),
    /// A fault that is to be in force from the start can't be.
    #[error("a fault can't be put in force")]
    Fault(#[from] FaultError),
}

impl StartError {
    fn of(part: &'static str, status: &tonic::Status) -> Self {
        Self::Resource(part, status.message().to_owned())
    }
}

/// How often it is looked whether keys are due to change.
const ROTATION_LOOKS: Duration = Duration::from_millis(250);

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
        let issuer = Issuer::in_background(Algorithm::Rs256, Arc::clone(&config.clock))
            .with_lifetime(config.token_lifetime)
            .with_rotation(config.key_rotation);
        let issuer = Arc::new(issuer);
        let timeline = Arc::new(Timeline::default());
        let ca = Ca::new().map_err(|error| StartError::Certificate("the CA".into(), error))?;
        let iap = Issuer::new(Algorithm::Es256, Arc::clone(&config.clock))?;
        let iap = Arc::new(iap.with_rotation(config.key_rotation));
        let rotation = keep_rotating(&config, [&issuer, &iap]);
        let shared = Shared {
            issuer: Arc::clone(&issuer),
            iap,
            timeline: Arc::clone(&timeline),
            faults,
            machine,
        };
        let google = Arc::new(Google::new(&config, shared));
        let network = Arc::clone(&google.network);
        let at = |port, origin| Door { addr: SocketAddr::new(config.host, port), origin };
        let door = at(config.google_port, Origin::Internet);
        let names = Google::NAMES.map(str::to_owned);
        let google_listener = listen(&ca, door, &names, "Google", Arc::clone(&google))?;
        let google_listener = Arc::new(google_listener);
        let door = at(config.vpc_port, Origin::Vpc);
        let vpc_listener = listen(&ca, door, &names, "the VPC network", Arc::clone(&google))?;
        let sites = Sites {
            config: &config,
            ca: &ca,
            issuer: &issuer,
            timeline: &timeline,
            google: google_listener.addr(),
        };
        let mut regions = Vec::new();
        for service in &config.services {
            for region in &service.regions {
                regions.push(sites.region(service, region)?);
            }
        }
        let mut balancers = Vec::new();
        for settings in &config.load_balancers {
            let host = settings.host.to_ascii_lowercase();
            let handler = Balancer::new(settings, &config, &regions, &google)
                .map_err(|error| StartError::LoadBalancer(host.clone(), error))?;
            let door = at(settings.port, Origin::Internet);
            let listener =
                listen(&ca, door, std::slice::from_ref(&host), &host, Arc::new(handler))?;
            balancers.push((host, Arc::new(listener)));
        }
        let (google_addr, vpc_addr) = (google_listener.addr(), vpc_listener.addr());
        google.page.open(Overview::new(&config, google_addr, vpc_addr, &regions));
        let mut places: HashMap<String, Arc<dyn Place>> = HashMap::new();
        for name in names {
            places.insert(name, Arc::clone(&google_listener) as Arc<dyn Place>);
        }
        for region in &regions {
            for host in region.urls.hosts() {
                places.insert(host, Arc::clone(&region.listener) as Arc<dyn Place>);
            }
        }
        for (host, listener) in &balancers {
            places.insert(host.clone(), Arc::clone(listener) as Arc<dyn Place>);
        }
        let mut function_hosts = Vec::new();
        for (host, listener) in sites.function_hosts(&regions)? {
            places.insert(host, Arc::clone(&listener) as Arc<dyn Place>);
            function_hosts.push(listener);
        }
        network.open(&places);
        google.regions.open(regions.clone());
        google.regions.add(&google.faults, &config.faults, issuer.now()).await?;
        google.pubsub.create(&config.pubsub).map_err(|it| StartError::of("pubsub", &it))?;
        google.eventarc.create(&config.eventarc).map_err(|it| StartError::of("eventarc", &it))?;
        let (senders, ids) = (Arc::clone(&google.senders), google.pubsub.ids());
        Ok(Self {
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
        })
    }

    /// Waits for the keys, which take longer than all the rest. Nobody has to:
    /// whoever wants a token waits for its key.
    ///
    /// # Errors
    /// [`StartError::Key`] if one could not be made.
    pub async fn ready(&self) -> Result<(), StartError> {
        self.issuer.ready().await?;
        Ok(self.google.accounts.ready().await?)
    }

    /// Where Google's keys and the metadata server are, plain and with TLS.
    #[must_use]
    pub fn google_addr(&self) -> SocketAddr {
        self.google_listener.addr()
    }

    /// The same for calls that come from the project's VPC network, which
    /// services with restricted ingress let in.
    #[must_use]
    pub fn vpc_addr(&self) -> SocketAddr {
        self.vpc_listener.addr()
    }

    /// The certificate of the authority that signed all listeners'.
    #[must_use]
    pub fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    /// Google, as issuer of ID tokens.
    #[must_use]
    pub fn issuer(&self) -> &Arc<Issuer> {
        &self.issuer
    }

    /// IAP, as issuer of assertions:
    /// [`mint_assertion`](Issuer::mint_assertion). Its keys are others than
    /// Google's.
    #[must_use]
    pub fn iap(&self) -> &Arc<Issuer> {
        &self.google.iap
    }

    /// All services' regions, in the order of the configuration.
    #[must_use]
    pub fn regions(&self) -> &[Region] {
        &self.regions
    }

    /// A service in one region.
    #[must_use]
    pub fn region(&self, service: &str, region: &str) -> Option<&Region> {
        let is_it = |it: &&Region| it.service == service && it.region == region;
        self.regions.iter().find(is_it)
    }

    /// The hosts of the load balancers and where they listen, for plain HTTP and
    /// for TLS.
    pub fn load_balancers(&self) -> impl Iterator<Item = (&str, SocketAddr)> {
        self.balancers.iter().map(|(host, listener)| (host.as_str(), listener.addr()))
    }

    /// Where the load balancer of that host listens.
    #[must_use]
    pub fn load_balancer(&self, host: &str) -> Option<SocketAddr> {
        let mut all = self.load_balancers();
        all.find_map(|(own, addr)| own.eq_ignore_ascii_case(host).then_some(addr))
    }

    /// The calls that the regions have seen.
    #[must_use]
    pub fn timeline(&self) -> &Timeline {
        &self.timeline
    }

    /// What can be made to go wrong.
    #[must_use]
    pub fn faults(&self) -> &Faults {
        &self.google.faults
    }

    /// Puts these faults in force, those of regions included, and ends all
    /// others.
    ///
    /// # Errors
    /// [`FaultError`] if there is no such region; then nothing changes.
    pub async fn set_faults(&self, faults: &[FaultSetting]) -> Result<(), FaultError> {
        let now = self.issuer.now();
        self.google.regions.replace(&self.google.faults, faults, now).await
    }

    /// All faults in force, those of regions included.
    pub async fn faults_in_force(&self) -> Vec<FaultSetting> {
        self.google.regions.in_force(&self.google.faults).await
    }

    /// Grants a role on a service account.
    pub fn grant(&self, grant: Grant) {
        self.google.accounts.grant(grant);
    }

    /// Gives senders' service agents their usual role in the project, or takes
    /// it away from all others.
    pub fn set_agents(&self, agents: &[Agent]) {
        self.google.accounts.set_agents(agents);
    }

    /// Takes it away again.
    pub fn revoke(&self, grant: &Grant) {
        let _ = self.google.accounts.revoke(grant);
    }

    /// Makes a key of a service account, which the token endpoint believes from
    /// now on.
    ///
    /// # Errors
    /// [`KeyError`] if none can be made.
    pub fn new_account_key(&self, account: &str) -> Result<AccountKey, KeyError> {
        let key = AccountKey::generate(account)?;
        self.google.accounts.add_key(key.clone());
        Ok(key)
    }

    /// Deletes all keys of a service account.
    pub fn delete_account_keys(&self, account: &str) {
        self.google.accounts.delete_keys(account);
    }

    /// Believes no access token any more that was given until now.
    pub fn revoke_access_tokens(&self) {
        self.google.accounts.revoke_access();
    }

    /// A token of a workload identity provider's issuer, for that subject. None
    /// if there is no such provider.
    #[must_use]
    pub fn external_token(&self, pool: &str, provider: &str, subject: &str) -> Option<String> {
        self.google.accounts.external_token(pool, provider, subject)
    }

    /// Changes the `max-age` of all key documents, in whole seconds.
    pub fn set_keys_max_age(&self, max_age: Duration) {
        self.google.keys_max_age.store(max_age.as_secs(), Ordering::Relaxed);
    }

    /// How often Google's JWK set was asked for, whether it was served or not.
    #[must_use]
    pub fn jwks_fetches(&self) -> u64 {
        self.fetches(JWKS_PATH)
    }

    /// How often IAP's JWK set was asked for, whether it was served or not.
    #[must_use]
    pub fn iap_jwks_fetches(&self) -> u64 {
        self.fetches(IAP_JWKS_PATH)
    }

    /// How often ID tokens were asked for, from the metadata server.
    #[must_use]
    pub fn identity_fetches(&self) -> u64 {
        self.google.hits.sum(|path| path.ends_with("/identity"))
    }

    /// How often IAM Credentials were asked for ID tokens.
    #[must_use]
    pub fn generated_id_tokens(&self) -> u64 {
        self.google.hits.sum(|path| path.ends_with(":generateIdToken"))
    }

    /// How often this path of the Google listener was asked for.
    #[must_use]
    pub fn fetches(&self, path: &str) -> u64 {
        self.google.hits.sum(|asked| asked == path)
    }

    /// Publishes messages to a push subscription and waits until each has been
    /// delivered or given up.
    pub async fn push(
        &self,
        subscription: &PushSubscription,
        messages: impl IntoIterator<Item = Message>,
    ) -> PushReport {
        self.pusher.push(subscription, messages).await
    }

    /// Publishes a message to a topic, by either form of its name, and says the
    /// message's id. It is delivered in the background.
    ///
    /// # Errors
    /// [`PublishError`] if there is no such topic.
    pub fn publish(
        &self,
        topic: &str,
        message: impl Into<Message>,
    ) -> Result<String, PublishError> {
        let pubsub = &self.google.pubsub;
        let topic = pubsub.full(Collection::Topics, topic);
        let ids = pubsub.publish_to(&topic, vec![message.into()]);
        let ids = ids.map_err(|status| PublishError(status.message().to_owned()))?;
        Ok(ids.into_iter().next().unwrap_or_default())
    }

    /// What became of a subscription's messages. None if there is none of that
    /// name, in either form.
    #[must_use]
    pub fn subscription(&self, name: &str) -> Option<Deliveries> {
        self.google.pubsub.deliveries(name)
    }

    /// Stops everything. All ports are closed when this returns.
    pub async fn shutdown(self) {
        for (_, balancer) in &self.balancers {
            balancer.stop().await;
        }
        self.google.pubsub.stop();
        for region in &self.regions {
            region.stop().await;
            region.life.iter().for_each(|life| life.stop());
        }
        for life in self.regions.iter().filter_map(|region| region.life.as_ref()) {
            life.end().await;
        }
        for listener in &self.function_hosts {
            listener.stop().await;
        }
        self.vpc_listener.stop().await;
        self.google_listener.stop().await;
    }
}

impl Drop for Emulator {
    /// The listeners' connections may outlive it; Pub/Sub's pushes do not.
    fn drop(&mut self) {
        self.google.pubsub.stop();
    }
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

pub(crate) fn listen<H: crate::listener::Handler>(
    ca: &Ca,
    door: Door,
    names: &[String],
    what: &str,
    handler: Arc<H>,
) -> Result<Listener<H>, StartError> {
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let tls = ca.server(&names).map_err(|error| StartError::Certificate(what.to_owned(), error))?;
    Listener::start(door.addr, tls, door.origin, handler)
        .map_err(|error| StartError::Listen(what.to_owned(), error))
}
