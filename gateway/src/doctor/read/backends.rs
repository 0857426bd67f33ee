//! Reading load balancers and what IAP lets through: backend services and their
//! serverless network endpoint groups
//! (<https://cloud.google.com/compute/docs/reference/rest/v1/backendServices>,
//! `networkEndpointGroups`; `iap` as in
//! <https://cloud.google.com/iap/docs/reference/compute-engine-apis>), and
//! policies of IAP (`projects/P/iap_web/compute/services/NAME`, as
//! `iam_iap_web_backend_service.go` of hashicorp/terraform-provider-google has
//! it).

use std::collections::{BTreeMap, HashSet};

use futures_util::future::{join, join_all};
use serde_json::Value;

use super::api::{COMPUTE, Client, IAP, List};
use super::run::{behind, policy};
use crate::config::{Config, Kind};
use crate::doctor::facts::{BackendService, Behind, Gap, Place, Project, Read};
use crate::doctor::policy::Policy;
use crate::doctor::protected::{Protected, What, is_client, protected};
use crate::percent::encoded;

/// How many services behind one backend service are looked at.
const MAX_BEHIND: usize = 100;

/// What the configuration says of IAP.
struct Wanted<'c> {
    ids: HashSet<&'c str>,
    clients: HashSet<&'c str>,
}

impl<'c> Wanted<'c> {
    fn of(config: &'c Config) -> Self {
        let audiences = config.policy.rules().iter().flat_map(|rule| rule.audiences());
        let regions = config.services.iter().flat_map(|service| &service.regions);
        let of_iap = regions.filter(|it| it.kind == Kind::Iap || is_client(&it.audience));
        Self {
            ids: audiences.filter_map(id_of).collect(),
            clients: of_iap.map(|region| &*region.audience).collect(),
        }
    }

    fn has(&self, service: &BackendService) -> bool {
        let client = service.client_id.as_deref();
        self.ids.contains(service.id.as_str()) || client.is_some_and(|it| self.clients.contains(it))
    }
}

fn id_of(audience: &str) -> Option<&str> {
    match protected(audience)?.what {
        What::Backend(id) => Some(id),
        What::Run { .. } => None,
    }
}

/// The services of Cloud Run that rules take assertions for, by the audience.
pub(super) async fn direct(
    client: &Client,
    config: &Config,
    own: &Project,
) -> BTreeMap<String, Behind> {
    let audiences = config.policy.rules().iter().flat_map(|rule| rule.audiences());
    let places = audiences.filter_map(|audience| {
        let Protected { project, what } = protected(audience)?;
        let What::Run { location, service } = what else { return None };
        let project = own.name.as_deref().filter(|_| own.is_named(project)).unwrap_or(project);
        let [project, service, location] = [project, service, location].map(str::to_owned);
        Some((audience.to_owned(), Place { project, service, location }))
    });
    let places: BTreeMap<String, Place> = places.collect();
    let all = places.into_iter().map(|(audience, place)| async {
        let behind = behind(client, place).await;
        (audience, behind)
    });
    join_all(all).await.into_iter().collect()
}

/// The backend services of a project, if the configuration has anything to do
/// with IAP; of those that it names, who is let through and what is behind.
pub(super) async fn read(
    client: &Client,
    config: &Config,
    project: Option<&str>,
) -> Option<Read<Vec<BackendService>>> {
    let wanted = Wanted::of(config);
    if wanted.ids.is_empty() && wanted.clients.is_empty() {
        return None;
    }
    let Some(project) = project else {
        return Some(Read::Unread("the project is not known: say --project".into()));
    };
    let (services, groups) = join(
        items(client, project, "backendServices"),
        items(client, project, "networkEndpointGroups"),
    )
    .await;
    let services = match services {
        Read::Is(services) => services,
        Read::Missing => return Some(Read::Missing),
        Read::Unread(gap) => return Some(Read::Unread(gap)),
    };
    // What is behind is looked at as far as it can be found.
    let groups = groups.is().map(|all| places(all, project)).unwrap_or_default();
    let services = services.iter().filter_map(|it| {
        let service = service(it)?;
        let backends = it.get("backends").and_then(Value::as_array).into_iter().flatten();
        let links = backends.filter_map(|it| it.get("group").and_then(Value::as_str));
        let behind: Vec<Place> =
            links.filter_map(|link| groups.get(path_of(link)).cloned()).take(MAX_BEHIND).collect();
        Some((service, behind))
    });
    let services = services.map(|(mut service, places)| {
        let is_wanted = wanted.has(&service);
        async move {
            if is_wanted {
                let behind = join_all(places.into_iter().map(|place| behind(client, place)));
                let let_through = let_through(client, project, &service);
                (service.let_through, service.behind) = join(let_through, behind).await;
            }
            service
        }
    });
    Some(Read::Is(join_all(services).await))
}

/// All items of a list that is ordered by scope: global, regions, zones.
async fn items(client: &Client, project: &str, name: &str) -> Read<Vec<Value>> {
    let path = format!("/compute/v1/projects/{}/aggregated/{name}", encoded(project.as_bytes()));
    let list = List { path: &path, name: "items", size: "maxResults" };
    client.pages(COMPUTE, list).await.map(|pages| {
        let scopes = pages.into_iter().filter_map(|page| match page {
            Value::Object(scopes) => Some(scopes),
            _ => None,
        });
        let lists =
            scopes.flatten().filter_map(|(_, mut scope)| match scope.get_mut(name)?.take() {
                Value::Array(items) => Some(items),
                _ => None,
            });
        lists.flatten().collect()
    })
}

fn text<'v>(document: &'v Value, place: &str) -> Option<&'v str> {
    document.pointer(place).and_then(Value::as_str).filter(|text| !text.is_empty())
}

fn service(document: &Value) -> Option<BackendService> {
    let not_needed = || Gap::from("it was not read");
    Some(BackendService {
        name: text(document, "/name")?.to_owned(),
        id: text(document, "/id")?.to_owned(),
        // A URL, whose last part is the region's name.
        location: text(document, "/region").map(last).map(str::to_owned),
        iap_enabled: document.pointer("/iap/enabled").and_then(Value::as_bool).unwrap_or_default(),
        client_id: text(document, "/iap/oauth2ClientId").map(str::to_owned),
        let_through: Read::Unread(not_needed()),
        behind: Vec::new(),
    })
}

/// The services of Cloud Run that serverless groups lead to, by the groups' paths.
/// A mask of URLs leads to whatever a request names.
fn places(groups: &[Value], project: &str) -> BTreeMap<String, Place> {
    let place = |group: &Value| {
        let path = path_of(text(group, "/selfLink")?).to_owned();
        let (_, rest) = path.split_once("/regions/")?;
        let (location, _) = rest.split_once('/')?;
        let (project, location) = (project.to_owned(), location.to_owned());
        let service = text(group, "/cloudRun/service")?.to_owned();
        Some((path, Place { project, service, location }))
    };
    groups.iter().filter_map(place).collect()
}

/// The part of a link that names the resource: hosts and versions differ.
fn path_of(link: &str) -> &str {
    link.find("/projects/").and_then(|at| link.get(at..)).unwrap_or(link)
}

fn last(link: &str) -> &str {
    link.rsplit('/').next().unwrap_or(link)
}

/// The policy of a backend service with those of all that it is part of.
async fn let_through(client: &Client, project: &str, service: &BackendService) -> Read<Policy> {
    let all = format!("/v1/projects/{}/iap_web", encoded(project.as_bytes()));
    let of_kind = match &service.location {
        None => format!("{all}/compute"),
        Some(location) => format!("{all}/compute-{}", encoded(location.as_bytes())),
    };
    let own = format!("{of_kind}/services/{}", encoded(service.name.as_bytes()));
    let mut bindings = Vec::new();
    for read in join_all([&all, &of_kind, &own].map(|path| client.policy(IAP, path))).await {
        match read {
            Read::Is(document) => bindings.extend(policy(&document).0),
            Read::Missing => {}
            Read::Unread(gap) => return Read::Unread(gap),
        }
    }
    Read::Is(Policy(bindings))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_backend_service_is_read_with_its_iap() {
        let read = service(&json!({
            "name": "orders", "id": "42",
            "region": "https://www.googleapis.com/compute/v1/projects/p/regions/us-east1",
            "iap": { "enabled": true, "oauth2ClientId": "c", "oauth2ClientSecretSha256": "x" },
        }));
        let read = read.unwrap();
        assert_eq!((&*read.name, &*read.id, read.iap_enabled), ("orders", "42", true));
        assert_eq!(read.location.as_deref(), Some("us-east1"));
        assert_eq!(read.client_id.as_deref(), Some("c"));
        let plain = service(&json!({ "name": "orders", "id": "42" })).unwrap();
        assert!(!plain.iap_enabled && plain.client_id.is_none() && plain.location.is_none());
    }

    #[test]
    fn a_group_is_found_whatever_the_host_and_version_of_its_link_are() {
        let group = |host: &str| {
            format!("https://{host}/projects/p/regions/us-east1/networkEndpointGroups/g")
        };
        let groups = [
            json!({ "selfLink": group("www.googleapis.com/compute/v1"), "cloudRun": { "service": "s" } }),
            json!({ "selfLink": "https://h/projects/p/zones/z/networkEndpointGroups/vms" }),
        ];
        let places = places(&groups, "p");
        assert_eq!(places.len(), 1);
        let found = &places[path_of(&group("compute.googleapis.com/compute/beta"))];
        assert_eq!((&*found.service, &*found.location), ("s", "us-east1"));
    }
}
