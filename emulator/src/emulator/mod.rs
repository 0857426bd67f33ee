//! All parts together.

mod error;
mod start;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::task::JoinSet;

use crate::balancer::Balancer;
use crate::config::{Agent, Grant};
use crate::faults::{FaultError, FaultSetting, Faults};
use crate::google::{Google, IAP_JWKS_PATH, JWKS_PATH};
use crate::issuer::{AccountKey, Issuer, KeyError};
use crate::listener::Listener;
use crate::proxy::Proxy;
use crate::pubsub::{
    Collection, Deliveries, Message, PublishError, PushReport, PushSubscription, Pusher,
};
use crate::run::{FunctionHost, Region};
use crate::scheduler::Scheduler;
use crate::tasks::Tasks;
use crate::timeline::Timeline;

pub use error::StartError;
pub(crate) use start::{Door, listen};

/// A running emulator. Its listeners close when it is dropped; wait for that
/// with [`Emulator::shutdown`].
pub struct Emulator {
    issuer: Arc<Issuer>,
    timeline: Arc<Timeline>,
    google: Arc<Google>,
    google_listener: Arc<Listener<Proxy>>,
    vpc_listener: Listener<Proxy>,
    regions: Vec<Region>,
    /// By host.
    balancers: Vec<(String, Arc<Listener<Balancer>>)>,
    function_hosts: Vec<Arc<Listener<FunctionHost>>>,
    pusher: Pusher,
    ca_pem: String,
    /// Ends with the emulator.
    _rotation: JoinSet<()>,
}

impl Emulator {
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

    /// Cloud Tasks: its queues.
    #[must_use]
    pub fn tasks(&self) -> &Tasks {
        &self.google.tasks
    }

    /// Cloud Scheduler: its jobs.
    #[must_use]
    pub fn scheduler(&self) -> &Scheduler {
        &self.google.scheduler
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
    /// The listeners' connections may outlive it; what senders send does not.
    fn drop(&mut self) {
        self.google.tasks.stop();
        self.google.scheduler.stop();
        self.google.pubsub.stop();
    }
}
