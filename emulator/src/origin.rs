//! Where a call comes from.

/// The network that a call comes from, which a service's
/// [`Ingress`](crate::Ingress) judges. Every request that a listener takes has
/// it among its extensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Origin {
    /// From anywhere.
    Internet,
    /// From an application load balancer of the project.
    LoadBalancer,
    /// From a VPC network of the project, such as through Direct VPC egress.
    Vpc,
    /// From a sender of the project: Pub/Sub, Cloud Tasks, Cloud Scheduler and
    /// Eventarc count as internal where they call the service's own URL (Cloud
    /// Run, "Restrict network ingress").
    Sender,
}

impl Origin {
    /// As the timeline shows it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Internet => "internet",
            Self::LoadBalancer => "load balancer",
            Self::Vpc => "vpc",
            Self::Sender => "sender",
        }
    }
}
