//! All parts together.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use remint_idtoken::Algorithm;

use crate::ca::{Ca, CaError};
use crate::config::{Agent, Config, Grant, Service, ServiceRegion};
use crate::faults::{Faults, RegionFaults};
use crate::google::{Google, IAP_JWKS_PATH, JWKS_PATH};
use crate::issuer::{AccountKey, Issuer, KeyError};
use crate::listener::Listener;
use crate::network::Place;
use crate::origin::Origin;
use crate::proxy::Proxy;
use crate::pubsub::{Message, PushReport, PushSubscription, Pusher};
use crate::run::{Container, FrontEnd, Iam, Region, Urls};
use crate::senders::Senders;
use crate::timeline::Timeline;

/// A running emulator. Its listeners close when it is dropped; wait for that
/// with [`Emulator::shutdown`].
pub struct Emulator {
    issuer: Arc<Issuer>,
    timeline: Arc<Timeline>,
    google: Arc<Google>,
    google_listener: Arc<Listener<Proxy>>,
    vpc_listener: Listener<Proxy>,
    regions: Vec<Region>,
    pusher: Pusher,
    ca_pem: String,
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
    /// A name that can't be part of a host name.
    #[error("{0:?} is no name of a service or region: use a-z, 0-9 and -")]
    Name(String),
}

impl Emulator {
    /// Starts it, on free ports of the loopback address unless `config` says
    /// otherwise.
    ///
    /// # Errors
    /// [`StartError`] for the first part that can't be started.
    #[expect(clippy::unused_async, reason = "listeners need a runtime to be started in")]
    pub async fn start(config: Config) -> Result<Self, StartError> {
        let issuer = Issuer::new(Algorithm::Rs256, Arc::clone(&config.clock))?;
        let issuer = Arc::new(issuer.with_lifetime(config.token_lifetime));
        let timeline = Arc::new(Timeline::default());
        let ca = Ca::new().map_err(|error| StartError::Certificate("the CA".into(), error))?;
        let iap = Arc::new(Issuer::new(Algorithm::Es256, Arc::clone(&config.clock))?);
        let google = Google::new(&config, Arc::clone(&issuer), iap, Arc::clone(&timeline))?;
        let google = Arc::new(google);
        let network = Arc::clone(&google.network);
        let at = |port, origin| Door { addr: SocketAddr::new(config.host, port), origin };
        let door = at(config.google_port, Origin::Internet);
        let names = Google::NAMES;
        let proxy = Proxy::new(Arc::clone(&google), &config.hosts, &ca)
            .map_err(|(host, error)| StartError::Certificate(host, error))?;
        let proxy = Arc::new(proxy);
        let google_listener = listen(&ca, door, &names, "Google", Arc::clone(&proxy))?;
        let google_listener = Arc::new(google_listener);
        let door = at(config.vpc_port, Origin::Vpc);
        let vpc_listener = listen(&ca, door, &names, "the VPC network", proxy)?;
        let parts = Parts { config: &config, ca: &ca, issuer: &issuer, timeline: &timeline };
        let mut regions = Vec::new();
        for service in &config.services {
            for region in &service.regions {
                regions.push(parts.region(service, region)?);
            }
        }
        let mut places: HashMap<String, Arc<dyn Place>> = HashMap::new();
        for name in names {
            places.insert(name.to_owned(), Arc::clone(&google_listener) as Arc<dyn Place>);
        }
        for region in &regions {
            for host in region.urls.hosts() {
                places.insert(host.to_owned(), Arc::clone(&region.listener) as Arc<dyn Place>);
            }
        }
        network.open(places);
        let senders = Arc::new(Senders {
            issuer: Arc::clone(&issuer),
            accounts: Arc::clone(&google.accounts),
            network,
            timeline: Arc::clone(&timeline),
        });
        Ok(Self {
            pusher: Pusher::new(Arc::clone(&senders), config.project_id),
            vpc_listener,
            issuer,
            timeline,
            google,
            google_listener,
            regions,
            ca_pem: ca.pem().to_owned(),
        })
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
        self.google.accounts.revoke(grant);
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

    /// Stops everything. All ports are closed when this returns.
    pub async fn shutdown(self) {
        for region in &self.regions {
            region.stop().await;
        }
        self.vpc_listener.stop().await;
        self.google_listener.stop().await;
    }
}

/// What the regions are made of.
struct Parts<'a> {
    config: &'a Config,
    ca: &'a Ca,
    issuer: &'a Arc<Issuer>,
    timeline: &'a Arc<Timeline>,
}

impl Parts<'_> {
    fn region(&self, service: &Service, region: &ServiceRegion) -> Result<Region, StartError> {
        let (settings, region) = (region, region.name.as_str());
        for name in [&service.name, region] {
            check_name(name)?;
        }
        let project = (&*self.config.project_id, self.config.project_number);
        let urls = Urls::new(&service.name, project, region);
        let faults = Arc::<RegionFaults>::default();
        let iam = Iam::new(Arc::clone(self.issuer), service, settings, &urls);
        let bindings = iam.bindings();
        let front = FrontEnd {
            faults: Arc::clone(&faults),
            urls: urls.clone(),
            iam,
            issuer: Arc::clone(self.issuer),
            timeline: Arc::clone(self.timeline),
            container: Container {
                service: service.name.clone(),
                region: region.to_owned(),
                backend: settings.backend.as_ref().unwrap_or(&service.backend).clone(),
            },
        };
        let addr = SocketAddr::new(self.config.host, settings.port);
        let door = Door { addr, origin: Origin::Internet };
        let what = format!("{} in {region}", service.name);
        let listener = Arc::new(listen(self.ca, door, &urls.hosts(), &what, Arc::new(front))?);
        let (service, region) = (service.name.clone(), region.to_owned());
        Ok(Region { service, region, urls, bindings, faults, listener })
    }
}

/// Both become labels of host names (RFC 1123, section 2.1).
fn check_name(name: &str) -> Result<(), StartError> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let is_label = (1..=49).contains(&name.len()) && name.bytes().all(plain);
    match is_label {
        true => Ok(()),
        false => Err(StartError::Name(name.to_owned())),
    }
}

/// Where a listener is, and what is behind its port.
#[derive(Clone, Copy)]
struct Door {
    addr: SocketAddr,
    origin: Origin,
}

fn listen<H: crate::listener::Handler>(
    ca: &Ca,
    door: Door,
    names: &[&str],
    what: &str,
    handler: Arc<H>,
) -> Result<Listener<H>, StartError> {
    let tls = ca.server(names).map_err(|error| StartError::Certificate(what.to_owned(), error))?;
    Listener::start(door.addr, tls, door.origin, handler)
        .map_err(|error| StartError::Listen(what.to_owned(), error))
}
