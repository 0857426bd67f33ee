//! Starting regions with all that belongs to them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;

use super::Region;
use super::backend::Behind;
use super::container::Container;
use super::front::FrontEnd;
use super::function_host::FunctionHost;
use super::gate::Gate;
use super::iam::Iam;
use super::limits::Concurrency;
use super::url::Urls;
use crate::ca::Ca;
use crate::config::{Config, Service, ServiceRegion};
use crate::emulator::{Door, StartError, listen};
use crate::faults::RegionFaults;
use crate::issuer::Issuer;
use crate::listener::Listener;
use crate::origin::Origin;
use crate::timeline::Timeline;

/// Hosts of functions that more than one answers to.
pub(crate) type SharedHosts = Vec<(String, Arc<Listener<FunctionHost>>)>;

/// What the regions are made of.
pub(crate) struct Sites<'a> {
    pub(crate) config: &'a Config,
    pub(crate) ca: &'a Ca,
    pub(crate) issuer: &'a Arc<Issuer>,
    pub(crate) timeline: &'a Arc<Timeline>,
    pub(crate) google: SocketAddr,
}

impl Sites<'_> {
    pub(crate) fn region(
        &self,
        service: &Service,
        region: &ServiceRegion,
    ) -> Result<Region, StartError> {
        let (settings, region) = (region, region.name.as_str());
        let project = (&*self.config.project_id, self.config.project_number);
        let urls = Urls::new(service, project, region);
        let faults = Arc::<RegionFaults>::default();
        let propagation = self.config.iam_propagation;
        let iam = Iam::new(Arc::clone(self.issuer), propagation, (service, settings), &urls);
        let bindings = iam.bindings();
        let what = format!("{} in {region}", service.name);
        let backend = settings.backend.as_ref().unwrap_or(&service.backend);
        let (behind, life) = Behind::start(backend, service, region, self.google)
            .map_err(|error| StartError::Program(what.clone(), error))?;
        let ingress = settings.ingress.unwrap_or(service.ingress);
        let front = FrontEnd {
            faults: Arc::clone(&faults),
            gate: Gate {
                urls: urls.clone(),
                ingress,
                iam,
                concurrency: Concurrency::new(service.concurrency),
            },
            issuer: Arc::clone(self.issuer),
            timeline: Arc::clone(self.timeline),
            container: Container {
                service: service.name.clone(),
                region: region.to_owned(),
                behind,
            },
        };
        let addr = SocketAddr::new(self.config.host, settings.port);
        let door = Door { addr, origin: Origin::Internet };
        let listener = Arc::new(listen(self.ca, door, &urls.hosts(), &what, Arc::new(front))?);
        let custom = settings.custom_audiences.as_ref().unwrap_or(&service.custom_audiences);
        Ok(Region {
            service: service.name.clone(),
            region: region.to_owned(),
            urls,
            bindings,
            ingress,
            custom_audiences: custom.clone(),
            invoker_iam_disabled: service.invoker_iam_disabled,
            faults,
            listener,
            life: life.map(Arc::new),
        })
    }

    /// Something at each host that several functions share, to tell them apart.
    pub(crate) fn function_hosts(&self, regions: &[Region]) -> Result<SharedHosts, StartError> {
        let mut shared: BTreeMap<&str, Vec<&Region>> = BTreeMap::new();
        for region in regions {
            shared.entry(region.urls.function_host()).or_default().push(region);
        }
        let start = |(host, regions): (&str, Vec<&Region>)| {
            let place = |it: &&Region| (it.service.clone(), Arc::clone(&it.listener) as _);
            let functions = FunctionHost::new(regions.iter().map(place));
            let addr = SocketAddr::new(self.config.host, 0);
            let door = Door { addr, origin: Origin::Internet };
            let listener = listen(self.ca, door, &[host.to_owned()], host, Arc::new(functions))?;
            Ok((host.to_owned(), Arc::new(listener)))
        };
        shared.into_iter().filter(|(_, regions)| regions.len() > 1).map(start).collect()
    }
}

/// The hosts of all services, each once.
///
/// # Errors
/// [`StartError::Name`] or [`StartError::Tag`] for the first name that can't be
/// part of one.
pub(crate) fn hosts(config: &Config) -> Result<BTreeSet<String>, StartError> {
    let project = (&*config.project_id, config.project_number);
    let mut hosts = BTreeSet::new();
    for service in &config.services {
        check_name(&service.name)?;
        service.tags.iter().try_for_each(|tag| check_tag(tag, service))?;
        for region in &service.regions {
            check_name(&region.name)?;
            hosts.extend(Urls::new(service, project, &region.name).hosts());
        }
    }
    Ok(hosts)
}

/// The most letters of a traffic tag and the service's name together, so that
/// they fit a label of a host name with what stands around them (Cloud Run,
/// "Rollbacks, gradual rollouts, and traffic migration").
pub(crate) const MAX_TAGGED: usize = 46;

fn check_tag(tag: &str, service: &Service) -> Result<(), StartError> {
    let fits = tag.len().saturating_add(service.name.len()) <= MAX_TAGGED;
    match check_name(tag) {
        Ok(()) if fits => Ok(()),
        _ => Err(StartError::Tag(tag.to_owned())),
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
