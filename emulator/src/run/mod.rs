//! Cloud Run: per service and region an IAM front end with a container behind.

mod backend;
mod bindings;
mod container;
mod events;
mod front;
mod function_host;
mod gate;
mod headers;
mod iam;
mod ingress;
mod limits;
mod members;
mod page;
mod program;
mod sites;
mod url;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use remint_idtoken::UnixTime;

pub(crate) use bindings::Bindings;
pub(crate) use front::FrontEnd;
pub(crate) use function_host::FunctionHost;
pub(crate) use page::NO_PERMISSION;
pub(crate) use program::Life;
pub(crate) use sites::{MAX_TAGGED, Sites, hosts};
pub(crate) use url::Urls;

use crate::config::{Ingress, Kind};
use crate::faults::{RegionFault, RegionFaults};
use crate::listener::Listener;

/// A service in one region.
#[derive(Clone)]
pub struct Region {
    pub(crate) service: String,
    pub(crate) region: String,
    pub(crate) urls: Urls,
    pub(crate) bindings: Arc<Bindings>,
    pub(crate) ingress: Ingress,
    pub(crate) custom_audiences: Vec<String>,
    pub(crate) invoker_iam_disabled: bool,
    pub(crate) faults: Arc<RegionFaults>,
    pub(crate) listener: Arc<Listener<FrontEnd>>,
    /// That of its program, if it has one.
    pub(crate) life: Option<Arc<Life>>,
}

impl Region {
    /// The service's name.
    #[must_use]
    pub fn service(&self) -> &str {
        &self.service
    }

    /// The region's name.
    #[must_use]
    pub fn region(&self) -> &str {
        &self.region
    }

    /// Where it listens, for plain HTTP and for TLS.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.listener.addr()
    }

    /// The deterministic URL, `https://SERVICE-NUMBER.REGION.run.app`. Of a
    /// function of the first generation, which has none, its own.
    #[must_use]
    pub fn url(&self) -> &str {
        self.run_or_function(&self.urls.deterministic)
    }

    /// The older URL, `https://SERVICE-HASH-RC.a.run.app`. Of a function of the
    /// first generation, which has none, its own.
    #[must_use]
    pub fn hash_url(&self) -> &str {
        self.run_or_function(&self.urls.hashed)
    }

    fn run_or_function<'u>(&'u self, run: &'u str) -> &'u str {
        match self.urls.kind {
            Kind::CloudRun => run,
            Kind::Function => &self.urls.function,
        }
    }

    /// Changes who may invoke the service in this region: members as IAM writes
    /// them, or plain addresses. Front ends learn of it one after the other
    /// within [`Config::iam_propagation`](crate::Config::iam_propagation).
    pub fn set_invokers<'m>(&self, members: impl IntoIterator<Item = &'m str>) {
        self.bindings.set_invokers(members);
    }

    /// From now on the front end does not believe tokens that were issued
    /// before that moment, as if their key had been withdrawn.
    pub fn refuse_tokens_before(&self, moment: UnixTime) {
        self.bindings.believe_from(moment);
    }

    /// The URL of a function of the first generation of the same name,
    /// `https://REGION-PROJECT.cloudfunctions.net/SERVICE`. It is called at the
    /// same address, and wants this URL as audience.
    #[must_use]
    pub fn function_url(&self) -> &str {
        &self.urls.function
    }

    /// Sets or ends a fault of the region.
    pub fn set_fault(&self, fault: Option<RegionFault>) {
        self.faults.set(fault);
    }

    /// The region dies: its listener and all its connections are closed when
    /// this returns, and further connections are refused.
    pub async fn stop(&self) {
        self.listener.stop().await;
    }

    /// The region comes back, on the same port.
    ///
    /// # Errors
    /// If the port can't be listened on any more.
    pub async fn start(&self) -> io::Result<()> {
        self.listener.restart().await
    }
}
