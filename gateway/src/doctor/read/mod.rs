//! Reading a deployment: thin, and bounded in time, size and number.

mod api;
mod identity;
mod keys;
mod probe;
mod run;
mod senders;

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::task::JoinSet;

use super::facts::{Facts, MintFailure, Project, Read, RegionFacts, ServiceFacts};
use super::place::named;
use super::{DoctorError, Options};
use crate::clock::Clock;
use crate::config::{AccessSource, Config, Identity, Region, Service};
use crate::percent::encoded;
use api::Api;

const RESOURCE_MANAGER: &str = "cloudresourcemanager.googleapis.com";

/// What reads, and for which configuration.
struct Reading {
    api: Api,
    config: Config,
    options: Options,
    clock: Arc<dyn Clock>,
}

/// Reads all that there is to know.
pub(super) async fn read(
    config: &Config,
    options: &Options,
    clock: Arc<dyn Clock>,
) -> Result<Facts, DoctorError> {
    let source = match (&options.source, config.services.first()) {
        (Some(source), _) => source.clone(),
        (None, Some(service)) => source_of(&service.identity),
        (None, None) => return Err(DoctorError("the configuration has no service".to_owned())),
    };
    let api = Api::new(&source, &config.upstream).await.map_err(DoctorError)?;
    let (config, options) = (config.clone(), options.clone());
    let reading = Arc::new(Reading { api, config, options, clock });
    let mut services = Vec::new();
    for service in &reading.config.services {
        services.push(reading.identity(service).await);
    }
    let project = reading.project(&services).await;
    reading.regions(&mut services, project.name.as_deref()).await;
    let found = match &project.name {
        Some(name) => senders::read(&reading.api, name, &reading.locations()).await,
        None => senders::Found {
            unread: vec![(
                "senders".to_owned(),
                "the project is not known: say --project".to_owned(),
            )],
            ..senders::Found::default()
        },
    };
    let mut accounts = BTreeMap::new();
    for token in found.senders.iter().filter_map(|sender| sender.token.as_ref()) {
        if !accounts.contains_key(&token.account) {
            let policy = identity::policy_of(&reading.api, &token.account).await;
            accounts.insert(token.account.clone(), policy);
        }
    }
    let (mut key_sets, mut google_ahead) = (Vec::new(), None);
    for issuer in reading.config.policy.issuers() {
        let now = || reading.clock.now();
        if let Some((keys, ahead)) = keys::read(issuer, reading.api.connector(), now).await {
            key_sets.push(keys);
            google_ahead = google_ahead.or(ahead);
        }
    }
    Ok(Facts {
        project,
        services,
        senders: found.senders,
        unread: found.unread,
        accounts,
        keys: key_sets,
        google_ahead,
    })
}

/// Whoever the tokens are had by may read; the account that is impersonated
/// mints ID tokens alone.
fn source_of(identity: &Identity) -> AccessSource {
    match identity {
        Identity::Metadata { host } => AccessSource::Metadata { host: host.clone() },
        Identity::Key(key) => AccessSource::Key(key.clone()),
        Identity::Impersonated(impersonation) => impersonation.source.clone(),
    }
}

impl Reading {
    /// Who a service's regions are called as, and whether that can be.
    async fn identity(&self, service: &Service) -> ServiceFacts {
        let known = self.options.account.clone();
        let mut facts = ServiceFacts { account: known, mint: Ok(()), regions: Vec::new() };
        if facts.account.is_some() {
            return facts;
        }
        facts.account = service.identity.account().filter(|it| it.contains('@')).map(str::to_owned);
        let Some(region) = service.regions.first() else { return facts };
        let now = self.clock.now();
        let connector = self.api.connector();
        match identity::mint(&service.identity, &region.audience, connector, now).await {
            Ok(token) => facts.account = facts.account.or(token.account().map(str::to_owned)),
            Err(said) => {
                let failure = identity::failure(&self.api, &service.identity, said, now);
                facts.mint = Err::<(), MintFailure>(failure.await);
            }
        }
        facts
    }

    /// The project by its name, with its number and policy as far as they may be
    /// read.
    async fn project(&self, services: &[ServiceFacts]) -> Project {
        let of_account = services.iter().filter_map(|it| it.account.as_deref()).find_map(|it| {
            let (_, domain) = it.split_once('@')?;
            domain.strip_suffix(".iam.gserviceaccount.com").map(str::to_owned)
        });
        let of_urls = || self.named().find_map(|it| it.project);
        let name = self.options.project.clone().or(of_account).or_else(of_urls);
        let Some(known) = &name else {
            let policy = Read::Unread("the project is not known: say --project".to_owned());
            return Project { name, number: None, policy };
        };
        let path = format!("/v1/projects/{}", encoded(known.as_bytes()));
        let number = self.api.get(RESOURCE_MANAGER, &path).await;
        let number = number.is().and_then(|it| it.get("projectNumber")?.as_str()?.parse().ok());
        let policy = self.api.post(RESOURCE_MANAGER, &format!("{path}:getIamPolicy")).await;
        Project { number, policy: policy.map(|it| run::policy(&it)), name }
    }

    fn named(&self) -> impl Iterator<Item = super::place::Named> {
        self.config.services.iter().flat_map(|service| &service.regions).filter_map(named)
    }

    /// The locations that queues and jobs are looked for in.
    fn locations(&self) -> Vec<String> {
        let mut all: Vec<String> = self.named().map(|it| it.location).collect();
        all.extend(self.options.locations.iter().cloned());
        all.sort();
        all.dedup();
        all
    }

    /// All regions at once.
    async fn regions(self: &Arc<Self>, services: &mut [ServiceFacts], project: Option<&str>) {
        let mut tasks = JoinSet::new();
        for (at, service) in self.config.services.iter().enumerate() {
            for (place, region) in service.regions.iter().enumerate() {
                let (this, service, region) = (Arc::clone(self), service.clone(), region.clone());
                let project = project.map(str::to_owned);
                tasks.spawn(async move {
                    let facts = this.region(&service, &region, project.as_deref()).await;
                    ((at, place), facts)
                });
            }
        }
        let mut all = BTreeMap::new();
        while let Some(done) = tasks.join_next().await {
            if let Ok((at, facts)) = done {
                all.insert(at, facts);
            }
        }
        for ((at, service), facts) in self.config.services.iter().enumerate().zip(services) {
            // A task that broke off has left nothing behind.
            let of = |place| all.remove(&(at, place)).unwrap_or_else(RegionFacts::unread);
            facts.regions = (0..service.regions.len()).map(of).collect();
        }
    }

    async fn region(
        &self,
        service: &Service,
        region: &Region,
        project: Option<&str>,
    ) -> RegionFacts {
        let run::Found { place, run, policy, elsewhere } =
            run::read(&self.api, region, project).await;
        let probed = match &self.options.probe {
            None => None,
            Some(path) => {
                let of_service = || service.probe.as_ref().map(|probe| probe.path.to_string());
                let path = path.clone().or_else(of_service).unwrap_or_else(|| "/".to_owned());
                let (connector, now) = (self.api.connector(), self.clock.now());
                match identity::mint(&service.identity, &region.audience, connector, now).await {
                    Ok(token) => Some(probe::probe(region, &path, &token, connector).await),
                    // That is said of the identity.
                    Err(_) => None,
                }
            }
        };
        RegionFacts { place, run, policy, elsewhere, probed }
    }
}
