//! Reading a deployment: thin, and bounded in time, size and number.

mod api;
mod backends;
mod identity;
mod keys;
mod probe;
mod run;
mod senders;

use std::collections::{BTreeMap, BTreeSet};

use futures_util::StreamExt;
use futures_util::future::join_all;
use futures_util::stream;

use super::facts::{
    Facts, MintFailure, OidcToken, Probe, Project, Read, RegionFacts, ServiceFacts,
};
use super::place::named;
use super::policy::Policy;
use super::{DoctorError, Options};
use crate::clock::Clock;
use crate::config::{AccessSource, Config, Identity, Region, Service};
use crate::percent::encoded;
use api::{Client, PROJECTS};

/// How many regions are looked at at once, each with a few requests.
const REGIONS_AT_ONCE: usize = 8;

/// What reads, and for which configuration.
struct Reading<'r> {
    client: Client,
    config: &'r Config,
    options: &'r Options,
    clock: &'r dyn Clock,
}

/// Reads all that there is to know.
pub(super) async fn read(
    config: &Config,
    options: &Options,
    clock: &dyn Clock,
) -> Result<Facts, DoctorError> {
    let source = match (&options.source, config.services.first()) {
        (Some(source), _) => source.clone(),
        (None, Some(service)) => source_of(&service.identity),
        (None, None) => return Err(DoctorError("the configuration has no service".to_owned())),
    };
    let client = Client::new(&source, &config.upstream).await.map_err(DoctorError)?;
    let reader = identity::reader(&client, &source, clock.now()).await;
    let reading = Reading { client, config, options, clock };
    let mut services: Vec<ServiceFacts> =
        join_all(config.services.iter().map(|service| reading.identity(service))).await;
    let project = reading.project(&services).await;
    let others = reading.others(&project).await;
    let name = project.name.as_deref();
    let ((), found, backends, direct, (keys, google_ahead)) = tokio::join!(
        reading.regions(&mut services, &project, &others),
        reading.senders(name),
        backends::read(&reading.client, config, name),
        backends::direct(&reading.client, config, &project),
        reading.keys(),
    );
    let accounts = reading.accounts(&found).await;
    let senders::Found { senders, unread } = found;
    Ok(Facts {
        project,
        others,
        services,
        senders,
        reader,
        unread,
        accounts,
        keys,
        backends,
        direct,
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

impl Reading<'_> {
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
        let connector = self.client.connector();
        match identity::mint(&service.identity, &region.audience, connector, now).await {
            Ok(token) => facts.account = facts.account.or(token.account().map(str::to_owned)),
            Err(said) => {
                let failure = identity::failure(&self.client, &service.identity, said, now);
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
        match &name {
            Some(name) => self.project_of(name).await,
            None => {
                let policy = Read::Unread("the project is not known: say --project".into());
                Project { name, number: None, policy }
            }
        }
    }

    /// A project by its id or number. Commands read better with the id.
    async fn project_of(&self, name: &str) -> Project {
        let path = format!("/v1/projects/{}", encoded(name.as_bytes()));
        let found = self.client.get(PROJECTS, &path);
        let policy = self.client.policy(PROJECTS, &path);
        let (found, policy) = tokio::join!(found, policy);
        let text = |member: &str| found.is()?.get(member)?.as_str().map(str::to_owned);
        let number = text("projectNumber").unwrap_or_else(|| name.to_owned()).parse().ok();
        let name = Some(text("projectId").unwrap_or_else(|| name.to_owned()));
        Project { name, number, policy: policy.map(|it| run::policy(&it)) }
    }

    /// Other projects that regions are in.
    async fn others(&self, own: &Project) -> BTreeMap<String, Project> {
        let names: BTreeSet<String> = self.named().filter_map(|it| it.project).collect();
        let names = names.into_iter().filter(|name| !own.is_named(name));
        let read = names.map(|name| async {
            let project = self.project_of(&name).await;
            (name, project)
        });
        join_all(read).await.into_iter().collect()
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

    async fn senders(&self, project: Option<&str>) -> senders::Found {
        match project {
            Some(name) => senders::read(&self.client, name, &self.locations()).await,
            None => {
                let gap = "the project is not known: say --project".into();
                let unread = vec![("senders".to_owned(), gap)];
                senders::Found { unread, ..senders::Found::default() }
            }
        }
    }

    /// The policies of the accounts that senders push as.
    async fn accounts(&self, found: &senders::Found) -> BTreeMap<String, Read<Policy>> {
        let tokens = found.senders.iter().filter_map(|sender| sender.token.as_ref());
        let accounts: BTreeSet<&String> = tokens.map(|OidcToken { account, .. }| account).collect();
        let policies = accounts.into_iter().map(|account| async {
            (account.clone(), identity::policy_of(&self.client, account).await)
        });
        join_all(policies).await.into_iter().collect()
    }

    /// The key sets, and by how many seconds Google's clock is ahead.
    async fn keys(&self) -> (Vec<super::facts::KeyFacts>, Option<i64>) {
        let issuers = self.config.policy.issuers().iter();
        let now = || self.clock.now();
        let read = issuers.map(|issuer| keys::read(issuer, self.client.connector(), now));
        let (mut all, mut google_ahead) = (Vec::new(), None);
        for (facts, ahead) in join_all(read).await.into_iter().flatten() {
            all.push(facts);
            google_ahead = google_ahead.or(ahead);
        }
        (all, google_ahead)
    }

    /// All regions, some at once.
    async fn regions(
        &self,
        services: &mut [ServiceFacts],
        own: &Project,
        others: &BTreeMap<String, Project>,
    ) {
        let all = self.config.services.iter();
        let all = all.flat_map(|service| service.regions.iter().map(move |it| (service, it)));
        let all: Vec<_> =
            all.map(|(service, region)| self.region(service, region, own, others)).collect();
        let mut all = stream::iter(all).buffered(REGIONS_AT_ONCE);
        for (service, facts) in self.config.services.iter().zip(services) {
            for _ in &service.regions {
                facts.regions.extend(all.next().await);
            }
        }
    }

    async fn region(
        &self,
        service: &Service,
        region: &Region,
        own: &Project,
        others: &BTreeMap<String, Project>,
    ) -> RegionFacts {
        let run::Found { place, run, policy, elsewhere } =
            run::read(&self.client, region, own, others).await;
        let probe = match &self.options.probe {
            None => None,
            Some(path) => {
                let of_service = || service.probe.as_ref().map(|probe| probe.path.to_string());
                let path = path.clone().or_else(of_service).unwrap_or_else(|| "/".to_owned());
                self.probe(service, region, &path).await
            }
        };
        RegionFacts { place, run, policy, elsewhere, probe }
    }

    /// One request to a region; none if there is no token for it, which is said of
    /// the identity.
    async fn probe(&self, service: &Service, region: &Region, path: &str) -> Option<Probe> {
        let (connector, now) = (self.client.connector(), self.clock.now());
        let token = identity::mint(&service.identity, &region.audience, connector, now).await;
        let outcome = probe::probe(region, path, &token.ok()?, connector).await;
        Some(Probe { url: format!("{}{path}", region.url()), outcome })
    }
}
