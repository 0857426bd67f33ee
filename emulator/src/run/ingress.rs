//! The `ingress` setting: who reaches a service at all.
//!
//! Cloud Run, "Restrict network endpoint ingress"
//! (<https://cloud.google.com/run/docs/securing/ingress>): `internal` lets in the
//! project's VPC networks, and Pub/Sub, Cloud Tasks, Cloud Scheduler and
//! Eventarc of the project where they call the `run.app` URL and no custom
//! domain; the middle setting adds load balancers.
//!
//! Functions of the first generation, "Configure network settings (1st gen)"
//! (<https://cloud.google.com/functions/1stgendocs/networking/network-settings>):
//! the same settings, but of the senders only Cloud Tasks and Cloud Scheduler
//! are internal. The page lists Eventarc among them and says a few lines before
//! that requests that Pub/Sub or Eventarc make can't reach such a function: that
//! sentence is followed here, as the narrower one.

use http::HeaderMap;
use http::header::USER_AGENT;

use super::url::Target;
use crate::config::Ingress;
use crate::origin::Origin;

/// What the senders that are internal to a function call themselves. Cloud
/// Tasks and Cloud Scheduler add it even to a user agent of the user's.
const SENDERS_TO_FUNCTIONS: [&str; 2] = ["Google-Cloud-Tasks", "Google-Cloud-Scheduler"];

/// Whether a request gets any further than Google's edge.
pub(super) fn lets_in(
    ingress: Ingress,
    origin: Origin,
    target: Target<'_>,
    headers: &HeaderMap,
) -> bool {
    let is_internal = match origin {
        Origin::Internet | Origin::LoadBalancer => false,
        Origin::Vpc => true,
        Origin::Sender => match target {
            Target::Service { at_own_url, .. } => at_own_url,
            Target::Function { .. } => is_from_a_sender_to_functions(headers),
            Target::Nothing(_) => false,
        },
    };
    match ingress {
        Ingress::All => true,
        Ingress::InternalAndLoadBalancing => is_internal || origin == Origin::LoadBalancer,
        Ingress::Internal => is_internal,
    }
}

/// Only the emulator's own senders have their origin, so nobody else can claim
/// this.
fn is_from_a_sender_to_functions(headers: &HeaderMap) -> bool {
    let agent = headers.get(USER_AGENT).and_then(|agent| agent.to_str().ok());
    agent.is_some_and(|agent| SENDERS_TO_FUNCTIONS.iter().any(|name| agent.contains(name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN_URL: Target<'static> = Target::Service { tag: None, at_own_url: true };
    const FUNCTION: Target<'static> = Target::Function { below: None };
    const ORIGINS: [Origin; 4] =
        [Origin::Internet, Origin::LoadBalancer, Origin::Vpc, Origin::Sender];

    fn let_in(ingress: Ingress, target: Target<'_>, agent: &'static str) -> Vec<Origin> {
        let headers = HeaderMap::from_iter([(USER_AGENT, agent.parse().unwrap())]);
        let is_in = |origin: &Origin| lets_in(ingress, *origin, target, &headers);
        ORIGINS.into_iter().filter(is_in).collect()
    }

    #[test]
    fn each_setting_lets_in_what_google_says() {
        use Origin::{LoadBalancer, Sender, Vpc};
        assert_eq!(let_in(Ingress::All, OWN_URL, "x"), ORIGINS);
        let both = Ingress::InternalAndLoadBalancing;
        assert_eq!(let_in(both, OWN_URL, "x"), [LoadBalancer, Vpc, Sender]);
        assert_eq!(let_in(Ingress::Internal, OWN_URL, "x"), [Vpc, Sender]);
    }

    #[test]
    fn senders_are_internal_only_at_the_service_s_own_url() {
        let custom = Target::Service { tag: None, at_own_url: false };
        assert_eq!(let_in(Ingress::Internal, custom, "x"), [Origin::Vpc]);
    }

    #[test]
    fn of_the_senders_only_tasks_and_scheduler_reach_an_internal_function() {
        for (agent, is_in) in [
            ("Google-Cloud-Tasks", true),
            ("mine Google-Cloud-Scheduler", true),
            ("APIs-Google; (+https://developers.google.com/webmasters/APIs-Google.html)", false),
        ] {
            let found = let_in(Ingress::Internal, FUNCTION, agent);
            assert_eq!(found.contains(&Origin::Sender), is_in, "{agent}");
        }
        assert!(lets_in(Ingress::Internal, Origin::Vpc, FUNCTION, &HeaderMap::new()));
    }
}
