//! All parts together.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use remint_idtoken::Algorithm;

use crate::ca::{Ca, CaError};
use crate::config::{Config, Grant, Service};
use crate::faults::{Faults, RegionFaults};
use crate::google::{Google, IAP_JWKS_PATH, JWKS_PATH};
use crate::issuer::{AccountKey, Issuer, KeyError};
use crate::listener::Listener;
use crate::pubsub::{Message, PushReport, PushSubscription, Pusher};
use crate::run::{Container, FrontEnd, Iam, Region, Urls};
use crate::timeline::Timeline;

/// A running emulator. Its listeners close when it is dropped; wait for that
/// with [`Emulator::shutdown`].
pub struct Emulator {
    issuer: Arc<Issuer>,
    timeline: Arc<Timeline>,
    google: Arc<Google>,
    google_listener: Listener<Google>,
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
        let addr = SocketAddr::new(config.host, config.google_port);
        let google_listener = listen(&ca, addr, &Google::NAMES, "Google", Arc::clone(&google))?;
        let parts = Parts { config: &config, ca: &ca, issuer: &issuer, timeline: &timeline };
        let mut regions = Vec::new();
        for service in &config.services {
            for region in &service.regions {
                regions.push(parts.region(service, region)?);
            }
        }
        Ok(Self {
            pusher: Pusher::new(Arc::clone(&issuer), config.project_id),
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
    fn region(&self, service: &Service, region: &str) -> Result<Region, StartError> {
        for name in [&service.name, region] {
            check_name(name)?;
        }
        let project = (&*self.config.project_id, self.config.project_number);
        let urls = Urls::new(&service.name, project, region);
        let faults = Arc::<RegionFaults>::default();
        let iam = Iam::new(Arc::clone(self.issuer), service, &urls);
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
                backend: service.backend,
            },
        };
        let addr = SocketAddr::new(self.config.host, 0);
        let what = format!("{} in {region}", service.name);
        let listener = listen(self.ca, addr, &urls.hosts(), &what, Arc::new(front))?;
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

fn listen<H: crate::listener::Handler>(
    ca: &Ca,
    addr: SocketAddr,
    names: &[&str],
    what: &str,
    handler: Arc<H>,
) -> Result<Listener<H>, StartError> {
    let tls = ca.server(names).map_err(|error| StartError::Certificate(what.to_owned(), error))?;
    Listener::start(addr, tls, handler).map_err(|error| StartError::Listen(what.to_owned(), error))
}
