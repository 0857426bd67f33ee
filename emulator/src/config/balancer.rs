//! Load balancers, and Identity-Aware Proxy on them.

/// A host in front of a service's regions, as a backend service of serverless
/// network endpoint groups has it: it retries nothing and looks at no health.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadBalancer {
    /// The host, such as `orders.example.com`.
    pub host: String,
    /// The port of its listener; 0 means any free one.
    pub port: u16,
    /// The service behind it, by name.
    pub service: String,
    /// Which region gets a request.
    pub picking: Picking,
    /// Who is let through, if IAP is on.
    pub iap: Option<Iap>,
}

/// How a load balancer picks a region.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Picking {
    /// The first region of the service, as if it were the nearest to all
    /// callers; a request can name another with `X-Emulator-Client-Region`.
    #[default]
    Nearest,
    /// By weight, which regions that are not named do not have.
    Weighted(Vec<(String, u32)>),
}

/// Identity-Aware Proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Iap {
    /// Whether it is on. Off, it keeps what else is set, and asks nobody.
    pub enabled: bool,
    /// The OAuth client: the audience of tokens that programs send.
    pub client_id: String,
    /// The backend service's number, part of the audience of its assertions.
    pub backend_service: u64,
    /// Who has `roles/iap.httpsResourceAccessor`: addresses of service accounts
    /// and of people.
    pub users: Vec<String>,
    /// As whom it calls the region.
    pub identity: IapIdentity,
}

/// As whom IAP calls what is behind it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IapIdentity {
    /// As its service agent, `service-NUMBER@gcp-sa-iap.iam.gserviceaccount.com`.
    #[default]
    ServiceAgent,
    /// As the OAuth client, as in older set-ups.
    ClientId,
}
