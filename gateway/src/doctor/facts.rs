//! What was read of a deployment. Nothing here asks anybody.

use std::collections::BTreeMap;
use std::time::Duration;

use remint_idtoken::Sender;

use super::policy::Policy;

/// What came of reading something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Read<T> {
    /// This.
    Is(T),
    /// There is none of that name.
    Missing,
    /// It could not be read, or was not asked for.
    Unread(Gap),
}

/// Why something could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Gap {
    /// For people.
    pub(crate) why: String,
    /// What would help.
    pub(crate) lack: Option<Lack>,
}

impl<S: Into<String>> From<S> for Gap {
    fn from(why: S) -> Self {
        Self { why: why.into(), lack: None }
    }
}

/// What somebody who reads lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lack {
    /// A role in the project.
    Role(&'static str),
    /// An API that is on, by its host.
    Api(&'static str),
}

/// Who reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reader {
    /// A service account, by its address.
    Account(String),
    /// The person who has signed in on this machine.
    Person,
    /// Somebody whose name is not known.
    Unknown,
}

impl<T> Read<T> {
    pub(crate) fn is(&self) -> Option<&T> {
        match self {
            Self::Is(value) => Some(value),
            Self::Missing | Self::Unread(_) => None,
        }
    }

    pub(crate) fn map<U>(self, change: impl FnOnce(T) -> U) -> Read<U> {
        match self {
            Self::Is(value) => Read::Is(change(value)),
            Self::Missing => Read::Missing,
            Self::Unread(gap) => Read::Unread(gap),
        }
    }
}

/// All that was read for one configuration.
#[derive(Clone, Debug)]
pub(crate) struct Facts {
    pub(crate) project: Project,
    /// Other projects that regions are in, by the number in their URLs.
    pub(crate) others: BTreeMap<String, Project>,
    /// In the order of the configuration's services.
    pub(crate) services: Vec<ServiceFacts>,
    pub(crate) senders: Vec<SenderFacts>,
    /// Who has read all this.
    pub(crate) reader: Reader,
    /// Lists that could not be read: which, and why.
    pub(crate) unread: Vec<(String, Gap)>,
    /// The policies of the accounts that senders push as, by address.
    pub(crate) accounts: BTreeMap<String, Read<Policy>>,
    /// In the order of the policy's issuers that have a URL.
    pub(crate) keys: Vec<KeyFacts>,
    /// The backend services of load balancers, if the configuration has anything
    /// to do with IAP.
    pub(crate) backends: Option<Read<Vec<BackendService>>>,
    /// The services of Cloud Run on which IAP is to be itself, by the audience of
    /// its assertions.
    pub(crate) direct: BTreeMap<String, Behind>,
    /// By how many seconds Google's clock is ahead of this machine's.
    pub(crate) google_ahead: Option<i64>,
}

impl Facts {
    /// The project of that name or number, if anything was read of it.
    pub(crate) fn project(&self, name: &str) -> Option<&Project> {
        let mut all = std::iter::once(&self.project).chain(self.others.values());
        all.find(|project| project.is_named(name))
    }
}

/// A project that senders and services are looked for in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Project {
    /// Its id or number, as APIs and commands take it.
    pub(crate) name: Option<String>,
    pub(crate) number: Option<u64>,
    pub(crate) policy: Read<Policy>,
}

impl Project {
    /// Whether this is its id or its number.
    pub(crate) fn is_named(&self, name: &str) -> bool {
        let number = self.number.map(|number| number.to_string());
        self.name.as_deref() == Some(name) || number.as_deref() == Some(name)
    }
}

/// What is known of a service of the configuration.
#[derive(Clone, Debug)]
pub(crate) struct ServiceFacts {
    /// The account that its regions are called as.
    pub(crate) account: Option<String>,
    /// Why no token can be had for it.
    pub(crate) mint: Result<(), MintFailure>,
    /// In the order of the configuration's regions.
    pub(crate) regions: Vec<RegionFacts>,
}

/// Why there is no token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MintFailure {
    pub(crate) said: String,
    /// What grants the roles that are missing.
    pub(crate) command: Option<String>,
}

/// What is known of a region.
#[derive(Clone, Debug)]
pub(crate) struct RegionFacts {
    /// Where it is, as far as its URL tells.
    pub(crate) place: Option<Place>,
    pub(crate) run: Read<RunService>,
    pub(crate) policy: Read<Policy>,
    /// The service of the same name in the location that the region is named
    /// after, if there is none where the URL says.
    pub(crate) elsewhere: Option<(Place, RunService)>,
    /// What came of a request, if one was sent.
    pub(crate) probe: Option<Probe>,
}

/// A service's place at Cloud Run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// The project that it was found in, or looked for in.
    pub(crate) project: String,
    pub(crate) service: String,
    pub(crate) location: String,
}

/// What the Cloud Run Admin API says of a service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct RunService {
    pub(crate) urls: Vec<String>,
    pub(crate) custom_audiences: Vec<String>,
    pub(crate) ingress: Ingress,
    pub(crate) invoker_iam_disabled: bool,
    pub(crate) default_uri_disabled: bool,
    pub(crate) iap_enabled: bool,
}

impl RunService {
    /// The audiences that its front end takes.
    pub(crate) fn audiences(&self) -> Vec<String> {
        let both = |url: &String| [url.clone(), format!("{url}/")];
        self.urls.iter().flat_map(both).chain(self.custom_audiences.iter().cloned()).collect()
    }
}

/// `ingress` of a service (Cloud Run Admin API v2, `IngressTraffic`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Ingress {
    #[default]
    All,
    InternalOnly,
    InternalAndLoadBalancing,
    Nobody,
}

/// A backend service of a load balancer (Compute Engine API v1, `BackendService`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BackendService {
    pub(crate) name: String,
    /// The number that IAP's assertions name it by.
    pub(crate) id: String,
    /// Its region, unless it is global.
    pub(crate) location: Option<String>,
    pub(crate) iap_enabled: bool,
    /// The OAuth client; none if Google manages it.
    pub(crate) client_id: Option<String>,
    /// Who is let through by IAP, as far as that was needed.
    pub(crate) let_through: Read<Policy>,
    /// The services of Cloud Run that it leads to, likewise.
    pub(crate) behind: Vec<Behind>,
}

/// A service of Cloud Run behind a load balancer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Behind {
    pub(crate) place: Place,
    pub(crate) run: Read<RunService>,
    pub(crate) policy: Read<Policy>,
}

/// A request to a region.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Probe {
    pub(crate) url: String,
    pub(crate) outcome: Probed,
}

/// What came of a request to a region.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Probed {
    /// The service has answered, whatever it was.
    Answered(u16),
    /// Google's front end does not believe the token, or it is for somebody else.
    TokenRefused,
    /// It believes the token, and the caller may not.
    CallerRefused,
    /// It knows no such service, or keeps this machine out.
    NotFound,
    /// It answers something else itself.
    FrontEnd(u16),
    /// No answer.
    Failed(String),
}

/// What a sender is set to send.
#[derive(Clone, Debug)]
pub(crate) struct SenderFacts {
    pub(crate) kind: Sender,
    /// The last part of its name.
    pub(crate) name: String,
    /// Where it is, unless it is everywhere.
    pub(crate) location: Option<String>,
    pub(crate) url: String,
    pub(crate) method: String,
    pub(crate) token: Option<OidcToken>,
    /// How long it waits for an answer.
    pub(crate) deadline: Option<Duration>,
    /// Whether a subscription sends messages as they are, and whether with their
    /// attributes as headers.
    pub(crate) unwrapped: Option<bool>,
}

/// Whose token a sender sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OidcToken {
    pub(crate) account: String,
    /// Without one it is the URL that is called.
    pub(crate) audience: Option<String>,
}

/// What came of fetching an issuer's keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeyFacts {
    pub(crate) issuer: String,
    pub(crate) url: String,
    pub(crate) problem: Option<String>,
}
