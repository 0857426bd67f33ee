//! Services and where they run.

use std::net::SocketAddr;

use crate::forward::Protocol;

/// A service in some regions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Service {
    /// The name.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// The regions.
    pub regions: Vec<ServiceRegion>,
    /// Who has `roles/run.invoker` (of a function `roles/cloudfunctions.invoker`):
    /// plain addresses, or members as IAM writes them, `serviceAccount:ADDRESS`,
    /// `user:ADDRESS`, `domain:NAME` (of a Workspace organisation),
    /// `allAuthenticatedUsers` and `allUsers`. With the last nothing is checked.
    /// Groups and principals of other kinds let nobody in.
    pub invokers: Vec<String>,
    /// The custom audiences, in all regions. A function has none.
    pub custom_audiences: Vec<String>,
    /// Whether nobody's right to invoke it is checked, as with `gcloud run
    /// services update --no-invoker-iam-check`.
    pub invoker_iam_disabled: bool,
    /// Who is let in at all.
    pub ingress: Ingress,
    /// The traffic tags: each has a URL of its own, `https://TAG---HOST`, while
    /// the audience stays the URL without it. A function has none.
    pub tags: Vec<String>,
    /// How many requests a region serves at once (its instances times their
    /// concurrency); further ones get 429. Without it there is no limit.
    pub concurrency: Option<u32>,
    /// What is behind the front ends.
    pub backend: Backend,
}

/// A region of a service, with what differs from the rest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServiceRegion {
    /// The name, such as `us-central1`.
    pub name: String,
    /// Who may invoke it here instead of the service's invokers.
    pub invokers: Option<Vec<String>>,
    /// The custom audiences here instead of the service's.
    pub custom_audiences: Option<Vec<String>>,
    /// Who is let in here.
    pub ingress: Option<Ingress>,
    /// What is behind the front end here.
    pub backend: Option<Backend>,
    /// The port of its listener; 0 means any free one.
    pub port: u16,
}

impl ServiceRegion {
    /// A region that differs in nothing.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }
}

/// Whether this can be the name of a service or region, which becomes a label
/// of host names (Cloud Run, "Deploying a new service": a letter first, 49
/// characters at most).
pub(crate) fn is_name(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=49).contains(&name.len())
        && name.starts_with(|first: char| first.is_ascii_lowercase())
        && !name.ends_with('-')
        && name.bytes().all(is_plain)
}

/// What a service is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// A Cloud Run service, or a function of the second generation. At the host
    /// of functions, below its name, it answers as one of the first generation
    /// too, so that a proxy can be tried with both.
    #[default]
    CloudRun,
    /// A function of the first generation. Its only URL,
    /// `https://REGION-PROJECT.cloudfunctions.net/NAME`, is its audience, path
    /// included. The container does not see that path. It has no `run.app` URLs,
    /// custom audiences or tags, and does not know `X-Serverless-Authorization`.
    /// At any other host, such as a load balancer's, the whole path is its own.
    Function,
}

/// The `ingress` setting.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ingress {
    /// Everybody: `all`.
    #[default]
    All,
    /// `internal-and-cloud-load-balancing`: load balancers, and whoever
    /// `Internal` lets in.
    InternalAndLoadBalancing,
    /// `internal`: VPC networks of the project, and its senders where they call
    /// the `run.app` URL. Of the senders only Cloud Tasks and Cloud Scheduler
    /// reach such a function of the first generation.
    Internal,
}

/// What is behind a front end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Backend {
    /// The built-in container, which tells what reached it.
    #[default]
    Echo,
    /// A server of this machine.
    Address {
        /// Where it listens.
        addr: SocketAddr,
        /// What it speaks.
        protocol: Protocol,
    },
    /// A program that is started with the emulator, in each region, with `PORT`,
    /// `K_SERVICE`, `K_REVISION`, `K_CONFIGURATION` and `GCE_METADATA_HOST` set.
    /// It has the emulator's other variables and directory, is started again if
    /// it dies, and ends with the emulator.
    Command {
        /// The program and its arguments.
        words: Vec<String>,
        /// What it speaks.
        protocol: Protocol,
    },
}

impl Backend {
    /// A server that speaks HTTP/2 in clear text.
    #[must_use]
    pub fn h2c(addr: SocketAddr) -> Self {
        Self::Address { addr, protocol: Protocol::Http2 }
    }
}
