//! What the emulator is to pretend.

mod agent;
mod balancer;
mod eventarc;
mod files;
mod pubsub;
mod sending;
mod service;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::{Clock, SystemClock};
use crate::faults::FaultSetting;
use crate::issuer::{LIFETIME, Rotation};
use crate::run::Urls;
use crate::scheduler::JobConfig;
use crate::tasks::QueueConfig;
pub use agent::Agent;
pub use balancer::{Iap, IapIdentity, LoadBalancer, Picking};
pub use eventarc::{Destination, Trigger};
pub use files::AccountKeyFile;
pub use pubsub::{DeadLetter, Pubsub, Subscription, Wrapping};
pub use sending::Sending;
pub(crate) use service::is_name;
pub use service::{Backend, Ingress, Kind, Service, ServiceRegion};

/// A project with its services and accounts.
#[derive(Clone)]
pub struct Config {
    /// The project's id.
    pub project_id: String,
    /// The project's number, which is part of its services' URLs.
    pub project_number: u64,
    /// The services, of Cloud Run and functions of the first generation.
    pub services: Vec<Service>,
    /// The hosts in front of services.
    pub load_balancers: Vec<LoadBalancer>,
    /// The user's own servers that senders and proxies reach by a host name.
    pub hosts: Vec<HostMapping>,
    /// The service accounts that the metadata server mints for.
    pub accounts: Vec<String>,
    /// The account that the metadata server calls `default`.
    pub default_account: String,
    /// The region where the metadata server's client seems to run.
    pub region: String,
    /// The port of the Google listener; 0 means any free one.
    pub google_port: u16,
    /// The port of the listener for calls from the project's VPC network; 0
    /// means any free one.
    pub vpc_port: u16,
    /// The address of all listeners.
    pub host: IpAddr,
    /// The `max-age` of the key documents, in seconds, to begin with.
    pub keys_max_age: u64,
    /// How long the ID tokens of service accounts and all access tokens live.
    pub token_lifetime: Duration,
    /// The roles that are granted on service accounts, to begin with.
    pub grants: Vec<Grant>,
    /// The senders' service agents that have their usual role in the project: a
    /// sender mints only if its agent may act for the account that it pushes as.
    pub agents: Vec<Agent>,
    /// How long it takes until a change of who may invoke a service counts
    /// everywhere: Google says two minutes, sometimes seven or more. Until then
    /// some calls meet with the old state and some with the new.
    pub iam_propagation: Duration,
    /// The workload identity providers of the project.
    pub providers: Vec<Provider>,
    /// The people who have signed in with gcloud.
    pub users: Vec<User>,
    /// The queues of Cloud Tasks, to begin with.
    pub tasks: Vec<QueueConfig>,
    /// The jobs of Cloud Scheduler, to begin with.
    pub scheduler: Vec<JobConfig>,
    /// The topics and subscriptions of Pub/Sub.
    pub pubsub: Pubsub,
    /// The triggers of Eventarc.
    pub eventarc: Vec<Trigger>,
    /// The faults that are in force from the start.
    pub faults: Vec<FaultSetting>,
    /// How Google's and IAP's keys change; without it they stay as they are.
    pub key_rotation: Option<Rotation>,
    /// The names by which the emulator's own endpoints may be called, beside
    /// addresses, `localhost` and names without a dot.
    pub control_hosts: Vec<String>,
    /// Where the certificate that TLS clients must trust is written at the
    /// start, in PEM.
    pub ca_file: Option<PathBuf>,
    /// The keys of service accounts that are made and written at the start.
    pub account_keys: Vec<AccountKeyFile>,
    /// The time by which tokens are minted and checked.
    pub clock: Arc<dyn Clock>,
}

/// A host name and the server of this machine that answers to it, in clear text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostMapping {
    /// The host name.
    pub host: String,
    /// Where the server listens.
    pub addr: SocketAddr,
}

/// A role that somebody has on a service account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Who has it, as IAM writes members: `serviceAccount:EMAIL`,
    /// `user:EMAIL`, `principal://…` or `principalSet://…/POOL/*`.
    pub member: String,
    /// The role, such as `roles/iam.serviceAccountTokenCreator`.
    pub role: String,
    /// The service account that it is granted on.
    pub account: String,
}

/// A provider of a workload identity pool: another issuer whose tokens STS
/// exchanges. The emulator plays that issuer too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provider {
    /// The pool's id.
    pub pool: String,
    /// The provider's id.
    pub id: String,
    /// The `iss` of its tokens.
    pub issuer: String,
}

/// A person with credentials of gcloud's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The person's address.
    pub email: String,
    /// What access tokens are given for.
    pub refresh_token: String,
}

impl Config {
    /// The accounts of a project where none are given: one for a gateway and
    /// one for Pub/Sub push.
    #[must_use]
    pub fn usual_accounts(project_id: &str) -> Vec<String> {
        let account = |name| format!("{name}@{project_id}.iam.gserviceaccount.com");
        ["gateway", "pusher"].map(account).into()
    }

    /// The project's default account of Compute Engine, which every project has
    /// and which senders can push as.
    #[must_use]
    pub fn compute_account(&self) -> String {
        format!("{}-compute@developer.gserviceaccount.com", self.project_number)
    }

    /// The deterministic URL of a service in a region.
    #[must_use]
    pub fn url(&self, service: &Service, region: &ServiceRegion) -> String {
        let project = (&*self.project_id, self.project_number);
        let urls = Urls::new(service, project, &region.name);
        match service.kind {
            Kind::CloudRun => urls.deterministic,
            Kind::Function => urls.function,
        }
    }

    /// The demo: the service `orders` in two regions, called by a gateway and
    /// by Pub/Sub push, both of which may.
    #[must_use]
    pub fn demo() -> Self {
        let accounts = Self::usual_accounts("demo-project");
        Self {
            project_id: "demo-project".to_owned(),
            project_number: 123_456_789_012,
            services: vec![Service {
                name: "orders".to_owned(),
                regions: ["us-central1", "europe-west1"].map(ServiceRegion::new).into(),
                invokers: accounts.clone(),
                ..Service::default()
            }],
            load_balancers: Vec::new(),
            hosts: Vec::new(),
            default_account: accounts.first().cloned().unwrap_or_default(),
            accounts,
            region: "us-central1".to_owned(),
            google_port: 0,
            vpc_port: 0,
            host: Ipv4Addr::LOCALHOST.into(),
            // Seen on a sibling of Google's key documents.
            keys_max_age: 24_442,
            token_lifetime: LIFETIME,
            grants: Vec::new(),
            agents: Agent::ALL.to_vec(),
            iam_propagation: Duration::ZERO,
            providers: Vec::new(),
            users: Vec::new(),
            tasks: Vec::new(),
            scheduler: Vec::new(),
            pubsub: Pubsub::default(),
            eventarc: Vec::new(),
            faults: Vec::new(),
            key_rotation: None,
            control_hosts: vec!["host.docker.internal".to_owned()],
            ca_file: None,
            account_keys: Vec::new(),
            clock: Arc::new(SystemClock),
        }
    }
}
