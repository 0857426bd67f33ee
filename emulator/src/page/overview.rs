//! What runs here.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Weak};

use remint_idtoken::shell_word;
use serde_json::{Value, json};

use super::explain::Known;
use crate::config::{Config, Ingress, Kind, LoadBalancer, Sending, Service, ServiceRegion};
use crate::environment::variables;
use crate::faults::{RegionFault, RegionFaults};
use crate::listener::Listener;
use crate::run::{Bindings, FrontEnd, Region, Urls};
use crate::timeline::{Call, Part, Timeline, Verdict};

/// All parts, as far as they are worth showing.
pub(crate) struct Overview {
    project_id: String,
    project_number: u64,
    default_account: String,
    google: SocketAddr,
    vpc: SocketAddr,
    regions: Vec<Place>,
    /// With where they listen.
    load_balancers: Vec<(LoadBalancer, SocketAddr)>,
    sending: Vec<Sending>,
    hosts: Vec<(String, SocketAddr)>,
}

/// A region of a service.
struct Place {
    service: String,
    region: String,
    kind: Kind,
    ingress: Ingress,
    urls: Urls,
    custom_audiences: Vec<String>,
    bindings: Arc<Bindings>,
    faults: Arc<RegionFaults>,
    addr: SocketAddr,
    /// Not its owner: a listener ends with the emulator.
    listener: Weak<Listener<FrontEnd>>,
}

impl Overview {
    /// Of the running `regions` and load balancers, which are those of the
    /// configuration.
    pub(crate) fn new(
        config: &Config,
        google: SocketAddr,
        vpc: SocketAddr,
        regions: &[Region],
        balancers: &[SocketAddr],
    ) -> Self {
        let settings = config
            .services
            .iter()
            .flat_map(|service| service.regions.iter().map(move |region| (service, region)));
        let place = |(running, (service, region))| Place::new(running, service, region);
        Self {
            project_id: config.project_id.clone(),
            project_number: config.project_number,
            default_account: config.default_account.clone(),
            google,
            vpc,
            regions: regions.iter().zip(settings).map(place).collect(),
            load_balancers: config.load_balancers.iter().cloned().zip(balancers.to_vec()).collect(),
            sending: config.sending(),
            hosts: config.hosts.iter().map(|it| (it.host.clone(), it.addr)).collect(),
        }
    }

    /// As JSON, with the state of the moment.
    pub(super) async fn show(&self, timeline: &Timeline) -> Value {
        let mut regions = Vec::new();
        for (place, counted) in self.regions.iter().zip(self.counts(timeline)) {
            regions.push(place.show(counted).await);
        }
        let load_balancers = self.load_balancers.iter().map(|(it, addr)| {
            let iap = it.iap.as_ref().map(|iap| &iap.client_id);
            json!({ "host": it.host, "service": it.service, "address": addr, "iap_client_id": iap })
        });
        let hosts = self.hosts.iter().map(|(host, addr)| json!({ "host": host, "address": addr }));
        json!({
            "project": self.project_id,
            "project_number": self.project_number,
            "google": self.google,
            "vpc": self.vpc,
            "environment": variables(&self.google.to_string(), &self.project_id),
            "try": self.first_call(),
            "regions": regions,
            "load_balancers": load_balancers.collect::<Vec<_>>(),
            "hosts": hosts.collect::<Vec<_>>(),
            "sending": self.sending,
        })
    }

    /// How many calls each region has accepted and refused.
    fn counts(&self, timeline: &Timeline) -> Vec<(u64, u64)> {
        let keys = self.regions.iter().map(|it| (it.service.as_str(), it.region.as_str()));
        let index: HashMap<_, _> = keys.zip(0..).collect();
        let mut counts = vec![(0_u64, 0_u64); self.regions.len()];
        timeline.each(|call| {
            let key = (call.service.as_str(), call.region.as_str());
            let at: Option<&usize> = index.get(&key).filter(|_| call.part == Part::FrontEnd);
            let Some((accepted, refused)) = at.and_then(|at| counts.get_mut(*at)) else {
                return;
            };
            match call.verdict {
                Verdict::Accepted => *accepted = accepted.saturating_add(1),
                Verdict::Refused { .. } => *refused = refused.saturating_add(1),
                _ => {}
            }
        });
        counts
    }

    /// Commands for a shell that call the first region as the default account.
    fn first_call(&self) -> Option<String> {
        let place = self.regions.first()?;
        let audience = match place.kind {
            Kind::CloudRun => &place.urls.deterministic,
            Kind::Function => &place.urls.function,
        };
        let claims = json!({ "aud": audience, "email": self.default_account }).to_string();
        let (google, claims) = (self.google, shell_word(&claims));
        let mint = format!("TOKEN=$(curl -s http://{google}/emulator/mint -d {claims})");
        let named = audience.trim_start_matches("https://");
        let (host, path) = named.split_once('/').unwrap_or((named, ""));
        let addr = place.addr;
        let call = format!(
            "curl -H \"Authorization: Bearer $TOKEN\" -H 'Host: {host}' http://{addr}/{path}"
        );
        Some(format!("{mint}\n{call}"))
    }

    /// What there is to know of the part that a call came to.
    pub(super) fn known(&self, call: &Call) -> Known {
        let known = Known { project_number: self.project_number, ..Known::default() };
        match call.part {
            Part::FrontEnd => match self.place(call) {
                Some(place) => Known { audience_of: self.owner(call), ..place.known(call, known) },
                None => known,
            },
            Part::Iap => self.iap(call, known),
            _ => known,
        }
    }

    fn place(&self, call: &Call) -> Option<&Place> {
        let is_it = |it: &&Place| it.service == call.service && it.region == call.region;
        self.regions.iter().find(is_it)
    }

    /// Whose audience the token's is, if it is that of another region.
    fn owner(&self, call: &Call) -> Option<(String, String)> {
        let audience = call.audience.as_ref()?;
        let owns = |it: &&Place| it.urls.audiences().any(|own| own == *audience);
        let owner = self.regions.iter().find(owns)?;
        let is_other = (&owner.service, &owner.region) != (&call.service, &call.region);
        is_other.then(|| (owner.service.clone(), owner.region.clone()))
    }

    fn iap(&self, call: &Call, known: Known) -> Known {
        let is_it = |it: &&LoadBalancer| call.host.as_ref().is_some_and(|host| *host == it.host);
        let mut balancers = self.load_balancers.iter().map(|(it, _)| it);
        let iap = balancers.find(is_it).and_then(|it| it.iap.as_ref());
        match iap {
            Some(iap) => Known {
                audiences: vec![iap.client_id.clone()],
                invokers: iap.users.clone(),
                ..known
            },
            None => known,
        }
    }
}

impl Place {
    fn new(running: &Region, service: &Service, region: &ServiceRegion) -> Self {
        let custom = region.custom_audiences.as_ref().unwrap_or(&service.custom_audiences);
        Self {
            service: running.service.clone(),
            region: running.region.clone(),
            kind: service.kind,
            ingress: region.ingress.unwrap_or(service.ingress),
            urls: running.urls.clone(),
            custom_audiences: custom.clone(),
            bindings: Arc::clone(&running.bindings),
            faults: Arc::clone(&running.faults),
            addr: running.addr(),
            listener: Arc::downgrade(&running.listener),
        }
    }

    async fn show(&self, (accepted, refused): (u64, u64)) -> Value {
        let urls: &[&String] = match self.kind {
            Kind::CloudRun => &[&self.urls.deterministic, &self.urls.hashed],
            Kind::Function => &[&self.urls.function],
        };
        json!({
            "service": self.service,
            "region": self.region,
            "kind": match self.kind { Kind::CloudRun => "service", Kind::Function => "function" },
            "ingress": ingress(self.ingress),
            "address": self.addr,
            "urls": urls,
            "custom_audiences": self.custom_audiences,
            "state": self.state().await,
            "accepted": accepted,
            "refused": refused,
        })
    }

    async fn state(&self) -> String {
        let runs = match self.listener.upgrade() {
            Some(listener) => listener.is_running().await,
            None => false,
        };
        match (runs, self.faults.now()) {
            (false, _) => "stopped".to_owned(),
            (true, None) => "running".to_owned(),
            (true, Some(fault)) => described(fault),
        }
    }

    fn known(&self, call: &Call, known: Known) -> Known {
        let host = call.host.as_deref().unwrap_or_default();
        let is_function = self.kind == Kind::Function || self.urls.function_host() == host;
        let audiences = match is_function {
            true => vec![self.urls.function.clone()],
            false => self.urls.audiences().chain(self.custom_audiences.iter().cloned()).collect(),
        };
        let (invokers, ingress) = (self.bindings.invokers(), self.ingress);
        Known { audiences, invokers, ingress, is_function, ..known }
    }
}

fn ingress(ingress: Ingress) -> &'static str {
    match ingress {
        Ingress::All => "all",
        Ingress::InternalAndLoadBalancing => "internal-and-cloud-load-balancing",
        Ingress::Internal => "internal",
    }
}

fn described(fault: RegionFault) -> String {
    match fault {
        RegionFault::Latency(wait) => format!("answers after {} s", wait.as_secs_f64()),
        RegionFault::Hang => "never answers".to_owned(),
        RegionFault::Reset => "resets connections".to_owned(),
        RegionFault::FrontEnd(status) => format!("answers {}", status.as_u16()),
    }
}
