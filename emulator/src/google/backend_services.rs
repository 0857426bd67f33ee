//! What Compute Engine tells of load balancers: `backendServices.aggregatedList`
//! and `networkEndpointGroups.aggregatedList`, as far as they say which service
//! is behind which, and whether IAP is on
//! (<https://cloud.google.com/compute/docs/reference/rest/v1/backendServices>,
//! <https://cloud.google.com/iap/docs/reference/compute-engine-apis>).
//!
//! Each load balancer has one backend service, with a serverless network endpoint
//! group for each region of its service. Filters and pages are not played.

use std::collections::BTreeMap;

use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use super::projects::{Project, member_of};
use super::run_admin::written;
use super::{Google, query};
use crate::answers::{Answer, json};
use crate::config::{Config, LoadBalancer};

const ROOT: &str = "/compute/v1/projects/";
/// The API, as audience of tokens that accounts sign for it.
const AUDIENCE: &str = "https://compute.googleapis.com/";
const ACCESSOR: &str = "roles/iap.httpsResourceAccessor";
/// The first number of a backend service that has none in the configuration.
const FIRST_ID: u64 = 5_000_000_000_000_000_000;

/// All backend services.
pub(super) struct BackendServices(Vec<BackendService>);

struct BackendService {
    name: String,
    id: u64,
    balancer: LoadBalancer,
    /// Of the service behind it.
    regions: Vec<String>,
}

impl BackendServices {
    pub(super) fn new(config: &Config) -> Self {
        let regions = |name: &str| {
            let service = config.services.iter().find(|service| service.name == name);
            let regions = service.map(|service| service.regions.iter());
            regions.into_iter().flatten().map(|region| region.name.clone()).collect()
        };
        let one = |(balancer, id): (&LoadBalancer, u64)| BackendService {
            name: balancer.host.replace('.', "-"),
            id: balancer.iap.as_ref().map_or(id, |iap| iap.backend_service),
            regions: regions(&balancer.service),
            balancer: balancer.clone(),
        };
        Self(config.load_balancers.iter().zip(FIRST_ID..).map(one).collect())
    }

    /// The roles that IAP has for a backend service, by its name or number.
    pub(super) fn roles(&self, name: &str) -> Option<Vec<(String, String)>> {
        let is_it = |it: &&BackendService| it.name == name || it.id.to_string() == name;
        let users = self.0.iter().find(is_it)?.balancer.iap.as_ref().map(|iap| iap.users.iter());
        let role = |user: &String| (ACCESSOR.to_owned(), written(user.clone()));
        Some(users.into_iter().flatten().map(role).collect())
    }
}

/// What is listed.
enum List {
    Services,
    Groups,
}

fn asked(path: &str) -> Option<(String, List)> {
    let (project, rest) = path.strip_prefix(ROOT)?.split_once('/')?;
    let list = match rest {
        "aggregated/backendServices" => List::Services,
        "aggregated/networkEndpointGroups" => List::Groups,
        _ => return None,
    };
    Some((query::decode_path(project), list))
}

/// Whether a path is one of these lists.
pub(super) fn serves(path: &str) -> bool {
    asked(path).is_some()
}

impl Google {
    /// Answers a request to such a path.
    pub(super) fn backend_services(&self, headers: &HeaderMap, path: &str) -> Answer {
        self.backend_services_asked(headers, path).unwrap_or_else(|refused| *refused)
    }

    fn backend_services_asked(
        &self,
        headers: &HeaderMap,
        path: &str,
    ) -> Result<Answer, Box<Answer>> {
        member_of(&self.accounts, headers, AUDIENCE, self.issuer.now())?;
        let (project, list) = asked(path).ok_or_else(Project::forbidden)?;
        if !self.project.is_named(&project) {
            return Err(Project::forbidden());
        }
        let items = match list {
            List::Services => self.backend_services.shown(self.project.id()),
            List::Groups => self.backend_services.groups_shown(self.project.id()),
        };
        Ok(json(StatusCode::OK, &json!({ "items": items })))
    }
}

impl BackendServices {
    fn shown(&self, project: &str) -> Value {
        let all: Vec<Value> = self.0.iter().map(|it| it.shown(project)).collect();
        // A scope without any has a warning instead of the list.
        let nothing = json!({ "warning": { "code": "NO_RESULTS_ON_PAGE" } });
        match all.is_empty() {
            true => json!({ "global": nothing }),
            false => {
                json!({ "global": { "backendServices": all }, "regions/us-central1": nothing })
            }
        }
    }

    fn groups_shown(&self, project: &str) -> Value {
        let mut by_region: BTreeMap<String, Vec<Value>> = BTreeMap::new();
        for service in &self.0 {
            for region in &service.regions {
                let group = json!({
                    "name": service.group(region),
                    "selfLink": service.group_link(project, region),
                    "networkEndpointType": "SERVERLESS",
                    "cloudRun": { "service": service.balancer.service },
                });
                by_region.entry(format!("regions/{region}")).or_default().push(group);
            }
        }
        let scope = |(region, groups)| (region, json!({ "networkEndpointGroups": groups }));
        by_region.into_iter().map(scope).collect::<serde_json::Map<_, _>>().into()
    }
}

impl BackendService {
    fn group(&self, region: &str) -> String {
        format!("{}-{region}", self.name)
    }

    fn group_link(&self, project: &str, region: &str) -> String {
        let name = self.group(region);
        format!(
            "https://www.googleapis.com/compute/v1/projects/{project}/regions/{region}/networkEndpointGroups/{name}"
        )
    }

    fn shown(&self, project: &str) -> Value {
        let backend = |region: &String| json!({ "group": self.group_link(project, region) });
        let backends: Vec<Value> = self.regions.iter().map(backend).collect();
        let iap = match &self.balancer.iap {
            None => json!({ "enabled": false }),
            Some(iap) => json!({ "enabled": iap.enabled, "oauth2ClientId": iap.client_id }),
        };
        json!({
            // As all 64-bit numbers in JSON of Google's.
            "id": self.id.to_string(),
            "name": self.name,
            "loadBalancingScheme": "EXTERNAL_MANAGED",
            "protocol": "HTTPS",
            "backends": backends,
            "iap": iap,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_answers_for_two_lists_alone() {
        for (path, is_its) in [
            ("/compute/v1/projects/p/aggregated/backendServices", true),
            ("/compute/v1/projects/p/aggregated/networkEndpointGroups", true),
            ("/compute/v1/projects/p/aggregated/instances", false),
            ("/compute/v1/projects/p/global/backendServices", false),
            ("/v1/projects/p/aggregated/backendServices", false),
        ] {
            assert_eq!(serves(path), is_its, "{path}");
        }
    }
}
